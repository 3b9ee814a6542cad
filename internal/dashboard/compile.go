package dashboard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Query is what is asked of a chart. Nothing in it changes the text of the SQL beyond which conditions it has.
type Query struct {
	Organization int64
	Window       Window
	Repository   *string // nil = all; empty = unknown
	Grain        sqldb.Grain
	Raw          bool // read the event tables even where the rollup would do
}

// otherName is the value that stands for all those beyond the limit of a chart.
const otherName = "Other"

// Rollup says whether metrics_daily holds all that the chart needs.
func (x *Chart) Rollup() bool {
	for _, name := range x.dimensions() {
		for _, s := range x.sources {
			if !s.folded(name) {
				return false
			}
		}
	}
	return true
}

// Tables names the tables that the query reads.
func (x *Chart) Tables(q Query) string {
	var names []string
	for _, s := range x.sources {
		for _, p := range x.spans(q) {
			if t := s.table(p.kept); !slices.Contains(names, t) {
				names = append(names, t)
			}
		}
	}
	return strings.Join(names, ", ")
}

// ranked is the dimension that the limit counts: the series of a line chart, else the category.
func (x *Chart) ranked() string {
	if x.Kind == Line {
		return x.Series
	}
	return x.Category
}

// Ranked says whether the rows of the answer end with a rank, which exceeds the limit for the sum of the others.
func (x *Chart) Ranked() bool { return x.Limit > 0 || x.Category != "" && x.Series != "" }

// Statement compiles the chart. The columns of the answer are those of Columns, then the rank if the chart is Ranked.
func (x *Chart) Statement(g sqldb.Grammar, q Query) *sqldb.Statement {
	c := compiler{x: x, s: sqldb.NewStatement(g, ""), g: g, q: q}
	if x.Ranked() {
		c.ranked()
	} else {
		c.plain()
	}
	return c.s
}

// Span compiles the question for the first and the last day of the chart's rows in the rollup; it decides the grain of
// windows without bounds.
func (x *Chart) Span(g sqldb.Grammar, q Query) *sqldb.Statement {
	s := sqldb.NewStatement(g, "SELECT MIN(a), MAX(b) FROM (")
	for i, src := range x.sources {
		if i > 0 {
			s.Add(" UNION ALL ")
		}
		// One column a statement: engines answer MIN or MAX alone from the end of the key.
		s.Add("SELECT (SELECT MIN(day) FROM metrics_daily WHERE organization_id = ? AND metric_type = ?) AS a, "+
			"(SELECT MAX(day) FROM metrics_daily WHERE organization_id = ? AND metric_type = ?) AS b",
			q.Organization, src.Name, q.Organization, src.Name)
	}
	return s.Add(") e")
}

// compiler writes one statement. Inside it the columns are called t (time), c (category), s (series), n (rank) and
// p1, p2, ... (additive parts of the measures).
type compiler struct {
	x *Chart
	s *sqldb.Statement
	g sqldb.Grammar
	q Query
}

// keys lists the grouping columns.
func (c *compiler) keys() []string {
	var keys []string
	if c.x.Time != "" {
		keys = append(keys, "t")
	}
	if c.x.Category != "" {
		keys = append(keys, "c")
	}
	if c.x.Series != "" {
		keys = append(keys, "s")
	}
	return keys
}

// values lists the expressions of the measures over summed parts.
func (c *compiler) values() []string {
	var values []string
	first := 1
	for i := range c.x.Measures {
		values = append(values, c.x.Measures[i].value(first))
		first += c.x.Measures[i].width()
	}
	return values
}

func (c *compiler) parts() []string {
	n := 0
	for i := range c.x.Measures {
		n += c.x.Measures[i].width()
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("p%d", i+1)
	}
	return names
}

func join(lists ...[]string) string {
	var all []string
	for _, l := range lists {
		all = append(all, l...)
	}
	return strings.Join(all, ", ")
}

func (c *compiler) plain() {
	keys := c.keys()
	c.s.Add("SELECT " + join(keys, c.values()) + " FROM (")
	c.events()
	c.s.Add(") e")
	if len(keys) == 0 {
		return
	}
	c.s.Add(" GROUP BY " + join(keys) + " ORDER BY ")
	if c.x.Category == "" {
		c.s.Add(join(keys))
		return
	}
	c.order("c")
}

// ranked sums up the parts once, ranks the values of one dimension by them, and puts together what stays and what
// is folded into one.
func (c *compiler) ranked() {
	keys, parts, r := c.keys(), c.parts(), "c"
	if c.x.Kind == Line {
		r = "s"
	}
	sums := make([]string, len(parts))
	for i, p := range parts {
		sums[i] = "SUM(" + p + ") AS " + p
	}
	c.s.Add("WITH parts AS (SELECT " + join(keys, sums) + " FROM (")
	c.events()
	c.s.Add(") e GROUP BY " + join(keys) + "), ranks AS (SELECT " + r + " AS r, ROW_NUMBER() OVER (ORDER BY ")
	c.order(r)
	c.s.Add(") AS n FROM parts GROUP BY " + r + ") SELECT " + join(keys, c.values(), []string{"n"}) + " FROM (SELECT ")
	c.s.Add(join(c.folded(keys, r), parts, []string{c.rank()}) + " FROM parts JOIN ranks ON parts." + r + " = ranks.r")
	if c.x.Limit > 0 && !c.x.Other {
		c.s.Add(fmt.Sprintf(" WHERE ranks.n <= %d", c.x.Limit))
	}
	c.s.Add(") f GROUP BY " + join(keys, []string{"n"}) + " ORDER BY " + c.rankedOrder())
}

