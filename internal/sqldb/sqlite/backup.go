package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

var _ sqldb.Archiver = Engine{}

// Backup implements sqldb.Archiver. It holds up nobody who writes meanwhile.
func (Engine) Backup(ctx context.Context, p *sqldb.Pool, _, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := p.Write.ExecContext(ctx, "VACUUM INTO ?", abs); err != nil {
		return err
	}
	return check(ctx, path, path)
}

// Restore implements sqldb.Archiver. The database has to be at rest: who has it open would go on with the old file.
func (Engine) Restore(ctx context.Context, uri, path string, o sqldb.Options, force bool) error {
	target := sqldb.SQLitePath(uri)
	if target == "" {
		return fault.New(fault.Invalid, "an in-memory database keeps nothing").Try("Name a file: sqlite:////absolute/path/feedback-loop.db.")
	}
	if err := examineBackup(path, o.Version); err != nil {
		return err
	}
	release, err := vacate(ctx, target, force)
	if err != nil {
		return err
	}
	err = sqldb.WriteWhole(target, true, func(temp string) error {
		if err := copyFile(path, temp); err != nil {
			return err
		}
		return check(ctx, temp, path)
	})
	return errors.Join(err, release())
}

// check lets SQLite examine a file that nobody uses; name is what to call it.
func check(ctx context.Context, path, name string) (err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: abs}).EscapedPath(), RawQuery: "immutable=1&_pragma=trusted_schema(0)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var verdict string
	err = db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict)
	if err == nil && verdict == "ok" {
		return nil
	}
	if err == nil {
		err = errors.New(verdict)
	} else if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault.New(fault.Invalid, "%s is damaged", name).Because(err).Try("Take another backup; run feedback-loop doctor on the database.")
}

// examineBackup refuses what is no whole database of ours.
func examineBackup(path string, version int) error {
	head, err := readHead(path)
	if err != nil {
		return denied(path, err)
	}
	if strings.HasPrefix(string(head), "PGDMP") {
		return fault.New(fault.Invalid, "%s is the backup of a PostgreSQL database", path).
			Try("Restore it with --db postgresql://..., then bring it here with: feedback-loop db copy")
	}
	if err := examineHeader(path, version); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(head[applicationAt:]) != application {
		return fault.New(fault.Conflict, "%s was not made by this program", path).Try("Name a file that db backup made.")
	}
	for _, log := range logs(path) {
		if filled(log) {
			return fault.New(fault.Conflict, "%s lies beside %s, which is therefore not whole", log, path).
				Try("Make a backup of that database with: feedback-loop db backup --db %s FILE", path)
		}
	}
	return nil
}

func readHead(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	head := make([]byte, headerSize)
	if _, err = io.ReadFull(f, head); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil // the header itself will be judged
	}
	return head, errors.Join(err, f.Close())
}

// logs are the files beside a database whose content SQLite would take into it.
func logs(path string) []string { return []string{path + "-wal", path + "-journal"} }

func filled(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// vacate makes sure that nothing is lost and nobody disturbed when another file takes the database's place, and that no
// old log will be read into the new one. Until release nobody can write to the old file.
func vacate(ctx context.Context, target string, force bool) (release func() error, err error) {
	nothing := func() error { return nil }
	info, err := os.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Mode().IsRegular() && info.Size() == 0:
		for _, log := range logs(target) {
			if filled(log) {
				return nil, fault.New(fault.Conflict, "%s is the log of another database, and would be read into the restored one", log).
					Try("If its database is gone, remove it and run this again; nothing was changed.")
			}
		}
		return nothing, examineFolder(target, true)
	case err != nil:
		return nil, denied(target, err)
	case info.IsDir():
		return nil, fault.New(fault.Invalid, "%s is a folder, not a database", target).Try("Name a file in it with --db.")
	case !force:
		return nil, fault.New(fault.Conflict, "the database %s is not empty", target).Try("Restore into another one, or replace this one with --force.")
	}
	if err := examineHeader(target, math.MaxInt); err != nil {
		return nil, err
	}
	return seize(ctx, target)
}

// seize empties the log of a database into it and locks it. One that is too damaged for that loses its log.
func seize(ctx context.Context, target string) (release func() error, err error) {
	abs, err := filepath.Abs(target)
	if err != nil {
		return nil, err
	}
	const wait = 2 * time.Second
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: abs}).EscapedPath(), RawQuery: fmt.Sprintf("_pragma=busy_timeout(%d)", wait.Milliseconds())}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	var mode string
	err = db.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode)
	if err == nil {
		_, err = db.ExecContext(ctx, "BEGIN EXCLUSIVE")
	}
	switch {
	case err == nil:
		return db.Close, nil
	case damage(err):
		for _, log := range append(logs(target), target+"-shm") {
			if e := os.Remove(log); e != nil && !errors.Is(e, fs.ErrNotExist) {
				return nil, errors.Join(e, db.Close())
			}
		}
		return db.Close, nil
	case busy(err):
		err = fault.New(fault.Unavailable, "the database %s is in use", target).Because(err).
			Try("Stop the server and wait for imports that use it, then run this again; nothing was changed.")
	}
	return nil, errors.Join(err, db.Close())
}

func damage(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == sqlite3.SQLITE_CORRUPT || e.Code()&0xff == sqlite3.SQLITE_NOTADB)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // only read from
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
