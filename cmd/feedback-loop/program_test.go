package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// programEnv makes the test binary the program itself, so that tests can start it as a process of its own.
const programEnv = "FEEDBACK_LOOP_TEST_PROGRAM"

// statusEnv names a file in which the program leaves what the kernel says of its process.
const statusEnv = "FEEDBACK_LOOP_TEST_STATUS"

func TestMain(m *testing.M) {
	switch path := os.Getenv(statusEnv); {
	case path != "":
		code := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
		status, err := os.ReadFile("/proc/self/status")
		if err == nil {
			err = os.WriteFile(path, status, 0o600)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	case os.Getenv(programEnv) != "":
		main()
	}
	m.Run()
}

// program prepares the program as another process, in an empty folder unless the test sets another.
func program(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, self, args...)
	c.Env = append(os.Environ(), programEnv+"=1", "METRICS_DB_URI=")
	c.Dir = t.TempDir()
	return c
}

// outcome is how a process or a command function ended.
type outcome struct {
	code      int
	out, errs string
}

func finish(t testing.TB, c *exec.Cmd) (o outcome) {
	t.Helper()
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return outcome{c.ProcessState.ExitCode(), out.String(), errs.String()}
}

// command runs a command function.
func command(ctx context.Context, args ...string) outcome {
	var out, errs bytes.Buffer
	code := run(ctx, args, strings.NewReader(""), &out, &errs)
	return outcome{code, out.String(), errs.String()}
}

// is checks exit code and messages: each part has to be in what was printed.
func (o outcome) is(t testing.TB, code int, parts ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d\n%s%s", o.code, code, o.out, o.errs)
	}
	for _, p := range parts {
		if !strings.Contains(o.out+o.errs, p) {
			t.Errorf("%q is not said in\n%s%s", p, o.out, o.errs)
		}
	}
}

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
