package postgres

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// view is a curated view in the schema bi.
type view struct{ name, options, query string }

// viewMark begins the comment on a view of ours; a digest of its definition follows.
const viewMark = "feedback-loop view "

// mark is the comment on the view, by which a changed definition is noticed.
func (v view) mark() string {
	sum := sha256.Sum256([]byte(v.options + v.query))
	return viewMark + hex.EncodeToString(sum[:8])
}

// viewsCheckInvoker is the version of the server from which views can do that.
const viewsCheckInvoker = 150000

// views makes the curated views, and lets the role read them. They are owned by the owner of the tables.
func (g *grant) views() error {
	all := filtered()
	switch query := detections(g.tables); {
	case query == "":
	case g.me.version >= viewsCheckInvoker:
		// Rights and policies of whoever asks count, not those of the view's owner.
		all = append(all, view{"combined_detections_view", "security_invoker, security_barrier", query})
	default:
		g.got.Notes = append(g.got.Notes, "views that check the reader's own rights need PostgreSQL 15: combined_detections_view was left out, its tables are granted")
	}
	for _, v := range all {
		if err := g.view(v); err != nil {
			return err
		}
		if err := g.run("GRANT SELECT ON bi." + v.name + " TO " + g.role); err != nil {
			return err
		}
		g.got.Objects = append(g.got.Objects, "bi."+v.name)
	}
	return nil
}

// detections is what was found by whatever means, one row an event.
func detections(tables []*metric.Table) string {
	var parts []string
	for _, name := range []string{"metrics_bugs", "metrics_test_failures", "metrics_code_reviews"} {
		i := slices.IndexFunc(tables, func(t *metric.Table) bool { return t.Name == name })
		if i < 0 {
			return ""
		}
		t := tables[i]
		pattern, severity, count := "NULL::text", "NULL::text", "1::bigint"
		for _, c := range t.Columns {
			switch {
			case c.Dimension() == "pattern":
				pattern = c.Name + "::text"
			case c.Name == "severity":
				severity = c.Name + "::text"
			case c.Name == "count":
				count = c.Name
			}
		}
		parts = append(parts, fmt.Sprintf("SELECT organization_id, repository, timestamp, %s AS day, %s AS source_table, "+
			"%s AS pattern, %s AS severity, %s AS occurrences FROM metrics.%s",
			grammar{}.Day("timestamp"), literal(t.Name)+"::text", pattern, severity, count, t.Name))
	}
	return strings.Join(parts, "\nUNION ALL\n")
}

// filtered gives a view over each materialized view, which holds all organisations' rows. Row security does not reach
// materialized views, so no reader gets a grant on one: the view reads it with the rights of its owner and filters by
// itself.
func filtered() (all []view) {
	for _, v := range summaryViews() {
		all = append(all, view{v.name, "security_barrier", "SELECT * FROM metrics." + v.name + " WHERE " + ownRows})
	}
	return all
}

// view makes a view unless it is there as it should be. One that has changed is made anew, for all who could read it.
func (g *grant) view(v view) error {
	comment, holders, err := g.viewNow(v.name)
	if err != nil || comment == v.mark() {
		return err
	}
	name := "bi." + v.name
	stmts := []string{
		"DROP VIEW IF EXISTS " + name,
		"CREATE VIEW " + name + " WITH (" + v.options + ") AS " + v.query,
		"COMMENT ON VIEW " + name + " IS " + literal(v.mark()),
	}
	if g.me.name != g.me.owner {
		stmts = append(stmts, "ALTER VIEW "+name+" OWNER TO "+quote(g.me.owner))
	}
	for _, h := range holders {
		stmts = append(stmts, "GRANT SELECT ON "+name+" TO "+quote(h))
	}
	return g.run(stmts...)
}

// viewNow gives the comment on the view, empty when there is none, and the readers who may read it.
func (g *grant) viewNow(name string) (comment string, holders []string, err error) {
	err = g.tx.Row(g.tx.Statement(`SELECT coalesce(obj_description(c.oid, 'pg_class'), '') FROM pg_class c
WHERE c.relnamespace = 'bi'::regnamespace AND c.relname = ?`, name), &comment)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, nil
	}
	if err == nil && !strings.HasPrefix(comment, viewMark) {
		err = fault.New(fault.Conflict, "bi.%s is there and was not made by this program", name).Try("Rename it; nothing was changed.")
	}
	if err != nil {
		return "", nil, err
	}
	err = g.tx.Query(g.tx.Statement(`SELECT r.role_name FROM pg_class c, aclexplode(c.relacl) a, pg_roles p, bi.readers r
WHERE c.relnamespace = 'bi'::regnamespace AND c.relname = ? AND p.oid = a.grantee AND r.role_name = p.rolname`, name), func(r *sql.Rows) error {
		var h string
		err := r.Scan(&h)
		holders = append(holders, h)
		return err
	})
	return comment, holders, err
}
