package rollup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Finding is one difference between what the database says and what follows from its raw rows.
type Finding struct {
	Table string `json:"table"`
	Row   string `json:"row"`   // the key of the row
	Fault string `json:"fault"` // what is wrong with it
}

// Check is one examination with its result.
type Check struct {
	Name     string `json:"name"`
	Compared int64  `json:"compared"` // rows that were compared
	Findings int64  `json:"findings"`
}

// Diagnosis is the doctor's report.
type Diagnosis struct {
	Checks   []Check   `json:"checks"`
	Findings []Finding `json:"findings"`
	Omitted  int64     `json:"findings_omitted,omitempty"` // beyond MaxFindings
}

// MaxFindings is the number of findings that a diagnosis lists.
const MaxFindings = 1000

// Healthy says that nothing was found.
func (d *Diagnosis) Healthy() bool { return len(d.Findings) == 0 }

// doctor collects what one examination finds; it reads only.
type doctor struct {
	tx *sqldb.Tx
	d  *Diagnosis
}

// Examine computes everything derived from the raw rows and compares. It changes nothing and sees one consistent
// state: it holds the write lock while it runs.
func Examine(ctx context.Context, db *sqldb.DB, progress func(check string)) (*Diagnosis, error) {
	d := &Diagnosis{Findings: []Finding{}}
	err := db.Try(ctx, func(tx *sqldb.Tx) error {
		doc := &doctor{tx: tx, d: d}
		for _, a := range metric.Aggregates() {
			if err := doc.check(progress, "metrics_daily: "+a.Name, func(c *Check) error { return doc.daily(c, a) }); err != nil {
				return err
			}
		}
		for _, x := range []struct {
			name string
			f    func(*Check) error
		}{
			{"metrics_daily: unknown types", doc.strangers},
			{"metrics_daily_totals", func(c *Check) error { return doc.coarser(c, metric.Totals()) }},
			{"metrics_monthly", func(c *Check) error { return doc.coarser(c, metric.Monthly()) }},
			{"rollup_dirty", doc.pending},
			{"metrics_summary", doc.summary},
			{"pattern_effectiveness", doc.effectiveness},
			{"import_runs", doc.ledger},
			{"links", doc.links},
			{"database structure", doc.structure},
		} {
			if err := doc.check(progress, x.name, x.f); err != nil {
				return err
			}
		}
		return nil
	})
	return d, err
}

func (doc *doctor) check(progress func(string), name string, f func(*Check) error) error {
	if progress != nil {
		progress(name)
	}
	before := doc.total()
	c := Check{Name: name}
	if err := f(&c); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.Findings = doc.total() - before
	doc.d.Checks = append(doc.d.Checks, c)
	return nil
}

func (doc *doctor) total() int64 { return int64(len(doc.d.Findings)) + doc.d.Omitted }

func (doc *doctor) found(table, row, format string, args ...any) {
	if len(doc.d.Findings) >= MaxFindings {
		doc.d.Omitted++
		return
	}
	doc.d.Findings = append(doc.d.Findings, Finding{table, row, fmt.Sprintf(format, args...)})
}

// daily compares one metric type's rollup rows with the sums of its raw rows.
func (doc *doctor) daily(c *Check, a *metric.Aggregate) error {
	want := map[string]metric.Row{}
	err := doc.rows(doc.rawSQL(a), func(key string, row metric.Row) { want[key] = row })
	if err != nil {
		return err
	}
	numbers := append([]string{"row_count", "occurrences"}, measureColumns(a)...)
	have := doc.tx.Statement("SELECT "+strings.Join(append(metric.Daily().Identity, numbers...), ", ")+
		" FROM metrics_daily WHERE metric_type = ?", a.Name)
	err = doc.rows(have, func(key string, row metric.Row) {
		c.Compared++
		raw, ok := want[key]
		delete(want, key)
		if !ok {
			doc.found("metrics_daily", key, "no raw rows stand behind it")
			return
		}
		for i, name := range numbers {
			if !same(row[i], raw[i]) {
				doc.found("metrics_daily", key, "%s is %v; the raw rows give %v", name, row[i], raw[i])
			}
		}
	})
	for key := range want {
		c.Compared++
		doc.found("metrics_daily", key, "is missing")
	}
	return err
}

func measureColumns(a *metric.Aggregate) []string {
	var names []string
	for _, m := range a.Measures {
		names = append(names, m.Name+"_sum", m.Name+"_count")
	}
	return names
}

