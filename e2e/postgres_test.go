package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// The built program from an empty PostgreSQL database to a chart, as a team has it.
func TestProgramOnPostgreSQL(t *testing.T) {
	db := pgtest.Shared(t).Database(t)
	p := program{bin: build(t), db: db}
	const file = "../testdata/metrics/collector.json"
	if first := p.imported(t, file); first != (counts{Read: 15, Inserted: 15}) {
		t.Errorf("the first import: %+v", first)
	}
	if again := p.imported(t, file); again != (counts{Read: 15, Duplicate: 15}) {
		t.Errorf("the second import: %+v", again)
	}
	p.run(t, 0, "doctor")
	out := filepath.Join(t.TempDir(), "export.ndjson")
	p.run(t, 0, "export", "--format", "ndjson", "--output", out)
	text, err := os.ReadFile(out)
	if err != nil || strings.Count(string(text), "\n") != 15 {
		t.Errorf("%d lines were exported, want 15 (%v)", strings.Count(string(text), "\n"), err)
	}
	if back := p.imported(t, out); back != (counts{Read: 15, Duplicate: 15}) {
		t.Errorf("the import of the export: %+v", back)
	}
	base := p.serve(t) // which waits for /readyz
	if got, want := data(t, base, "total-bugs", "?range=all").sum(), occurrences(t, file, "bugs"); got != want {
		t.Errorf("the chart of all bugs says %d, want %d", got, want)
	}
}

// counts are those of an import's report.
type counts struct{ Read, Inserted, Duplicate, Rejected int }

func (p program) imported(t *testing.T, file string) counts {
	t.Helper()
	var report struct{ Total counts }
	if err := json.Unmarshal(p.output(t, 0, "import", "--json", file), &report); err != nil {
		t.Fatal(err)
	}
	return report.Total
}

// occurrences adds up the counts of a category in a metrics file.
func occurrences(t *testing.T, file, category string) (sum int) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lists map[string]json.RawMessage
	var records []struct{ Count *int }
	if err := json.Unmarshal(text, &lists); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(lists[category], &records); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Count == nil {
			sum++
			continue
		}
		sum += *r.Count
	}
	return sum
}
