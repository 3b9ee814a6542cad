package ingest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Where clocks are changed one rule holds in every zone: the first of two, and the offset from before a gap.
func TestChangesOfClocks(t *testing.T) {
	for _, c := range [][3]string{
		{"Europe/Berlin", "2026-03-29T01:59:59", "2026-03-29 00:59:59"},
		{"Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29 01:30:00"},
		{"Europe/Berlin", "2026-03-29T03:00:00", "2026-03-29 01:00:00"},
		{"Europe/Berlin", "2026-10-25T01:59:59", "2026-10-24 23:59:59"},
		{"Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25 00:30:00"},
		{"Europe/Berlin", "2026-10-25T03:00:00", "2026-10-25 02:00:00"},
		{"America/New_York", "2026-03-08T02:30:00", "2026-03-08 07:30:00"},
		{"America/New_York", "2026-11-01T01:30:00", "2026-11-01 05:30:00"},
		{"America/New_York", "2026-11-01T02:00:00", "2026-11-01 07:00:00"},
		{"Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-04 14:45:00"},
		{"Pacific/Apia", "2011-12-31T00:00:00", "2011-12-30 10:00:00"},
		{"Europe/Berlin", "2026-07-01", "2026-06-30 22:00:00"},
	} {
		zone, err := time.LoadLocation(c[0])
		if err != nil {
			t.Fatal(err)
		}
		got, err := ingest.ParseTime(c[1], zone)
		if err != nil || got.Format(sqldb.TimeLayout) != c[2]+".000000" {
			t.Errorf("%s in %s is %s (%v), want %s", c[1], c[0], got, err, c[2])
		}
	}
}

// Numbers so large that their sum is none are refused; the largest that are taken can be summed.
func TestNumbersThatCannotBeSummed(t *testing.T) {
	b := newBase(t)
	call := func(second, duration string) string {
		return `{"success":true,"duration":` + duration + `,"timestamp":"2026-01-01T00:00:0` + second + `Z"}`
	}
	rep := b.load(`{"llm_calls":[` + strings.Join([]string{call("1", "1.7e308"), call("2", "-1.7e308"), call("3", "1e18"), call("4", "1e18"), call("5", "-1e18")}, ",") + `]}`)
	want(t, rep, 3, 0, 2)
	if got := b.text("SELECT duration_sum FROM metrics_daily WHERE metric_type = 'llm_calls'"); got != "1e+18" {
		t.Errorf("the sum is %s", got)
	}
}

// An import whose file is no metrics leaves its row in the ledger.
func TestLedgerHasUnknownFiles(t *testing.T) {
	b := newBase(t)
	for _, content := range []string{"", "\xff\xfe{\x00}\x00"} {
		_, err := b.try(content, ingest.Options{})
		fails(t, err, fault.Invalid)
	}
	if got := b.number("SELECT COUNT(*) FROM import_runs WHERE status = 'failed' AND format = 'unknown' AND error <> ''"); got != 2 {
		t.Errorf("%d failed runs are in the ledger, want 2", got)
	}
}

// What was read in another way than it was written is said.
func TestNotesOfDeviations(t *testing.T) {
	b := newBase(t)
	rep := b.load(`{"code_reviews":[{"issue_type":"i","pattern":"p","severity":"HIGH","timestamp":"2026-01-02"}],
		"code_generation":[{"prompt":"x","confidence":0.5,"success":true,"patterns_applied":["p"],"patterns_count":7,"timestamp":"2026-01-02"}]}`)
	want(t, rep, 2, 0, 0)
	notes := strings.Join(rep.Notes, "\n")
	for _, part := range []string{"severity written in another case", "patterns_count replaced by the number of patterns_applied"} {
		if !strings.Contains(notes, part) {
			t.Errorf("%q is not said in %q", part, notes)
		}
	}
}

// A record with a vendor's id that is known counts as known, and the report says that nothing was compared.
func TestKnownSourceID(t *testing.T) {
	b := newBase(t)
	want(t, b.load(`{"bugs":[`+bug(`,"source_id":"77","count":5`)+`]}`), 1, 0, 0)
	rep := b.load(`{"bugs":[` + bug(`,"source_id":"77","count":8`) + `]}`)
	want(t, rep, 0, 1, 0)
	if len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "source_id") {
		t.Errorf("notes %q", rep.Notes)
	}
}
