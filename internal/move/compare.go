package move

import (
	"context"
	"fmt"
	"sync"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// compare reads both sides in full, and closes the copy if they are equal. If they are not it stays unfinished.
func (m *mover) compare(ctx context.Context) error {
	return m.to.Write(ctx, func(tx *sqldb.Tx) error {
		if err := tx.Walk(); err != nil {
			return err
		}
		for _, t := range tables() {
			r, err := m.compareTable(tx, t)
			if err != nil {
				return fmt.Errorf("comparing %s: %w", t.Name, err)
			}
			m.rep.Tables = append(m.rep.Tables, r)
		}
		if len(m.rep.Differing()) > 0 {
			return nil
		}
		_, err := tx.Exec(tx.Statement("DELETE FROM copy_progress"))
		return err
	})
}

// compareTable reads batches of both sides at the same time, in step: a server ends a transaction that is idle for long.
func (m *mover) compareTable(target *sqldb.Tx, t *metric.Table) (Result, error) {
	sides := []*side{{r: newReader(m.src, t)}, {r: newReader(target, t)}}
	for !sides[0].r.done || !sides[1].r.done {
		before := sides[0].d.rows
		var wait sync.WaitGroup
		for _, s := range sides {
			wait.Go(s.step)
		}
		wait.Wait()
		for i, s := range sides {
			if s.err != nil {
				return Result{}, fmt.Errorf("reading %s: %w", []*sqldb.DB{m.from, m.to}[i].Where(), s.err)
			}
		}
		m.advance(sides[0].d.rows - before)
	}
	a, b := &sides[0].d, &sides[1].d
	return Result{Table: t.Name, Rows: a.rows, Comparison: &Comparison{TargetRows: b.rows, Digest: a.String(), TargetDigest: b.String(),
		Equal: a.rows == b.rows && a.String() == b.String()}}, nil
}

// side is one of two tables that are compared.
type side struct {
	r   *reader
	d   digest
	err error
}

func (s *side) step() {
	if s.r.done {
		return
	}
	var rows []metric.Row
	rows, s.err = s.r.next()
	types := s.r.table.Types()
	for _, row := range rows {
		s.d.add(types, row)
	}
}
