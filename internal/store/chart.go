package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/dashboard"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// errEnough stops the reading of rows that nobody will draw.
var errEnough = errors.New("enough rows")

// Chart asks the database for the data of a chart. Where the query names no grain it follows from the window, or from
// the days that have events where the window has no bounds.
func (s *Store) Chart(ctx context.Context, x *dashboard.Chart, q dashboard.Query) (data *dashboard.Data, err error) {
	defer fault.Op(&err, "read chart %s", x.ID)
	if q.Grain == "" {
		if q.Grain, err = s.grain(ctx, x, q); err != nil {
			return nil, err
		}
	}
	data = &dashboard.Data{Columns: x.Columns(q.Grain), Rows: [][]any{}, Grain: q.Grain, ServedFrom: x.Tables(q)}
	cells := types(x, data.Columns)
	err = s.db.Query(ctx, x.Statement(s.db.Engine(), q), func(rows *sql.Rows) error {
		if len(data.Rows) == dashboard.MaxRows {
			data.Truncated = true
			return errEnough
		}
		return scanRow(x, data, cells, rows)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return data, err
}

// grain measures the days that a window without bounds covers.
func (s *Store) grain(ctx context.Context, x *dashboard.Chart, q dashboard.Query) (sqldb.Grain, error) {
	w := q.Window
	if x.Time == "" || w.Bounded() {
		return x.Grain(w), nil
	}
	var first, last sqldb.Date
	if err := s.db.Row(ctx, x.Span(s.db.Engine(), q), &first, &last); err != nil {
		return "", err
	}
	if first == "" {
		return x.Grain(w), nil
	}
	var err error
	if w.From, err = time.Parse(sqldb.DateLayout, string(first)); err != nil {
		return "", err
	}
	w.To, err = time.Parse(sqldb.DateLayout, string(last))
	return x.Grain(w), err
}

// scanRow adds one row of the answer to data. Ranked charts give the rank after the columns.
func scanRow(x *dashboard.Chart, data *dashboard.Data, types []metric.Type, rows *sql.Rows) error {
	row, err := sqldb.ScanRow(rows, types)
	if err != nil {
		return err
	}
	if x.Ranked() {
		rank, _ := row[len(row)-1].(int64)
		data.Other = data.Other || x.Other && rank > int64(x.Limit)
		row = row[:len(row)-1]
	}
	data.Rows = append(data.Rows, row)
	return nil
}

// types are those of the columns of the answer.
func types(x *dashboard.Chart, columns []dashboard.Column) []metric.Type {
	var all []metric.Type
	for _, c := range columns {
		switch {
		case c.Type == dashboard.TimeType:
			all = append(all, metric.Date)
		case c.Type == dashboard.TextType:
			all = append(all, metric.Text)
		case c.Whole:
			all = append(all, metric.Int)
		default:
			all = append(all, metric.Float)
		}
	}
	if x.Ranked() {
		all = append(all, metric.Int)
	}
	return all
}
