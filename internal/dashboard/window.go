package dashboard

import (
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Window is a range of days in UTC, both ends inclusive; the zero value has no bounds.
type Window struct {
	From, To time.Time // midnight UTC
}

// Everything is the name of the range without bounds.
const Everything = "all"

// ranges are the named windows, in days up to and including today.
func ranges() map[string]int {
	return map[string]int{"7d": 7, "30d": 30, "90d": 90, "1y": 365, Everything: 0}
}

// Days outside of these years are refused: they are mistyped, and texts of other lengths would not compare.
const minYear, maxYear = 1900, 2999

// ParseWindow reads a window as requests name it: a range (7d, 30d, 90d, 1y, all) that ends today, or two days.
func ParseWindow(name, from, to string, now time.Time) (Window, error) {
	switch {
	case from == "" && to == "":
		return named(name, now)
	case name != "":
		return Window{}, fault.New(fault.Invalid, "a range and two days exclude each other").Try("Give either range, or from and to.")
	case from == "" || to == "":
		return Window{}, fault.New(fault.Invalid, "from and to belong together")
	}
	var w Window
	var err error
	if w.From, err = parseDay(from); err != nil {
		return Window{}, err
	}
	if w.To, err = parseDay(to); err != nil {
		return Window{}, err
	}
	if w.To.Before(w.From) {
		return Window{}, fault.New(fault.Invalid, "from is after to")
	}
	return w, nil
}

func named(name string, now time.Time) (Window, error) {
	n, ok := ranges()[name]
	if !ok {
		return Window{}, fault.New(fault.Invalid, "there is no range %q", name).Try("Use 7d, 30d, 90d, 1y or all.")
	}
	if n == 0 {
		return Window{}, nil
	}
	today := now.UTC().Truncate(24 * time.Hour)
	return Window{From: today.AddDate(0, 0, 1-n), To: today}, nil
}

func parseDay(s string) (time.Time, error) {
	t, err := time.Parse(sqldb.DateLayout, s)
	if err != nil || t.Year() < minYear || t.Year() > maxYear {
		return t, fault.New(fault.Invalid, "%q is no day", s).Try("Write it like 2026-11-23, in the years %d to %d.", minYear, maxYear)
	}
	return t, nil
}

// Bounded says whether the window has ends.
func (w Window) Bounded() bool { return !w.From.IsZero() }

// Days is the length of a bounded window.
func (w Window) Days() int { return int(w.To.Sub(w.From)/(24*time.Hour)) + 1 }

// Previous is the window of the same length that ends the day before a bounded one.
func (w Window) Previous() Window {
	return Window{From: w.From.AddDate(0, 0, -w.Days()), To: w.From.AddDate(0, 0, -1)}
}

// Up to these many days a chart over time shows single days, then weeks, then months.
const (
	daysByDay  = 45
	daysByWeek = 2 * 366
)

// Grain is the width of the chart's time buckets over a window; empty when the chart is not over time. Without
// bounds it is the grain for a span of unknown length: months.
func (x *Chart) Grain(w Window) sqldb.Grain {
	if x.Time != autoGrain {
		return sqldb.Grain(x.Time)
	}
	switch {
	case !w.Bounded() || w.Days() > daysByWeek:
		return sqldb.Month
	case w.Days() > daysByDay:
		return sqldb.Week
	default:
		return sqldb.Day
	}
}
