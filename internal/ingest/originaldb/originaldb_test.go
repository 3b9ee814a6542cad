package originaldb_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	_ "modernc.org/sqlite" // makes the databases

	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/ingest/originaldb"
)

// split gives the records of a database, each with its place.
func split(t *testing.T, stmts ...string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "original.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stmts {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []string
	in := &ingest.Input{Name: path, Path: path, Reader: bufio.NewReader(f), Note: func(string) {}}
	err = originaldb.Format().Split(t.Context(), in, func(it ingest.Item) error {
		got = append(got, fmt.Sprintf("%s: %s", it.Place, it.Raw))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Columns that are called as SQLite calls the number of a row hide it; none of them may be taken for it.
func TestColumnsNamedAsTheRowNumber(t *testing.T) {
	for _, tt := range []struct {
		columns, values string
		want            []string
	}{
		{"id INTEGER PRIMARY KEY", "(1)", []string{"metrics_bugs row 1: {}"}},
		{"rowid TEXT", "('b'), ('a')", []string{`metrics_bugs row 1: {"rowid":"b"}`, `metrics_bugs row 2: {"rowid":"a"}`}},
		{"RowID TEXT, _rowid_ TEXT", "('b', 'x'), ('a', 'y')",
			[]string{`metrics_bugs row 1: {"RowID":"b","_rowid_":"x"}`, `metrics_bugs row 2: {"RowID":"a","_rowid_":"y"}`}},
		{"rowid TEXT, _rowid_ TEXT, oid TEXT", "('b', 'x', 'z')",
			[]string{`metrics_bugs[0] at byte 0: {"rowid":"b","_rowid_":"x","oid":"z"}`}},
	} {
		got := split(t, "CREATE TABLE metrics_bugs ("+tt.columns+")", "INSERT INTO metrics_bugs VALUES "+tt.values)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.columns, got, tt.want)
		}
	}
}
