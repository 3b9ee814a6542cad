package postgres

import (
	"fmt"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
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
