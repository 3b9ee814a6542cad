package postgres_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// SQLSTATE codes.
const (
	notAllowed = "42501"
	readOnly   = "25006"
	tooMany    = "53300"
	raised     = "P0001" // by the statement itself
	noTarget   = "55000" // a view that cannot be written to
)

func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// attack is a session of the reader: what is run before, and a statement that has to be refused, or that may run and must
// not show a row of others.
type attack struct {
	before []string
	last   string
	want   string // SQLSTATE; empty = it runs
}

func denied(last string, before ...string) attack { return attack{before, last, notAllowed} }
func shown(last string, before ...string) attack  { return attack{before, last, ""} }

const (
	writing = "SET default_transaction_read_only = off" // a reader may do that
	bugs    = "SELECT string_agg(error, ',') FROM metrics_bugs"
)

// disguises try to become somebody else or another organisation.
func disguises() []attack {
	return []attack{
		shown(bugs, "SELECT set_config('app.current_org_id', '2', false)", "SET app.current_org_id = '2'", "SET bi.organization = '2'"),
		shown("SELECT set_config('app.current_org_id', '2', false), error FROM metrics_bugs"),
		shown(bugs, "RESET ROLE", "RESET SESSION AUTHORIZATION", "RESET ALL"), shown("SELECT error FROM metrics.metrics_bugs", "DISCARD ALL"),
		denied("SET ROLE " + pgtest.Owner), denied("SET ROLE postgres"), denied("SET LOCAL ROLE " + pgtest.Owner), denied("SET ROLE pg_read_all_data"),
		denied("SELECT set_config('role', '" + pgtest.Owner + "', false)"),
		denied("SET SESSION AUTHORIZATION " + pgtest.Owner), denied("SELECT set_config('session_authorization', 'postgres', false)"),
		denied("SELECT * FROM metrics_bugs", "SET row_security = off"), denied("SELECT * FROM bi.combined_detections_view", "SET row_security = off"),
		denied("GRANT "+pgtest.Owner+" TO CURRENT_USER", writing), denied("SELECT * FROM bi.readers"), denied("TABLE bi.readers", writing),
		denied("UPDATE bi.readers SET organization_id = 2", writing),
		shown("SELECT bi.organization()", "SET search_path = pg_temp, public", writing),
	}
}

