package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// now is the clock of all imports here: later than every record that is not about the future.
var now = time.Date(2026, 7, 1, 12, 0, 0, 123456000, time.UTC)

// base is a database to import into.
type base struct {
	t  testing.TB
	db *sqldb.DB
	im *ingest.Importer
}

func newBase(t testing.TB) *base {
	t.Helper()
	db := dbtest.Open(t, memory(t))
	im := app.Importer(db)
	im.Now = func() time.Time { return now }
	return &base{t, db, im}
}

// scaled is a size that the race detector could not bear as it is.
func scaled(n int) int {
	if raced {
		return n / 10
	}
	return n
}

// file writes a file of that name into a folder of its own.
func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// try imports content and checks what holds for every import: the counts add up, also in the ledger.
func (b *base) try(content string, o ingest.Options) (*ingest.Report, error) {
	b.t.Helper()
	return b.tryFile(file(b.t, "metrics_data.json", content), o)
}

func (b *base) tryFile(path string, o ingest.Options) (*ingest.Report, error) {
	b.t.Helper()
	before := b.number("SELECT COUNT(*) FROM import_runs")
	rep, err := b.im.File(b.t.Context(), path, o)
	if rep.Read != rep.Inserted+rep.Duplicate+rep.Rejected {
		b.t.Errorf("read %d, but inserted %d + duplicate %d + rejected %d", rep.Read, rep.Inserted, rep.Duplicate, rep.Rejected)
	}
	if int64(len(rep.Rejects))+rep.Omitted != rep.Rejected {
		b.t.Errorf("%d rejects listed and %d omitted, but %d counted", len(rep.Rejects), rep.Omitted, rep.Rejected)
	}
	if b.number("SELECT COUNT(*) FROM import_runs") > before {
		b.ledger(rep, err)
	}
	return rep, err
}

// ledger compares the newest row of import_runs with the report.
func (b *base) ledger(rep *ingest.Report, failure error) {
	b.t.Helper()
	want := fmt.Sprintf("done|%d|%d|%d|%d||1", rep.Read, rep.Inserted, rep.Duplicate, rep.Rejected)
	if failure != nil {
		want = fmt.Sprintf("failed|%d|%d|%d|%d|%s|1", rep.Read, rep.Inserted, rep.Duplicate, rep.Rejected, failure)
	}
	got := b.text(`SELECT status, read_count, inserted_count, duplicate_count, rejected_count, COALESCE(error, ''), finished_at IS NOT NULL
		FROM import_runs ORDER BY id DESC LIMIT 1`)
	if got != want {
		b.t.Errorf("import_runs has\n%s, want\n%s", got, want)
	}
	kept := b.number("SELECT COUNT(*) FROM import_rejects WHERE import_run_id = (SELECT MAX(id) FROM import_runs)")
	if kept != rep.Rejected {
		b.t.Errorf("import_rejects has %d rows, want %d", kept, rep.Rejected)
	}
}

// load imports content that must not fail.
func (b *base) load(content string) *ingest.Report {
	b.t.Helper()
	return b.loadAs(content, ingest.Options{})
}

func (b *base) loadAs(content string, o ingest.Options) *ingest.Report {
	b.t.Helper()
	rep, err := b.try(content, o)
	if err != nil {
		b.t.Fatalf("import failed: %v", err)
	}
	return rep
}

// want checks the counts of a report.
func want(t testing.TB, rep *ingest.Report, inserted, duplicate, rejected int64) {
	t.Helper()
	if rep.Inserted != inserted || rep.Duplicate != duplicate || rep.Rejected != rejected {
		t.Errorf("inserted %d, duplicate %d, rejected %d; want %d, %d, %d (rejects %v)",
			rep.Inserted, rep.Duplicate, rep.Rejected, inserted, duplicate, rejected, rep.Rejects)
	}
}

// rows gives the rows of a statement, each with its values joined by |; see dbtest.Rows.
func (b *base) rows(query string, args ...any) []string {
	b.t.Helper()
	return dbtest.Rows(b.t, b.db, query, args...)
}

// text gives the only row of a statement.
func (b *base) text(query string, args ...any) string {
	b.t.Helper()
	all := b.rows(query, args...)
	if len(all) != 1 {
		b.t.Fatalf("%s gave %d rows, want 1", query, len(all))
	}
	return all[0]
}

func (b *base) number(query string, args ...any) (n int64) {
	b.t.Helper()
	if err := b.db.Row(context.Background(), b.db.Statement(query, args...), &n); err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// events gives the content of all event and link tables, without what differs from import to import.
func (b *base) events() string {
	b.t.Helper()
	var s strings.Builder
	for _, t := range metric.Tables() {
		at := t.Position("event_key")
		if at < 0 || t.Position("timestamp") < 0 || len(t.Columns) < 4 {
			continue
		}
		var names []string
		for _, n := range t.Names() {
			if n != "ingested_at" {
				names = append(names, n)
			}
		}
		list := strings.Join(names, ", ")
		fmt.Fprintf(&s, "== %s\n%s\n", t.Name, strings.Join(b.rows("SELECT "+list+" FROM "+t.Name+" ORDER BY "+list), "\n"))
	}
	return s.String()
}

// total is the number of rows in all event tables.
func (b *base) total() (n int64) {
	b.t.Helper()
	for _, c := range metric.Catalogue() {
		n += b.number("SELECT COUNT(*) FROM " + c.Table)
	}
	return n
}

// fails demands a fault of that kind whose text holds all parts.
func fails(t testing.TB, err error, k fault.Kind, parts ...string) {
	t.Helper()
	if err == nil {
		t.Error("the import succeeded")
		return
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != k {
		t.Errorf("%v is no fault of kind %d", err, k)
		return
	}
	if f.Remedy == "" {
		t.Errorf("%v names no remedy", err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error %q does not say %q", err, p)
		}
	}
}

// bug is a record of the category bugs with these further fields, each written ,"name":value.
func bug(fields string) string {
	return `{"pattern":"p","error":"e","file_path":"f.py","timestamp":"2026-01-02T03:04:05"` + fields + `}`
}
