package sqldbtest

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// hostile are texts that break what pastes SQL together, cuts characters, or guesses types.
func hostile() []string {
	return []string{
		"", " ", "plain", "O'Brien \"quoted\" `ticks`", "'; DROP TABLE metrics_bugs; --", "what? $1 :name @p1 %s %d", `back\slash \n \0`,
		"line\nbreak\ttab\r\n", "NULL", "null", "1.50", "007", "1e3", "0x10", "2024-01-01", "true",
		"Grüße, 世界, שלום", "astral 🦜🧪 𝒳", "e\u0301 combining", "\u200d\u202e\ufeff", "x' OR '1'='1",
	}
}

// extremes gives values of a column's type, each different from the others.
func extremes(c *metric.Column) []any {
	switch c.Type {
	case metric.Int:
		return list[int64](0, 1, -1, math.MaxInt32, math.MaxInt32+1, math.MinInt32-1, 1<<53+1, math.MaxInt64, math.MinInt64)
	case metric.Float:
		return list(0, math.Copysign(0, -1), 1, -1.5, 0.1, 1.0/3, math.MaxFloat64, -math.MaxFloat64,
			math.SmallestNonzeroFloat64, 2.2250738585072014e-308, 1<<53+2, 1e-300)
	case metric.Bool:
		return list(true, false)
	case metric.JSON:
		return list(`{"a":[1,2.50,null,true,"x"],"ü":{"🦜":"\u00e9"}}`, `[]`, `{}`, `"text"`, `"12"`, `1.50`, `12345678901234567890`, `true`, `null`, `-0.1`)
	case metric.List:
		return list(`[]`, `["null_check"]`, `["a","b","a"]`, `["🦜, \"quoted\"","'"]`)
	case metric.Time:
		return list(time.Unix(0, 0).UTC(), time.Unix(0, 1000).UTC(), clock(), time.Date(2024, 3, 31, 2, 30, 0, 0, time.FixedZone("", 5*3600+1800)),
			time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC))
	case metric.Date:
		return list("1970-01-01", "2000-02-29", "2024-02-29", "2024-12-30", "9999-12-31")
	case metric.Key:
		return list("00000000-0000-0000-0000-000000000000", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "ffffffff-ffff-ffff-ffff-ffffffffffff")
	default:
		return texts(c.Size)
	}
}

const big = 1 << 20 // bytes of the longest text

func texts(size int) []any {
	var all []any
	for _, s := range hostile() {
		if size == 0 || len([]rune(s)) <= size {
			all = append(all, s)
		}
	}
	if size > 0 {
		return append(all, strings.Repeat("ä", size))
	}
	return append(all, strings.Repeat("0123456789abcde\n", big/16))
}

func list[T any](values ...T) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = v
	}
	return all
}

// unique gives the n-th of many different values for a column of an identity; short, as keys are.
func unique(c *metric.Column, n int) any {
	switch c.Type {
	case metric.Int:
		return int64(n + 1)
	case metric.Float:
		return float64(n) + 0.5
	case metric.Bool:
		return n%2 == 0
	case metric.Time:
		return clock().Add(time.Duration(n) * time.Microsecond)
	case metric.Date:
		return clock().AddDate(0, 0, n).Format(sqldb.DateLayout)
	case metric.Key:
		return fmt.Sprintf("00000000-0000-4000-8000-%012x", n)
	case metric.JSON, metric.List:
		return fmt.Sprintf("[\"%d\"]", n)
	default:
		all := hostile()
		return fmt.Sprintf("%d%.6s", n, all[n%len(all)])
	}
}

// plain is a full row whose identity is number n.
func plain(t *metric.Table, n int) metric.Row {
	row := make(metric.Row, len(t.Columns))
	for i := range t.Columns {
		row[i] = unique(&t.Columns[i], n)
	}
	return row
}

// identifies says whether a column is part of the table's identity.
func identifies(t *metric.Table, c *metric.Column) bool {
	return slices.Contains(t.Identity, c.Name)
}

// spread gives rows that together hold every extreme of every column, and NULL where it may be.
func spread(t *metric.Table) []metric.Row {
	var rows []metric.Row
	for n := 0; ; n++ {
		row, more := plain(t, n), false
		for i := range t.Columns {
			c := &t.Columns[i]
			if identifies(t, c) {
				continue
			}
			all := extremes(c)
			if !c.Required {
				all = append(all, nil)
			}
			row[i] = all[n%len(all)]
			more = more || n < len(all)
		}
		if !more && n > 0 {
			return rows
		}
		rows = append(rows, row)
	}
}

// read gives all rows of a table by ascending id or key.
func read(t testing.TB, db *sqldb.DB, table *metric.Table) []metric.Row {
	t.Helper()
	order := strings.Join(table.Identity, ", ")
	if table.AutoID {
		order = "id"
	}
	var rows []metric.Row
	query := "SELECT " + strings.Join(table.Names(), ", ") + " FROM " + table.Name + " ORDER BY " + order
	err := db.Query(t.Context(), db.Statement(query), func(r *sql.Rows) error {
		row, err := sqldb.ScanRow(r, table.Types())
		rows = append(rows, row)
		return err
	})
	if err != nil {
		t.Errorf("read %s: %v", table.Name, err)
	}
	return rows
}

// same compares what was written with what was read. A float's zero may lose its sign; JSON may be spaced anew.
func same(c *metric.Column, want, got any) bool {
	switch w := want.(type) {
	case time.Time:
		g, ok := got.(time.Time)
		return ok && g.Equal(w) && g.Location() == time.UTC
	case string:
		if g, ok := got.(string); ok && (c.Type == metric.JSON || c.Type == metric.List) {
			return reflect.DeepEqual(decoded(w), decoded(g))
		}
	}
	return want == got
}

func decoded(text string) (v any) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err.Error()
	}
	return v
}
