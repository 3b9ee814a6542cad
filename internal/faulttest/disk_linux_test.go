package faulttest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// systemTests need what only Linux has.
func systemTests() map[string]func(*testing.T, *kit) {
	return map[string]func(*testing.T, *kit){"TablesFull": tablesFull, "LogFull": logFull, "SilentMachine": silentMachine}
}

// smallDisk mounts a file system of that size for the server and gives its folder and what makes it larger.
func smallDisk(t testing.TB, s *pgtest.Server, size string) (dir string, grow func()) {
	t.Helper()
	dir = filepath.Join(s.Dir, "small")
	info, err := os.Stat(filepath.Join(s.Dir, "data"))
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	err = syscall.Mount("none", dir, "tmpfs", 0, "size="+size)
	testkit.Require(t, "root", err == nil, fmt.Sprint("no file system can be mounted: ", err))
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir, func() {
		t.Helper()
		if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT, "size=500m"); err != nil {
			t.Fatal(err)
		}
	}
}

// The disk of the tables is full in the middle of an import: that is said, what was written is kept, and with room the
// same import goes through.
func tablesFull(t *testing.T, k *kit) {
	s := pgtest.New(t)
	dir, grow := smallDisk(t, s, "22m")
	f, uri := k.many, s.Database(t)
	name := uri[len("postgresql://"+pgtest.Owner+"@/"):]
	name = name[:len("t_")+32]
	super(t, s, "CREATE TABLESPACE small LOCATION '"+dir+"'", "ALTER DATABASE "+name+" SET TABLESPACE small")
	db := open(t, uri, sqldb.Options{})
	rep, err := load(t.Context(), t, db, f.path)
	fails(t, err, "the disk of the server is full", fault.Unavailable)
	if rep.Inserted == 0 || rep.Inserted == f.events {
		t.Fatalf("%d of %d events were written: the disk has the wrong size", rep.Inserted, f.events)
	}
	had := rep.Inserted
	grow()
	rep, err = load(t.Context(), t, db, f.path)
	if err != nil || rep.Duplicate != had || rep.Inserted != f.events-had {
		t.Errorf("again: %v: %+v, %d were there", err, rep.Counts, had)
	}
	holds(t, uri, f)
}

// The disk of the server's log is full: the server goes down. With room it starts again, and the import, which waits for
// it, goes on.
func logFull(t *testing.T, k *kit) {
	s := pgtest.New(t, "wal_keep_size='1GB'", "max_wal_size='1GB'")
	f, uri := k.many, s.Database(t)
	db := open(t, uri, sqldb.Options{})
	if err := s.Ctl("stop", "-m", "fast"); err != nil {
		t.Fatal(err)
	}
	dir, grow := smallDisk(t, s, "40m")
	wal := filepath.Join(s.Dir, "data", "pg_wal")
	if out, err := exec.Command("cp", "-a", wal+"/.", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.RemoveAll(wal); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, wal); err != nil {
		t.Fatal(err)
	}
	if err := s.Ctl("start"); err != nil {
		t.Fatal(err)
	}
	batches, ended := background(t.Context(), db, f.path)
	wait(t, func() bool {
		log, err := os.ReadFile(filepath.Join(s.Dir, "log"))
		return err == nil && strings.Contains(string(log), "No space left on device")
	})
	if len(ended) > 0 {
		t.Fatal("the import ended before the disk was full")
	}
	grow()
	_ = s.Ctl("stop", "-m", "immediate") // it may be down, or on its way
	if err := s.Ctl("start"); err != nil {
		t.Fatal(err)
	}
	for range batches {
	}
	r := <-ended
	completed(t, r.rep, r.err, f)
	holds(t, uri, f)
}
