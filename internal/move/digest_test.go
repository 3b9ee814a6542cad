package move

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

func of(types []metric.Type, rows ...metric.Row) string {
	var d digest
	for _, row := range rows {
		d.add(types, row)
	}
	return d.String()
}

func TestDigestIgnoresOrder(t *testing.T) {
	types := []metric.Type{metric.Int, metric.Text}
	rows := []metric.Row{{int64(1), "a"}, {int64(2), "b"}, {int64(2), "b"}, {int64(3), nil}}
	want := of(types, rows...)
	for range 5 {
		rows = append(rows[1:], rows[0])
		if got := of(types, rows...); got != want {
			t.Errorf("%v gives %s, not %s", rows, got, want)
		}
	}
	slices.Reverse(rows)
	if got := of(types, rows...); got != want {
		t.Errorf("%v gives %s, not %s", rows, got, want)
	}
	if len(want) != 32 || of(types) != fmt.Sprintf("%032d", 0) {
		t.Errorf("%s, %s", want, of(types))
	}
}

// No two of these have the same digest; rows that are there twice do not cancel each other out.
func TestDigestTells(t *testing.T) {
	types := []metric.Type{metric.Int, metric.Text, metric.Text, metric.Float, metric.Bool, metric.Time, metric.JSON}
	base := metric.Row{int64(1), "ab", "c", 1.5, true, time.Unix(0, 0), `{"a":1}`}
	seen := map[string]string{}
	check := func(rows ...metric.Row) {
		d := of(types, rows...)
		if other := seen[d]; other != "" {
			t.Errorf("%v and %s have the same digest", rows, other)
		}
		seen[d] = fmt.Sprint(rows)
	}
	check()
	check(base)
	check(base, base)
	check(base, base, base)
	for i, values := range [][]any{
		{int64(-1), int64(2), int64(math.MaxInt64), nil}, {"a", "abc", "", nil, "AB", "ab "}, {"bc", "", nil}, {1.5000000000000002, -1.5, 0.0, math.MaxFloat64, nil},
		{false, nil}, {time.Unix(0, 1000), time.Unix(-1, 0), nil}, {`{"a":2}`, `{"b":1}`, `{"a":"1"}`, `[1]`, `{}`, `null`, `"{\"a\":1}"`, nil},
	} {
		for _, v := range values {
			row := slices.Clone(base)
			row[i] = v
			check(row)
		}
	}
	row := slices.Clone(base)
	row[1], row[2] = "a", "bc"
	check(row)
}

// What engines may change in a value does not count.
func TestDigestForgives(t *testing.T) {
	for _, c := range []struct {
		t    metric.Type
		a, b any
	}{
		{metric.Float, 0.0, math.Copysign(0, -1)},
		{metric.Key, "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
		{metric.Time, time.Unix(5, 0).UTC(), time.Unix(5, 0).In(time.FixedZone("", 3600))},
		{metric.JSON, `{"b":1,"a":{"y":[1, 2],"x":null}}`, `{"a": {"x": null, "y": [1,2]}, "b": 1}`},
		{metric.JSON, `{"a":1,"a":2}`, `{"a": 2}`},
		{metric.JSON, `"\u00fc\/\ud83e\udd9c\t"`, "\"ü/🦜\\u0009\""},
		{metric.List, `["a","b"]`, `["a", "b"]`},
	} {
		if of([]metric.Type{c.t}, metric.Row{c.a}) != of([]metric.Type{c.t}, metric.Row{c.b}) {
			t.Errorf("%v and %v have different digests", c.a, c.b)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, same := range [][]string{
		{"1", "1.0", "1.00", "10e-1", "0.1e1", "1E+0", "0.001e3"}, {"0", "-0", "0.0", "0e5", "-0.00e-7"}, {"1000", "1e3", "1.0E3"}, {"-1.5", "-15e-1", "-1.50"},
		{"1001"}, {"100"}, {"1.5"}, {"12345678901234567890"}, {"12345678901234567891"}, {"1e300"}, {"1e-300"}, {"1e99999999999999999999"}, {"1e99999999999999999998"}, {"0.1"}, {"0.01"},
	} {
		for _, s := range same {
			if got := decimal(s); got != decimal(same[0]) {
				t.Errorf("%s is %s, but %s is %s", s, got, same[0], decimal(same[0]))
			}
		}
	}
	seen := map[string]string{}
	for _, s := range []string{"1", "0", "1000", "-1.5", "1001", "100", "1.5", "12345678901234567890", "12345678901234567891", "1e300", "1e-300", "1e99999999999999999999", "1e99999999999999999998", "0.1", "0.01", "10", "-1"} {
		if other := seen[decimal(s)]; other != "" {
			t.Errorf("%s and %s are both %s", s, other, decimal(s))
		}
		seen[decimal(s)] = s
	}
}

// JSON that is none, and nesting without measure, are still told apart.
func TestOddJSON(t *testing.T) {
	texts := []string{"", "{", "[1", "[1]", "[1] 2", "nul", "null", `"\ud800"`, `"\udc00"`, "{\"a\"}", "[[1],2]", "[[1,2]]", "[1,[2]]", "[12]", `["1","2"]`, `["12"]`, `{"a":{"b":1}}`, `{"a":{},"b":1}`}
	seen := map[string]string{}
	for _, s := range texts {
		d := of([]metric.Type{metric.JSON}, metric.Row{s})
		if other, ok := seen[d]; ok {
			t.Errorf("%q and %q have the same digest", s, other)
		}
		seen[d] = s
	}
}
