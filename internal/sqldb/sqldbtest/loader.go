package sqldbtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

func testLoader(t *testing.T, s Suite) {
	cases(t, s, map[string]func(*testing.T, Suite){
		"Ids": loaderIds, "Skip": loaderSkip, "SkipWithoutID": loaderSkipWithoutID, "Add": loaderAdd,
		"Replace": loaderReplace, "OnlyKey": loaderOnlyKey, "AddZero": loaderAddZero, "Find": loaderFind, "Get": loaderGet, "Required": loaderRequired, "NoIdentity": loaderNoIdentity,
		"None": loaderNone, "Cancelled": loaderCancelled, "Partial": loaderPartial, "Overlap": loaderOverlap, "Zones": loaderZones, "Timeless": loaderTimeless,
	})
}

func testRoundTrip(t *testing.T, s Suite) {
	db := s.fresh(t)
	for _, table := range metric.Tables() {
		t.Run(table.Name, func(t *testing.T) { roundTrip(t, db, table) })
	}
}

func roundTrip(t *testing.T, db *sqldb.DB, table *metric.Table) {
	rows := spread(table)
	write(t, db, func(tx *sqldb.Tx) error {
		ids, err := tx.Loader(table, sqldb.Skip).Insert(t.Context(), rows)
		if slices.Contains(ids, 0) {
			t.Errorf("the test's rows are not distinct: %v", ids)
		}
		return err
	})
	got := read(t, db, table)
	if len(got) != len(rows) {
		t.Fatalf("%d rows, want %d", len(got), len(rows))
	}
	if !table.AutoID {
		got = inOrderOf(t, table, rows, got)
	}
	for n, row := range rows {
		for i := range row {
			if c := &table.Columns[i]; !same(c, row[i], got[n][i]) {
				t.Errorf("row %d, %s: wrote %.80q, read %.80q", n, c.Name, fmt.Sprint(row[i]), fmt.Sprint(got[n][i]))
			}
		}
	}
}

// inOrderOf sorts rows that were read by key like those that were written.
func inOrderOf(t *testing.T, table *metric.Table, rows, got []metric.Row) []metric.Row {
	t.Helper()
	key := func(r metric.Row) (k string) {
		for _, name := range table.Identity {
			k += fmt.Sprintf("%v|", r[table.Position(name)])
		}
		return k
	}
	byKey := map[string]metric.Row{}
	for _, r := range got {
		byKey[key(r)] = r
	}
	sorted := make([]metric.Row, len(rows))
	for i, r := range rows {
		if sorted[i] = byKey[key(r)]; sorted[i] == nil {
			t.Fatalf("no row with key %s", key(r))
		}
	}
	return sorted
}

func bugs() *metric.Table { return metric.ByName("bugs").Layout() }

func plains(t *metric.Table, from, to int) (rows []metric.Row) {
	for n := from; n < to; n++ {
		rows = append(rows, plain(t, n))
	}
	return rows
}

func insertBugs(t testing.TB, db *sqldb.DB, n int) {
	t.Helper()
	load(t, db, bugs(), sqldb.Skip, plains(bugs(), 0, n))
}

func load(t testing.TB, db *sqldb.DB, table *metric.Table, m sqldb.Mode, rows []metric.Row) (ids []int64) {
	t.Helper()
	write(t, db, func(tx *sqldb.Tx) (err error) {
		ids, err = tx.Loader(table, m).Insert(t.Context(), rows)
		return err
	})
	if len(ids) != len(rows) {
		t.Fatalf("%d ids for %d rows", len(ids), len(rows))
	}
	return ids
}

// loaderIds checks each id against the row that has it.
func loaderIds(t *testing.T, s Suite) {
	db := s.fresh(t)
	rows := plains(bugs(), 0, 1000)
	ids := load(t, db, bugs(), sqldb.Skip, rows)
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	if n := len(slices.Compact(sorted)); n != len(rows) || sorted[0] < 1 {
		t.Fatalf("%d different ids from %d for %d rows", n, sorted[0], len(rows))
	}
	key := bugs().Position("event_key")
	for _, n := range []int{0, 1, 499, 998, 999} {
		wantNumber(t, db, ids[n], "SELECT id FROM metrics_bugs WHERE event_key = ?", rows[n][key])
	}
	var one int64
	write(t, db, func(tx *sqldb.Tx) (err error) {
		one, err = tx.Insert(bugs(), plain(bugs(), 5000))
		return err
	})
	wantNumber(t, db, one, "SELECT MAX(id) FROM metrics_bugs")
}

