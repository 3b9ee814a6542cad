package dashboard

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// The spans of a window hold each of its days once, and months only whole.
func TestSpansAreTheWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := &Chart{}
	windows := []Window{{day("2024-02-01"), day("2024-02-29")}, {day("2024-01-31"), day("2024-03-01")}, {day("2024-01-31"), day("2024-02-28")},
		{day("2023-12-31"), day("2023-12-31")}, {day("2023-12-01"), day("2024-01-01")}}
	for range 500 {
		from := day("2023-01-01").AddDate(0, 0, r.IntN(800))
		windows = append(windows, Window{from, from.AddDate(0, 0, r.IntN(400))})
	}
	for _, w := range windows {
		next, months := w.From, 0
		for _, p := range x.spans(Query{Window: w}) {
			if !p.From.Equal(next) || p.To.Before(p.From) {
				t.Fatalf("%v: a span begins at %v, not at %v", w, p, next)
			}
			next = p.To.AddDate(0, 0, 1)
			if p.kept != byMonth {
				if p.Days() > 30 && w.Days() > 62 {
					t.Errorf("%v: %d days are read singly", w, p.Days())
				}
				continue
			}
			months++
			if p.From.Day() != 1 || next.Day() != 1 {
				t.Errorf("%v: the months %v are not whole", w, p)
			}
		}
		if !next.Equal(w.To.AddDate(0, 0, 1)) || months > 1 || w.Days() > 62 && months == 0 {
			t.Errorf("%v: spans up to %v with %d of months", w, next, months)
		}
	}
}

func TestSpansFollowTheGrain(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	trend, err := c.Chart("bug-trend")
	if err != nil {
		t.Fatal(err)
	}
	year := Window{day("2025-01-01"), day("2025-12-31")}
	tests := []struct {
		q    Query
		want kept
	}{
		{Query{Window: year, Grain: sqldb.Month}, byMonth},
		{Query{Window: year, Grain: sqldb.Week}, byDay},
		{Query{Window: year, Grain: sqldb.Day}, byDay},
		{Query{Grain: sqldb.Month}, byMonth},
		{Query{Grain: sqldb.Month, Raw: true}, rawRows},
		{Query{Window: Window{day("2025-01-02"), day("2025-01-31")}, Grain: sqldb.Month}, byDay},
	}
	for _, tt := range tests {
		if got := trend.spans(tt.q); len(got) != 1 || got[0].kept != tt.want {
			t.Errorf("%+v is read from %v, want %v", tt.q, got, tt.want)
		}
	}
	if got := trend.Tables(Query{Window: Window{day("2025-01-02"), day("2025-02-28")}, Grain: sqldb.Month}); got != "metrics_daily, metrics_monthly" {
		t.Errorf("tables %s", got)
	}
	if d := month(time.Date(2024, 12, 31, 0, 0, 0, 0, time.UTC), 1); !d.Equal(day("2025-01-01")) {
		t.Errorf("after December comes %v", d)
	}
}
