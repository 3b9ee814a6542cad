package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sample"
	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// The promises.
const (
	events        = 1_000_000
	fewer         = 100_000
	maxOfShell    = 2.0
	maxOfFirst    = 0.6
	maxPeakMiB    = 96
	maxPeakSpread = 0.2
)

// BenchmarkImport compares the import of a million events with the sqlite3 shell's .import of the same rows as CSV into
// the same tables with the same indexes, and looks at memory and at the second import.
func BenchmarkImport(b *testing.B) {
	shell := testkit.RequireCommand(b, "sqlite3", "sqlite3")
	dir := b.TempDir()
	binary := build(b, dir)
	few, many := sampleFile(b, dir, fewer), sampleFile(b, dir, events)
	for range b.N {
		small := importFile(b, binary, filepath.Join(dir, "few.db"), few)
		db := filepath.Join(dir, "many.db")
		first := importFile(b, binary, db, many)
		again := importFile(b, binary, db, many)
		took := shellImport(b, shell, dir, db)
		report(b, "first/shell", first.seconds/took, maxOfShell)
		report(b, "again/first", again.seconds/first.seconds, maxOfFirst)
		report(b, "peak-MiB", max(small.peakMiB, first.peakMiB, again.peakMiB), maxPeakMiB)
		report(b, "peak-spread", max(first.peakMiB/small.peakMiB, small.peakMiB/first.peakMiB)-1, maxPeakSpread)
		b.ReportMetric(events/first.seconds, "events/s")
		b.ReportMetric(took, "shell-s")
		b.Logf("1M events: first %.1f s, %.0f MiB; again %.1f s, %.0f MiB; sqlite3 shell %.1f s; 100k events: %.1f s, %.0f MiB",
			first.seconds, first.peakMiB, again.seconds, again.peakMiB, took, small.seconds, small.peakMiB)
		remove(b, db, filepath.Join(dir, "few.db"))
	}
}

// report notes a figure beside its limit and fails the benchmark beyond it.
func report(b *testing.B, name string, value, limit float64) {
	b.Helper()
	b.ReportMetric(value, name)
	if value > limit {
		b.Errorf("%s is %.2f; the limit is %.2f", name, value, limit)
	}
}

func build(b *testing.B, dir string) string {
	b.Helper()
	path := filepath.Join(dir, "feedback-loop")
	cmd := exec.Command("go", "build", "-o", path, "github.com/feedback-loop/feedback-loop/cmd/feedback-loop")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return path
}

func sampleFile(b *testing.B, dir string, n int) string {
	b.Helper()
	path := filepath.Join(dir, fmt.Sprintf("%d.json", n))
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	o := sample.Options{Events: n, Days: 180, Seed: 1, End: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	if err := sample.WriteJSON(f, o, nil); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// usage is what a process needed.
type usage struct{ seconds, peakMiB float64 }

func importFile(b *testing.B, binary, db, file string) usage {
	b.Helper()
	cmd := exec.Command(binary, "import", "--db", db, file)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	took := time.Since(start).Seconds()
	const kib = 1 << 10 // Linux gives the peak in KiB
	return usage{took, float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / kib}
}

// shellImport writes the event tables of a database as CSV and times the shell loading them into an empty copy of it.
func shellImport(b *testing.B, shell, dir, db string) float64 {
	b.Helper()
	var load strings.Builder
	var made []string
	for _, c := range metric.Catalogue() {
		for _, t := range tablesOf(c) {
			csv := filepath.Join(dir, t+".csv")
			out, err := exec.Command(shell, "-csv", db, "SELECT * FROM "+t).Output()
			if err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(csv, out, 0o600); err != nil {
				b.Fatal(err)
			}
			made = append(made, csv)
			fmt.Fprintf(&load, ".import %s %s\n", csv, t)
		}
	}
	empty := filepath.Join(dir, "shell.db")
	d, err := app.Open(context.Background(), empty, true)
	if err != nil {
		b.Fatal(err)
	}
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(shell, empty)
	cmd.Stdin = strings.NewReader("PRAGMA journal_mode=WAL;\nPRAGMA synchronous=FULL;\n.mode csv\n" + load.String())
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("rror")) {
		b.Fatalf("%v\n%s", err, out)
	}
	took := time.Since(start).Seconds()
	remove(b, append(made, empty)...)
	return took
}

func tablesOf(c *metric.Category) []string {
	if c.Links == nil {
		return []string{c.Table}
	}
	return []string{c.Table, c.Links.Table}
}

func remove(b *testing.B, paths ...string) {
	b.Helper()
	for _, p := range paths {
		for _, tail := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(p + tail); err != nil && !os.IsNotExist(err) {
				b.Fatal(err)
			}
		}
	}
}
