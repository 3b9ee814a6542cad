package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// recorder stands in for a running test: it keeps what was said to it and
// stops the calling goroutine as the real one does.
type recorder struct {
	testing.TB
	verdict, message string
}

func (r *recorder) Helper() {}

func (r *recorder) Skipf(format string, args ...any) { r.stop("skip", format, args) }

func (r *recorder) Fatalf(format string, args ...any) { r.stop("fail", format, args) }

func (r *recorder) stop(verdict, format string, args []any) {
	r.verdict, r.message = verdict, fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// record runs f against a recorder and returns what became of the test.
func record(f func(t testing.TB)) *recorder {
	r := &recorder{verdict: "run"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r
}

func TestRequire(t *testing.T) {
	tests := []struct {
		name             string
		require, without string
		available        bool
		want             string
	}{
		{"there", "", "", true, "run"},
		{"missing on a laptop", "", "", false, "skip"},
		{"missing where it is required", "sqlite3,chromium", "", false, "fail"},
		{"blanks around the name", "sqlite3, chromium ", "", false, "fail"},
		{"there and required", "chromium", "", true, "run"},
		{"another component is required", "sqlite3", "", false, "skip"},
		{"a longer name is another component", "chromium-driver", "", false, "skip"},
		{"left out", "", "chromium", true, "skip"},
		{"left out and missing", "", "chromium", false, "skip"},
		{"required wins over left out", "chromium", "chromium", true, "run"},
		{"required, left out and missing", "chromium", "chromium", false, "fail"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(requireEnv, tt.require)
			t.Setenv(withoutEnv, tt.without)
			got := record(func(t testing.TB) { Require(t, "chromium", tt.available, "not installed") })
			if got.verdict != tt.want {
				t.Errorf("verdict = %q (%s), want %q", got.verdict, got.message, tt.want)
			}
		})
	}
}

func TestRequireSaysWhy(t *testing.T) {
	for _, required := range []string{"", "chromium"} {
		t.Setenv(requireEnv, required)
		t.Setenv(withoutEnv, "")
		got := record(func(t testing.TB) { Require(t, "chromium", false, "no such program") })
		for _, part := range []string{"chromium", "no such program"} {
			if !strings.Contains(got.message, part) {
				t.Errorf("required=%q: message %q lacks %q", required, got.message, part)
			}
		}
	}
}

func TestRequireCommand(t *testing.T) {
	dir := t.TempDir()
	want := filepath.Join(dir, "second")
	if err := os.WriteFile(want, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv(requireEnv, "")
	t.Setenv(withoutEnv, "")

	var path string
	got := record(func(t testing.TB) { path = RequireCommand(t, "tool", "first", "second") })
	if got.verdict != "run" || path != want {
		t.Errorf("verdict %q, path %q, want run, %q", got.verdict, path, want)
	}
	got = record(func(t testing.TB) { RequireCommand(t, "tool", "first", "third") })
	if got.verdict != "skip" || !strings.Contains(got.message, "first or third") {
		t.Errorf("verdict %q (%s), want a skip naming both programs", got.verdict, got.message)
	}
}
