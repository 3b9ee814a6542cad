package postgres_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/sample"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// filled gives a database with sample events, as app.Open makes it.
func filled(t *testing.T, uri string) *sqldb.DB {
	t.Helper()
	db := dbtest.Migrated(t, uri)
	bring(t, db, 2000)
	return db
}

// bring imports sample events that end with June 2026.
func bring(t *testing.T, db *sqldb.DB, events int) {
	t.Helper()
	var text strings.Builder
	o := sample.Options{Events: events, Days: 90, Seed: 9, End: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)}
	if err := sample.WriteJSON(&text, o, nil); err != nil {
		t.Fatal(err)
	}
	rep, err := app.Importer(db).Stream(t.Context(), "sample", strings.NewReader(text.String()), ingest.Options{})
	if err != nil || rep.Rejected != 0 {
		t.Fatalf("%v, %+v", err, rep)
	}
}

// The statements of the seed document, as they stand there, on a connection that knows nothing of schemas.
func TestSeedRecipes(t *testing.T) {
	uri := pgtest.Shared(t).Database(t)
	filled(t, uri)
	run(t, uri,
		"SET TimeZone = 'UTC'",
		"CREATE INDEX idx_metrics_bugs_timestamp ON metrics_bugs(timestamp DESC)",
		"CREATE INDEX idx_code_gen_timestamp ON metrics_code_generation(timestamp DESC)",
		"CREATE INDEX idx_metrics_bugs_pattern ON metrics_bugs(pattern)",
		"CREATE INDEX idx_code_gen_patterns_gin ON metrics_code_generation USING GIN (patterns_applied jsonb_path_ops)",
		"CREATE TABLE metrics_code_generation_y2024m01 PARTITION OF metrics_code_generation FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')",
		"CREATE TABLE metrics_code_generation_y2024m02 PARTITION OF metrics_code_generation FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')",
		"REFRESH MATERIALIZED VIEW daily_pattern_stats",
		"EXPLAIN ANALYZE SELECT pattern, COUNT(*) FROM metrics_bugs WHERE timestamp > NOW() - INTERVAL '30 days' GROUP BY pattern",
		`SELECT p.name as pattern_name, p.category, p.times_applied, AVG(pe.effectiveness_score) as effectiveness,
			SUM(m.time_saved_seconds) / 3600.0 as hours_saved, COUNT(DISTINCT m.user_id) as users_benefited
			FROM patterns p LEFT JOIN metrics m ON m.pattern_id = p.id LEFT JOIN pattern_effectiveness pe ON pe.pattern_name = p.name
			WHERE p.is_active = true GROUP BY p.id, p.name, p.category, p.times_applied`,
	)
	c := pgtest.Connect(t, uri)
	if _, err := c.Exec(t.Context(), "SET enable_seqscan = off"); err != nil { // the table is small
		t.Fatal(err)
	}
	rows, err := c.Query(t.Context(), `EXPLAIN SELECT * FROM metrics_code_generation WHERE patterns_applied @> '["null_check"]'`)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || !strings.Contains(strings.Join(plan, "\n"), "Bitmap Index Scan on metrics_code_generation_y2026m06_patterns_applied_idx") {
		t.Errorf("the GIN index is not used, %v:\n%s", err, strings.Join(plan, "\n"))
	}
	db, err := app.Open(t.Context(), uri, false) // imports go on beside what was added by hand
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rep, err := app.Importer(db).Stream(t.Context(), "january", strings.NewReader(
		`{"code_generation": [{"prompt": "p", "confidence": 0.5, "success": true, "patterns_applied": ["a"], "timestamp": "2024-01-31T23:59:59"}]}`), ingest.Options{})
	if err != nil || rep.Inserted != 1 {
		t.Fatalf("%v, %+v", err, rep)
	}
	if n := column(t, uri, "SELECT COUNT(*)::text FROM metrics_code_generation_y2024m01"); n[0] != "1" {
		t.Errorf("the part made by hand has %s rows", n[0])
	}
}

