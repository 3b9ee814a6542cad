package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/export"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// exported runs the command and gives exit code, output and messages.
func exported(ctx context.Context, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(ctx, append([]string{"export"}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// exportedWell is for what must succeed.
func exportedWell(t *testing.T, args ...string) (out, errs string) {
	t.Helper()
	code, out, errs := exported(t.Context(), args...)
	if code != exitDone {
		t.Fatalf("export %v ends with %d: %s", args, code, errs)
	}
	return out, errs
}

// sampled makes x.db with this many events in an empty folder.
func sampled(t *testing.T, events string) {
	t.Helper()
	emptyFolder(t)
	sampleJSON(t, "--db", "x.db", "--events", events, "--end", "2026-07-01")
}

func unpacked(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// files lists the folder without the database.
func files(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "x.db") {
			names = append(names, e.Name())
		}
	}
	return strings.Join(names, " ")
}

func importJSON(t *testing.T, args ...string) (r sampleReport) {
	t.Helper()
	var o, e bytes.Buffer
	if code := run(t.Context(), append([]string{"import", "--json"}, args...), strings.NewReader(""), &o, &e); code != exitDone {
		t.Fatalf("import %v ends with %d: %s%s", args, code, &o, &e)
	}
	if err := json.Unmarshal(o.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestExportGoesBackIn(t *testing.T) {
	sampled(t, "3000")
	for _, format := range []string{"metrics-json", "ndjson"} {
		for _, file := range []string{format + ".out", format + ".out.gz"} {
			out, errs := exportedWell(t, "--db", "x.db", "--format", format, "--output", file)
			if out != "" || !strings.HasPrefix(errs, "exported 3000 events from x.db (--db) as "+format+" to "+file+": bugs 690, ") || strings.Count(errs, "\n") != 1 {
				t.Errorf("%s: %q, %q", file, out, errs)
			}
			copied := "x.db-" + file
			if r := importJSON(t, "--db", copied, file); r.Total.Inserted != 3000 || r.Total.Read != 3000 || r.Files[0].Format != format {
				t.Errorf("%s into an empty database: %+v", file, r)
			}
			if r := importJSON(t, "--db", "x.db", file); r.Total.Duplicate != 3000 || r.Total.Read != 3000 {
				t.Errorf("%s into its own database: %+v", file, r)
			}
			again, _ := exportedWell(t, "--db", copied, "--format", format)
			if first, _ := exportedWell(t, "--db", "x.db", "--format", format); first != again || first == "" {
				t.Errorf("%s: the copy is exported differently", file)
			}
		}
		plain, err := os.ReadFile(format + ".out")
		if err != nil {
			t.Fatal(err)
		}
		if unpacked(t, format+".out.gz") != string(plain) {
			t.Errorf("%s: the packed file has another content", format)
		}
	}
}

func TestExportToStandardOutput(t *testing.T) {
	sampled(t, "1000")
	for _, args := range [][]string{{}, {"--output", "-"}} {
		out, errs := exportedWell(t, append([]string{"--db", "x.db", "--format", "csv"}, args...)...)
		if all, err := csv.NewReader(strings.NewReader(out)).ReadAll(); err != nil || len(all) != 1001 {
			t.Errorf("%v: %d lines, %v", args, len(all), err)
		}
		if !strings.HasPrefix(errs, "exported 1000 events from x.db (--db) as csv: bugs 230, ") {
			t.Errorf("%v: %q", args, errs)
		}
	}
	if files(t) != "" {
		t.Errorf("left behind: %s", files(t))
	}
}

func TestExportFindsTheDatabaseLikeImport(t *testing.T) {
	sampled(t, "100")
	t.Setenv("METRICS_DB_URI", "sqlite:///x.db")
	if _, errs := exportedWell(t, "--format", "csv"); !strings.Contains(errs, "from sqlite:///x.db (METRICS_DB_URI) as csv") {
		t.Error(errs)
	}
}

func TestExportOptions(t *testing.T) {
	sampled(t, "2000")
	count := func(args ...string) (n int, counts string) {
		out, errs := exportedWell(t, append([]string{"--db", "x.db", "--format", "ndjson"}, args...)...)
		_, counts, _ = strings.Cut(strings.TrimSpace(errs), ": ")
		return strings.Count(out, "\n"), counts
	}
	db, err := sql.Open("sqlite", "x.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := func(where string) (n int) {
		for _, c := range metric.Catalogue() {
			var k int
			if err := db.QueryRow("SELECT COUNT(*) FROM " + c.Table + " WHERE " + where).Scan(&k); err != nil {
				t.Fatal(err)
			}
			n += k
		}
		return n
	}
	for where, args := range map[string][]string{
		"repository = 'ml-platform'":     {"--repository", "ml-platform"},
		"repository = ''":                {"--repository", ""},
		"timestamp >= '2026-06-01'":      {"--from", "2026-06-01"},
		"timestamp < '2026-05-02'":       {"--to", "2026-05-01"},
		"date(timestamp) = '2026-05-05'": {"--from", "2026-05-05", "--to", "2026-05-05"},
		"1 = 1":                          {},
		"repository = 'ml-platform' AND date(timestamp) BETWEEN '2026-04-01' AND '2026-05-01'": {"--repository", "ml-platform", "--from", "2026-04-01", "--to", "2026-05-01"},
	} {
		if n, _ := count(args...); n != want(where) || n == 0 && where != "repository = ''" {
			t.Errorf("%v: %d events, want %d", args, n, want(where))
		}
	}
	for _, args := range [][]string{{"--category", "llm_calls", "--category", "bugs"}, {"--category", "llm_calls,bugs,bugs"}} {
		if n, counts := count(args...); n != 600 || counts != "bugs 460, llm_calls 140" {
			t.Errorf("%v: %d, %s", args, n, counts)
		}
	}
}

func TestExportUsageErrors(t *testing.T) {
	sampled(t, "10")
	var names []string
	for _, f := range export.Formats() {
		names = append(names, f.Name)
	}
	formats := "known are " + strings.Join(names, ", ")
	for _, c := range []struct{ args, want string }{
		{"", "--format is needed; " + formats},
		{"--format xml", `--format "xml" is not known; ` + formats},
		{"--format csv --category bug", `--category "bug" is not known; known are bugs, test_failures, code_reviews, `},
		{"--format csv --from yesterday", `--from "yesterday" is no day; write it as 2026-07-01`},
		{"--format csv --to 2026-02-30", `--to "2026-02-30" is no day`},
		{"--format csv --from 2026-02-02 --to 2026-02-01", "--from 2026-02-02 is after --to 2026-02-01"},
		{"--format csv --output=", "--output needs a file name"},
		{"--format csv bugs.csv", "unknown command"},
		{"--format csv --json", "unknown flag: --json"},
		{"--format csv --output x.db", "--output x.db is the database itself"},
		{"--format csv --output link", "--output link is the database itself"},
	} {
		if err := os.Symlink("x.db", "link"); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
		code, out, errs := exported(t.Context(), append([]string{"--db", "x.db"}, strings.Fields(c.args)...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("export %s ends with %d: %q, %q", c.args, code, out, errs)
		}
	}
	if n := sums(t, "x.db")["bugs"][0]; n == 0 || files(t) != "link" {
		t.Errorf("%d bugs are left, files %s", n, files(t))
	}
}

func TestExportOfNoDatabase(t *testing.T) {
	emptyFolder(t)
	code, out, errs := exported(t.Context(), "--format", "csv", "--output", "x.csv")
	if code != exitFailed || out != "" || !strings.Contains(errs, "there is no database feedback-loop.db") {
		t.Errorf("%d: %q, %q", code, out, errs)
	}
	if files(t) != "" {
		t.Errorf("left behind: %s", files(t))
	}
}

func TestExportReplacesAFileAsAWhole(t *testing.T) {
	sampled(t, "1000")
	const old = "what was there before"
	damage := func(stmt string) {
		db, err := sql.Open("sqlite", "x.db")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(stmt); err != nil {
			t.Fatal(err)
		}
	}
	damage("UPDATE metrics_llm_calls SET raw = '{' WHERE id = (SELECT MAX(id) FROM metrics_llm_calls)")
	for _, file := range []string{"x.json", "x.json.gz"} {
		if err := os.WriteFile(file, []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := exported(t.Context(), "--db", "x.db", "--format", "metrics-json", "--output", file)
		if code != exitFailed || !strings.Contains(errs, "metrics_llm_calls, row 70: raw cannot be exported") {
			t.Errorf("%s: %d, %s", file, code, errs)
		}
		if b, err := os.ReadFile(file); err != nil || string(b) != old {
			t.Errorf("%s holds %d bytes, %v", file, len(b), err)
		}
	}
	if files(t) != "x.json x.json.gz" {
		t.Errorf("left behind: %s", files(t))
	}
	damage("UPDATE metrics_llm_calls SET raw = NULL")
	exportedWell(t, "--db", "x.db", "--format", "metrics-json", "--output", "x.json")
	info, err := os.Stat("x.json")
	if err != nil || info.Size() < 100_000 || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestExportInterruptedLeavesNothing(t *testing.T) {
	sampled(t, "20000")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // as soon as the export has begun to write
		for ctx.Err() == nil {
			if found, err := filepath.Glob(".x.json.gz.*"); err == nil && len(found) > 0 {
				if info, err := os.Stat(found[0]); err == nil && info.Size() > 0 {
					stop()
				}
			}
			time.Sleep(time.Millisecond)
		}
	}()
	code, _, errs := exported(ctx, "--db", "x.db", "--format", "metrics-json", "--output", "x.json.gz")
	if code != exitFailed || !strings.Contains(errs, "canceled") {
		t.Errorf("%d: %s", code, errs)
	}
	if files(t) != "" {
		t.Errorf("left behind: %s", files(t))
	}
}

func TestExportThatCannotBeWritten(t *testing.T) {
	sampled(t, "1000")
	if err := os.Mkdir("folder", 0o755); err != nil {
		t.Fatal(err)
	}
	for output, want := range map[string]string{
		"folder":        "folder cannot be written: it is a folder",
		"nowhere/x.csv": "nowhere/x.csv cannot be written: ",
		"/dev/full":     "the output cannot be written: ",
	} {
		code, _, errs := exported(t.Context(), "--db", "x.db", "--format", "csv", "--output", output)
		if code != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("%s: %d, %s", output, code, errs)
		}
	}
	if files(t) != "folder" {
		t.Errorf("left behind: %s", files(t))
	}
}

func TestExportHelp(t *testing.T) {
	out, _ := exportedWell(t, "--help")
	for _, f := range export.Formats() {
		if strings.Count(out, f.Name) < 2 {
			t.Errorf("the help does not explain %s", f.Name)
		}
	}
	for _, word := range []string{"--db", "--format", "--output", "--category", "--repository", "--from", "--to", "apostrophe", ".gz", "event_key"} {
		if !strings.Contains(out, word) {
			t.Errorf("the help does not mention %s", word)
		}
	}
	text, _, _ := strings.Cut(out, "Usage:")
	for line := range strings.Lines(text) {
		if len([]rune(line)) > 120 {
			t.Errorf("a long line: %s", line)
		}
	}
	var root bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, nil, &root, io.Discard); code != exitDone || !slices.Contains(strings.Fields(root.String()), "export") {
		t.Errorf("%d: export is no command of\n%s", code, &root)
	}
}
