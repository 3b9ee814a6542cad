package sqldb

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// ScanRow reads the current row, whose columns are of these types, as a metric.Row holds it: nil for NULL.
func ScanRow(rows *sql.Rows, types []metric.Type) (metric.Row, error) {
	row, dest := make(metric.Row, len(types)), make([]any, len(types))
	for i, t := range types {
		dest[i] = target(t)
	}
	if err := rows.Scan(dest...); err != nil {
		return nil, err
	}
	for i := range dest {
		row[i] = value(dest[i].(sql.Scanner))
	}
	return row, nil
}

// Values makes a metric.Row of what a driver gave for columns of these types.
func Values(types []metric.Type, values []driver.Value) (metric.Row, error) {
	row := make(metric.Row, len(types))
	for i, t := range types {
		dest := target(t)
		if err := dest.Scan(values[i]); err != nil {
			return nil, err
		}
		row[i] = value(dest)
	}
	return row, nil
}

// target is where a value of the type, or NULL, is scanned to.
func target(t metric.Type) sql.Scanner {
	switch t {
	case metric.Int:
		return new(sql.NullInt64)
	case metric.Float:
		return new(sql.NullFloat64)
	case metric.Bool:
		return new(sql.NullBool)
	case metric.Time:
		return new(Time)
	case metric.Date:
		return new(Date)
	default:
		return new(sql.NullString)
	}
}

// value takes out of a target what was scanned.
func value(target sql.Scanner) any {
	switch v := target.(type) {
	case *sql.NullInt64:
		return valid(v.Valid, v.Int64)
	case *sql.NullFloat64:
		return valid(v.Valid, v.Float64)
	case *sql.NullBool:
		return valid(v.Valid, v.Bool)
	case *Time:
		return valid(v.Valid, v.Time)
	case *Date:
		return valid(*v != "", string(*v))
	default:
		s := target.(*sql.NullString)
		return valid(s.Valid, s.String)
	}
}

func valid(ok bool, v any) any {
	if !ok {
		return nil
	}
	return v
}

// TimeLayout is how engines without a time type store an instant: UTC, microseconds, no zone.
const TimeLayout = "2006-01-02 15:04:05.000000"

// Time scans an instant whether the driver gives a time.Time or text; Valid is false for NULL.
type Time struct {
	Time  time.Time
	Valid bool
}

// Scan implements sql.Scanner.
func (t *Time) Scan(v any) (err error) {
	*t = Time{}
	switch v := v.(type) {
	case nil:
		return nil
	case time.Time:
		t.Time = v.UTC()
	case string:
		t.Time, err = time.Parse(TimeLayout, v)
	case []byte:
		t.Time, err = time.Parse(TimeLayout, string(v))
	default:
		err = fmt.Errorf("sqldb: %T is no time", v)
	}
	t.Valid = err == nil
	return err
}

// Ptr gives nil for NULL.
func (t Time) Ptr() *time.Time {
	if !t.Valid {
		return nil
	}
	return &t.Time
}

// DateLayout is how a day is written.
const DateLayout = "2006-01-02"

// Date scans a day, as YYYY-MM-DD, whether the driver gives a time.Time or text; empty for NULL.
type Date string

// Scan implements sql.Scanner.
func (d *Date) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*d = ""
	case time.Time:
		*d = Date(v.UTC().Format(DateLayout))
	case string:
		*d = Date(v[:min(len(v), len(DateLayout))])
	case []byte:
		return d.Scan(string(v))
	default:
		return fmt.Errorf("sqldb: %T is no day", v)
	}
	return nil
}
