// Package sqlite is the embedded engine: one file, no server, through the pure Go port of SQLite.
//
// One connection writes (BEGIN IMMEDIATE, write-ahead log, synchronous=FULL: what was acknowledged survives a power
// cut), several read beside it.
package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Engine is the SQLite engine.
type Engine struct{ grammar }

var _ sqldb.Engine = Engine{}

// Name implements sqldb.Engine.
func (Engine) Name() string { return "sqlite" }

// Schemes implements sqldb.Engine.
func (Engine) Schemes() []string { return []string{"sqlite", "file"} }

const (
	readers      = 4
	writerCache  = "-12000" // KiB; the hot ends of all indexes fit
	readerCache  = "-4000"
	busyTimeout  = 10 * time.Second // for another process' write
	checkpoint   = "4000"           // pages of write-ahead log before they move to the database
	logSizeLimit = "67108864"
)

// Open implements sqldb.Engine. The file is examined before SQLite touches it.
func (Engine) Open(ctx context.Context, uri string, o sqldb.Options) (*sqldb.Pool, error) {
	path := sqldb.SQLitePath(uri)
	if path == "" {
		return nil, fault.New(fault.Invalid, "an in-memory database keeps nothing").Try("Name a file: sqlite:////absolute/path/feedback-loop.db.")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := examine(path, o); err != nil {
		return nil, err
	}
	wait := cmp.Or(o.Wait, busyTimeout)
	p := &sqldb.Pool{
		Write: sql.OpenDB(connector(abs, wait, "cache_size("+writerCache+")")),
		Read:  sql.OpenDB(connector(abs, wait, "cache_size("+readerCache+")", "query_only(1)")),
		Where: path,
		// IMMEDIATE takes the write lock at once: a transaction that reads first and writes later would fail with
		// SQLITE_BUSY whatever the timeout.
		Begin: "BEGIN IMMEDIATE",
	}
	p.Write.SetMaxOpenConns(1)
	p.Read.SetMaxOpenConns(readers)
	p.Read.SetMaxIdleConns(readers)
	if err := p.Write.PingContext(ctx); err != nil {
		p.Write.Close()
		p.Read.Close()
		return nil, Engine{}.Explain(fault.Wrap(err, fault.KindOf(err), "%s cannot be opened", path))
	}
	return p, nil
}

// dsn puts the pragmas into the name, so that every connection has them; busy_timeout has to be the first.
func dsn(path string, wait time.Duration, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", wait.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(1)", "wal_autocheckpoint(" + checkpoint + ")", "journal_size_limit(" + logSizeLimit + ")", "trusted_schema(0)"}, pragmas...)}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	return u.String()
}

type dsnConnector struct {
	dsn  string
	wait time.Duration
	d    driver.Driver
}

func connector(path string, wait time.Duration, pragmas ...string) driver.Connector {
	return dsnConnector{dsn(path, wait, pragmas...), wait, &sqlite.Driver{}}
}

// Connect implements driver.Connector. Two that turn a new file to the write-ahead log at the same moment would wait
// for each other; SQLite refuses one of them at once, whatever the busy timeout, so it has to come again.
func (c dsnConnector) Connect(ctx context.Context) (driver.Conn, error) {
	const pause = 5 * time.Millisecond
	for end := time.Now().Add(c.wait); ; {
		conn, err := c.d.Open(c.dsn)
		if !busy(err) || time.Now().After(end) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

func busy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// Driver implements driver.Connector.
func (c dsnConnector) Driver() driver.Driver { return c.d }

// Explain implements sqldb.Engine.
func (Engine) Explain(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault.New(fault.Unavailable, "the database is locked by another process").Because(err).
			Try("Wait until its import ends and run this again; nothing is lost by that.")
	case sqlite3.SQLITE_FULL:
		return fault.New(fault.Unavailable, "the disk is full").Because(err).
			Try("Free space and run this again; what was written before is kept and will be recognised.")
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.New(fault.Invalid, "the database file is damaged").Because(err).
			Try("Restore it from a backup, or recover what is readable with: sqlite3 FILE .recover")
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_CANTOPEN:
		return fault.New(fault.Denied, "the database file cannot be written").Because(err).
			Try("Check the permissions of the file and of its folder, which must be writable too.")
	case sqlite3.SQLITE_IOERR:
		return fault.New(fault.Unavailable, "reading or writing the database file failed").Because(err).
			Try("Check the disk, and that the folder still exists and has space; then run this again.")
	}
	return err
}

// Loader implements sqldb.Engine.
func (Engine) Loader(c *sql.Conn, t *metric.Table, m sqldb.Mode) sqldb.Loader {
	return &loader{conn: c, table: t, mode: m}
}

// examine refuses what cannot be our database by looking at the file alone.
func examine(path string, o sqldb.Options) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return examineFolder(path, o.Create)
	}
	if err != nil {
		return denied(path, err)
	}
	if info.IsDir() {
		return fault.New(fault.Invalid, "%s is a folder, not a database", path).Try("Name a file in it, such as %s.", filepath.Join(path, "feedback-loop.db"))
	}
	if !info.Mode().IsRegular() {
		return fault.New(fault.Invalid, "%s is not a file that can hold a database", path).Try("Name another one with --db.")
	}
	if info.Size() == 0 {
		return nil
	}
	return examineHeader(path, o.Version)
}

func denied(path string, err error) error {
	return fault.New(fault.Denied, "the database %s cannot be read", path).Because(err).
		Try("Check the permissions of the file and of the folders above it.")
}

func examineFolder(path string, create bool) error {
	if !create {
		return fault.New(fault.NotFound, "there is no database %s", path).
			Try("Make one with: feedback-loop import FILE, or: feedback-loop sample")
	}
	folder := filepath.Dir(path)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return fault.New(fault.NotFound, "the folder %s for the database does not exist", folder).Try("Make it, or name another place with --db.")
	}
	return nil
}

// The file header: a magic text, and numbers in it that tell whose file it is. See https://sqlite.org/fileformat2.html
const (
	magic         = "SQLite format 3\x00"
	headerSize    = 100
	pagesAt       = 28
	userVersionAt = 60
	applicationAt = 68
	application   = 0x46624c70 // FbLp
)

// examineHeader reads the file without SQLite, which would change it by opening it in our journal mode. While a
// write-ahead log lies beside it the header may be older than the database. What it refuses is refused all the same:
// our mark is written together with our first table, and versions only go up. What it lets pass is looked at again
// inside the database.
func examineHeader(path string, version int) error {
	f, err := os.Open(path)
	if err != nil {
		return denied(path, err)
	}
	defer f.Close()
	head := make([]byte, headerSize)
	// A file that cannot be read so far is no database either.
	if n, _ := f.ReadAt(head, 0); n < headerSize || string(head[:len(magic)]) != magic {
		return fault.New(fault.Invalid, "%s is not a SQLite database", path).
			Try("Name another file with --db; this one was not touched.")
	}
	number := func(at int) uint32 { return binary.BigEndian.Uint32(head[at:]) }
	switch {
	case number(applicationAt) == application && int(number(userVersionAt)) > version:
		return sqldb.Newer(path, int(number(userVersionAt)), version)
	case number(applicationAt) != application && number(pagesAt) > 1:
		return fault.New(fault.Conflict, "%s was not made by this program", path).
			Try("If the original exporter made it, read it into a database of its own: feedback-loop import %s. It was not touched.", path)
	}
	return nil
}
