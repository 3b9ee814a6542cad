package postgres

import (
	"database/sql"
	"slices"
	"strings"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// dangerous are functions that every role may call and no reader needs: large objects are writes that read-only does not
// stop, advisory locks can hold up whoever writes, logical messages fill the log.
const dangerous = `^(lo_.*|lowrite|loread|pg_advisory_.*|pg_try_advisory_.*|pg_logical_emit_message)$`

// doors takes back what every role has in a new database, as far as the connected role may. Whatever stays open is reported.
func (g *grant) doors() error {
	for _, door := range []func() error{g.database, g.schemas, g.functions} {
		if err := door(); err != nil {
			return err
		}
	}
	return nil
}

// shut runs the statements, or reports them where that is up to somebody else.
func (g *grant) shut(may bool, what, who string, stmts ...string) error {
	if may {
		return g.run(stmts...)
	}
	g.got.Open = append(g.got.Open, sqldb.Opening{What: what, Who: who, Statement: strings.Join(stmts, "; ")})
	return nil
}

// database: others can no longer connect unless they were granted that by name, and nobody makes temporary tables, which
// read-only transactions allow, and functions in their schema.
func (g *grant) database() error {
	var public, connects bool
	err := g.tx.Row(g.tx.Statement(`SELECT EXISTS (SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) WHERE grantee = 0),
  has_database_privilege(?, d.oid, 'CONNECT') FROM pg_database d WHERE d.datname = current_database()`, g.want.Name), &public, &connects)
	if err != nil {
		return err
	}
	stmts := []string{"GRANT CONNECT ON DATABASE " + g.me.database + " TO " + g.role}
	what := "it may not connect to the database"
	if connects {
		what = "it makes temporary objects, and every role of the server connects to the database"
	}
	if public {
		stmts = append(stmts, "REVOKE ALL ON DATABASE "+g.me.database+" FROM PUBLIC")
		if g.me.owner != g.me.databaseOwner { // it has connected like everybody so far
			stmts = append(stmts, "GRANT CONNECT, TEMPORARY ON DATABASE "+g.me.database+" TO "+quote(g.me.owner))
		}
	}
	if !public && connects && !g.me.ownsDatabase {
		return nil
	}
	return g.shut(g.me.ownsDatabase, what, g.me.databaseOwner, stmts...)
}

// pair is two columns of text.
type pair struct{ first, second string }

func (g *grant) pairs(stmt *sqldb.Statement) (all []pair, err error) {
	err = g.tx.Query(stmt, func(r *sql.Rows) error {
		var p pair
		err := r.Scan(&p.first, &p.second)
		all = append(all, p)
		return err
	})
	return all, err
}

// schemas: before version 15 everybody could create in the public one.
func (g *grant) schemas() error {
	open, err := g.pairs(g.tx.Statement(`SELECT quote_ident(nspname), CASE WHEN pg_has_role(nspowner, 'USAGE') THEN '' ELSE pg_get_userbyid(nspowner) END
FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND has_schema_privilege(?, oid, 'CREATE') ORDER BY 1`, g.want.Name))
	if err != nil {
		return err
	}
	for _, s := range open {
		if err := g.shut(s.second == "", "it creates objects in the schema "+s.first, s.second, "REVOKE CREATE ON SCHEMA "+s.first+" FROM PUBLIC"); err != nil {
			return err
		}
	}
	return nil
}

// functions: the owners keep what they need themselves.
func (g *grant) functions() error {
	var open bool
	err := g.tx.Row(g.tx.Statement(`SELECT EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ ?
  AND has_function_privilege('public', oid, 'EXECUTE'))`, dangerous), &open)
	if err != nil || !open {
		return err
	}
	owners := quote(g.me.owner)
	if g.me.databaseOwner != g.me.owner {
		owners += ", " + quote(g.me.databaseOwner)
	}
	return g.shut(g.me.super, "it makes large objects, takes advisory locks that hold up imports, and writes messages into the log", "a superuser",
		`DO $$ DECLARE f regprocedure; BEGIN
  FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    AND proname ~ `+literal(dangerous)+` AND has_function_privilege('public', oid, 'EXECUTE') LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO `+strings.ReplaceAll(owners, "'", "''")+`', f);
  END LOOP;
END $$`)
}

// beyond reports what the role can reach although it was not granted here: what others have granted to every role. They
// use it, so it is for people to decide.
func (g *grant) beyond() error {
	tables, err := g.pairs(g.tx.Statement(`SELECT format('%I.%I', n.nspname, c.relname), pg_get_userbyid(c.relowner)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%' AND has_schema_privilege(?, n.oid, 'USAGE')
  AND (has_any_column_privilege(?, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES') OR has_table_privilege(?, c.oid, 'DELETE, TRUNCATE, TRIGGER'))
ORDER BY 1`, g.want.Name, g.want.Name, g.want.Name))
	if err != nil {
		return err
	}
	for _, t := range tables {
		if slices.Contains(g.got.Objects, t.first) {
			continue
		}
		g.got.Open = append(g.got.Open, sqldb.Opening{What: "it reaches " + t.first + ", which is open to every role", Who: t.second,
			Statement: "REVOKE ALL ON " + t.first + " FROM PUBLIC"})
	}
	functions, err := g.pairs(g.tx.Statement(`SELECT string_agg(format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), ', '
    ORDER BY p.proname, p.oid), pg_get_userbyid(p.proowner)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%' AND has_schema_privilege(?, n.oid, 'USAGE') AND has_function_privilege(?, p.oid, 'EXECUTE')
  AND (p.prosecdef OR p.probin = '$libdir/dblink') AND p.oid <> 'bi.organization()'::regprocedure GROUP BY p.proowner ORDER BY 2`, g.want.Name, g.want.Name))
	for _, f := range functions {
		g.got.Open = append(g.got.Open, sqldb.Opening{What: "it calls functions that act with the rights of another, or connect elsewhere",
			Who: f.second, Statement: "REVOKE EXECUTE ON FUNCTION " + f.first + " FROM PUBLIC"})
	}
	return err
}
