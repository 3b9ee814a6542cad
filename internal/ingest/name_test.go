package ingest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/ingest"
)

// A file may be called anything; the ledger holds text that every database takes.
func TestNameThatIsNoText(t *testing.T) {
	b := newBase(t)
	path := filepath.Join(t.TempDir(), "a\xff.json")
	if err := os.WriteFile(path, []byte(`{"bugs": [`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.im.File(t.Context(), path, ingest.Options{}); err == nil {
		t.Error("half a file is no failure")
	}
	got := b.text("SELECT file, error FROM import_runs")
	name, failure, _ := strings.Cut(got, "|")
	if !strings.HasSuffix(name, `a\xff.json`) || !strings.Contains(failure, `a\xff.json:1:11: the file ends`) {
		t.Errorf("the name is not there in escaped form: %s", got)
	}
}
