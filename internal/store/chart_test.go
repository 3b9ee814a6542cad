package store_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/feedback-loop/feedback-loop/internal/dashboard"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

// more are charts that exercise what the built-in ones do not.
const more = `
charts:
  - {id: avg-time, title: T, description: D, kind: hbar, datasets: [performance_metrics], category: kind, measures: [{average: execution_time_ms, format: duration_ms}, {sum: memory_usage_bytes, format: bytes}, {total: row_count}]}
  - {id: success, title: T, description: D, kind: line, datasets: [code_generation], time: week, measures: [{share: {outcome: success}}, {average: confidence}]}
  - {id: success-by-pattern, title: T, description: D, kind: line, datasets: [code_generation_patterns], time: month, series: pattern, limit: 3, other: true, measures: [{share: {outcome: success}}]}
  - {id: stacked, title: T, description: D, kind: bar, datasets: [code_reviews], category: pattern, series: severity, limit: 3, other: true, measures: [{total: occurrences}]}
  - {id: stacked-cut, title: T, description: D, kind: hbar, datasets: [bugs, code_reviews], category: pattern, series: metric_type, limit: 2, measures: [{total: occurrences}]}
  - {id: by-repository, title: T, description: D, kind: pie, datasets: [llm_calls], category: repository, filters: [{dimension: outcome, is: [failure]}], measures: [{sum: duration}]}
  - {id: environments, title: T, description: D, kind: bar, datasets: [deployment_issues], category: environment, order: [production, staging], limit: 2, measures: [{average: resolution_time_minutes}, {total: occurrences}]}
  - {id: days, title: T, description: D, kind: line, datasets: [bugs, test_failures], time: day, measures: [{total: occurrences}, {total: row_count}]}
`

// rawOnly needs what only the event tables have.
const rawOnly = `
charts:
  - {id: tests, title: T, description: D, kind: hbar, datasets: [test_failures], category: test_name, limit: 5, measures: [{total: occurrences}]}
  - {id: files, title: T, description: D, kind: hbar, datasets: [bugs, code_reviews], category: file_path, limit: 5, other: true, measures: [{total: occurrences}]}
`

