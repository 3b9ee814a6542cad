package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Tx is a transaction that is dead after its first error: whatever is called then returns that error and nothing
// is written. It begins, commits and rolls back by statements on one connection and runs each statement to its
// end. A statement that is interrupted in SQLite may roll back by itself, and what follows would then be committed
// one by one; therefore a context that ends stops the transaction between statements, never within one, save the first.
// Where the engine is safe from that, a context that ends cancels the statement that runs.
type Tx struct {
	db   *DB
	ctx  context.Context
	conn *sql.Conn
	err  error
}

// Write runs f in a transaction and commits it if f returns nil; otherwise nothing of it remains.
func (db *DB) Write(ctx context.Context, f func(*Tx) error) error {
	return db.write(ctx, db.pool.Begin, f, true)
}

// Maintain is Write for work that changes no rows of the catalogue's tables: where the engine can, writers need not wait.
func (db *DB) Maintain(ctx context.Context, f func(*Tx) error) error {
	return db.write(ctx, cmp.Or(db.pool.BeginMaintenance, db.pool.Begin), f, true)
}

// Snapshot runs f, which only reads, on one state of the database. Where the engine can, writers need not wait.
func (db *DB) Snapshot(ctx context.Context, f func(*Tx) error) error {
	return db.write(ctx, cmp.Or(db.pool.BeginSnapshot, db.pool.Begin), f, false)
}

// Try runs f in a transaction that is always rolled back.
func (db *DB) Try(ctx context.Context, f func(*Tx) error) error {
	return db.write(ctx, db.pool.Begin, f, false)
}

func (db *DB) write(ctx context.Context, begin string, f func(*Tx) error, commit bool) error {
	conn, err := db.pool.Write.Conn(ctx)
	if err != nil {
		return db.explain(err)
	}
	defer conn.Close()
	tx := &Tx{db: db, ctx: ctx, conn: conn}
	defer tx.abandon() // f may panic
	if err := tx.begin(begin); err != nil {
		return err
	}
	if err := f(tx); err != nil {
		tx.fail(err)
	}
	if tx.err == nil && commit {
		tx.commit()
	}
	return tx.err
}

// commit is never interrupted: half way through nobody would know what became of it.
func (tx *Tx) commit() {
	if tx.alive() != nil {
		return
	}
	ctx, cancel := answered(context.WithoutCancel(tx.ctx), tx.db.pool.LongestRead)
	defer cancel()
	var err error
	if c, ok := tx.db.engine.(Committer); ok {
		err = c.Commit(ctx, tx.conn)
	} else {
		_, err = tx.conn.ExecContext(ctx, "COMMIT")
	}
	tx.fail(lateness(ctx, err))
	if tx.err == nil {
		tx.conn = nil
	}
}

// begin waits for its turn as long as the context lives. It is the one statement that may be interrupted: there is
// nothing yet that could escape the rollback.
func (tx *Tx) begin(stmt string) error {
	if tx.alive() == nil {
		ctx, cancel := answered(tx.ctx, tx.db.pool.LongestRead)
		defer cancel()
		_, err := tx.conn.ExecContext(ctx, stmt)
		tx.fail(lateness(ctx, err))
	}
	return tx.err
}

// abandon rolls back what was not committed. A connection that cannot even do that is thrown away.
func (tx *Tx) abandon() {
	if tx.conn == nil {
		return
	}
	rollback(tx.ctx, tx.conn)
	tx.conn = nil
	if tx.err == nil {
		tx.err = sql.ErrTxDone
	}
}

// rollbackTime is how long a server may take to roll back before its connection is thrown away.
const rollbackTime = 10 * time.Second

