package export

import (
	"slices"
	"strings"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// cellEncoder writes CSV as RFC 4180 has it: a row of names, commas, lines that end with CRLF, text in quotes where it needs
// them. Columns are named as in the database. A null is an empty cell, an empty text is a pair of quotes. Text that a
// spreadsheet would take for a formula is escaped, see Escape; numbers are not text.
type cellEncoder struct {
	unframed
	names []string // the columns; "" = name of the category
	cells []int    // per column the cell of the open table; negative = it has none
}

// newCSV takes the columns of one category, or the union of several: first each one's own, then those that all have.
func newCSV(cats []*metric.Category) encoder {
	var own, common []string
	if len(cats) > 1 {
		own = []string{""}
	}
	for _, c := range cats {
		for i, col := range columns(c) {
			if i < len(c.Columns) {
				own = with(own, col.Name)
			} else {
				common = with(common, col.Name)
			}
		}
	}
	return &cellEncoder{names: append(own, common...)}
}

// with appends a name that is not there yet.
func with(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

func (e *cellEncoder) begin(b []byte) []byte {
	for i, name := range e.names {
		if i > 0 {
			b = append(b, ',')
		}
		if name == "" {
			name = "category"
		}
		b = append(b, name...)
	}
	return append(b, "\r\n"...)
}

func (e *cellEncoder) open(b []byte, t *table) []byte {
	e.cells = e.cells[:0]
	for _, name := range e.names {
		e.cells = append(e.cells, slices.IndexFunc(t.cells, func(c cell) bool { return c.col.Name == name }))
	}
	return b
}

func (e *cellEncoder) row(b []byte, t *table) ([]byte, error) {
	for i, at := range e.cells {
		if i > 0 {
			b = append(b, ',')
		}
		switch {
		case e.names[i] == "":
			b = append(b, t.cat.Name...)
		case at >= 0 && !t.cells[at].null():
			b = t.cells[at].csv(b)
		}
	}
	return append(b, "\r\n"...), nil
}

func (c *cell) csv(b []byte) []byte {
	if b, ok := c.plain(b); ok {
		return b
	}
	text := c.text.String
	switch c.col.Type {
	case metric.Time:
		return c.time.Time.AppendFormat(b, timeLayout)
	case metric.JSON, metric.List:
		if v, err := c.compact(); err == nil { // else as it stands: CSV holds any text
			text = string(v)
		}
	}
	return quote(b, Escape(text))
}

// quote appends a text, in quotes if it is empty or holds what a reader could take for the end of the cell.
func quote(b []byte, s string) []byte {
	if s != "" && !strings.ContainsAny(s, "\",;|\t\r\n") && s[0] != ' ' && s[len(s)-1] != ' ' && s != `\.` {
		return append(b, s...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(s, `"`, `""`)...)
	return append(b, '"')
}
