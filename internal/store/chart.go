package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/dashboard"
	"github.com/feedback-loop/feedback-loop/internal/fault"
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
	err = s.db.Query(ctx, x.Statement(s.db.Engine(), q), func(rows *sql.Rows) error {
		if len(data.Rows) == dashboard.MaxRows {
			data.Truncated = true
			return errEnough
		}
		return scanRow(x, data, rows)
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
func scanRow(x *dashboard.Chart, data *dashboard.Data, rows *sql.Rows) error {
	dest := make([]any, 0, len(data.Columns)+1)
	for _, c := range data.Columns {
		dest = append(dest, target(c))
	}
	rank := new(int64)
	if x.Ranked() {
		dest = append(dest, rank)
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	row := make([]any, len(data.Columns))
	for i := range row {
		row[i] = plain(dest[i])
	}
	data.Rows = append(data.Rows, row)
	data.Other = data.Other || x.Other && *rank > int64(x.Limit)
	return nil
}

func target(c dashboard.Column) any {
	switch {
	case c.Type == dashboard.TimeType:
		return new(sqldb.Date)
	case c.Type == dashboard.TextType:
		return new(string)
	case c.Whole:
		return new(sql.NullInt64)
	default:
		return new(sql.NullFloat64)
	}
}

// plain gives the string or number that was scanned, nil for NULL.
func plain(d any) any {
	switch d := d.(type) {
	case *sqldb.Date:
		return string(*d)
	case *string:
		return *d
	case *sql.NullInt64:
		if d.Valid {
			return d.Int64
		}
	case *sql.NullFloat64:
		if d.Valid {
			return d.Float64
		}
	}
	return nil
}
