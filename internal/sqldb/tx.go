package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Tx is a transaction that is dead after its first error: whatever is called then returns that error and nothing
// is written. It begins, commits and rolls back by statements on one connection and runs each statement to its
// end. A statement that is interrupted in SQLite may roll back by itself, and what follows would then be committed
// one by one; therefore a context that ends stops the transaction between statements, never within one, save the first.
type Tx struct {
	db   *DB
	ctx  context.Context
	conn *sql.Conn
	err  error
}

// Write runs f in a transaction and commits it if f returns nil; otherwise nothing of it remains.
func (db *DB) Write(ctx context.Context, f func(*Tx) error) error {
	return db.write(ctx, f, true)
}

// Try runs f in a transaction that is always rolled back.
func (db *DB) Try(ctx context.Context, f func(*Tx) error) error {
	return db.write(ctx, f, false)
}

func (db *DB) write(ctx context.Context, f func(*Tx) error, commit bool) error {
	conn, err := db.pool.Write.Conn(ctx)
	if err != nil {
		return db.explain(err)
	}
	defer conn.Close()
	tx := &Tx{db: db, ctx: ctx, conn: conn}
	defer tx.abandon() // f may panic
	if err := tx.begin(); err != nil {
		return err
	}
	if err := f(tx); err != nil {
		tx.fail(err)
	}
	if tx.err == nil && commit {
		tx.run("COMMIT")
		if tx.err == nil {
			tx.conn = nil
		}
	}
	return tx.err
}

// begin waits for its turn as long as the context lives. It is the one statement that may be interrupted: there is
// nothing yet that could escape the rollback.
func (tx *Tx) begin() error {
	if tx.alive() == nil {
		_, err := tx.conn.ExecContext(tx.ctx, tx.db.engine.Begin())
		tx.fail(err)
	}
	return tx.err
}

// abandon rolls back what was not committed. A connection that cannot even do that is thrown away.
func (tx *Tx) abandon() {
	if tx.conn == nil {
		return
	}
	bg := context.WithoutCancel(tx.ctx)
	if _, err := tx.conn.ExecContext(bg, "ROLLBACK"); err != nil {
		_ = tx.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	tx.conn = nil
	if tx.err == nil {
		tx.err = sql.ErrTxDone
	}
}

func (tx *Tx) run(stmt string) {
	if tx.alive() == nil {
		_, err := tx.conn.ExecContext(context.WithoutCancel(tx.ctx), stmt)
		tx.fail(err)
	}
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
		tx.err = tx.db.explain(err)
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
	r, err := tx.conn.ExecContext(context.WithoutCancel(tx.ctx), s.String(), s.args...)
	if err != nil {
		tx.fail(err)
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
	rows, err := tx.conn.QueryContext(context.WithoutCancel(tx.ctx), s.String(), s.args...)
	if err == nil {
		err = each(rows, scan)
	}
	tx.fail(err)
	return tx.err
}

// Row runs a reading statement that gives one row. Unlike other errors, sql.ErrNoRows leaves the transaction alive.
func (tx *Tx) Row(s *Statement, dest ...any) error {
	if err := tx.alive(); err != nil {
		return err
	}
	err := tx.conn.QueryRowContext(context.WithoutCancel(tx.ctx), s.String(), s.args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return err
	}
	tx.fail(err)
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

func (l *txLoader) guard(ctx context.Context, rows []metric.Row, f func(context.Context, []metric.Row) ([]int64, error)) ([]int64, error) {
	if err := l.tx.alive(); err != nil || len(rows) == 0 {
		return nil, err
	}
	ids, err := f(ctx, rows)
	l.tx.fail(err)
	return ids, l.tx.err
}
