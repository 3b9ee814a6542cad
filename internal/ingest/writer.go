package ingest

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/retention"
	"github.com/feedback-loop/feedback-loop/internal/rollup"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

// batch is what one transaction writes.
type batch struct {
	records []*record
	rejects []store.Reject
	read    int64 // bytes of the file up to here
}

// writer puts batches into the database. Its memory does not grow with the file: what it must know of the rows that
// this file has already accounted for is one bit per row.
type writer struct {
	run       *store.Run
	snapshots bool
	now       time.Time
	fold      *rollup.Fold
	series    *seriesMemory
	consumed  map[*metric.Category]*idSet // ids of rows that a record of this file stands for
	familiar  map[*metric.Category]bool   // most of the last batch was there already
	horizons  map[string]time.Time        // from when on rows of a table are kept
	aged      map[string]int64            // records that are older, by table
	others    [2]int64                    // last run and records read by imports at the same time
	sameID    int64                       // records with a vendor's id that was there already
	ordinals  map[digest]int              // next ordinal of contents that were met more than once
}

func newWriter(run *store.Run, snapshots bool, now time.Time) *writer {
	return &writer{run: run, snapshots: snapshots, now: now, fold: rollup.NewFold(), series: newSeriesMemory(snapshots),
		aged: map[string]int64{}, consumed: map[*metric.Category]*idSet{}, familiar: map[*metric.Category]bool{}, ordinals: map[digest]int{}}
}

// write writes a batch: rows, links, rollups, counters, rejects and progress.
func (w *writer) write(ctx context.Context, tx *sqldb.Tx, b *batch) error {
	if err := w.watch(tx); err != nil {
		return err
	}
	var inserted int64
	for _, g := range byCategory(b.records) {
		n, err := w.group(ctx, tx, g)
		if err != nil {
			return err
		}
		inserted += n
	}
	if err := w.fold.Flush(ctx, tx); err != nil {
		return err
	}
	if err := w.series.flush(ctx, tx); err != nil {
		return err
	}
	if err := w.run.AddRejects(ctx, tx, b.rejects); err != nil {
		return err
	}
	rows, rejected := int64(len(b.records)), int64(len(b.rejects))
	w.run.Counts = w.run.Counts.Plus(store.Counts{Read: rows + rejected, Inserted: inserted, Duplicate: rows - inserted, Rejected: rejected})
	return w.run.Progress(tx)
}

// watch reads what others may have changed since the last batch. It forgets what is remembered of counters when another import has written since the last batch: it may have read
// the same ones.
func (w *writer) watch(tx *sqldb.Tx) error {
	var last, read sql.NullInt64
	err := tx.Row(tx.Statement("SELECT MAX(id), SUM(read_count) FROM import_runs WHERE id <> ? AND (id > ? OR status = ?)",
		w.run.ID, w.run.ID, store.Running), &last, &read)
	if others := [2]int64{last.Int64, read.Int64}; others != w.others {
		w.others = others
		w.series.forget()
	}
	if err != nil {
		return err
	}
	w.horizons, err = retention.Horizons(tx)
	return err
}

