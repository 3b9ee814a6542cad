// Package rollup keeps the derived tables: metrics_daily and its coarser sums by adding what a batch really inserted,
// in the batch's own transaction; metrics_summary and pattern_effectiveness by computing the days that were touched;
// and the doctor, which computes everything from the raw rows and compares.
package rollup

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Fold collects the rows that a batch inserted.
type Fold struct {
	groups map[string]metric.Row
	key    []byte
	last   struct { // the formatted day of the last row: rows of one file mostly follow each other
		unix int64
		day  string
	}
}

// NewFold gives an empty fold.
func NewFold() *Fold { return &Fold{groups: map[string]metric.Row{}} }

// Positions of the fixed columns of metrics_daily; the dimensions follow.
const (
	posOrg = iota
	posType
	posDay
	posRepo
	posDims
)

// Add folds one row of the aggregate's table.
func (f *Fold) Add(a *metric.Aggregate, row metric.Row) {
	k := f.group(a, row)
	g := f.groups[string(k)]
	if g == nil {
		g = f.start(a, row)
		f.groups[string(k)] = g
	}
	n := metric.DailyKey()
	g[n] = g[n].(int64) + 1
	g[n+1] = g[n+1].(int64) + occurrences(a, row)
	for _, m := range a.Measures {
		if v := row[m.Source]; v != nil {
			g[m.Target] = g[m.Target].(float64) + float(v)
			g[m.Target+1] = g[m.Target+1].(int64) + 1
		}
	}
}

// Join adds what another fold collected; the other is not to be used afterwards.
func (f *Fold) Join(o *Fold) {
	for k, row := range o.groups {
		if g := f.groups[k]; g == nil {
			f.groups[k] = row
		} else {
			for i := metric.DailyKey(); i < len(g); i++ {
				g[i] = plus(g[i], row[i])
			}
		}
	}
}

func plus(a, b any) any {
	if n, ok := a.(int64); ok {
		return n + b.(int64)
	}
	return a.(float64) + b.(float64)
}

func occurrences(a *metric.Aggregate, row metric.Row) int64 {
	if a.Count < 0 {
		return 1
	}
	return row[a.Count].(int64)
}

func float(v any) float64 {
	if n, ok := v.(int64); ok {
		return float64(n)
	}
	return v.(float64)
}

func (f *Fold) group(a *metric.Aggregate, row metric.Row) []byte {
	b := binary.AppendVarint(f.key[:0], row[a.Org].(int64))
	b = append(b, a.Name...)
	b = append(b, 0)
	b = append(b, f.day(row[a.Time].(time.Time))...)
	b = append(b, row[a.Repo].(string)...)
	for _, d := range a.Dimensions {
		b = append(b, 0)
		b = append(b, dimension(d, row)...)
	}
	f.key = b
	return b
}

func dimension(d metric.Folded, row metric.Row) string {
	switch v := row[d.Source].(type) {
	case string:
		return v
	case bool:
		if v {
			return metric.Success
		}
		return metric.Failure
	default:
		return ""
	}
}

func (f *Fold) day(t time.Time) string {
	const secondsADay = 86400
	u := t.Unix() - t.Unix()%secondsADay // times are not before 1970
	if f.last.day == "" || u != f.last.unix {
		f.last.unix, f.last.day = u, t.UTC().Format(sqldb.DateLayout)
	}
	return f.last.day
}

func (f *Fold) start(a *metric.Aggregate, row metric.Row) metric.Row {
	daily := metric.Daily()
	g := make(metric.Row, len(daily.Columns))
	for i := posDims; i < metric.DailyKey(); i++ {
		g[i] = ""
	}
	for i := metric.DailyKey(); i < len(g); i++ {
		if daily.Columns[i].Type == metric.Float {
			g[i] = 0.0
		} else {
			g[i] = int64(0)
		}
	}
	g[posOrg], g[posType], g[posDay], g[posRepo] = row[a.Org], a.Name, f.day(row[a.Time].(time.Time)), row[a.Repo]
	for _, d := range a.Dimensions {
		g[d.Target] = dimension(d, row)
	}
	return g
}

// Flush adds what was collected to the rollups, marks the touched days, and empties the fold.
func (f *Fold) Flush(ctx context.Context, tx *sqldb.Tx) error {
	rows := make([]metric.Row, 0, len(f.groups))
	for _, k := range slices.Sorted(maps.Keys(f.groups)) {
		rows = append(rows, f.groups[k])
	}
	clear(f.groups)
	if _, err := tx.Loader(metric.Daily(), sqldb.Add).Insert(ctx, rows); err != nil {
		return err
	}
	for _, t := range coarserTables() {
		c := newCoarser(t)
		for _, row := range rows {
			c.add(row)
		}
		if _, err := tx.Loader(t, sqldb.Add).Insert(ctx, c.rows); err != nil {
			return err
		}
	}
	_, err := tx.Loader(metric.RollupDirty(), sqldb.Skip).Insert(ctx, dirty(rows))
	return err
}

// dirty gives the marks of the days of rows that are sorted by type and day.
func dirty(rows []metric.Row) []metric.Row {
	var marks []metric.Row
	for i, r := range rows {
		if i > 0 && slices.Equal(rows[i-1][:posRepo], r[:posRepo]) {
			continue
		}
		marks = append(marks, metric.Row{r[posOrg], r[posType], r[posDay]})
	}
	return marks
}
