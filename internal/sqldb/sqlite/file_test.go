package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqlite"
)

// Files that are no database of ours, or no longer one.

func try(ctx context.Context, uri string, create bool) (*sqldb.DB, error) {
	return sqldb.Open(ctx, []sqldb.Engine{sqlite.Engine{}}, uri, sqldb.Options{Create: create, Version: metric.SchemaVersion})
}

// open gives a migrated database at a path; the caller closes it.
func open(t testing.TB, path string) *sqldb.DB {
	t.Helper()
	db, err := try(t.Context(), uriOf(path), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(t, db); err != nil {
		t.Fatal(err)
	}
	return db
}

func migrate(t testing.TB, db *sqldb.DB) error {
	t.Helper()
	return db.Migrate(t.Context(), metric.Tables(), metric.SchemaVersion, day)
}

func closed(t testing.TB, db *sqldb.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func wantFault(t testing.TB, err error, kind fault.Kind, about string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok || f.Kind != kind:
		t.Errorf("error %v is of kind %d, want kind %d", err, fault.KindOf(err), kind)
	case f.Remedy == "":
		t.Errorf("no remedy in %v", err)
	case !strings.Contains(err.Error(), about):
		t.Errorf("error %v does not name %s", err, about)
	}
}

// TestNotADatabase names what cannot be a database. Nothing may be made, changed, or left behind.
func TestNotADatabase(t *testing.T) {
	for _, c := range []struct {
		name   string
		make   func(path string) error
		create bool
		want   fault.Kind
	}{
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, true, fault.Invalid},
		{"pipe", func(p string) error { return syscall.Mkfifo(p, 0o600) }, true, fault.Invalid},
		{"missing", func(string) error { return nil }, false, fault.NotFound},
		{"text", content("timestamp,pattern\n2024-01-01,null_check\n"), true, fault.Invalid},
		{"long text", content(strings.Repeat("metrics ", 10000)), true, fault.Invalid},
		{"one byte", content("S"), true, fault.Invalid},
		{"only the magic", content("SQLite format 3\x00"), true, fault.Invalid},
		{"magic and zeros", content("SQLite format 3\x00" + strings.Repeat("\x00", 4080)), true, fault.Invalid},
		{"magic and noise", content("SQLite format 3\x00" + noise(20000)), true, fault.Conflict},
		{"gzip", content("\x1f\x8b" + noise(5000)), true, fault.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "metrics.db")
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			before := listing(t, filepath.Dir(path))
			db, err := try(t.Context(), uriOf(path), c.create)
			if err == nil {
				_, err = db.Version(t.Context())
				closed(t, db)
			}
			wantFault(t, err, c.want, "metrics.db")
			if after := listing(t, filepath.Dir(path)); after != before {
				t.Errorf("the folder changed:\n%s\n%s", before, after)
			}
		})
	}
}

func content(s string) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte(s), 0o600) }
}

func noise(n int) string {
	r, b := rand.New(rand.NewPCG(5, 6)), make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// listing is names, sizes and contents of regular files.
func listing(t testing.TB, folder string) (all string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all += e.Name() + " " + e.Type().String() + "\n"
		if e.Type().IsRegular() {
			data, err := os.ReadFile(filepath.Join(folder, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			all += string(data[:min(len(data), 64)]) + "\n"
		}
	}
	return all
}

func TestMissingFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "such", "metrics.db")
	_, err := try(t.Context(), uriOf(path), true)
	wantFault(t, err, fault.NotFound, filepath.Dir(path))
	file := filepath.Join(t.TempDir(), "file")
	if err := content("x")(file); err != nil {
		t.Fatal(err)
	}
	_, err = try(t.Context(), uriOf(filepath.Join(file, "metrics.db")), true)
	wantFault(t, err, fault.NotFound, file)
}

func TestInMemory(t *testing.T) {
	for _, uri := range []string{"sqlite://", "sqlite:///:memory:", "file::memory:", ":memory:", "file:x?mode=memory"} {
		_, err := try(t.Context(), uri, true)
		wantFault(t, err, fault.Invalid, "in-memory")
	}
}

func TestEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.db")
	if err := content("")(path); err != nil {
		t.Fatal(err)
	}
	fill(t, path, 10)
	wantSound(t, path, 10)
}

// TestPath uses names that mean something in URIs.
func TestPath(t *testing.T) {
	for _, name := range []string{
		"with space.db", "what?.db", "a#b.db", "100%.db", "%41.db", "a&b=c.db", "Größe 世界 🦜.db", "semi;colon.db", "pl+us.db", "quo'te\".db",
	} {
		path := filepath.Join(t.TempDir(), name)
		db, err := try(t.Context(), path, true)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		closed(t, db)
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(entries) != 1 || entries[0].Name() != name {
			t.Errorf("%s: the folder holds %v, %v", name, entries, err)
		}
		fill(t, path, 3)
	}
}

