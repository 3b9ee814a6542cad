package rollup

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Refresh brings metrics_summary and pattern_effectiveness up to date for the days that were touched since the last
// refresh. It does nothing when no day was.
func Refresh(ctx context.Context, tx *sqldb.Tx) error {
	touched, err := readTouched(tx)
	if err != nil || len(touched) == 0 {
		return err
	}
	for _, t := range touched {
		if t.links {
			err = refreshEffectiveness(ctx, tx, t)
		} else {
			err = refreshSummary(ctx, tx, t)
		}
		if err != nil {
			return err
		}
	}
	_, err = tx.Exec(tx.Statement("DELETE FROM rollup_dirty"))
	return err
}

// touched is what has to be computed again for one organisation and metric type.
type touched struct {
	org   int64
	name  string
	links bool
	days  map[string]bool // days and weeks whose rows depend on what was touched
	weeks map[string]bool // by their Monday
	from  time.Time       // first day that the computation reads
	to    time.Time       // last day
}

const week = 7

// touch notes everything that depends on a day: itself and the 13 days after it, whose last seven or earlier seven
// days it lies in; its week and the one after.
func (t *touched) touch(day time.Time) {
	for i := range 2 * week {
		t.days[day.AddDate(0, 0, i).Format(sqldb.DateLayout)] = true
	}
	m := monday(day)
	t.weeks[m.Format(sqldb.DateLayout)] = true
	t.weeks[m.AddDate(0, 0, week).Format(sqldb.DateLayout)] = true
	if first := day.AddDate(0, 0, -3*week); t.from.IsZero() || first.Before(t.from) {
		t.from = first
	}
	if last := bounded(day.AddDate(0, 0, 3*week)); last.After(t.to) {
		t.to = last
	}
}

// bounded gives the time, but none after the year 9999: text of such a day is smaller than that of the days before.
func bounded(t time.Time) time.Time {
	if end := time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC); t.After(end) {
		return end
	}
	return t
}

func monday(day time.Time) time.Time {
	return day.AddDate(0, 0, -(int(day.Weekday())+6)%week)
}

func readTouched(tx *sqldb.Tx) ([]*touched, error) {
	var all []*touched
	s := tx.Statement("SELECT organization_id, metric_type, day FROM rollup_dirty ORDER BY organization_id, metric_type, day")
	err := tx.Query(s, func(r *sql.Rows) error {
		var org int64
		var name string
		var d sqldb.Date
		if err := r.Scan(&org, &name, &d); err != nil {
			return err
		}
		day, err := time.Parse(sqldb.DateLayout, string(d))
		if err != nil {
			return err
		}
		if n := len(all); n == 0 || all[n-1].org != org || all[n-1].name != name {
			all = append(all, &touched{org: org, name: name, links: metric.ByName(name) == nil, days: map[string]bool{}, weeks: map[string]bool{}})
		}
		all[len(all)-1].touch(day)
		return nil
	})
	return all, err
}

func refreshSummary(ctx context.Context, tx *sqldb.Tx, t *touched) error {
	h, err := readHistory(tx, t.org, t.name, t.from, t.to)
	if err != nil {
		return err
	}
	var rows []metric.Row
	for _, p := range h.periods() {
		if p.kind == metric.PeriodDay && t.days[p.start] || p.kind == metric.PeriodWeek && t.weeks[p.start] {
			rows = append(rows, p.row(t.org, t.name))
		}
	}
	_, err = tx.Loader(metric.Summary(), sqldb.Replace).Insert(ctx, rows)
	return err
}

func refreshEffectiveness(ctx context.Context, tx *sqldb.Tx, t *touched) error {
	rows, err := effectiveness(tx, t.org, t.name, monday(t.from), t.to)
	if err != nil {
		return err
	}
	start := metric.Effectiveness().Position("period_start")
	rows = slices.DeleteFunc(rows, func(r metric.Row) bool { return !t.weeks[r[start].(time.Time).Format(sqldb.DateLayout)] })
	_, err = tx.Loader(metric.Effectiveness(), sqldb.Replace).Insert(ctx, rows)
	return err
}
