package retention_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/retention"
	"github.com/feedback-loop/feedback-loop/internal/sample"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// base is a database with half a year of sample events that end before the end of July.
type base struct {
	t    *testing.T
	db   *sqldb.DB
	text string
}

func day(month time.Month, d int) time.Time { return time.Date(2026, month, d, 0, 0, 0, 0, time.UTC) }

func newBase(t *testing.T) *base {
	t.Helper()
	var text strings.Builder
	o := sample.Options{Events: 4000, Days: 180, Seed: 3, End: day(time.July, 31)}
	if err := sample.WriteJSON(&text, o, nil); err != nil {
		t.Fatal(err)
	}
	b := &base{t, dbtest.Open(t, t.TempDir()), text.String()}
	if rep := b.bring(); rep.Inserted != 4000 {
		t.Fatalf("imported %+v", rep.Counts)
	}
	return b
}

func (b *base) bring() *ingest.Report {
	b.t.Helper()
	im := app.Importer(b.db)
	im.Now = func() time.Time { return day(time.August, 1) }
	rep, err := im.Stream(b.t.Context(), "sample.json", strings.NewReader(b.text), ingest.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	return rep
}

func (b *base) number(query string, args ...any) (n int64) {
	b.t.Helper()
	if err := b.db.Row(b.t.Context(), b.db.Statement(query, args...), &n); err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// rollups sums what dashboards read.
func (b *base) rollups() string {
	b.t.Helper()
	var all []string
	for _, table := range []string{"metrics_daily", "metrics_daily_totals", "metrics_monthly"} {
		err := b.db.Query(b.t.Context(), b.db.Statement("SELECT CAST(COUNT(*) AS VARCHAR(20)), CAST(SUM(occurrences) AS VARCHAR(20)) FROM "+table),
			func(r *sql.Rows) error {
				var rows, sum string
				err := r.Scan(&rows, &sum)
				all = append(all, table+" "+rows+" "+sum)
				return err
			})
		if err != nil {
			b.t.Fatal(err)
		}
	}
	return strings.Join(all, "\n")
}

func (b *base) healthy() {
	b.t.Helper()
	d, err := app.Examine(b.t.Context(), b.db)
	if err != nil {
		b.t.Fatal(err)
	}
	if !d.Healthy() {
		b.t.Errorf("the doctor found %d differences, the first: %+v", len(d.Findings), d.Findings[0])
	}
}

func category(name string) *metric.Category { return metric.ByName(name) }

func TestApply(t *testing.T) {
	b := newBase(t)
	before := b.rollups()
	for _, name := range []string{"bugs", "code_generation"} {
		r := retention.Rule{Category: category(name), Before: day(time.June, 15)}
		old := b.number("SELECT COUNT(*) FROM "+r.Category.Table+" WHERE timestamp < ?", r.Before)
		plan, err := retention.Plan(t.Context(), b.db, r)
		if err != nil {
			t.Fatal(err)
		}
		if b.number("SELECT COUNT(*) FROM "+r.Category.Table+" WHERE timestamp < ?", r.Before) != old || old == 0 {
			t.Fatalf("the plan removed something, or there is nothing to remove (%d)", old)
		}
		done, err := retention.Apply(t.Context(), b.db, r, func(int64) {})
		if err != nil {
			t.Fatal(err)
		}
		for i := range done {
			if done[i].Rows != plan[i].Rows || done[i].InPart != plan[i].InPart || strings.Join(done[i].Parts, " ") != strings.Join(plan[i].Parts, " ") {
				t.Errorf("did %+v, had planned %+v", done[i], plan[i])
			}
		}
		if last := done[len(done)-1]; last.Table != r.Category.Table || last.Rows+last.InPart != old {
			t.Errorf("removed %+v, want %d rows of %s", last, old, r.Category.Table)
		}
		if n := b.number("SELECT COUNT(*) FROM "+r.Category.Table+" WHERE timestamp < ?", r.Before); n != 0 {
			t.Errorf("%d old rows are left in %s", n, r.Category.Table)
		}
	}
	if after := b.rollups(); after != before {
		t.Errorf("the rollups changed from\n%s\nto\n%s", before, after)
	}
	b.healthy()
	if b.number("SELECT COUNT(*) FROM metrics_test_failures WHERE timestamp < ?", day(time.June, 15)) == 0 {
		t.Error("another category lost its rows too")
	}
}

// What was removed must not come in again, or the rollups would count it twice.
func TestOldFileAfterwards(t *testing.T) {
	b := newBase(t)
	for _, c := range metric.Catalogue() {
		if _, err := retention.Apply(t.Context(), b.db, retention.Rule{Category: c, Before: day(time.July, 1)}, func(int64) {}); err != nil {
			t.Fatal(err)
		}
	}
	before, rows := b.rollups(), b.number("SELECT COUNT(*) FROM metrics_bugs")
	rep := b.bring()
	if rep.Inserted != 0 || rep.Duplicate != 4000 || !strings.Contains(strings.Join(rep.Notes, "\n"), "older than what metrics_bugs keeps (from 2026-07-01 on)") {
		t.Errorf("the old file gives %+v %v", rep.Counts, rep.Notes)
	}
	if b.rollups() != before || b.number("SELECT COUNT(*) FROM metrics_bugs") != rows {
		t.Error("the old file changed the database")
	}
	b.text = `{"bugs": [{"pattern": "p", "error": "e", "timestamp": "2026-07-31T10:00:00"}, {"pattern": "p", "error": "f", "timestamp": "2026-06-30T23:59:59"}]}`
	if rep := b.bring(); rep.Inserted != 1 || rep.Duplicate != 1 {
		t.Errorf("new records give %+v", rep.Counts)
	}
	b.healthy()
}

// A retention that was interrupted is continued, and a later one with a shorter memory takes nothing back.
func TestAgain(t *testing.T) {
	b := newBase(t)
	r := retention.Rule{Category: category("bugs"), Before: day(time.July, 1)}
	ctx, stop := context.WithCancel(t.Context())
	if _, err := retention.Apply(ctx, b.db, r, func(int64) { stop() }); err == nil && b.number("SELECT COUNT(*) FROM metrics_bugs WHERE timestamp < ?", r.Before) > 0 {
		t.Error("stopped in the middle without an error")
	}
	b.healthy()
	if rep := b.bring(); rep.Inserted != 0 {
		t.Errorf("after an interrupted retention the old file gives %+v", rep.Counts)
	}
	for _, before := range []time.Time{r.Before, day(time.March, 1), r.Before} {
		if _, err := retention.Apply(t.Context(), b.db, retention.Rule{Category: r.Category, Before: before}, func(int64) {}); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.number("SELECT COUNT(*) FROM metrics_bugs WHERE timestamp < ?", r.Before); n != 0 {
		t.Errorf("%d old rows are left", n)
	}
	if err := b.db.Snapshot(t.Context(), func(tx *sqldb.Tx) error {
		all, err := retention.Horizons(tx)
		if !all["metrics_bugs"].Equal(r.Before) || len(all) != 1 {
			t.Errorf("kept from %v", all)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b.healthy()
}
