package ingest_test

import (
	"os"
	"path/filepath"
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
	if got := b.number(`SELECT COUNT(*) FROM import_runs WHERE file LIKE '%a\xff.json' AND error LIKE '%a\xff.json:1:11: the file ends%'`); got != 1 {
		t.Errorf("%d imports have the name in escaped form: %s", got, b.text("SELECT file || ': ' || error FROM import_runs"))
	}
}
