package postgres

import (
	"context"
	"database/sql"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

var _ sqldb.Inspector = grammar{}

// Facts implements sqldb.Inspector.
func (grammar) Facts(ctx context.Context, db *sqldb.DB) ([]sqldb.Fact, error) {
	var facts []sqldb.Fact
	for _, f := range []struct{ name, query string }{
		{"server", "SELECT current_setting('server_version')"},
		{"user", "SELECT CAST(CURRENT_USER AS TEXT)"},
		{"encryption", "SELECT CASE WHEN ssl THEN version || ' ' || cipher ELSE 'none' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()"},
		{"size", "SELECT pg_size_pretty(pg_database_size(current_database()))"},
		{"connections", `SELECT COUNT(*) || ' of ' || current_setting('max_connections') || ' on the server, ' ||
  COUNT(*) FILTER (WHERE datname = current_database()) || ' in this database' FROM pg_stat_activity WHERE backend_type = 'client backend'`},
		{"search path", `SELECT COALESCE((SELECT string_agg(c, ' ') FROM pg_db_role_setting s, unnest(s.setconfig) c
  WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) AND c LIKE 'search_path=%'
  AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = CURRENT_USER))), 'not set')`},
		{"row security", `SELECT COUNT(*) FILTER (WHERE c.relforcerowsecurity) || ' of ' || COUNT(*) || ' tables' FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('metrics', 'api') AND c.relkind IN ('r', 'p') AND NOT c.relispartition`},
		{"views", `SELECT COALESCE(string_agg(matviewname || CASE WHEN ispopulated THEN '' ELSE ' (empty)' END, ', ' ORDER BY matviewname), 'none')
  FROM pg_matviews WHERE schemaname = 'metrics'`},
		{"pg_cron", "SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_cron') THEN 'installed' ELSE 'not installed' END"},
	} {
		var value string
		if err := db.Row(ctx, db.Statement(f.query), &value); err != nil {
			return nil, err
		}
		facts = append(facts, sqldb.Fact{Name: f.name, Value: value})
	}
	return facts, nil
}

// Sizes implements sqldb.Inspector. Rows are the server's estimates: counting would read everything.
func (grammar) Sizes(ctx context.Context, db *sqldb.DB) ([]sqldb.Size, error) {
	var all []sqldb.Size
	err := db.Query(ctx, db.Statement(`SELECT c.relname, COUNT(i.inhrelid),
  CAST(SUM(CASE WHEN pg_relation_size(x.oid) = 0 THEN 0 ELSE x.reltuples END) AS BIGINT),
  CAST(SUM(pg_total_relation_size(x.oid)) AS BIGINT)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhparent = c.oid
JOIN pg_class x ON x.oid = COALESCE(i.inhrelid, c.oid)
WHERE n.nspname IN ('metrics', 'api') AND c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
GROUP BY c.relname ORDER BY c.relname`), func(r *sql.Rows) error {
		var s sqldb.Size
		err := r.Scan(&s.Table, &s.Parts, &s.Rows, &s.Bytes)
		all = append(all, s)
		return err
	})
	return all, err
}
