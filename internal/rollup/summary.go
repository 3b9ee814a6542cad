package rollup

import (
	"cmp"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// counts are the occurrences of one day or week.
type counts struct {
	total    int64
	severity map[string]int64
	pattern  map[string]int64
}

func newCounts() *counts { return &counts{severity: map[string]int64{}, pattern: map[string]int64{}} }

func (c *counts) add(o *counts) {
	c.total += o.total
	for k, v := range o.severity {
		c.severity[k] += v
	}
	for k, v := range o.pattern {
		c.pattern[k] += v
	}
}

// top is the most frequent pattern, the first in the alphabet among equals; nil without any.
func (c *counts) top() (name, count any) {
	var best string
	var most int64
	for _, p := range slices.Sorted(maps.Keys(c.pattern)) {
		if c.pattern[p] > most {
			best, most = p, c.pattern[p]
		}
	}
	if most == 0 {
		return nil, nil
	}
	return best, most
}

// history is one metric type's occurrences by day.
type history struct {
	days map[string]*counts
}

// readDaily sums metrics_daily over a span of days by day, pattern and one more dimension.
func readDaily(tx *sqldb.Tx, org int64, name, dimension string, from, to time.Time, f func(day, pattern, value string, n int64) error) error {
	s := tx.Statement("SELECT day, pattern, "+dimension+`, SUM(occurrences) FROM metrics_daily
WHERE organization_id = ? AND metric_type = ? AND day >= ? AND day <= ? GROUP BY day, pattern, `+dimension,
		org, name, from.Format(sqldb.DateLayout), to.Format(sqldb.DateLayout))
	return tx.Query(s, func(r *sql.Rows) error {
		var day sqldb.Date
		var pattern, value string
		var n int64
		if err := r.Scan(&day, &pattern, &value, &n); err != nil {
			return err
		}
		return f(string(day), pattern, value, n)
	})
}

func readHistory(tx *sqldb.Tx, org int64, name string, from, to time.Time) (*history, error) {
	h := &history{days: map[string]*counts{}}
	err := readDaily(tx, org, name, "severity", from, to, func(day, pattern, severity string, n int64) error {
		c := h.day(day)
		c.total += n
		c.severity[severity] += n
		if pattern != "" {
			c.pattern[pattern] += n
		}
		return nil
	})
	if cat := metric.ByName(name); err == nil && cat != nil && cat.Links != nil {
		// The events of this category have several patterns each.
		err = readDaily(tx, org, cat.Links.Name, "outcome", from, to, func(day, pattern, _ string, n int64) error {
			h.day(day).pattern[pattern] += n
			return nil
		})
	}
	return h, err
}

func (h *history) day(d string) *counts {
	c := h.days[d]
	if c == nil {
		c = newCounts()
		h.days[d] = c
	}
	return c
}

// span sums the days from start on.
func (h *history) span(start time.Time, days int) int64 {
	var n int64
	for i := range days {
		if c := h.days[start.AddDate(0, 0, i).Format(sqldb.DateLayout)]; c != nil {
			n += c.total
		}
	}
	return n
}

// period is a day or week with events, with its own seven days and the seven before for the trend.
type period struct {
	kind          string
	start         string
	counts        *counts
	week, earlier int64
}

// periods lists every day and week that has events, in order.
func (h *history) periods() []period {
	var days, weeks []period
	byWeek := map[string]*counts{}
	for _, d := range slices.Sorted(maps.Keys(h.days)) {
		t, err := time.Parse(sqldb.DateLayout, d)
		if err != nil {
			continue // the database gives days only
		}
		days = append(days, period{metric.PeriodDay, d, h.days[d],
			h.span(t.AddDate(0, 0, 1-week), week), h.span(t.AddDate(0, 0, 1-2*week), week)})
		m := monday(t)
		start := m.Format(sqldb.DateLayout)
		if byWeek[start] == nil {
			byWeek[start] = newCounts()
			weeks = append(weeks, period{metric.PeriodWeek, start, byWeek[start],
				h.span(m, week), h.span(m.AddDate(0, 0, -week), week)})
		}
		byWeek[start].add(h.days[d])
	}
	return append(days, weeks...)
}

// deadBand is the change in percent below which a trend is called stable.
const deadBand = 5

func (p period) trend() (direction, change any) {
	if p.earlier == 0 {
		return nil, nil
	}
	c := 100 * float64(p.week-p.earlier) / float64(p.earlier)
	switch {
	case c > deadBand:
		return "increasing", c
	case c < -deadBand:
		return "decreasing", c
	}
	return "stable", c
}

// row is the period as metrics_summary has it.
func (p period) row(org int64, name string) metric.Row {
	start, err := time.Parse(sqldb.DateLayout, p.start)
	if err != nil {
		panic(err) // made by Format
	}
	c := p.counts
	top, most := c.top()
	direction, change := p.trend()
	return metric.Row{name, start, c.total, c.severity["critical"] + c.severity["high"], c.severity["medium"], c.severity["low"],
		top, most, direction, change, org, p.kind}
}

// effectiveness gives the rows of pattern_effectiveness for the weeks from a Monday on.
func effectiveness(tx *sqldb.Tx, org int64, links string, from, to time.Time) ([]metric.Row, error) {
	type cell struct {
		start   time.Time
		pattern string
	}
	sums := map[cell]*[2]int64{} // successes, all
	err := readDaily(tx, org, links, "outcome", from, to, func(day, pattern, outcome string, n int64) error {
		t, err := time.Parse(sqldb.DateLayout, day)
		if err != nil {
			return err
		}
		k := cell{monday(t), pattern}
		if sums[k] == nil {
			sums[k] = new([2]int64)
		}
		if outcome == metric.Success {
			sums[k][0] += n
		}
		sums[k][1] += n
		return nil
	})
	if err != nil {
		return nil, err
	}
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b cell) int {
		return cmp.Or(a.start.Compare(b.start), strings.Compare(a.pattern, b.pattern))
	})
	var rows []metric.Row
	for _, k := range keys {
		ok, all := sums[k][0], sums[k][1]
		rows = append(rows, metric.Row{k.pattern, all, ok, all - ok, float64(ok) / float64(all), k.start, bounded(k.start.AddDate(0, 0, week)), org})
	}
	return rows, nil
}
