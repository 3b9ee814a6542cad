package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqlite"
)

// The write-ahead log, and the settings that make it safe.

// crashed copies a database whose program is still at work, as a crash would leave it: file and log, no shared memory.
func crashed(t *testing.T, batches int) (file, log []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "metrics.db")
	db := open(t, path)
	defer closed(t, db)
	for n := range batches {
		if err := insert(t, db, n*10, n*10+10); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err = os.ReadFile(path + "-wal")
	if err != nil || len(log) == 0 {
		t.Fatalf("log of %d bytes, %v", len(log), err)
	}
	return file, log
}

func put(t *testing.T, file, log []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "metrics.db")
	if err := errors.Join(os.WriteFile(path, file, 0o600), os.WriteFile(path+"-wal", log, 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCrashLeavesLog(t *testing.T) {
	file, log := crashed(t, 20)
	path := put(t, file, log)
	db := open(t, path)
	if n := count(t, db); n != 200 {
		t.Errorf("%d bugs after the crash, want 200", n)
	}
	if err := insert(t, db, 200, 210); err != nil {
		t.Error(err)
	}
	closed(t, db)
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the log is still there after closing: %v", err)
	}
	wantSound(t, path, 210)
}

// TestCutLog loses the end of the log, as a power cut does to what was not yet on disk, or has it damaged. Whole
// batches from the first on are there, and never one after a hole.
func TestCutLog(t *testing.T) {
	file, log := crashed(t, 12)
	r, seen := rand.New(rand.NewPCG(9, 10)), map[int]bool{}
	for round := range sqldbtest.Rounds(60) {
		bad := slices.Clone(log)
		if at := r.IntN(len(log)); round%2 == 0 {
			bad = bad[:at]
		} else {
			bad[at] ^= byte(1 + r.IntN(255))
		}
		path := put(t, file, bad)
		db := open(t, path)
		var n, last int
		query := "SELECT COUNT(*), COALESCE(MAX(id), 0) FROM metrics_bugs"
		if err := db.Row(t.Context(), db.Statement(query), &n, &last); err != nil {
			t.Fatal(err)
		}
		if n%10 != 0 || n > 120 || last != n {
			t.Errorf("round %d: %d bugs up to number %d are no whole batches from the first on", round, n, last)
		}
		seen[n] = true
		closed(t, db)
		wantSound(t, path, n)
	}
	if len(seen) < 4 {
		t.Errorf("the cuts gave only %v bugs", seen)
	}
}

// TestPragmas looks at each connection that the pools may open.
func TestPragmas(t *testing.T) {
	pool, err := sqlite.Engine{}.Open(t.Context(), filepath.Join(t.TempDir(), "metrics.db"), sqldb.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Read.Close()
	defer pool.Write.Close()
	both := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000",
		"wal_autocheckpoint": "4000", "journal_size_limit": "67108864", "trusted_schema": "0"}
	readers := pool.Read.Stats().MaxOpenConnections
	if readers < 2 || pool.Write.Stats().MaxOpenConnections != 1 {
		t.Errorf("%d readers and %d writers", readers, pool.Write.Stats().MaxOpenConnections)
	}
	for range readers {
		wantPragmas(t, pool.Read, both, map[string]string{"query_only": "1"})
	}
	wantPragmas(t, pool.Write, both, map[string]string{"query_only": "0"})
}

// wantPragmas takes a connection and keeps it, so that the next one is another.
func wantPragmas(t *testing.T, db *sql.DB, wants ...map[string]string) {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, want := range wants {
		for name, value := range want {
			var got string
			if err := c.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&got); err != nil || got != value {
				t.Errorf("%s = %q, %v, want %q", name, got, err, value)
			}
		}
	}
}

// TestPragmasAfterFailure has a transaction end in a way that costs its connection.
func TestPragmasAfterFailure(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "metrics.db"))
	defer closed(t, db)
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(tx.Statement("ROLLBACK")) // behind the back of the wrapper, whose own must then fail
		return errors.Join(err, errors.New("give up"))
	})
	if err == nil {
		t.Fatal("the error was lost")
	}
	for pragma, want := range map[string]int{"foreign_keys": 1, "synchronous": 2, "busy_timeout": 10000} {
		err := db.Try(t.Context(), func(tx *sqldb.Tx) error {
			var got int
			err := tx.Row(tx.Statement("PRAGMA "+pragma), &got)
			if got != want {
				t.Errorf("%s = %d on the new connection, want %d", pragma, got, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestLockedFile comes while another program has the file for itself.
func TestLockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.db")
	fill(t, path, 1)
	other := raw(t, path)
	defer other.Close()
	other.SetMaxOpenConns(1)
	for _, s := range []string{"PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"} {
		if _, err := other.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	db, err := sqldb.Open(t.Context(), []sqldb.Engine{sqlite.Engine{}}, uriOf(path),
		sqldb.Options{Version: metric.SchemaVersion, Wait: 100 * time.Millisecond})
	if err == nil {
		err = migrate(t, db)
		closed(t, db)
	}
	wantFault(t, err, fault.Unavailable, "locked")
	if took := time.Since(began); took < 100*time.Millisecond || took > 8*time.Second {
		t.Errorf("waited for %v", took)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	closed(t, open(t, path))
}

// TestForeignKeys breaks one, in a table of its own: the setting has to have an effect.
func TestForeignKeys(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "metrics.db"))
	defer closed(t, db)
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(tx.Statement("CREATE TABLE child (id INTEGER PRIMARY KEY, bug BIGINT REFERENCES metrics_bugs (id))"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for bug, ok := range map[int64]bool{1: true, 99: false} {
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Loader(bugs(), sqldb.Skip).Insert(t.Context(), rows(0, 1))
			_, cerr := tx.Exec(tx.Statement("INSERT INTO child (bug) VALUES (?)", bug))
			return errors.Join(err, cerr)
		})
		if ok != (err == nil) {
			t.Errorf("a reference to bug %d gives %v", bug, err)
		}
	}
}

// TestStamp reads from the file alone what tells whose it is.
func TestStamp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.db")
	fill(t, path, 0)
	head := make([]byte, 100)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(head, 0); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%s %x", head[68:72], head[60:64]); got != fmt.Sprintf("FbLp %08x", metric.SchemaVersion) {
		t.Errorf("the header says %s", got)
	}
}
