package ingest

import (
	"context"
	"maps"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/rollup"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

// How long an import waits for a server that went away, from the moment it went. The longest that a transaction of a
// dead client may hold the writers' lock is a minute.
const (
	patience   = 90 * time.Second
	firstPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
)

// persistent runs transactions of the database, each again if the server went away meanwhile; what a function has done
// outside of its transaction is then its own business. When it has waited in vain, it waits no more.
func persistent(db *sqldb.DB) transact {
	left := patience
	return func(ctx context.Context, f func(*sqldb.Tx) error) error {
		var end time.Time
		for pause := firstPause; ; pause = min(2*pause, longPause) {
			err := db.Write(ctx, f)
			kind, first := fault.KindOf(err), end.IsZero()
			if err == nil || kind != fault.Disconnected && (first || kind != fault.Unavailable) {
				return err
			}
			if first {
				end = time.Now().Add(left)
			}
			if !time.Now().Before(end) {
				left = 0
				return err
			}
			select {
			case <-ctx.Done():
				left = 0
				return context.Cause(ctx)
			case <-time.After(pause):
			}
		}
	}
}

// persist writes a batch. If it is tried again, the COMMIT whose answer was lost may have happened: the ledger, which
// belongs to the batch's transaction, tells. Whoever asks it has the writers' lock, so that the fate of the lost
// transaction is decided by then.
func (w *writer) persist(ctx context.Context, do transact, b *batch) error {
	cp := w.checkpoint(b)
	var after store.Counts
	tried, whole := false, false // whole: a try came as far as its COMMIT
	err := do(ctx, func(tx *sqldb.Tx) error {
		if tried {
			switch have, err := w.run.Ledger(tx); {
			case err != nil:
				return err
			case whole && have == after:
				w.run.Counts = after
				return nil
			case have != cp.counts:
				return fault.New(fault.Conflict, "the database has %d records of this import, of %d that it had acknowledged", have.Read, cp.counts.Read).
					Try("Import the file again; what is there will be recognised.")
			}
			cp.restore()
		}
		tried = true
		err := w.write(ctx, tx, b)
		if err == nil {
			after, whole = w.run.Counts, true
		}
		return err
	})
	if err == nil {
		w.settled()
	}
	return err
}

// idSet is a set of ids that can forget what was added last.
type idSet struct {
	*roaring64.Bitmap
	added []uint64
}

func newIDSet() *idSet { return &idSet{Bitmap: roaring64.New()} }

// add says whether the id is new.
func (s *idSet) add(id int64) bool {
	if !s.CheckedAdd(uint64(id)) {
		return false
	}
	s.added = append(s.added, uint64(id))
	return true
}

func (s *idSet) undo() {
	for _, id := range s.added {
		s.Remove(id)
	}
	s.added = s.added[:0]
}

// checkpoint is what a writer and a batch were before the batch was tried.
type checkpoint struct {
	w        *writer
	b        *batch
	counts   store.Counts
	sameID   int64
	aged     map[string]int64
	familiar map[*metric.Category]bool
	records  []mutable
}

// mutable is what writing changes in a record.
type mutable struct {
	ordinal               int
	key, timestamp, count any
}

func (w *writer) checkpoint(b *batch) *checkpoint {
	cp := &checkpoint{w: w, b: b, counts: w.run.Counts, sameID: w.sameID, aged: maps.Clone(w.aged), familiar: maps.Clone(w.familiar), records: make([]mutable, len(b.records))}
	for i, r := range b.records {
		at := r.plan.at
		cp.records[i] = mutable{r.ordinal, r.row[at.eventKey], r.row[at.timestamp], nil}
		if at.count >= 0 {
			cp.records[i].count = r.row[at.count]
		}
	}
	return cp
}

// restore undoes what a writer remembers of a batch that was rolled back. What is merely forgotten is read again.
func (cp *checkpoint) restore() {
	w := cp.w
	w.run.Counts, w.sameID, w.familiar, w.aged = cp.counts, cp.sameID, maps.Clone(cp.familiar), maps.Clone(cp.aged)
	w.fold = rollup.NewFold()
	clear(w.ordinals)
	for _, set := range w.consumed {
		set.undo()
	}
	w.series.undo()
	for i, r := range cp.b.records {
		m, at := cp.records[i], r.plan.at
		r.ordinal, r.row[at.eventKey], r.row[at.timestamp] = m.ordinal, m.key, m.timestamp
		if at.count >= 0 {
			r.row[at.count] = m.count
		}
	}
}

// settled makes what was added last a part of what is remembered.
func (w *writer) settled() {
	for _, set := range w.consumed {
		set.added = set.added[:0]
	}
	w.series.seen.added = w.series.seen.added[:0]
}
