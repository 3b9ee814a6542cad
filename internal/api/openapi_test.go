package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
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

// schema is the part of a JSON schema that the answers are held to.
type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Properties map[string]schema
	Required   []string
	Items      *schema
	Enum       []any
}

// Every answer has the fields that the description promises, and no others.
func TestAnswersFitTheDescription(t *testing.T) {
	b := newBench(t)
	b.imported(metrics, "acme/shop")
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct{ Schema schema }
			}
		}
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal(b.do(http.MethodGet, "/api/openapi.json", nil).Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path, target string
		status       int
	}{
		{"/healthz", "/healthz", 200}, {"/readyz", "/readyz", 200},
		{"/api/v1/status", "/api/v1/status", 200},
		{"/api/v1/repositories", "/api/v1/repositories", 200},
		{"/api/v1/dashboards", "/api/v1/dashboards", 200},
		{"/api/v1/dashboards/{id}", "/api/v1/dashboards/code-quality", 200},
		{"/api/v1/dashboards/{id}", "/api/v1/dashboards/nope", 404},
		{"/api/v1/charts/{id}/data", "/api/v1/charts/bug-trend/data", 200},
		{"/api/v1/charts/{id}/data", "/api/v1/charts/total-bugs/data", 200},
		{"/api/v1/charts/{id}/data", "/api/v1/charts/total-bugs/data?range=all", 200},
		{"/api/v1/charts/{id}/data", "/api/v1/charts/total-bugs/data?range=x", 422},
		{"/api/v1/imports", "/api/v1/imports", 200},
		{"/api/v1/imports/{id}", "/api/v1/imports/1", 200},
		{"/api/v1/imports/{id}/rejects", "/api/v1/imports/1/rejects", 200},
	}
	tried := map[string]bool{}
	for _, tt := range tests {
		tried[tt.path] = true
		for kind, c := range doc.Paths[tt.path]["get"].Responses[fmt.Sprint(tt.status)].Content {
			w := b.do(http.MethodGet, tt.target, nil)
			var v any
			if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != tt.status || w.Header().Get("Content-Type") != kind {
				t.Fatalf("GET %s: %d %v %v", tt.target, w.Code, w.Header(), err)
			}
			for _, p := range misfits(doc.Components.Schemas, c.Schema, v, tt.target) {
				t.Error(p)
			}
		}
	}
	for path := range doc.Paths {
		if !tried[path] {
			t.Errorf("%s is not tried", path)
		}
	}
}

// misfits lists where a value does not fit its schema.
func misfits(all map[string]schema, s schema, v any, at string) (found []string) {
	if s.Ref != "" {
		s = all[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	types := strings.Fields(strings.Trim(fmt.Sprint(s.Type), "[]"))
	if got := typeName(v); s.Type != nil && !slices.Contains(types, got) && !(got == "number" && slices.Contains(types, "integer")) {
		return []string{fmt.Sprintf("%s is %s, not %v", at, got, s.Type)}
	}
	if len(s.Enum) > 0 && v != nil && !slices.Contains(s.Enum, v) {
		found = append(found, fmt.Sprintf("%s is %v, not of %v", at, v, s.Enum))
	}
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			if s.Items != nil {
				found = append(found, misfits(all, *s.Items, x, fmt.Sprintf("%s[%d]", at, i))...)
			}
		}
	case map[string]any:
		for name := range v {
			p, ok := s.Properties[name]
			if !ok {
				found = append(found, at+"."+name+" is not described")
				continue
			}
			found = append(found, misfits(all, p, v[name], at+"."+name)...)
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				found = append(found, at+"."+name+" is missing")
			}
		}
	}
	return found
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	default:
		return "object"
	}
}