// rollback ends a transaction whose context may have ended. A connection that cannot even do that is thrown away.
func rollback(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
	defer cancel()
	if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// lateness prefers the reason for which the context ended to what the interrupted statement says.
func lateness(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// answered ends the context of a statement when a server has said nothing for too long: it may have died without a
// word, or stand behind a network or a proxy that has.
func answered(ctx context.Context, longest time.Duration) (context.Context, context.CancelFunc) {
	if longest == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, longest, fault.New(fault.Disconnected, "the server gave no answer for %v", longest).
		Try("Run this again when it answers; what was written will be recognised."))
}

// running is the context of a statement within the transaction.
func (tx *Tx) running() (context.Context, context.CancelFunc) {
	ctx := tx.ctx
	if !tx.db.pool.Interruptible {
		ctx = context.WithoutCancel(ctx)
	}
	return answered(ctx, tx.db.pool.Longest)
}

// Run runs a statement of a schema's definition, as it stands and without values.
func (tx *Tx) Run(stmt string) error {
	if tx.alive() == nil {
		ctx, cancel := tx.running()
		defer cancel()
		_, err := tx.conn.ExecContext(ctx, stmt)
		tx.fail(lateness(ctx, err))
	}
	return tx.err
}

func (tx *Tx) alive() error {
	if tx.err == nil && tx.conn == nil { // committed
		return sql.ErrTxDone
	}
	if tx.err == nil && tx.ctx.Err() != nil {
		tx.err = context.Cause(tx.ctx)
	}
	return tx.err
}

func (tx *Tx) fail(err error) {
	if err != nil && tx.err == nil {
		tx.err = tx.db.explain(lateness(tx.ctx, err))
	}
}

// Statement starts a statement for the transaction's database.
func (tx *Tx) Statement(sql string, args ...any) *Statement { return tx.db.Statement(sql, args...) }

// Grammar is that of the transaction's engine.
func (tx *Tx) Grammar() Grammar { return tx.db.engine }

// Exec runs a statement and gives the number of rows it changed.
func (tx *Tx) Exec(s *Statement) (int64, error) {
	if err := tx.alive(); err != nil {
		return 0, err
	}
	ctx, cancel := tx.running()
	defer cancel()
	r, err := tx.conn.ExecContext(ctx, s.String(), s.args...)
	if err != nil {
		tx.fail(lateness(ctx, err))
		return 0, tx.err
	}
	n, err := r.RowsAffected()
	tx.fail(err)
	return n, tx.err
}

// Query runs a reading statement within the transaction and calls scan for each row.
func (tx *Tx) Query(s *Statement, scan func(*sql.Rows) error) error {
	if err := tx.alive(); err != nil {
		return err
	}
	ctx, cancel := tx.running()
	defer cancel()
	rows, err := tx.conn.QueryContext(ctx, s.String(), s.args...)
	if err == nil {
		err = each(rows, scan)
	}
	tx.fail(lateness(ctx, err))
	return tx.err
}

// Row runs a reading statement that gives one row. Unlike other errors, sql.ErrNoRows leaves the transaction alive.
func (tx *Tx) Row(s *Statement, dest ...any) error {
	if err := tx.alive(); err != nil {
		return err
	}
	ctx, cancel := tx.running()
	defer cancel()
	err := tx.conn.QueryRowContext(ctx, s.String(), s.args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return err
	}
	tx.fail(lateness(ctx, err))
	return tx.err
}

// Loader writes rows of the table in bulk within this transaction.
func (tx *Tx) Loader(t *metric.Table, m Mode) Loader {
	return &txLoader{tx: tx, l: tx.db.engine.Loader(tx.conn, t, m)}
}

// Insert writes one row and gives its id.
func (tx *Tx) Insert(t *metric.Table, row metric.Row) (int64, error) {
	ids, err := tx.Loader(t, Skip).Insert(tx.ctx, []metric.Row{row})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// txLoader makes an engine's loader die with its transaction.
type txLoader struct {
	tx *Tx
	l  Loader
}

// Insert implements Loader.
func (l *txLoader) Insert(ctx context.Context, rows []metric.Row) ([]int64, error) {
	return l.guard(ctx, rows, l.l.Insert)
}

// Find implements Loader.
func (l *txLoader) Find(ctx context.Context, rows []metric.Row) ([]int64, error) {
	return l.guard(ctx, rows, l.l.Find)
}

// Get implements Loader.
func (l *txLoader) Get(ctx context.Context, rows []metric.Row) (ids []int64, stored []metric.Row, err error) {
	ids, err = l.guard(ctx, rows, func(ctx context.Context, rows []metric.Row) ([]int64, error) {
		ids, stored, err = l.l.Get(ctx, rows)
		return ids, err
	})
	return ids, stored, err
}

func (l *txLoader) guard(ctx context.Context, rows []metric.Row, f func(context.Context, []metric.Row) ([]int64, error)) ([]int64, error) {
	if err := l.tx.alive(); err != nil || len(rows) == 0 {
		return nil, err
	}
	ctx, cancel := answered(ctx, l.tx.db.pool.Longest)
	defer cancel()
	ids, err := f(ctx, rows)
	l.tx.fail(lateness(ctx, err))
	return ids, l.tx.err
}
