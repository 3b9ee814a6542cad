package dashboard

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/charts.md")

// docs/charts.md says what the catalogue says.
func TestReference(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := c.WriteReference(&got); err != nil {
		t.Fatal(err)
	}
	const path = "../../docs/charts.md"
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("docs/charts.md is out of date; run: go test ./internal/dashboard -update")
	}
}

// The example in the reference can be loaded as it stands.
func TestReferenceExample(t *testing.T) {
	_, rest, _ := strings.Cut(preface, "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the reference has no example")
	}
	c, err := loadText(example)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Chart("slow-functions"); err != nil {
		t.Error(err)
	}
}
