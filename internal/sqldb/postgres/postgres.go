// Package postgres is the engine for teams: PostgreSQL 13 or newer, through pgx.
//
// Nothing is kept in a session: search path, timeouts, read-only and the writer's lock are set within each transaction,
// so that the engine works the same behind a proxy that hands another session to every transaction.
//
// Writers take turns by an advisory lock, as they do in SQLite: four imports of overlapping files write what one after
// the other would have written. Rows travel as one array of the table's own row type and become rows by one
// INSERT..SELECT..ON CONFLICT.
package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Engine is the PostgreSQL engine.
type Engine struct{ grammar }

var (
	_ sqldb.Engine    = Engine{}
	_ sqldb.Committer = Engine{}
)

// Name implements sqldb.Engine.
func (Engine) Name() string { return "postgresql" }

// Schemes implements sqldb.Engine.
func (Engine) Schemes() []string { return []string{"postgresql", "postgres"} }

// What a pool is without options.
const (
	poolSize     = 10
	poolOverflow = 20
	poolRecycle  = time.Hour
)

// How long a statement may take. A server has no limits of its own.
const (
	lockWait    = 10 * time.Second // for another writer, or another's lock
	readTime    = time.Minute
	writeTime   = 30 * time.Minute // a migration or a retention may take that long
	idleTime    = time.Minute      // of a transaction whose client says nothing: it may be dead, and holds the lock
	connectTime = 10 * time.Second
)

// writerLock is the advisory lock of whoever writes ("FbLp").
const writerLock = 0x46624c70

// searchPath lets unqualified names find the tables of both schemas.
const searchPath = "metrics, api, public"

// Open implements sqldb.Engine.
func (Engine) Open(ctx context.Context, uri string, o sqldb.Options) (*sqldb.Pool, error) {
	config, _, where, err := parse(uri)
	if err != nil {
		return nil, err
	}
	if o.Production {
		if err := secure(config, where); err != nil {
			return nil, err
		}
	}
	db := stdlib.OpenDB(*config, stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return !o.Pool.NoPing }))
	size := cmp.Or(o.Pool.Size, poolSize)
	db.SetMaxIdleConns(size)
	db.SetMaxOpenConns(size + max(cmp.Or(o.Pool.Overflow, poolOverflow), 0))
	db.SetConnMaxLifetime(cmp.Or(o.Pool.Recycle, poolRecycle))
	if err := examine(ctx, db); err != nil {
		db.Close()
		return nil, at(where, err)
	}
	local := fmt.Sprintf("SET LOCAL search_path = %s; SET LOCAL jit = off; SET LOCAL lock_timeout = %d; "+
		"SET LOCAL idle_in_transaction_session_timeout = %d; SET LOCAL statement_timeout = ",
		searchPath, cmp.Or(o.Wait, lockWait).Milliseconds(), idleTime.Milliseconds())
	return &sqldb.Pool{Write: db, Read: db, Where: where, Interruptible: true,
		Begin: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; " + local + ms(writeTime) +
			fmt.Sprintf("; SELECT pg_advisory_xact_lock(%d)", writerLock),
		BeginRead: "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; " + local + ms(readTime)}, nil
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// at names the database in an error of opening it.
func at(where string, err error) error {
	err = Engine{}.Explain(err)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return fault.New(f.Kind, "%s: %s", where, f.Message).Because(f.Err).Try("%s", f.Remedy)
	}
	return fault.Wrap(err, fault.Unavailable, "%s cannot be opened", where)
}

// minServer is the oldest server: 13 has what partitioned tables need.
const minServer = 13

// examine connects and refuses a server that is too old, or a database that could not hold every text.
func examine(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(c any) error {
		pg := c.(*stdlib.Conn).Conn().PgConn()
		version, encoding := pg.ParameterStatus("server_version"), pg.ParameterStatus("server_encoding")
		if major, err := strconv.Atoi(version[:len(version)-len(strings.TrimLeft(version, "0123456789"))]); err == nil && major < minServer {
			return fault.New(fault.Conflict, "the server is PostgreSQL %s; %d is the oldest that works", version, minServer).
				Try("Upgrade the server, or name another with --db.")
		}
		if encoding != "" && encoding != "UTF8" {
			return fault.New(fault.Conflict, "the database has the encoding %s, which cannot hold every text", encoding).
				Try("Make one that can: createdb --encoding UTF8 --template template0 NAME")
		}
		return nil
	})
}

// Commit implements sqldb.Committer: a transaction that an error had ended answers COMMIT with ROLLBACK, and no error.
func (Engine) Commit(ctx context.Context, c *sql.Conn) error {
	return c.Raw(func(c any) error {
		results, err := c.(*stdlib.Conn).Conn().PgConn().Exec(ctx, "COMMIT").ReadAll()
		if err != nil {
			return err
		}
		if tag := results[len(results)-1].CommandTag.String(); tag != "COMMIT" {
			return fault.New(fault.Internal, "the database answered COMMIT with %s", tag)
		}
		return nil
	})
}

// Loader implements sqldb.Engine.
func (Engine) Loader(c *sql.Conn, t *metric.Table, m sqldb.Mode) sqldb.Loader {
	return &loader{conn: c, table: t, mode: m}
}

// configure sets what the URI does not say. Statements are described, not prepared: a prepared one lives in a session.
func configure(config *pgx.ConnConfig) {
	config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTime
	}
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: 5 * time.Second}
	}
}
