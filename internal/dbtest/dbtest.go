// Package dbtest gives tests an empty database on the engine that the run is about: SQLite, or what FEEDBACK_ENGINE names.
// The suites of the rooms above sqldb run once on each engine: make test calls them twice.
package dbtest

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqlite"
)

// engineEnv names the engine: empty or "sqlite", or "postgres".
const engineEnv = "FEEDBACK_ENGINE"

// Engines lists the engines that tests open databases with.
func Engines() []sqldb.Engine { return []sqldb.Engine{sqlite.Engine{}, postgres.Engine{}} }

// URI is that of an empty database for this test alone; one that is a file lies in the folder.
func URI(t testing.TB, folder string) string {
	t.Helper()
	return uri(t, engine(), folder)
}

func uri(t testing.TB, engine, folder string) string {
	t.Helper()
	switch engine {
	case "sqlite":
		return filepath.Join(folder, "test.db")
	case "postgres":
		return pgtest.Shared(t).Database(t)
	default:
		t.Fatalf("%s=%s: there is no such engine for tests", engineEnv, engine)
		return ""
	}
}

// Open opens and migrates an empty database that is closed at the end of the test.
func Open(t testing.TB, folder string) *sqldb.DB {
	t.Helper()
	return OpenOn(t, engine(), folder)
}

// OpenOn is Open on a certain engine, "sqlite" or "postgres", for tests of what differs between them.
func OpenOn(t testing.TB, engine, folder string) *sqldb.DB {
	t.Helper()
	if engine == "postgres" {
		return Migrated(t, pgtest.Shared(t).Copy(t, func(uri string) error {
			db, err := migrated(context.Background(), uri)
			if err != nil {
				return err
			}
			return db.Close()
		}))
	}
	return Migrated(t, uri(t, engine, folder))
}

// Migrated opens a database as a process of its own would, brings it to the newest schema, and closes it at the end of the
// test.
func Migrated(t testing.TB, uri string) *sqldb.DB {
	t.Helper()
	db, err := migrated(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func migrated(ctx context.Context, uri string) (*sqldb.DB, error) {
	db, err := sqldb.Open(ctx, Engines(), uri, sqldb.Options{Create: true, Version: metric.SchemaVersion})
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, metric.Tables(), metric.SchemaVersion, time.Now()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// On says whether the run is about this engine, for what is not the same on all.
func On(name string) bool { return engine() == name }

func engine() string { return cmp.Or(os.Getenv(engineEnv), "sqlite") }
