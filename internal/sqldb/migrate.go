package sqldb

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Migrations are not written down a second time: version n of the schema is whatever the tables declare Since n.

// versions is the table that remembers which steps were applied. It marks a database as ours, so its name must not be
// that of other programs' tables; schema_migrations is in many.
func versions() *metric.Table {
	return &metric.Table{Name: "feedback_loop_versions", Columns: []metric.Column{
		{Name: "version", Type: metric.Int, Required: true},
		{Name: "applied_at", Type: metric.Time, Required: true},
	}, Identity: []string{"version"}}
}

// Migrate brings the database to the schema of these tables, one transaction per version. Several processes may
// call it at once; a killed call leaves whole versions. A newer or foreign database is refused unchanged.
func (db *DB) Migrate(ctx context.Context, tables []*metric.Table, target int, now time.Time) error {
	if have, err := db.Version(ctx); err != nil || have == target {
		return err // nothing to do, and no need to wait for whoever writes
	}
	for {
		done := false
		err := db.Write(ctx, func(tx *Tx) (err error) {
			done, err = tx.advance(tables, target, now)
			return err
		})
		if err != nil || done {
			return err
		}
	}
}

// advance brings the schema one version further; done says that it was there already.
func (tx *Tx) advance(tables []*metric.Table, target int, now time.Time) (done bool, err error) {
	switch have, err := tx.db.version(tx.Query); {
	case err != nil:
		return false, err
	case have > target:
		return false, Newer(tx.db.Where(), have, target)
	case have == target:
		return true, nil
	default:
		return false, tx.migrate(tables, have+1, now)
	}
}

// Version is the schema version of the database; 0 = empty. It waits for no writer. It fails for a database that
// holds tables of others.
func (db *DB) Version(ctx context.Context) (int, error) {
	return db.version(func(s *Statement, scan func(*sql.Rows) error) error { return db.Query(ctx, s, scan) })
}

func (db *DB) version(query func(*Statement, func(*sql.Rows) error) error) (int, error) {
	var names []string
	err := query(db.Statement(db.engine.UserTables()), func(r *sql.Rows) error {
		var n string
		err := r.Scan(&n)
		names = append(names, n)
		return err
	})
	if err != nil || len(names) == 0 {
		return 0, err
	}
	if !slices.Contains(names, versions().Name) {
		return 0, db.foreign(names)
	}
	var v sql.NullInt64
	err = query(db.Statement("SELECT MAX(version) FROM "+versions().Name), func(r *sql.Rows) error { return r.Scan(&v) })
	return int(v.Int64), err
}

// Applied gives when each schema version was applied, from the first on. No two databases agree in that, unless one was
// made from the files of the other.
func (tx *Tx) Applied() (all []time.Time, err error) {
	err = tx.Query(tx.Statement("SELECT applied_at FROM "+versions().Name+" ORDER BY version"), func(r *sql.Rows) error {
		var t Time
		err := r.Scan(&t)
		all = append(all, t.Time)
		return err
	})
	return all, err
}

func (tx *Tx) migrate(tables []*metric.Table, version int, now time.Time) error {
	var stmts []string
	if version == 1 {
		stmts = append(tx.db.engine.Init(), tx.db.engine.Create(versions())...)
	}
	for _, t := range tables {
		stmts = append(stmts, step(tx.db.engine, t, version)...)
	}
	for _, s := range append(stmts, tx.db.engine.Stamp(version)...) {
		_ = tx.Run(s) // the transaction remembers
	}
	_, err := tx.Insert(versions(), metric.Row{int64(version), now})
	return err
}

func step(g Grammar, t *metric.Table, version int) []string {
	var stmts []string
	created := t.Since == version
	if created {
		first := *t // later columns follow in the steps that introduced them, as they do in older databases
		first.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c metric.Column) bool { return c.Since > version })
		stmts = g.Create(&first)
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; !created && c.Since == version {
			stmts = append(stmts, g.AddColumn(t, c))
		}
	}
	for _, i := range t.Indexes {
		if i.Since == version || created && i.Since <= version {
			stmts = append(stmts, g.CreateIndex(t, i))
		}
	}
	return stmts
}

// Newer is the refusal of a database that a newer binary made.
func Newer(where string, have, target int) error {
	return fault.New(fault.Conflict, "%s has schema version %d; this binary knows versions up to %d", where, have, target).
		Try("Use the newer feedback-loop that made it; nothing was changed.")
}

func (db *DB) foreign(names []string) error {
	slices.Sort(names)
	if slices.Contains(names, "metrics_bugs") {
		err := fault.New(fault.Conflict, "%s was made by the original exporter, not by this program", db.Where())
		if _, ok := db.engine.(Adopter); ok {
			return err.Try("Adopt it without losing a row: feedback-loop db migrate --adopt. Nothing was changed.")
		}
		return err.Try("Read it into a database of its own: feedback-loop import FILE. Nothing was changed.")
	}
	if len(names) > 3 {
		names = append(names[:3], "...")
	}
	return fault.New(fault.Conflict, "%s holds tables of another program (%s)", db.Where(), strings.Join(names, ", ")).
		Try("Name another database; nothing was changed.")
}
