package sqlite_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// What the operating system refuses: access, and space.

const nobody = 65534

// public makes a folder that every user can reach, unlike t.TempDir.
func public(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "sqlite-public-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = filepath.WalkDir(folder, func(p string, _ os.DirEntry, _ error) error { return os.Chmod(p, 0o700) })
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// program copies the test binary to where every user can run it.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(public(t), "program")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if cerr := to.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return path
}

// TestPermissions uses the database as a user without rights; root, who has all, becomes nobody for that.
func TestPermissions(t *testing.T) {
	binary := program(t)
	for _, c := range []struct {
		name         string
		file, folder os.FileMode // file 0: there is none
		says         string
	}{
		{"all allowed", 0o600, 0o700, "used"},
		{"new file", 0, 0o700, "used"},
		{"unreadable file", 0o200, 0o700, "cannot be read"},
		{"read-only file", 0o400, 0o700, "cannot be written"},
		{"read-only folder", 0o600, 0o500, "cannot be written"},
		{"read-only folder, no file", 0, 0o500, "cannot be written"},
		{"closed folder", 0o600, 0o000, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(public(t), "data", "metrics.db")
			own(t, path, c.file, c.folder)
			run := sqldbtest.Command(t, binary, "use", uriOf(path))
			if os.Geteuid() == 0 {
				run.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			}
			out, err := run.CombinedOutput()
			want := c.says
			if want != "used" {
				want = fmt.Sprintf("failed: %d ", fault.Denied)
			}
			if err != nil || !strings.HasPrefix(string(out), want) || !strings.Contains(string(out), c.says) {
				t.Errorf("%v: %s, want %q and %q", err, out, want, c.says)
			}
			if c.says != "used" && !strings.Contains(string(out), "Check the permissions") {
				t.Errorf("no remedy in %s", out)
			}
		})
	}
}

// own makes the folder, and in it the database, for the user that will try them.
func own(t *testing.T, path string, file, folder os.FileMode) {
	t.Helper()
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if file != 0 {
		fill(t, path, 1)
		if err := os.Chmod(path, file); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{path, filepath.Dir(path)} {
		if err := os.Chown(p, nobody, nobody); os.Geteuid() == 0 && (p != path || file != 0) && err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(path), folder); err != nil {
		t.Fatal(err)
	}
}

// TestDiskFull fills a small disk. What was acknowledged is there, nothing is damaged, reading goes on, and the same
// handle writes again when there is space.
func TestDiskFull(t *testing.T) {
	folder := t.TempDir()
	err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=8m")
	testkit.Require(t, "tmpfs", err == nil, fmt.Sprintf("mount: %v; TestFileLimit tests the same without", err))
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast, path := filepath.Join(folder, "ballast"), filepath.Join(folder, "metrics.db")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, path)
	done := 0
	for ; err == nil; done += 100 {
		if done > 100_000 {
			t.Fatal("the disk never got full")
		}
		err = insert(t, db, done, done+100)
	}
	done -= 100
	wantFault(t, err, fault.Unavailable, "disk")
	for range 3 { // still full
		wantFault(t, insert(t, db, done, done+2000), fault.Unavailable, "disk")
		if n := count(t, db); n != done {
			t.Errorf("%d bugs beside the full disk, want %d", n, done)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := insert(t, db, done, done+500); err != nil {
		t.Errorf("with space again: %v", err)
	}
	closed(t, db)
	wantSound(t, path, done+500)
}

// TestDiskFullFromStart has no space for the first page, or for the first tables.
func TestDiskFullFromStart(t *testing.T) {
	for _, size := range []string{"4k", "40k", "200k"} {
		folder := t.TempDir()
		err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size="+size)
		testkit.Require(t, "tmpfs", err == nil, fmt.Sprintf("mount: %v", err))
		t.Cleanup(func() {
			if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		path := filepath.Join(folder, "metrics.db")
		wantFault(t, begin(t, path), fault.Unavailable, "disk")
		if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_REMOUNT, "size=8m"); err != nil {
			t.Fatal(err)
		}
		fill(t, path, 5)
		wantSound(t, path, 5)
	}
}

// begin opens and migrates.
func begin(t *testing.T, path string) error {
	t.Helper()
	db, err := try(t.Context(), uriOf(path), true)
	if err != nil {
		return err
	}
	defer db.Close()
	return migrate(t, db)
}

// TestFileLimit does what TestDiskFull does by a limit on the size of files, which needs no rights.
func TestFileLimit(t *testing.T) {
	shell := testkit.RequireCommand(t, "sh", "sh")
	path := filepath.Join(t.TempDir(), "metrics.db")
	run := sqldbtest.Command(t, shell, "write", uriOf(path))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run.Args = []string{shell, "-c", `ulimit -f 4096; trap '' XFSZ; exec "$0"`, self}
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%v: %s %s", err, out, stderr(err))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	acknowledged, last := len(lines)-1, lines[len(lines)-1]
	if !strings.HasPrefix(last, fmt.Sprintf("failed: %d ", fault.Unavailable)) || !strings.Contains(last, "Check the disk") {
		t.Errorf("the writer ended with %s", last)
	}
	if acknowledged < 10 {
		t.Errorf("only %d writes before the limit", acknowledged)
	}
	db := open(t, path)
	if n := count(t, db); n != acknowledged {
		t.Errorf("%d writes were acknowledged, %d are there", acknowledged, n)
	}
	if err := insert(t, db, 0, 50); err != nil {
		t.Error(err)
	}
	closed(t, db)
	wantSound(t, path, acknowledged+50)
}

func stderr(err error) string {
	if e, ok := err.(*exec.ExitError); ok {
		return string(e.Stderr)
	}
	return ""
}
