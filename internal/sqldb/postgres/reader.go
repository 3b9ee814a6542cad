package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

var _ sqldb.Readers = Engine{}

// readerMark is the comment on a role by which it is known as ours. A role cannot change the comment on itself.
const readerMark = "feedback-loop reader"

// What a reader has unless it is told otherwise.
const (
	defaultOrganization = 1
	defaultConnections  = 10
)

// account is the role that is connected, and the database.
type account struct {
	name                           string
	super, makesRoles              bool
	database, databaseOwner, owner string // owner of the tables; database is quoted
	ownsDatabase                   bool
	version                        int // of the server: 150018
}

func whoami(tx *sqldb.Tx) (*account, error) {
	var a account
	err := tx.Row(tx.Statement(`SELECT r.rolname, r.rolsuper, r.rolcreaterole, quote_ident(d.datname), pg_has_role(d.datdba, 'USAGE'),
  pg_get_userbyid(d.datdba), pg_get_userbyid(n.nspowner), CAST(current_setting('server_version_num') AS INT)
FROM pg_roles r, pg_database d, pg_namespace n
WHERE r.rolname = current_user AND d.datname = current_database() AND n.nspname = 'metrics'`),
		&a.name, &a.super, &a.makesRoles, &a.database, &a.ownsDatabase, &a.databaseOwner, &a.owner, &a.version)
	if err == nil && !a.super && !a.makesRoles {
		err = fault.New(fault.Denied, "the role %s may not make or remove roles", a.name).
			Try("Let a superuser run: ALTER ROLE %s CREATEROLE; or connect as a superuser.", quote(a.name))
	}
	return &a, err
}

// quote writes an identifier.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// stored is a role as it is in the server.
type stored struct {
	marked       bool
	powerful     bool
	organization sql.NullInt64
	limit        int
	memberOf     string
	owned        int // objects in this database, not counting temporary tables and large objects: those it may have made itself
}

// find looks a role up; nil = there is none.
func find(tx *sqldb.Tx, name string) (*stored, error) {
	var s stored
	err := tx.Row(tx.Statement(`SELECT coalesce(shobj_description(r.oid, 'pg_authid'), '') = ?,
  r.rolsuper OR r.rolreplication OR r.rolbypassrls, m.organization_id, r.rolconnlimit,
  coalesce((SELECT string_agg(quote_ident(g.rolname), ', ' ORDER BY g.rolname) FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid
    WHERE a.member = r.oid), ''),
  (SELECT count(*) FROM pg_shdepend d LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o' AND d.classid <> 'pg_largeobject'::regclass
      AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND c.relpersistence IS DISTINCT FROM 't')
FROM pg_roles r LEFT JOIN bi.readers m ON m.role_name = r.rolname WHERE r.rolname = ?`, readerMark, name),
		&s.marked, &s.powerful, &s.organization, &s.limit, &s.memberOf, &s.owned)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &s, err
}

// ours refuses a role that was not made here, or that has become more than a reader.
func (s *stored) ours(name string) error {
	switch {
	case !s.marked:
		return fault.New(fault.Conflict, "the role %s is there and was not made as a reader by this program", name).
			Try("Choose another name; nothing was changed.")
	case !s.organization.Valid:
		return fault.New(fault.Conflict, "the role %s is a reader of another database of this server", name).
			Try("Choose another name: a reader belongs to one database.")
	}
	return nil
}

// widened refuses a role that somebody has given what walls do not hold.
func (s *stored) widened(name string) error {
	switch {
	case s.powerful:
		return fault.New(fault.Denied, "somebody has made the role %s a superuser, or one that row security does not bind", name).
			Try("Let a superuser run: ALTER ROLE %s NOSUPERUSER NOBYPASSRLS NOREPLICATION", quote(name))
	case s.memberOf != "":
		return fault.New(fault.Denied, "the role %s was made a member of %s and can act as that", name, s.memberOf).
			Try("Take that back: REVOKE %s FROM %s", s.memberOf, quote(name))
	}
	return s.propertied(name)
}

