package move

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// progress is how far the copy of one table has come: a row of copy_progress.
type progress struct {
	table, source, fingerprint string
	key                        string // see reader.key
	rows                       int64
	done                       bool
}

// save belongs into the transaction of the batch.
func (p *progress) save(ctx context.Context, tx *sqldb.Tx) error {
	row := metric.Row{p.table, p.source, p.fingerprint, p.key, p.rows, p.done}
	_, err := tx.Loader(metric.CopyProgress(), sqldb.Replace).Insert(ctx, []metric.Row{row})
	return err
}

// loadProgress reads what a copy into the database has left; empty = there is none under way.
func loadProgress(tx *sqldb.Tx) (map[string]*progress, error) {
	all := map[string]*progress{}
	err := tx.Query(tx.Statement("SELECT table_name, source, fingerprint, last_key, row_count, done FROM copy_progress"), func(r *sql.Rows) error {
		p := &progress{}
		err := r.Scan(&p.table, &p.source, &p.fingerprint, &p.key, &p.rows, &p.done)
		all[p.table] = p
		return err
	})
	return all, err
}

// begin says whether the source is to be merged into rows of the target, or how far the copy of each table is.
func (m *mover) begin(ctx context.Context) (merge bool, p map[string]*progress, err error) {
	source := m.from.Where()
	fingerprint, err := m.fingerprint()
	if err != nil {
		return false, nil, err
	}
	if err := finished(m.src, source); err != nil {
		return false, nil, err
	}
	err = m.to.Write(ctx, func(tx *sqldb.Tx) error {
		if p, err = loadProgress(tx); err != nil {
			return err
		}
		if len(p) > 0 {
			m.rep.Resumed = true
			return m.continues(p, fingerprint)
		}
		filled, err := firstFilled(tx)
		if err != nil {
			return err
		}
		if merge = filled != "" && m.o.Merge; merge {
			return nil
		}
		if filled != "" {
			return fault.New(fault.Conflict, "%s is not empty: there are rows in %s", m.to.Where(), filled).
				Try("Name an empty database, or add to what is there with --merge.")
		}
		for _, t := range tables() {
			p[t.Name] = &progress{table: t.Name, source: source, fingerprint: fingerprint}
			if err := p[t.Name].save(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	return merge, p, err
}

// continues refuses to go on with the copy of something else.
func (m *mover) continues(p map[string]*progress, fingerprint string) error {
	for _, one := range p {
		if one.fingerprint == fingerprint {
			continue
		}
		if one.source == m.from.Where() {
			return fault.New(fault.Conflict, "%s holds an unfinished copy of %s, which has changed since", m.to.Where(), one.source).
				Try("Begin again with an empty database: remove what is in this one, or name another.")
		}
		return fault.New(fault.Conflict, "%s holds an unfinished copy of another database, %s", m.to.Where(), one.source).
			Try("Finish that first (db copy --from that one, into this one), or name another database.")
	}
	for _, t := range tables() { // a newer binary may have more
		if p[t.Name] == nil {
			p[t.Name] = &progress{table: t.Name, source: m.from.Where(), fingerprint: fingerprint}
		}
	}
	return nil
}

// finished refuses a source that is itself an unfinished copy.
func finished(tx *sqldb.Tx, where string) error {
	p, err := loadProgress(tx)
	if err != nil {
		return err
	}
	for _, one := range p {
		return fault.New(fault.Conflict, "%s is an unfinished copy of %s", where, one.source).Try("Finish that first, or copy from there.")
	}
	return nil
}

// firstFilled names a table that has rows; empty = none has.
func firstFilled(tx *sqldb.Tx) (string, error) {
	for _, t := range tables() {
		if filled, err := hasRows(tx, t); err != nil || filled {
			return t.Name, err
		}
	}
	return "", nil
}

func hasRows(tx *sqldb.Tx, t *metric.Table) (filled bool, err error) {
	err = tx.Row(tx.Statement("SELECT EXISTS (SELECT 1 FROM "+t.Name+")"), &filled)
	return filled, err
}

// fingerprint tells the source, as it is, from others: by when it was made, and the number of its rows. What else has
// changed is found when the copy is compared.
func (m *mover) fingerprint() (string, error) {
	applied, err := m.src.Applied()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, t := range applied {
		fmt.Fprintln(h, t.UnixMicro())
	}
	for _, t := range tables() {
		io.WriteString(h, fmt.Sprintln(t.Name, m.counts[t.Name])) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
