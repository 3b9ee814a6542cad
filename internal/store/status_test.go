package store_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

func exec(t *testing.T, db *sqldb.DB, sql string, args ...any) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(tx.Statement(sql, args...))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The first and last events are found whatever category and repository they belong to.
func TestStatusEdges(t *testing.T) {
	db := openEmpty(t)
	s := store.New(db)
	importText(t, db, []byte(`{
	 "llm_calls": [{"success": true, "timestamp": "2026-01-02T12:00:00.000001"}],
	 "code_reviews": [{"issue_type": "i", "pattern": "p", "severity": "low", "timestamp": "2026-01-02T11:59:59"}],
	 "bugs": [{"pattern": "p", "error": "e", "timestamp": "2026-05-05T00:00:00"}]}`), ingest.Options{Repository: "b"})
	importText(t, db, []byte(`{
	 "bugs": [{"pattern": "p", "error": "e", "timestamp": "2026-05-05T23:59:59.999999"}],
	 "code_reviews": [{"issue_type": "i", "pattern": "p", "severity": "low", "timestamp": "2026-01-02T00:00:00"}]}`), ingest.Options{Repository: "a"})
	got, err := s.Status(t.Context(), store.DefaultOrganization)
	if err != nil {
		t.Fatal(err)
	}
	first, last := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 5, 5, 23, 59, 59, 999999000, time.UTC)
	if got.First == nil || !got.First.Equal(first) || got.Last == nil || !got.Last.Equal(last) {
		t.Errorf("events from %v to %v, want %v to %v", got.First, got.Last, first, last)
	}
	if got.Events != 5 || got.SchemaVersion != metric.SchemaVersion || got.Engine != db.Engine().Name() {
		t.Errorf("status %+v", got)
	}
	repos, err := s.Repositories(t.Context(), store.DefaultOrganization)
	if want := []store.Repository{{Name: "a", Events: 2}, {Name: "b", Events: 3}}; err != nil || !reflect.DeepEqual(repos, want) {
		t.Errorf("repositories %v, %v", repos, err)
	}
	// Where the rows are gone and the rollup stays, the day is still known.
	exec(t, db, "DELETE FROM metrics_bugs")
	got, err = s.Status(t.Context(), store.DefaultOrganization)
	if err != nil || got.Events != 5 || !got.Last.Equal(time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("without the rows: %+v, %v", got, err)
	}
}

// The last day that there is has no next one that its text could be compared with.
func TestStatusOfTheLastDay(t *testing.T) {
	db := openEmpty(t)
	importText(t, db, []byte(`{"bugs": [{"pattern": "p", "error": "e", "timestamp": "9999-12-31T23:59:59.999999Z"}]}`), ingest.Options{})
	got, err := store.New(db).Status(t.Context(), store.DefaultOrganization)
	if want := time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC); err != nil || got.Last == nil || !got.Last.Equal(want) {
		t.Errorf("last event at %v, %v; want %v", got.Last, err, want)
	}
}

// Links repeat events; they are not counted again.
func TestLinksAreNoEvents(t *testing.T) {
	db := openEmpty(t)
	importText(t, db, []byte(`{"code_generation": [
	 {"prompt": "p", "confidence": 1, "success": true, "patterns_applied": ["a", "b"], "timestamp": "2026-01-02T12:00:00"}]}`), ingest.Options{})
	s := store.New(db)
	got, err := s.Status(t.Context(), store.DefaultOrganization)
	if err != nil || got.Events != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	repos, err := s.Repositories(t.Context(), store.DefaultOrganization)
	if want := []store.Repository{{Name: "", Events: 1}}; err != nil || !reflect.DeepEqual(repos, want) {
		t.Errorf("repositories %v, %v", repos, err)
	}
}

// Another organisation sees none of it.
func TestReadersKeepOrganisationsApart(t *testing.T) {
	const other = 2
	db := openEmpty(t)
	importText(t, db, []byte(`{"bugs": [{"pattern": "p", "error": "e", "timestamp": "2026-01-02T12:00:00"}, {"pattern": 1}]}`), ingest.Options{})
	s := store.New(db)
	st, err := s.Status(t.Context(), other)
	if err != nil || st.Events != 0 || st.First != nil || st.Last != nil {
		t.Errorf("status %+v, %v", st, err)
	}
	repos, err := s.Repositories(t.Context(), other)
	if err != nil || len(repos) != 0 {
		t.Errorf("repositories %v, %v", repos, err)
	}
	runs, err := s.Runs(t.Context(), other, 0, 10)
	if err != nil || len(runs) != 0 {
		t.Errorf("imports %v, %v", runs, err)
	}
	if _, err := s.Run(t.Context(), other, 1); fault.KindOf(err) != fault.NotFound {
		t.Errorf("import: %v", err)
	}
	if _, err := s.Rejects(t.Context(), other, 1, 0, 10); fault.KindOf(err) != fault.NotFound {
		t.Errorf("rejects: %v", err)
	}
	counts, err := s.ImportCounts(t.Context(), other)
	if err != nil || len(counts) != 0 {
		t.Errorf("import counts %v, %v", counts, err)
	}
}

func TestRuns(t *testing.T) {
	db := openEmpty(t)
	s := store.New(db)
	for range 3 {
		importText(t, db, []byte(`{"bugs": [{"pattern": "p", "error": "e", "timestamp": "2026-01-02T12:00:00"}]}`), ingest.Options{Repository: "r", Branch: "main"})
	}
	runs, err := s.Runs(t.Context(), store.DefaultOrganization, 3, 1)
	if err != nil || len(runs) != 1 || runs[0].ID != 2 {
		t.Fatalf("before 3: %+v, %v", runs, err)
	}
	x := runs[0]
	if x.Status != store.Done || x.Counts != (store.Counts{Read: 1, Duplicate: 1}) || x.Repository != "r" || x.Branch != "main" ||
		!x.Started.Equal(today()) || x.Finished == nil || x.Error != "" {
		t.Errorf("%+v", x)
	}
	exec(t, db, "UPDATE import_runs SET status = ?, finished_at = NULL, error = ?, notes = ? WHERE id = ?", store.Failed, "why", `["a","b"]`, 2)
	x, err = s.Run(t.Context(), store.DefaultOrganization, 2)
	if err != nil || x.Finished != nil || x.Error != "why" || !reflect.DeepEqual(x.Notes, []string{"a", "b"}) {
		t.Errorf("%+v, %v", x, err)
	}
	counts, err := s.ImportCounts(t.Context(), store.DefaultOrganization)
	if want := map[string]int64{store.Done: 2, store.Failed: 1}; err != nil || !reflect.DeepEqual(counts, want) {
		t.Errorf("counts %v, %v", counts, err)
	}
}
