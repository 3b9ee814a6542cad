package faulttest

import (
	"bufio"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// site is a running feedback-loop serve.
type site struct {
	t        testing.TB
	cmd      *exec.Cmd
	url      string
	log      *strings.Builder
	requests int
}

func serve(t testing.TB, uri string) *site {
	t.Helper()
	c := exec.CommandContext(t.Context(), program(t), "serve", "--db", uri, "--addr", "127.0.0.1:0")
	w := &site{t: t, cmd: c, log: &strings.Builder{}}
	c.Dir, c.Stderr = t.TempDir(), w.log
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if w.url = regexp.MustCompile(`http://\S+`).FindString(line); err != nil || w.url == "" {
		t.Fatalf("serve says %q: %v", line, err)
	}
	return w
}

// get gives the status and the body of an answer.
func (w *site) get(path string) (int, string) {
	w.t.Helper()
	w.requests++
	r, err := http.Get(w.url + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

const chart = "/api/v1/charts/bug-trend/data?range=all"

// ready demands that the server is ready, or is not, within a time from now.
func (w *site) ready(want int, within time.Duration) {
	w.t.Helper()
	begun := time.Now()
	for {
		got, body := w.get("/readyz")
		if took := time.Since(begun); got == want && took <= within {
			return
		} else if took > within {
			w.t.Fatalf("/readyz is %d after %v, want %d: %s", got, took, want, body)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// The server of the pages outlives its database: it says that it is not ready, answers with 503 and a reason, and is
// itself again within five seconds, without a flood in its log.
func served(t *testing.T, k *kit) {
	s := pgtest.New(t)
	f, uri := k.few, s.Database(t)
	if _, err := load(t.Context(), t, open(t, uri, sqldb.Options{}), f.path); err != nil {
		t.Fatal(err)
	}
	w := serve(t, uri)
	ctl := func(args ...string) {
		t.Helper()
		if err := s.Ctl(args[0], args[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	answers := func(want int, part string) {
		t.Helper()
		if got, body := w.get(chart); got != want || !strings.Contains(body, part) {
			t.Errorf("a chart: %d %s, want %d and %q", got, body, want, part)
		}
	}
	for _, mode := range []string{"fast", "immediate"} {
		w.ready(http.StatusOK, 5*time.Second)
		answers(http.StatusOK, "rows")
		ctl("stop", "-m", mode)
		w.ready(http.StatusServiceUnavailable, 5*time.Second)
		answers(http.StatusServiceUnavailable, "the server cannot be reached")
		if got, _ := w.get("/healthz"); got != http.StatusOK {
			t.Errorf("/healthz is %d", got)
		}
		time.Sleep(time.Second) // nobody asks, and nothing is said
		refused(t, uri)
		ctl("start")
		w.ready(http.StatusOK, 5*time.Second)
		answers(http.StatusOK, "rows")
	}
	name := uri[strings.LastIndex(uri, "/t_")+1 : strings.Index(uri, "?")]
	super(t, s, "DROP DATABASE "+name+" WITH (FORCE)")
	w.ready(http.StatusServiceUnavailable, 5*time.Second)
	answers(http.StatusServiceUnavailable, "there is no such database")
	super(t, s, "CREATE DATABASE "+name+" OWNER "+pgtest.Owner)
	open(t, uri, sqldb.Options{})
	w.ready(http.StatusOK, 5*time.Second)
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Wait(); err != nil {
		t.Errorf("serve ends with %v", err)
	}
	if lines := strings.Count(w.log.String(), "\n"); lines > 2*w.requests+10 {
		t.Errorf("%d lines in the log of %d requests:\n%s", lines, w.requests, w.log)
	}
}

// refused demands that serve does not start without its database, and says so.
func refused(t testing.TB, uri string) {
	t.Helper()
	if out := finish(t, 1, "serve", "--db", uri, "--addr", "127.0.0.1:0"); !strings.Contains(out, "the server cannot be reached") {
		t.Errorf("serve without a database says %s", out)
	}
}
