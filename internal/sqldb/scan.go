package sqldb

import (
	"fmt"
	"time"
)

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
