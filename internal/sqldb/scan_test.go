package sqldb_test

import (
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

func TestTimeScan(t *testing.T) {
	want := time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC)
	for _, v := range []any{
		want, want.In(time.FixedZone("", -7*3600)), "2024-02-29 23:59:59.123456", []byte("2024-02-29 23:59:59.123456"),
	} {
		var got sqldb.Time
		if err := got.Scan(v); err != nil || !got.Valid || !got.Time.Equal(want) || got.Time.Location() != time.UTC {
			t.Errorf("%T %v gives %v, %v", v, v, got, err)
		}
		if p := got.Ptr(); p == nil || !p.Equal(want) {
			t.Errorf("Ptr gives %v", p)
		}
	}
}

func TestTimeScanNull(t *testing.T) {
	got := sqldb.Time{Time: time.Now(), Valid: true}
	if err := got.Scan(nil); err != nil || got.Valid || !got.Time.IsZero() || got.Ptr() != nil {
		t.Errorf("NULL gives %v, %v", got, err)
	}
}

func TestTimeScanBad(t *testing.T) {
	for _, v := range []any{"", "yesterday", "2024-02-30 00:00:00.000000", []byte("12:00"), int64(5), 1.5, true} {
		got := sqldb.Time{Time: time.Now(), Valid: true}
		if err := got.Scan(v); err == nil || got.Valid || got.Ptr() != nil {
			t.Errorf("%T %v gives %v, %v", v, v, got, err)
		}
	}
}

func TestDateScan(t *testing.T) {
	for _, c := range []struct {
		from any
		want sqldb.Date
	}{
		{nil, ""}, {"2024-02-29", "2024-02-29"}, {[]byte("2024-02-29"), "2024-02-29"}, {"2024-02-29 23:59:59.999999", "2024-02-29"},
		{time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), "2024-02-29"},
		{time.Date(2024, 3, 1, 1, 0, 0, 0, time.FixedZone("", 7200)), "2024-02-29"}, {"", ""},
	} {
		got := sqldb.Date("before")
		if err := got.Scan(c.from); err != nil || got != c.want {
			t.Errorf("%v gives %q, %v, want %q", c.from, got, err, c.want)
		}
	}
	for _, v := range []any{int64(5), 1.5, true} {
		var got sqldb.Date
		if err := got.Scan(v); err == nil {
			t.Errorf("%T gives %q and no error", v, got)
		}
	}
}
