// Package dashboard is the chart catalogue: charts and dashboards declared as data, checked against the metric
// catalogue, and compiled to SQL.
//
// A chart is declared once, in YAML; the SQL on each engine, the JSON that the pages draw and the documentation
// follow from that declaration. The package builds statements and runs none.
package dashboard

import (
	"slices"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

// Kind is how a chart is drawn.
type Kind string

// The kinds.
const (
	Total Kind = "total" // one number
	Line  Kind = "line"  // values over time, one line per value of the series
	Pie   Kind = "pie"   // shares of the category
	Bar   Kind = "bar"   // vertical bars per value of the category, stacked by the series
	HBar  Kind = "hbar"  // the same, horizontal
)

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{Total, Line, Pie, Bar, HBar} }

// Format is how a value is written for people.
type Format string

// The formats.
const (
	Integer  Format = "integer"
	Decimal  Format = "decimal"
	Percent  Format = "percent" // the value is a share: 0.25 is 25 %
	Duration Format = "duration_ms"
	Bytes    Format = "bytes"
)

// Formats lists every format.
func Formats() []Format { return []Format{Integer, Decimal, Percent, Duration, Bytes} }

// Chart is one chart as it is declared.
type Chart struct {
	ID          string    `yaml:"id"`
	Title       string    `yaml:"title"`
	Description string    `yaml:"description"`
	Kind        Kind      `yaml:"kind"`
	Datasets    []string  `yaml:"datasets"` // names of categories or of their links; several are added up
	Measures    []Measure `yaml:"measures"`
	Time        string    `yaml:"time"`     // width of the time buckets: auto, day, week, month; empty = not over time
	Category    string    `yaml:"category"` // dimension on the category axis
	Series      string    `yaml:"series"`   // dimension that splits lines or bars
	Filters     []Filter  `yaml:"filters"`
	Order       []string  `yaml:"order"` // values of the category in this order, others follow; empty = by value
	Limit       int       `yaml:"limit"` // most values of the category (of the series in a line chart); 0 = all
	Other       bool      `yaml:"other"` // what the limit cuts off is summed up as one more value

	sources []source
}

// Measure is one number of a chart: exactly one of Total, Sum, Average and Share.
type Measure struct {
	Name    string            `yaml:"name"`    // column in the answer
	Label   string            `yaml:"label"`   // for people
	Format  Format            `yaml:"format"`  // how it is written
	Total   string            `yaml:"total"`   // occurrences or row_count
	Sum     string            `yaml:"sum"`     // a measure of the category
	Average string            `yaml:"average"` // a measure of the category, per row that has it
	Share   map[string]string `yaml:"share"`   // one dimension and the value whose part of all occurrences is meant
}

// Filter keeps the events whose dimension has one of the values, or none of them.
type Filter struct {
	Dimension string   `yaml:"dimension"`
	Is        []string `yaml:"is"`
	Not       []string `yaml:"not"`
}

// Dashboard is a page of charts.
type Dashboard struct {
	ID             string `yaml:"id"`
	Title          string `yaml:"title"`
	Description    string `yaml:"description"`
	RefreshSeconds int    `yaml:"refresh_seconds"` // how often an open page asks again; 0 = never
	Rows           []Row  `yaml:"rows"`
}

// Row is a line of charts, at most twelve columns wide.
type Row struct {
	Charts []Place `yaml:"charts"`
}

// Place puts a chart into a row.
type Place struct {
	Chart string `yaml:"chart"` // id of the chart
	Width int    `yaml:"width"` // columns of twelve
}

// Catalogue holds every chart and dashboard, in the order they were declared. It does not change after Load.
type Catalogue struct {
	charts     []*Chart
	dashboards []*Dashboard
}

// Charts lists the charts.
func (c *Catalogue) Charts() []*Chart { return c.charts }

// Dashboards lists the dashboards.
func (c *Catalogue) Dashboards() []*Dashboard { return c.dashboards }

// Chart finds a chart by id; the error is of kind NotFound.
func (c *Catalogue) Chart(id string) (*Chart, error) {
	if i := slices.IndexFunc(c.charts, func(x *Chart) bool { return x.ID == id }); i >= 0 {
		return c.charts[i], nil
	}
	return nil, fault.New(fault.NotFound, "there is no chart %q", id)
}

// Dashboard finds a dashboard by id; the error is of kind NotFound.
func (c *Catalogue) Dashboard(id string) (*Dashboard, error) {
	if i := slices.IndexFunc(c.dashboards, func(x *Dashboard) bool { return x.ID == id }); i >= 0 {
		return c.dashboards[i], nil
	}
	return nil, fault.New(fault.NotFound, "there is no dashboard %q", id)
}
