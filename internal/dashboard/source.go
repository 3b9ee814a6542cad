package dashboard

import (
	"maps"
	"slices"
	"strings"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Dimensions that every dataset has beside its own.
const (
	byRepository = "repository"
	byCategory   = "metric_type"
)

// Totals that every dataset has beside its own measures.
const (
	occurrences = "occurrences"
	rowCount    = "row_count"
)

// source is one dataset of a chart: a table of events or links, and what of it the rollup holds. Its methods give
// SQL made of names in the metric catalogue alone.
type source struct{ *metric.Aggregate }

// expr is a piece of SQL with the values of its placeholders.
type expr struct {
	sql  string
	args []any
}

// sourceOf finds a dataset by name.
func sourceOf(name string) (source, bool) {
	i := slices.IndexFunc(metric.Aggregates(), func(a *metric.Aggregate) bool { return a.Name == name })
	if i < 0 {
		return source{}, false
	}
	return source{metric.Aggregates()[i]}, true
}

// folded says whether the rollup holds the dimension.
func (s source) folded(name string) bool {
	return name == byRepository || name == byCategory || s.own(name) != nil
}

func (s source) own(name string) *metric.Folded {
	i := slices.IndexFunc(s.Dimensions, func(f metric.Folded) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Dimensions[i]
}

// has says whether the dataset has the dimension at all.
func (s source) has(name string) bool { return s.folded(name) || s.attribute(name) != nil }

// attribute is a column that only the rows themselves have.
func (s source) attribute(name string) *metric.Column {
	i := s.Table.Position(name)
	if i < 0 || name == byRepository || name == byCategory {
		return nil
	}
	if c := &s.Table.Columns[i]; c.Role == metric.Attribute && c.Type == metric.Text {
		return c
	}
	return nil
}

// dimension gives the SQL of a dimension; a missing value reads as empty text, as in the rollup.
func (s source) dimension(name string, raw bool) expr {
	f := s.own(name)
	switch {
	case !raw || name == byRepository:
		return expr{sql: name}
	case name == byCategory:
		return expr{sql: "'" + s.Name + "'"}
	case f == nil:
		return expr{sql: "COALESCE(" + name + ", '')"}
	}
	column := s.Table.Columns[f.Source].Name
	if f.Bool {
		return expr{"CASE WHEN " + column + " = ? THEN '" + metric.Success + "' WHEN " + column + " = ? THEN '" +
			metric.Failure + "' ELSE '' END", []any{true, false}}
	}
	return expr{sql: "COALESCE(" + column + ", '')"}
}

// measured says whether the dataset has the measure.
func (s source) measured(name string) bool {
	return slices.ContainsFunc(s.Measures, func(f metric.Folded) bool { return f.Name == name })
}

// sum gives the SQL of a measure and of the number of rows that have it.
func (s source) sum(name string, raw bool) []expr {
	if !raw {
		return []expr{{sql: name + "_sum"}, {sql: name + "_count"}}
	}
	// 1.0 *: sums of bytes may exceed 64 bits.
	return []expr{{sql: "1.0 * " + name}, {sql: "CASE WHEN " + name + " IS NULL THEN 0 ELSE 1 END"}}
}

// total gives the SQL of occurrences or row_count.
func (s source) total(name string, raw bool) expr {
	switch {
	case !raw:
		return expr{sql: name}
	case name == occurrences && s.Count >= 0:
		return expr{sql: s.Table.Columns[s.Count].Name}
	}
	return expr{sql: "1"}
}

// table is where the numbers of a span are kept.
func (s source) table(k kept) string {
	switch k {
	case rawRows:
		return s.Table.Name
	case byDay:
		return metric.Daily().Name
	case dayTotals:
		return metric.Totals().Name
	default:
		return metric.Monthly().Name
	}
}

// time is the column of the table that says when.
func (s source) time(k kept) string {
	switch k {
	case rawRows:
		return s.Table.Columns[s.Time].Name
	case byDay, dayTotals:
		return "day"
	default:
		return "month"
	}
}

// offers lists the dimensions for messages and the reference: those of the rollup first.
func (s source) offers() (daily, raw []string) {
	for _, f := range s.Dimensions {
		daily = append(daily, f.Name)
	}
	daily = append(daily, byRepository, byCategory)
	for i := range s.Table.Columns {
		if c := s.attribute(s.Table.Columns[i].Name); c != nil {
			raw = append(raw, c.Name)
		}
	}
	return daily, raw
}

// measures lists what may be summed or averaged.
func (s source) measures() []string {
	var names []string
	for _, f := range s.Measures {
		names = append(names, f.Name)
	}
	return names
}

// datasets lists the names of all datasets.
func datasets() []string {
	var names []string
	for _, a := range metric.Aggregates() {
		names = append(names, a.Name)
	}
	return names
}

// label makes a name readable: "function_name" becomes "Function name".
func label(name string) string {
	s := strings.ReplaceAll(name, "_", " ")
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func sorted(set map[string]string) []string { return slices.Sorted(maps.Keys(set)) }
