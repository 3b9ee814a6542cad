package export

import (
	"database/sql"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// timeLayout is RFC 3339 in UTC with the microseconds that the database keeps.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// table is one category's events and the row that was read last.
type table struct {
	cat   *metric.Category
	query string
	cells []cell
	id    int64
	dest  []any // of id and cells
	last  int64 // greatest id that belongs to the export
	rows  int64 // read so far
}

// cell is one value of the current row; only the field that fits the column's type is used.
type cell struct {
	col     *metric.Column
	key     string // its field in JSON, with the colon
	text    sql.NullString
	integer sql.NullInt64
	number  sql.NullFloat64
	truth   sql.NullBool
	time    sqldb.Time
}

func newTable(c *metric.Category) *table {
	t := &table{cat: c}
	cols := columns(c)
	t.cells = make([]cell, len(cols))
	t.dest = append(t.dest, &t.id)
	names := []string{"id"}
	for i, col := range cols {
		t.cells[i] = cell{col: col, key: strconv.Quote(col.Field()) + ":"}
		t.dest = append(t.dest, t.cells[i].dest())
		names = append(names, col.Name)
	}
	t.query = "SELECT " + strings.Join(names, ", ") + " FROM " + c.Table
	return t
}

// columns lists what goes out of a category.
func columns(c *metric.Category) []*metric.Column {
	var all []*metric.Column
	for i := range c.Layout().Columns {
		if col := &c.Layout().Columns[i]; col.Name != "organization_id" {
			all = append(all, col)
		}
	}
	return all
}

func (c *cell) dest() any {
	switch c.col.Type {
	case metric.Int:
		return &c.integer
	case metric.Float:
		return &c.number
	case metric.Bool:
		return &c.truth
	case metric.Time:
		return &c.time
	default:
		return &c.text
	}
}

func (c *cell) null() bool {
	return !c.text.Valid && !c.integer.Valid && !c.number.Valid && !c.truth.Valid && !c.time.Valid
}

// plain appends a value that is written the same in every format; false says that it is text or JSON.
func (c *cell) plain(b []byte) ([]byte, bool) {
	switch c.col.Type {
	case metric.Int:
		return strconv.AppendInt(b, c.integer.Int64, 10), true
	case metric.Float:
		return appendFloat(b, c.number.Float64), true
	case metric.Bool:
		return strconv.AppendBool(b, c.truth.Bool), true
	default:
		return b, false
	}
}

// appendFloat writes the shortest text that is read back as the same number, as encoding/json does.
func appendFloat(b []byte, f float64) []byte {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// compact gives what the database holds as JSON without blanks between its parts, which some databases put there.
func (c *cell) compact() (jsontext.Value, error) {
	v := jsontext.Value(c.text.String)
	err := v.Compact(jsontext.AllowInvalidUTF8(false))
	return v, err
}

// json appends the value as JSON. What the database holds as JSON goes out as it is there, save for blanks.
func (c *cell) json(b []byte) ([]byte, error) {
	if b, ok := c.plain(b); ok {
		if math.IsInf(c.number.Float64, 0) || math.IsNaN(c.number.Float64) {
			return b, fmt.Errorf("is no finite number")
		}
		return b, nil
	}
	switch c.col.Type {
	case metric.Time:
		return c.time.Time.AppendFormat(b, `"`+timeLayout+`"`), nil
	case metric.JSON, metric.List:
		v, err := c.compact()
		if err != nil {
			return b, fmt.Errorf("is no JSON: %w", err)
		}
		return append(b, v...), nil
	default:
		b, err := jsontext.AppendQuote(b, c.text.String)
		if err != nil {
			return b, fmt.Errorf("holds bytes that are not UTF-8")
		}
		return b, nil
	}
}

// object appends the row as a JSON object that begins with the given members; what is null is left out.
func (t *table) object(b []byte, members string) ([]byte, error) {
	b = append(append(b, '{'), members...)
	some := members != ""
	for i := range t.cells {
		c := &t.cells[i]
		if c.null() {
			continue
		}
		if some {
			b = append(b, ',')
		}
		some = true
		var err error
		if b, err = c.json(append(b, c.key...)); err != nil {
			return b, fault.New(fault.Invalid, "%s, row %d: %s cannot be exported", t.cat.Table, t.id, c.col.Name).Because(err).
				Try("No import writes such a row; correct or delete it in the database.")
		}
	}
	return append(b, '}'), nil
}
