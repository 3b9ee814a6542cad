package move

import (
	"context"
	"fmt"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/retention"
	"github.com/feedback-loop/feedback-loop/internal/rollup"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// A merge takes what was measured and what people manage. Rows get ids of the target; whatever is derived follows from
// what was really inserted, as in an import. Each transaction leaves the target in agreement with itself, and rows that
// are there are recognised, so that a merge that was interrupted is merely done again.

// merge adds the rows of the source to those of the target.
func (m *mover) merge(ctx context.Context) error {
	for _, t := range []*metric.Table{metric.Daily(), metric.Totals(), metric.Monthly(), metric.Summary(), metric.Effectiveness(), metric.RollupDirty()} {
		m.total -= m.counts[t.Name] // derived anew
	}
	g := &merger{mover: m, results: map[string]*Result{}, patterns: map[int64]int64{}}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"organizations", g.organizations}, {"patterns", g.library}, {"metrics", g.savings}, {"retention_horizons", g.retention},
		{"events", g.events}, {"import_undated", g.undated}, {"import_series", g.series}, {"import_runs", g.runs}, {"summaries", g.refresh},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("merging %s into %s: %w", step.name, m.to.Where(), err)
		}
	}
	for _, t := range tables() {
		if r := g.results[t.Name]; r != nil {
			m.rep.Tables = append(m.rep.Tables, *r)
		}
	}
	return nil
}

// merger is a merge under way.
type merger struct {
	*mover
	results  map[string]*Result
	horizons map[string]time.Time // from when on the target keeps rows of a table
	patterns map[int64]int64      // ids of the pattern library: the target's by the source's
}

func (g *merger) result(t *metric.Table) *Result {
	r := g.results[t.Name]
	if r == nil {
		r = &Result{Table: t.Name, Rows: g.counts[t.Name], Merging: &Merging{}}
		g.results[t.Name] = r
	}
	return r
}

// tally counts rows with what inserting them gave, and gives those that were written.
func (r *Result) tally(rows []metric.Row, ids []int64) (written []metric.Row) {
	for i, id := range ids {
		if id == 0 {
			r.Known++
		} else {
			r.Written++
			written = append(written, rows[i])
		}
	}
	return written
}

func (g *merger) note(format string, args ...any) {
	g.rep.Notes = append(g.rep.Notes, fmt.Sprintf(format, args...))
}

// batches calls write with each batch of the table, in a transaction of its own. The rows have their ids.
func (g *merger) batches(ctx context.Context, t *metric.Table, write func(*sqldb.Tx, []metric.Row) error) error {
	g.result(t)
	r := newReader(g.src, t)
	for !r.done {
		rows, err := r.next()
		if err != nil {
			return fmt.Errorf("reading %s: %w", g.from.Where(), err)
		}
		if err := g.to.Write(ctx, func(tx *sqldb.Tx) error { return write(tx, rows) }); err != nil {
			return err
		}
		g.advance(int64(len(rows)))
	}
	return nil
}

// unnumbered takes the ids away.
func unnumbered(rows []metric.Row) []metric.Row {
	out := make([]metric.Row, len(rows))
	for i, row := range rows {
		out[i] = row[1:]
	}
	return out
}

// retention takes the later time from which on the rows of a table are kept: what either side removed must not come in
// again, neither now nor with a later import.
func (g *merger) retention(ctx context.Context) error {
	t := metric.Retention()
	return g.batches(ctx, t, func(tx *sqldb.Tx, rows []metric.Row) error {
		_, have, err := tx.Loader(t, sqldb.Skip).Get(ctx, rows)
		if err != nil {
			return err
		}
		var later []metric.Row
		res := g.result(t)
		for i, row := range rows {
			if have[i] != nil && !have[i][1].(time.Time).Before(row[1].(time.Time)) {
				res.Known++
			} else {
				res.Written++
				later = append(later, row)
			}
		}
		_, err = tx.Loader(t, sqldb.Replace).Insert(ctx, later)
		return err
	})
}

