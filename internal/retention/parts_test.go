package retention_test

import (
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/retention"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// onServer is a base on the engine that has parts, whatever the run is about.
func onServer(t *testing.T) *base {
	t.Helper()
	pgtest.Shared(t)
	t.Setenv("FEEDBACK_ENGINE", "postgres")
	return newBase(t)
}

func (b *base) parts() map[string]sqldb.Part {
	b.t.Helper()
	all, err := b.db.Engine().(sqldb.Partitioned).Parts(b.t.Context(), b.db)
	if err != nil {
		b.t.Fatal(err)
	}
	byName := map[string]sqldb.Part{}
	for _, p := range all {
		byName[p.Name] = p
	}
	return byName
}

func TestDropParts(t *testing.T) {
	b := onServer(t)
	before := b.rollups()
	month := day(time.May, 1)
	kept := b.number("SELECT COUNT(*) FROM metrics_bugs WHERE timestamp >= ?", month)
	would, err := retention.Parts(t.Context(), b.db, month, false, true)
	if err != nil || len(would) == 0 || b.parts()["metrics_bugs_y2026m04"].Name == "" {
		t.Fatalf("a dry run gives %v, %v", would, err)
	}
	gone, err := retention.Parts(t.Context(), b.db, month, false, false)
	if err != nil || len(gone) != len(would) {
		t.Fatalf("%d parts went, %d should have; %v", len(gone), len(would), err)
	}
	have := b.parts()
	for _, p := range gone {
		if _, there := have[p.Name]; there || !p.Whole(month) {
			t.Errorf("%s is there, or should not have gone", p.Name)
		}
	}
	if n := b.number("SELECT COUNT(*) FROM metrics_bugs"); n != kept {
		t.Errorf("%d bugs are left, want %d", n, kept)
	}
	if b.rollups() != before {
		t.Error("the rollups changed")
	}
	b.healthy()
	if rep := b.bring(); rep.Inserted != 0 {
		t.Errorf("the old file gives %+v", rep.Counts)
	}
}

// A detached part stays with its rows, as a table of its own.
func TestDetachParts(t *testing.T) {
	b := onServer(t)
	april := b.number("SELECT COUNT(*) FROM metrics_bugs WHERE timestamp >= ? AND timestamp < ?", day(time.April, 1), day(time.May, 1))
	if _, err := retention.Parts(t.Context(), b.db, day(time.May, 1), true, false); err != nil {
		t.Fatal(err)
	}
	if n := b.number("SELECT COUNT(*) FROM metrics_bugs_y2026m04"); n != april || n == 0 {
		t.Errorf("the detached part has %d rows, want %d", n, april)
	}
	if b.number("SELECT COUNT(*) FROM metrics_bugs WHERE timestamp < ?", day(time.May, 1)) != 0 {
		t.Error("the table still has them")
	}
	b.healthy()
}

func TestPartsAhead(t *testing.T) {
	b := onServer(t)
	now := time.Date(2026, 11, 30, 23, 59, 0, 0, time.UTC)
	made, err := app.Ahead(t.Context(), b.db, now, 3)
	if err != nil || made != 4*8 {
		t.Errorf("%d parts made, %v, want those of four months for eight tables", made, err)
	}
	p := b.parts()["metrics_llm_calls_y2027m02"]
	if !p.From.Equal(time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)) || !p.To.Equal(time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the last part is %+v", p)
	}
	if made, err := app.Ahead(t.Context(), b.db, now, 3); made != 0 || err != nil {
		t.Errorf("%d parts made once more, %v", made, err)
	}
}
