package metric

import (
	"slices"
	"sync"
)

// Aggregate describes how rows of one event or link table fold into metrics_daily.
type Aggregate struct {
	Name       string   // metric_type
	Table      *Table   // where the rows are
	Dimensions []Folded // per dimension of metrics_daily that the table has
	Measures   []Folded // per measure of the table
	Count      int      // position of the count column; -1 = a row is one occurrence
	Time       int      // position of timestamp
	Org, Repo  int      // positions of organization_id and repository
}

// Folded ties a column of an event table to a column of metrics_daily. A measure m has two there: m_sum and m_count.
type Folded struct {
	Source int    // position in the event table
	Bool   bool   // the source is boolean: stored as success or failure
	Name   string // dimension or measure
	Target int    // position of the dimension or of m_sum in Daily()
}

// Outcomes are what a boolean dimension is called in the rollups.
const (
	Success = "success"
	Failure = "failure"
)

// Aggregates lists the folds of every category and its links.
func Aggregates() []*Aggregate { return aggregates() }

var aggregates = sync.OnceValue(func() []*Aggregate {
	var all []*Aggregate
	for _, c := range Catalogue() {
		all = append(all, newAggregate(c.Name, c.table))
		if c.Links != nil {
			all = append(all, newAggregate(c.Links.Name, c.Links.table))
		}
	}
	return all
})

// AggregateOf finds the fold of a table; nil when it has none.
func AggregateOf(t *Table) *Aggregate {
	i := slices.IndexFunc(Aggregates(), func(a *Aggregate) bool { return a.Table == t })
	if i < 0 {
		return nil
	}
	return Aggregates()[i]
}

func newAggregate(name string, t *Table) *Aggregate {
	a := &Aggregate{Name: name, Table: t, Count: t.Position("count"), Time: t.Position("timestamp"),
		Org: t.Position("organization_id"), Repo: t.Position("repository")}
	daily := Daily()
	for i := range t.Columns {
		switch c := &t.Columns[i]; c.Role {
		case Dimension:
			a.Dimensions = append(a.Dimensions, Folded{Source: i, Bool: c.Type == Bool, Name: c.Dimension(), Target: daily.Position(c.Dimension())})
		case Measure:
			a.Measures = append(a.Measures, Folded{Source: i, Name: c.Name, Target: daily.Position(c.Name + "_sum")})
		}
	}
	return a
}

// Daily is metrics_daily: additive parts only, one row per organisation, repository, day, metric type and
// combination of the dimensions the category declares. Its columns follow from the roles of the categories' columns.
func Daily() *Table { return daily() }

// DailyKey is the number of leading columns of Daily that make its key.
func DailyKey() int { return len(Daily().Identity) }

var daily = sync.OnceValue(func() *Table {
	t := &Table{Name: "metrics_daily", Since: 1, Tenants: true,
		Doc: "Daily totals per metric type and dimensions; exact sums of the event tables, additive over any grouping.",
		Columns: []Column{
			{Name: "organization_id", Type: Int, Required: true, Doc: "Organisation."},
			{Name: "metric_type", Type: Text, Size: 100, Required: true, Doc: "Category, or the links of one."},
			{Name: "day", Type: Date, Required: true, Doc: "Day in UTC."},
			{Name: "repository", Type: Text, Size: 255, Required: true, Default: "", Doc: "Repository; empty = unknown."},
		}}
	dims, sums := foldedColumns()
	t.Columns = append(t.Columns, dims...)
	t.Identity = t.Names()
	t.Columns = append(t.Columns,
		Column{Name: "row_count", Type: Int, Required: true, Doc: "Rows of the event table."},
		Column{Name: "occurrences", Type: Int, Required: true, Doc: "Sum of their count; equals row_count where a category has no count."})
	t.Columns = append(t.Columns, sums...)
	return t
})

// Monthly is metrics_monthly: the parts of Daily added up per month, for questions about long spans.
func Monthly() *Table { return monthly() }

var monthly = sync.OnceValue(func() *Table {
	t := &Table{Name: "metrics_monthly", Since: 1, Tenants: true,
		Doc:     "Monthly totals per metric type and dimensions: metrics_daily added up per month.",
		Columns: slices.Clone(Daily().Columns)}
	t.Columns[t.Position("day")] = Column{Name: "month", Type: Date, Required: true, Doc: "First day of the month in UTC."}
	t.Identity = t.Names()[:DailyKey()]
	return t
})

// Totals is metrics_daily_totals: the parts of Daily added up over every dimension whose values are free text. Few rows
// a day are left, for the totals that dashboards show most.
func Totals() *Table { return totals() }

var totals = sync.OnceValue(func() *Table {
	t := &Table{Name: "metrics_daily_totals", Since: 1, Tenants: true,
		Doc: "Daily totals per metric type, severity and outcome: metrics_daily added up over the other dimensions."}
	for i, c := range Daily().Columns {
		if free := i >= dailyDimensions && i < DailyKey() && len(c.Enum) == 0; !free {
			t.Columns = append(t.Columns, c)
			if i < DailyKey() {
				t.Identity = append(t.Identity, c.Name)
			}
		}
	}
	return t
})

