package ingest_test

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // makes the databases

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
)

// originalDDL is how the original exporter makes its tables: naive times, no count of test failures, no identity.
const originalDDL = `
CREATE TABLE metrics_bugs (id INTEGER NOT NULL, pattern VARCHAR(255) NOT NULL, error TEXT NOT NULL, code TEXT, file_path VARCHAR(500),
  line INTEGER, stack_trace TEXT, count INTEGER, timestamp DATETIME, PRIMARY KEY (id));
CREATE INDEX ix_metrics_bugs_pattern ON metrics_bugs (pattern);
CREATE TABLE metrics_test_failures (id INTEGER NOT NULL, test_name VARCHAR(500) NOT NULL, failure_reason TEXT NOT NULL,
  pattern_violated VARCHAR(255), code_snippet TEXT, timestamp DATETIME, PRIMARY KEY (id));
CREATE TABLE metrics_code_reviews (id INTEGER NOT NULL, issue_type VARCHAR(255) NOT NULL, pattern VARCHAR(255) NOT NULL, severity VARCHAR(50) NOT NULL,
  file_path VARCHAR(500), line INTEGER, suggestion TEXT, timestamp DATETIME, PRIMARY KEY (id));
CREATE TABLE metrics_performance (id INTEGER NOT NULL, metric_type VARCHAR(100) NOT NULL, details JSON, timestamp DATETIME, function_name VARCHAR(255),
  execution_time_ms FLOAT, memory_usage_bytes INTEGER, file_size_bytes INTEGER, PRIMARY KEY (id));
CREATE TABLE metrics_deployment (id INTEGER NOT NULL, issue_type VARCHAR(255) NOT NULL, pattern VARCHAR(255), environment VARCHAR(50) NOT NULL,
  root_cause TEXT, resolution_time_minutes INTEGER, timestamp DATETIME, PRIMARY KEY (id));
CREATE TABLE metrics_code_generation (id INTEGER NOT NULL, prompt TEXT NOT NULL, patterns_applied JSON, confidence FLOAT NOT NULL, success BOOLEAN NOT NULL,
  code_length INTEGER, compilation_error TEXT, generation_metadata JSON, timestamp DATETIME, patterns_count INTEGER, PRIMARY KEY (id));
CREATE TABLE pattern_effectiveness (id INTEGER NOT NULL, pattern_name VARCHAR(255) NOT NULL, effectiveness_score FLOAT, PRIMARY KEY (id));
CREATE TABLE metrics_summary (id INTEGER NOT NULL, metric_type VARCHAR(100) NOT NULL, total_count INTEGER, PRIMARY KEY (id));`

// original makes a database and gives its path.
func original(t testing.TB, stmts ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample_metrics.db")
	execute(t, path, stmts...)
	return path
}

func execute(t testing.TB, path string, stmts ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, s := range stmts {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// listing is the folder's files with their content's digests.
func listing(t testing.TB, path string) string {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&s, "%s %x\n", f.Name(), sha256.Sum256(data))
	}
	return s.String()
}

// loadDB imports a database, which must not change by a byte, and nothing may be left beside it or in the temporary folder.
func (b *base) loadDB(path string) (*ingest.Report, error) {
	b.t.Helper()
	tmp := b.t.TempDir()
	if t, ok := b.t.(*testing.T); ok {
		t.Setenv("TMPDIR", tmp)
	}
	before := listing(b.t, path)
	rep, err := b.tryFile(path, ingest.Options{})
	if after := listing(b.t, path); after != before {
		b.t.Errorf("the folder of the database was changed from\n%sto\n%s", before, after)
	}
	if left, e := os.ReadDir(tmp); e != nil || len(left) > 0 {
		b.t.Errorf("left in the temporary folder: %v %v", left, e)
	}
	return rep, err
}

const bugRow = `INSERT INTO metrics_bugs (pattern, error, code, file_path, line, stack_trace, count, timestamp) VALUES `

