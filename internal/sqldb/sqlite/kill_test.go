package sqlite_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// TestKilledAtWrite kills a migration at chosen calls of the operating system, and has another one finish the work.
// The suite kills at random moments, which hardly ever hit the short time between a write and its sync.
func TestKilledAtWrite(t *testing.T) {
	t.Parallel()
	strace := testkit.RequireCommand(t, "strace", "strace")
	out, err := exec.CommandContext(t.Context(), strace, "-o", "/dev/null", "true").CombinedOutput()
	testkit.Require(t, "strace", err == nil, fmt.Sprintf("tracing is not allowed: %v: %s", err, out))
	killed, points := 0, sqldbtest.Rounds(10)
	calls := []string{"pwrite64", "fsync", "fdatasync", "ftruncate", "unlink"}
	most := map[string]int{"pwrite64": 90, "fsync": 10} // the others are few
	for _, call := range calls[:min(len(calls), points)] {
		for n := 1; ; n += max(most[call]/points, 1) {
			path := filepath.Join(t.TempDir(), "metrics.db")
			if migratedUnder(t, strace, fmt.Sprintf("%s:signal=SIGKILL:when=%d", call, n), path) {
				break
			}
			killed++
			if rest, err := migration(t, self(t), path).CombinedOutput(); err != nil || !strings.Contains(string(rest), "\nmigrated\n") {
				t.Errorf("after a kill at %s number %d: %v: %s", call, n, err, rest)
			}
			wantSound(t, path, 0)
		}
	}
	if killed < points {
		t.Errorf("only %d migrations were killed", killed)
	}
}

// migratedUnder runs a migration with something injected, and says whether it came to its end all the same.
func migratedUnder(t *testing.T, strace, inject, path string) bool {
	t.Helper()
	call, _, _ := strings.Cut(inject, ":")
	run := migration(t, strace, path)
	// Calls are counted per thread, so there should be one that writes.
	run.Env = append(run.Env, "GOMAXPROCS=1")
	run.Args = []string{strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=" + inject, self(t)}
	out, err := run.Output()
	if !strings.HasPrefix(string(out), "ready\n") {
		t.Fatalf("%v: %s%s", err, out, stderr(err))
	}
	return strings.Contains(string(out), "\nmigrated\n")
}

func migration(t *testing.T, binary, path string) *exec.Cmd {
	t.Helper()
	return sqldbtest.Command(t, binary, "migrate", uriOf(path), "3")
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