// The seed's own query counts each hour once per week of effectiveness; the view counts it once.
func TestPatternROIView(t *testing.T) {
	uri := pgtest.Shared(t).Database(t)
	db := filled(t, uri)
	run(t, uri,
		`INSERT INTO patterns (organization_id, name, description, category, pattern_data, times_applied, is_active, created_at, updated_at) VALUES
			(1, 'null_check', 'd', 'safety', '{}', 7, true, now(), now()), (2, 'null_check', 'd', 'safety', '{}', 1, true, now(), now()),
			(1, 'unused', 'd', NULL, '{}', 0, true, now(), now()), (1, 'retired', 'd', NULL, '{}', 0, false, now(), now())`,
		`INSERT INTO metrics (organization_id, user_id, metric_type, metric_data, time_saved_seconds, pattern_id, created_at)
			SELECT 1, u, 'pattern_applied', '{}', 1800, (SELECT id FROM patterns WHERE name = 'null_check' AND organization_id = 1), now() FROM unnest(ARRAY[1, 1, 2, 3]) u`,
		`INSERT INTO pattern_effectiveness (pattern_name, application_count, success_count, failure_count, effectiveness_score, period_start, period_end)
			VALUES ('null_check', 10, 10, 0, 1, '2030-01-07Z', '2030-01-14Z'), ('null_check', 30, 0, 30, 0, '2030-01-14Z', '2030-01-21Z')`)
	if _, err := app.Refresh(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	got := column(t, uri, `SELECT concat_ws('|', organization_id, pattern_name, category, times_applied, round(hours_saved, 3), users_benefited,
		CASE WHEN organization_id = 1 AND pattern_name = 'null_check' THEN round(effectiveness::numeric, 6) END) FROM metrics.pattern_roi_view ORDER BY 1`)
	var ok, all float64
	row := pgtest.Connect(t, uri).QueryRow(t.Context(), "SELECT SUM(success_count)::float8, SUM(application_count)::float8 FROM pattern_effectiveness WHERE pattern_name = 'null_check'")
	if err := row.Scan(&ok, &all); err != nil {
		t.Fatal(err)
	}
	want := []string{fmt.Sprintf("1|null_check|safety|7|2.000|3|%.6f", math.Round(ok/all*1e6)/1e6), "1|unused|0|0.000|0", "2|null_check|safety|1|0.000|0"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the view has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDailyPatternStats(t *testing.T) {
	uri := pgtest.Shared(t).Database(t)
	db := filled(t, uri)
	reader := pgtest.Connect(t, uri) // holds the view open while it is refreshed
	tx, err := reader.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var before int64
	if err := tx.QueryRow(t.Context(), "SELECT COUNT(*) FROM daily_pattern_stats").Scan(&before); err != nil || before != 0 {
		t.Fatalf("%d rows before the first refresh, %v", before, err)
	}
	if _, err := app.Refresh(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wrong := column(t, uri, `SELECT concat_ws('|', coalesce(v.day, r.day), coalesce(v.pattern, r.pattern), v.bug_count, r.bugs, v.success_rate, r.rate)
FROM metrics.daily_pattern_stats v FULL JOIN (
  SELECT coalesce(b.day, g.day) AS day, coalesce(b.pattern, g.pattern) AS pattern, coalesce(b.n, 0) AS bugs, g.rate FROM
    (SELECT (timestamp AT TIME ZONE 'UTC')::date AS day, pattern, SUM(count) AS n FROM metrics.metrics_bugs GROUP BY 1, 2) b
  FULL JOIN (SELECT (timestamp AT TIME ZONE 'UTC')::date AS day, pattern, AVG(CASE WHEN success THEN 1.0 ELSE 0.0 END)::float8 AS rate
    FROM metrics.code_generation_patterns GROUP BY 1, 2) g ON g.day = b.day AND g.pattern = b.pattern
) r ON r.day = v.day AND r.pattern = v.pattern AND v.organization_id = 1
WHERE v.bug_count IS DISTINCT FROM r.bugs OR (v.success_rate IS NULL) <> (r.rate IS NULL) OR abs(v.success_rate - r.rate) > 1e-9`)
	if len(wrong) > 0 {
		t.Errorf("%d days differ from the events: %s", len(wrong), wrong[0])
	}
	if n := column(t, uri, "SELECT COUNT(*)::text FROM metrics.daily_pattern_stats"); n[0] == "0" {
		t.Error("the view is empty")
	}
}

// With pg_cron the database refreshes by itself; the job is made once, and does what it should.
func TestCron(t *testing.T) {
	t.Parallel()
	const name = "with_cron"
	there := column(t, pgtest.Shared(t).URI("postgres", "postgres"), "SELECT name FROM pg_available_extensions WHERE name = 'pg_cron'")
	testkit.Require(t, "pgcron", len(there) == 1, "the server has no extension pg_cron (Debian: postgresql-NN-cron)")
	s := pgtest.New(t, "shared_preload_libraries='pg_cron'", "cron.database_name='"+name+"'", "cron.use_background_workers=on", "max_worker_processes=20")
	super := pgtest.Connect(t, s.URI("postgres", "postgres"))
	if _, err := super.Exec(t.Context(), "CREATE DATABASE "+name+" OWNER "+pgtest.Owner); err != nil {
		t.Fatal(err)
	}
	uri := s.URI(pgtest.Owner, name)
	db := filled(t, uri)
	if done, err := app.Schedule(t.Context(), db); done || err != nil {
		t.Fatalf("scheduled %v without the extension, %v", done, err)
	}
	admin := pgtest.Connect(t, s.Super(uri))
	for _, stmt := range []string{"CREATE EXTENSION pg_cron", "GRANT USAGE ON SCHEMA cron TO " + pgtest.Owner} {
		if _, err := admin.Exec(t.Context(), stmt); err != nil {
			t.Fatalf("%s: %v", stmt, err)
		}
	}
	for range 2 {
		if done, err := app.Schedule(t.Context(), db); !done || err != nil {
			t.Fatalf("scheduled %v, %v", done, err)
		}
	}
	var jobs int
	if err := admin.QueryRow(t.Context(), "SELECT COUNT(*) FROM cron.job WHERE jobname = $1 AND active", postgres.CronJob).Scan(&jobs); err != nil || jobs != 1 {
		t.Fatalf("%d jobs, %v", jobs, err)
	}
	if _, err := admin.Exec(t.Context(), "UPDATE cron.job SET schedule = '* * * * *'"); err != nil { // an hour is long
		t.Fatal(err)
	}
	wait(t, admin, "SELECT COUNT(*) > 0 FROM metrics.daily_pattern_stats", 90*time.Second)
	wait(t, admin, "SELECT COUNT(*) > 0 FROM cron.job_run_details WHERE status = 'succeeded'", 10*time.Second)
}

// wait asks a question until the answer is true.
func wait(t *testing.T, c *pgx.Conn, query string, most time.Duration) {
	t.Helper()
	for end := time.Now().Add(most); ; time.Sleep(100 * time.Millisecond) {
		var yes bool
		if err := c.QueryRow(t.Context(), query).Scan(&yes); err != nil {
			t.Fatal(err)
		}
		if yes {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", most, query)
		}
	}
}