func TestOriginalDatabase(t *testing.T) {
	b := newBase(t)
	path := original(t, originalDDL,
		bugRow+`('p','e','x','f.py',42,NULL,2,'2026-01-09 12:43:10.577896')`,
		bugRow+`('p','e','x','f.py',42,NULL,2,'2026-01-09 12:43:10.577896')`, // exported again
		bugRow+`('p','e','x','f.py',42,NULL,5,'2026-01-10 08:00:00.000000')`, // raised since
		bugRow+`('q','e',NULL,NULL,NULL,NULL,NULL,NULL)`,
		`INSERT INTO metrics_test_failures VALUES (1,'t','r',NULL,NULL,'2026-01-09 12:00:00.000001'), (2,'t','r',NULL,NULL,'2026-01-09 12:00:00.000001'),
			(3,'t','r',NULL,NULL,'2026-01-09 13:00:00')`,
		`INSERT INTO metrics_code_reviews VALUES (1,'i','p','high','f.py',3,'s','2026-01-09 12:00:00'), (2,'i','p','urgent',NULL,NULL,NULL,'2026-01-09 12:00:00')`,
		`INSERT INTO metrics_performance VALUES (1,'m','{"avg_time_ms": 1.50, "function": "f", "n": 12345678901234567890}','2026-01-09 12:00:00','f',1.5,NULL,5368709120),
			(2,'m','null','2026-01-09 12:00:01',NULL,NULL,NULL,NULL)`,
		`INSERT INTO metrics_deployment VALUES (1,'i',NULL,'production',NULL,30,'2026-01-09 12:00:00')`,
		`INSERT INTO metrics_code_generation VALUES (1,'x','["p", "q"]',0.92,1,150,NULL,'{}','2026-01-09 12:00:00',2), (2,'y','null',0,0,NULL,'bad',NULL,'2026-01-09 12:00:01',0)`,
		`INSERT INTO metrics_summary VALUES (1,'bugs',7)`)
	rep, err := b.loadDB(path)
	if err != nil {
		t.Fatal(err)
	}
	want(t, rep, 11, 2, 1)
	if rep.Format != "original-db" || rep.Rejects[0].Position != "metrics_code_reviews row 2" || rep.Rejects[0].Category != "code_reviews" {
		t.Errorf("report %+v", rep)
	}
	if len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "metrics_summary: 1 rows passed over") {
		t.Errorf("notes %q", rep.Notes)
	}
	for query, want := range map[string]string{
		"SELECT pattern, count, timestamp, timestamp_missing FROM metrics_bugs ORDER BY id": "p|2|2026-01-09 12:43:10.577896|0\n" +
			"p|3|2026-01-10 08:00:00.000000|0\nq|1|2026-07-01 12:00:00.123456|1",
		"SELECT count, timestamp FROM metrics_test_failures ORDER BY id":                   "1|2026-01-09 12:00:00.000001\n1|2026-01-09 13:00:00.000000",
		"SELECT details, execution_time_ms, file_size_bytes FROM metrics_performance":      `{"avg_time_ms":1.50,"function":"f","n":12345678901234567890}|1.5|5368709120` + "\nnull|null|null",
		"SELECT prompt, success, patterns_applied, extra FROM metrics_code_generation":     `x|1|["p","q"]|null` + "\ny|0|null|null",
		"SELECT pattern_name, application_count, success_count FROM pattern_effectiveness": "p|1|1\nq|1|1",
	} {
		if got := strings.Join(b.rows(query), "\n"); got != want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", query, got, want)
		}
	}
	rep, err = b.loadDB(path)
	if err != nil {
		t.Fatal(err)
	}
	want(t, rep, 0, 13, 1)
}

// The file and the database of the original are two copies of the same records.
func TestDatabaseAndFileAgree(t *testing.T) {
	b := newBase(t)
	rep, err := b.loadDB(original(t, originalDDL, bugRow+`('p','e','x','f.py',42,NULL,2,'2026-01-09 12:43:10.577896')`,
		`INSERT INTO metrics_code_generation VALUES (1,'x','["p", "q"]',0.92,1,150,NULL,'{"a": 1}','2026-01-09 12:00:00',2)`))
	if err != nil {
		t.Fatal(err)
	}
	want(t, rep, 2, 0, 0)
	rep = b.load(`{"bugs":[{"pattern":"p","error":"e","code":"x","file_path":"f.py","line":42,"stack_trace":null,"timestamp":"2026-01-09T12:43:10.577896","count":2}],
		"code_generation":[{"prompt":"x","patterns_applied":["p","q"],"confidence":0.92,"success":true,"code_length":150,"compilation_error":null,
		"metadata":{"a":1},"timestamp":"2026-01-09T12:00:00"}]}`)
	want(t, rep, 0, 2, 0)
}

