package dashboard

import "github.com/feedback-loop/feedback-loop/internal/sqldb"

// Column is one column of a chart's data.
type Column struct {
	Name   string
	Label  string
	Type   ColumnType
	Format Format // of a number
	Whole  bool   // a number that counts; other numbers are floating point
}

// ColumnType is what the cells of a column hold.
type ColumnType string

// The types of columns.
const (
	TimeType   ColumnType = "time" // a day as YYYY-MM-DD: the first of its bucket
	TextType   ColumnType = "text"
	NumberType ColumnType = "number"
)

// Data is the answer to a query: one string, int64 or float64 per column, nil where a number is unknown.
type Data struct {
	Columns    []Column
	Rows       [][]any
	Grain      sqldb.Grain // empty when the chart is not over time
	Other      bool        // the rows named otherName sum up what is beyond the chart's limit
	Truncated  bool        // there were more than MaxRows rows
	ServedFrom string      // tables that were read
}

// MaxRows is the most rows of an answer; more cannot be drawn.
const MaxRows = 20_000

// Columns describes the chart's data at a grain.
func (x *Chart) Columns(g sqldb.Grain) []Column {
	var cols []Column
	if x.Time != "" {
		cols = append(cols, Column{Name: timeColumn, Label: label(string(g)), Type: TimeType})
	}
	for _, name := range []string{x.Category, x.Series} {
		if name != "" {
			cols = append(cols, Column{Name: name, Label: label(name), Type: TextType})
		}
	}
	for i := range x.Measures {
		m := &x.Measures[i]
		cols = append(cols, Column{Name: m.Name, Label: m.Label, Type: NumberType, Format: m.Format, Whole: m.counts()})
	}
	return cols
}

// TimeColumn is the name of the column of times; empty when the chart is not over time.
func (x *Chart) TimeColumn() string {
	if x.Time == "" {
		return ""
	}
	return timeColumn
}