// rawSQL groups the raw rows as the rollup does: the key's columns first, then the numbers.
func (doc *doctor) rawSQL(a *metric.Aggregate) *sqldb.Statement {
	exprs := map[string]string{}
	for _, d := range a.Dimensions {
		col := a.Table.Columns[d.Source].Name
		exprs[d.Name] = "COALESCE(" + col + ", '')"
		if d.Bool {
			exprs[d.Name] = fmt.Sprintf("CASE WHEN %s THEN '%s' ELSE '%s' END", col, metric.Success, metric.Failure)
		}
	}
	key := []string{"organization_id", "'" + a.Name + "'", doc.tx.Grammar().Day("timestamp"), "repository"}
	group := []string{"organization_id", doc.tx.Grammar().Day("timestamp"), "repository"}
	for _, name := range metric.Daily().Identity[posDims:] {
		if e, ok := exprs[name]; ok {
			key, group = append(key, e), append(group, e)
		} else {
			key = append(key, "''")
		}
	}
	count := "COUNT(*)"
	if a.Count >= 0 {
		count = "SUM(count)"
	}
	cols := append(key, "COUNT(*)", count)
	for _, m := range a.Measures {
		cols = append(cols, "COALESCE(SUM(1.0 * "+m.Name+"), 0.0)", "COUNT("+m.Name+")")
	}
	return doc.tx.Statement("SELECT " + strings.Join(cols, ", ") + " FROM " + a.Table.Name + " GROUP BY " + strings.Join(group, ", "))
}

// rows reads a statement whose first columns are the key of metrics_daily and whose others are numbers.
func (doc *doctor) rows(s *sqldb.Statement, f func(key string, numbers metric.Row)) error {
	n := metric.DailyKey()
	return doc.tx.Query(s, func(r *sql.Rows) error {
		cols, err := r.Columns()
		if err != nil {
			return err
		}
		key, nums := make([]string, n), make([]float64, len(cols)-n)
		dest := make([]any, len(cols))
		var day sqldb.Date
		for i := range dest {
			switch {
			case i == posDay:
				dest[i] = &day
			case i < n:
				dest[i] = &key[i]
			default:
				dest[i] = &nums[i-n]
			}
		}
		if err := r.Scan(dest...); err != nil {
			return err
		}
		key[posDay] = string(day)
		row := make(metric.Row, len(nums))
		for i := range nums {
			row[i] = nums[i]
		}
		f(strings.Join(key, " | "), row)
		return nil
	})
}

// same compares numbers; sums of fractions may differ in the order they were added.
func same(a, b any) bool {
	x, okX := a.(float64)
	y, okY := b.(float64)
	if !okX || !okY {
		return a == b
	}
	return x == y || math.Abs(x-y) <= 1e-9*math.Max(math.Abs(x), math.Abs(y))
}

func (doc *doctor) strangers(c *Check) error {
	known := map[string]bool{}
	for _, a := range metric.Aggregates() {
		known[a.Name] = true
	}
	return doc.tx.Query(doc.tx.Statement("SELECT DISTINCT metric_type FROM metrics_daily"), func(r *sql.Rows) error {
		var name string
		if err := r.Scan(&name); err != nil {
			return err
		}
		c.Compared++
		if !known[name] {
			doc.found("metrics_daily", name, "is no metric type")
		}
		return nil
	})
}

// pending reports days whose summaries were never computed: an import was killed, and none has run since.
func (doc *doctor) pending(c *Check) error {
	s := doc.tx.Statement("SELECT metric_type, day FROM rollup_dirty ORDER BY metric_type, day")
	return doc.tx.Query(s, func(r *sql.Rows) error {
		var name string
		var day sqldb.Date
		if err := r.Scan(&name, &day); err != nil {
			return err
		}
		c.Compared++
		doc.found("rollup_dirty", name+" | "+string(day), "its summaries wait to be computed; any import does that")
		return nil
	})
}

