// Package retention removes old rows from the event tables and remembers from when on they are kept: the rollups still
// count what was removed, so that it must not come in again.
package retention

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Rule says from when on the events of a category are kept.
type Rule struct {
	Category *metric.Category
	Before   time.Time // midnight UTC: older rows go, with their links
}

// Result is what a rule did, or would do.
type Result struct {
	Table  string    `json:"table"`
	Before time.Time `json:"before"`
	Rows   int64     `json:"rows"`            // removed one by one
	Parts  []string  `json:"parts,omitempty"` // removed as a whole
	InPart int64     `json:"rows_in_parts"`
}

// chunk is the number of rows that one transaction removes: imports get their turn between.
const chunk = 5000

// Apply removes what a rule says. Killed in the middle it has removed a part of it, and can be called again.
func Apply(ctx context.Context, db *sqldb.DB, r Rule, progress func(rows int64)) ([]Result, error) {
	var all []Result
	err := db.Write(ctx, func(tx *sqldb.Tx) error { return Raise(ctx, tx, r) })
	for _, t := range tables(r.Category) {
		if err != nil {
			return all, err
		}
		var res Result
		res, err = apply(ctx, db, t, r.Before, progress)
		all = append(all, res)
	}
	return all, err
}

// tables are those of a category that hold one row or more per event, the links first: without its event a link means
// nothing.
func tables(c *metric.Category) []*metric.Table {
	if c.Links == nil {
		return []*metric.Table{c.Layout()}
	}
	return []*metric.Table{c.Links.Layout(), c.Layout()}
}

// Raise remembers that rows before a time are no longer kept; what was remembered before is never taken back.
func Raise(ctx context.Context, tx *sqldb.Tx, r Rule) error {
	have, err := Horizons(tx)
	if err != nil {
		return err
	}
	var rows []metric.Row
	for _, t := range tables(r.Category) {
		if have[t.Name].Before(r.Before) {
			rows = append(rows, metric.Row{t.Name, r.Before})
		}
	}
	_, err = tx.Loader(metric.Retention(), sqldb.Replace).Insert(ctx, rows)
	return err
}

// Horizons gives the time per table from which on rows are kept; tables that keep all are missing.
func Horizons(tx *sqldb.Tx) (map[string]time.Time, error) {
	all := map[string]time.Time{}
	err := tx.Query(tx.Statement("SELECT table_name, kept_from FROM retention_horizons"), func(r *sql.Rows) error {
		var name string
		var from sqldb.Time
		err := r.Scan(&name, &from)
		all[name] = from.Time
		return err
	})
	return all, err
}

func apply(ctx context.Context, db *sqldb.DB, t *metric.Table, before time.Time, progress func(int64)) (Result, error) {
	res := Result{Table: t.Name, Before: before}
	err := wholeParts(ctx, db, t, before, func(p sqldb.Part) error {
		n, err := count(ctx, db, t, p.To)
		if err != nil {
			return err
		}
		res.Parts, res.InPart = append(res.Parts, p.Name), res.InPart+n
		progress(n)
		return db.Write(ctx, func(tx *sqldb.Tx) error { return tx.Grammar().(sqldb.Partitioned).RemovePart(tx, p, false) })
	})
	for err == nil {
		var n int64
		err = db.Write(ctx, func(tx *sqldb.Tx) (err error) {
			n, err = tx.Exec(tx.Statement("DELETE FROM "+t.Name+" WHERE id IN (SELECT id FROM "+t.Name+
				" WHERE timestamp < ? ORDER BY id LIMIT ?)", before, int64(chunk)))
			return err
		})
		res.Rows += n
		progress(n)
		if n < chunk {
			break
		}
	}
	return res, err
}

// wholeParts calls f for each part of the table of which nothing is kept, from the oldest on.
func wholeParts(ctx context.Context, db *sqldb.DB, t *metric.Table, before time.Time, f func(sqldb.Part) error) error {
	e, ok := db.Engine().(sqldb.Partitioned)
	if !ok {
		return nil
	}
	parts, err := e.Parts(ctx, db)
	for _, p := range parts {
		if err == nil && p.Table == t.Name && p.Whole(before) {
			err = f(p)
		}
	}
	return err
}

// count gives the number of rows before a time.
func count(ctx context.Context, db *sqldb.DB, t *metric.Table, before time.Time) (n int64, err error) {
	err = db.Row(ctx, db.Statement("SELECT COUNT(*) FROM "+t.Name+" WHERE timestamp < ?", before), &n)
	return n, err
}

// Plan says what Apply would do.
func Plan(ctx context.Context, db *sqldb.DB, r Rule) ([]Result, error) {
	var all []Result
	for _, t := range tables(r.Category) {
		res := Result{Table: t.Name, Before: r.Before}
		err := wholeParts(ctx, db, t, r.Before, func(p sqldb.Part) error {
			n, err := count(ctx, db, t, p.To)
			res.Parts, res.InPart = append(res.Parts, p.Name), n
			return err
		})
		n, e := count(ctx, db, t, r.Before)
		res.Rows = n - res.InPart
		if err = errors.Join(err, e); err != nil {
			return nil, err
		}
		all = append(all, res)
	}
	return all, nil
}

// Parts takes the parts that lie before a month out of their tables, of every category, and remembers that; with keep
// they stay as tables of their own. With dry it only says which.
func Parts(ctx context.Context, db *sqldb.DB, before time.Time, keep, dry bool) ([]sqldb.Part, error) {
	var gone []sqldb.Part
	for _, c := range metric.Catalogue() {
		var parts []sqldb.Part
		for _, t := range tables(c) {
			if err := wholeParts(ctx, db, t, before, func(p sqldb.Part) error { parts = append(parts, p); return nil }); err != nil {
				return gone, err
			}
		}
		if len(parts) == 0 || dry {
			gone = append(gone, parts...)
			continue
		}
		err := db.Write(ctx, func(tx *sqldb.Tx) error {
			for _, p := range parts {
				if err := tx.Grammar().(sqldb.Partitioned).RemovePart(tx, p, keep); err != nil {
					return err
				}
			}
			return Raise(ctx, tx, Rule{c, before})
		})
		if err != nil {
			return gone, err
		}
		gone = append(gone, parts...)
	}
	return gone, nil
}
