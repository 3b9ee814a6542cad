package export

import (
	"strconv"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Format is a way to write events.
type Format struct {
	Name    string
	encoder func([]*metric.Category) encoder
}

// Formats lists all of them.
func Formats() []Format {
	return []Format{
		{"metrics-json", func([]*metric.Category) encoder { return &listEncoder{} }},
		{"csv", newCSV},
		{"ndjson", func([]*metric.Category) encoder { return &lineEncoder{} }},
	}
}

// encoder appends the text of one format to a buffer, around rows and between them.
type encoder interface {
	begin(b []byte) []byte
	open(b []byte, t *table) []byte // before the rows of a category
	row(b []byte, t *table) ([]byte, error)
	close(b []byte, t *table) []byte
	end(b []byte) []byte
}

// unframed is an encoder's part where a format has nothing around its rows.
type unframed struct{}

func (unframed) begin(b []byte) []byte           { return b }
func (unframed) open(b []byte, _ *table) []byte  { return b }
func (unframed) close(b []byte, _ *table) []byte { return b }
func (unframed) end(b []byte) []byte             { return b }

// listEncoder writes the original collector's file: one object with a list of records per category, a record a line.
type listEncoder struct {
	lists bool // some category was opened
	rows  bool // some row of the category was written
}

func (e *listEncoder) begin(b []byte) []byte { return append(b, '{') }

func (e *listEncoder) open(b []byte, t *table) []byte {
	if e.lists {
		b = append(b, ",\n"...)
	}
	e.lists, e.rows = true, false
	return append(strconv.AppendQuote(b, t.cat.Name), ": ["...)
}

func (e *listEncoder) row(b []byte, t *table) ([]byte, error) {
	if e.rows {
		b = append(b, ',')
	}
	e.rows = true
	return t.object(append(b, '\n'), "")
}

func (e *listEncoder) close(b []byte, _ *table) []byte { return append(b, "\n]"...) }

func (e *listEncoder) end(b []byte) []byte { return append(b, "}\n"...) }

// lineEncoder writes NDJSON: one record a line. The name of its category stands first, so that the import recognises
// the format by the beginning of a long line.
type lineEncoder struct{ unframed }

func (*lineEncoder) row(b []byte, t *table) ([]byte, error) {
	b, err := t.object(b, `"category":`+strconv.Quote(t.cat.Name))
	return append(b, '\n'), err
}
