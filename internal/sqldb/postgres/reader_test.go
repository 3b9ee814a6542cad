package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// want checks that an error is a fault of the kind and says this.
func want(t testing.TB, err error, kind fault.Kind, parts ...string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("got %v, want kind %v", err, kind)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q is not said in: %v", p, err)
		}
	}
}

// secret is what the server keeps of a password.
func (h *house) secret(t testing.TB) string {
	t.Helper()
	return strings.Join(column(t, h.uri, "SELECT rolpassword FROM pg_authid WHERE rolname = '"+h.role+"'"), " ")
}

// A server that asks for passwords gets one that it accepts, and never learns it from a statement.
func TestReaderPassword(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t, "log_statement=all", "log_min_messages=log")
	uri := server.Database(t)
	db := open(t, uri)
	super := pgtest.Connect(t, server.Super(uri))
	for _, stmt := range []string{
		`DO $$ BEGIN EXECUTE format('COPY (VALUES (''local all postgres trust''), (''local all keeper trust''), (''local all all scram-sha-256'')) TO %L',
			current_setting('hba_file')); END $$`,
		"SELECT pg_reload_conf()"} {
		if _, err := ask(t.Context(), super, stmt); err != nil {
			t.Fatal(err)
		}
	}
	engine := postgres.Engine{}
	logsIn := func(password string) bool {
		as, err := engine.ReaderURI(uri, "bi_reader", password)
		if err != nil {
			t.Fatal(err)
		}
		pool, err := engine.Open(t.Context(), as, sqldb.Options{})
		if err != nil {
			want(t, err, fault.Denied)
			return false
		}
		defer pool.Read.Close()
		return pool.Read.PingContext(t.Context()) == nil
	}
	grant := func(r sqldb.Reader) string {
		r.Name = "bi_reader"
		g, err := engine.GrantReader(t.Context(), db, metric.Tables(), r)
		if err != nil {
			t.Fatal(err)
		}
		return g.Password
	}
	first := grant(sqldb.Reader{})
	if len(first) < 43 || !logsIn(first) || logsIn(first+"x") {
		t.Errorf("%q does not open the door, or something else does", first)
	}
	if again := grant(sqldb.Reader{}); again != "" || !logsIn(first) {
		t.Errorf("another grant gave the password %q", again)
	}
	second := grant(sqldb.Reader{Rotate: true})
	if second == first || logsIn(first) || !logsIn(second) {
		t.Error("the password did not rotate")
	}
	third := "p@ss:w/o%rd?'$1\\\"" // what a URI and a literal have to escape
	if again := grant(sqldb.Reader{Password: third}); again != "" || logsIn(second) || !logsIn(third) {
		t.Errorf("a given password: %q", again)
	}
	text, err := os.ReadFile(filepath.Join(server.Dir, "log"))
	if err != nil || !strings.Contains(string(text), `ALTER ROLE "bi_reader" PASSWORD 'SCRAM-SHA-256$`) {
		t.Fatalf("the log says nothing of it: %v", err)
	}
	for _, password := range []string{first, second, third} {
		if strings.Contains(string(text), password) {
			t.Error("a password is in the log of the server")
		}
	}
}

func TestReaderURI(t *testing.T) {
	for uri, want := range map[string]string{
		"postgresql://owner:secret@db.example.org:6000/metrics?sslmode=verify-full&application_name=x": "postgresql+psycopg2://r:p%40@db.example.org:6000/metrics?sslmode=verify-full",
		"postgres://owner@db.example.org/m%20x?password=secret":                                        "postgresql+psycopg2://r:p%40@db.example.org:5432/m%20x",
		"postgresql+asyncpg://owner:s?e@c@[::1]/m?ssl=require":                                         "postgresql+psycopg2://r:p%40@[::1]:5432/m?sslmode=require",
		"postgresql://owner@/m?host=/run/postgresql":                                                   "postgresql+psycopg2://r:p%40@/m?host=%2Frun%2Fpostgresql&port=5432",
	} {
		if got, err := (postgres.Engine{}).ReaderURI(uri, "r", "p@"); got != want || err != nil {
			t.Errorf("%s\ngives %s, %v\nwant  %s", uri, got, err, want)
		}
	}
}

