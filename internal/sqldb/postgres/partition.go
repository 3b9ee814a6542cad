package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Tables that grow without end are kept in parts by month. What is dated outside of these years shares one part at each
// end: a file with wrong dates must not leave thousands of parts behind.
const firstYear, lastYear = 2015, 2049

// part is one part of a table: the rows from a time up to before another, as PostgreSQL writes bounds.
type part struct{ name, from, to string }

// partOf gives the part that a time belongs to.
func partOf(t *metric.Table, at time.Time) part {
	switch at = at.UTC(); {
	case at.Year() < firstYear:
		return part{fmt.Sprintf("%s_before_y%d", t.Name, firstYear), "MINVALUE", bound(time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC))}
	case at.Year() > lastYear:
		return part{fmt.Sprintf("%s_from_y%d", t.Name, lastYear+1), bound(time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC)), "MAXVALUE"}
	}
	month := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	return part{fmt.Sprintf("%s_y%04dm%02d", t.Name, at.Year(), at.Month()), bound(month), bound(month.AddDate(0, 1, 0))}
}

func bound(t time.Time) string { return "'" + t.Format("2006-01-02") + " 00:00:00+00'" }

// create makes the part. It is attached when it is whole: CREATE TABLE .. PARTITION OF would lock out those who read.
func (p part) create(t *metric.Table) string {
	return fmt.Sprintf("CREATE TABLE metrics.%s (LIKE metrics.%s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE); "+
		"ALTER TABLE metrics.%s ATTACH PARTITION metrics.%s FOR VALUES FROM (%s) TO (%s)", p.name, t.Name, t.Name, p.name, p.from, p.to)
}

// outerParts gives the statements for the parts at both ends.
func outerParts(t *metric.Table) []string {
	early, late := time.Date(firstYear-1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC)
	return []string{partOf(t, early).create(t), partOf(t, late).create(t)}
}

var _ sqldb.Partitioned = grammar{}

// Parts implements sqldb.Partitioned. What a part holds follows from its name: its bounds are shown in the time zone of
// whoever asks.
func (grammar) Parts(ctx context.Context, db *sqldb.DB) ([]sqldb.Part, error) {
	var all []sqldb.Part
	err := db.Query(ctx, db.Statement(`SELECT p.relname, c.relname, CAST(c.reltuples AS BIGINT), pg_total_relation_size(c.oid)
FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid
JOIN pg_namespace n ON n.oid = p.relnamespace
WHERE n.nspname = 'metrics' AND p.relkind = 'p'`), func(r *sql.Rows) error {
		var p sqldb.Part
		err := r.Scan(&p.Table, &p.Name, &p.Rows, &p.Bytes)
		p.From, p.To = bounds(strings.TrimPrefix(p.Name, p.Table))
		all = append(all, p)
		return err
	})
	slices.SortFunc(all, func(a, b sqldb.Part) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), a.From.Compare(b.From))
	})
	return all, err
}

// bounds reads the end of a part's name; both times are zero if it is none of ours.
func bounds(tail string) (from, to time.Time) {
	var year, month int
	switch {
	case tail == fmt.Sprintf("_before_y%d", firstYear):
		return from, time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
	case tail == fmt.Sprintf("_from_y%d", lastYear+1):
		return time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC), to
	}
	if n, err := fmt.Sscanf(tail, "_y%04dm%02d", &year, &month); n == 2 && err == nil {
		from = time.Date(year, time.Month(month), 1, 0, 0, 0, 0, time.UTC)
		to = from.AddDate(0, 1, 0)
	}
	return from, to
}

// MakePart implements sqldb.Partitioned.
func (grammar) MakePart(tx *sqldb.Tx, t *metric.Table, at time.Time) (bool, error) {
	p := partOf(t, at)
	var there bool
	if err := tx.Row(tx.Statement("SELECT to_regclass(?) IS NOT NULL", "metrics."+p.name), &there); err != nil || there {
		return false, err
	}
	_, err := tx.Exec(tx.Statement(p.create(t)))
	return err == nil, err
}

// RemovePart implements sqldb.Partitioned.
func (grammar) RemovePart(tx *sqldb.Tx, p sqldb.Part, keep bool) error {
	name := "metrics." + pgx.Identifier{p.Name}.Sanitize()
	stmt := "ALTER TABLE metrics." + pgx.Identifier{p.Table}.Sanitize() + " DETACH PARTITION " + name
	if !keep {
		stmt += "; DROP TABLE " + name
	}
	_, err := tx.Exec(tx.Statement(stmt))
	return err
}
