package ingest_test

import (
	"os"
	"syscall"
	"testing"
)

// memory is an empty folder, in main memory where there is room: hundreds of small imports would mostly wait for the
// disk.
func memory(t testing.TB) string {
	t.Helper()
	const room = 1 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < room {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "feedback-loop-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