// dailyDimensions is the position of the first dimension in Daily, behind organisation, type, day and repository.
const dailyDimensions = 4

func foldedColumns() (dims, sums []Column) {
	has := func(cols []Column, name string) bool {
		return slices.ContainsFunc(cols, func(c Column) bool { return c.Name == name })
	}
	for _, cat := range Catalogue() {
		for i := range cat.Columns {
			switch c := &cat.Columns[i]; {
			case c.Role == Dimension && !has(dims, c.Dimension()):
				dims = append(dims, Column{Name: c.Dimension(), Type: Text, Size: 255, Required: true, Default: "", Enum: c.values(),
					Doc: "Dimension; empty where the category has none or the value is missing."})
			case c.Role == Measure && !has(sums, c.Name+"_sum"):
				sums = append(sums,
					Column{Name: c.Name + "_sum", Type: Float, Unit: c.Unit, Required: true, Default: 0.0, Doc: "Sum of " + c.Name + "."},
					Column{Name: c.Name + "_count", Type: Int, Required: true, Default: int64(0), Doc: "Rows that have " + c.Name + "."})
			}
		}
	}
	return dims, sums
}

// values are the only ones that a dimension can have, nil if it is free text.
func (c *Column) values() []string {
	if c.Type == Bool {
		return []string{Success, Failure}
	}
	return c.Enum
}

// Periods of metrics_summary.
const (
	PeriodDay  = "day"
	PeriodWeek = "week"
)

// Summary is metrics_summary: per organisation, metric type and day or ISO week.
func Summary() *Table { return summary() }

var summary = sync.OnceValue(func() *Table {
	return &Table{Name: "metrics_summary", Since: 1, AutoID: true, Tenants: true,
		Doc: "Totals, severities, top pattern and trend per metric type and day or week, derived from metrics_daily.",
		Columns: []Column{
			{Name: "metric_type", Type: Text, Size: 100, Required: true, Doc: "Category."},
			{Name: "summary_date", Type: Time, Required: true, Doc: "Start of the period: the day, or the Monday of the week."},
			{Name: "total_count", Type: Int, Required: true, Default: int64(0), Doc: "Occurrences in the period."},
			{Name: "high_severity_count", Type: Int, Required: true, Default: int64(0), Doc: "Occurrences of severity critical or high."},
			{Name: "medium_severity_count", Type: Int, Required: true, Default: int64(0), Doc: "Occurrences of severity medium."},
			{Name: "low_severity_count", Type: Int, Required: true, Default: int64(0), Doc: "Occurrences of severity low."},
			{Name: "top_pattern", Type: Text, Size: 255, Doc: "Most frequent pattern; the first in the alphabet among equals."},
			{Name: "top_pattern_count", Type: Int, Doc: "Its occurrences."},
			{Name: "trend_direction", Type: Text, Size: 20, Doc: "increasing, decreasing or stable (within 5 %); null without an earlier week."},
			{Name: "week_over_week_change", Type: Float, Unit: "percent",
				Doc: "Change against the seven days (week: the week) before, in percent; null where those had no events."},
			{Name: "organization_id", Type: Int, Required: true, Default: int64(1), Doc: "Organisation."},
			{Name: "period", Type: Text, Size: 10, Required: true, Doc: "day or week."},
		},
		Identity: []string{"organization_id", "metric_type", "period", "summary_date"},
		Indexes:  []Index{{Name: "idx_summary_type_date", Columns: []string{"metric_type", "summary_date"}}},
	}
})

// Effectiveness is pattern_effectiveness: per organisation, pattern and ISO week.
func Effectiveness() *Table { return effectiveness() }

var effectiveness = sync.OnceValue(func() *Table {
	return &Table{Name: "pattern_effectiveness", Since: 1, AutoID: true, Tenants: true,
		Doc: "How often code generations that applied a pattern succeeded, per pattern and ISO week.",
		Columns: []Column{
			{Name: "pattern_name", Type: Text, Size: 255, Required: true, Doc: "Pattern."},
			{Name: "application_count", Type: Int, Required: true, Default: int64(0), Doc: "Generations that applied it."},
			{Name: "success_count", Type: Int, Required: true, Default: int64(0), Doc: "Those that succeeded."},
			{Name: "failure_count", Type: Int, Required: true, Default: int64(0), Doc: "Those that failed."},
			{Name: "effectiveness_score", Type: Float, Doc: "success_count / application_count."},
			{Name: "period_start", Type: Time, Required: true, Doc: "Monday 00:00 UTC of the week."},
			{Name: "period_end", Type: Time, Required: true, Doc: "Monday 00:00 UTC after it."},
			{Name: "organization_id", Type: Int, Required: true, Default: int64(1), Doc: "Organisation."},
		},
		Identity: []string{"organization_id", "pattern_name", "period_start"},
		Indexes:  []Index{{Name: "idx_pattern_eff_name_period", Columns: []string{"pattern_name", "period_start"}}},
	}
})
