package ingest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

func testMapper() *mapper {
	j := &job{o: Options{}, now: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)}
	return j.newMapper()
}

// FuzzRecord gives any text to the mapper, as a record of any category: it is refused, or it makes a row whose values
// have the columns' types and bounds, and which the same fields in another order make too.
func FuzzRecord(f *testing.F) {
	for i, s := range []string{`{"pattern":"p","error":"e","count":3,"timestamp":"2026-01-02T03:04:05+05:30","x":{"b":1,"a":[1.50]}}`,
		`{"test_name":"t","failure_reason":"r","pattern_violated":null}`, `{"issue_type":"i","pattern":"p","severity":"HIGH","line":1e3}`,
		`{"operation":"o","duration_ms":0,"execution_time_ms":null,"details":{"function":"f","avg_time_ms":1e400}}`,
		`{"issue_type":"i","environment":"e","resolution_time_minutes":9223372036854775807}`,
		`{"prompt":"x","confidence":1,"success":true,"patterns_applied":["a","\ud83d\ude00"],"metadata":{},"generation_metadata":[]}`,
		`{"success":false,"raw":{"event":"llm_call"},"extra":{"raw":1},"event_key":"6d1c3c0e-6a5b-5d0e-9a4e-0f6c1b1d7f11","timestamp":"2026-01-02"}`,
		`{"success":false,"extra":[1],"":2,"\u0000":3}`} {
		f.Add(i, []byte(s))
	}
	f.Fuzz(func(t *testing.T, category int, raw []byte) {
		if !gjson.ValidBytes(raw) || !gjson.ParseBytes(raw).IsObject() {
			return // a format gives nothing else to the mapper
		}
		all := metric.Catalogue()
		cat := all[int(uint(category)%uint(len(all)))]
		r, err := testMapper().fill(Item{Category: cat, List: cat.Name, Raw: raw})
		again, errAgain := testMapper().fill(Item{Category: cat, List: cat.Name, Raw: reversed(raw)})
		if (err == nil) != (errAgain == nil) {
			t.Fatalf("%v, but in another order %v", err, errAgain)
		}
		if err != nil {
			return
		}
		checkRow(t, r)
		key := r.plan.at.eventKey
		if r.row[key] != again.row[key] || r.series != again.series {
			t.Fatalf("identity %v, but in another order %v", r.row[key], again.row[key])
		}
		lost(t, raw, r)
	})
}

// reversed writes the fields of an object from the last to the first.
func reversed(raw []byte) []byte {
	var parts []string
	gjson.ParseBytes(raw).ForEach(func(k, v gjson.Result) bool {
		parts = append(parts, k.Raw+":"+v.Raw)
		return true
	})
	slices.Reverse(parts)
	return []byte("{" + strings.Join(parts, ",") + "}")
}

func checkRow(t *testing.T, r *record) {
	t.Helper()
	for i := range r.row {
		col, v := &r.plan.cat.Layout().Columns[i], r.row[i]
		ok := v == nil && (!col.Required || i == r.plan.at.timestamp)
		switch x := v.(type) {
		case string:
			ok = col.Type == metric.Text || (col.Type == metric.JSON || col.Type == metric.List) && json.Valid([]byte(x)) || col.Type == metric.Key && uuid.Validate(x) == nil
		case int64:
			ok = col.Type == metric.Int && (col.Min == nil || float64(x) >= *col.Min) && (col.Max == nil || float64(x) <= *col.Max)
		case float64:
			ok = col.Type == metric.Float && x-x == 0
		case bool:
			ok = col.Type == metric.Bool
		case time.Time:
			ok = col.Type == metric.Time && x.Location() == time.UTC && x.Year() >= 1970 && x.Year() <= 9999
		}
		if !ok {
			t.Fatalf("%s is %#v", col.Name, v)
		}
	}
}

// lost demands that every field of the record without column stands in extra.
func lost(t *testing.T, raw []byte, r *record) {
	t.Helper()
	kept := map[string]bool{}
	if extra, ok := r.row[r.plan.at.extra].(string); ok {
		gjson.Parse(extra).ForEach(func(k, _ gjson.Result) bool {
			kept[k.String()] = true
			return true
		})
	}
	known := map[string]bool{}
	for key := range maps.Keys(r.plan.keys) {
		known[key] = true
	}
	gjson.ParseBytes(raw).ForEach(func(k, _ gjson.Result) bool {
		if !known[k.String()] && !kept[k.String()] {
			t.Fatalf("the field %q is lost", k.String())
		}
		return true
	})
}
