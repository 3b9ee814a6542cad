package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// filled gives the path of a database with a few made-up events.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "demo.db")
	var errs bytes.Buffer
	if code := run(t.Context(), []string{"sample", "--db", path, "--events", "200", "--days", "20"}, nil, io.Discard, &errs); code != exitDone {
		t.Fatalf("sample ends with %d: %s", code, &errs)
	}
	return path
}

// served runs the command until the test ends and gives the line it prints and, at the end, its exit code.
func served(t *testing.T, errs io.Writer, args ...string) (line string, stop context.CancelFunc, code chan int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r, w := io.Pipe()
	code = make(chan int, 1)
	go func() {
		c := run(ctx, append([]string{"serve"}, args...), nil, w, errs)
		w.Close()
		code <- c
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("serve ended at once with %d: %v", <-code, errs)
	}
	return line, cancel, code
}

// A port of 0 is named as what it became, and the server answers at once, until it is stopped.
func TestServe(t *testing.T) {
	db := filled(t)
	var log bytes.Buffer
	start := time.Now()
	line, stop, code := served(t, &log, "--db", db, "--addr", "127.0.0.1:0", "--log-format", "json")
	m := regexp.MustCompile(`^feedback-loop is serving (http://127\.0\.0\.1:[1-9]\d*) from (.+) \(--db\)\n$`).FindStringSubmatch(line)
	if m == nil || m[2] != db {
		t.Fatalf("it prints %q", line)
	}
	r, err := http.Get(m[1] + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	// The promise is 300 ms on an idle machine; this only finds what waits for something.
	if took := time.Since(start); r.StatusCode != http.StatusOK || took > 3*time.Second {
		t.Errorf("healthy after %s with %d", took, r.StatusCode)
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/charts/bug-trend/data?range=all", "/api/docs", "/metrics"} {
		r, err := http.Get(m[1] + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %d", path, r.StatusCode)
		}
	}
	stop()
	if c := <-code; c != exitDone {
		t.Errorf("it ends with %d", c)
	}
	for s := range strings.SplitSeq(strings.TrimSpace(log.String()), "\n") {
		if !json.Valid([]byte(s)) {
			t.Errorf("a line of the log is no JSON: %s", s)
		}
	}
	if !strings.Contains(log.String(), `"path":"/healthz"`) {
		t.Errorf("no request in the log: %s", &log)
	}
}

func TestServeOwnCharts(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.yaml")
	text := "dashboards:\n- {id: mine, title: Mine, description: D, rows: [{charts: [{chart: total-bugs, width: 12}]}]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	line, stop, code := served(t, &log, "--db", filled(t), "--addr", "localhost:0", "--charts", dir, "--log-level", "error")
	url := regexp.MustCompile(`http://\S+`).FindString(line)
	r, err := http.Get(url + "/api/v1/dashboards/mine")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("the own dashboard: %d", r.StatusCode)
	}
	stop()
	if c := <-code; c != exitDone || log.Len() > 0 {
		t.Errorf("it ends with %d and logs %s", c, &log)
	}
}

func TestServeRefuses(t *testing.T) {
	db := filled(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	bad := t.TempDir()
	if err := os.WriteFile(filepath.Join(bad, "bad.yaml"), []byte("charts:\n- id: x\n  sql: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--addr", "0.0.0.0:8080"}, exitUsage, "there are no accounts yet"},
		{[]string{"--addr", ":8080"}, exitUsage, "there are no accounts yet"},
		{[]string{"--addr", "[::]:0"}, exitUsage, "there are no accounts yet"},
		{[]string{"--addr", "somewhere"}, exitUsage, "is no address"},
		{[]string{"--addr", busy.Addr().String()}, exitFailed, "is in use by another program"},
		{[]string{"--addr", "127.0.0.1:0", "--db", filepath.Join(bad, "absent.db")}, exitFailed, "there is no database"},
		{[]string{"--addr", "127.0.0.1:0", "--db", bad}, exitFailed, "is a folder"},
		{[]string{"--addr", "127.0.0.1:0", "--charts", bad}, exitFailed, "bad.yaml:3: unknown key sql"},
		{[]string{"--charts", filepath.Join(bad, "absent")}, exitUsage, "there is no folder"},
		{[]string{"--log-level", "loud"}, exitUsage, "--log-level must be"},
		{[]string{"--log-format", "xml"}, exitUsage, "--log-format must be"},
		{[]string{"now"}, exitUsage, "unknown command"},
	}
	for _, tt := range tests {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"serve", "--db", db}, tt.args...), nil, &out, &errs)
		if code != tt.code || !strings.Contains(errs.String(), tt.want) || out.Len() > 0 {
			t.Errorf("serve %v ends with %d, want %d: %s%s", tt.args, code, tt.code, &out, &errs)
		}
	}
}
