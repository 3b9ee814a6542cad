package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Status says what the database holds.
type Status struct {
	Engine        string
	SchemaVersion int
	Events        int64
	First, Last   *time.Time // of all events; nil when there are none
	Categories    []CategoryCount
}

// CategoryCount is the number of events of one category.
type CategoryCount struct {
	Name, Title string
	Events      int64
}

// Status reads the rollup and, for the exact first and last moments, one day of the event tables.
func (s *Store) Status(ctx context.Context, org int64) (out Status, err error) {
	defer fault.Op(&err, "read the status")
	out.Engine = s.db.Engine().Name()
	if err := s.db.Row(ctx, s.db.Statement("SELECT MAX(version) FROM feedback_loop_versions"), &out.SchemaVersion); err != nil {
		return out, err
	}
	if out.Categories, err = s.Events(ctx, org); err != nil {
		return out, err
	}
	for _, c := range out.Categories {
		out.Events += c.Events
	}
	if out.First, err = s.edge(ctx, org, "MIN"); err != nil {
		return out, err
	}
	out.Last, err = s.edge(ctx, org, "MAX")
	return out, err
}

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Events gives the number of events of every category, in the order of the catalogue. It reads the rollup alone.
func (s *Store) Events(ctx context.Context, org int64) ([]CategoryCount, error) {
	have := map[string]int64{}
	st := s.db.Statement("SELECT metric_type, SUM(row_count) FROM metrics_monthly WHERE organization_id = ? GROUP BY metric_type", org)
	err := s.db.Query(ctx, st, func(r *sql.Rows) error {
		var name string
		var n int64
		err := r.Scan(&name, &n)
		have[name] = n
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []CategoryCount
	for _, c := range metric.Catalogue() {
		all = append(all, CategoryCount{Name: c.Name, Title: c.Title, Events: have[c.Name]})
	}
	return all, nil
}

// ImportCounts gives the number of imports per status.
func (s *Store) ImportCounts(ctx context.Context, org int64) (map[string]int64, error) {
	have := map[string]int64{}
	st := s.db.Statement("SELECT status, COUNT(*) FROM import_runs WHERE organization_id = ? GROUP BY status", org)
	err := s.db.Query(ctx, st, func(r *sql.Rows) error {
		var status string
		var n int64
		err := r.Scan(&status, &n)
		have[status] = n
		return err
	})
	return have, err
}

// edge finds the first (MIN) or last (MAX) moment of all events without a scan: the rollup's key gives the day per
// category, then which repositories have events on it, and the event table's key the moment for each of them. Where
// retention dropped the events themselves it is the start of the day.
func (s *Store) edge(ctx context.Context, org int64, pick string) (*time.Time, error) {
	days, err := s.edgeDays(ctx, org, pick)
	if err != nil {
		return nil, err
	}
	var best *time.Time
	take := func(t time.Time) {
		if best == nil || (pick == "MIN") == t.Before(*best) {
			best = &t
		}
	}
	day := extreme(days, pick)
	for c, d := range days {
		if d != day {
			continue
		}
		t, err := s.edgeTime(ctx, org, c, day, pick)
		if err != nil {
			return nil, err
		}
		take(t)
	}
	return best, nil
}

// edgeDays gives the first or last day of each category that has events.
func (s *Store) edgeDays(ctx context.Context, org int64, pick string) (map[*metric.Category]sqldb.Date, error) {
	days := map[*metric.Category]sqldb.Date{}
	for _, c := range metric.Catalogue() {
		var day sqldb.Date
		st := s.db.Statement("SELECT "+pick+"(day) FROM metrics_daily WHERE organization_id = ? AND metric_type = ?", org, c.Name)
		if err := s.db.Row(ctx, st, &day); err != nil {
			return nil, err
		}
		if day != "" {
			days[c] = day
		}
	}
	return days, nil
}

func extreme(days map[*metric.Category]sqldb.Date, pick string) (best sqldb.Date) {
	for _, d := range days {
		if best == "" || (pick == "MIN") == (d < best) {
			best = d
		}
	}
	return best
}

func (s *Store) edgeTime(ctx context.Context, org int64, c *metric.Category, day sqldb.Date, pick string) (time.Time, error) {
	start, err := time.Parse(sqldb.DateLayout, string(day))
	if err != nil {
		return start, err
	}
	var at sqldb.Time
	st := s.db.Statement("SELECT "+pick+"((SELECT "+pick+"(e.timestamp) FROM "+c.Table+" e WHERE e.repository = d.repository"+
		" AND e.timestamp >= ? AND e.timestamp <= ? AND e.organization_id = ?)) FROM (SELECT DISTINCT repository FROM metrics_daily"+
		" WHERE organization_id = ? AND metric_type = ? AND day = ?) d",
		start, start.AddDate(0, 0, 1).Add(-time.Microsecond), org, org, c.Name, string(day))
	if err := s.db.Row(ctx, st, &at); err != nil {
		return start, err
	}
	if !at.Valid {
		return start, nil
	}
	return at.Time, nil
}

// inCategories limits a query of the rollup to events: links repeat events that are counted already.
func inCategories(st *sqldb.Statement) {
	comma := " AND metric_type IN ("
	for _, c := range metric.Catalogue() {
		st.Add(comma+"?", c.Name)
		comma = ", "
	}
	st.Add(")")
}
