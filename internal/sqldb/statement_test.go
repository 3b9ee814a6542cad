package sqldb_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqlite"
)

// open gives a database for tests that need one to ask; its engine is of no importance.
func open(t *testing.T) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), []sqldb.Engine{sqlite.Engine{}}, t.TempDir()+"/metrics.db", sqldb.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestStatement(t *testing.T) {
	db := open(t)
	at := time.Date(2024, 2, 29, 13, 0, 0, 7000, time.FixedZone("", 3600))
	s := db.Statement("SELECT a FROM t WHERE b = ?", "it's ?").Add(" AND c IN (?, ?)", int64(1), nil).Add(" ORDER BY a").Add(" LIMIT ?", at)
	if got, want := s.String(), "SELECT a FROM t WHERE b = ? AND c IN (?, ?) ORDER BY a LIMIT ?"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := s.Args(), []any{"it's ?", int64(1), nil, "2024-02-29 12:00:00.000007"}; !slices.Equal(got, want) {
		t.Errorf("values %q, want %q", got, want)
	}
}

// TestStatementPanics gives wrong numbers of values.
func TestStatementPanics(t *testing.T) {
	db := open(t)
	for name, f := range map[string]func(){
		"too few":        func() { db.Statement("SELECT ?, ?", int64(1)) },
		"too many":       func() { db.Statement("SELECT ?", int64(1), int64(2)) },
		"none wanted":    func() { db.Statement("SELECT 1", int64(1)) },
		"none given":     func() { db.Statement("SELECT ?") },
		"piece too few":  func() { db.Statement("SELECT ?", int64(1)).Add(" LIMIT ?") },
		"piece too many": func() { db.Statement("SELECT ?", int64(1)).Add(" LIMIT 1", int64(1)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestOpenUnknownEngine(t *testing.T) {
	for _, uri := range []string{"mysql://user:SECRET@host/db", "oracle+oracledb://user:SECRET@host", "nonsense://x?password=SECRET"} {
		_, err := sqldb.Open(t.Context(), []sqldb.Engine{sqlite.Engine{}}, uri, sqldb.Options{})
		wantInvalid(t, err)
	}
}

func wantInvalid(t *testing.T, err error) {
	t.Helper()
	if fault.KindOf(err) != fault.Invalid {
		t.Fatalf("error %v", err)
	}
	if strings.Contains(err.Error(), "SECRET") {
		t.Errorf("%v shows the password", err)
	}
}

// TestTablesOfTheSuite keeps the suite honest: the tables it needs must have what it tests with them.
func TestTablesOfTheSuite(t *testing.T) {
	for _, c := range []struct {
		table        *metric.Table
		id, identity bool
	}{
		{metric.ByName("bugs").Layout(), true, true}, {metric.ImportSeries(), true, true}, {metric.ImportRejects(), true, false},
		{metric.ImportUndated(), false, true}, {metric.Daily(), false, true}, {metric.RollupDirty(), false, true},
	} {
		if c.table.AutoID != c.id || (len(c.table.Identity) > 0) != c.identity {
			t.Errorf("%s: id %v, identity %v", c.table.Name, c.table.AutoID, c.table.Identity)
		}
	}
}
