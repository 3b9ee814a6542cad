package sqldb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

// Archiver is an engine that can write a whole database to one file, and bring it back.
type Archiver interface {
	// Backup writes the open database, as it is at one moment, to the file at path, which exists and is empty, and
	// makes sure that it can be read.
	Backup(ctx context.Context, p *Pool, uri, path string) error
	// Restore makes the database of what the file at path holds, as a whole or not at all. One that is not empty it
	// replaces with force, else it refuses.
	Restore(ctx context.Context, uri, path string, o Options, force bool) error
}

// Backup writes the database to a file that is there as a whole or not at all. A file that is there already is replaced
// with force only.
func Backup(ctx context.Context, engines []Engine, uri, path string, o Options, force bool) (err error) {
	o.Create = false
	db, err := Open(ctx, engines, uri, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	a, err := archiver(db.engine)
	if err != nil {
		return err
	}
	switch have, err := db.Version(ctx); {
	case err != nil:
		return err
	case have == 0:
		return fault.New(fault.NotFound, "%s is empty; there is nothing to back up", db.Where()).Try("Name another database with --db.")
	case have > o.Version:
		return Newer(db.Where(), have, o.Version)
	}
	if same(SQLitePath(uri), path) {
		return fault.New(fault.Invalid, "%s is the database itself", path).Try("Name another file for the backup.")
	}
	err = WriteWhole(path, force, func(temp string) error { return a.Backup(ctx, db.pool, uri, temp) })
	return interrupted(ctx, "backup", db.explain(err))
}

// Restore makes the database of what a backup holds; see Archiver.
func Restore(ctx context.Context, engines []Engine, uri, path string, o Options, force bool) error {
	e, err := pick(engines, uri)
	if err != nil {
		return err
	}
	a, err := archiver(e)
	if err != nil {
		return err
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "there is no file %q", path).Try("Check the name of the backup.")
	case err != nil:
		return fault.New(fault.Denied, "%s cannot be read", path).Because(err).Try("Check its permissions.")
	case !info.Mode().IsRegular():
		return fault.New(fault.Invalid, "%s is no file", path).Try("Name a file that db backup made.")
	case same(SQLitePath(uri), path):
		return fault.New(fault.Invalid, "%s is the database itself", path).Try("Name the file of a backup.")
	}
	err = a.Restore(ctx, uri, path, o, force)
	if err != nil {
		err = e.Explain(err)
	}
	return interrupted(ctx, "restoration", err)
}

func archiver(e Engine) (Archiver, error) {
	a, ok := e.(Archiver)
	if !ok {
		return nil, fault.New(fault.Invalid, "%s databases are not backed up by this program", e.Name()).Try("Use the tools of the server.")
	}
	return a, nil
}

func interrupted(ctx context.Context, what string, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return fault.New(fault.Unavailable, "the %s was interrupted", what).Because(context.Cause(ctx)).Try("Nothing was changed; run it again.")
}

func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// WriteWhole makes a file that is there as a whole or not at all, also after the power failed. What write puts into the
// empty file beside it that it is given becomes the file. One that is there already is replaced only if that is wanted, and keeps its permissions.
func WriteWhole(path string, replace bool, write func(temp string) error) (err error) {
	mode := os.FileMode(0o600)
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fault.New(fault.Denied, "%s cannot be written", path).Because(err).Try("Check the name, and the permissions of its folder.")
	case info.IsDir():
		return fault.New(fault.Invalid, "%s is a folder", path).Try("Name a file in it.")
	case !replace:
		return fault.New(fault.Conflict, "%s is there already", path).Try("Name another file, or replace this one with --force.")
	case info.Mode().IsRegular():
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.partial")
	if err != nil {
		return fault.New(fault.Denied, "%s cannot be written", path).Because(err).Try("Check that its folder exists and may be written to.")
	}
	temp := f.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, remove(temp))
		}
	}()
	if err := errors.Join(f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	if err := write(temp); err != nil {
		return err
	}
	if err := syncFile(temp); err != nil {
		return err
	}
	return settle(temp, path, replace)
}

// settle gives the file its name. A link, unlike a rename, does not replace what came there meanwhile.
func settle(temp, path string, replace bool) error {
	if !replace {
		switch err := os.Link(temp, path); {
		case errors.Is(err, fs.ErrExist):
			return fault.New(fault.Conflict, "%s is there already", path).Try("Name another file, or replace this one with --force.")
		case err == nil:
			return errors.Join(os.Remove(temp), syncFile(filepath.Dir(path)))
		}
	}
	if err := os.Rename(temp, path); err != nil { // also where there are no links
		return err
	}
	return syncFile(filepath.Dir(path))
}

// remove takes away a file that nobody needs, which may be gone.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncFile waits until what a file or folder holds is on the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