func loaderSkip(t *testing.T, s Suite) {
	db := s.fresh(t)
	first := load(t, db, bugs(), sqldb.Skip, plains(bugs(), 0, 10))
	again := plains(bugs(), 5, 15)
	again = append(again, plain(bugs(), 14)) // and one twice in the same call
	for _, r := range again {
		r[bugs().Position("error")] = "changed"
	}
	ids := load(t, db, bugs(), sqldb.Skip, again)
	for i, id := range ids {
		if was := i < 5 || i == 10; was != (id == 0) {
			t.Errorf("row %d: id %d, there already: %v", i, id, was)
		}
		if slices.Contains(first, id) {
			t.Errorf("row %d: id %d was given before", i, id)
		}
	}
	wantNumber(t, db, 15, "SELECT COUNT(*) FROM metrics_bugs")
	wantNumber(t, db, 5, "SELECT COUNT(*) FROM metrics_bugs WHERE error = ?", "changed")
}

func loaderSkipWithoutID(t *testing.T, s Suite) {
	db := s.fresh(t)
	table := metric.ImportUndated()
	got := load(t, db, table, sqldb.Skip, plains(table, 0, 3))
	got = append(got, load(t, db, table, sqldb.Skip, plains(table, 1, 5))...)
	if want := []int64{1, 1, 1, 0, 0, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("written %v, want %v", got, want)
	}
}

// loaderAdd folds three rows into one and compares with the sum made here.
func loaderAdd(t *testing.T, s Suite) {
	db := s.fresh(t)
	table := metric.Daily()
	row := func(n int64) metric.Row {
		r := plain(table, 0)
		for i := range table.Columns {
			if c := &table.Columns[i]; !identifies(table, c) {
				r[i] = map[metric.Type]any{metric.Int: n, metric.Float: float64(n) / 4}[c.Type]
			}
		}
		return r
	}
	load(t, db, table, sqldb.Add, []metric.Row{row(1), plain(table, 1), row(2)})
	load(t, db, table, sqldb.Add, []metric.Row{row(-10)})
	load(t, db, table, sqldb.Add, []metric.Row{row(1 << 53)})
	got := inOrderOf(t, table, []metric.Row{plain(table, 0), plain(table, 1)}, read(t, db, table))
	for i, want := range row(1<<53 - 7) {
		if c := &table.Columns[i]; !same(c, want, got[0][i]) {
			t.Errorf("%s: %v, want %v", c.Name, got[0][i], want)
		}
	}
	for i, want := range plain(table, 1) {
		if !same(&table.Columns[i], want, got[1][i]) {
			t.Errorf("the other row changed: %s is %v", table.Columns[i].Name, got[1][i])
		}
	}
}

// loaderReplace replaces a row of a table with ids and of one without.
func loaderReplace(t *testing.T, s Suite) {
	db := s.fresh(t)
	for _, table := range []*metric.Table{metric.ImportSeries(), metric.ImportUndated()} {
		first := load(t, db, table, sqldb.Replace, plains(table, 0, 3))
		news := []metric.Row{plain(table, 7), plain(table, 8)}
		for _, name := range table.Identity { // the first takes the place of row 1
			news[0][table.Position(name)] = plain(table, 1)[table.Position(name)]
		}
		ids := load(t, db, table, sqldb.Replace, news)
		if ids[0] != first[1] {
			t.Errorf("%s: id %d, want %d, that of the replaced row", table.Name, ids[0], first[1])
		}
		if table.AutoID && (ids[1] == 0 || slices.Contains(first, ids[1])) {
			t.Errorf("%s: id %d of a new row, beside %v", table.Name, ids[1], first)
		}
		got := inOrderOf(t, table, news, read(t, db, table))
		for i, want := range news[0] {
			if !same(&table.Columns[i], want, got[0][i]) {
				t.Errorf("%s.%s: %v, want %v", table.Name, table.Columns[i].Name, got[0][i], want)
			}
		}
		wantNumber(t, db, 4, "SELECT COUNT(*) FROM "+table.Name)
	}
}

