package export

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/ingest/metricsjson"
	"github.com/feedback-loop/feedback-loop/internal/ingest/ndjson"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sample"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// open makes an empty database.
func open(t testing.TB) *sqldb.DB {
	t.Helper()
	return dbtest.Open(t, t.TempDir())
}

// bring imports a text, at a moment that lies days after a fixed one.
func bring(t testing.TB, db *sqldb.DB, text string, days int) *ingest.Report {
	t.Helper()
	now := time.Date(2026, 7, 1, 12, 0, 0, 123456000, time.UTC).AddDate(0, 0, days)
	im := &ingest.Importer{DB: db, Formats: []ingest.Format{ndjson.Format(), metricsjson.Format()}, Now: func() time.Time { return now }}
	rep, err := im.Stream(context.Background(), "test", strings.NewReader(text), ingest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// all brings a text of which no record may be rejected.
func all(t testing.TB, db *sqldb.DB, text string, days int) *ingest.Report {
	t.Helper()
	rep := bring(t, db, text, days)
	if rep.Rejected != 0 {
		t.Fatalf("rejected: %v", rep.Rejects)
	}
	return rep
}

func events(t testing.TB, n int) string {
	t.Helper()
	var b bytes.Buffer
	o := sample.Options{Events: n, Days: 90, Seed: 1, End: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)}
	if err := sample.WriteJSON(&b, o, nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func named(t testing.TB, name string) Format {
	t.Helper()
	i := slices.IndexFunc(Formats(), func(f Format) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("there is no format %s", name)
	}
	return Formats()[i]
}

func written(t testing.TB, db *sqldb.DB, format string, o Options) string {
	t.Helper()
	var b bytes.Buffer
	o.Organization = 1
	if _, err := Write(context.Background(), db, &b, named(t, format), o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// read gives the rows of a table, every column but id; JSON is compact, as the export writes it.
func read(t testing.TB, db *sqldb.DB, table *metric.Table, order string) (all []metric.Row) {
	t.Helper()
	types := table.Types()
	st := db.Statement("SELECT " + strings.Join(table.Names(), ", ") + " FROM " + table.Name + " ORDER BY " + order)
	err := db.Query(context.Background(), st, func(r *sql.Rows) error {
		row, err := sqldb.ScanRow(r, types)
		for i, v := range row {
			if text, ok := v.(string); ok && (types[i] == metric.JSON || types[i] == metric.List) {
				v := jsontext.Value(text)
				err = errors.Join(err, v.Compact())
				row[i] = string(v)
			}
		}
		all = append(all, row)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// rows reads a table as text that tells the types apart, every column but id.
func rows(t testing.TB, db *sqldb.DB, table *metric.Table, order string) (all [][]string) {
	t.Helper()
	for _, values := range read(t, db, table, order) {
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = fmt.Sprintf("%T %v", v, v)
		}
		all = append(all, row)
	}
	return all
}

// eventTables are those whose rows have to survive: events and their links.
func eventTables() (all []*metric.Table) {
	for _, c := range metric.Catalogue() {
		all = append(all, c.Layout())
		if c.Links != nil {
			all = append(all, c.Links.Layout())
		}
	}
	return all
}

// same demands that two databases have the same events in the same order, and the same daily totals.
func same(t *testing.T, want, got *sqldb.DB) {
	t.Helper()
	for _, table := range eventTables() {
		w, g := rows(t, want, table, "id"), rows(t, got, table, "id")
		if len(w) != len(g) {
			t.Errorf("%s has %d rows, want %d", table.Name, len(g), len(w))
			continue
		}
		for i := range w {
			if !slices.Equal(w[i], g[i]) {
				t.Fatalf("%s, row %d:\n got %q\nwant %q", table.Name, i, g[i], w[i])
			}
		}
	}
	daily := metric.Daily()
	key := strings.Join(daily.Identity, ", ")
	w, g := rows(t, want, daily, key), rows(t, got, daily, key)
	if len(w) != len(g) {
		t.Fatalf("metrics_daily has %d rows, want %d", len(g), len(w))
	}
	for i := range w {
		for j := range w[i] {
			if !alike(w[i][j], g[i][j]) {
				t.Fatalf("metrics_daily, %q: %s is %s, want %s", w[i][:4], daily.Columns[j].Name, g[i][j], w[i][j])
			}
		}
	}
}

// alike forgives the last digits of sums: numbers were added in other portions.
func alike(a, b string) bool {
	var x, y float64
	_, e1 := fmt.Sscanf(a, "float64 %g", &x)
	_, e2 := fmt.Sscanf(b, "float64 %g", &y)
	if e1 != nil || e2 != nil {
		return a == b
	}
	return math.Abs(x-y) <= 1e-12*max(math.Abs(x), math.Abs(y))
}

func date(day string) time.Time {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return t
}
