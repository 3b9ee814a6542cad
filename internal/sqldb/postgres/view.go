package postgres

import (
	"fmt"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// viewsSince is the schema version that has all tables which the views read.
const viewsSince = 2

// summaryView is a materialized view: the answer to a slow question, kept until it is asked anew.
type summaryView struct {
	name, query string
	key         string   // what is unique; a view without such an index cannot be refreshed beside its readers
	indexes     []string // further ones, as "name ON columns"
}

// summaryViews are those that the seed describes. Its own definitions do not run, or count hours once for each row they are
// joined with; here each side is added up before it is joined.
func summaryViews() []summaryView {
	return []summaryView{
		{"daily_pattern_stats", `SELECT day, pattern, CAST(SUM(bugs) AS BIGINT) AS bug_count,
  CAST(SUM(successes) AS DOUBLE PRECISION) / NULLIF(SUM(applications), 0) AS success_rate,
  CAST(SUM(applications) AS BIGINT) AS application_count, CAST(SUM(successes) AS BIGINT) AS success_count, organization_id
FROM (
  SELECT organization_id, day, pattern, occurrences AS bugs, 0 AS applications, 0 AS successes
  FROM metrics.metrics_daily WHERE metric_type = 'bugs'
  UNION ALL
  SELECT organization_id, day, pattern, 0, occurrences, CASE WHEN outcome = 'success' THEN occurrences ELSE 0 END
  FROM metrics.metrics_daily WHERE metric_type = 'code_generation_patterns'
) e WHERE pattern <> '' GROUP BY organization_id, day, pattern`,
			"organization_id, day, pattern", []string{"idx_daily_pattern_stats_day ON metrics.daily_pattern_stats (day DESC)"}},
		{"pattern_roi_view", `SELECT p.id AS pattern_id, p.name AS pattern_name, p.category, p.times_applied, e.effectiveness,
  COALESCE(m.seconds, 0) / 3600.0 AS hours_saved, COALESCE(m.users, 0) AS users_benefited, p.organization_id
FROM api.patterns p
LEFT JOIN (
  SELECT organization_id, pattern_id, SUM(time_saved_seconds) AS seconds, COUNT(DISTINCT user_id) AS users
  FROM api.metrics GROUP BY organization_id, pattern_id
) m ON m.organization_id = p.organization_id AND m.pattern_id = p.id
LEFT JOIN (
  SELECT organization_id, pattern_name, CAST(SUM(success_count) AS DOUBLE PRECISION) / NULLIF(SUM(application_count), 0) AS effectiveness
  FROM metrics.pattern_effectiveness GROUP BY organization_id, pattern_name
) e ON e.organization_id = p.organization_id AND e.pattern_name = p.name
WHERE p.is_active`, "pattern_id", nil},
	}
}

func createViews() []string {
	var stmts []string
	for _, v := range summaryViews() {
		stmts = append(stmts, "CREATE MATERIALIZED VIEW metrics."+v.name+" AS "+v.query,
			fmt.Sprintf("CREATE UNIQUE INDEX uq_%s ON metrics.%s (%s)", v.name, v.name, v.key))
		for _, i := range v.indexes {
			stmts = append(stmts, "CREATE INDEX "+i)
		}
	}
	return stmts
}

var (
	_ sqldb.Refresher = grammar{}
	_ sqldb.Clock     = grammar{}
)

// Refreshes implements sqldb.Refresher. The server keeps statistics of each part by itself, of the tables they make up
// never.
func (grammar) Refreshes() []string {
	var stmts []string
	for _, v := range summaryViews() {
		stmts = append(stmts, "REFRESH MATERIALIZED VIEW CONCURRENTLY metrics."+v.name)
	}
	for _, t := range metric.Tables() {
		if t.Monthly {
			stmts = append(stmts, "ANALYZE "+schema(t)+"."+t.Name)
		}
	}
	return stmts
}

// CronJob is the name of our job in pg_cron.
const CronJob = "feedback-loop refresh"

// Schedule implements sqldb.Clock with the extension pg_cron, which lives in one database of a server.
func (g grammar) Schedule(tx *sqldb.Tx) (bool, error) {
	var there bool
	err := tx.Row(tx.Statement(`SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_cron')
  AND has_schema_privilege(CURRENT_USER, (SELECT oid FROM pg_namespace WHERE nspname = 'cron'), 'USAGE')`), &there)
	if err != nil || !there {
		return false, err
	}
	command := ""
	for _, s := range g.Refreshes() {
		command += s + "; "
	}
	var id int64
	return true, tx.Row(tx.Statement("SELECT cron.schedule(?, ?, ?)", CronJob, "7 * * * *", command), &id)
}
