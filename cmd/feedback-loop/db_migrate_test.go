package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// exporterDDL is how the original exporter makes its tables on PostgreSQL: what SQLAlchemy writes for its models.
const exporterDDL = `
CREATE TABLE metrics_bugs (id SERIAL NOT NULL, pattern VARCHAR(255) NOT NULL, error TEXT NOT NULL, code TEXT, file_path VARCHAR(500),
  line INTEGER, stack_trace TEXT, count INTEGER, timestamp TIMESTAMP WITHOUT TIME ZONE, PRIMARY KEY (id));
CREATE INDEX idx_bug_pattern_timestamp ON metrics_bugs (pattern, timestamp);
CREATE INDEX idx_bug_file_path ON metrics_bugs (file_path);
CREATE TABLE metrics_test_failures (id SERIAL NOT NULL, test_name VARCHAR(500) NOT NULL, failure_reason TEXT NOT NULL,
  pattern_violated VARCHAR(255), code_snippet TEXT, timestamp TIMESTAMP WITHOUT TIME ZONE, PRIMARY KEY (id));
CREATE INDEX idx_test_pattern_timestamp ON metrics_test_failures (pattern_violated, timestamp);
CREATE TABLE metrics_code_reviews (id SERIAL NOT NULL, issue_type VARCHAR(255) NOT NULL, pattern VARCHAR(255) NOT NULL,
  severity VARCHAR(50) NOT NULL, file_path VARCHAR(500), line INTEGER, suggestion TEXT, timestamp TIMESTAMP WITHOUT TIME ZONE, PRIMARY KEY (id));
CREATE INDEX idx_review_pattern_severity ON metrics_code_reviews (pattern, severity);
CREATE INDEX idx_review_timestamp ON metrics_code_reviews (timestamp);
CREATE TABLE metrics_performance (id SERIAL NOT NULL, metric_type VARCHAR(100) NOT NULL, details JSON, timestamp TIMESTAMP WITHOUT TIME ZONE,
  function_name VARCHAR(255), execution_time_ms FLOAT, memory_usage_bytes INTEGER, file_size_bytes INTEGER, PRIMARY KEY (id));
CREATE INDEX idx_perf_type_timestamp ON metrics_performance (metric_type, timestamp);
CREATE TABLE metrics_deployment (id SERIAL NOT NULL, issue_type VARCHAR(255) NOT NULL, pattern VARCHAR(255), environment VARCHAR(50) NOT NULL,
  root_cause TEXT, resolution_time_minutes INTEGER, timestamp TIMESTAMP WITHOUT TIME ZONE, PRIMARY KEY (id));
CREATE INDEX idx_deploy_env_timestamp ON metrics_deployment (environment, timestamp);
CREATE INDEX idx_deploy_pattern ON metrics_deployment (pattern);
CREATE TABLE metrics_code_generation (id SERIAL NOT NULL, prompt TEXT NOT NULL, patterns_applied JSON, confidence FLOAT NOT NULL,
  success BOOLEAN NOT NULL, code_length INTEGER, compilation_error TEXT, generation_metadata JSON, timestamp TIMESTAMP WITHOUT TIME ZONE,
  patterns_count INTEGER, PRIMARY KEY (id));
CREATE INDEX idx_generation_success_timestamp ON metrics_code_generation (success, timestamp);
CREATE INDEX idx_generation_confidence ON metrics_code_generation (confidence);
CREATE TABLE pattern_effectiveness (id SERIAL NOT NULL, pattern_name VARCHAR(255) NOT NULL, application_count INTEGER, success_count INTEGER,
  failure_count INTEGER, effectiveness_score FLOAT, period_start TIMESTAMP WITHOUT TIME ZONE NOT NULL, period_end TIMESTAMP WITHOUT TIME ZONE NOT NULL,
  PRIMARY KEY (id));
CREATE INDEX idx_pattern_eff_name_period ON pattern_effectiveness (pattern_name, period_start);
CREATE TABLE metrics_summary (id SERIAL NOT NULL, metric_type VARCHAR(100) NOT NULL, summary_date TIMESTAMP WITHOUT TIME ZONE NOT NULL,
  total_count INTEGER, high_severity_count INTEGER, medium_severity_count INTEGER, low_severity_count INTEGER, top_pattern VARCHAR(255),
  top_pattern_count INTEGER, trend_direction VARCHAR(20), week_over_week_change FLOAT, PRIMARY KEY (id));
CREATE INDEX idx_summary_type_date ON metrics_summary (metric_type, summary_date);`