// byCategory splits records into groups of one category, keeping their order within it.
func byCategory(records []*record) [][]*record {
	var groups [][]*record
	at := map[*metric.Category]int{}
	for _, r := range records {
		i, ok := at[r.plan.cat]
		if !ok {
			i = len(groups)
			at[r.plan.cat], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

func (w *writer) group(ctx context.Context, tx *sqldb.Tx, g []*record) (int64, error) {
	w.preassign(g)
	if err := w.undated(ctx, tx, g); err != nil {
		return 0, err
	}
	if g = w.kept(g); len(g) == 0 {
		return 0, nil
	}
	if len(g[0].plan.cat.Series) > 0 {
		var err error
		if g, err = w.series.decide(ctx, tx, g); err != nil {
			return 0, err
		}
	}
	return w.insert(ctx, tx, g)
}

// kept leaves out what is older than the events that are kept. The rollups count such events, if they were here, and
// nothing tells whether they were.
func (w *writer) kept(g []*record) []*record {
	table := g[0].plan.cat.Table
	from, limited := w.horizons[table]
	if !limited {
		return g
	}
	keep := g[:0:0]
	for _, r := range g {
		if r.row[r.plan.at.timestamp].(time.Time).Before(from) {
			w.aged[table]++
		} else {
			keep = append(keep, r)
		}
	}
	return keep
}

// maxOrdinals bounds the memory for repeated contents; what is forgotten is found again by probing.
const maxOrdinals = 1 << 16

// preassign numbers records of equal content within the batch, so that they need not be found out one by one.
func (w *writer) preassign(g []*record) {
	if w.snapshots {
		return
	}
	if len(w.ordinals) > maxOrdinals {
		clear(w.ordinals)
	}
	met := make(map[digest]int, len(g))
	for _, r := range g {
		if r.absolute() {
			continue
		}
		n, again := met[r.digest]
		if !again {
			n = w.ordinals[r.digest]
		}
		if n > 0 {
			r.number(n)
		}
		met[r.digest] = n + 1
		if again || n > 0 {
			w.ordinals[r.digest] = n + 1
		}
	}
}

// undated gives records without a time the one they were given when they were first seen, else that of this import.
func (w *writer) undated(ctx context.Context, tx *sqldb.Tx, g []*record) error {
	var asked []*record
	var rows []metric.Row
	for _, r := range g {
		if r.row[r.plan.at.missing] == true {
			asked = append(asked, r)
			rows = append(rows, metric.Row{r.row[r.plan.at.eventKey], r.row[r.plan.at.timestamp]})
		}
	}
	l := tx.Loader(metric.ImportUndated(), sqldb.Skip)
	_, known, err := l.Get(ctx, rows)
	if err != nil || len(asked) == 0 {
		return err
	}
	var fresh []metric.Row
	for i, r := range asked {
		switch {
		case r.stored:
		case known[i] != nil:
			rows[i] = known[i]
		default:
			rows[i][1] = w.now
		}
		if known[i] == nil {
			fresh = append(fresh, rows[i])
		}
		r.row[r.plan.at.timestamp] = rows[i][1]
	}
	_, err = l.Insert(ctx, fresh)
	return err
}

// insert writes the records that are not there yet and gives their number.
func (w *writer) insert(ctx context.Context, tx *sqldb.Tx, todo []*record) (total int64, err error) {
	if len(todo) == 0 {
		return 0, nil
	}
	cat := todo[0].plan.cat
	l := tx.Loader(cat.Layout(), sqldb.Skip)
	given, guess := todo, w.guess(cat, todo)
	var fresh []*record
	var d *derived
	for len(todo) > 0 {
		ids := make([]int64, len(todo))
		if w.familiar[cat] {
			if ids, err = l.Find(ctx, rows(todo)); err != nil {
				return 0, err
			}
		}
		news, err := w.insertNew(ctx, l, todo, ids)
		if err != nil {
			guess()
			return 0, err
		}
		fresh = append(fresh, news...)
		if d == nil {
			d = guess() // before records are renumbered
		}
		todo = w.settle(cat, todo, ids)
		if err := w.undated(ctx, tx, todo); err != nil {
			return 0, err
		}
	}
	w.familiar[cat] = 2*len(fresh) < len(given)
	if d == nil || len(fresh) != len(given) {
		d = derive(cat, fresh)
	}
	return int64(len(fresh)), w.add(ctx, tx, cat, d)
}

// guess derives, while the database is at work, what follows from the records if all of them are new. Most batches are
// all new or all known: it does not start where known ones are expected. The answer may be nil.
func (w *writer) guess(cat *metric.Category, g []*record) func() *derived {
	if w.familiar[cat] || len(g) < minGuess {
		return func() *derived { return nil }
	}
	done := make(chan *derived, 1)
	go func() { done <- derive(cat, g) }()
	return sync.OnceValue(func() *derived { return <-done })
}

// minGuess is the number of records from which it pays to derive beside the database's work.
const minGuess = 256

// insertNew writes the records whose id is 0, fills the id of those that turn out to be there, and returns the rest:
// the ones it wrote. Their id becomes negative.
func (w *writer) insertNew(ctx context.Context, l sqldb.Loader, todo []*record, ids []int64) ([]*record, error) {
	var unknown []int
	for i, id := range ids {
		if id == 0 {
			unknown = append(unknown, i)
		}
	}
	made, err := l.Insert(ctx, pick(todo, unknown))
	if err != nil {
		return nil, err
	}
	var written []*record
	var there []int
	for k, i := range unknown {
		if made[k] != 0 {
			ids[i] = -made[k]
			written = append(written, todo[i])
		} else {
			there = append(there, i)
		}
	}
	found, err := l.Find(ctx, pick(todo, there))
	if err != nil {
		return nil, err
	}
	for k, i := range there {
		ids[i] = found[k]
	}
	return written, nil
}

// settle looks at each row that was there: if no record of this file stands for it yet, this one does, and is a
// duplicate. Otherwise the record is a further one of the same content: it gets the next number and is returned.
func (w *writer) settle(cat *metric.Category, todo []*record, ids []int64) (again []*record) {
	seen := w.consumed[cat]
	if seen == nil {
		seen = newIDSet()
		w.consumed[cat] = seen
	}
	for i, r := range todo {
		switch id := ids[i]; {
		case r.absolute() || w.snapshots:
			if id > 0 && r.absolute() && !r.stored {
				w.sameID++
			}
		case id < 0:
			seen.add(-id)
		case seen.add(id):
		default:
			r.number(r.ordinal + 1)
			w.ordinals[r.digest] = r.ordinal + 1
			again = append(again, r)
		}
	}
	return again
}

// derived is what follows from new rows: their links and their part of the rollups.
type derived struct {
	fold  *rollup.Fold
	links []metric.Row
	err   error
}

func derive(cat *metric.Category, fresh []*record) *derived {
	d := &derived{fold: rollup.NewFold()}
	a := metric.AggregateOf(cat.Layout())
	for _, r := range fresh {
		d.fold.Add(a, r.row)
	}
	if cat.Links == nil {
		return d
	}
	a = metric.AggregateOf(cat.Links.Layout())
	for _, r := range fresh {
		rows, err := cat.Links.Rows(cat, r.row)
		if err != nil {
			d.err = err
			return d
		}
		for _, row := range rows {
			d.fold.Add(a, row)
		}
		d.links = append(d.links, rows...)
	}
	return d
}

// add writes the links and keeps the rest for the end of the batch.
func (w *writer) add(ctx context.Context, tx *sqldb.Tx, cat *metric.Category, d *derived) error {
	if d.err != nil {
		return d.err
	}
	w.fold.Join(d.fold)
	if cat.Links == nil {
		return nil
	}
	_, err := tx.Loader(cat.Links.Layout(), sqldb.Skip).Insert(ctx, d.links)
	return err
}

// remarks says what a duplicate may hide.
func (w *writer) remarks() []string {
	var out []string
	if w.sameID > 0 {
		out = append(out, fmt.Sprintf("%d records have a source_id that is known; they count as known whatever else they say", w.sameID))
	}
	for _, table := range slices.Sorted(maps.Keys(w.aged)) {
		out = append(out, fmt.Sprintf("%d records are older than what %s keeps (from %s on); they count as known, and were not written",
			w.aged[table], table, w.horizons[table].Format(time.DateOnly)))
	}
	return out
}

// absolute says that the identity stands in the record itself: equal ones are the same.
func (r *record) absolute() bool { return r.stored || r.row[r.plan.at.sourceID] != nil }

func rows(rs []*record) []metric.Row {
	out := make([]metric.Row, len(rs))
	for i, r := range rs {
		out[i] = r.row
	}
	return out
}

func pick(rs []*record, at []int) []metric.Row {
	out := make([]metric.Row, 0, len(at))
	for _, i := range at {
		out = append(out, rs[i].row)
	}
	return out
}
