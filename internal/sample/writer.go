package sample

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

const (
	flushAt    = 64 << 10
	timeLayout = `"2006-01-02T15:04:05.000000Z"`
)

// writer appends records to a buffer; the first error of the destination stays.
type writer struct {
	dst    io.Writer
	buf    []byte
	fields []field
	some   bool // the list has a record already
	err    error
}

// field is one key of the category's records.
type field struct {
	column string
	key    string // as JSON, with the colon
	common bool   // not the category's own: left out where it has no value
}

// open begins the list of a category.
func (w *writer) open(c *metric.Category, first bool) {
	if first {
		w.buf = append(w.buf, '{')
	} else {
		w.buf = append(w.buf, ",\n"...)
	}
	w.buf = append(appendString(w.buf, c.Name), ": ["...)
	w.fields, w.some = w.fields[:0], false
	for i := range c.Layout().Columns {
		if col := &c.Layout().Columns[i]; !col.Store {
			key := string(appendString(nil, col.Field())) + ":"
			w.fields = append(w.fields, field{col.Name, key, i >= len(c.Columns)})
		}
	}
}

// record writes what the category says about the event, and of the common columns what it does not say.
func (w *writer) record(own, common map[string]any) error {
	if w.some {
		w.buf = append(w.buf, ',')
	}
	w.some = true
	w.buf = append(w.buf, "\n{"...)
	first := true
	for _, f := range w.fields {
		v, ok := own[f.column]
		if !ok {
			v, ok = common[f.column]
		}
		if !ok || v == nil && f.common {
			continue
		}
		if !first {
			w.buf = append(w.buf, ',')
		}
		first = false
		w.buf = append(w.buf, f.key...)
		w.value(v)
	}
	w.buf = append(w.buf, '}')
	if len(w.buf) >= flushAt {
		w.flush()
	}
	return w.err
}

func (w *writer) close() { w.buf = append(w.buf, "\n]"...) }

func (w *writer) end() error {
	w.buf = append(w.buf, "}\n"...)
	w.flush()
	return w.err
}

func (w *writer) flush() {
	if w.err == nil {
		_, w.err = w.dst.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

// value appends one of the types that Category.Sample may use.
func (w *writer) value(v any) {
	switch v := v.(type) {
	case nil:
		w.buf = append(w.buf, "null"...)
	case string:
		w.buf = appendString(w.buf, v)
	case int64:
		w.buf = strconv.AppendInt(w.buf, v, 10)
	case float64:
		w.buf = strconv.AppendFloat(w.buf, v, 'f', -1, 64)
	case bool:
		w.buf = strconv.AppendBool(w.buf, v)
	case time.Time:
		w.buf = v.UTC().AppendFormat(w.buf, timeLayout)
	case []string:
		w.list(v)
	case map[string]any:
		w.object(v)
	default:
		w.err = fmt.Errorf("sample: a value of type %T has no JSON here", v)
	}
}

func (w *writer) list(list []string) {
	w.buf = append(w.buf, '[')
	for i, s := range list {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = appendString(w.buf, s)
	}
	w.buf = append(w.buf, ']')
}

// object writes the keys in order, so that the same seed gives the same bytes.
func (w *writer) object(m map[string]any) {
	w.buf = append(w.buf, '{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = append(appendString(w.buf, k), ':')
		w.value(m[k])
	}
	w.buf = append(w.buf, '}')
}

// appendString quotes valid UTF-8 as JSON.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return append(append(b, s[from:]...), '"')
}
