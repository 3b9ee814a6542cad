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
	"database/sql/driver"
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
	silentTime  = 15 * time.Second // beyond those, of a server that says nothing
	connectTime = 10 * time.Second
	checkTime   = 2 * time.Second // of a connection, before it is used again
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
	db := stdlib.OpenDB(*config, stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false }),
		stdlib.OptionResetSession(checker(o.Pool)))
	size := cmp.Or(o.Pool.Size, poolSize)
	db.SetMaxIdleConns(size)
	db.SetMaxOpenConns(size + max(cmp.Or(o.Pool.Overflow, poolOverflow), 0))
	db.SetConnMaxLifetime(cmp.Or(o.Pool.Recycle, poolRecycle))
	if err := examine(ctx, db); err != nil {
		db.Close()
		return nil, at(where, err)
	}
	limits := limitsOf(o)
	local := fmt.Sprintf("SET LOCAL search_path = %s; SET LOCAL jit = off; SET LOCAL lock_timeout = %d; "+
		"SET LOCAL idle_in_transaction_session_timeout = %d; SET LOCAL statement_timeout = ",
		searchPath, cmp.Or(o.Wait, lockWait).Milliseconds(), limits.Idle.Milliseconds())
	write := "BEGIN ISOLATION LEVEL READ COMMITTED; " + local + ms(limits.Write)
	return &sqldb.Pool{Write: db, Read: db, Where: where, Interruptible: true,
		Longest: limits.Write + limits.Silent, LongestRead: limits.Read + limits.Silent,
		Begin:            write + fmt.Sprintf("; SELECT pg_advisory_xact_lock(%d)", writerLock),
		BeginRead:        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; " + local + ms(limits.Read),
		BeginSnapshot:    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " + local + ms(limits.Write),
		BeginMaintenance: write}, nil
}

func limitsOf(o sqldb.Options) sqldb.Limits {
	return sqldb.Limits{Read: cmp.Or(o.Limits.Read, readTime), Write: cmp.Or(o.Limits.Write, writeTime),
		Idle: cmp.Or(o.Limits.Idle, idleTime), Silent: cmp.Or(o.Limits.Silent, silentTime)}
}

// checker gives the check of a connection before it is used again. It sets its own limit on the connection: a context
// that ends would first ask the server to cancel, and wait for that.
func checker(o sqldb.PoolOptions) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, c *pgx.Conn) error {
		if o.NoPing {
			return nil
		}
		end := time.Now().Add(checkTime)
		if t, ok := ctx.Deadline(); ok && t.Before(end) {
			end = t
		}
		wire := c.PgConn().Conn()
		err := wire.SetDeadline(end)
		if err == nil {
			err = c.Ping(context.WithoutCancel(ctx))
		}
		if err == nil {
			err = wire.SetDeadline(time.Time{})
		}
		if err != nil {
			return driver.ErrBadConn
		}
		return nil
	}
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
	config.DialFunc = dialer().DialContext
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler { return &canceller{conn: c} }
}
