// Package sqldb is the database layer below the schema's nouns: it opens a URI, runs transactions that cannot half
// succeed, loads rows in bulk, and migrates. What differs between engines is one Engine value per engine, in a
// folder of its own; package sqldbtest holds the suite that every engine has to pass.
package sqldb

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Engine is what a database engine provides.
type Engine interface {
	Grammar
	// Name is the engine's name as people know it: "sqlite".
	Name() string
	// Schemes are the URI schemes it answers to, without driver suffix: "sqlite", "file".
	Schemes() []string
	// Open connects. A database that cannot be ours (not a database, newer, somebody else's) is refused untouched.
	Open(ctx context.Context, uri string, o Options) (*Pool, error)
	// Loader writes rows of a table in bulk on the connection of a transaction.
	Loader(c *sql.Conn, t *metric.Table, m Mode) Loader
	// Explain turns a driver's error into a fault where it knows a remedy; other errors come back unchanged.
	Explain(err error) error
}

// Grammar is how an engine writes what the portable layer cannot: types, definitions, placeholders.
type Grammar interface {
	// Placeholder is the n-th parameter of a statement, n from 1.
	Placeholder(n int) string
	// Create gives the statements that create the table without its indexes.
	Create(t *metric.Table) []string
	// CreateIndex gives the statement that creates one index.
	CreateIndex(t *metric.Table, i metric.Index) string
	// AddColumn gives the statement that adds a column to an existing table.
	AddColumn(t *metric.Table, c *metric.Column) string
	// Init gives the statements that have to run before the first table is made: schemas, functions.
	Init() []string
	// Encode turns a value of a metric.Row into what the driver stores.
	Encode(v any) any
	// Day gives the day in UTC, of type Date, of an expression of type Time.
	Day(instant string) string
	// Bucket truncates an expression of type Date to its week (Monday) or month.
	Bucket(grain Grain, day string) string
	// Stamp gives statements that mark the database as ours, at this schema version, beyond the table of versions.
	Stamp(version int) []string
	// UserTables lists the tables that are in the database, in a statement that gives one name a row.
	UserTables() string
}

// SelfCheck is an engine that can examine its own files.
type SelfCheck interface {
	// SelfCheck is a statement that gives one row "ok", or one row per fault.
	SelfCheck() string
}

// Grain is the width of a time bucket.
type Grain string

// The grains, from fine to coarse.
const (
	Day   Grain = "day"
	Week  Grain = "week"
	Month Grain = "month"
)

// Mode is what a Loader does with a row whose identity is there already.
type Mode int

// The modes.
const (
	Skip    Mode = iota // leave the old row
	Add                 // add the numbers to the old row's
	Replace             // take the new row's values
)

// Loader writes many rows of one table within a transaction.
type Loader interface {
	// Insert writes rows and gives each row's id; 0 means that in mode Skip a row of that identity was there.
	// Tables without id give 1 for written.
	Insert(ctx context.Context, rows []metric.Row) ([]int64, error)
	// Find gives the ids of the rows that have the identities of these; 0 = not there.
	Find(ctx context.Context, rows []metric.Row) ([]int64, error)
	// Get gives the ids and the values of the rows that have the identities of these; 0 and nil = not there.
	Get(ctx context.Context, rows []metric.Row) ([]int64, []metric.Row, error)
}

// Committer is an engine that has to be asked whether a COMMIT did commit.
type Committer interface {
	// Commit ends the transaction on the connection; an error means that it was rolled back or that nobody knows.
	Commit(ctx context.Context, c *sql.Conn) error
}

// Options of opening a database.
type Options struct {
	Create     bool          // make the database if it does not exist
	Version    int           // newest schema version that this binary knows
	Wait       time.Duration // for the end of another process' transaction; 0 = 10 s
	Production bool          // demand a connection that nobody can listen to or redirect
	Pool       PoolOptions   // of engines with a server
	Limits     Limits        // of engines with a server
}

// Limits say how long a server may take. A part that is 0 has the engine's default.
type Limits struct {
	Read   time.Duration // for a statement that reads; the server ends one that takes longer
	Write  time.Duration // for a statement of a transaction that writes; the server ends one that takes longer
	Idle   time.Duration // between two statements of a transaction; the server ends it then, with its locks
	Silent time.Duration // beyond Read and Write, until a server that says nothing counts as gone
}

