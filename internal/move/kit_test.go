package move_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/move"
	"github.com/feedback-loop/feedback-loop/internal/sample"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
)

const sqlite, postgres = "sqlite", "postgresql"

// directions are all pairs of engines.
func directions() [][2]string {
	return [][2]string{{sqlite, postgres}, {postgres, sqlite}, {sqlite, sqlite}, {postgres, postgres}}
}

// each runs a test for all pairs of engines.
func each(t *testing.T, f func(t *testing.T, from, to string)) { across(t, directions(), f) }

// thereAndBack runs a test for the pairs in which each engine is once on each side.
func thereAndBack(t *testing.T, f func(t *testing.T, from, to string)) {
	across(t, directions()[:2], f)
}

func across(t *testing.T, pairs [][2]string, f func(t *testing.T, from, to string)) {
	for _, d := range pairs {
		t.Run(d[0]+" to "+d[1], func(t *testing.T) { f(t, d[0], d[1]) })
	}
}

func uri(t testing.TB, engine string) string {
	t.Helper()
	if engine == postgres {
		return pgtest.Shared(t).Database(t)
	}
	return filepath.Join(t.TempDir(), "test.db")
}

// fresh is an empty database of the current schema.
func fresh(t testing.TB, engine string) *sqldb.DB {
	t.Helper()
	return at(t, uri(t, engine))
}

func at(t testing.TB, uri string) *sqldb.DB {
	t.Helper()
	db, err := app.Open(t.Context(), uri, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // the server of some is gone by then
	return db
}

// now is the time of imports.
func now() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 123456000, time.UTC) }

func importer(db *sqldb.DB) *ingest.Importer {
	im := app.Importer(db)
	im.Now = now
	return im
}

// load imports files and gives how many rows that wrote.
func load(t testing.TB, db *sqldb.DB, files ...string) (inserted int64) {
	t.Helper()
	for _, file := range files {
		rep, err := importer(db).File(t.Context(), file, ingest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		inserted += rep.Inserted
	}
	return inserted
}

func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// made is a file of made up events of all categories.
func made(t testing.TB, events int, seed uint64) string {
	t.Helper()
	var b bytes.Buffer
	o := sample.Options{Events: events, Days: 100, Seed: seed, End: now().AddDate(0, 0, -10)}
	if err := sample.WriteJSON(&b, o, nil); err != nil {
		t.Fatal(err)
	}
	return file(t, fmt.Sprintf("made-%d.json", seed), b.String())
}

// odd is a file with what the made up ones lack: counters, rejects, records without time, hostile texts, links, and
// fields that have no column.
func odd(t testing.TB) string {
	t.Helper()
	return file(t, "odd.json", `{"bugs":[
{"pattern":"p","error":"e","file_path":"a.py","count":5,"timestamp":"2026-03-01T10:00:00"},
{"pattern":"p","error":"first day","timestamp":"1970-01-01T00:00:00"},
{"pattern":"p","error":"last day","timestamp":"9999-12-31T23:59:59.999999"},
{"pattern":"O'Brien; DROP TABLE \"x\" -- 🦜","error":"line\nbreak ? $1 %s \\n","line":9223372036854775807,"timestamp":"2026-03-02T10:00:00"},
{"pattern":"no time","error":"e"},
{"error":"no pattern","timestamp":"2026-03-01T10:00:00"},
{"pattern":"p","error":"bad time","timestamp":"yesterday"},
{"pattern":"p","error":"extra","z":1.50,"a":{"b":[1e3,12345678901234567890,null,"\u00fc\"\\"],"a":-0.10},"timestamp":"2026-03-03T10:00:00"}],
"code_generation":[
{"prompt":"x","patterns_applied":["a","b \"quoted\""],"confidence":0.1,"success":true,"timestamp":"2026-03-01T10:00:00","metadata":{"k":[true,{}]}},
{"prompt":"no time","patterns_applied":["a"],"confidence":1,"success":false}]}`)
}

// filled is a database with imports of everything.
func filled(t testing.TB, engine string, events int) (db *sqldb.DB, files []string) {
	t.Helper()
	db = fresh(t, engine)
	files = []string{made(t, events, 1), odd(t)}
	load(t, db, files...)
	return db, files
}

// extreme is a database with the extremes of each type in each table; it means nothing.
func extreme(t testing.TB, engine string) *sqldb.DB {
	t.Helper()
	db := fresh(t, engine)
	for _, table := range metric.Tables() {
		if !table.Local {
			put(t, db, table, sqldbtest.Extremes(table)...)
		}
	}
	return db
}

// put writes rows past everything.
func put(t testing.TB, db *sqldb.DB, table *metric.Table, rows ...metric.Row) (ids []int64) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *sqldb.Tx) (err error) {
		ids, err = tx.Loader(table, sqldb.Skip).Insert(t.Context(), rows)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", table.Name, err)
	}
	return ids
}

