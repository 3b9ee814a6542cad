package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

var day = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

func bugs() *metric.Table { return metric.ByName("bugs").Layout() }

// rows makes bugs that differ by their number.
func rows(from, to int) []metric.Row {
	all := make([]metric.Row, 0, to-from)
	for n := from; n < to; n++ {
		row := make(metric.Row, len(bugs().Columns))
		for i := range row {
			row[i] = bugs().Columns[i].Default
		}
		for name, v := range map[string]any{
			"pattern": fmt.Sprintf("pattern_%d", n%10), "error": fmt.Sprintf("error number %d that takes some room in its page", n),
			"timestamp": day.Add(time.Duration(n) * time.Second), "event_key": fmt.Sprintf("00000000-0000-4000-8000-%012d", n), "ingested_at": day,
		} {
			row[bugs().Position(name)] = v
		}
		all = append(all, row)
	}
	return all
}

func insert(t testing.TB, db *sqldb.DB, from, to int) error {
	t.Helper()
	return db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Loader(bugs(), sqldb.Skip).Insert(t.Context(), rows(from, to))
		return err
	})
}

// fill makes a database with n bugs and closes it.
func fill(t testing.TB, path string, n int) {
	t.Helper()
	db := open(t, path)
	if err := insert(t, db, 0, n); err != nil {
		t.Fatal(err)
	}
	closed(t, db)
}

func count(t testing.TB, db *sqldb.DB) (n int) {
	t.Helper()
	if err := db.Row(t.Context(), db.Statement("SELECT COUNT(*) FROM metrics_bugs"), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// wantSound checks the file with SQLite alone.
func wantSound(t testing.TB, path string, bugs int) {
	t.Helper()
	db := raw(t, path)
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check of %s: %s, %v", path, verdict, err)
	}
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM metrics_bugs").Scan(&n); err != nil || n != bugs {
		t.Errorf("%d bugs, %v, want %d", n, err, bugs)
	}
}
