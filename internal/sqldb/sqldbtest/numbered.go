package sqldbtest

import (
	"slices"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

func testNumbered(t *testing.T, s Suite) {
	cases(t, s, map[string]func(*testing.T, Suite){"Ids": numberedIDs, "Known": numberedKnown, "Next": numberedNext, "Same": numberedSame})
}

// withID gives the n-th plain row of a table with an id.
func withID(t *metric.Table, n int, id int64) metric.Row {
	return append(metric.Row{id}, plain(t, n)...)
}

// numberedIDs writes rows with their ids into every table, in turn with rows without.
func numberedIDs(t *testing.T, s Suite) {
	db := s.fresh(t)
	for _, table := range metric.Tables() {
		if !table.AutoID {
			if sqldb.Numbered(table) != table {
				t.Errorf("%s has no ids", table.Name)
			}
			continue
		}
		load(t, db, table, sqldb.Skip, plains(table, 0, 2))
		write(t, db, func(tx *sqldb.Tx) error {
			rows := []metric.Row{withID(table, 2, 900), withID(table, 3, 300), withID(table, 4, 1<<40)}
			written, err := tx.Loader(sqldb.Numbered(table), sqldb.Skip).Insert(t.Context(), rows)
			if !slices.Equal(written, []int64{1, 1, 1}) {
				t.Errorf("%s: %v", table.Name, written)
			}
			if err == nil {
				_, err = tx.Loader(table, sqldb.Skip).Insert(t.Context(), plains(table, 5, 6))
			}
			return err
		})
		want := []metric.Row{plain(table, 0), plain(table, 1), plain(table, 3), plain(table, 2), plain(table, 4)}
		var got []metric.Row
		for _, id := range []int64{1, 2, 300, 900, 1 << 40} {
			wantNumber(t, db, 1, "SELECT COUNT(*) FROM "+table.Name+" WHERE id = ?", id)
		}
		for _, row := range read(t, db, table) {
			if slices.ContainsFunc(want, func(w metric.Row) bool { return sameRow(table, w, row) }) {
				got = append(got, row)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s has %d of %d rows", table.Name, len(got), len(want))
		}
	}
}

func sameRow(t *metric.Table, want, got metric.Row) bool {
	for i := range want {
		if !same(&t.Columns[i], want[i], got[i]) {
			return false
		}
	}
	return true
}

// numberedKnown gives 0 for a row whose identity is there, whatever its id; without identity the id is it.
func numberedKnown(t *testing.T, s Suite) {
	db := s.fresh(t)
	for table, again := range map[*metric.Table]metric.Row{bugs(): withID(bugs(), 0, 77), metric.ImportRuns(): withID(metric.ImportRuns(), 9, 1)} {
		load(t, db, table, sqldb.Skip, plains(table, 0, 1))
		written := load(t, db, sqldb.Numbered(table), sqldb.Skip, []metric.Row{again, withID(table, 1, 78)})
		if !slices.Equal(written, []int64{0, 1}) {
			t.Errorf("%s: %v", table.Name, written)
		}
		wantNumber(t, db, 2, "SELECT COUNT(*) FROM "+table.Name)
	}
}

// numberedNext lets ids go on behind the highest, and never takes them back.
func numberedNext(t *testing.T, s Suite) {
	db := s.fresh(t)
	for _, table := range metric.Tables() {
		renumber := func() { write(t, db, func(tx *sqldb.Tx) error { return tx.Renumber(table) }) }
		renumber() // of nothing
		if !table.AutoID {
			continue
		}
		load(t, db, sqldb.Numbered(table), sqldb.Skip, []metric.Row{withID(table, 0, 5000), withID(table, 1, 7)})
		renumber()
		first := load(t, db, table, sqldb.Skip, plains(table, 2, 3))[0]
		renumber()
		second := load(t, db, table, sqldb.Skip, plains(table, 3, 4))[0]
		if first <= 5000 || second <= first {
			t.Errorf("%s: the next ids are %d and %d", table.Name, first, second)
		}
	}
}

// numberedSame tells databases apart, and knows one however often it is open.
func numberedSame(t *testing.T, s Suite) {
	uri := s.New(t)
	a, b, other := s.open(t, uri, metric.SchemaVersion), s.open(t, uri, metric.SchemaVersion), s.fresh(t)
	migrate(t, a)
	for _, c := range []struct {
		db   *sqldb.DB
		want bool
	}{{a, true}, {b, true}, {other, false}} {
		if same, err := a.Same(t.Context(), c.db); err != nil || same != c.want {
			t.Errorf("%s and %s: %v, %v", a.Where(), c.db.Where(), same, err)
		}
	}
}
