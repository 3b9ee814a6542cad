package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// The promises on a server.
const (
	maxOfCopy          = 1.5
	maxOfFirstOnServer = 0.5
)

// server is a cluster as a small production machine has it: durable, with a tenth of the memory and room between
// checkpoints.
func server(b *testing.B) *pgtest.Server {
	return pgtest.New(b, "shared_buffers=2GB", "max_wal_size=8GB", "checkpoint_timeout=30min", "autovacuum_naptime=5min")
}

// BenchmarkPostgresImport compares the import of a million events with psql's \copy of the same rows as CSV into the same
// empty tables, partitioned and with all indexes, and looks at memory and at the second import.
func BenchmarkPostgresImport(b *testing.B) {
	s := server(b)
	dir := b.TempDir()
	binary := build(b, dir)
	few, many := sampleFile(b, dir, fewer), sampleFile(b, dir, events)
	for range b.N {
		importFile(b, binary, s.Database(b), many) // from here on the server has its log files, whoever is measured
		small := importFile(b, binary, s.Database(b), few)
		db := partitioned(b, s, binary, few)
		first := importFile(b, binary, db, many)
		again := importFile(b, binary, db, many)
		took := psqlCopy(b, s, dir, db)
		report(b, "first/copy", first.seconds/took, maxOfCopy)
		report(b, "again/first", again.seconds/first.seconds, maxOfFirstOnServer)
		report(b, "peak-MiB", max(small.peakMiB, first.peakMiB, again.peakMiB), maxPeakMiB)
		b.ReportMetric(events/first.seconds, "events/s")
		b.ReportMetric(took, "copy-s")
		b.Logf("1M events: first %.1f s, %.0f MiB; again %.1f s, %.0f MiB; \\copy %.1f s; 100k events: %.1f s, %.0f MiB",
			first.seconds, first.peakMiB, again.seconds, again.peakMiB, took, small.seconds, small.peakMiB)
	}
}

// psqlCopy writes the event tables as CSV, empties them, and times psql loading them again.
func psqlCopy(b *testing.B, s *pgtest.Server, dir, db string) float64 {
	b.Helper()
	var dump, load strings.Builder
	var made []string
	for _, c := range metric.Catalogue() {
		for _, t := range tablesOf(c) {
			csv := filepath.Join(dir, t+".csv")
			made = append(made, csv)
			fmt.Fprintf(&dump, "\\copy (SELECT * FROM metrics.%s ORDER BY id) TO '%s' CSV\n", t, csv)
			fmt.Fprintf(&load, "\\copy metrics.%s FROM '%s' CSV\n", t, csv)
		}
	}
	psql(b, s, db, dump.String())
	empty(b, s, db)
	start := time.Now()
	psql(b, s, db, load.String())
	took := time.Since(start).Seconds()
	for _, path := range made {
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
	}
	return took
}

func psql(b *testing.B, s *pgtest.Server, db, script string) {
	b.Helper()
	cmd := exec.Command("psql", "-qX", "-v", "ON_ERROR_STOP=1", s.Super(db))
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
}

// partitioned gives an empty database that has the parts of the tables already: psql will find them too.
func partitioned(b *testing.B, s *pgtest.Server, binary, file string) string {
	b.Helper()
	db := s.Database(b)
	importFile(b, binary, db, file)
	empty(b, s, db)
	return db
}

// empty removes all rows, and lets the server write out what it still holds, so that both loads start alike.
func empty(b *testing.B, s *pgtest.Server, db string) {
	b.Helper()
	var all []string
	for _, t := range metric.Tables() {
		if !t.Operational {
			all = append(all, "metrics."+t.Name)
		}
	}
	psql(b, s, db, "TRUNCATE "+strings.Join(all, ", ")+";\nCHECKPOINT;\n")
}
