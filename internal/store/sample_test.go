package store_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/ingest/metricsjson"
	"github.com/feedback-loop/feedback-loop/internal/sample"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// today is when every test of this package happens.
func today() time.Time { return time.Date(2026, 6, 30, 15, 4, 5, 0, time.UTC) }

// openEmpty gives a migrated database without rows.
func openEmpty(t testing.TB) *sqldb.DB {
	t.Helper()
	return dbtest.Open(t, t.TempDir())
}

// importText imports a metrics file with this text.
func importText(t testing.TB, db *sqldb.DB, text []byte, o ingest.Options) *ingest.Report {
	t.Helper()
	path := filepath.Join(t.TempDir(), "metrics.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return importFile(t, db, path, o)
}

func importFile(t testing.TB, db *sqldb.DB, path string, o ingest.Options) *ingest.Report {
	t.Helper()
	im := &ingest.Importer{DB: db, Formats: []ingest.Format{metricsjson.Format()}, Now: today}
	rep, err := im.File(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// openSample gives a database with the events of a made-up team that end today.
func openSample(t testing.TB, events, days int) *sqldb.DB {
	t.Helper()
	db := openEmpty(t)
	path := filepath.Join(t.TempDir(), "sample.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := sample.WriteJSON(f, sample.Options{Events: events, Days: days, Seed: 7, End: today()}, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if rep := importFile(t, db, path, ingest.Options{}); rep.Inserted != int64(events) {
		t.Fatalf("imported %+v of %d events", rep.Counts, events)
	}
	return db
}
