package ingest

import (
	"crypto/sha1" // UUIDv5 is defined over it; it is no protection here
	"encoding/binary"
	"math"
	"time"

	"github.com/go-json-experiment/json/jsontext"
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
	scope := appendText(m.scope[:0], p.cat.Name)
	scope = appendValue(scope, row[p.at.org])
	scope = appendValue(scope, row[p.at.repository])
	scope = appendValue(scope, row[p.at.source])
	if len(p.series) > 0 {
		r.series = seriesKey(scope, p, row)
	}
	if id := row[p.at.sourceID]; id != nil {
		r.digest = sha1.Sum(appendValue(append(scope, 'i'), id))
	} else {
		scope = content(append(scope, 'c'), r)
		r.digest = sha1.Sum(scope)
	}
	m.scope = scope
	if r.stored {
		r.whole = row[p.at.eventKey] == r.key(0)
		return
	}
	r.number(0)
}

// content appends the category's own values, the time unless it was missing, and the fields without column.
func content(b []byte, r *record) []byte {
	for i := range r.plan.cat.Columns {
		if r.plan.cat.Columns[i].Type == metric.JSON {
			b = appendJSON(b, r.row[i])
		} else {
			b = appendValue(b, r.row[i])
		}
	}
	if r.row[r.plan.at.missing] == true { // a row of an export has the time that it was given
		b = appendValue(b, nil)
	} else {
		b = appendValue(b, r.row[r.plan.at.timestamp])
	}
	return appendJSON(b, r.row[r.plan.at.extra])
}

// appendJSON writes JSON text in one form: a tool that sorts the keys of a file, escapes other characters, or writes
// 1.5 for 1.50 makes no new record of it. Whole numbers keep all their digits.
func appendJSON(b []byte, v any) []byte {
	text, ok := v.(string)
	if !ok {
		return appendValue(b, v)
	}
	raw := jsontext.Value(text)
	if raw.Format(jsontext.AllowDuplicateNames(true), jsontext.ReorderRawObjects(true), jsontext.CanonicalizeRawFloats(true)) != nil {
		return appendValue(b, text)
	}
	return appendText(append(b, 't'), string(raw))
}

// number makes the record the n-th of several with the same content, from 0.
func (r *record) number(n int) {
	r.ordinal = n
	r.row[r.plan.at.eventKey] = r.key(n)
}

// key is the identity of the n-th record with this content.
func (r *record) key(n int) string {
	b := binary.BigEndian.AppendUint64(append(make([]byte, 0, 64), r.digest[:]...), uint64(n))
	return key(b).String()
}

// key is the UUIDv5 of a name in our namespace.
func key(name []byte) uuid.UUID {
	var buf [512]byte
	sum := sha1.Sum(append(append(buf[:0], namespace[:]...), name...))
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 5<<4 // version
	id[8] = id[8]&0x3f | 0x80 // variant
	return id
}

// seriesKey is what a cumulative counter is remembered by.
func seriesKey(scope []byte, p *plan, row metric.Row) uuid.UUID {
	b := append(append(make([]byte, 0, 256), scope...), 's')
	for _, at := range p.series {
		b = appendValue(b, row[at])
	}
	return key(b)
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