func TestReaderRefused(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	strange, member := roleName(), roleName()
	run(t, h.super(t), "CREATE ROLE "+strange, "CREATE ROLE "+member)
	refuse := func(kind fault.Kind, r sqldb.Reader, parts ...string) {
		t.Helper()
		_, err := h.tryGrant(t, h.uri, r)
		want(t, err, kind, parts...)
	}
	for _, name := range []string{"A", "1a", "a b", `a"b`, "a;b", "ä", "pg_a", "public", "none", strings.Repeat("a", 64), "-a"} {
		refuse(fault.Invalid, sqldb.Reader{Name: name}, "cannot be the name")
	}
	for _, name := range []string{"postgres", pgtest.Owner, strange} {
		refuse(fault.Conflict, sqldb.Reader{Name: name}, "was not made as a reader", "another name")
		_, err := postgres.Engine{}.RevokeReader(t.Context(), h.db, name)
		want(t, err, fault.Conflict, "was not made as a reader")
	}
	for _, password := range []string{"short", strings.Repeat("x", 257), "contains blanks", "contains-ümlauts", "contains\nlines"} {
		refuse(fault.Invalid, sqldb.Reader{Password: password}, "the password")
		if _, err := h.tryGrant(t, h.uri, sqldb.Reader{Password: password}); strings.Contains(err.Error(), password) {
			t.Errorf("the password is in the error: %v", err)
		}
	}
	refuse(fault.NotFound, sqldb.Reader{Organization: "nobody"}, `"nobody"`, "known are ours, theirs", "number")
	if n := column(t, h.uri, "SELECT count(*)::text FROM pg_roles WHERE rolname = '"+h.role+"'"); n[0] != "0" {
		t.Error("a refused grant left a role")
	}
	h.grant(t, h.uri, sqldb.Reader{Organization: ours})
	refuse(fault.Conflict, sqldb.Reader{Organization: theirs}, "reads the organisation 1, not 2", "another role")
	for _, c := range []struct{ breach, says, mend string }{
		{"GRANT " + member + " TO " + h.role, "member of " + member, "REVOKE " + member + " FROM " + h.role},
		{"ALTER ROLE " + h.role + " BYPASSRLS", "row security does not bind", "ALTER ROLE " + h.role + " NOBYPASSRLS"},
		{"CREATE TABLE public.x (); ALTER TABLE public.x OWNER TO " + h.role, "owns 1 objects", "ALTER TABLE public.x OWNER TO postgres"},
	} {
		run(t, h.super(t), strings.Split(c.breach, "; ")...)
		_, err := h.tryGrant(t, h.uri, sqldb.Reader{})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.breach, err)
		}
		run(t, h.super(t), c.mend)
	}
	h.grant(t, h.uri, sqldb.Reader{})
	other := build(t, pgtest.Shared(t))
	_, err := other.tryGrant(t, other.uri, sqldb.Reader{Name: h.role})
	want(t, err, fault.Conflict, "reader of another database")
}

// Whoever may not make roles is told so, and what helps.
func TestReaderNeedsCreateRole(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	plain := roleName()
	run(t, h.super(t), "CREATE ROLE "+plain+" LOGIN")
	_, err := postgres.Engine{}.GrantReader(t.Context(), connect(t, h.as(t, plain)), metric.Tables(), sqldb.Reader{Name: h.role})
	want(t, err, fault.Denied, plain+" may not make or remove roles", "ALTER ROLE", "CREATEROLE")
	run(t, h.super(t), "ALTER ROLE "+plain+" CREATEROLE") // that is not all: the tables are another's
	_, err = postgres.Engine{}.GrantReader(t.Context(), connect(t, h.as(t, plain)), metric.Tables(), sqldb.Reader{Name: h.role})
	want(t, err, fault.Denied, "owner of the tables")
}

