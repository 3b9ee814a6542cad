// Package sqldbtest is the suite that every database engine has to pass. An engine's own test is a few lines that
// say how to make an empty database, how to look into it from outside, and then call Run:
//
//	func suite() sqldbtest.Suite { return sqldbtest.Suite{Engine: sqlite.Engine{}, ...} }
//	func TestMain(m *testing.M)  { sqldbtest.Main(m, sqlite.Engine{}) }
//	func TestEngine(t *testing.T) { sqldbtest.Run(t, suite()) }
//
// Main lets the test binary play the other process: the one that migrates at the same moment, or that is killed.
package sqldbtest

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Suite is what the suite has to know about an engine.
type Suite struct {
	Engine sqldb.Engine
	// New gives the URI of a database that is empty and belongs to this test alone.
	New func(t testing.TB) string
	// Fingerprint digests everything the database at the URI holds, byte by byte where there are files. It changes nothing.
	Fingerprint func(t testing.TB, uri string) string
	// Foreign runs statements as another program would, past package sqldb.
	Foreign func(t testing.TB, uri string, statements ...string)
	// Indexes lists the secondary indexes that are not unique, as "table name(column, ...)", in any order.
	Indexes func(t testing.TB, db *sqldb.DB) []string
}

// Run runs the whole suite.
func Run(t *testing.T, s Suite) {
	groups := []struct {
		name string
		run  func(*testing.T, Suite)
	}{
		{"Migrate", testMigrate}, {"Refuse", testRefuse}, {"Race", testRace}, {"Kill", testKill},
		{"Loader", testLoader}, {"RoundTrip", testRoundTrip}, {"Numbered", testNumbered},
		{"Tx", testTx}, {"Cancel", testCancel}, {"Concurrent", testConcurrent}, {"Query", testQuery},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			g.run(t, s)
		})
	}
}

// cases runs named tests side by side.
func cases(t *testing.T, s Suite, all map[string]func(*testing.T, Suite)) {
	for name, test := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// Rounds is how often to do again what is left to chance: n times, or fewer in a short run and under the race
// detector, where each takes ten times as long and other processes, being alone with themselves, show it nothing.
func Rounds(n int) int {
	if raced || testing.Short() {
		return max(n/5, 1)
	}
	return n
}

// clock is the time of everything the suite writes.
func clock() time.Time { return time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC) }

func (s Suite) try(ctx context.Context, uri string, version int) (*sqldb.DB, error) {
	return sqldb.Open(ctx, []sqldb.Engine{s.Engine}, uri, sqldb.Options{Create: true, Version: version})
}

// open gives one handle, closed at the end of the test.
func (s Suite) open(t testing.TB, uri string, version int) *sqldb.DB {
	t.Helper()
	db, err := s.try(t.Context(), uri, version)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// fresh gives a new database with the schema of this binary.
func (s Suite) fresh(t testing.TB) *sqldb.DB {
	t.Helper()
	db := s.open(t, s.New(t), metric.SchemaVersion)
	migrate(t, db)
	return db
}

func migrate(t testing.TB, db *sqldb.DB) {
	t.Helper()
	if err := db.Migrate(t.Context(), metric.Tables(), metric.SchemaVersion, clock()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
}

func write(t testing.TB, db *sqldb.DB, f func(*sqldb.Tx) error) {
	t.Helper()
	if err := db.Write(t.Context(), f); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// number reads one integer.
func number(t testing.TB, db *sqldb.DB, query string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := db.Row(t.Context(), db.Statement(query, args...), &n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func wantNumber(t testing.TB, db *sqldb.DB, want int64, query string, args ...any) {
	t.Helper()
	if got := number(t, db, query, args...); got != want {
		t.Errorf("%s %v = %d, want %d", query, args, got, want)
	}
}

// names reads one text column.
func names(t testing.TB, db *sqldb.DB, query string) []string {
	t.Helper()
	var all []string
	err := db.Query(t.Context(), db.Statement(query), func(r *sql.Rows) error {
		var n string
		err := r.Scan(&n)
		all = append(all, n)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	slices.Sort(all)
	return all
}

func wantKind(t testing.TB, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("error %v is of kind %d, want kind %d", err, fault.KindOf(err), kind)
	}
}
