package bench

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/dashboard"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

const (
	rounds       = 40
	maxChartMs   = 50
	minRawRatio  = 20
	maxHealthyMs = 300
)

// BenchmarkCharts asks for every chart of the first dashboard on a million events, from the rollup and from the raw
// rows, and times how soon a server on that database is healthy.
func BenchmarkCharts(b *testing.B) {
	dir := b.TempDir()
	binary := build(b, dir)
	path := filepath.Join(dir, "charts.db")
	importFile(b, binary, path, sampleFile(b, dir, events))
	ctx := context.Background()
	db, err := app.Open(ctx, path, false)
	if err != nil {
		b.Fatal(err)
	}
	cat, err := dashboard.Load()
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2025, 12, 31, 12, 0, 0, 0, time.UTC)
	for range b.N {
		worst, least := 0.0, 1e9
		for _, x := range cat.Charts() {
			for _, span := range []string{"30d", "90d", "1y", "all"} {
				p95, ratio := chart(b, store.New(db), x, span, now)
				b.Logf("%-24s %-4s p95 %6.2f ms, raw rows take %6.1f times as long", x.ID, span, p95, ratio)
				worst, least = max(worst, p95), min(least, ratio)
			}
		}
		report(b, "worst-p95-ms", worst, maxChartMs)
		b.ReportMetric(least, "least-raw/rollup")
		if least < minRawRatio {
			b.Errorf("the rollup is only %.1f times as fast as the raw rows; at least %d are wanted", least, minRawRatio)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	report(b, "healthy-ms", healthy(b, binary, path), maxHealthyMs)
}

func chart(b *testing.B, s *store.Store, x *dashboard.Chart, span string, now time.Time) (p95, ratio float64) {
	b.Helper()
	q := dashboard.Query{Organization: 1, Window: window(b, span, now)}
	ms := asked(b, s, x, q, rounds)
	q.Raw = true
	const fewRounds = 3
	return ms[rounds*95/100], asked(b, s, x, q, fewRounds)[fewRounds/2] / ms[rounds/2]
}

func window(b *testing.B, span string, now time.Time) dashboard.Window {
	b.Helper()
	w, err := dashboard.ParseWindow(span, "", "", now)
	if err != nil {
		b.Fatal(err)
	}
	return w
}

// asked gives the sorted times in milliseconds of asking for a chart.
func asked(b *testing.B, s *store.Store, x *dashboard.Chart, q dashboard.Query, times int) []float64 {
	b.Helper()
	ms := make([]float64, times)
	for i := range ms {
		start := time.Now()
		if _, err := s.Chart(context.Background(), x, q); err != nil {
			b.Fatal(err)
		}
		ms[i] = float64(time.Since(start).Microseconds()) / 1000
	}
	slices.Sort(ms)
	return ms
}

// healthy starts the server and gives the milliseconds until /healthz answers.
func healthy(b *testing.B, binary, db string) float64 {
	b.Helper()
	cmd := exec.Command(binary, "serve", "--db", db, "--addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // the process has done its work
		_ = cmd.Wait()
	}()
	buf := make([]byte, 4096)
	n, err := out.Read(buf)
	if err != nil {
		b.Fatal(err)
	}
	url := regexp.MustCompile(`http://[0-9.:]+`).Find(buf[:n])
	r, err := http.Get(string(url) + "/healthz")
	if err != nil {
		b.Fatal(err)
	}
	r.Body.Close()
	return float64(time.Since(start).Milliseconds())
}
