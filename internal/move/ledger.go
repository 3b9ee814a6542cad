package move

import (
	"context"
	"database/sql"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// undated adds the times of records whose events are gone; those of the others came with them.
func (g *merger) undated(ctx context.Context) error {
	t := metric.ImportUndated()
	res := g.result(t)
	err := g.batches(ctx, t, func(tx *sqldb.Tx, rows []metric.Row) error {
		ids, err := tx.Loader(t, sqldb.Skip).Insert(ctx, rows)
		res.tally(rows, ids)
		return err
	})
	res.Known = res.Rows - res.Written
	return err
}

// series adds the counters that the target does not know.
func (g *merger) series(ctx context.Context) error {
	t := metric.ImportSeries()
	count, at, repeated := t.Position("last_count"), t.Position("last_timestamp"), t.Position("repeated")
	differing := 0
	err := g.batches(ctx, t, func(tx *sqldb.Tx, rows []metric.Row) error {
		rows = unnumbered(rows)
		l := tx.Loader(t, sqldb.Skip)
		_, have, err := l.Get(ctx, rows)
		if err != nil {
			return err
		}
		for i, h := range have {
			same := h != nil && h[count] == rows[i][count] && h[at].(time.Time).Equal(rows[i][at].(time.Time))
			if h != nil && !same && h[repeated] == false && rows[i][repeated] == false {
				differing++
			}
		}
		ids, err := l.Insert(ctx, rows)
		g.result(t).tally(rows, ids)
		return err
	})
	if differing > 0 {
		g.note("import_series: %d cumulative counters were read by both sides at different times; the rows of both were kept, so that their sums count twice what both had seen", differing)
	}
	return err
}

// runKey is what the runs of both sides are compared by.
type runKey struct {
	org          int64
	file, format string
	started      int64 // microseconds
}

// runs adds the imports that the target does not have, with their rejects, each under a new id.
func (g *merger) runs(ctx context.Context) error {
	t := metric.ImportRuns()
	org, file, format, started := t.Position("organization_id"), t.Position("file"), t.Position("format"), t.Position("started_at")
	return g.batches(ctx, t, func(tx *sqldb.Tx, rows []metric.Row) error {
		var first, last time.Time
		for _, row := range unnumbered(rows) {
			if at := row[started].(time.Time); first.IsZero() || at.Before(first) {
				first = at
			}
			if at := row[started].(time.Time); at.After(last) {
				last = at
			}
		}
		there, err := runsBetween(tx, first, last)
		if err != nil {
			return err
		}
		res := g.result(t)
		for _, numbered := range rows {
			row := numbered[1:]
			if there[runKey{row[org].(int64), row[file].(string), row[format].(string), row[started].(time.Time).UnixMicro()}] {
				res.Known++
				continue
			}
			id, err := tx.Insert(t, row)
			if err != nil {
				return err
			}
			res.Written++
			if err := g.rejects(ctx, tx, numbered[0].(int64), id); err != nil {
				return err
			}
		}
		return nil
	})
}

// runsBetween gives the target's imports of a span of time.
func runsBetween(tx *sqldb.Tx, first, last time.Time) (map[runKey]bool, error) {
	there := map[runKey]bool{}
	s := tx.Statement("SELECT organization_id, file, format, started_at FROM import_runs WHERE started_at >= ? AND started_at <= ?", first, last)
	err := tx.Query(s, func(r *sql.Rows) error {
		var k runKey
		var started sqldb.Time
		err := r.Scan(&k.org, &k.file, &k.format, &started)
		k.started = started.Time.UnixMicro()
		there[k] = true
		return err
	})
	return there, err
}

// rejects copies those of one import.
func (g *merger) rejects(ctx context.Context, tx *sqldb.Tx, from, to int64) error {
	t := metric.ImportRejects()
	run := t.Position("import_run_id")
	r := newReader(g.src, t)
	r.where, r.args = "import_run_id = ?", []any{from}
	for !r.done {
		rows, err := r.next()
		if err != nil {
			return err
		}
		rows = unnumbered(rows)
		for _, row := range rows {
			row[run] = to
		}
		ids, err := tx.Loader(t, sqldb.Skip).Insert(ctx, rows)
		if err != nil {
			return err
		}
		g.result(t).tally(rows, ids)
		g.advance(int64(len(rows)))
	}
	return nil
}
