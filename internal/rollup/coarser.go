package rollup

import (
	"fmt"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// coarserTables are the rollups that follow from metrics_daily by adding rows up.
func coarserTables() []*metric.Table { return []*metric.Table{metric.Totals(), metric.Monthly()} }

// coarser adds up rows of metrics_daily to rows of a table with fewer dimensions or a coarser time.
type coarser struct {
	from  []int // position in metrics_daily of each column
	keys  int   // how many of them make the key
	month int   // position of the month; negative = the table has days
	rows  []metric.Row
	at    map[string]int // rows by key
	key   []byte
}

func newCoarser(t *metric.Table) *coarser {
	c := &coarser{keys: len(t.Identity), month: t.Position("month"), at: map[string]int{}}
	for _, name := range t.Names() {
		if name == "month" {
			name = "day"
		}
		c.from = append(c.from, metric.Daily().Position(name))
	}
	return c
}

// add folds one row of metrics_daily.
func (c *coarser) add(day metric.Row) {
	c.key = c.key[:0]
	for i := range c.keys {
		c.key = append(fmt.Append(c.key, c.value(day, i)), 0)
	}
	i, ok := c.at[string(c.key)]
	if !ok {
		c.at[string(c.key)] = len(c.rows)
		row := make(metric.Row, len(c.from))
		for i := range row {
			row[i] = c.value(day, i)
		}
		c.rows = append(c.rows, row)
		return
	}
	sum := c.rows[i]
	for i := c.keys; i < len(sum); i++ {
		if n, ok := sum[i].(int64); ok {
			sum[i] = n + day[c.from[i]].(int64)
		} else {
			sum[i] = sum[i].(float64) + day[c.from[i]].(float64)
		}
	}
}

func (c *coarser) value(day metric.Row, i int) any {
	v := day[c.from[i]]
	if i == c.month {
		return v.(string)[:len("2006-01")] + "-01"
	}
	return v
}
