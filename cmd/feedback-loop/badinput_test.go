package main

import (
	"bytes"
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// openRaw opens a SQLite file without any of our doing.
func openRaw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func single(t testing.TB, path, query string) (n int64) {
	t.Helper()
	if err := openRaw(t, path).QueryRow(query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// endless gives head, then a repeated text up to a size, then tail.
func endless(head, body string, size int64, tail string) io.Reader {
	return io.MultiReader(strings.NewReader(head), io.LimitReader(&repeated{text: []byte(strings.Repeat(body, 1+(64<<10)/len(body)))}, size), strings.NewReader(tail))
}

type repeated struct {
	text []byte
	at   int
}

// Read implements io.Reader.
func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		k := copy(p[n:], r.text[r.at:])
		n, r.at = n+k, (r.at+k)%len(r.text)
	}
	return n, nil
}

// countsOf reads the first line of the report's table.
func countsOf(out string) (read, inserted int64, ok bool) {
	lines := strings.Split(out, "\n")
	if len(lines) < 2 {
		return 0, 0, false
	}
	f := strings.Fields(lines[1])
	if len(f) != 6 {
		return 0, 0, false
	}
	read, e1 := strconv.ParseInt(f[2], 10, 64)
	inserted, e2 := strconv.ParseInt(f[3], 10, 64)
	return read, inserted, e1 == nil && e2 == nil
}

// A database that is damaged where the header does not show it.
func TestCorruptDatabase(t *testing.T) {
	emptyFolder(t)
	command(t.Context(), "import", sampleFile(t, 2000)).is(t, exitDone)
	good, err := os.ReadFile("feedback-loop.db")
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"all pages":   func(b []byte) []byte { copy(b[100:], bytes.Repeat([]byte{0xa5}, len(b)-100)); return b },
		"the tail":    func(b []byte) []byte { copy(b[8192:], bytes.Repeat([]byte{0xa5}, len(b)-8192)); return b },
		"half":        func(b []byte) []byte { return b[:len(b)/2] },
		"header only": func(b []byte) []byte { return b[:100] },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			if err := os.WriteFile(path, damage(bytes.Clone(good)), 0o600); err != nil {
				t.Fatal(err)
			}
			o := command(t.Context(), "import", "--db", path, write(t, "good.json", good2(name)))
			o.is(t, exitFailed, "the database file is damaged", "Restore it from a backup")
		})
	}
}

// good2 is a record that no other file has.
func good2(name string) string {
	return `{"bugs":[{"pattern":"p","error":"` + name + `","timestamp":"2026-01-02"}]}`
}

// A database that another process is writing to: the import waits for some seconds, says so, and harms nothing.
func TestLockedByAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, file := filepath.Join(dir, "x.db"), write(t, "good.json", good)
	finish(t, program(t.Context(), t, "import", "--db", db, write(t, "partial.json", partial))).is(t, exitRejected)
	holder := openRaw(t, db)
	holder.SetMaxOpenConns(1)
	if _, err := holder.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	finish(t, program(t.Context(), t, "import", "--db", db, file)).is(t, exitFailed, "the database is locked by another process", "run this again")
	if _, err := holder.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	finish(t, program(t.Context(), t, "import", "--db", db, file)).is(t, exitDone)
}

// A database that a newer version made is refused untouched.
func TestNewerDatabase(t *testing.T) {
	emptyFolder(t)
	file := write(t, "good.json", good)
	command(t.Context(), "import", file).is(t, exitDone)
	raw := openRaw(t, "feedback-loop.db")
	for _, s := range []string{"PRAGMA user_version = 999", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := raw.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile("feedback-loop.db")
	if err != nil {
		t.Fatal(err)
	}
	command(t.Context(), "import", file).is(t, exitFailed, "schema version 999; this binary knows versions up to", "Use the newer feedback-loop")
	if after, err := os.ReadFile("feedback-loop.db"); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
}