// peeks try to read what is not granted.
func peeks() []attack {
	return []attack{
		denied("SELECT * FROM api.users"), denied("SELECT hashed_password FROM api.users"), denied("SELECT count(*) FROM api.users"),
		denied("SELECT api_key FROM users"), denied("SELECT query_to_xml('SELECT * FROM api.users', true, false, '')"),
		denied("SELECT table_to_xml('api.users', true, false, '')"), denied("DO $$ BEGIN PERFORM hashed_password FROM api.users; END $$"),
		shown("SELECT schema_to_xml('api', true, false, '')"), shown("SELECT schema_to_xml('metrics', true, false, '')"),
		shown("SELECT database_to_xml(true, false, '')"), shown("SELECT query_to_xml('SELECT * FROM metrics_bugs', true, false, '')"),
		denied("SELECT * FROM metrics.daily_pattern_stats"), denied("SELECT * FROM metrics.pattern_roi_view"),
		denied("REFRESH MATERIALIZED VIEW metrics.daily_pattern_stats", writing),
		denied("SELECT last_value FROM metrics.metrics_bugs_id_seq"), denied("SELECT nextval('metrics.metrics_bugs_id_seq')", writing),
		denied("SELECT * FROM pg_authid"), denied("SELECT * FROM pg_statistic"), denied("SELECT * FROM pg_user_mapping"),
		shown("SELECT * FROM pg_stats WHERE schemaname IN ('metrics', 'api', 'bi')"), shown("SELECT * FROM pg_stats_ext"), shown("SELECT query FROM pg_stat_activity"),
		denied("SELECT pg_read_file('PG_VERSION')"), denied("SELECT pg_read_binary_file('PG_VERSION')"), denied("SELECT pg_ls_dir('.')"),
		denied("SELECT pg_stat_file('PG_VERSION')"), denied("SELECT pg_ls_waldir()"), denied("SELECT * FROM pg_hba_file_rules"),
		denied("COPY metrics.metrics_bugs TO PROGRAM 'cat'"), denied("COPY metrics.metrics_bugs TO 'stolen'"), denied("COPY metrics.metrics_bugs FROM PROGRAM 'id'", writing),
		denied("COPY api.users TO STDOUT"), denied("COPY (SELECT * FROM api.users) TO STDOUT"),
		denied("SELECT lo_import('PG_VERSION')", writing), denied("SELECT lo_export(1, 'stolen')"),
		{nil, "DO $$ DECLARE r text; BEGIN SELECT string_agg(error, ',') INTO r FROM metrics_bugs; RAISE EXCEPTION '%', r; END $$", raised},
		// Row security comes before conditions that could tell of a row by an error.
		shown("SELECT error FROM metrics_bugs WHERE 1 / (CASE WHEN error LIKE 'theirs%' THEN 0 ELSE 1 END) = 1"),
		shown("SELECT count(*) FROM metrics_bugs WHERE CASE WHEN error LIKE 'theirs%' THEN CAST(error AS int) ELSE 1 END = 1"),
		shown("SELECT name FROM api.patterns WHERE 1 / (CASE WHEN name = 'theirs' THEN 0 ELSE 1 END) = 1"),
		shown("SELECT * FROM bi.combined_detections_view WHERE 1 / (CASE WHEN pattern = 'theirs' THEN 0 ELSE 1 END) = 1"),
		shown("SELECT * FROM bi.daily_pattern_stats WHERE 1 / (CASE WHEN organization_id = 2 THEN 0 ELSE 1 END) = 1"),
		shown("SELECT * FROM bi.pattern_roi_view WHERE 1 / (CASE WHEN organization_id = 2 THEN 0 ELSE 1 END) = 1"),
		shown("EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM metrics_bugs WHERE error LIKE '%'"),
		shown("SELECT b.error FROM metrics_bugs b JOIN LATERAL (SELECT * FROM metrics_bugs) c ON true"),
		shown("WITH RECURSIVE r AS (SELECT error FROM metrics_bugs UNION SELECT b.error FROM metrics_bugs b, r) SELECT * FROM r"),
	}
}

// tools try to make something that could be used for more.
func tools() []attack {
	var all []attack
	for _, stmt := range []string{
		"CREATE TEMP TABLE x (a int)", "CREATE TEMP VIEW x AS SELECT 1", "SELECT * INTO TEMP x FROM metrics_bugs",
		"CREATE FUNCTION pg_temp.leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'",
		"CREATE FUNCTION public.leak(text) RETURNS bool LANGUAGE sql AS 'SELECT true'", "CREATE FUNCTION bi.organization2() RETURNS bigint LANGUAGE sql AS 'SELECT 2::bigint'",
		"CREATE FUNCTION metrics.leak(text) RETURNS bool LANGUAGE sql AS 'SELECT true'", "CREATE OR REPLACE FUNCTION bi.organization() RETURNS bigint LANGUAGE sql AS 'SELECT 2::bigint'",
		"CREATE OPERATOR public.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)", "CREATE AGGREGATE public.leak(text) (SFUNC = textcat, STYPE = text)",
		"CREATE CAST (text AS bytea) WITHOUT FUNCTION", "CREATE CAST (text AS bytea) WITH INOUT",
		"CREATE TYPE public.leak AS (a text)", "CREATE DOMAIN public.leak AS text", "CREATE COLLATION public.leak FROM \"C\"",
		"CREATE TABLE public.x (a int)", "CREATE TABLE metrics.x (a int)", "CREATE VIEW bi.x AS SELECT 1", "CREATE SCHEMA x", "CREATE SCHEMA AUTHORIZATION CURRENT_USER",
		"CREATE EXTENSION dblink", "CREATE EXTENSION file_fdw", "CREATE EXTENSION postgres_fdw", "CREATE EXTENSION lo", "CREATE EXTENSION hstore",
		"CREATE FOREIGN DATA WRAPPER w", "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION now()", "CREATE PUBLICATION p",
		"CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", "CREATE DATABASE x", "CREATE ROLE x", "ALTER SYSTEM SET work_mem = '1GB'",
		"SELECT pg_create_logical_replication_slot('x', 'test_decoding')", "SELECT pg_reload_conf()", "SELECT pg_switch_wal()",
		"SET session_preload_libraries = 'x'", "LOAD '/tmp/x'", "SET log_statement = 'none'", "SET lo_compat_privileges = on",
	} {
		all = append(all, denied(stmt, writing))
	}
	return all
}