// The days between which all data lies.
var (
	beginning = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	end       = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

func (doc *doctor) organizations() ([]int64, error) {
	var orgs []int64
	err := doc.tx.Query(doc.tx.Statement("SELECT DISTINCT organization_id FROM metrics_daily ORDER BY organization_id"), func(r *sql.Rows) error {
		var org int64
		err := r.Scan(&org)
		orgs = append(orgs, org)
		return err
	})
	return orgs, err
}

func (doc *doctor) summary(c *Check) error {
	return doc.derived(c, metric.Summary(), func(org int64) ([]metric.Row, error) {
		var rows []metric.Row
		for _, cat := range metric.Catalogue() {
			h, err := readHistory(doc.tx, org, cat.Name, beginning, end)
			if err != nil {
				return nil, err
			}
			for _, p := range h.periods() {
				rows = append(rows, p.row(org, cat.Name))
			}
		}
		return rows, nil
	})
}

// coarser compares the sums of metrics_daily.
func (doc *doctor) coarser(c *Check, t *metric.Table) error {
	return doc.derived(c, t, func(org int64) ([]metric.Row, error) {
		sums := newCoarser(t)
		err := doc.stored(metric.Daily(), func(row metric.Row) {
			if row[posOrg] == org {
				sums.add(row)
			}
		})
		return sums.rows, err
	})
}

func (doc *doctor) effectiveness(c *Check) error {
	return doc.derived(c, metric.Effectiveness(), func(org int64) ([]metric.Row, error) {
		var rows []metric.Row
		for _, cat := range metric.Catalogue() {
			if cat.Links == nil {
				continue
			}
			more, err := effectiveness(doc.tx, org, cat.Links.Name, beginning, end)
			if err != nil {
				return nil, err
			}
			rows = append(rows, more...)
		}
		return rows, nil
	})
}

// derived compares a whole derived table with what is computed for it.
func (doc *doctor) derived(c *Check, t *metric.Table, compute func(org int64) ([]metric.Row, error)) error {
	orgs, err := doc.organizations()
	if err != nil {
		return err
	}
	want := map[string]metric.Row{}
	for _, org := range orgs {
		rows, err := compute(org)
		if err != nil {
			return err
		}
		for _, row := range rows {
			want[rowKey(t, row)] = row
		}
	}
	err = doc.stored(t, func(row metric.Row) {
		c.Compared++
		key := rowKey(t, row)
		w, ok := want[key]
		delete(want, key)
		if !ok {
			doc.found(t.Name, key, "nothing stands behind it")
			return
		}
		for i := range t.Columns {
			if !sameCell(row[i], w[i]) {
				doc.found(t.Name, key, "%s is %v; it should be %v", t.Columns[i].Name, row[i], w[i])
			}
		}
	})
	for key := range want {
		c.Compared++
		doc.found(t.Name, key, "is missing")
	}
	return err
}

func sameCell(a, b any) bool {
	if t, ok := a.(time.Time); ok {
		u, ok := b.(time.Time)
		return ok && t.Equal(u)
	}
	return same(a, b)
}

func rowKey(t *metric.Table, row metric.Row) string {
	parts := make([]string, len(t.Identity))
	for i, name := range t.Identity {
		v := row[t.Position(name)]
		if d, ok := v.(time.Time); ok {
			v = d.Format(sqldb.DateLayout)
		}
		parts[i] = fmt.Sprint(v)
	}
	return strings.Join(parts, " | ")
}

// stored reads a table as rows of the catalogue's types.
func (doc *doctor) stored(t *metric.Table, f func(metric.Row)) error {
	s := doc.tx.Statement("SELECT " + strings.Join(t.Names(), ", ") + " FROM " + t.Name)
	types := t.Types()
	return doc.tx.Query(s, func(r *sql.Rows) error {
		row, err := sqldb.ScanRow(r, types)
		if err == nil {
			f(row)
		}
		return err
	})
}

// structure lets the engine examine its own files, where it can.
func (doc *doctor) structure(c *Check) error {
	self, ok := doc.tx.Grammar().(sqldb.SelfCheck)
	if !ok {
		return nil
	}
	return doc.tx.Query(doc.tx.Statement(self.SelfCheck()), func(r *sql.Rows) error {
		var line string
		if err := r.Scan(&line); err != nil {
			return err
		}
		c.Compared++
		if line != "ok" {
			doc.found("database", "", "%s", line)
		}
		return nil
	})
}

// ledger checks that every import accounts for every record, and keeps every reject.
func (doc *doctor) ledger(c *Check) error {
	s := doc.tx.Statement(`SELECT r.id, r.file, r.read_count, r.inserted_count, r.duplicate_count, r.rejected_count,
  (SELECT COUNT(*) FROM import_rejects j WHERE j.import_run_id = r.id) FROM import_runs r`)
	return doc.tx.Query(s, func(r *sql.Rows) error {
		var id, read, inserted, duplicate, rejected, kept int64
		var file string
		if err := r.Scan(&id, &file, &read, &inserted, &duplicate, &rejected, &kept); err != nil {
			return err
		}
		c.Compared++
		key := fmt.Sprintf("%d | %s", id, file)
		if read != inserted+duplicate+rejected {
			doc.found("import_runs", key, "read %d, but %d inserted + %d duplicate + %d rejected", read, inserted, duplicate, rejected)
		}
		if kept != rejected {
			doc.found("import_runs", key, "%d rejected, but %d kept in import_rejects", rejected, kept)
		}
		return nil
	})
}

// links checks that the rows of link tables belong to events, and that events have theirs.
func (doc *doctor) links(c *Check) error {
	for _, cat := range metric.Catalogue() {
		if cat.Links == nil {
			continue
		}
		var n, orphans, bare sql.NullInt64
		same := "e.event_key = l.event_key AND e.repository = l.repository AND e.timestamp = l.timestamp"
		err := errors.Join(
			doc.tx.Row(doc.tx.Statement("SELECT COUNT(*) FROM "+cat.Links.Table), &n),
			doc.tx.Row(doc.tx.Statement("SELECT COUNT(*) FROM "+cat.Links.Table+" l WHERE NOT EXISTS (SELECT 1 FROM "+cat.Table+" e WHERE "+same+")"), &orphans),
			doc.tx.Row(doc.tx.Statement("SELECT COUNT(*) FROM "+cat.Table+" e WHERE CAST(e."+cat.Links.Column+" AS TEXT) NOT IN ('', '[]') AND NOT EXISTS (SELECT 1 FROM "+
				cat.Links.Table+" l WHERE "+same+")"), &bare))
		if err != nil {
			return err
		}
		c.Compared += n.Int64
		if orphans.Int64 > 0 {
			doc.found(cat.Links.Table, "", "%d rows belong to no row of %s", orphans.Int64, cat.Table)
		}
		if bare.Int64 > 0 {
			doc.found(cat.Links.Table, "", "%d rows of %s have no link", bare.Int64, cat.Table)
		}
	}
	return nil
}
