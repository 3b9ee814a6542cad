package ingest

import (
	"fmt"
	"strings"
	"time"
)

// earliest is the first moment a record may have; what lies before comes from clocks that were never set.
var earliest = time.Unix(0, 0).UTC()

var clocks = []string{"15:04:05.999999999", "15:04:05", "15:04"}

// ParseTime reads an ISO 8601 time: a date, optionally T or a space and a clock time with any fraction, optionally Z
// or an offset. A time without offset is in zone (see local); a date alone is its midnight. The result is UTC, cut to
// microseconds, from 1970 to 9999.
func ParseTime(s string, zone *time.Location) (time.Time, error) {
	t, err := parseISO(strings.TrimSpace(s), zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time; expected the form 2026-01-31T23:59:59.123456+01:00", clip(s, 60))
	}
	t = t.UTC().Truncate(time.Microsecond)
	if t.Before(earliest) {
		return time.Time{}, fmt.Errorf("%q is before 1970", clip(s, 60))
	}
	if t.Year() > 9999 {
		return time.Time{}, fmt.Errorf("%q is after the year 9999", clip(s, 60))
	}
	return t, nil
}

func parseISO(s string, zone *time.Location) (time.Time, error) {
	if len(s) < len("2006-01-02") {
		return time.Time{}, fmt.Errorf("too short")
	}
	if len(s) == len("2006-01-02") {
		t, err := time.Parse("2006-01-02", s)
		return local(t, zone), err
	}
	day, sep, rest := s[:10], s[10], s[11:]
	if sep != 'T' && sep != 't' && sep != ' ' {
		return time.Time{}, fmt.Errorf("no T")
	}
	clock, offset := splitOffset(rest)
	clock = strings.Replace(clock, ",", ".", 1)
	layout, err := offsetLayout(offset)
	if err == nil && !inDay(offset) {
		err = fmt.Errorf("offset %q", offset)
	}
	if err != nil {
		return time.Time{}, err
	}
	if offset == "z" {
		offset = "Z"
	}
	for _, c := range clocks {
		t, e := time.Parse("2006-01-02T"+c+layout, day+"T"+clock+offset)
		switch {
		case e == nil && offset == "":
			return local(t, zone), nil
		case e == nil:
			return t, nil
		}
		err = e
	}
	return time.Time{}, err
}

// local takes what clocks in a zone showed. A time that they showed twice is the first of the two; one that they left
// out is read with the offset from before the change, which makes it as much later.
func local(shown time.Time, zone *time.Location) time.Time {
	if zone == time.UTC {
		return shown
	}
	with := func(t time.Time) time.Time {
		_, seconds := t.In(zone).Zone()
		return shown.Add(-time.Duration(seconds) * time.Second)
	}
	before, after := with(shown.AddDate(0, 0, -1)), with(shown.AddDate(0, 0, 1))
	if shows(after, zone, shown) && !shows(before, zone, shown) {
		return after
	}
	return before
}

// shows says whether clocks in the zone show these digits at that moment.
func shows(t time.Time, zone *time.Location, digits time.Time) bool {
	return t.In(zone).Format(time.DateTime) == digits.Format(time.DateTime)
}

func splitOffset(s string) (clock, offset string) {
	if i := strings.IndexAny(s, "Zz+-"); i >= 0 {
		return strings.TrimRight(s[:i], " "), s[i:]
	}
	return s, ""
}

func offsetLayout(offset string) (string, error) {
	switch len(offset) {
	case 0:
		return "", nil
	case 1:
		return "Z07:00", nil
	case 3:
		return "-07", nil
	case 5:
		return "-0700", nil
	case 6:
		return "-07:00", nil
	}
	return "", fmt.Errorf("offset %q", offset)
}

// inDay refuses the offsets of 24 hours or 60 minutes that the time package would take.
func inDay(offset string) bool {
	return len(offset) < 3 || offset[1:3] < "24" && (len(offset) == 3 || offset[len(offset)-2:] < "60")
}

// clip cuts a text that is longer than n bytes, not within a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}