// exportedRows are rows as the exporter left them: a file exportedRows twice, a count raised between two exports, NULL where JSON
// and times are, and three rows that cannot be used.
const exportedRows = `
INSERT INTO metrics_bugs (pattern, error, file_path, line, count, timestamp) VALUES
  ('null_check', 'boom', 'a.py', 3, 2, '2024-01-02T03:04:05.123456'), ('null_check', 'boom', 'a.py', 3, 2, '2024-01-02T03:04:05.123456'),
  ('null_check', 'boom', 'a.py', 3, 5, '2024-01-09T03:04:05'), ('bounds', 'größer 🦜 "''\', NULL, NULL, NULL, '2024-07-01T12:00:00');
INSERT INTO metrics_test_failures (test_name, failure_reason, timestamp) VALUES ('test_a', 'assert', '2024-01-02T03:04:05');
INSERT INTO metrics_code_reviews (issue_type, pattern, severity, file_path, timestamp) VALUES ('style', 'p', 'high', 'b.py', '2024-01-02T03:04:05'),
  ('style', 'p', 'dreadful', 'b.py', '2024-01-02T03:04:05'), ('style', 'p', 'low', 'b.py', 'infinity');
INSERT INTO metrics_performance (metric_type, details, execution_time_ms, function_name, timestamp) VALUES
  ('execution_time', '{"function": "f", "avg_time_ms": 1.50, "deep": {"n": 12345678901234567890}}', 1.5, 'f', '2024-01-02T03:04:05');
INSERT INTO metrics_deployment (issue_type, environment, resolution_time_minutes, timestamp) VALUES ('crash', 'production', 30, '2024-01-02T03:04:05');
INSERT INTO metrics_code_generation (prompt, patterns_applied, confidence, success, generation_metadata, timestamp, patterns_count) VALUES
  ('write it', '["a", "b"]', 0.1, true, '{"source": "x"}', '2024-01-02T03:04:05', 2), ('again', 'null', 0.3, false, NULL, '2024-01-03T03:04:05', 0),
  ('nan', '[]', 'NaN', false, NULL, '2024-01-03T03:04:05', 0);
INSERT INTO pattern_effectiveness (pattern_name, period_start, period_end) VALUES ('a', '2024-01-01', '2024-01-08');
INSERT INTO metrics_summary (metric_type, summary_date) VALUES ('bugs', '2024-01-01');`

// byExporter makes a database as the original exporter leaves it.
func byExporter(t testing.TB, stmts ...string) string {
	t.Helper()
	uri := pgtest.Shared(t).Database(t)
	onServer(t, uri, append([]string{exporterDDL}, stmts...)...)
	return uri
}

