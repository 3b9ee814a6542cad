package move

import (
	"context"
	"database/sql"
	"errors"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// organizations adds those that are new, with their ids: events name their organisation by it. An id that means somebody
// else on the other side would mix up what belongs to two of them.
func (g *merger) organizations(ctx context.Context) error {
	t := metric.Organizations()
	slug := t.Position("slug")
	return g.batches(ctx, t, func(tx *sqldb.Tx, rows []metric.Row) error {
		ids, err := tx.Loader(t, sqldb.Skip).Find(ctx, unnumbered(rows))
		if err != nil {
			return err
		}
		var fresh []metric.Row
		for i, row := range rows {
			id, name := row[0].(int64), row[1+slug].(string)
			if ids[i] != 0 && ids[i] != id {
				return fault.New(fault.Conflict, "the organisation %s has the id %d in the source, %d in the target", name, id, ids[i]).
					Try("Databases whose organisations have different ids cannot be merged; copy into an empty one.")
			}
			if ids[i] == 0 {
				if err := unused(tx, id, name); err != nil {
					return err
				}
				fresh = append(fresh, row)
			}
		}
		_, err = tx.Loader(sqldb.Numbered(t), sqldb.Skip).Insert(ctx, fresh)
		if err == nil {
			err = tx.Renumber(t)
		}
		res := g.result(t)
		res.Written, res.Known = res.Written+int64(len(fresh)), res.Known+int64(len(rows)-len(fresh))
		return err
	})
}

// unused refuses an id that the target uses for another organisation.
func unused(tx *sqldb.Tx, id int64, name string) error {
	var other string
	err := tx.Row(tx.Statement("SELECT slug FROM organizations WHERE id = ?", id), &other)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		err = fault.New(fault.Conflict, "the organisation %d is %s in the source, %s in the target", id, name, other).
			Try("Databases whose organisations have different ids cannot be merged; copy into an empty one.")
	}
	return err
}

// whole calls write with all batches of a table in one transaction.
func (g *merger) whole(ctx context.Context, t *metric.Table, write func(*sqldb.Tx, []metric.Row) error, end func(*sqldb.Tx) error) error {
	g.result(t)
	return g.to.Write(ctx, func(tx *sqldb.Tx) error {
		r := newReader(g.src, t)
		for !r.done {
			rows, err := r.next()
			if err == nil {
				err = write(tx, rows)
			}
			if err != nil {
				return err
			}
			g.advance(int64(len(rows)))
		}
		return end(tx)
	})
}

// library adds the patterns that are new. They name the version before by its id, which may be that of a pattern that
// comes later; so that is written at the end.
func (g *merger) library(ctx context.Context) error {
	t := metric.Patterns()
	parent := t.Position("parent_id")
	parents := map[int64]int64{} // by id in the target: id in the source
	return g.whole(ctx, t, func(tx *sqldb.Tx, rows []metric.Row) error {
		bare := make([]metric.Row, len(rows))
		for i, row := range rows {
			bare[i] = append(metric.Row{}, row[1:]...)
			bare[i][parent] = nil
		}
		l := tx.Loader(t, sqldb.Skip)
		ids, err := l.Insert(ctx, bare)
		if err != nil {
			return err
		}
		there, err := l.Find(ctx, bare)
		if err != nil {
			return err
		}
		g.result(t).tally(bare, ids)
		for i, row := range rows {
			g.patterns[row[0].(int64)] = there[i]
			if before := row[1+parent]; ids[i] != 0 && before != nil {
				parents[ids[i]] = before.(int64)
			}
		}
		return nil
	}, func(tx *sqldb.Tx) error {
		for id, before := range parents {
			now, ok := g.patterns[before]
			if !ok {
				continue // it names none in the source either
			}
			if _, err := tx.Exec(tx.Statement("UPDATE patterns SET parent_id = ? WHERE id = ?", now, id)); err != nil {
				return err
			}
		}
		return nil
	})
}

// savings copies the table metrics if the target has none of its own: nothing tells two of its rows apart.
func (g *merger) savings(ctx context.Context) error {
	t := metric.Savings()
	pattern := t.Position("pattern_id")
	var filled bool
	err := g.to.Try(ctx, func(tx *sqldb.Tx) (err error) {
		filled, err = hasRows(tx, t)
		return err
	})
	if err != nil || g.counts[t.Name] == 0 {
		return err
	}
	if filled {
		g.result(t)
		g.advance(g.counts[t.Name])
		g.note("%s: %d rows were left out: the target has rows of its own there, and nothing tells which are the same", t.Name, g.counts[t.Name])
		return nil
	}
	return g.whole(ctx, t, func(tx *sqldb.Tx, rows []metric.Row) error {
		rows = unnumbered(rows)
		for _, row := range rows {
			if id, ok := row[pattern].(int64); ok && g.patterns[id] != 0 {
				row[pattern] = g.patterns[id]
			}
		}
		ids, err := tx.Loader(t, sqldb.Skip).Insert(ctx, rows)
		g.result(t).tally(rows, ids)
		return err
	}, func(*sqldb.Tx) error { return nil })
}
