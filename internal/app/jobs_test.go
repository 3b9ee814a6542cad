package app_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

func number(t *testing.T, db *sqldb.DB, query string) (n int64) {
	t.Helper()
	if err := db.Row(t.Context(), db.Statement(query), &n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// eventually waits until the query gives at least the number.
func eventually(t *testing.T, db *sqldb.DB, least int64, query string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); number(t, db, query) < least; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s is still below %d", query, least)
		}
	}
}

// Two servers look after one database: the parts of the months to come appear, the views are filled, and each job has
// one holder.
func TestJobs(t *testing.T) {
	uri := pgtest.Shared(t).Database(t)
	db := dbtest.Migrated(t, uri)
	_, err := app.Importer(db).Stream(t.Context(), "x", strings.NewReader(
		`{"bugs": [{"pattern": "p", "error": "e", "timestamp": "2026-01-02T03:04:05Z"}]}`), ingest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	parts := `SELECT COUNT(*) FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = 'metrics_bugs'`
	before := number(t, db, parts)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	var stops []func() error
	for range 2 {
		stop, err := app.Jobs(t.Context(), dbtest.Migrated(t, uri), logger)
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, stop)
	}
	eventually(t, db, before+app.MonthsAhead+1, parts)
	eventually(t, db, 1, "SELECT COUNT(*) FROM daily_pattern_stats")
	for _, stop := range stops {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	if n := number(t, db, "SELECT COUNT(*) FROM job_leases"); n != 2 {
		t.Errorf("%d leases, want one for each of the two jobs", n)
	}
	if s := log.String(); strings.Count(s, "made partitions") != 1 || strings.Contains(s, "WARN") {
		t.Errorf("the log says\n%s", s)
	}
}

// SQLite needs no jobs: nothing is started, nothing is written.
func TestNoJobs(t *testing.T) {
	db := dbtest.Migrated(t, t.TempDir()+"/test.db")
	stop, err := app.Jobs(context.Background(), db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := number(t, db, "SELECT COUNT(*) FROM job_leases"); n != 0 {
		t.Errorf("%d leases", n)
	}
}
