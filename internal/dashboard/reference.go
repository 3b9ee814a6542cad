package dashboard

import (
	"fmt"
	"io"
	"strings"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

const preface = `# Charts

<!-- Generated from the chart catalogue (internal/dashboard); go test ./internal/dashboard -update writes it. -->

Every chart is declared in YAML and drawn from its declaration. The built-in ones are listed below. Charts and dashboards
of your own go into .yaml files in a folder: ` + "`feedback-loop serve --charts FOLDER`" + `. A file that does not fit is refused with
its line.

## A chart

` + "```yaml" + `
charts:
  - id: slow-functions            # part of its address; unique
    title: Slowest functions
    description: Average execution time of the ten slowest functions.
    kind: hbar                    # total, line, pie, bar, hbar
    datasets: [performance_metrics]
    category: function_name
    limit: 10
    measures:
      - average: execution_time_ms
        format: duration_ms

dashboards:
  - id: performance
    title: Performance
    description: How fast the code is.
    refresh_seconds: 300
    rows:
      - charts:
          - {chart: slow-functions, width: 12}
` + "```" + `

| key of a chart | meaning |
|---|---|
| datasets | one or more of the datasets below; several are added up |
| measures | numbers; each has exactly one of ` + "`total: occurrences`, `total: row_count`, `sum: MEASURE`, `average: MEASURE`, `share: {DIMENSION: VALUE}`" + ` (the part of all occurrences that has the value), and may have name, label and format (integer, decimal, percent, duration_ms, bytes) |
| time | width of the time buckets of a line chart: day, week, month, or auto (days up to a span of 45 days, weeks up to two years, else months) |
| category | dimension on the category axis of pie, bar and hbar |
| series | dimension that splits the lines, or stacks the bars |
| filters | list of ` + "`{dimension: D, is: [VALUES]}` or `{dimension: D, not: [VALUES]}`" + `; the empty text is a missing value |
| order | values of the category in this order, others follow by value; without it all go by value |
| limit | most values of the category, of the series in a line chart; at most 100 |
| other | true: what the limit cuts off is summed up under the name Other |

| key of a dashboard | meaning |
|---|---|
| refresh_seconds | how often an open page asks again; 0 = never, else at least 10 |
| rows | lists of charts; the widths of a row add up to at most 12 |

## Datasets

A chart that uses only dimensions of the rollup is read from metrics_daily (or, where that has what it needs, from the shorter
metrics_daily_totals and metrics_monthly), whatever the number of events; one that uses others is read from the events themselves. repository and metric_type (the dataset's name) are dimensions of every dataset.

| dataset | measures | dimensions in the rollup | further dimensions |
|---|---|---|---|
`

// WriteReference writes the reference of the catalogue as Markdown: how to declare a chart, what there is to declare
// it from, and the charts and dashboards there are.
func (c *Catalogue) WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(preface)
	for _, a := range metric.Aggregates() {
		s := source{a}
		daily, raw := s.offers()
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.Name, list(s.measures()), list(daily[:len(daily)-2]), list(raw))
	}
	b.WriteString("\n## Charts\n\n| id | title | kind | what it shows | read from |\n|---|---|---|---|---|\n")
	for _, x := range c.charts {
		from := "events"
		if x.Rollup() {
			from = "rollups"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", x.ID, x.Title, x.Kind, x.Description, from)
	}
	b.WriteString("\n## Dashboards\n")
	for _, d := range c.dashboards {
		fmt.Fprintf(&b, "\n### %s\n\n%s Its id is %s.\n\n", d.Title, d.Description, d.ID)
		for _, row := range d.Rows {
			var places []string
			for _, p := range row.Charts {
				places = append(places, fmt.Sprintf("%s (%d/%d)", p.Chart, p.Width, columns))
			}
			fmt.Fprintf(&b, "- %s\n", strings.Join(places, ", "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
