package move_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// decoded is JSON with numbers as fractions: 1.50 and 15e-1 are one.
func decoded(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return exact(v)
}

func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		r, _ := new(big.Rat).SetString(v.String())
		return r.String()
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exact(v[k])
		}
	}
	return v
}

// A copy has every row with its id, agrees with itself, recognises what was imported before, and numbers new rows on.
func TestCopy(t *testing.T) {
	each(t, func(t *testing.T, from, to string) {
		src, files := filled(t, from, 3000)
		dst := fresh(t, to)
		rep := copied(t, src, dst)
		for _, r := range rep.Tables {
			if n := number(t, src, "SELECT COUNT(*) FROM "+r.Table); r.Rows != n || r.TargetRows != n {
				t.Errorf("%s: %d rows of %d, %d copied", r.Table, r.Rows, n, r.TargetRows)
			}
		}
		if len(rep.Tables) != len(metric.Tables())-2 || rep.Resumed || rep.Merged {
			t.Errorf("the report is %+v", rep)
		}
		sameRows(t, src, dst)
		for _, table := range []string{"import_rejects", "import_undated", "import_series", "code_generation_patterns", "metrics_summary", "metrics_llm_calls"} {
			if number(t, dst, "SELECT COUNT(*) FROM "+table) == 0 {
				t.Errorf("the test has no rows in %s", table)
			}
		}
		if n := number(t, dst, "SELECT COUNT(*) FROM copy_progress"); n > 0 {
			t.Errorf("%d rows are left in copy_progress", n)
		}
		healthy(t, dst)
		numbersOn(t, dst)
		again(t, dst, files...)
	})
}

// numbersOn imports something new: its ids are behind all others.
func numbersOn(t testing.TB, db *sqldb.DB) {
	t.Helper()
	before := map[string]int64{}
	for _, table := range metric.Tables() {
		if table.AutoID {
			before[table.Name] = number(t, db, "SELECT MAX(id) FROM "+table.Name)
		}
	}
	load(t, db, made(t, 500, 77))
	for name, last := range before {
		rows := number(t, db, "SELECT COUNT(*) FROM "+name)
		if n := number(t, db, "SELECT COUNT(DISTINCT id) FROM "+name); n != rows {
			t.Errorf("%s has %d ids for %d rows", name, n, rows)
		}
		if metric.ByName("bugs").Table == name && number(t, db, "SELECT MAX(id) FROM "+name) <= last {
			t.Errorf("%s got no ids behind %d", name, last)
		}
	}
	healthy(t, db)
}

// Extremes of every type, hostile texts, and everything an import leaves come back from PostgreSQL as they were.
func TestRoundTrip(t *testing.T) {
	full, _ := filled(t, sqlite, 2000)
	for name, first := range map[string]*sqldb.DB{"imports": full, "extremes": extreme(t, sqlite)} {
		t.Run(name, func(t *testing.T) {
			second, third := fresh(t, postgres), fresh(t, sqlite)
			there, back := copied(t, first, second), copied(t, second, third)
			for i, r := range there.Tables {
				if b := back.Tables[i]; b.Table != r.Table || b.Digest != r.Digest || b.TargetDigest != r.Digest || b.Rows != r.Rows {
					t.Errorf("%+v came back as %+v", r.Comparison, b.Comparison)
				}
				if r.Rows == 0 && name == "extremes" {
					t.Errorf("no extremes in %s", r.Table)
				}
			}
			sameRows(t, first, second)
			sameRows(t, first, third)
		})
	}
}
