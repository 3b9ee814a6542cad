package sqldbtest

import (
	"database/sql"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

func testQuery(t *testing.T, s Suite) {
	cases(t, s, map[string]func(*testing.T, Suite){
		"Parameters": parameters, "ReadOnly": readOnly, "Bucket": buckets, "Day": days, "Placeholders": placeholders,
	})
}

// parameters sends every hostile text as a value; none may be understood as SQL.
func parameters(t *testing.T, s Suite) {
	db := s.fresh(t)
	for n, text := range hostile() {
		write(t, db, func(tx *sqldb.Tx) error {
			if err := put(tx, n); err != nil {
				return err
			}
			_, err := tx.Exec(tx.Statement("UPDATE metrics_bugs SET code = ?, line = ?", text, int64(n)).Add(" WHERE line = ?", int64(n+1)))
			return err
		})
		wantNumber(t, db, 1, "SELECT COUNT(*) FROM metrics_bugs WHERE code = ? AND line = ?", text, int64(n))
		var back string
		if err := db.Row(t.Context(), db.Statement("SELECT code FROM metrics_bugs WHERE line = ?", int64(n)), &back); err != nil || back != text {
			t.Errorf("wrote %q, read %q, %v", text, back, err)
		}
		write(t, db, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(tx.Statement("UPDATE metrics_bugs SET line = ? WHERE line = ?", int64(1000+n), int64(n)))
			return err
		})
	}
	wantBugs(t, db, int64(len(hostile())))
	wantNumber(t, db, 1, "SELECT COUNT(*) FROM metrics_bugs WHERE \"timestamp\" = ?", clock())
}

// placeholders has more than nine of them, out of several pieces.
func placeholders(t *testing.T, s Suite) {
	db := s.fresh(t)
	st := db.Statement("SELECT ? ", int64(0))
	if s.Engine.Placeholder(1) != "?" {
		st = db.Statement("SELECT CAST(? AS BIGINT) ", int64(0))
	}
	var want int64
	for n := range 30 {
		want += int64(n) * 7
		st.Add("+ ? * 7 ", int64(n))
	}
	var got int64
	if err := db.Row(t.Context(), st, &got); err != nil || got != want {
		t.Errorf("sum %d, %v, want %d: %s", got, err, want, st)
	}
}

// readOnly tries to write past Write.
func readOnly(t *testing.T, s Suite) {
	db := s.fresh(t)
	insertBugs(t, db, 1)
	for _, stmt := range []string{"DELETE FROM metrics_bugs", "DROP TABLE metrics_bugs", "UPDATE metrics_bugs SET line = 5"} {
		if err := db.Query(t.Context(), db.Statement(stmt), func(*sql.Rows) error { return nil }); err == nil {
			t.Errorf("Query ran %s", stmt)
		}
	}
	wantNumber(t, db, 1, "SELECT COUNT(*) FROM metrics_bugs WHERE line = 1")
}

// days takes the day in UTC out of instants on both sides of midnight, some of them written in another zone.
func days(t *testing.T, s Suite) {
	db := s.fresh(t)
	table := metric.ImportUndated()
	at := table.Position("timestamp")
	var rows []metric.Row
	for n, v := range append(extremes(&table.Columns[at]), clock().Add(876543*time.Microsecond), clock().Add(876544*time.Microsecond)) {
		row := plain(table, n)
		row[at] = v
		rows = append(rows, row)
	}
	load(t, db, table, sqldb.Skip, rows)
	for _, row := range rows {
		var day sqldb.Date
		st := db.Statement("SELECT "+db.Engine().Day(`"timestamp"`)+" FROM import_undated WHERE event_key = ?", row[table.Position("event_key")])
		want := row[at].(time.Time).UTC().Format(sqldb.DateLayout)
		if err := db.Row(t.Context(), st, &day); err != nil || string(day) != want {
			t.Errorf("%v is on day %s, %v, want %s", row[at], day, err, want)
		}
	}
}

// buckets compares weeks and months with Go's calendar over a turn of two years, one of them with a week 53.
func buckets(t *testing.T, s Suite) {
	db := s.fresh(t)
	table := metric.RollupDirty()
	var rows []metric.Row
	first, last := time.Date(2019, 12, 25, 0, 0, 0, 0, time.UTC), time.Date(2021, 1, 10, 0, 0, 0, 0, time.UTC)
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		rows = append(rows, metric.Row{int64(1), "bugs", day.Format(sqldb.DateLayout)})
	}
	load(t, db, table, sqldb.Skip, rows)
	g, n := db.Engine(), 0
	query := "SELECT day, " + g.Bucket(sqldb.Day, "day") + ", " + g.Bucket(sqldb.Week, "day") + ", " + g.Bucket(sqldb.Month, "day") + " FROM rollup_dirty"
	err := db.Query(t.Context(), db.Statement(query), func(r *sql.Rows) error {
		var raw, day, week, month sqldb.Date
		if err := r.Scan(&raw, &day, &week, &month); err != nil {
			return err
		}
		n++
		wantBuckets(t, string(raw), string(day), string(week), string(month))
		return nil
	})
	if err != nil || n != len(rows) {
		t.Errorf("%d days, %v, want %d", n, err, len(rows))
	}
}

func wantBuckets(t *testing.T, raw, day, week, month string) {
	t.Helper()
	at, err := time.Parse(sqldb.DateLayout, raw)
	if err != nil {
		t.Error(err)
	}
	monday, err := time.Parse(sqldb.DateLayout, week)
	if err != nil {
		t.Error(err)
	}
	year, number := at.ISOWeek()
	startYear, startNumber := monday.ISOWeek()
	if monday.Weekday() != time.Monday || startYear != year || startNumber != number || monday.After(at) {
		t.Errorf("%s is in the week of %s", raw, week)
	}
	if day != raw || month != raw[:8]+"01" {
		t.Errorf("%s is on day %s of month %s", raw, day, month)
	}
}
