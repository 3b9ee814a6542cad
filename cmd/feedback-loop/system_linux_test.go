package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// maxMemory is what an import may take, whatever it reads.
const maxMemory = 128 << 20

// measured makes a process write down the most memory it had, and gives the function that reads it afterwards. What
// the kernel says of a child that has ended is of no use: it counts the memory of the parent before the exec.
func measured(t *testing.T, c *exec.Cmd) func() int64 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "status")
	c.Env = append(c.Env, statusEnv+"="+path)
	return func() int64 {
		status, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, line, ok := strings.Cut(string(status), "VmHWM:")
		var kib int64
		if _, err := fmt.Sscan(line, &kib); !ok || err != nil {
			t.Fatalf("no VmHWM in %s", status)
		}
		return kib << 10
	}
}

// Input without end, from a generator: the memory stays bounded and the exit code is right.
func TestHugeInput(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	long := strings.Repeat("x", 60_000)
	const record = `{"pattern":"p","error":"e","timestamp":"2026-01-02"}`
	for name, c := range map[string]struct {
		in    io.Reader
		code  int
		parts []string
	}{
		"a string of 1 GiB": {endless(`{"bugs":[`+record+`,{"pattern":"`, "x", gib, `"}]}`), exitFailed, []string{"a record is larger than 8 MiB", "metrics-json  1     1"}},
		"a key of 1 GiB":    {endless(`{"`, "x", gib, `":1}`), exitFailed, []string{"larger than 8 MiB"}},
		"a number of 1 GiB": {endless(`{"bugs":[{"line":`, "1", gib, `}]}`), exitFailed, []string{"larger than 8 MiB"}},
		"256 MiB of lists":  {endless("", "[", gib/4, ""), exitFailed, []string{"the root is a list"}},
		"256 MiB of depth":  {endless(`{"bugs":[{"x":`, "[", gib/4, ""), exitFailed, []string{"depth"}},
		"256 MiB of space":  {endless(`{"bugs":[`, " ", gib/4, "]}"), exitFailed, []string{"larger than 8 MiB"}},
		"a line of 256 MiB": {endless(`{"category":"bugs",`+record[1:]+"\n"+`{"category":"bugs","error":"`, "x", gib/4, `"}`), exitFailed, []string{"the line is too long", "ndjson  1     1"}},
		"rejects of 256 MiB": {endless(`{"bugs":[`, `{"x":"`+long+`"},`, int64(len(`{"x":"`+long+`"},`))*2000, "0]}"), exitRejected,
			[]string{"pattern is missing", "and 1981 more"}},
		"names of 64 MiB": {endless("", `{"`+long+`":[1,2,3],"bugs":[]}`, int64(len(`{"`+long+`":[1,2,3],"bugs":[]}`))*1000, ""), exitRejected, []string{"a record must be an object", "metrics-json  3000  0         0          3000"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := program(t.Context(), t, "import", "-")
			memory := measured(t, cmd)
			cmd.Stdin = c.in
			o := finish(t, cmd)
			o.is(t, c.code, c.parts...)
			if got := memory(); got > maxMemory && !raced {
				t.Errorf("%d MiB of memory, at most %d", got>>20, maxMemory>>20)
			}
			if len(o.out)+len(o.errs) > 20_000 {
				t.Errorf("%d bytes were printed", len(o.out)+len(o.errs))
			}
		})
	}
}

// nobody makes the process one that may do little.
func nobody(t *testing.T, c *exec.Cmd) {
	t.Helper()
	testkit.Require(t, "root", os.Getuid() == 0, "only root can start a process of another user")
	const id = 65534
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	// The test binary lies in a folder of its own that others may not enter.
	self, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	c.Path = filepath.Join(open(t), "program")
	if err := os.WriteFile(c.Path, self, 0o755); err != nil {
		t.Fatal(err)
	}
}