func exec(t testing.TB, db *sqldb.DB, stmt string, args ...any) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(tx.Statement(stmt, args...))
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", stmt, err)
	}
}

func number(t testing.TB, db *sqldb.DB, query string, args ...any) int64 {
	t.Helper()
	var n sql.NullInt64
	if err := db.Row(t.Context(), db.Statement(query, args...), &n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n.Int64
}

// copied copies and demands that both sides agree.
func copied(t testing.TB, from, to *sqldb.DB) *move.Report {
	t.Helper()
	rep, err := move.Copy(t.Context(), from, to, move.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if bad := rep.Differing(); len(bad) > 0 {
		t.Fatalf("%v differ: %+v", bad, rep)
	}
	return rep
}

// healthy lets the doctor look.
func healthy(t testing.TB, db *sqldb.DB) {
	t.Helper()
	d, err := app.Examine(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range d.Findings {
		t.Errorf("%s: %s: %s: %s", db.Where(), f.Table, f.Row, f.Fault)
	}
}

// again imports the files once more: nothing of them is new.
func again(t testing.TB, db *sqldb.DB, files ...string) {
	t.Helper()
	for _, f := range files {
		if n := load(t, db, f); n > 0 {
			t.Errorf("%s: importing %s again wrote %d rows", db.Where(), filepath.Base(f), n)
		}
	}
}

// read gives the rows of a table in order of id or key, the id first, JSON without what engines may change in it.
func read(t testing.TB, db *sqldb.DB, table *metric.Table) (rows []metric.Row) {
	t.Helper()
	numbered := sqldb.Numbered(table)
	order := "id"
	if !table.AutoID {
		order = strings.Join(table.Identity, ", ")
	}
	s := db.Statement("SELECT " + strings.Join(numbered.Names(), ", ") + " FROM " + table.Name + " ORDER BY " + order)
	err := db.Query(t.Context(), s, func(r *sql.Rows) error {
		row, err := sqldb.ScanRow(r, numbered.Types())
		for i, c := range numbered.Columns {
			if text, ok := row[i].(string); ok && (c.Type == metric.JSON || c.Type == metric.List) {
				row[i] = decoded(t, text)
			}
		}
		rows = append(rows, row)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", table.Name, err)
	}
	return rows
}

// sameRows compares every table of two databases, without the help of digests.
func sameRows(t testing.TB, a, b *sqldb.DB) {
	t.Helper()
	for _, table := range metric.Tables() {
		if table.Local {
			continue
		}
		x, y := read(t, a, table), read(t, b, table)
		if len(x) != len(y) {
			t.Errorf("%s has %d rows in %s, %d in %s", table.Name, len(x), a.Where(), len(y), b.Where())
			continue
		}
		for i := range x {
			if !reflect.DeepEqual(x[i], y[i]) {
				t.Errorf("%s: %.500s\nbecame %.500s", table.Name, fmt.Sprint(x[i]), fmt.Sprint(y[i]))
				break
			}
		}
	}
}