func TestOddDatabases(t *testing.T) {
	for name, c := range map[string]struct {
		stmts              []string
		inserted, rejected int64
		check, want        string
	}{
		"binary data": {[]string{originalDDL, bugRow + `('p',x'00ff41',NULL,NULL,NULL,NULL,1,'2026-01-01'), ('p','e',NULL,NULL,NULL,NULL,1,'2026-01-01')`}, 1, 1,
			"SELECT reason, raw FROM import_rejects", `error holds binary data|{"pattern":"p","error":"\"\\x00\\xffA\"","count":1,"timestamp":"2026-01-01"}`},
		"bytes that are not UTF-8": {[]string{originalDDL, bugRow + `('p',CAST(x'ff41' AS TEXT),NULL,NULL,NULL,NULL,1,'2026-01-01')`}, 0, 1,
			"SELECT reason FROM import_rejects", "error holds bytes that are not UTF-8"},
		"NUL in a text": {[]string{originalDDL, bugRow + `('p','a'||char(0)||'b',NULL,NULL,NULL,NULL,1,'2026-01-01')`}, 0, 1,
			"SELECT reason FROM import_rejects", "the record holds a NUL character, which not every database can store"},
		"other types": {[]string{originalDDL, bugRow + `('p','e',NULL,NULL,'forty-two',NULL,1,'2026-01-01'), (5,'e',NULL,NULL,NULL,NULL,1.5,'2026-01-01'),
			('p','e',NULL,NULL,NULL,NULL,1,20260101), ('p','f',NULL,NULL,NULL,NULL,1,'12:00')`}, 0, 4,
			"SELECT COUNT(DISTINCT reason) FROM import_rejects", "4"},
		"infinity": {[]string{originalDDL, `INSERT INTO metrics_code_generation (prompt, confidence, success) VALUES ('x', 9e999, 1), ('x', 0.5, 1)`}, 1, 1,
			"SELECT COUNT(*) FROM import_rejects WHERE reason LIKE 'confidence %'", "1"},
		"booleans":     {[]string{originalDDL, `INSERT INTO metrics_code_generation (prompt, confidence, success) VALUES ('x', 0.5, 2), ('y', 0.5, 1)`}, 1, 1, "SELECT success FROM metrics_code_generation", "1"},
		"more columns": {[]string{originalDDL, `ALTER TABLE metrics_bugs ADD COLUMN "my ""note" TEXT`, `INSERT INTO metrics_bugs (pattern, error, "my ""note") VALUES ('p','e','n')`}, 1, 0, `SELECT extra FROM metrics_bugs`, `{"my \"note":"n"}`},
		"one table":    {[]string{`CREATE TABLE metrics_bugs (pattern TEXT, error TEXT)`, `INSERT INTO metrics_bugs VALUES ('p','e')`}, 1, 0, "SELECT pattern, file_path, count FROM metrics_bugs", "p|null|1"},
		"empty tables": {[]string{originalDDL}, 0, 0, "SELECT COUNT(*) FROM metrics_bugs", "0"},
		"a view with a table's name": {[]string{originalDDL, "DROP TABLE metrics_deployment", `CREATE VIEW metrics_deployment AS SELECT 1 AS id, 'i' AS issue_type, 'production' AS environment`,
			bugRow + `('p','e',NULL,NULL,NULL,NULL,1,'2026-01-01')`}, 1, 0, "SELECT COUNT(*) FROM metrics_deployment", "0"},
		"a trigger": {[]string{originalDDL, bugRow + `('p','e',NULL,NULL,NULL,NULL,1,'2026-01-01')`,
			`CREATE TRIGGER boom BEFORE INSERT ON metrics_bugs BEGIN DELETE FROM metrics_bugs; END`}, 1, 0, "SELECT COUNT(*) FROM metrics_bugs", "1"},
		"generated column": {[]string{`CREATE TABLE metrics_bugs (id INTEGER PRIMARY KEY, pattern TEXT, error TEXT, twice TEXT AS (error || error))`,
			`INSERT INTO metrics_bugs (pattern, error) VALUES ('p','e')`}, 1, 0, "SELECT extra FROM metrics_bugs", "null"},
		"UTF-16":      {[]string{"PRAGMA encoding = 'UTF-16le'", originalDDL, bugRow + `('p','é😀',NULL,NULL,NULL,NULL,1,'2026-01-01')`}, 1, 0, "SELECT error FROM metrics_bugs", "é😀"},
		"large pages": {[]string{"PRAGMA page_size = 65536", originalDDL, bugRow + `('p','e',NULL,NULL,NULL,NULL,1,'2026-01-01')`}, 1, 0, "SELECT error FROM metrics_bugs", "e"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBase(t)
			rep, err := b.loadDB(original(t, c.stmts...))
			if err != nil {
				t.Fatal(err)
			}
			want(t, rep, c.inserted, 0, c.rejected)
			if got := strings.Join(b.rows(c.check), "\n"); got != c.want {
				t.Errorf("%s gave\n%s\nwant\n%s", c.check, got, c.want)
			}
		})
	}
}

