package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m, postgres.Engine{}) }

func TestConformance(t *testing.T) {
	pgtest.Shared(t)
	sqldbtest.Run(t, suite())
}

func suite() sqldbtest.Suite {
	return sqldbtest.Suite{
		Engine:      postgres.Engine{},
		New:         func(t testing.TB) string { return pgtest.Shared(t).Database(t) },
		Fingerprint: fingerprint,
		Foreign:     foreign,
		Indexes:     indexes,
	}
}

// column reads one text column as the superuser, whom no row security holds back.
func column(t testing.TB, uri, query string) (all []string) {
	t.Helper()
	rows, err := pgtest.Connect(t, pgtest.Shared(t).Super(uri)).Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	all, err = pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return all
}

// fingerprint digests what is defined in the database, and the rows of every table.
func fingerprint(t testing.TB, uri string) string {
	t.Helper()
	var b strings.Builder
	for _, query := range []string{
		`SELECT format('%s %s %s %s %s', n.nspname, c.relname, c.relkind, c.relrowsecurity, (SELECT md5(string_agg(a::text, ',' ORDER BY attnum))
			FROM pg_attribute a WHERE a.attrelid = c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' ORDER BY 1`,
		`SELECT format('%s %s', nspname, nspacl) FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' ORDER BY 1`,
		`SELECT setconfig::text FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())`,
		`SELECT p::text FROM pg_policy p ORDER BY 1`,
	} {
		b.WriteString(strings.Join(column(t, uri, query), "\n"))
	}
	for _, table := range column(t, uri, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' ORDER BY 1`) {
		b.WriteString(table + strings.Join(column(t, uri, "SELECT coalesce(md5(string_agg(x::text, ',' ORDER BY x::text)), '') FROM "+table+" x"), ""))
	}
	return b.String()
}

// foreign runs statements in the schema that is ours by name.
func foreign(t testing.TB, uri string, stmts ...string) {
	t.Helper()
	run(t, uri, append([]string{"CREATE SCHEMA IF NOT EXISTS metrics", "SET search_path = metrics"}, stmts...)...)
}

// run runs statements as the owner of the database.
func run(t testing.TB, uri string, stmts ...string) {
	t.Helper()
	c := pgtest.Connect(t, uri)
	for _, s := range stmts {
		if _, err := c.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// indexes leaves out the one over the id of a partitioned table, which is a primary key elsewhere.
func indexes(t testing.TB, db *sqldb.DB) (all []string) {
	t.Helper()
	query := `SELECT t.relname, i.relname, string_agg(a.attname, ', ' ORDER BY k.n)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace,
  unnest(x.indkey) WITH ORDINALITY k(attnum, n) JOIN pg_attribute a ON a.attnum = k.attnum
WHERE a.attrelid = t.oid AND t.relkind IN ('r', 'p') AND n.nspname IN ('metrics', 'api') AND NOT x.indisunique AND NOT t.relispartition AND i.relname <> t.relname || '_id'
GROUP BY 1, 2`
	err := db.Query(t.Context(), db.Statement(query), func(r *sql.Rows) error {
		var table, name, columns string
		err := r.Scan(&table, &name, &columns)
		all = append(all, fmt.Sprintf("%s %s(%s)", table, name, columns))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
