package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestMethods(t *testing.T) {
	b := newBench(t)
	for _, target := range []string{"/", "/healthz", "/metrics", "/api/v1/status", "/api/docs", "/assets/x.js"} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"} {
			w := b.do(method, target, nil)
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" ||
				w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: %d %v", method, target, w.Code, w.Header())
			}
		}
		if w := b.do(http.MethodHead, target, nil); w.Code != http.StatusOK {
			t.Errorf("HEAD %s: %d", target, w.Code)
		}
	}
}

// A page of another site can reach us under a name of its own, but not under ours.
func TestHosts(t *testing.T) {
	b := newBench(t)
	tests := map[string]bool{
		"localhost": true, "localhost:8080": true, "LOCALHOST:1": true, "127.0.0.1": true, "127.0.0.1:65535": true,
		"[::1]": true, "[::1]:8080": true, "127.0.0.2:80": true,
		"": false, "evil.example": false, "evil.example:8080": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false,
		"192.168.0.1:8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "[fe80::1]": false, "localhost:80:80": false, "[::1": true,
	}
	for host, ok := range tests {
		w := b.do(http.MethodGet, "/api/v1/status", func(r *http.Request) { r.Host = host })
		if (w.Code == http.StatusOK) != ok || !ok && w.Code != http.StatusForbidden {
			t.Errorf("host %q: %d", host, w.Code)
		}
	}
}

func TestHeaders(t *testing.T) {
	b := newBench(t)
	ids := map[string]bool{}
	for _, target := range []string{"/", "/imports/1", "/healthz", "/metrics", "/api/docs", "/api/openapi.json", "/api/v1/status",
		"/api/nope", "/api/v1/imports/99", "/api/v1/imports?limit=0"} {
		h := b.do(http.MethodGet, target, nil).Header()
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'self';") || strings.Contains(policy, "script-src") || h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("X-Frame-Options") != "DENY" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("GET %s: %v", target, h)
		}
		if strings.HasPrefix(target, "/api") && h.Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s may be kept by caches: %v", target, h)
		}
		id := h.Get("X-Request-Id")
		if len(id) < 16 || ids[id] {
			t.Errorf("GET %s has the request id %q", target, id)
		}
		ids[id] = true
	}
}

func TestAccessLog(t *testing.T) {
	b := newBench(t)
	w := b.do(http.MethodGet, "/api/v1/imports/99", func(r *http.Request) { r.Header.Set("X-Request-Id", "mine\nforged") })
	var line struct {
		Request, Method, Path, Route, Msg string
		Status                            int
		Bytes                             int
	}
	if err := json.Unmarshal([]byte(b.log.String()), &line); err != nil {
		t.Fatalf("%v in %s", err, b.log)
	}
	if line.Request != w.Header().Get("X-Request-Id") || line.Method != "GET" || line.Path != "/api/v1/imports/99" || line.Msg != "request" ||
		line.Route != "GET /api/v1/imports/{id}" || line.Status != 404 || line.Bytes != w.Body.Len() {
		t.Errorf("log %+v of %v", line, w)
	}
}

// The server's metrics count by route; a client cannot make labels up.
func TestMetrics(t *testing.T) {
	b := newBench(t)
	b.imported(metrics, "")
	for i := range 20 {
		b.do(http.MethodGet, fmt.Sprintf("/api/v1/imports/%d", i+1), nil)
		b.do(fmt.Sprintf("M%d", i), "/", nil)
		b.do(http.MethodGet, fmt.Sprintf("/page-%d", i), nil)
	}
	m := b.do(http.MethodGet, "/metrics", nil).Body.String()
	for _, want := range []string{
		`feedback_loop_http_requests_total{method="GET",route="GET /api/v1/imports/{id}",status="200"} 1`,
		`feedback_loop_http_requests_total{method="GET",route="GET /api/v1/imports/{id}",status="404"} 19`,
		`feedback_loop_http_requests_total{method="other",route="refused",status="405"} 20`,
		`feedback_loop_http_requests_total{method="GET",route="/",status="200"} 20`,
		`feedback_loop_http_request_duration_seconds_count{route="GET /api/v1/imports/{id}"} 20`,
		`feedback_loop_build_info{version="0.0.1"} 1`,
		`feedback_loop_events{category="bugs"} 3`,
		`feedback_loop_imports{status="done"} 1`,
		"go_goroutines ", "process_start_time_seconds ",
	} {
		if !strings.Contains(m, want+"\n") && !strings.Contains(m, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if n := strings.Count(m, "\nfeedback_loop_http_requests_total{"); n != 4 {
		t.Errorf("%d request counters, want 4", n)
	}
}

// The documentation page works offline and lists every operation with its parameters and schemas.
func TestDocumentationPage(t *testing.T) {
	b := newBench(t)
	w := b.do(http.MethodGet, "/api/docs", nil)
	page := w.Body.String()
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if m := regexp.MustCompile(`(?i)<script|\son\w+=|(src|href)="(https?:)?//`).FindString(page); m != "" {
		t.Errorf("the page has %s", m)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name, Description string }
		}
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(b.do(http.MethodGet, "/api/openapi.json", nil).Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Paths) < 10 {
		t.Fatalf("%d paths", len(doc.Paths))
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if !strings.Contains(page, "<code>"+strings.ToUpper(method)+" "+path+"</code>") || !strings.Contains(page, `id="`+op.OperationID+`"`) {
				t.Errorf("%s %s is not on the page", method, path)
			}
			for _, p := range op.Parameters {
				if p.Description == "" || !strings.Contains(page, "<code>"+p.Name+"</code>") {
					t.Errorf("%s: parameter %s is not documented", path, p.Name)
				}
			}
		}
	}
	for name, s := range doc.Components.Schemas {
		if !strings.Contains(page, `id="schema-`+name+`"`) {
			t.Errorf("schema %s is not on the page", name)
		}
		for field := range s.Properties {
			if !strings.Contains(page, "<code>"+field+"</code>") {
				t.Errorf("field %s.%s is not on the page", name, field)
			}
		}
	}
}
