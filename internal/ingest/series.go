package ingest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// The original's file is cumulative: a bug seen again has its count raised and its time replaced. A record is
// therefore one of three things:
//
//   - the first of its series that was ever seen: its count is new;
//   - an event in a log, when its file lists the series more than once: its count is new unless that very record is
//     known;
//   - a reading of a counter known from an earlier import: only the difference is new. A count that did not rise
//     although the time is another means that the file was started afresh, so that all of it is new; one that is lower
//     and older is an earlier copy of the file, so that none of it is.

// series is what is remembered of one counter.
type series struct {
	id       int64 // 0 = not written yet
	count    int64
	at       time.Time
	repeated bool // some file listed it more than once: a log
	seen     bool // this file has listed it already
	dirty    bool
}

// maxSeries bounds the series that are held in memory; the others are read again when they are met again.
const maxSeries = 20_000

type seriesMemory struct {
	snapshots bool
	cache     map[uuid.UUID]*series
	seen      *idSet      // ids of the series that this file has listed
	changed   []uuid.UUID // keys to write with the batch, in the order they changed
}

func newSeriesMemory(snapshots bool) *seriesMemory {
	return &seriesMemory{snapshots: snapshots, cache: map[uuid.UUID]*series{}, seen: newIDSet()}
}

// decide gives the records to insert, with the count that is new; the others are known by an earlier reading.
func (m *seriesMemory) decide(ctx context.Context, tx *sqldb.Tx, g []*record) ([]*record, error) {
	times := make(map[uuid.UUID]int, len(g))
	for _, r := range g {
		times[r.series]++
	}
	if err := m.load(ctx, tx, slices.Collect(maps.Keys(times))); err != nil {
		return nil, err
	}
	known, err := m.exact(ctx, tx, g, times)
	if err != nil {
		return nil, err
	}
	keep := g[:0:0]
	for _, r := range g {
		if m.admit(r, times[r.series] > 1, known[r]) {
			keep = append(keep, r)
		}
	}
	return keep, nil
}

// reading says that a record has to be compared with what an earlier import left.
func (m *seriesMemory) reading(s *series, inBatch bool) bool {
	return s != nil && (m.snapshots || !s.seen && !s.repeated && !inBatch)
}

// exact finds the readings that are there to the letter, and the rows of an export that are there or stand twice in it.
func (m *seriesMemory) exact(ctx context.Context, tx *sqldb.Tx, g []*record, times map[uuid.UUID]int) (map[*record]bool, error) {
	var ask []*record
	known, met := map[*record]bool{}, map[any]bool{}
	for _, r := range g {
		s := m.cache[r.series]
		if r.stored {
			key := r.row[r.plan.at.eventKey]
			known[r], met[key] = met[key], true
		}
		if !known[r] && (r.stored && s != nil || !r.stored && m.reading(s, times[r.series] > 1)) {
			ask = append(ask, r)
		}
	}
	if len(ask) == 0 {
		return known, nil
	}
	ids, err := tx.Loader(g[0].plan.cat.Layout(), sqldb.Skip).Find(ctx, rows(ask))
	for i := range ids {
		known[ask[i]] = ids[i] != 0
	}
	return known, err
}

// admit updates the series by a record and says whether the record is to be inserted. One that is known to the letter
// is: the insertion will find that out and count it as a duplicate.
func (m *seriesMemory) admit(r *record, inBatch, known bool) bool {
	at := r.plan.at
	count, when := r.row[at.count].(int64), r.row[at.timestamp].(time.Time)
	s := m.cache[r.series]
	switch {
	case s == nil:
		s = &series{count: count, at: when, seen: true, repeated: inBatch && !m.snapshots && !r.stored}
		m.cache[r.series] = s
		m.change(r.series, s)
		return true
	case r.stored:
		if !known {
			s.restore(r, count, when)
			m.change(r.series, s)
		}
		return true
	case !m.reading(s, inBatch):
		if !s.repeated {
			s.repeated = true
			m.change(r.series, s)
		}
		m.mark(s)
		return true
	}
	m.mark(s)
	if known {
		return true
	}
	if !s.read(r, count, when) {
		return false
	}
	m.change(r.series, s)
	return true
}

func (m *seriesMemory) change(name uuid.UUID, s *series) {
	if !s.dirty {
		s.dirty = true
		m.changed = append(m.changed, name)
	}
}

func (m *seriesMemory) mark(s *series) {
	s.seen = true
	if s.id != 0 {
		m.seen.add(s.id)
	}
}

// read takes a new reading of the counter and leaves in the row what is new of it.
func (s *series) read(r *record, count int64, when time.Time) bool {
	switch {
	case count > s.count:
		r.row[r.plan.at.count] = count - s.count
	case count == s.count && when.Equal(s.at), count < s.count && when.Before(s.at):
		return false
	}
	s.count = count
	if when.After(s.at) {
		s.at = when
	}
	return true
}

// restore takes a row of an export. Rows are what was new of each reading: together they make the last one. A later
// row that is a whole reading says more: a counter that rises leaves a difference, so that it was an event in a log if
// it is higher, and else the first reading of a file that was started afresh.
func (s *series) restore(r *record, count int64, when time.Time) {
	if r.whole && !when.Before(s.at) {
		s.repeated = s.repeated || count > s.count
		s.count = 0
	}
	s.count += count
	if when.After(s.at) {
		s.at = when
	}
}

// load reads those of the series that are not in memory and that the database knows.
func (m *seriesMemory) load(ctx context.Context, tx *sqldb.Tx, names []uuid.UUID) error {
	names = slices.DeleteFunc(names, func(name uuid.UUID) bool { return m.cache[name] != nil })
	rows := make([]metric.Row, len(names))
	for i, name := range names {
		rows[i] = metric.Row{name.String(), nil, nil, nil}
	}
	ids, stored, err := tx.Loader(metric.ImportSeries(), sqldb.Skip).Get(ctx, rows)
	for i, row := range stored {
		if row != nil {
			m.cache[names[i]] = &series{id: ids[i], count: row[1].(int64), at: row[2].(time.Time), repeated: row[3].(bool),
				seen: m.seen.Contains(uint64(ids[i]))}
		}
	}
	return err
}

// undo forgets also what a batch that was rolled back has listed.
func (m *seriesMemory) undo() {
	m.seen.undo()
	m.changed = m.changed[:0]
	m.forget()
}

// forget drops what is remembered; it is read again when it is needed. Which series the file has listed is kept.
func (m *seriesMemory) forget() { clear(m.cache) }

// flush writes the series that changed.
func (m *seriesMemory) flush(ctx context.Context, tx *sqldb.Tx) error {
	var names []uuid.UUID
	var fresh, known []metric.Row
	for _, name := range m.changed {
		s := m.cache[name]
		s.dirty = false
		row := metric.Row{name.String(), s.count, s.at, s.repeated}
		if s.id == 0 {
			names, fresh = append(names, name), append(fresh, row)
		} else {
			known = append(known, row)
		}
	}
	m.changed = m.changed[:0]
	if _, err := tx.Loader(metric.ImportSeries(), sqldb.Replace).Insert(ctx, known); err != nil {
		return err
	}
	ids, err := tx.Loader(metric.ImportSeries(), sqldb.Skip).Insert(ctx, fresh)
	if err != nil {
		return err
	}
	for i, id := range ids {
		s := m.cache[names[i]]
		s.id = id
		if s.seen {
			m.seen.add(id)
		}
	}
	if len(m.cache) > maxSeries {
		m.forget()
	}
	return nil
}