// PoolOptions say how connections to a server are kept.
type PoolOptions struct {
	Size     int           // connections that stay open when idle; 0 = 10
	Overflow int           // how many more may be open at once; negative = none, 0 = 20
	Recycle  time.Duration // age at which a connection is replaced; 0 = 1 h
	NoPing   bool          // do not check a connection before each use
}

// Pool is an open database as an engine hands it over: where to write and where to read.
type Pool struct {
	Write, Read *sql.DB
	Where       string // for messages: the database without password
	// Begin starts a transaction that writes. Whoever has begun one is alone in writing until its end.
	Begin string
	// BeginRead starts a transaction that reads; empty = reading needs none.
	BeginRead string
	// BeginSnapshot starts a transaction that reads one state of the database, and holds nobody up; empty = Begin does.
	BeginSnapshot string
	// BeginMaintenance starts a transaction that writes, without taking a turn; empty = Begin does.
	BeginMaintenance string
	// Interruptible says that a statement of a transaction may be cancelled while it runs, and that nothing written
	// afterwards can escape the rollback.
	Interruptible bool
	// Longest and LongestRead are how long a statement that writes, and a COMMIT or a reading, may go unanswered before
	// the server counts as gone; 0 = without end.
	Longest, LongestRead time.Duration
}

// DB is an open database.
type DB struct {
	engine Engine
	pool   *Pool
}

// Open connects to the database that the URI names, with the engine that answers to its scheme. It does not migrate.
func Open(ctx context.Context, engines []Engine, uri string, o Options) (*DB, error) {
	e, err := pick(engines, uri)
	if err != nil {
		return nil, err
	}
	p, err := e.Open(ctx, uri, o)
	if err != nil {
		return nil, err
	}
	return &DB{engine: e, pool: p}, nil
}

// Engine gives the engine, for its grammar.
func (db *DB) Engine() Engine { return db.engine }

// Where names the database for messages, without password.
func (db *DB) Where() string { return db.pool.Where }

// Close releases all connections; it waits for running statements.
func (db *DB) Close() error {
	err := db.pool.Read.Close()
	if db.pool.Write != db.pool.Read {
		if e := db.pool.Write.Close(); err == nil {
			err = e
		}
	}
	return db.explain(err)
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	return db.Row(ctx, db.Statement("SELECT 1"), &one)
}

// Statement starts a statement for this database.
func (db *DB) Statement(sql string, args ...any) *Statement {
	return NewStatement(db.engine, sql, args...)
}

// Query runs a reading statement and calls scan for each row, until it fails.
func (db *DB) Query(ctx context.Context, s *Statement, scan func(*sql.Rows) error) error {
	return db.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.QueryContext(ctx, s.String(), s.args...)
		if err != nil {
			return err
		}
		return each(rows, scan)
	})
}

// Row runs a reading statement that gives one row; sql.ErrNoRows when it gives none.
func (db *DB) Row(ctx context.Context, s *Statement, dest ...any) error {
	return db.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, s.String(), s.args...).Scan(dest...)
	})
}

// querier is a pool or one of its connections.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// read lets f read, within a transaction of its own where the engine wants one.
func (db *DB) read(ctx context.Context, f func(context.Context, querier) error) error {
	if db.pool.BeginRead == "" {
		return db.explain(lateness(ctx, f(ctx, db.pool.Read)))
	}
	ctx, cancel := answered(ctx, db.pool.LongestRead)
	defer cancel()
	conn, err := db.pool.Read.Conn(ctx)
	if err != nil {
		return db.explain(lateness(ctx, err))
	}
	defer conn.Close()
	if _, err = conn.ExecContext(ctx, db.pool.BeginRead); err == nil {
		err = f(ctx, conn)
	}
	rollback(ctx, conn)
	return db.explain(lateness(ctx, err))
}

func (db *DB) explain(err error) error {
	if err == nil {
		return nil
	}
	return db.engine.Explain(err)
}

func each(rows *sql.Rows, scan func(*sql.Rows) error) (err error) {
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func pick(engines []Engine, uri string) (Engine, error) {
	scheme := Scheme(uri)
	for _, e := range engines {
		if slices.Contains(e.Schemes(), scheme) {
			return e, nil
		}
	}
	return nil, fault.New(fault.Invalid, "no database engine answers to %q", scheme+"://").
		Try("Use a path, or a URI such as sqlite:////absolute/path/feedback-loop.db or postgresql://user:password@host:5432/name.")
}