// writes try to change something, in each way.
func writes(role string) []attack {
	var all []attack
	for _, stmt := range []string{
		"INSERT INTO metrics_bugs (error) VALUES ('x')", "UPDATE metrics_bugs SET error = 'x'", "DELETE FROM metrics_bugs", "TRUNCATE metrics_bugs",
		"MERGE INTO metrics_bugs b USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE", "SELECT error FROM metrics_bugs FOR UPDATE", "SELECT error FROM metrics_bugs FOR KEY SHARE",
		"DELETE FROM api.patterns",
		"INSERT INTO api.organizations (name, slug) VALUES ('x', 'theirs')", "BEGIN; LOCK TABLE metrics.metrics_bugs", "BEGIN; LOCK TABLE metrics.metrics_bugs IN ACCESS SHARE MODE",
		"ALTER TABLE metrics.metrics_bugs DISABLE ROW LEVEL SECURITY", "ALTER TABLE metrics.metrics_bugs NO FORCE ROW LEVEL SECURITY", "DROP POLICY readers ON metrics.metrics_bugs",
		"CREATE POLICY mine ON metrics.metrics_bugs USING (true)", "ALTER POLICY readers ON metrics.metrics_bugs USING (true)", "DROP TABLE metrics.metrics_bugs", "DROP SCHEMA bi CASCADE",
		"ALTER VIEW bi.combined_detections_view RESET (security_invoker)", "ALTER FUNCTION bi.organization() RESET ALL", "DROP FUNCTION bi.organization()",
		"CREATE INDEX ON metrics.metrics_bugs (error)", "CREATE TRIGGER t BEFORE INSERT ON metrics.metrics_bugs FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
		"COMMENT ON TABLE metrics.metrics_bugs IS 'x'", "COMMENT ON ROLE " + role + " IS 'x'",
		"ALTER ROLE " + role + " SUPERUSER", "ALTER ROLE " + role + " BYPASSRLS", "ALTER ROLE " + role + " CREATEROLE", "ALTER ROLE " + role + " CREATEDB", "ALTER ROLE " + role + " REPLICATION",
		"ALTER ROLE " + role + " CONNECTION LIMIT -1", "ALTER ROLE " + role + " INHERIT", "ALTER ROLE " + pgtest.Owner + " PASSWORD 'x'", "ALTER ROLE ALL SET work_mem = '1GB'",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" + pgtest.Owner + "'",
		"COPY metrics.metrics_bugs (error) FROM STDIN",
	} {
		all = append(all, denied(stmt, writing))
	}
	return append(all, attack{[]string{writing}, "INSERT INTO bi.combined_detections_view (organization_id) VALUES (1)", noTarget},
		attack{[]string{writing}, "UPDATE bi.daily_pattern_stats SET organization_id = 1", noTarget},
		attack{nil, "ALTER ROLE " + role + " SET search_path = public", readOnly}, attack{nil, "ALTER ROLE " + role + " PASSWORD 'x'", readOnly})
}

// superuserDoors are attacks that only a superuser can stop.
func superuserDoors() []attack {
	var all []attack
	for _, stmt := range []string{
		"SELECT lo_create(0)", "SELECT lo_creat(-1)", "SELECT lo_from_bytea(0, 'x')", "SELECT lo_unlink(1)", "SELECT lo_open(1, 262144)", "SELECT lo_put(1, 0, 'x')",
		"SELECT pg_advisory_lock(1180847216)", "SELECT pg_advisory_xact_lock(1)", "SELECT pg_try_advisory_lock(1)", "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
		"SELECT pg_logical_emit_message(false, 'x', 'x')",
	} {
		all = append(all, denied(stmt, writing))
	}
	return all
}

