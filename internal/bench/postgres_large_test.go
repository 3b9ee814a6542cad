package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/dashboard"
	"github.com/feedback-loop/feedback-loop/internal/sample"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

// The promises on ten million events.
const (
	millions  = 10
	years     = 5
	maxGrowth = 1.15
)

// BenchmarkPostgresLarge imports ten times a million events of the same five years, looks at how the time for each grows,
// and then asks for every chart. Five years are sixty parts of each table; each million falls into all of them.
func BenchmarkPostgresLarge(b *testing.B) {
	s := server(b)
	dir := b.TempDir()
	binary := build(b, dir)
	for range b.N {
		uri := s.Database(b)
		importFile(b, binary, uri, longSample(b, dir, 0, fewer)) // makes the parts
		var per100k []float64
		for n := 1; n <= millions; n++ {
			u := importFile(b, binary, uri, longSample(b, dir, n, events))
			per100k = append(per100k, u.seconds/(events/100_000))
			b.Logf("million %2d: %.2f s per 100,000 events, %.0f MiB", n, per100k[n-1], u.peakMiB)
		}
		// The first and the last three: one alone may have met a checkpoint.
		early, late := mean(per100k[:3]), mean(per100k[len(per100k)-3:])
		b.ReportMetric(early, "s/100k-early")
		b.ReportMetric(late, "s/100k-late")
		report(b, "growth", late/early, maxGrowth)
		psql(b, s, uri, "VACUUM ANALYZE;\n") // the server does so by itself, in time
		report(b, "worst-p95-ms", worstChart(b, uri), maxChartMs)
	}
}

func mean(all []float64) (m float64) {
	for _, x := range all {
		m += x / float64(len(all))
	}
	return m
}

// longSample writes a file of events of the years before 2026, different for each seed, over the one before.
func longSample(b *testing.B, dir string, seed, n int) string {
	b.Helper()
	path := filepath.Join(dir, fmt.Sprintf("long-%d.json", seed%2))
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	o := sample.Options{Events: n, Days: years * 365, Seed: uint64(seed + 1), End: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	if err := sample.WriteJSON(f, o, nil); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// worstChart asks for every chart over every span and gives the slowest 95th percentile in milliseconds.
func worstChart(b *testing.B, uri string) (worst float64) {
	b.Helper()
	ctx := context.Background()
	db, err := app.Open(ctx, uri, false)
	if err != nil {
		b.Fatal(err)
	}
	cat, err := dashboard.Load()
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2025, 12, 31, 12, 0, 0, 0, time.UTC)
	for _, x := range cat.Charts() {
		for _, span := range []string{"30d", "90d", "1y", "all"} {
			p95 := asked(b, store.New(db), x, dashboard.Query{Organization: 1, Window: window(b, span, now)}, rounds)[rounds*95/100]
			b.Logf("%-24s %-4s p95 %6.2f ms", x.ID, span, p95)
			worst = max(worst, p95)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	return worst
}

// BenchmarkPostgresIndexes measures what the seed's additional indexes cost a load of their table, and how much faster
// they make the query that each is for. docs/notes says which of them are made.
func BenchmarkPostgresIndexes(b *testing.B) {
	s := server(b)
	dir := b.TempDir()
	uri := s.Database(b)
	importFile(b, build(b, dir), uri, sampleFile(b, dir, events))
	for range b.N {
		for _, x := range []struct{ name, table, columns, query string }{
			{"timestamp", "metrics_bugs", "(timestamp DESC)", "SELECT COUNT(*) FROM metrics.metrics_bugs WHERE timestamp > '2025-12-25Z'"},
			{"pattern", "metrics_bugs", "(pattern)", "SELECT COUNT(*) FROM metrics.metrics_bugs WHERE pattern = 'bounds_checking'"},
			{"generation-timestamp", "metrics_code_generation", "(timestamp DESC)", "SELECT COUNT(*) FROM metrics.metrics_code_generation WHERE timestamp > '2025-12-25Z'"},
			{"patterns-gin", "metrics_code_generation", "USING GIN (patterns_applied jsonb_path_ops)",
				`SELECT COUNT(*) FROM metrics.metrics_code_generation WHERE patterns_applied @> '["bounds_checking"]'`},
		} {
			load0, query0 := reload(b, s, uri, dir, x.table), timed(b, s, uri, x.query)
			psql(b, s, uri, fmt.Sprintf("CREATE INDEX extra ON metrics.%s %s;\n", x.table, x.columns))
			load1, query1 := reload(b, s, uri, dir, x.table), timed(b, s, uri, x.query)
			psql(b, s, uri, "DROP INDEX metrics.extra;\n")
			b.ReportMetric(load1/load0, x.name+"-load")
			b.ReportMetric(query0/query1, x.name+"-speedup")
			b.Logf("%-22s load x %.2f, its query %.1f times as fast (%.1f ms, %.1f ms)", x.name, load1/load0, query0/query1, query0*1000, query1*1000)
		}
	}
}

// reload empties a table and times loading its rows again.
func reload(b *testing.B, s *pgtest.Server, uri, dir, table string) float64 {
	b.Helper()
	csv := filepath.Join(dir, table+".csv")
	psql(b, s, uri, fmt.Sprintf("\\copy (SELECT * FROM metrics.%s ORDER BY id) TO '%s' CSV\nTRUNCATE metrics.%s;\nCHECKPOINT;\n", table, csv, table))
	start := time.Now()
	psql(b, s, uri, fmt.Sprintf("\\copy metrics.%s FROM '%s' CSV\n", table, csv))
	took := time.Since(start).Seconds()
	psql(b, s, uri, "VACUUM ANALYZE metrics."+table+";\n")
	return took
}

// timed gives the seconds of one run of a query, out of many in a session.
func timed(b *testing.B, s *pgtest.Server, uri, query string) float64 {
	b.Helper()
	const runs = 20
	script := "SET jit = off;\n" + strings.Repeat(query+" \\g /dev/null\n", runs)
	psql(b, s, uri, script)
	start := time.Now()
	psql(b, s, uri, script)
	return time.Since(start).Seconds() / runs
}
