package export

import (
	"encoding/csv"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// engines are two databases of the same events on different engines.
func engines(t *testing.T, text string) (*sqldb.DB, *sqldb.DB) {
	t.Helper()
	a, b := dbtest.OpenOn(t, "sqlite", t.TempDir()), dbtest.OpenOn(t, "postgres", "")
	all(t, a, text, 0)
	all(t, b, text, 0)
	return a, b
}

// ordered brings the members of objects in order, which PostgreSQL does in its own way; the rest of the text stays.
func ordered(t *testing.T, value string) string {
	t.Helper()
	v := jsontext.Value(value)
	if err := v.Format(jsontext.PreserveRawStrings(true), jsontext.ReorderRawObjects(true)); err != nil {
		t.Fatalf("%v: %.300s", err, value)
	}
	return string(v)
}

// An export is the same to the byte whatever engine it comes from, save for the order of members within kept JSON.
func TestEnginesExportAlike(t *testing.T) {
	lite, pg := engines(t, events(t, 3000))
	a, b := strings.Split(written(t, lite, "ndjson", Options{}), "\n"), strings.Split(written(t, pg, "ndjson", Options{}), "\n")
	if len(a) != len(b) || len(a) != 3001 {
		t.Fatalf("%d and %d lines", len(a), len(b))
	}
	for i := range a[:3000] {
		if len(a[i]) != len(b[i]) || ordered(t, a[i]) != ordered(t, b[i]) {
			t.Fatalf("line %d differs:\n%s\n%s", i, a[i], b[i])
		}
	}
	if a, b := written(t, lite, "metrics-json", Options{}), written(t, pg, "metrics-json", Options{}); len(a) != len(b) || ordered(t, a) != ordered(t, b) {
		t.Error("metrics-json differs")
	}
	csvA, csvB := cells(t, written(t, lite, "csv", Options{})), cells(t, written(t, pg, "csv", Options{}))
	for i := range csvA {
		if csvA[i] != csvB[i] {
			t.Fatalf("cell %d of the CSV is %q and %q", i, csvA[i], csvB[i])
		}
	}
}

// cells are those of a CSV, JSON with its members in order.
func cells(t *testing.T, text string) (flat []string) {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		for _, cell := range record {
			if strings.HasPrefix(cell, "{") {
				cell = ordered(t, cell)
			}
			flat = append(flat, cell)
		}
	}
	return flat
}

// Records that are hard to write mean the same from either engine, and each reads what the other wrote as known.
func TestEnginesReadEachOther(t *testing.T) {
	text := strings.Join(hostile(), "\n")
	lite, pg := engines(t, text)
	a, b := written(t, lite, "ndjson", Options{}), written(t, pg, "ndjson", Options{})
	if x, y := meanings(t, a), meanings(t, b); !reflect.DeepEqual(x, y) {
		for i := range x {
			if !reflect.DeepEqual(x[i], y[i]) {
				t.Errorf("%v\n%v", x[i], y[i])
			}
		}
	}
	for _, c := range []struct {
		db   *sqldb.DB
		text string
	}{{lite, b}, {pg, a}, {pg, text}, {lite, text}} {
		if rep := all(t, c.db, c.text, 1); rep.Inserted != 0 || rep.Duplicate != int64(len(hostile())) {
			t.Errorf("import of the other's export: %+v", rep.Counts)
		}
	}
}

// meanings are the values of lines of JSON.
func meanings(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}
