package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is the built binary with a database of its own.
type program struct {
	bin, db string
}

// build makes the binary from the tree as it is; the Go tool's cache makes a
// second time cheap.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "feedback-loop")
	cmd := exec.Command("go", "build", "-o", bin, "../cmd/feedback-loop")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

func newProgram(t *testing.T, bin string) program {
	t.Helper()
	return program{bin: bin, db: "sqlite:///" + filepath.Join(t.TempDir(), "test.db")}
}

// run runs a subcommand on the database and demands its exit code.
func (p program) run(t *testing.T, want int, args ...string) {
	t.Helper()
	p.output(t, want, args...)
}

// output is run for what the subcommand writes to standard output.
func (p program) output(t *testing.T, want int, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(p.bin, append(args, "--db", p.db)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var code int
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if code != want {
		t.Fatalf("feedback-loop %v: exit code %d, want %d\n%s%s", args, code, want, &out, &errs)
	}
	return out.Bytes()
}

// serve starts the server and returns its address; it ends with the test.
func (p program) serve(t *testing.T) string {
	t.Helper()
	addr := freeAddr(t)
	var log bytes.Buffer
	cmd := exec.Command(p.bin, "serve", "--db", p.db, "--addr", addr)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() { stopServer(t, cmd, done, &log) })
	base := "http://" + addr
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if res, err := http.Get(base + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return base
			}
		}
		select {
		case err := <-done:
			done <- err
			t.Fatalf("serve ended: %v", err)
		default:
		}
		if time.Now().After(limit) {
			t.Fatal("serve is not ready after 20 seconds")
		}
	}
}

// stopServer ends the server as an operator would, and demands that it ends well.
func stopServer(t *testing.T, cmd *exec.Cmd, done chan error, log *bytes.Buffer) {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("serve ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-done
		t.Error("serve did not stop within 20 seconds of SIGTERM")
	}
	if t.Failed() {
		t.Logf("log of the server, without what went well:\n%s", troubles(log.String()))
	}
}

// troubles leaves the requests that were answered well out of a server's log.
func troubles(log string) string {
	var kept []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "msg=request") || !strings.Contains(line, "level=INFO") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// chartData is what the tests need of a chart's answer.
type chartData struct {
	Columns []struct{ Name, Type string }
	Rows    [][]any
	From    *string
}

// sum adds up the numbers of the answer.
func (d chartData) sum() int {
	var total float64
	for _, row := range d.Rows {
		for _, cell := range row {
			if n, ok := cell.(float64); ok {
				total += n
			}
		}
	}
	return int(total)
}

type chart struct {
	ID, Title, Kind string
}

// charts lists the charts of a dashboard in their order.
func charts(t *testing.T, base, dashboard string) []chart {
	t.Helper()
	var d struct{ Rows []struct{ Charts []chart } }
	getJSON(t, base+"/api/v1/dashboards/"+dashboard, &d)
	var list []chart
	for _, row := range d.Rows {
		list = append(list, row.Charts...)
	}
	return list
}

func data(t *testing.T, base, id, query string) chartData {
	t.Helper()
	var d chartData
	getJSON(t, base+"/api/v1/charts/"+id+"/data"+query, &d)
	return d
}

func getJSON(t *testing.T, url string, target any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %v\n%s", url, res.Status, err, body)
	}
	if err := json.Unmarshal(body, target); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

// grouped writes a number as the pages do in English: 1,234,567.
func grouped(n int) string {
	if n < 0 {
		return "-" + grouped(-n)
	}
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}