func onServer(t testing.TB, uri string, stmts ...string) {
	t.Helper()
	c := pgtest.Connect(t, uri)
	for _, s := range stmts {
		if _, err := c.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// lines gives the only column of a query, as text, one row a line.
func lines(t testing.TB, uri, query string) string {
	t.Helper()
	rows, err := pgtest.Connect(t, uri).Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return strings.Join(all, "\n")
}

// contents is every row of the exporter's tables in a schema, and what is defined there.
func contents(t testing.TB, uri, schema string) string {
	t.Helper()
	all := lines(t, uri, `SELECT format('%s %s %s', c.relkind, c.relname, c.relhasindex) FROM pg_class c
		WHERE c.relnamespace = '`+schema+`'::regnamespace ORDER BY 1`)
	for _, table := range strings.Fields(lines(t, uri, `SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = '`+schema+`'::regnamespace ORDER BY 1`)) {
		all += "\n" + table + "\n" + lines(t, uri, "SELECT x::text FROM "+schema+"."+table+" x ORDER BY 1")
	}
	return all
}

func TestAdopt(t *testing.T) {
	uri := byExporter(t, exportedRows)
	before := contents(t, uri, "public")
	command(t.Context(), "db", "migrate", "--db", uri).is(t, exitFailed, "made by the original exporter", "feedback-loop db migrate --adopt", "Nothing was changed")
	command(t.Context(), "doctor", "--db", uri).is(t, exitFailed, "feedback-loop db migrate --adopt")
	if after := contents(t, uri, "public"); after != before {
		t.Fatalf("the refusal changed\n%s\nto\n%s", before, after)
	}
	o := command(t.Context(), "db", "migrate", "--adopt", "--db", uri)
	o.is(t, exitRejected, fmt.Sprintf("schema version 0 -> %d", metric.SchemaVersion), "public.metrics_bugs, public.metrics_code_generation",
		"metrics_code_reviews row 2: severity", "metrics_code_reviews row 3: timestamp", "metrics_code_generation row 3: confidence",
		"metrics_summary: 1 rows passed over", "pattern_effectiveness: 1 rows passed over", "DROP SCHEMA original CASCADE")
	if after := contents(t, uri, "original"); after != before {
		t.Errorf("the original's tables were\n%s\nand are\n%s", before, after)
	}
	for query, want := range map[string]string{
		"SELECT format('%s %s %s %s', pattern, count, line, timestamp AT TIME ZONE 'UTC') FROM metrics_bugs ORDER BY timestamp": "null_check 2 3 2024-01-02 03:04:05.123456\n" +
			"null_check 3 3 2024-01-09 03:04:05\nbounds 1  2024-07-01 12:00:00",
		"SELECT error FROM metrics_bugs WHERE pattern = 'bounds'":                  `größer 🦜 "'\`,
		"SELECT details::text FROM metrics_performance":                            `{"deep": {"n": 12345678901234567890}, "function": "f", "avg_time_ms": 1.50}`,
		"SELECT patterns_applied::text FROM metrics_code_generation WHERE success": `["a", "b"]`,
		"SELECT COUNT(*)::text FROM metrics_code_generation":                       "2",
		"SELECT SUM(count)::text FROM metrics_bugs WHERE pattern = 'null_check'":   "5",
		"SELECT COUNT(*)::text FROM import_rejects WHERE raw LIKE '%dreadful%'":    "1",
		"SELECT SUM(read_count)::text FROM import_runs":                            "13",
	} {
		if got := lines(t, uri, query); got != want {
			t.Errorf("%s gives\n%s\nwant\n%s", query, got, want)
		}
	}
	command(t.Context(), "doctor", "--db", uri).is(t, exitDone)
	events := eventsOf(t, uri)
	command(t.Context(), "db", "migrate", "--adopt", "--db", uri).is(t, exitRejected, "nothing to do", "nothing was written")
	command(t.Context(), "db", "migrate", "--db", uri).is(t, exitDone, "nothing to do")
	if after := eventsOf(t, uri); after != events {
		t.Errorf("the second adoption made\n%s\nof\n%s", after, events)
	}
	// The collector's file holds the same records.
	command(t.Context(), "import", "--db", uri, write(t, "metrics_data.json", `{"bugs": [{"pattern": "null_check", "error": "boom", "file_path": "a.py",
		"line": 3, "count": 5, "timestamp": "2024-01-09T03:04:05"}], "code_generation": [{"prompt": "write it", "patterns_applied": ["a", "b"],
		"confidence": 0.1, "success": true, "metadata": {"source": "x"}, "timestamp": "2024-01-02T03:04:05"}]}`)).is(t, exitDone)
	if after := eventsOf(t, uri); after != events {
		t.Errorf("the collector's file made\n%s\nof\n%s", after, events)
	}
}

// eventsOf is what adoption writes, without what differs from run to run.
func eventsOf(t testing.TB, uri string) (all string) {
	t.Helper()
	for _, c := range metric.Catalogue() {
		names := slices.DeleteFunc(c.Layout().Names(), func(n string) bool { return n == "ingested_at" })
		all += c.Table + "\n" + lines(t, uri, "SELECT ROW("+strings.Join(names, ", ")+")::text FROM "+c.Table+" ORDER BY 1") + "\n"
	}
	return all
}

func TestAdoptOptions(t *testing.T) {
	uri := byExporter(t, "INSERT INTO metrics_bugs (pattern, error, timestamp) VALUES ('p', 'e', '2024-07-01T12:00:00')")
	o := command(t.Context(), "db", "migrate", "--adopt", "--json", "--timezone", "Europe/Berlin", "--repository", "acme/shop", "--db", uri,
		"--db-pool-size", "1", "--db-max-overflow", "0")
	o.is(t, exitDone)
	var got struct {
		From, To int
		Moved    []string
		Import   struct{ Inserted, Rejected int64 }
	}
	if err := json.Unmarshal([]byte(o.out), &got); err != nil || got.From != 0 || got.To != metric.SchemaVersion || len(got.Moved) != 8 || got.Import.Inserted != 1 {
		t.Errorf("%+v, %v from\n%s", got, err, o.out)
	}
	if row := lines(t, uri, "SELECT format('%s %s', repository, timestamp AT TIME ZONE 'UTC') FROM metrics_bugs"); row != "acme/shop 2024-07-01 10:00:00" {
		t.Error(row)
	}
	command(t.Context(), "db", "migrate", "--adopt", "--timezone", "Mars/Olympus", "--db", uri).is(t, exitUsage, "Mars/Olympus")
}

// The exporter wrote to where the search path led it.
func TestAdoptAlongTheSearchPath(t *testing.T) {
	for _, schema := range []string{"team", "metrics", pgtest.Owner, `o"dd ?`} {
		t.Run(schema, func(t *testing.T) {
			uri := pgtest.Shared(t).Database(t)
			name := pgx.Identifier{schema}.Sanitize()
			onServer(t, uri, "CREATE SCHEMA "+name, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = `+name+`, public', current_database()); END $$`)
			onServer(t, uri, exporterDDL, "INSERT INTO metrics_bugs (pattern, error, timestamp) VALUES ('p', 'e', '2024-07-01T12:00:00')")
			command(t.Context(), "db", "migrate", "--adopt", "--db", uri).is(t, exitDone, "moved to the schema original: "+schema+".metrics_bugs")
			if n := lines(t, uri, "SELECT format('%s %s', (SELECT COUNT(*) FROM metrics.metrics_bugs), (SELECT COUNT(*) FROM original.metrics_bugs))"); n != "1 1" {
				t.Error(n)
			}
		})
	}
}

func TestAdoptRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		stmts []string
		want  []string
	}{
		"not the exporter's": {[]string{"CREATE TABLE metrics_bugs (id TEXT PRIMARY KEY)"}, []string{"public.metrics_bugs has no primary key"}},
		"no key":             {[]string{"CREATE TABLE metrics_summary (id INTEGER)"}, []string{"public.metrics_summary has no primary key"}},
		"kept already": {[]string{"CREATE SCHEMA original", "CREATE TABLE original.metrics_bugs ()", "CREATE TABLE metrics_bugs (id SERIAL PRIMARY KEY)"},
			[]string{"original has a table metrics_bugs already", "Nothing was changed"}},
		"another program too": {[]string{"CREATE TABLE metrics_bugs (id SERIAL PRIMARY KEY)", "CREATE SCHEMA metrics", "CREATE TABLE metrics.people ()"},
			[]string{"another program (people)"}},
	} {
		t.Run(name, func(t *testing.T) {
			uri := pgtest.Shared(t).Database(t)
			onServer(t, uri, c.stmts...)
			before := contents(t, uri, "public")
			command(t.Context(), "db", "migrate", "--adopt", "--db", uri).is(t, exitFailed, c.want...)
			if after := contents(t, uri, "public"); after != before {
				t.Errorf("refused, and yet\n%s\nbecame\n%s", before, after)
			}
		})
	}
	t.Run("nothing there", func(t *testing.T) {
		uri := pgtest.Shared(t).Database(t)
		command(t.Context(), "db", "migrate", "--adopt", "--db", uri).is(t, exitDone, "schema version 0 -> ", "no tables of the original exporter")
	})
	t.Run("SQLite", func(t *testing.T) {
		emptyFolder(t)
		command(t.Context(), "import", write(t, "good.json", good)).is(t, exitDone)
		command(t.Context(), "db", "migrate").is(t, exitDone, "nothing to do")
		command(t.Context(), "db", "migrate", "--adopt").is(t, exitFailed, "nothing to adopt on sqlite", "feedback-loop import FILE")
	})
}

// A row too large to be a record is rejected like others, and those behind it are read.
func TestAdoptLargeRows(t *testing.T) {
	uri := byExporter(t, `INSERT INTO metrics_bugs (pattern, error, timestamp) VALUES ('p', repeat('x', 9000000), '2024-07-01'), ('p', 'e', '2024-07-01')`)
	command(t.Context(), "db", "migrate", "--adopt", "--db", uri).is(t, exitRejected, "metrics_bugs row 1: the row is 9000", "at most 8388608")
	if n := lines(t, uri, "SELECT COUNT(*)::text FROM metrics_bugs"); n != "1" {
		t.Error(n)
	}
}

// An adoption that is killed is completed by the next.
func TestKilledAdoption(t *testing.T) {
	const rows = 20_000
	fill := fmt.Sprintf(`INSERT INTO metrics_deployment (issue_type, environment, root_cause, timestamp)
		SELECT 'crash', 'production', 'cause ' || n, timestamp '2024-01-01' + n * interval '1 minute' FROM generate_series(1, %d) n`, rows)
	killed := 0
	for _, after := range []time.Duration{100, 250, 500, 1000} {
		uri := byExporter(t, fill)
		c := program(t.Context(), t, "db", "migrate", "--adopt", "--db", uri)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		if c.Process.Kill() == nil && c.Wait() != nil {
			killed++
		}
		finish(t, program(t.Context(), t, "db", "migrate", "--adopt", "--db", uri)).is(t, exitDone)
		if n := lines(t, uri, "SELECT format('%s %s', COUNT(*), COUNT(DISTINCT root_cause)) FROM metrics.metrics_deployment"); n != fmt.Sprintf("%d %d", rows, rows) {
			t.Errorf("killed after %v: %s rows and causes, want %d", after*time.Millisecond, n, rows)
		}
		finish(t, program(t.Context(), t, "doctor", "--db", uri)).is(t, exitDone)
	}
	if killed == 0 {
		t.Error("no adoption was killed")
	}
}
