package dashboard

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// checker collects charts and dashboards and refuses what does not fit the metric catalogue.
type checker struct {
	all    Catalogue
	seen   map[string]place
	widths []check // checks that need every chart
}

type check struct {
	at place
	d  *Dashboard
}

func newChecker() *checker { return &checker{seen: map[string]place{}} }

var (
	idForm   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

const (
	maxName     = 64
	maxLimit    = 100
	maxMeasures = 8
	minRefresh  = 10 // seconds
	columns     = 12
	autoGrain   = "auto"
	// timeColumn is the name of the time column in every chart's data, whatever its grain.
	timeColumn = "day"
)

// wrong is the refusal of an item: file, line, item, reason.
func wrong(at place, what, id, format string, args ...any) error {
	return fault.New(fault.Invalid, "%s:%d: %s %q: %s", at.file, at.line, what, id, fmt.Sprintf(format, args...))
}

func (c *checker) unique(at place, what, id string) error {
	if !idForm.MatchString(id) || len(id) > maxName {
		return wrong(at, what, id, "the id must be lower-case letters, digits and single hyphens, at most %d", maxName)
	}
	if first, ok := c.seen[what+id]; ok {
		return wrong(at, what, id, "the id is taken by the one in %s:%d", first.file, first.line)
	}
	c.seen[what+id] = at
	return nil
}

func (c *checker) chart(at place, x *Chart) error {
	if x == nil {
		return wrong(at, "chart", "", "it is empty")
	}
	if err := c.unique(at, "chart", x.ID); err != nil {
		return err
	}
	for i := range x.Measures {
		x.Measures[i].complete()
	}
	for _, f := range []func(*Chart) error{checkTexts, checkDatasets, checkShape, checkMeasures, checkDimensions, checkOrder} {
		if err := f(x); err != nil {
			return wrong(at, "chart", x.ID, "%v", err)
		}
	}
	c.all.charts = append(c.all.charts, x)
	return nil
}

func (c *checker) dashboard(at place, d *Dashboard) error {
	if d == nil {
		return wrong(at, "dashboard", "", "it is empty")
	}
	if err := c.unique(at, "dashboard", d.ID); err != nil {
		return err
	}
	switch {
	case d.Title == "" || d.Description == "":
		return wrong(at, "dashboard", d.ID, "title and description are required")
	case d.RefreshSeconds != 0 && d.RefreshSeconds < minRefresh:
		return wrong(at, "dashboard", d.ID, "refresh_seconds must be 0 or at least %d", minRefresh)
	case len(d.Rows) == 0:
		return wrong(at, "dashboard", d.ID, "it has no rows")
	}
	c.all.dashboards = append(c.all.dashboards, d)
	c.widths = append(c.widths, check{at, d})
	return nil
}

// finish checks what dashboards say about charts of any file.
func (c *checker) finish() (*Catalogue, error) {
	for _, w := range c.widths {
		for n, row := range w.d.Rows {
			if err := c.row(row); err != nil {
				return nil, wrong(w.at, "dashboard", w.d.ID, "row %d: %v", n+1, err)
			}
		}
	}
	return &c.all, nil
}

func (c *checker) row(r Row) error {
	if len(r.Charts) == 0 {
		return fmt.Errorf("it has no charts")
	}
	sum := 0
	for _, p := range r.Charts {
		if _, ok := c.seen["chart"+p.Chart]; !ok {
			return fmt.Errorf("there is no chart %q", p.Chart)
		}
		if p.Width < 1 || p.Width > columns {
			return fmt.Errorf("the width of %s must be 1 to %d", p.Chart, columns)
		}
		sum += p.Width
	}
	if sum > columns {
		return fmt.Errorf("the widths add up to %d, more than %d", sum, columns)
	}
	return nil
}

func checkTexts(x *Chart) error {
	if x.Title == "" || x.Description == "" {
		return fmt.Errorf("title and description are required")
	}
	if !slices.Contains(Kinds(), x.Kind) {
		return fmt.Errorf("the kind must be one of %s", list(Kinds()))
	}
	grains := []string{autoGrain, string(sqldb.Day), string(sqldb.Week), string(sqldb.Month)}
	if x.Time != "" && !slices.Contains(grains, x.Time) {
		return fmt.Errorf("time must be one of %s", list(grains))
	}
	return nil
}

func checkDatasets(x *Chart) error {
	if len(x.Datasets) == 0 {
		return fmt.Errorf("datasets are required")
	}
	for i, name := range x.Datasets {
		s, ok := sourceOf(name)
		if !ok {
			return fmt.Errorf("there is no dataset %q; there are %s", name, list(datasets()))
		}
		if slices.Contains(x.Datasets[:i], name) {
			return fmt.Errorf("dataset %s is named twice", name)
		}
		x.sources = append(x.sources, s)
	}
	return nil
}

// checkShape holds the kinds to what can be drawn.
func checkShape(x *Chart) error {
	switch x.Kind {
	case Total:
		return demand(x, x.Time == "" && x.Category == "" && x.Series == "" && len(x.Measures) == 1,
			"exactly one measure and no time, category or series")
	case Line:
		return demand(x, x.Time != "" && x.Category == "" && (x.Series == "" || len(x.Measures) == 1),
			"time, no category, and one measure only where it has a series")
	case Pie:
		return demand(x, x.Time == "" && x.Category != "" && x.Series == "" && len(x.Measures) == 1 && x.Measures[0].additive(),
			"a category and exactly one measure, a total or a sum")
	default:
		return demand(x, x.Time == "" && x.Category != "" && x.Category != x.Series && (x.Series == "" || len(x.Measures) == 1),
			"a category, no time, and one measure only where it has a series")
	}
}

func demand(x *Chart, ok bool, what string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("a chart of kind %s has %s", x.Kind, what)
}

func checkMeasures(x *Chart) error {
	if n := len(x.Measures); n == 0 || n > maxMeasures {
		return fmt.Errorf("it must have 1 to %d measures", maxMeasures)
	}
	taken := []string{timeColumn, x.Category, x.Series}
	for i := range x.Measures {
		m := &x.Measures[i]
		if err := checkMeasure(x, m); err != nil {
			return fmt.Errorf("measure %d: %w", i+1, err)
		}
		if slices.Contains(taken, m.Name) {
			return fmt.Errorf("measure %d: the name %s is taken", i+1, m.Name)
		}
		taken = append(taken, m.Name)
	}
	return nil
}

func checkMeasure(x *Chart, m *Measure) error {
	given := 0
	for _, ok := range []bool{m.Total != "", m.Sum != "", m.Average != "", m.Share != nil} {
		if ok {
			given++
		}
	}
	switch {
	case given != 1 || m.Share != nil && len(m.Share) != 1:
		return fmt.Errorf("exactly one of total, sum, average and share (of one dimension) is required")
	case !nameForm.MatchString(m.Name) || len(m.Name) > maxName:
		return fmt.Errorf("the name must be lower-case letters, digits and underscores, at most %d", maxName)
	case !slices.Contains(Formats(), m.Format):
		return fmt.Errorf("the format must be one of %s", list(Formats()))
	case m.Total != "" && m.Total != occurrences && m.Total != rowCount:
		return fmt.Errorf("total must be %s or %s", occurrences, rowCount)
	}
	for _, s := range x.sources {
		if name := m.Sum + m.Average; name != "" && !s.measured(name) {
			return fmt.Errorf("%s has no measure %q; it has %s", s.Name, name, list(s.measures()))
		}
	}
	return nil
}

// dimensions lists every dimension that the chart names.
func (x *Chart) dimensions() []string {
	var names []string
	for _, n := range []string{x.Category, x.Series} {
		if n != "" {
			names = append(names, n)
		}
	}
	for _, f := range x.Filters {
		names = append(names, f.Dimension)
	}
	for _, m := range x.Measures {
		names = append(names, sorted(m.Share)...)
	}
	return names
}

func checkDimensions(x *Chart) error {
	for _, name := range x.dimensions() {
		for _, s := range x.sources {
			if !s.has(name) {
				daily, raw := s.offers()
				return fmt.Errorf("%s has no dimension %q; it has %s", s.Name, name, list(append(daily, raw...)))
			}
		}
	}
	for _, f := range x.Filters {
		if (len(f.Is) > 0) == (len(f.Not) > 0) {
			return fmt.Errorf("the filter of %s needs values in either is or not", f.Dimension)
		}
	}
	return nil
}

func checkOrder(x *Chart) error {
	switch {
	case len(x.Order) > 0 && x.Category == "":
		return fmt.Errorf("order needs a category")
	case len(x.Order) > maxLimit || x.Limit < 0 || x.Limit > maxLimit:
		return fmt.Errorf("limit and the length of order must be at most %d", maxLimit)
	case x.Limit > 0 && x.ranked() == "":
		return fmt.Errorf("limit needs a category or a series")
	case x.Other && x.Limit == 0:
		return fmt.Errorf("other needs a limit")
	}
	return nil
}

func list[T ~string](names []T) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = string(n)
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
