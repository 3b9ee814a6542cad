package postgres

import "github.com/feedback-loop/feedback-loop/internal/metric"

// The wall between organisations stands in the database itself, because a reader's SQL is arbitrary: a setting of the
// session, which is how row security is often keyed, is under the reader's own hand. What he cannot change is the role
// that he logged in as.
//
// The schema bi holds what belongs to readers. The two that hold our tables are listed by UserTables, and bi is not: it
// holds no data.

// walls gives the statements that make what the policies of tables need. The function runs as its owner, because
// readers must not see the mapping; nothing in it can be redirected: its search path is fixed.
func walls() []string {
	return []string{
		"CREATE SCHEMA IF NOT EXISTS bi",
		"REVOKE ALL ON SCHEMA bi FROM PUBLIC",
		"CREATE TABLE IF NOT EXISTS bi.readers (role_name NAME PRIMARY KEY, organization_id BIGINT NOT NULL)",
		"REVOKE ALL ON TABLE bi.readers FROM PUBLIC",
		`CREATE OR REPLACE FUNCTION bi.organization() RETURNS BIGINT
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'SELECT organization_id FROM bi.readers WHERE role_name = session_user'`,
		"REVOKE ALL ON FUNCTION bi.organization() FROM PUBLIC",
	}
}

// ownRows is the condition by which readers see rows. As a subquery the function is called once per statement.
const ownRows = "organization_id = (SELECT bi.organization())"

// wall gives the statements that close a table of several organisations. Row security is forced, so that the owner has a
// policy too; it costs nothing, as "true OR .." is folded before planning.
//
// Parts of a table get neither policies nor grants: rows that are reached through the table are under its policies and
// grants alone, and without a grant nobody but the owner reaches a part by its own name.
func wall(t *metric.Table) []string {
	if !t.Tenants {
		return nil
	}
	name := schema(t) + "." + t.Name
	return []string{
		"ALTER TABLE " + name + " ENABLE ROW LEVEL SECURITY",
		"ALTER TABLE " + name + " FORCE ROW LEVEL SECURITY",
		"CREATE POLICY owner ON " + name + " TO CURRENT_USER USING (true) WITH CHECK (true)",
		"CREATE POLICY readers ON " + name + " FOR SELECT TO PUBLIC USING (" + ownRows + ")",
	}
}