// try runs attacks as the reader, each in a session of its own.
func (h *house) try(t *testing.T, attacks []attack) {
	t.Helper()
	for _, a := range attacks {
		c := h.reader(t)
		for _, stmt := range a.before {
			if _, err := ask(t.Context(), c, stmt); err != nil && code(err) != notAllowed {
				t.Errorf("%s: %v", stmt, err)
			}
		}
		text, err := ask(t.Context(), c, a.last)
		if code(err) != a.want || (err != nil) != (a.want != "") {
			t.Errorf("%s: %q %v; want SQLSTATE %q", a.last, text, err, a.want)
		}
		if said := text + fmt.Sprint(err); strings.Contains(strings.ReplaceAll(said, a.last, ""), theirs) {
			t.Errorf("%s: tells of another organisation: %s", a.last, said)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// The reader is attacked from all sides. Afterwards everything is as it was.
func TestReaderUnderAttack(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	g := h.grant(t, h.super(t), sqldb.Reader{Connections: 50})
	if len(g.Open) > 0 {
		t.Errorf("a superuser left open: %v", g.Open)
	}
	run(t, h.super(t), `CREATE FUNCTION public.leak(a record) RETURNS bool LANGUAGE plpgsql COST 0.000001 AS
		'BEGIN IF CAST(a AS text) LIKE ''%theirs%'' THEN RAISE EXCEPTION ''%'', a; END IF; RETURN true; END'`, "ANALYZE") // statistics hold values of rows
	if values := column(t, h.uri, "SELECT histogram_bounds::text FROM pg_stats WHERE tablename = 'metrics_bugs' AND attname = 'error'"); !strings.Contains(values[0], theirs) {
		t.Errorf("nothing to find in the statistics: %s", values)
	}
	before := fingerprint(t, h.uri)
	for _, group := range [][]attack{disguises(), peeks(), tools(), writes(h.role), superuserDoors()} {
		h.try(t, group)
	}
	h.try(t, h.closed(t))
	for _, object := range g.Objects { // a function that leaks, so cheap that it would come first if it could
		h.try(t, []attack{shown("SELECT count(*) FROM " + object + " o WHERE public.leak(o)")})
	}
	h.stdout(t)
	if after := fingerprint(t, h.uri); after != before {
		t.Error("an attack changed the database")
	}
	// What the owner needs of that which was taken from all is left to it.
	if err := h.db.Write(t.Context(), func(*sqldb.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
}

// closed is an attack on everything in our schemas that was not granted, parts of tables among them.
func (h *house) closed(t testing.TB) (all []attack) {
	t.Helper()
	parts := 0
	for _, object := range column(t, h.uri, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname IN ('metrics', 'api', 'bi', 'public')`) {
		if !slices.Contains(h.granted.Objects, object) {
			all = append(all, denied("SELECT 1 FROM "+object))
		}
		if strings.Contains(object, "_y2024m05") {
			parts++
		}
	}
	if parts == 0 {
		t.Error("no part of a table was tried")
	}
	return all
}

// stdout copies tables out, which is allowed, and has the same wall.
func (h *house) stdout(t testing.TB) {
	t.Helper()
	c := h.reader(t)
	for _, object := range h.granted.Objects {
		var b strings.Builder
		_, err := c.PgConn().CopyTo(t.Context(), &b, "COPY (SELECT * FROM "+object+") TO STDOUT")
		if err != nil || strings.Contains(b.String(), theirs) || b.Len() == 0 {
			t.Errorf("%s: %v: %s", object, err, b.String())
		}
	}
	if _, err := c.PgConn().CopyTo(t.Context(), io.Discard, "COPY metrics.import_rejects TO STDOUT"); code(err) != notAllowed {
		t.Error(err)
	}
}

// An owner who is no superuser is told what is left, and a superuser can close it by running just that.
func TestReaderGrantedByOwner(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	run(t, h.super(t), "GRANT CREATE ON SCHEMA public TO PUBLIC") // as before version 15
	g := h.grant(t, h.uri, sqldb.Reader{Connections: 50})
	if len(g.Open) != 1 || g.Open[0].Who != "a superuser" {
		t.Fatalf("open: %v", g.Open)
	}
	for _, group := range [][]attack{disguises(), tools(), {denied("CREATE TABLE public.x (a int)", writing)}} {
		h.try(t, group)
	}
	h.try(t, []attack{shown("SELECT lo_create(0)", writing)}) // that was true
	h.close(t)
	h.try(t, superuserDoors())
	if err := h.db.Write(t.Context(), func(*sqldb.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
}

// close has a superuser run what the last grant asked for; another grant then has nothing more to ask.
func (h *house) close(t testing.TB) {
	t.Helper()
	c := pgtest.Connect(t, h.super(t))
	for _, o := range h.granted.Open {
		if _, err := ask(t.Context(), c, o.Statement); err != nil {
			t.Errorf("%s: %v", o.Statement, err)
		}
	}
	if g := h.grant(t, h.uri, sqldb.Reader{}); len(g.Open) > 0 {
		t.Errorf("still open: %v", g.Open)
	}
}

// What others have opened to every role is reported, and so is a database that belongs to somebody else.
func TestReaderReportsWhatOthersOpened(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	run(t, h.super(t), "CREATE TABLE public.notes (a text)", "GRANT SELECT ON public.notes TO PUBLIC",
		"CREATE FUNCTION public.whoever(a int) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'", "CREATE EXTENSION dblink SCHEMA public",
		`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO postgres', current_database()); END $$`)
	g := h.grant(t, h.uri, sqldb.Reader{})
	said := fmt.Sprint(g.Open)
	for _, want := range []string{"temporary objects", "public.notes", "public.whoever", "public.dblink"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not reported in %s", want, said)
		}
	}
	h.close(t)
	h.try(t, []attack{denied("TABLE public.notes"), denied("SELECT public.whoever(1)"), denied("SELECT public.dblink('x', 'y')"), denied("CREATE TEMP TABLE x (a int)", writing)})
}

// A role cannot be kept from a few things, which the manual names; here they are, so that it stays true.
func TestReaderLimitsThatRemain(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	h.grant(t, h.super(t), sqldb.Reader{})
	c := h.reader(t)
	for _, stmt := range []string{"SET statement_timeout = 0", writing, "ALTER ROLE " + h.role + " SET work_mem = '1MB'",
		"DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET work_mem = ''1MB''', current_database()); END $$",
		"ALTER ROLE " + h.role + " PASSWORD 'taken over'"} {
		if _, err := ask(t.Context(), c, stmt); err != nil {
			t.Errorf("%s: %v", stmt, err)
		}
	}
	run(t, h.super(t), "ANALYZE metrics.metrics_daily")
	if n, err := ask(t.Context(), c, "SELECT reltuples FROM pg_class WHERE oid = 'metrics.metrics_daily'::regclass"); n != "2|\n" || err != nil {
		t.Errorf("rows of all: %q, %v", n, err)
	}
	// Another grant undoes what it did to itself.
	before := h.secret(t)
	h.grant(t, h.super(t), sqldb.Reader{Rotate: true})
	settings := column(t, h.uri, "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE rolname = '"+h.role+"'")
	want := []string{"search_path=bi, metrics, api", "default_transaction_read_only=on", "statement_timeout=60000", "lock_timeout=5000",
		"idle_in_transaction_session_timeout=60000"}
	if before == h.secret(t) || !slices.Equal(settings, want) {
		t.Errorf("the settings are %q; the secret was and is\n%s\n%s", settings, before, h.secret(t))
	}
}

func TestReaderConnections(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	h.grant(t, h.uri, sqldb.Reader{Connections: 2})
	h.reader(t)
	h.reader(t)
	if c, err := pgx.Connect(t.Context(), h.as(t, h.role)); code(err) != tooMany {
		t.Errorf("a third connection: %v, %v", c, err)
	}
	if g := h.grant(t, h.uri, sqldb.Reader{}); g.Connections != 2 {
		t.Errorf("another grant made the limit %d", g.Connections)
	}
	if got := column(t, h.uri, "SELECT rolconnlimit::text FROM pg_roles WHERE rolname = '"+h.role+"'"); got[0] != "2" {
		t.Error(got)
	}
}
