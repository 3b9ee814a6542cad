package rollup_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/rollup"
)

// Each change of the database by a stranger's hand is found, in the table that is wrong.
func TestDoctorFinds(t *testing.T) {
	for name, c := range map[string]struct{ stmt, table string }{
		"a row deleted":           {"DELETE FROM metrics_bugs WHERE id = 5", "metrics_daily"},
		"a count raised":          {"UPDATE metrics_bugs SET count = count + 1 WHERE id = 5", "metrics_daily"},
		"a row moved by a day":    {"UPDATE metrics_llm_calls SET timestamp = '2026-01-10 12:00:00.000000' WHERE id = 3", "metrics_daily"},
		"a measure changed":       {"UPDATE metrics_performance SET execution_time_ms = execution_time_ms + 0.5 WHERE id = (SELECT MIN(id) FROM metrics_performance WHERE execution_time_ms IS NOT NULL)", "metrics_daily"},
		"a measure lost":          {"UPDATE metrics_performance SET execution_time_ms = NULL WHERE id = (SELECT MIN(id) FROM metrics_performance WHERE execution_time_ms IS NOT NULL)", "metrics_daily"},
		"a dimension changed":     {"UPDATE metrics_code_reviews SET severity = CASE severity WHEN 'low' THEN 'high' ELSE 'low' END WHERE id = 2", "metrics_daily"},
		"an outcome turned":       {"UPDATE metrics_code_generation SET success = NOT success WHERE id = 2", "metrics_daily"},
		"a daily row deleted":     {"DELETE FROM metrics_daily WHERE (metric_type, day, pattern) = (SELECT metric_type, day, pattern FROM metrics_daily WHERE metric_type = 'bugs' LIMIT 1)", "metrics_daily"},
		"a daily row changed":     {"UPDATE metrics_daily SET row_count = row_count + 1 WHERE metric_type = 'llm_calls'", "metrics_daily"},
		"a summary changed":       {"UPDATE metrics_summary SET total_count = total_count + 1 WHERE id = 7", "metrics_summary"},
		"a summary deleted":       {"DELETE FROM metrics_summary WHERE id = 7", "metrics_summary"},
		"a trend invented":        {"UPDATE metrics_summary SET week_over_week_change = 1.5 WHERE id = 7", "metrics_summary"},
		"a top pattern invented":  {"UPDATE metrics_summary SET top_pattern = 'zzz' WHERE id = 7", "metrics_summary"},
		"a score changed":         {"UPDATE pattern_effectiveness SET effectiveness_score = 0.123 WHERE id = 2", "pattern_effectiveness"},
		"effectiveness deleted":   {"DELETE FROM pattern_effectiveness WHERE id = 2", "pattern_effectiveness"},
		"a run that does not add": {"UPDATE import_runs SET inserted_count = inserted_count + 1", "import_runs"},
		"a link deleted":          {"DELETE FROM code_generation_patterns WHERE id = 3", ""},
		"a forgotten day":         {"INSERT INTO rollup_dirty VALUES (1, 'bugs', '2026-01-01')", "rollup_dirty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			b.load(made(t, 600, 5))
			b.healthy()
			b.exec(c.stmt)
			d, err := rollup.Examine(t.Context(), b.db, nil)
			if err != nil {
				t.Fatal(err)
			}
			if d.Healthy() || !slices.ContainsFunc(d.Findings, func(f rollup.Finding) bool { return strings.HasPrefix(f.Table, c.table) && f.Fault != "" }) {
				t.Errorf("found %v", d.Findings)
			}
		})
	}
}
