package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// sampleRun runs the program in a folder of its own and gives exit code, output and messages.
func sampleRun(t *testing.T, ctx context.Context, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(ctx, append([]string{"sample"}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func emptyFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("METRICS_DB_URI", "")
}

type sampleReport struct {
	Files []struct{ File, Format string }
	Total struct{ Read, Inserted, Duplicate, Rejected int }
}

func sampleJSON(t *testing.T, args ...string) (r sampleReport) {
	t.Helper()
	code, out, errs := sampleRun(t, t.Context(), append(args, "--json")...)
	if code != exitDone {
		t.Fatalf("sample %v ends with %d: %s", args, code, errs)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}

func TestSampleGoesInWholeAndOnce(t *testing.T) {
	emptyFolder(t)
	flags := []string{"--db", "x.db", "--events", "6000", "--end", "2026-07-01"}
	first := sampleJSON(t, flags...)
	if first.Total.Read != 6000 || first.Total.Inserted != 6000 {
		t.Errorf("of 6000 events: %+v", first.Total)
	}
	before := sums(t, "x.db")
	again := sampleJSON(t, flags...)
	if again.Total.Duplicate != 6000 || again.Total.Inserted != 0 {
		t.Errorf("the second time: %+v", again.Total)
	}
	if _, out, _ := sampleRun(t, t.Context(), flags...); !strings.Contains(out, "in the database already: nothing was written") {
		t.Errorf("a run that writes nothing does not say so: %s", out)
	}
	if after := sums(t, "x.db"); !maps.Equal(after, before) {
		t.Errorf("sums were %v and are %v", before, after)
	}
	if code, _, errs := sampleRun(t, t.Context(), "--out", "x.json", "--events", "6000", "--end", "2026-07-01"); code != exitDone {
		t.Fatal(errs)
	}
	if want := fileSums(t, "x.json"); !maps.Equal(before, want) {
		t.Errorf("the database has %v, the file of the same sample %v", before, want)
	}
}

// occurrences holds the rows of each category and what they stand for.
type occurrences map[string][2]int64

func sums(t *testing.T, path string) occurrences {
	t.Helper()
	c := occurrences{}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, cat := range metric.Catalogue() {
		var rows, all int64
		sum := "COUNT(*)"
		if cat.Counted() {
			sum = "SUM(count)"
		}
		if err := db.QueryRow("SELECT COUNT(*), "+sum+" FROM "+cat.Table).Scan(&rows, &all); err != nil {
			t.Fatal(err)
		}
		c[cat.Name] = [2]int64{rows, all}
	}
	return c
}

func fileSums(t *testing.T, path string) occurrences {
	t.Helper()
	c := occurrences{}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]struct{ Count *int64 }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for name, records := range all {
		n := int64(0)
		for _, r := range records {
			if r.Count == nil {
				n++
			} else {
				n += *r.Count
			}
		}
		c[name] = [2]int64{int64(len(records)), n}
	}
	return c
}

// Another sample in the same database is all new, although it has the same bugs in the same files.
func TestSamplesDoNotMix(t *testing.T) {
	emptyFolder(t)
	sampleJSON(t, "--events", "3000", "--end", "2026-07-01")
	before := sums(t, "feedback-loop.db")
	sampleJSON(t, "--events", "2000", "--end", "2026-07-01")
	after := sums(t, "feedback-loop.db")
	sampleJSON(t, "--db", "alone.db", "--events", "2000", "--end", "2026-07-01")
	alone := sums(t, "alone.db")
	for name := range after {
		if after[name][1] != before[name][1]+alone[name][1] {
			t.Errorf("%s: %d and %d make %d", name, before[name][1], alone[name][1], after[name][1])
		}
	}
}

func TestSampleSaysWhichDatabase(t *testing.T) {
	emptyFolder(t)
	if _, out, _ := sampleRun(t, t.Context(), "--events", "10"); !strings.Contains(out, "feedback-loop.db (default)") {
		t.Errorf("the default is not named: %s", out)
	}
	t.Setenv("METRICS_DB_URI", "other.db")
	if _, out, _ := sampleRun(t, t.Context(), "--events", "10"); !strings.Contains(out, "other.db (METRICS_DB_URI)") {
		t.Errorf("the environment is not named: %s", out)
	}
	if _, err := os.Stat("other.db"); err != nil {
		t.Error(err)
	}
}

func TestSampleFileIsTheSampleOfTheSeed(t *testing.T) {
	emptyFolder(t)
	flags := []string{"--events", "500", "--end", "2026-07-01", "--out"}
	if code, _, errs := sampleRun(t, t.Context(), append(flags, "a.json")...); code != exitDone {
		t.Fatal(errs)
	}
	file, err := os.ReadFile("a.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, out, _ := sampleRun(t, t.Context(), append(flags, "-")...); out != string(file) {
		t.Error("standard output got other bytes than the file")
	}
	if _, out, _ := sampleRun(t, t.Context(), append(flags, "-", "--seed", "2")...); out == string(file) {
		t.Error("another seed gave the same bytes")
	}
}

// A file that cannot be finished leaves what was there, and nothing beside it.
func TestSampleFileIsReplacedAsAWhole(t *testing.T) {
	emptyFolder(t)
	if err := os.WriteFile("a.json", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if code, _, errs := sampleRun(t, ctx, "--out", "a.json"); code != exitFailed || !strings.Contains(errs, "a.json cannot be written") {
		t.Errorf("an interrupted run ends with %d: %s", code, errs)
	}
	if text, err := os.ReadFile("a.json"); err != nil || string(text) != "old" {
		t.Errorf("the file is now %q, %v", text, err)
	}
	if all, err := filepath.Glob(".*"); err != nil || len(all) > 0 {
		t.Errorf("left behind: %v, %v", all, err)
	}
	if code, _, errs := sampleRun(t, t.Context(), "--out", "a.json", "--events", "5"); code != exitDone {
		t.Fatal(errs)
	}
	if info, err := os.Stat("a.json"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's permissions were not kept: %v, %v", info.Mode(), err)
	}
}

func TestSampleInterruptedImportCanBeRepeated(t *testing.T) {
	emptyFolder(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if code, _, errs := sampleRun(t, ctx, "--events", "2000"); code != exitFailed || errs == "" {
		t.Errorf("an interrupted run ends with %d: %q", code, errs)
	}
	if got := sampleJSON(t, "--events", "2000"); got.Total.Inserted+got.Total.Duplicate != 2000 || got.Total.Rejected != 0 {
		t.Errorf("after it: %+v", got.Total)
	}
}

func TestSampleUsageErrors(t *testing.T) {
	emptyFolder(t)
	for name, args := range map[string][]string{
		"both targets":       {"--db", "x.db", "--out", "x.json"},
		"empty file name":    {"--out", ""},
		"report and sample":  {"--out", "-", "--json"},
		"no events":          {"--events", "0"},
		"no days":            {"--days", "0"},
		"too many for a day": {"--days", "1", "--events", "86400001"},
		"no day":             {"--end", "tomorrow"},
		"negative seed":      {"--seed", "-1"},
		"an argument":        {"file.json"},
		"unknown flag":       {"--evens", "5"},
	} {
		if code, out, errs := sampleRun(t, t.Context(), args...); code != exitUsage || errs == "" || out != "" {
			t.Errorf("%s: ends with %d, out %q, errors %q", name, code, out, errs)
		}
	}
	if left, err := filepath.Glob("*"); err != nil || len(left) > 0 {
		t.Errorf("wrong usage made %v, %v", left, err)
	}
}

func TestSampleFileErrorsNameTheFile(t *testing.T) {
	emptyFolder(t)
	for _, path := range []string{".", filepath.Join("missing", "a.json")} {
		code, _, errs := sampleRun(t, t.Context(), "--out", path, "--events", "5")
		if code != exitFailed || !strings.Contains(errs, path+" cannot be written") {
			t.Errorf("%s: ends with %d: %s", path, code, errs)
		}
	}
}
