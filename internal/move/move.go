// Package move copies what one database holds into another, of the same engine or another: row by row with the ids, so
// that nothing that is known is forgotten, or, into a database that has rows of its own, event by event.
//
// The source is frozen while that goes on: writers wait for the end of a transaction that only reads.
package move

import (
	"context"
	"fmt"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Options of a copy.
type Options struct {
	// Merge adds to a database that is not empty.
	Merge bool
	// Progress is told how many rows were handled of how many, each time some were; nil = nobody.
	Progress func(done, total int64)
}

// Report says what was copied.
type Report struct {
	Merged  bool     `json:"merged"`  // into a database that was not empty
	Resumed bool     `json:"resumed"` // a copy that had been interrupted before
	Tables  []Result `json:"tables"`
	Notes   []string `json:"notes,omitempty"` // what a merge could not do
}

// Result is what became of a table.
type Result struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"` // in the source
	*Comparison
	*Merging
}

// Comparison is what both sides of a copy hold when it is done.
type Comparison struct {
	TargetRows   int64  `json:"target_rows"`
	Digest       string `json:"digest"` // of the source's rows, whatever their order
	TargetDigest string `json:"target_digest"`
	Equal        bool   `json:"equal"` // rows and digests
}

// Merging is what became of the rows that were merged into a table; rows of neither kind were left out, as a note says.
type Merging struct {
	Written int64 `json:"written"`
	Known   int64 `json:"known"` // were there before
}

// Differing names the tables of a copy that are not equal.
func (r *Report) Differing() (names []string) {
	for _, t := range r.Tables {
		if t.Comparison != nil && !t.Equal {
			names = append(names, t.Table)
		}
	}
	return names
}

// tables are those that are copied.
func tables() []*metric.Table {
	var all []*metric.Table
	for _, t := range metric.Tables() {
		if !t.Local {
			all = append(all, t)
		}
	}
	return all
}

// Copy copies everything into a database of the current schema. One that holds rows is refused, unless they are those of
// a copy that was interrupted, which is continued, or Merge is set. The report is complete unless there is an error; it
// may say that tables differ.
func Copy(ctx context.Context, from, to *sqldb.DB, o Options) (*Report, error) {
	if err := Source(ctx, from); err != nil {
		return nil, err
	}
	if err := distinct(ctx, from, to); err != nil {
		return nil, err
	}
	m := &mover{from: from, to: to, o: o, rep: &Report{}}
	var failure error
	err := from.Try(ctx, func(tx *sqldb.Tx) error {
		m.src = tx
		failure = m.run(ctx)
		return failure
	})
	if failure != nil { // said in the words of the database where it happened
		err = failure
	}
	if err != nil && ctx.Err() != nil {
		err = fault.New(fault.Unavailable, "the copy was interrupted").Because(context.Cause(ctx)).Try("Run it again to continue it.")
	}
	return m.rep, err
}

// Source refuses a database that cannot be copied, before a target is made for it.
func Source(ctx context.Context, from *sqldb.DB) error {
	switch version, err := from.Version(ctx); {
	case err != nil:
		return err
	case version > metric.SchemaVersion:
		return sqldb.Newer(from.Where(), version, metric.SchemaVersion)
	case version == 0:
		return fault.New(fault.NotFound, "%s holds no tables", from.Where()).Try("Check --from; nothing was copied.")
	case version < metric.SchemaVersion:
		return fault.New(fault.Conflict, "%s has schema version %d; only version %d is copied, and a copy does not change its source",
			from.Where(), version, metric.SchemaVersion).Try("Bring it up to date first: feedback-loop db migrate --db %s", from.Where())
	}
	return nil
}

func distinct(ctx context.Context, from, to *sqldb.DB) error {
	same, err := from.Same(ctx, to)
	if err == nil && same {
		err = fault.New(fault.Conflict, "%s and %s are the same database", from.Where(), to.Where()).Try("Name another one with --to.")
	}
	return err
}

// mover is a copy under way.
type mover struct {
	from, to    *sqldb.DB
	src         *sqldb.Tx // of from
	o           Options
	rep         *Report
	counts      map[string]int64 // rows of the source's tables
	done, total int64            // for Progress
}

func (m *mover) run(ctx context.Context) error {
	if err := m.count(); err != nil {
		return err
	}
	merge, p, err := m.begin(ctx)
	if err != nil {
		return err
	}
	if merge {
		m.rep.Merged = true
		return m.merge(ctx)
	}
	if err := m.src.Walk(); err != nil {
		return err
	}
	m.total = 2 * m.total // each row is copied, and compared
	for _, t := range tables() {
		m.advance(p[t.Name].rows)
		if err := m.table(ctx, t, p[t.Name]); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return m.compare(ctx)
}

// count counts the source's rows.
func (m *mover) count() error {
	m.counts = map[string]int64{}
	for _, t := range tables() {
		var n int64
		if err := m.src.Row(m.src.Statement("SELECT COUNT(*) FROM "+t.Name), &n); err != nil {
			return err
		}
		m.counts[t.Name] = n
		m.total += n
	}
	return nil
}

func (m *mover) advance(rows int64) {
	m.done += rows
	if m.o.Progress != nil {
		m.o.Progress(m.done, m.total)
	}
}

// table copies the rows of a table that are not there yet. Each batch is one transaction with the key of its last row.
func (m *mover) table(ctx context.Context, t *metric.Table, p *progress) error {
	numbered := sqldb.Numbered(t)
	r := newReader(m.src, t)
	if err := r.resume(p.key); err != nil {
		return err
	}
	for !p.done {
		rows, err := r.next()
		if err != nil {
			return fmt.Errorf("reading %s: %w", m.from.Where(), err)
		}
		p.key, p.rows, p.done = r.key(), p.rows+int64(len(rows)), r.done
		err = m.to.Write(ctx, func(tx *sqldb.Tx) error {
			written, err := tx.Loader(numbered, sqldb.Skip).Insert(ctx, rows)
			if err != nil {
				return err
			}
			for i, n := range written {
				if n == 0 {
					return fault.New(fault.Conflict, "row %v is there already: somebody has written to it since the copy began", r.keyOf(rows[i])).
						Try("Begin again with an empty database.")
				}
			}
			if p.done {
				if err := tx.Renumber(t); err != nil {
					return err
				}
			}
			return p.save(ctx, tx)
		})
		if err != nil {
			return m.blame(ctx, numbered, rows, r, err)
		}
		m.advance(int64(len(rows)))
	}
	return nil
}

// blame finds the row that the target cannot take, where that is why writing failed.
func (m *mover) blame(ctx context.Context, t *metric.Table, rows []metric.Row, r *reader, failure error) error {
	switch fault.KindOf(failure) {
	case fault.Unavailable, fault.Disconnected, fault.Denied, fault.Conflict, fault.NotFound:
		return fmt.Errorf("writing %s: %w", m.to.Where(), failure)
	}
	for _, row := range rows {
		err := m.to.Try(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Insert(t, row)
			return err
		})
		if err != nil {
			return fmt.Errorf("writing %s: row %v: %w", m.to.Where(), r.keyOf(row), err)
		}
	}
	return fmt.Errorf("writing %s: %w", m.to.Where(), failure)
}
