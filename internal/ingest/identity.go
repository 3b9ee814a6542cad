package ingest

import (
	"crypto/sha1" //nolint:gosec // UUIDv5 is defined over SHA-1; it is no protection here
	"encoding/binary"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// namespace is the UUIDv5 namespace of all identities; changing it would make every old file new.
var namespace = uuid.MustParse("6d1c3c0e-6a5b-5d0e-9a4e-0f6c1b1d7f11")

// digest is the SHA-1 of a record's scope and canonical content.
type digest [sha1.Size]byte

// identify computes the record's identity: from the vendor's id where it has one, else from its content. The content
// is that of the file (a counter's whole count), so that the same record is recognised whatever was written for it.
func (m *mapper) identify(r *record) {
	p, row := r.plan, r.row
	scope := appendText(nil, p.cat.Name)
	scope = appendValue(scope, row[p.at.org])
	scope = appendValue(scope, row[p.at.repository])
	scope = appendValue(scope, row[p.at.source])
	if len(p.cat.Series) > 0 {
		r.series = seriesKey(scope, p.cat, row)
	}
	if r.stored {
		return
	}
	if id := row[p.at.sourceID]; id != nil {
		r.digest = sha1.Sum(appendValue(append(scope, 'i'), id))
	} else {
		r.digest = sha1.Sum(content(append(scope, 'c'), r))
	}
	r.number(0)
}

// content appends the category's own values, the time unless it was missing, and the fields without column.
func content(b []byte, r *record) []byte {
	for i := range r.plan.cat.Columns {
		b = appendValue(b, r.row[i])
	}
	b = appendValue(b, r.row[r.plan.at.timestamp])
	return appendValue(b, r.row[r.plan.at.extra])
}

// number makes the record the n-th of several with the same content, from 0.
func (r *record) number(n int) {
	r.ordinal = n
	b := binary.BigEndian.AppendUint64(append([]byte{}, r.digest[:]...), uint64(n))
	r.row[r.plan.at.eventKey] = uuid.NewSHA1(namespace, b).String()
}

func seriesKey(scope []byte, c *metric.Category, row metric.Row) string {
	b := append(append([]byte{}, scope...), 's')
	for _, name := range c.Series {
		b = appendValue(b, row[c.Position(name)])
	}
	return uuid.NewSHA1(namespace, b).String()
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendValue writes a value so that different values, also of different types, are written differently.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendText(append(b, 't'), v)
	case int64:
		return binary.AppendVarint(append(b, 'n'), v)
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'f'), math.Float64bits(v))
	case bool:
		if v {
			return append(b, 'y')
		}
		return append(b, 'x')
	case time.Time:
		return binary.AppendVarint(append(b, 'd'), v.UnixMicro())
	default:
		return append(b, '0')
	}
}
