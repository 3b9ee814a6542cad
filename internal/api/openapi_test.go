package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

// docs/openapi.json is what the server says of itself.
func TestOpenAPI(t *testing.T) {
	var got bytes.Buffer
	if err := json.Indent(&got, newBench(t).do(http.MethodGet, "/api/openapi.json", nil).Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	const path = "../../docs/openapi.json"
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
		t.Error("docs/openapi.json is out of date; run: go test ./internal/api -run TestOpenAPI -update")
	}
}
