package dashboard

import (
	"slices"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// kept says in which form the numbers of a span are kept.
type kept int

const (
	rawRows   kept = iota // the events themselves
	byDay                 // metrics_daily
	dayTotals             // metrics_daily_totals
	byMonth               // metrics_monthly
)

// span is a part of a window that is read from one table.
type span struct {
	kept kept
	Window
}

// spans divides the window of a query. Whole months come from the monthly rollup where no finer time is asked for,
// what is left of it at both ends from the daily one; together they are exactly the window.
func (x *Chart) spans(q Query) []span {
	days := byDay
	if x.coarse() {
		days = dayTotals
	}
	switch {
	case q.Raw || !x.Rollup():
		return []span{{rawRows, q.Window}}
	case x.Time != "" && q.Grain != sqldb.Month:
		return []span{{days, q.Window}}
	case !q.Window.Bounded():
		return []span{{byMonth, q.Window}}
	}
	from, after := q.Window.From, q.Window.To.AddDate(0, 0, 1)
	first, last := month(from, 0), month(after, 0) // whole months: first <= m < last
	if first.Before(from) {
		first = month(from, 1)
	}
	if !first.Before(last) {
		return []span{{days, q.Window}}
	}
	var all []span
	if from.Before(first) {
		all = append(all, span{days, Window{from, first.AddDate(0, 0, -1)}})
	}
	all = append(all, span{byMonth, Window{first, last.AddDate(0, 0, -1)}})
	if last.Before(after) {
		all = append(all, span{days, Window{last, q.Window.To}})
	}
	return all
}

// coarse says that the daily totals have every dimension of the chart.
func (x *Chart) coarse() bool {
	return !slices.ContainsFunc(x.dimensions(), func(name string) bool {
		return metric.Totals().Position(name) < 0
	})
}

// month is the first day of a day's month, or of one that many months later.
func month(t time.Time, later int) time.Time {
	return time.Date(t.Year(), t.Month()+time.Month(later), 1, 0, 0, 0, 0, time.UTC)
}
