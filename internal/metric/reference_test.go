package metric

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

const referenceFile = "../../docs/metrics.md"

func TestReference(t *testing.T) {
	if *update {
		if err := os.WriteFile(referenceFile, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(Reference(), "\n")
	for i, line := range strings.Split(string(have), "\n") {
		if i >= len(want) || line != want[i] {
			t.Fatalf("docs/metrics.md differs from the catalogue in line %d; write it anew with: go test ./internal/metric -run TestReference -update", i+1)
		}
	}
	if len(string(have)) != len(Reference()) {
		t.Error("docs/metrics.md is cut short; write it anew with: go test ./internal/metric -run TestReference -update")
	}
}

// Each table, each column and each sentence of documentation is in the reference.
func TestReferenceIsComplete(t *testing.T) {
	text := Reference()
	for _, table := range Tables() {
		if !strings.Contains(text, table.Name) || !strings.Contains(text, table.Doc) {
			t.Errorf("the reference lacks table %s", table.Name)
		}
		for i := range table.Columns {
			c := &table.Columns[i]
			if !strings.Contains(text, "| `"+c.Name+"` |") || !strings.Contains(text, escapeCell(c.Doc)) {
				t.Errorf("the reference lacks %s.%s", table.Name, c.Name)
			}
		}
		for _, x := range table.Indexes {
			if !strings.Contains(text, "`"+x.Name+"`") {
				t.Errorf("the reference lacks index %s", x.Name)
			}
		}
	}
}

func TestCellsStayOneCell(t *testing.T) {
	if got := escapeCell("a|b\nc"); got != `a\|b c` {
		t.Errorf("got %q", got)
	}
}