func load(t testing.TB, text string) *dashboard.Catalogue {
	t.Helper()
	c, err := dashboard.Load(fstest.MapFS{"more.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func window(t testing.TB, name string) dashboard.Window {
	t.Helper()
	w, err := dashboard.ParseWindow(name, "", "", today())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Every chart of the catalogue has rows in the sample data, whole or in the last month.
func TestChartsHaveRows(t *testing.T) {
	s := store.New(openSample(t, 3000, 180))
	for _, x := range load(t, more).Charts() {
		for _, r := range []string{"30d", "all"} {
			data, err := s.Chart(t.Context(), x, dashboard.Query{Organization: store.DefaultOrganization, Window: window(t, r)})
			if err != nil {
				t.Fatal(err)
			}
			if len(data.Rows) == 0 || data.Rows[0][len(data.Rows[0])-1] == nil {
				t.Errorf("%s over %s has no data: %v", x.ID, r, data.Rows)
			}
			for table := range strings.SplitSeq(data.ServedFrom, ", ") {
				if !strings.HasPrefix(table, "metrics_daily") && table != "metrics_monthly" {
					t.Errorf("%s is served from %s", x.ID, table)
				}
			}
			if len(data.Rows[0]) != len(data.Columns) {
				t.Errorf("%s has %d columns and rows of %d cells", x.ID, len(data.Columns), len(data.Rows[0]))
			}
		}
	}
}

// The rollup answers what the events themselves answer.
func TestRollupEqualsRaw(t *testing.T) {
	s := store.New(openSample(t, 3000, 400))
	repos, err := s.Repositories(t.Context(), store.DefaultOrganization)
	if err != nil || len(repos) < 2 {
		t.Fatalf("repositories %v, %v", repos, err)
	}
	hostile := "'; DROP TABLE metrics_daily; --"
	for _, x := range load(t, more).Charts() {
		for _, r := range []string{"7d", "30d", "90d", "1y", "all"} {
			for _, repo := range []*string{nil, &repos[0].Name, &repos[1].Name, new(string), &hostile} {
				q := dashboard.Query{Organization: store.DefaultOrganization, Window: window(t, r), Repository: repo}
				fast, err := s.Chart(t.Context(), x, q)
				if err != nil {
					t.Fatal(err)
				}
				q.Raw = true
				slow, err := s.Chart(t.Context(), x, q)
				if err != nil {
					t.Fatal(err)
				}
				if slow.ServedFrom == fast.ServedFrom {
					t.Fatalf("%s: both are served from %s", x.ID, slow.ServedFrom)
				}
				if d := differ(fast, slow); d != "" {
					t.Errorf("%s over %s: rollup and rows differ: %s", x.ID, r, d)
				}
			}
		}
	}
}

// differ compares two answers; sums of floating point numbers depend on their order in the last digits.
func differ(a, b *dashboard.Data) string {
	if !reflect.DeepEqual(a.Columns, b.Columns) || a.Grain != b.Grain || a.Other != b.Other || len(a.Rows) != len(b.Rows) {
		return fmt.Sprintf("%v %v, %v %v", a.Columns, a.Rows, b.Columns, b.Rows)
	}
	for i := range a.Rows {
		for j, x := range a.Rows[i] {
			y := b.Rows[i][j]
			f, ok := x.(float64)
			g, both := y.(float64)
			if ok && both && math.Abs(f-g) <= 1e-9*math.Max(math.Abs(f), math.Abs(g)) {
				continue
			}
			if x != y {
				return fmt.Sprintf("row %d: %v and %v", i, a.Rows[i], b.Rows[i])
			}
		}
	}
	return ""
}

func TestChartsFromEvents(t *testing.T) {
	s := store.New(openSample(t, 3000, 180))
	for _, id := range []string{"tests", "files"} {
		x, err := load(t, rawOnly).Chart(id)
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.Chart(t.Context(), x, dashboard.Query{Organization: store.DefaultOrganization, Window: window(t, "all")})
		if err != nil || len(data.Rows) < 5 {
			t.Errorf("%s: %v, %v", id, data, err)
		}
		if data != nil && strings.Contains(data.ServedFrom, "metrics_daily") {
			t.Errorf("%s cannot come from the rollup", id)
		}
	}
}

// small is a file whose answers can be told by hand.
const small = `{
 "bugs": [
  {"pattern": "a", "error": "x", "file_path": "f", "timestamp": "2026-06-30T10:00:00", "count": 5},
  {"pattern": "b", "error": "x", "file_path": "f", "timestamp": "2026-06-29T23:59:59", "count": 3},
  {"pattern": "c", "error": "x", "file_path": "f", "timestamp": "2026-06-01T00:00:00", "count": 2},
  {"pattern": "Other", "error": "x", "file_path": "f", "timestamp": "2026-06-02T00:00:00", "count": 4},
  {"pattern": "a", "error": "y", "file_path": "f", "timestamp": "2026-05-31T23:59:59", "count": 100}
 ],
 "test_failures": [
  {"test_name": "t", "failure_reason": "r", "timestamp": "2026-06-30T10:00:00", "count": 50},
  {"test_name": "u", "failure_reason": "r", "pattern_violated": "b", "timestamp": "2026-06-30T10:00:00", "count": 10}
 ],
 "code_reviews": [
  {"issue_type": "i", "pattern": "a", "severity": "low", "timestamp": "2026-06-30T10:00:00"},
  {"issue_type": "j", "pattern": "a", "severity": "critical", "timestamp": "2026-06-30T10:00:00"},
  {"issue_type": "k", "pattern": "a", "severity": "low", "timestamp": "2026-06-30T10:00:00"}
 ],
 "code_generation": [
  {"prompt": "p", "confidence": 0.5, "success": true, "patterns_applied": ["a"], "timestamp": "2026-06-30T10:00:00"},
  {"prompt": "q", "confidence": 0.25, "success": false, "patterns_applied": [], "timestamp": "2026-06-30T11:00:00"}
 ]}`

func TestChartAnswers(t *testing.T) {
	db := openEmpty(t)
	importText(t, db, []byte(small), ingest.Options{Repository: "acme/shop"})
	importText(t, db, []byte(`{"bugs": [{"pattern": "z", "error": "e", "timestamp": "2026-06-30T00:00:00"}]}`), ingest.Options{})
	s := store.New(db)
	c := load(t, `
charts:
  - {id: trend, title: T, description: D, kind: line, datasets: [bugs], time: auto, series: pattern, limit: 2, other: true, measures: [{total: occurrences}]}
  - {id: success, title: T, description: D, kind: total, datasets: [code_generation], measures: [{share: {outcome: success}}]}
  - {id: confidence, title: T, description: D, kind: total, datasets: [code_generation], measures: [{average: confidence}]}
`)
	shop, unknown := "acme/shop", "" // in the shop a pattern is really called Other
	tests := []struct {
		chart, window string
		repo          *string
		want          [][]any
		other         bool
	}{
		{"total-bugs", "30d", nil, [][]any{{int64(15)}}, false},
		{"total-bugs", "all", nil, [][]any{{int64(115)}}, false},
		{"total-bugs", "30d", &unknown, [][]any{{int64(1)}}, false},
		{"total-bugs", "7d", &shop, [][]any{{int64(8)}}, false},
		{"total-deployment-issues", "all", nil, [][]any{{nil}}, false},
		{"trend", "30d", &shop, [][]any{{"2026-06-01", "Other", int64(2)}, {"2026-06-02", "Other", int64(4)},
			{"2026-06-29", "Other", int64(3)}, {"2026-06-30", "a", int64(5)}}, true},
		{"trend", "1y", &shop, [][]any{{"2026-05-25", "a", int64(100)}, {"2026-06-01", "Other", int64(4)},
			{"2026-06-01", "Other", int64(2)}, {"2026-06-29", "a", int64(5)}, {"2026-06-29", "Other", int64(3)}}, true},
		{"bug-patterns", "30d", &shop, [][]any{{"a", int64(5)}, {"Other", int64(4)}, {"b", int64(3)}, {"c", int64(2)}}, false},
		{"top-patterns", "30d", nil, [][]any{{"b", int64(13)}, {"a", int64(8)}, {"Other", int64(4)}, {"c", int64(2)}, {"z", int64(1)}}, false},
		{"review-severity", "30d", nil, [][]any{{"critical", int64(1)}, {"low", int64(2)}}, false},
		{"success", "30d", nil, [][]any{{0.5}}, false},
		{"confidence", "30d", nil, [][]any{{0.375}}, false},
		{"confidence", "30d", &unknown, [][]any{{nil}}, false},
	}
	for _, tt := range tests {
		x, err := c.Chart(tt.chart)
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.Chart(t.Context(), x, dashboard.Query{Organization: 1, Window: window(t, tt.window), Repository: tt.repo})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(data.Rows, tt.want) || data.Other != tt.other {
			t.Errorf("%s over %s gives %v (other %v), want %v", tt.chart, tt.window, data.Rows, data.Other, tt.want)
		}
	}
}

// Another organisation sees nothing of it.
func TestChartKeepsOrganisationsApart(t *testing.T) {
	s := store.New(openSample(t, 500, 60))
	for _, x := range load(t, more).Charts() {
		for _, raw := range []bool{false, true} {
			data, err := s.Chart(t.Context(), x, dashboard.Query{Organization: 2, Raw: raw})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(data.Rows); n > 1 || n == 1 && data.Rows[0][len(data.Columns)-1] != nil {
				t.Errorf("%s shows organisation 2 the rows %v", x.ID, data.Rows)
			}
		}
	}
}

func TestGrainFollowsTheEvents(t *testing.T) {
	tests := []struct {
		days int
		want sqldb.Grain
	}{{30, sqldb.Day}, {300, sqldb.Week}, {900, sqldb.Month}}
	for _, tt := range tests {
		s := store.New(openSample(t, 2000, tt.days))
		x, err := load(t, more).Chart("bug-trend")
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.Chart(t.Context(), x, dashboard.Query{Organization: store.DefaultOrganization})
		if err != nil {
			t.Fatal(err)
		}
		if data.Grain != tt.want || data.Columns[0].Name != "day" {
			t.Errorf("events of %d days are shown by %s, want %s", tt.days, data.Grain, tt.want)
		}
	}
}
