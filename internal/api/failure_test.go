package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

const secret = "open /home/somebody/secret.db"

func TestFailuresStayInside(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		want   string
	}{
		{"unknown", errors.New(secret), 500, "its log has the details under request"},
		{"damaged", fault.New(fault.Invalid, "the file is damaged: %s", secret), 500, "its log has the details"},
		{"locked", fault.New(fault.Unavailable, "the database is locked").Because(errors.New(secret)).Try("Wait."), 503, "the database is locked. Wait."},
		{"panic", nil, 500, "its log has the details"},
		{"gone", context.Canceled, 503, "the request was given up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.opts.Overview = broken{err: tt.err}
			b.remake()
			p := b.get("/api/v1/status", tt.status)
			if !strings.Contains(text(p), tt.want) || strings.Contains(text(p), secret) {
				t.Errorf("answer %s, want %s", text(p), tt.want)
			}
			if tt.err != nil && strings.Contains(tt.err.Error(), secret) && !strings.Contains(b.log.String(), secret) {
				t.Errorf("the log does not say why: %s", b.log)
			}
		})
	}
}

func TestSlowDatabase(t *testing.T) {
	b := newBench(t)
	b.opts.Overview = broken{err: context.DeadlineExceeded}
	b.remake()
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	w := b.do(http.MethodGet, "/api/v1/status", func(r *http.Request) { *r = *r.WithContext(ctx) })
	if w.Code != 503 || !strings.Contains(w.Body.String(), "took too long") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestNotReady(t *testing.T) {
	b := newBench(t)
	b.opts.Overview = broken{err: errors.New(secret)}
	b.remake()
	if got := text(b.get("/readyz", http.StatusServiceUnavailable)); got != `{"status":"unavailable"}` {
		t.Error(got)
	}
	b.get("/healthz", http.StatusOK)
	m := b.do(http.MethodGet, "/metrics", nil).Body.String()
	if strings.Contains(m, secret) || strings.Contains(m, "feedback_loop_events{") || !strings.Contains(m, "go_goroutines") {
		t.Error("the metrics of a broken database:\n" + m)
	}
}

// A closed database is the real thing.
func TestClosedDatabase(t *testing.T) {
	b := newBench(t)
	if err := b.db.Close(); err != nil {
		t.Fatal(err)
	}
	b.get("/readyz", http.StatusServiceUnavailable)
	for _, target := range []string{"/api/v1/status", "/api/v1/repositories", "/api/v1/imports", "/api/v1/imports/1",
		"/api/v1/imports/1/rejects", "/api/v1/charts/bug-trend/data?range=all"} {
		if p := text(b.get(target, http.StatusInternalServerError)); strings.Contains(p, "sql") {
			t.Errorf("GET %s tells too much: %s", target, p)
		}
	}
}
