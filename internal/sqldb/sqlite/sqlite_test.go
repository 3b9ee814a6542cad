package sqlite_test

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqlite"
)

func TestMain(m *testing.M) { sqldbtest.Main(m, sqlite.Engine{}) }

func TestConformance(t *testing.T) { sqldbtest.Run(t, suite()) }

func suite() sqldbtest.Suite {
	return sqldbtest.Suite{
		Engine:      sqlite.Engine{},
		New:         func(t testing.TB) string { return uriOf(filepath.Join(t.TempDir(), "metrics.db")) },
		Fingerprint: func(t testing.TB, uri string) string { return fingerprint(t, sqldb.SQLitePath(uri)) },
		Foreign:     func(t testing.TB, uri string, stmts ...string) { foreign(t, sqldb.SQLitePath(uri), stmts...) },
		Indexes:     indexes,
	}
}

func uriOf(path string) string { return "sqlite:///" + path }

// fingerprint lists the folder of the database with the digest of each file. The digest of shared memory is left
// out: it holds the locks of those who read.
func fingerprint(t testing.TB, path string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(e.Name(), "-shm") {
			data = nil
		}
		fmt.Fprintf(&all, "%s %x\n", e.Name(), sha256.Sum256(data))
	}
	return all.String()
}

// raw opens the file with SQLite alone, as other programs do.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func foreign(t testing.TB, path string, stmts ...string) {
	t.Helper()
	db := raw(t, path)
	defer db.Close()
	for _, s := range stmts {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func indexes(t testing.TB, db *sqldb.DB) (all []string) {
	t.Helper()
	query := `SELECT m.name || ' ' || l.name || '(' || (SELECT group_concat(name, ', ') FROM pragma_index_info(l.name)) || ')'
		FROM sqlite_schema m JOIN pragma_index_list(m.name) l WHERE m.type = 'table' AND NOT l."unique"`
	err := db.Query(t.Context(), db.Statement(query), func(r *sql.Rows) error {
		var line string
		err := r.Scan(&line)
		all = append(all, line)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