func (c *compiler) rankedOrder() string {
	if c.x.Time != "" {
		return "t, n"
	}
	if c.x.Series != "" {
		return "n, s"
	}
	return "n"
}

// folded gives the grouping columns with the ranked one replaced beyond the limit.
func (c *compiler) folded(keys []string, r string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = "parts." + k + " AS " + k
		if k == r && c.x.Other {
			out[i] = fmt.Sprintf("CASE WHEN ranks.n <= %d THEN parts.%s ELSE '%s' END AS %s", c.x.Limit, k, otherName, k)
		}
	}
	return out
}

func (c *compiler) rank() string {
	if c.x.Other {
		return fmt.Sprintf("CASE WHEN ranks.n <= %d THEN ranks.n ELSE %d END AS n", c.x.Limit, c.x.Limit+1)
	}
	return "ranks.n AS n"
}

// order sorts by the declared order, then by the first measure, then by name. NULL sorts differently on each
// engine, so it is put last.
func (c *compiler) order(column string) {
	if n := len(c.x.Order); n > 0 && column == "c" {
		c.s.Add("CASE c")
		for i, v := range c.x.Order {
			c.s.Add(fmt.Sprintf(" WHEN ? THEN %d", i), v)
		}
		c.s.Add(fmt.Sprintf(" ELSE %d END, ", n))
	}
	v := c.values()[0]
	if !c.x.Measures[0].counts() {
		c.s.Add("CASE WHEN " + v + " IS NULL THEN 1 ELSE 0 END, ")
	}
	c.s.Add(v + " DESC, " + column)
}

// events writes the rows of every source, with the columns that are grouped and summed.
func (c *compiler) events() {
	union := ""
	for _, src := range c.x.sources {
		for _, p := range c.x.spans(c.q) {
			c.s.Add(union)
			c.source(src, p)
			union = " UNION ALL "
		}
	}
}

func (c *compiler) source(src source, p span) {
	c.s.Add("SELECT ")
	comma := ""
	column := func(e expr, as string) {
		c.s.Add(comma+e.sql+" AS "+as, e.args...)
		comma = ", "
	}
	raw := p.kept == rawRows
	if c.x.Time != "" {
		column(expr{sql: c.bucket(src, p)}, "t")
	}
	if c.x.Category != "" {
		column(src.dimension(c.x.Category, raw), "c")
	}
	if c.x.Series != "" {
		column(src.dimension(c.x.Series, raw), "s")
	}
	n := 0
	for i := range c.x.Measures {
		for _, part := range c.x.Measures[i].parts(src, raw) {
			n++
			column(part, fmt.Sprintf("p%d", n))
		}
	}
	c.s.Add(" FROM " + src.table(p.kept))
	c.where(src, p)
}

func (c *compiler) bucket(src source, p span) string {
	at := src.time(p.kept)
	switch p.kept {
	case rawRows:
		return c.g.Bucket(c.q.Grain, c.g.Day(at))
	case byDay, dayTotals:
		return c.g.Bucket(c.q.Grain, at)
	default:
		return at
	}
}

// where limits the rows to the organisation, the span, the repository and the chart's own filters. In the rollups the
// conditions follow the key.
func (c *compiler) where(src source, p span) {
	c.s.Add(" WHERE organization_id = ?", c.q.Organization)
	if p.kept != rawRows {
		c.s.Add(" AND metric_type = ?", src.Name)
	}
	if at := src.time(p.kept); !p.Bounded() {
		// everything
	} else if p.kept == rawRows {
		c.s.Add(" AND "+at+" >= ? AND "+at+" < ?", p.From, p.To.AddDate(0, 0, 1))
	} else {
		c.s.Add(" AND "+at+" >= ? AND "+at+" <= ?", p.From.Format(sqldb.DateLayout), p.To.Format(sqldb.DateLayout))
	}
	if c.q.Repository != nil {
		c.s.Add(" AND repository = ?", *c.q.Repository)
	}
	for _, f := range c.x.Filters {
		c.filter(src, f, p.kept == rawRows)
	}
}

func (c *compiler) filter(src source, f Filter, raw bool) {
	op, values := " IN (", f.Is
	if len(f.Not) > 0 {
		op, values = " NOT IN (", f.Not
	}
	e := src.dimension(f.Dimension, raw)
	args := e.args
	for _, v := range values {
		args = append(args, v)
	}
	c.s.Add(" AND "+e.sql+op+strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")+")", args...)
}