// loaderOnlyKey replaces and adds where there is nothing beside the key.
func loaderOnlyKey(t *testing.T, s Suite) {
	db := s.fresh(t)
	table := metric.RollupDirty()
	for _, m := range []sqldb.Mode{sqldb.Skip, sqldb.Replace, sqldb.Add} {
		if got, want := load(t, db, table, m, plains(table, 0, 2)), []int64{1, 1}; !slices.Equal(got, want) {
			t.Errorf("mode %d: %v, want %v", m, got, want)
		}
	}
	wantNumber(t, db, 2, "SELECT COUNT(*) FROM rollup_dirty")
}

// loaderAddZero adds rows that hold the defaults, to nothing and to what is there.
func loaderAddZero(t *testing.T, s Suite) {
	db := s.fresh(t)
	for _, table := range []*metric.Table{metric.Daily(), bugs()} {
		row := plain(table, 0)
		for i := range table.Columns {
			if c := &table.Columns[i]; c.Default != nil && !identifies(table, c) {
				row[i] = c.Default
			}
		}
		load(t, db, table, sqldb.Skip, []metric.Row{row})
		load(t, db, table, sqldb.Add, []metric.Row{row})
		got := read(t, db, table)[0]
		for i := range table.Columns {
			if n, ok := row[i].(int64); ok && !identifies(table, &table.Columns[i]) && got[i] != 2*n {
				t.Errorf("%s.%s: %v after adding %d to itself", table.Name, table.Columns[i].Name, got[i], n)
			}
		}
	}
}

func loaderFind(t *testing.T, s Suite) {
	db := s.fresh(t)
	for _, table := range []*metric.Table{bugs(), metric.ImportUndated()} {
		ids := load(t, db, table, sqldb.Skip, plains(table, 0, 20))
		var got []int64
		write(t, db, func(tx *sqldb.Tx) (err error) {
			got, err = tx.Loader(table, sqldb.Skip).Find(t.Context(), plains(table, 15, 25))
			return err
		})
		if want := append(ids[15:], 0, 0, 0, 0, 0); !slices.Equal(got, want) {
			t.Errorf("%s: found %v, want %v", table.Name, got, want)
		}
	}
}

// loaderGet reads rows back by their identity, with every extreme of every column, and finds out what is not there.
func loaderGet(t *testing.T, s Suite) {
	db := s.fresh(t)
	for _, table := range metric.Tables() {
		if len(table.Identity) == 0 {
			continue
		}
		rows := spread(table)
		ids := load(t, db, table, sqldb.Skip, rows)
		ask := append(slices.Clone(rows), plain(table, len(rows)))
		var got []int64
		var stored []metric.Row
		write(t, db, func(tx *sqldb.Tx) (err error) {
			got, stored, err = tx.Loader(table, sqldb.Skip).Get(t.Context(), ask)
			return err
		})
		if want := append(ids, 0); !slices.Equal(got, want) || stored[len(rows)] != nil {
			t.Errorf("%s: ids %v, want %v", table.Name, got, want)
			continue
		}
		for n, row := range rows {
			for i := range row {
				if c := &table.Columns[i]; !same(c, row[i], stored[n][i]) {
					t.Errorf("%s row %d, %s: wrote %.80q, got %.80q", table.Name, n, c.Name, fmt.Sprint(row[i]), fmt.Sprint(stored[n][i]))
				}
			}
		}
	}
}

// loaderRequired leaves out each required column of each table in turn.
func loaderRequired(t *testing.T, s Suite) {
	db := s.fresh(t)
	for _, table := range metric.Tables() {
		for i := range table.Columns {
			row := plain(table, 0)
			row[i] = nil
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				_, err := tx.Insert(table, row)
				return err
			})
			if required := table.Columns[i].Required; required != (err != nil) {
				t.Errorf("%s.%s without value: error %v, required: %v", table.Name, table.Columns[i].Name, err, required)
			}
			if err == nil {
				write(t, db, func(tx *sqldb.Tx) error {
					_, err := tx.Exec(tx.Statement("DELETE FROM " + table.Name))
					return err
				})
			}
		}
		wantNumber(t, db, 0, "SELECT COUNT(*) FROM "+table.Name)
	}
}

func loaderNoIdentity(t *testing.T, s Suite) {
	db := s.fresh(t)
	table := metric.ImportRejects()
	row := plain(table, 0)
	for _, m := range []sqldb.Mode{sqldb.Skip, sqldb.Add, sqldb.Replace} {
		if ids := load(t, db, table, m, []metric.Row{row, row}); ids[0] == ids[1] || ids[0] == 0 {
			t.Errorf("ids %v of two rows", ids)
		}
	}
	wantNumber(t, db, 6, "SELECT COUNT(*) FROM import_rejects")
}