// TestForeignLog puts databases of another program, at work in the write-ahead log, before us: alive, and crashed.
func TestForeignLog(t *testing.T) {
	live := filepath.Join(t.TempDir(), "other.db")
	other := raw(t, live)
	defer other.Close()
	for _, s := range []string{"PRAGMA journal_mode = WAL", "CREATE TABLE customers (id INTEGER PRIMARY KEY)",
		"PRAGMA wal_checkpoint", "INSERT INTO customers VALUES (1)"} {
		if _, err := other.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	crashed := filepath.Join(t.TempDir(), "other.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(live + suffix)
		if err != nil || len(data) == 0 {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
		if err := os.WriteFile(crashed+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{live, crashed} {
		before := fingerprint(t, path)
		_, err := try(t.Context(), uriOf(path), true)
		wantFault(t, err, fault.Conflict, "other.db")
		if after := fingerprint(t, path); after != before {
			t.Errorf("changed:\n%s\n%s", before, after)
		}
	}
}

// TestForeignInLog has all of the other program's tables in the log alone, where the header does not show them, so
// that only the look inside can tell. One table is called as that of our versions was, and by many others is.
func TestForeignInLog(t *testing.T) {
	for _, table := range []string{"customers", "schema_migrations"} {
		path := filepath.Join(t.TempDir(), "other.db")
		other := raw(t, path)
		defer other.Close()
		for _, s := range []string{"PRAGMA journal_mode = WAL", "CREATE TABLE " + table + " (version BIGINT PRIMARY KEY, applied_at TEXT)",
			"INSERT INTO " + table + " VALUES (1, '')"} {
			if _, err := other.ExecContext(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		before := fingerprint(t, path)
		db, err := try(t.Context(), uriOf(path), true)
		if err != nil {
			t.Fatalf("the header shows what it should not: %v", err)
		}
		_, err = db.Version(t.Context())
		wantFault(t, err, fault.Conflict, table)
		wantFault(t, migrate(t, db), fault.Conflict, "other.db")
		closed(t, db)
		if after := fingerprint(t, path); after != before {
			t.Errorf("changed:\n%s\n%s", before, after)
		}
	}
}

// TestNewerHeader is refused by the look at the file, before SQLite has it.
func TestNewerHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.db")
	fill(t, path, 1)
	before := fingerprint(t, path)
	_, err := sqldb.Open(t.Context(), []sqldb.Engine{sqlite.Engine{}}, uriOf(path), sqldb.Options{Version: metric.SchemaVersion - 1})
	wantFault(t, err, fault.Conflict, "schema version")
	if after := fingerprint(t, path); after != before {
		t.Errorf("changed:\n%s\n%s", before, after)
	}
}

// sample is the content of a sound database of some hundred pages.
func sample(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "metrics.db")
	fill(t, path, 2000)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// damaged does everything with a damaged file that commands do; whatever goes wrong has to be called damage, and the
// file is not made worse by those who only look.
func damaged(t *testing.T, data []byte) (found bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "metrics.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := try(t.Context(), uriOf(path), true)
	if err == nil {
		err = use(t.Context(), db)
		_ = db.Close() // may complain about the same damage
	}
	if err != nil {
		wantFault(t, err, fault.Invalid, "")
	}
	return err != nil
}

func use(ctx context.Context, db *sqldb.DB) error {
	_, err := db.Version(ctx)
	if err == nil {
		err = db.Migrate(ctx, metric.Tables(), metric.SchemaVersion, day)
	}
	for _, table := range metric.Tables() {
		if err == nil {
			var n, size int64
			query := "SELECT COUNT(*), COALESCE(SUM(LENGTH(" + table.Columns[0].Name + ")), 0) FROM " + table.Name + " NOT INDEXED"
			err = db.Row(ctx, db.Statement(query), &n, &size)
		}
	}
	if err == nil {
		err = db.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Loader(bugs(), sqldb.Skip).Insert(ctx, rows(3000, 3500))
			return err
		})
	}
	return err
}

// TestTruncated cuts off the end. That of the last page alone is taken for zeros by SQLite, which may be what it was.
func TestTruncated(t *testing.T) {
	data := sample(t)
	for _, keep := range []int{1, 50, 99, 100, 101, 512, 4095, 4096, 4097, 8192, len(data) / 3, len(data) / 2, len(data) - 4096} {
		if !damaged(t, data[:keep]) {
			t.Errorf("nobody noticed that %d of %d bytes are missing", len(data)-keep, len(data))
		}
	}
}

// TestGarbage keeps the header, which says that the database is ours, and nothing else.
func TestGarbage(t *testing.T) {
	data := sample(t)
	copy(data[100:], noise(len(data)-100))
	if !damaged(t, data) {
		t.Error("nobody noticed that all is noise behind the header")
	}
}

// TestFlippedBytes damages data pages. SQLite has no checksums, so not all of it is noticed; what is has to be named.
func TestFlippedBytes(t *testing.T) {
	data, r, found := sample(t), rand.New(rand.NewPCG(7, 8)), 0
	rounds := sqldbtest.Rounds(25)
	for range rounds {
		bad := bytes.Clone(data)
		for range 200 {
			bad[40960+r.IntN(len(bad)-40960)] ^= byte(1 + r.IntN(255))
		}
		if damaged(t, bad) {
			found++
		}
	}
	if found == 0 {
		t.Errorf("nobody noticed any of %d damaged files", rounds)
	}
	t.Logf("%d of %d damaged files were noticed by use", found, rounds)
}

// TestZeroedPages wipes one page after another, as a failing disk does, and wants most of that noticed.
func TestZeroedPages(t *testing.T) {
	data := sample(t)
	pages, found, tried := len(data)/4096, 0, 0
	for page := 2; page < pages; page += pages / sqldbtest.Rounds(30) {
		bad := bytes.Clone(data)
		clear(bad[page*4096 : (page+1)*4096])
		tried++
		if damaged(t, bad) {
			found++
		}
	}
	if found < tried/2 {
		t.Errorf("%d of %d wiped pages were noticed", found, tried)
	}
}