// connect opens the database without migrating it.
func connect(t testing.TB, uri string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), []sqldb.Engine{postgres.Engine{}}, uri, sqldb.Options{Version: metric.SchemaVersion})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// The slug of an organisation stands for its number, and a reader of the other sees the other's rows.
func TestReaderOrganization(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	id := column(t, h.uri, "SELECT id::text FROM api.organizations WHERE slug = 'theirs'")[0]
	if g := h.grant(t, h.uri, sqldb.Reader{Organization: theirs}); fmt.Sprint(g.Organization) != id || !g.Created {
		t.Errorf("%+v, want organisation %s", g, id)
	}
	other := roleName()
	if g := h.grant(t, h.uri, sqldb.Reader{Name: other, Organization: "2"}); g.Organization != theirOrg {
		t.Errorf("%+v", g)
	}
	c := pgtest.Connect(t, h.as(t, other))
	if text, err := ask(t.Context(), c, "SELECT error FROM metrics_bugs"); err != nil || text != theirs+"|\n" {
		t.Errorf("%q, %v", text, err)
	}
	run(t, h.uri, "DELETE FROM bi.readers WHERE role_name = '"+other+"'") // a role without organisation sees nothing
	if text, err := ask(t.Context(), c, "SELECT error FROM metrics_bugs"); err != nil || text != "" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestRevokeReader(t *testing.T) {
	t.Parallel()
	for _, asSuper := range []bool{false, true} {
		h := build(t, pgtest.Shared(t))
		uri := h.uri
		if asSuper {
			uri = h.super(t)
		}
		h.grant(t, uri, sqldb.Reader{})
		c := h.reader(t)
		if !asSuper { // what a reader left behind keeps nobody from removing it
			if _, err := ask(t.Context(), c, writing+"; SELECT lo_create(0)"); err != nil {
				t.Error(err)
			}
		}
		revoke := func() (bool, error) { return postgres.Engine{}.RevokeReader(t.Context(), open(t, uri), h.role) }
		if found, err := revoke(); !found || err != nil {
			t.Fatalf("%v, %v", found, err)
		}
		if _, err := ask(t.Context(), c, "SELECT 1"); err == nil {
			t.Error("its session lives on")
		}
		if _, err := pgx.Connect(t.Context(), h.as(t, h.role)); code(err) != "28000" { // no such role
			t.Errorf("it still logs in: %v", err)
		}
		left := column(t, h.uri, "SELECT rolname::text FROM pg_roles WHERE rolname = '"+h.role+"' UNION ALL SELECT role_name::text FROM bi.readers")
		if len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		if found, err := revoke(); found || err != nil {
			t.Errorf("once more: %v, %v", found, err)
		}
		if g := h.grant(t, uri, sqldb.Reader{}); !g.Created {
			t.Errorf("granted anew: %+v", g)
		}
	}
}

// A role that cannot be removed has lost everything all the same, and the next call completes it.
func TestRevokeReaderStepwise(t *testing.T) {
	t.Parallel()
	h, other := build(t, pgtest.Shared(t)), build(t, pgtest.Shared(t))
	h.grant(t, h.uri, sqldb.Reader{})
	c := h.reader(t)
	run(t, other.super(t), "GRANT SELECT ON api.users TO "+h.role)
	found, err := postgres.Engine{}.RevokeReader(t.Context(), h.db, h.role)
	want(t, err, fault.Conflict, "rights here", "another database", "DROP OWNED BY")
	if _, err := ask(t.Context(), c, "SELECT 1"); !found || err == nil {
		t.Errorf("found %v, and its session lives", found)
	}
	if left := h.reachable(t); len(left) > 0 {
		t.Errorf("it still reaches %v", left)
	}
	run(t, other.super(t), "DROP OWNED BY "+h.role)
	if found, err := (postgres.Engine{}).RevokeReader(t.Context(), h.db, h.role); !found || err != nil {
		t.Errorf("then: %v, %v", found, err)
	}
}

// A view whose definition changes stays with those who could read it; one of another is left alone.
func TestReaderViewsChange(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	h.grant(t, h.uri, sqldb.Reader{Connections: 50})
	oid := func() string { return column(t, h.uri, "SELECT 'bi.combined_detections_view'::regclass::oid::text")[0] }
	first, second := oid(), roleName()
	h.grant(t, h.super(t), sqldb.Reader{Name: second})
	if oid() != first {
		t.Error("a view was made anew for nothing: that would wait for those who read it")
	}
	run(t, h.uri, "COMMENT ON VIEW bi.combined_detections_view IS 'feedback-loop view of old'")
	h.grant(t, h.super(t), sqldb.Reader{Name: second})
	if oid() == first {
		t.Error("an old view stayed")
	}
	if owner := column(t, h.uri, "SELECT viewowner::text FROM pg_views WHERE viewname = 'combined_detections_view'"); owner[0] != pgtest.Owner {
		t.Errorf("it belongs to %v", owner)
	}
	if leaks := h.leaks(t); len(leaks) > 0 || !slices.Contains(h.reachable(t), "bi.combined_detections_view") {
		t.Errorf("the other reader: %v", leaks)
	}
	run(t, h.uri, "COMMENT ON VIEW bi.combined_detections_view IS 'mine'")
	_, err := h.tryGrant(t, h.uri, sqldb.Reader{})
	want(t, err, fault.Conflict, "bi.combined_detections_view", "not made by this program")
}

// Grants while others import and read neither deadlock nor fail.
func TestReaderGrantedWhileBusy(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	h.grant(t, h.uri, sqldb.Reader{Connections: 50})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for n := int64(0); ; n++ {
			err := h.db.Write(ctx, func(tx *sqldb.Tx) error {
				r := row(metric.Catalogue()[0].Layout(), ourOrg, ours)
				r[metric.Catalogue()[0].Position("timestamp")] = time.Date(2024, time.Month(n), 1, 0, 0, 0, 0, time.UTC) // a new part each time
				_, err := tx.Insert(metric.Catalogue()[0].Layout(), r)
				return err
			})
			if err != nil {
				done <- err
				return
			}
		}
	}()
	c := h.reader(t)
	if _, err := ask(t.Context(), c, "BEGIN; SELECT * FROM metrics_bugs; SELECT * FROM combined_detections_view"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		h.grant(t, h.uri, sqldb.Reader{})
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if leaks := h.leaks(t); len(leaks) > 0 {
		t.Error(leaks)
	}
}