func loaderNone(t *testing.T, s Suite) {
	db := s.fresh(t)
	if ids := load(t, db, bugs(), sqldb.Skip, nil); len(ids) != 0 {
		t.Errorf("ids %v for no rows", ids)
	}
}

func loaderCancelled(t *testing.T, s Suite) {
	db := s.fresh(t)
	cause := errors.New("user pressed Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		if _, err := tx.Insert(bugs(), plain(bugs(), 0)); err != nil {
			return err
		}
		_, _ = tx.Loader(bugs(), sqldb.Skip).Insert(ctx, plains(bugs(), 1, 3))
		return nil
	})
	if !errors.Is(err, cause) {
		t.Errorf("error %v, want the cause of the cancellation", err)
	}
	wantNumber(t, db, 0, "SELECT COUNT(*) FROM metrics_bugs")
}

// loaderPartial fails in the middle of the rows.
func loaderPartial(t *testing.T, s Suite) {
	db := s.fresh(t)
	rows := plains(bugs(), 0, 100)
	rows[50][bugs().Position("error")] = nil
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, _ = tx.Loader(bugs(), sqldb.Skip).Insert(t.Context(), rows)
		return nil
	})
	if err == nil {
		t.Error("a row without a required value was taken")
	}
	wantNumber(t, db, 0, "SELECT COUNT(*) FROM metrics_bugs")
}

// loaderOverlap inserts many rows of several months again and again, each time with some new ones among them and some
// twice in the call: engines have faster ways for rows that are all new.
func loaderOverlap(t *testing.T, s Suite) {
	db := s.fresh(t)
	at, step := bugs().Position("timestamp"), 300
	want := map[int64]bool{}
	for round := range 4 {
		rows := plains(bugs(), 0, step*(round+1))
		for n, row := range rows {
			row[at] = clock().AddDate(0, n%5, 0)
		}
		rows = append(rows, rows[len(rows)-1])
		ids := load(t, db, bugs(), sqldb.Skip, rows)
		for n, id := range ids {
			if isNew := n >= step*round && n < step*(round+1); isNew != (id != 0) || want[id] {
				t.Fatalf("round %d, row %d of %d: id %d", round, n, len(rows), id)
			}
			if id != 0 {
				want[id] = true
			}
		}
	}
	wantNumber(t, db, int64(len(want)), "SELECT COUNT(*) FROM metrics_bugs")
	for id := range want {
		wantNumber(t, db, 1, "SELECT COUNT(*) FROM metrics_bugs WHERE id = ?", id)
		if id%97 == 0 {
			break
		}
	}
}

// loaderZones inserts rows whose month in UTC is another than where their time was written.
func loaderZones(t *testing.T, s Suite) {
	db := s.fresh(t)
	at := bugs().Position("timestamp")
	west, east := time.FixedZone("", -8*3600), time.FixedZone("", 12*3600)
	times := []time.Time{
		time.Date(2031, 3, 15, 12, 0, 0, 0, time.UTC), time.Date(2031, 3, 31, 23, 0, 0, 0, west), // April in UTC
		time.Date(2032, 5, 10, 12, 0, 0, 0, time.UTC), time.Date(2032, 5, 1, 1, 0, 0, 0, east), // April in UTC
	}
	for _, n := range []int{len(times), 200} { // few rows, and many
		rows := plains(bugs(), n, 2*n)
		for i, row := range rows {
			row[at] = times[i*len(times)/n]
		}
		load(t, db, bugs(), sqldb.Skip, rows)
	}
	wantNumber(t, db, 204, "SELECT COUNT(*) FROM metrics_bugs")
	wantNumber(t, db, 51, "SELECT COUNT(*) FROM metrics_bugs WHERE timestamp >= ? AND timestamp < ?",
		time.Date(2031, 4, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 5, 1, 0, 0, 0, 0, time.UTC))
}

// loaderTimeless has a row without its time among many: it must be refused, not left out.
func loaderTimeless(t *testing.T, s Suite) {
	db := s.fresh(t)
	rows := plains(bugs(), 0, 100)
	rows[50][bugs().Position("timestamp")] = nil
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Loader(bugs(), sqldb.Skip).Insert(t.Context(), rows)
		return err
	})
	if err == nil {
		t.Error("a row without time was taken, or lost")
	}
	wantNumber(t, db, 0, "SELECT COUNT(*) FROM metrics_bugs")
}