// propertied refuses a role with objects of its own: taking its rights back would drop them.
func (s *stored) propertied(name string) error {
	if s.owned == 0 {
		return nil
	}
	return fault.New(fault.Conflict, "the role %s owns %d objects in this database, as no reader should", name, s.owned).
		Try("Look at them, then let a superuser run REASSIGN OWNED BY %s TO another role, and run this again.", quote(name))
}

// checkName allows names that need no quotes in the tools of others.
func checkName(name string) error {
	if !regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`).MatchString(name) || strings.HasPrefix(name, "pg_") || name == "public" || name == "none" {
		return fault.New(fault.Invalid, "%q cannot be the name of a reader", name).
			Try("Take small letters, digits and _, at most 63, no digit first; not pg_..., public or none.")
	}
	return nil
}

// grant is a GrantReader under way.
type grant struct {
	tx     *sqldb.Tx
	me     *account
	role   string // quoted
	want   sqldb.Reader
	tables []*metric.Table
	got    *sqldb.Granted
}

// GrantReader implements sqldb.Readers.
func (Engine) GrantReader(ctx context.Context, db *sqldb.DB, tables []*metric.Table, r sqldb.Reader) (*sqldb.Granted, error) {
	if err := checkName(r.Name); err != nil {
		return nil, err
	}
	if r.Password != "" {
		if err := checkPassword(r.Password); err != nil {
			return nil, err
		}
	}
	g := &grant{role: quote(r.Name), want: r, tables: tables,
		got: &sqldb.Granted{Role: r.Name, Objects: []string{}, Open: []sqldb.Opening{}, Notes: []string{}}}
	err := db.Write(ctx, func(tx *sqldb.Tx) (err error) {
		g.tx = tx
		if g.me, err = whoami(tx); err != nil {
			return err
		}
		for _, step := range []func() error{g.makeRole, g.settings, g.views, g.rights, g.doors, g.beyond} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	return g.got, err
}

func (g *grant) run(stmts ...string) error { return runAll(g.tx, stmts...) }

func runAll(tx *sqldb.Tx, stmts ...string) error {
	for _, s := range stmts {
		if _, err := tx.Exec(tx.Statement(s)); err != nil {
			return err
		}
	}
	return nil
}

// makeRole makes the role, or takes back from an old one whatever it has: what is right is then given anew.
func (g *grant) makeRole() error {
	old, err := find(g.tx, g.want.Name)
	if err != nil {
		return err
	}
	g.got.Connections = cmp.Or(g.want.Connections, defaultConnections)
	if old == nil {
		g.got.Created = true
		// The rights of a superuser can be denied, but not taken, by who is none: therefore only here.
		err = g.run("CREATE ROLE "+g.role+" LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
			"COMMENT ON ROLE "+g.role+" IS "+literal(readerMark))
	} else {
		if err := cmp.Or(old.ours(g.want.Name), old.widened(g.want.Name)); err != nil {
			return err
		}
		if old.limit > 0 {
			g.got.Connections = cmp.Or(g.want.Connections, old.limit)
		}
		err = g.strip()
	}
	if err == nil {
		err = g.organization(old)
	}
	if err == nil {
		err = g.run(fmt.Sprintf("ALTER ROLE %s LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT %d", g.role, g.got.Connections))
	}
	if err == nil {
		err = g.password()
	}
	return err
}

// strip takes everything back that the role was given in this database. Only members of a role may do that, or superusers.
func (g *grant) strip() error {
	if g.me.super {
		return g.run("DROP OWNED BY " + g.role)
	}
	return g.run("GRANT "+g.role+" TO CURRENT_USER", "DROP OWNED BY "+g.role, "REVOKE "+g.role+" FROM CURRENT_USER")
}

// organization finds the organisation that is meant and binds the role to it. A role stays with its organisation: who
// connects with it expects its rows, and caches them.
func (g *grant) organization(old *stored) error {
	id, err := organizationID(g.tx, g.want.Organization)
	if err != nil {
		return err
	}
	if old != nil {
		if g.want.Organization != "" && id != old.organization.Int64 {
			return fault.New(fault.Conflict, "the role %s reads the organisation %d, not %d", g.want.Name, old.organization.Int64, id).
				Try("Make another role for it, or revoke this one first.")
		}
		id = old.organization.Int64
	}
	g.got.Organization = id
	_, err = g.tx.Exec(g.tx.Statement("INSERT INTO bi.readers (role_name, organization_id) VALUES (?, ?) "+
		"ON CONFLICT (role_name) DO UPDATE SET organization_id = excluded.organization_id", g.want.Name, id))
	return err
}

// organizationID reads an id, or looks up a slug; empty is the default organisation.
func organizationID(tx *sqldb.Tx, text string) (int64, error) {
	if text == "" {
		return defaultOrganization, nil
	}
	if id, err := strconv.ParseInt(text, 10, 64); err == nil && id > 0 {
		return id, nil
	}
	var id int64
	err := tx.Row(tx.Statement("SELECT id FROM api.organizations WHERE slug = ?", text), &id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	var known []string
	err = tx.Query(tx.Statement("SELECT slug FROM api.organizations ORDER BY slug LIMIT 20"), func(r *sql.Rows) error {
		var slug string
		err := r.Scan(&slug)
		known = append(known, slug)
		return err
	})
	if err != nil {
		return 0, err
	}
	say := "there are none with a slug yet"
	if len(known) > 0 {
		say = "known are " + strings.Join(known, ", ")
	}
	return 0, fault.New(fault.NotFound, "no organisation has the slug %q; %s", text, say).
		Try("Give one of these, or the number of the organisation; events without one belong to %d.", defaultOrganization)
}

// password gives the role a password where it needs one.
func (g *grant) password() error {
	password := g.want.Password
	if password == "" {
		if !g.got.Created && !g.want.Rotate {
			return nil
		}
		password = newPassword()
		g.got.Password = password
	}
	v, err := verifier(password)
	if err != nil {
		return err
	}
	return g.run("ALTER ROLE " + g.role + " PASSWORD " + literal(v))
}

// How long a reader's statements may take. A role may change these for itself: they are for comfort, the limit of
// connections is what holds.
const (
	readerLockWait = 5 * time.Second
	readerIdle     = time.Minute
)

// readerPath finds the curated views first.
const readerPath = "bi, metrics, api"

// settings also removes what the role has set for itself.
func (g *grant) settings() error {
	here := "ALTER ROLE " + g.role + " IN DATABASE " + g.me.database
	return g.run("ALTER ROLE "+g.role+" RESET ALL", here+" RESET ALL",
		here+" SET search_path = "+readerPath,
		here+" SET default_transaction_read_only = on",
		here+" SET statement_timeout = "+ms(readTime),
		here+" SET lock_timeout = "+ms(readerLockWait),
		here+" SET idle_in_transaction_session_timeout = "+ms(readerIdle))
}

// rights lets the role read, column by column, the tables that readers may see: no default privileges, so that a new
// table or column is invisible until it is granted.
func (g *grant) rights() error {
	schemas := []string{"bi", "metrics"}
	var grants []string
	for _, t := range g.tables {
		if !t.Tenants {
			continue
		}
		columns := t.Names()
		if t.AutoID {
			columns = append([]string{"id"}, columns...)
		}
		name := schema(t) + "." + t.Name
		grants = append(grants, "GRANT SELECT ("+strings.Join(columns, ", ")+") ON "+name+" TO "+g.role)
		g.got.Objects = append(g.got.Objects, name)
		if t.Operational && !slices.Contains(schemas, "api") {
			schemas = append(schemas, "api")
		}
	}
	grants = append(grants, "GRANT USAGE ON SCHEMA "+strings.Join(schemas, ", ")+" TO "+g.role,
		"GRANT EXECUTE ON FUNCTION bi.organization() TO "+g.role)
	slices.Sort(g.got.Objects)
	return g.run(grants...)
}

// RevokeReader implements sqldb.Readers. Login and rights go first, in a transaction of their own: from then on no session
// of the role reads anything, whenever it ends. A call that was interrupted is completed by the next.
func (Engine) RevokeReader(ctx context.Context, db *sqldb.DB, name string) (bool, error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	var old *stored
	err := db.Write(ctx, func(tx *sqldb.Tx) (err error) {
		old, err = disable(tx, name)
		return err
	})
	if err != nil || old == nil {
		return false, err
	}
	if err := endSessions(ctx, db, name); err != nil {
		return true, err
	}
	if err := old.propertied(name); err != nil {
		return true, err
	}
	err = db.Write(ctx, func(tx *sqldb.Tx) error {
		if err := runAll(tx, "DROP ROLE "+quote(name)); err != nil {
			return err
		}
		return forget(tx, name)
	})
	const stillNeeded = "2BP01"
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == stillNeeded {
		err = fault.New(fault.Conflict, "the role %s lost its rights here and can no longer log in, but has some in another database of the server", name).
			Because(err).Try("Connect there and run: DROP OWNED BY %s; then run this again.", quote(name))
	}
	return true, err
}

// disable takes login and rights from a reader; nil = there is none of that name.
func disable(tx *sqldb.Tx, name string) (*stored, error) {
	me, err := whoami(tx)
	if err != nil {
		return nil, err
	}
	old, err := find(tx, name)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return nil, forget(tx, name)
	}
	if err := old.ours(name); err != nil {
		return nil, err
	}
	stmts := []string{"ALTER ROLE " + quote(name) + " NOLOGIN"}
	if !me.super { // only members of a role may take its rights and end its sessions
		stmts = append(stmts, "GRANT "+quote(name)+" TO CURRENT_USER")
	}
	if old.owned == 0 {
		stmts = append(stmts, "DROP OWNED BY "+quote(name))
	}
	return old, runAll(tx, stmts...)
}

// forget takes a name out of the mapping.
func forget(tx *sqldb.Tx, name string) error {
	_, err := tx.Exec(tx.Statement("DELETE FROM bi.readers WHERE role_name = ?", name))
	return err
}

// endSessions ends the sessions of a role that can no longer log in, and waits until they are gone.
func endSessions(ctx context.Context, db *sqldb.DB, name string) error {
	const patience, pause = 10 * time.Second, 50 * time.Millisecond
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fault.New(fault.Unavailable, "the sessions of %s did not end", name).
		Try("It has no rights any more; run this again to remove it."))
	defer cancel()
	for {
		var ended int
		err := db.Row(ctx, db.Statement("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = ?", name), &ended)
		if err != nil || ended == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// ReaderURI implements sqldb.Readers. The owner's own secrets and files stay out of it.
func (Engine) ReaderURI(uri, role, password string) (string, error) {
	config, given, _, err := parse(uri)
	if err != nil {
		return "", err
	}
	kept := url.Values{}
	for _, name := range []string{"sslmode", "sslrootcert", "target_session_attrs"} {
		if v := given.params[name]; v != "" {
			kept.Set(name, v)
		}
	}
	port := strconv.Itoa(int(config.Port))
	host := net.JoinHostPort(config.Host, port)
	if strings.HasPrefix(config.Host, "/") { // a folder with a socket
		host = ""
		kept.Set("host", config.Host)
		kept.Set("port", port)
	}
	u := url.URL{Scheme: "postgresql+psycopg2", User: url.UserPassword(role, password), Host: host, Path: "/" + config.Database, RawQuery: kept.Encode()}
	return u.String(), nil
}