// open makes a folder that everybody may enter and nobody else write.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "feedback-loop-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestNoPermission(t *testing.T) {
	dir := open(t)
	file := filepath.Join(dir, "m.json")
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(args ...string) outcome {
		c := program(t.Context(), t, args...)
		nobody(t, c)
		c.Dir = dir
		return finish(t, c)
	}
	writable := open(t)
	if err := os.Chmod(writable, 0o777); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(writable, "x.db")
	start("import", "--db", db, file).is(t, exitFailed, "m.json may not be read", "Check its permissions")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	start("import", file).is(t, exitFailed, "cannot be", "feedback-loop.db") // the folder cannot be written
	start("import", "--db", db, file).is(t, exitDone)
	mine := filepath.Join(writable, "mine.db")
	command(t.Context(), "import", "--db", mine, file).is(t, exitDone)
	if err := os.Chmod(mine, 0o600); err != nil {
		t.Fatal(err)
	}
	start("import", "--db", mine, file).is(t, exitFailed, "cannot be read", "permission denied")
}

// A small file system of its own that is full in the middle of an import: nothing is lost that was said to be in, and
// with room the same import goes through.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	err := syscall.Mount("none", dir, "tmpfs", 0, "size=6000k")
	testkit.Require(t, "root", err == nil, fmt.Sprint("no file system can be mounted: ", err))
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	db := filepath.Join(dir, "x.db")
	file := sampleFile(t, 20_000)
	o := command(t.Context(), "import", "--db", db, file)
	o.is(t, exitFailed, "the disk is full", "Free space and run this again")
	read := single(t, db, "SELECT inserted_count FROM import_runs")
	if n := rowsOf(t, db); n != read || n == 0 || n == 20_000 {
		t.Errorf("%d rows are in, the ledger says %d", n, read)
	}
	if _, n, ok := countsOf(o.out); !ok || n != read {
		t.Errorf("the report says %d inserted, the ledger %d\n%s", n, read, o.out)
	}
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT, "size=100m"); err != nil {
		t.Fatal(err)
	}
	command(t.Context(), "import", "--db", db, file).is(t, exitDone)
	if n := rowsOf(t, db); n != 20_000 {
		t.Errorf("%d rows are in, want 20000", n)
	}
	command(t.Context(), "doctor", "--db", db).is(t, exitDone)
}

// A target that is full in the middle of a copy: with room the same command goes on.
func TestDBCopyDiskFull(t *testing.T) {
	dir := t.TempDir()
	err := syscall.Mount("none", dir, "tmpfs", 0, "size=6000k")
	testkit.Require(t, "root", err == nil, fmt.Sprint("no file system can be mounted: ", err))
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	from, to := imported(t, sampleFile(t, 20_000)), filepath.Join(dir, "to.db")
	command(t.Context(), "db", "copy", "--from", from, "--to", to).is(t, exitFailed, "writing "+to, "the disk is full", "Free space and run this again")
	if n := single(t, to, "SELECT SUM(row_count) FROM copy_progress"); n == 0 {
		t.Error("nothing was copied before the disk was full")
	}
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT, "size=100m"); err != nil {
		t.Fatal(err)
	}
	command(t.Context(), "db", "copy", "--from", from, "--to", to).is(t, exitDone, "continued a copy that had been interrupted")
	same(t, state(t, to), state(t, from))
	command(t.Context(), "doctor", "--db", to).is(t, exitDone)
}

// Memory does not grow with the rows: neither with their number nor with their size.
func TestDBCopyMemory(t *testing.T) {
	t.Parallel()
	const rows = 200
	var b strings.Builder
	b.WriteString(`{"bugs":[`)
	long := strings.Repeat("0123456789abcde ", 1<<16) // 1 MiB
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"pattern":"p","error":"e` + strconv.Itoa(i) + `","code":"` + long + `","timestamp":"2026-01-02"}`)
	}
	b.WriteString("]}")
	from := imported(t, write(t, "large.json", b.String()))
	c := program(t.Context(), t, "db", "copy", "--from", from, "--to", filepath.Join(t.TempDir(), "to.db"))
	memory := measured(t, c)
	finish(t, c).is(t, exitDone, "metrics_bugs", "equal")
	if got := memory(); got > maxMemory && !raced {
		t.Errorf("%d MiB of memory, at most %d", got>>20, maxMemory>>20)
	}
}
