package move_test

import (
	"slices"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/move"
)

// A row of the target that is not as it should be is found, whatever table and type it is in, and named.
func TestTampered(t *testing.T) {
	for _, engine := range []string{sqlite, postgres} {
		t.Run(engine, func(t *testing.T) {
			src := extreme(t, sqlite)
			dst := fresh(t, engine)
			stopped(t, src, dst, 0.5) // all is copied, nothing compared
			for _, c := range []struct{ table, change, undo string }{
				{"metrics_bugs", "UPDATE metrics_bugs SET id = id + 1000000 WHERE id = 1", "UPDATE metrics_bugs SET id = 1 WHERE id > 1000000"},
				{"import_runs", "UPDATE import_runs SET read_count = 17 WHERE id = 1", "UPDATE import_runs SET read_count = 0 WHERE id = 1"},
				{"import_runs", "UPDATE import_runs SET error = error || ' ' WHERE id = 5", "UPDATE import_runs SET error = RTRIM(error) WHERE id = 5"},
				{"metrics_deployment", "UPDATE metrics_deployment SET extra = '{\"a\":[1]}' WHERE id = 3", "UPDATE metrics_deployment SET extra = '{}' WHERE id = 3"},
				{"import_series", "UPDATE import_series SET repeated = NOT repeated WHERE id = 1", "UPDATE import_series SET repeated = NOT repeated WHERE id = 1"},
				{"metrics_summary", "UPDATE metrics_summary SET week_over_week_change = 1.0000000000000002 WHERE week_over_week_change = 1",
					"UPDATE metrics_summary SET week_over_week_change = 1 WHERE week_over_week_change = 1.0000000000000002"},
				{"import_rejects", "UPDATE import_rejects SET import_run_id = import_run_id + 1 WHERE id = 2", "UPDATE import_rejects SET import_run_id = import_run_id - 1 WHERE id = 2"},
				{"patterns", "UPDATE patterns SET solution = NULL WHERE solution = ''", "UPDATE patterns SET solution = '' WHERE id = 1"},
			} {
				exec(t, dst, c.change)
				rep, err := move.Copy(t.Context(), src, dst, move.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if bad := rep.Differing(); !slices.Equal(bad, []string{c.table}) {
					t.Errorf("%s: %v differ", c.change, bad)
				}
				if n := number(t, dst, "SELECT COUNT(*) FROM copy_progress"); n != int64(len(rep.Tables)) {
					t.Errorf("%s: the copy counts as finished", c.change)
				}
				exec(t, dst, c.undo)
			}
			exec(t, dst, "DELETE FROM rollup_dirty WHERE day = (SELECT MIN(day) FROM rollup_dirty)")
			rep, err := move.Copy(t.Context(), src, dst, move.Options{})
			if bad := rep.Differing(); err != nil || !slices.Equal(bad, []string{metric.RollupDirty().Name}) {
				t.Errorf("%v differ: %v", bad, err)
			}
		})
	}
}