// events merges all categories, with their links.
func (g *merger) events(ctx context.Context) error {
	err := g.to.Snapshot(ctx, func(tx *sqldb.Tx) (err error) {
		g.horizons, err = retention.Horizons(tx)
		return err
	})
	for _, cat := range metric.Catalogue() {
		if err == nil {
			err = g.category(ctx, cat)
		}
	}
	return err
}

func (g *merger) category(ctx context.Context, cat *metric.Category) error {
	var aged int64
	err := g.batches(ctx, cat.Layout(), func(tx *sqldb.Tx, rows []metric.Row) error {
		rows, old, err := g.kept(ctx, tx, cat, unnumbered(rows))
		if err != nil {
			return err
		}
		aged += old
		return g.insert(ctx, tx, cat, rows)
	})
	if aged > 0 {
		g.note("%s: %d rows are older than what the target keeps (from %s on) and were left out", cat.Table, aged,
			g.horizons[cat.Table].Format(time.DateOnly))
	}
	if l := cat.Links; l != nil {
		res := g.result(l.Layout())
		res.Known = res.Rows - res.Written
		g.advance(res.Rows)
	}
	return err
}

// kept gives records without a time the one that the target has for them, and leaves out what the target no longer keeps.
func (g *merger) kept(ctx context.Context, tx *sqldb.Tx, cat *metric.Category, rows []metric.Row) (keep []metric.Row, old int64, err error) {
	timestamp, missing, key := cat.Position("timestamp"), cat.Position("timestamp_missing"), cat.Position("event_key")
	var timeless, undated []metric.Row
	for _, row := range rows {
		if row[missing] == true {
			timeless, undated = append(timeless, row), append(undated, metric.Row{row[key], row[timestamp]})
		}
	}
	l := tx.Loader(metric.ImportUndated(), sqldb.Skip)
	ids, err := l.Insert(ctx, undated)
	if err != nil {
		return nil, 0, err
	}
	g.result(metric.ImportUndated()).tally(undated, ids)
	_, stored, err := l.Get(ctx, undated)
	if err != nil {
		return nil, 0, err
	}
	for i, row := range timeless {
		row[timestamp] = stored[i][1]
	}
	for _, row := range rows {
		if row[timestamp].(time.Time).Before(g.horizons[cat.Table]) {
			old++
		} else {
			keep = append(keep, row)
		}
	}
	return keep, old, nil
}

// insert writes the rows that are new, with what follows from them.
func (g *merger) insert(ctx context.Context, tx *sqldb.Tx, cat *metric.Category, rows []metric.Row) error {
	ids, err := tx.Loader(cat.Layout(), sqldb.Skip).Insert(ctx, rows)
	if err != nil {
		return err
	}
	fold, a := rollup.NewFold(), metric.AggregateOf(cat.Layout())
	fresh := g.result(cat.Layout()).tally(rows, ids)
	for _, row := range fresh {
		fold.Add(a, row)
	}
	if cat.Links != nil {
		if err := g.links(ctx, tx, cat, fresh, fold); err != nil {
			return err
		}
	}
	return fold.Flush(ctx, tx)
}

func (g *merger) links(ctx context.Context, tx *sqldb.Tx, cat *metric.Category, events []metric.Row, fold *rollup.Fold) error {
	t := cat.Links.Layout()
	var links []metric.Row
	for _, event := range events {
		rows, err := cat.Links.Rows(cat, event)
		if err != nil {
			return err
		}
		links = append(links, rows...)
	}
	ids, err := tx.Loader(t, sqldb.Skip).Insert(ctx, links)
	for _, row := range g.result(t).tally(links, ids) {
		fold.Add(metric.AggregateOf(t), row)
	}
	return err
}

// refresh computes what is derived from the rollups.
func (g *merger) refresh(ctx context.Context) error {
	return g.to.Write(ctx, func(tx *sqldb.Tx) error { return rollup.Refresh(ctx, tx) })
}