// In WAL mode even a reader writes beside the file; so it is read from a copy, the log included.
func TestOriginalInWALMode(t *testing.T) {
	b := newBase(t)
	path := original(t, "PRAGMA journal_mode = WAL", originalDDL, bugRow+`('p','e',NULL,NULL,NULL,NULL,1,'2026-01-01')`)
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=wal_autocheckpoint(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(bugRow + `('p','only in the log',NULL,NULL,NULL,NULL,1,'2026-01-02')`); err != nil {
		t.Fatal(err)
	}
	if log, err := os.Stat(path + "-wal"); err != nil || log.Size() == 0 {
		t.Fatalf("no log to read: %v %v", log, err)
	}
	rep, err := b.loadDB(path)
	if err != nil {
		t.Fatal(err)
	}
	want(t, rep, 2, 0, 0)
}

func TestPackedDatabase(t *testing.T) {
	b := newBase(t)
	data, err := os.ReadFile(original(t, originalDDL, bugRow+`('p','e',NULL,NULL,NULL,NULL,1,'2026-01-01')`))
	if err != nil {
		t.Fatal(err)
	}
	rep, err := b.loadDB(file(t, "sample_metrics.db.gz", packed(t, string(data))))
	if err != nil {
		t.Fatal(err)
	}
	want(t, rep, 1, 0, 0)
}

func TestDamagedDatabases(t *testing.T) {
	rows := bugRow + `('p','e0',NULL,NULL,NULL,NULL,1,'2026-01-01')`
	for i := 1; i < 3000; i++ {
		rows += fmt.Sprintf(",('p','e%d','%s',NULL,NULL,NULL,1,'2026-01-01')", i, strings.Repeat("x", 100))
	}
	good, err := os.ReadFile(original(t, originalDDL, rows))
	if err != nil {
		t.Fatal(err)
	}
	patched := func(at, n int) string {
		bad := []byte(string(good))
		for i := at; i < at+n; i++ {
			bad[i] = 0xa5
		}
		return string(bad)
	}
	for name, c := range map[string]struct {
		content string
		rows    bool // some rows may be read before the damage is met
	}{
		"header only":        {string(good[:100]), false},
		"half a header":      {string(good[:40]), false},
		"the magic":          {string(good[:16]), false},
		"first page":         {string(good[:4096]), false},
		"half":               {string(good[:len(good)/2]), true},
		"schema overwritten": {patched(100, 3000), false},
		"page overwritten":   {patched(40*4096, 4096), true},
		"everything after":   {patched(4096, len(good)-4096), false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBase(t)
			rep, err := b.loadDB(file(t, "sample_metrics.db", c.content))
			fails(t, err, fault.Invalid, "sample_metrics.db", "cannot be read as a SQLite database")
			if !c.rows && rep.Read > 0 {
				t.Errorf("%d rows were read", rep.Read)
			}
			if n := b.total(); n != rep.Inserted {
				t.Errorf("%d rows are in, the report says %d", n, rep.Inserted)
			}
		})
	}
	t.Run("another program's", func(t *testing.T) {
		b := newBase(t)
		_, err := b.loadDB(original(t, "CREATE TABLE people (name TEXT)"))
		fails(t, err, fault.Invalid, "without any of the tables metrics_bugs")
	})
	t.Run("a row beyond the limit", func(t *testing.T) {
		b := newBase(t)
		rep, err := b.loadDB(original(t, originalDDL, bugRow+`('p','e',NULL,NULL,NULL,NULL,1,'2026-01-01')`,
			bugRow+`('p',CAST(zeroblob(20000000) AS TEXT),NULL,NULL,NULL,NULL,1,'2026-01-01')`))
		fails(t, err, fault.Invalid, "larger than 8 MiB")
		want(t, rep, 1, 0, 0)
	})
}
