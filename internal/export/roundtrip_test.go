package export

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/ingest/ndjson"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// hostile are records that are hard to write so that they can be read again.
func hostile() []string {
	deep := strings.Repeat(`[`, 62) + strings.Repeat(`]`, 62)
	return []string{
		`{"category":"bugs","pattern":"=cmd|' /C calc'!A0","error":"-2+3","code":"@SUM(1)","file_path":"\t=1","timestamp":"2026-01-02T03:04:05.678901Z"}`,
		`{"category":"bugs","pattern":"quotes \" ' \\ / \/ and, commas; \r\n lines \n \r tabs \t","error":"\b\f\u001f\u007f\u0085\u2028\u2029\ufeff","timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"bugs","pattern":"ünïcödé 日本語 🦉 \ud83e\udd89 \ufffd e\u0301","error":" leading and trailing ","code":"","file_path":"","stack_trace":null,"timestamp":"1970-01-01T00:00:00Z"}`,
		`{"category":"bugs","pattern":"huge","error":"x","line":-9223372036854775808,"count":1000000000000,"timestamp":"9999-12-31T23:59:59.999999Z"}`,
		`{"category":"bugs","pattern":"no time","error":"x"}`,
		`{"category":"bugs","pattern":"no time","error":"x"}`,
		`{"category":"bugs","pattern":"twins","error":"x","timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"bugs","pattern":"twins","error":"x","timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"bugs","pattern":"twins","error":"x","timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"bugs","pattern":"vendor","error":"x","source":"jira","source_id":"A-1","source_url":"https://example.com/?a=1&b=<c>","repository":"acme/shop","branch":"main","commit_sha":"abc","run_id":"7","timestamp":"2026-01-02T03:04:05+05:30"}`,
		`{"category":"bugs","pattern":"unknown keys","error":"x","zeta":1.50,"alpha":{"id":12345678901234567890123,"b":[1e2, {"c" : null}]},"organization_id":7,"id":3,"":"","é\n\"":"\u00e9\/","timestamp":"2026-01-02T03:04:06Z"}`,
		`{"category":"bugs","pattern":"extra list","error":"x","extra":[1, 2,"a b"],"timestamp":"2026-01-02T03:04:07Z"}`,
		`{"category":"bugs","pattern":"extra number","error":"x","extra":1.0,"timestamp":"2026-01-02T03:04:08Z"}`,
		`{"category":"bugs","pattern":"extra text","error":"x","extra":"=1","timestamp":"2026-01-02T03:04:08Z"}`,
		`{"category":"bugs","pattern":"extra and unknown","error":"x","extra":{"b":1,"a":2,"extra":{"c":3},"pattern":"not this"},"c":3,"b":9,"timestamp":"2026-01-02T03:04:09Z"}`,
		`{"category":"bugs","pattern":"extra doubled","error":"x","extra":{"a":1,"a":2},"timestamp":"2026-01-02T03:04:10Z"}`,
		`{"category":"bugs","pattern":"as deep as allowed","error":"x","unknown":` + `[` + deep + `]` + `,"timestamp":"2026-01-02T03:04:11Z"}`,
		`{"category":"bugs","pattern":"as deep as allowed","error":"x","extra":` + `[` + deep + `]` + `,"timestamp":"2026-01-02T03:04:11Z"}`,
		`{"category":"performance_metrics","metric_type":"execution_time","details":` + `{"deep":` + deep + `}` + `,"timestamp":"2026-01-02T03:04:12Z"}`,
		`{"category":"performance_metrics","metric_type":"t","details":{"function":"f","avg_time_ms":1e-7,"memory_usage":9223372036854775807,"file_size":"big","n":-0.0,"x":[{"y": [ ]}]},"timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"performance_metrics","metric_type":"t","details":"=cmd()","execution_time_ms":-1e18,"timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"performance_metrics","metric_type":"t","details":-17,"execution_time_ms":0.1,"duration_ms":5,"operation":"o","timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"performance_metrics","operation":"named","duration_ms":5e-324,"timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"performance_metrics","metric_type":"t","details":{"function":5,"max_time_ms":"slow"},"timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"code_generation","prompt":"p","confidence":1,"success":true,"patterns_applied":["=a","b,c","\"d\"","é\u2028<>&","=a"],"metadata":{"k": "v w"},"generation_metadata":{"other":1},"timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"code_generation","prompt":"p","confidence":0.30000000000000004,"success":false,"patterns_applied":[],"code_length":9007199254740993,"timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"code_generation","prompt":"p","confidence":0,"success":false,"timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"code_reviews","issue_type":"i","pattern":"p","severity":" HIGH ","line":0,"suggestion":"'=1","timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"llm_calls","success":true,"attempts":0,"duration":-0.5,"raw":{"a":[true,false,null]},"error":"","timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"deployment_issues","issue_type":"i","environment":"＝fullwidth","resolution_time_minutes":0,"timestamp":"2026-01-02T03:04:05Z"}`,
		`{"category":"test_failures","test_name":"` + strings.Repeat("é", 500) + `","failure_reason":"` + strings.Repeat("\U0001F989", 100_000) + `","timestamp":"2026-01-02T03:04:05Z"}`,
	}
}

// reading is a cumulative file of the original: the count of one bug, seen last at an hour.
func reading(count, hour int) string { return counter("counter", count, hour) }

func counter(name string, count, hour int) string {
	return fmt.Sprintf(`{"bugs":[{"pattern":%q,"error":"again","file_path":"a.py","count":%d,"timestamp":"2026-02-01T%02d:00:00"}]}`, name, count, hour)
}

// everything is a database of sample events, hostile ones, and counters that rose and were started afresh.
func everything(t *testing.T, sample int) *sqldb.DB {
	t.Helper()
	db := open(t)
	all(t, db, events(t, sample), 0)
	all(t, db, strings.Join(hostile(), "\n"), 1)
	for i, count := range []int{3, 5, 9, 2, 4} {
		if rep := all(t, db, reading(count, 1+i), 2+i); rep.Inserted != 1 {
			t.Fatalf("reading %d of the counter: %+v", i, rep.Counts)
		}
	}
	return db
}

func pack(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRoundTrip(t *testing.T) {
	db := everything(t, 20_000)
	for _, format := range []string{"metrics-json", "ndjson"} {
		t.Run(format, func(t *testing.T) {
			text := written(t, db, format, Options{})
			other := open(t)
			rep := all(t, other, text, 20)
			if rep.Read != rep.Inserted || rep.Format != format {
				t.Errorf("import of the export: %+v as %s", rep.Counts, rep.Format)
			}
			same(t, db, other)
			if again := written(t, other, format, Options{}); again != text {
				t.Error("the export of the import differs from the export")
			}
			if rep := all(t, other, pack(t, text), 21); rep.Inserted != 0 || rep.Duplicate != rep.Read {
				t.Errorf("the second import, packed: %+v", rep.Counts)
			}
			same(t, db, other)
		})
	}
}

// A record as large as an import takes it grows by its identity and what was lifted out of it.
func TestLargestRecord(t *testing.T) {
	db, other := open(t), open(t)
	lengths := map[int]bool{8<<20 - 16<<10: true, 8<<20 - 16<<10 + 1: false}
	for size, kept := range lengths {
		head, tail := `{"category":"performance_metrics","metric_type":"t","timestamp":"2026-01-02T03:04:05Z","details":{"function":"f","x":"`, `"}}`
		text := head + strings.Repeat("x", size-len(head)-len(tail)) + tail
		if rep := bring(t, db, text, 0); rep.Inserted == 1 != kept {
			t.Fatalf("a record of %d bytes: %+v", size, rep)
		}
	}
	for i, format := range []string{"metrics-json", "ndjson"} {
		rep := all(t, other, written(t, db, format, Options{}), 1+i)
		if rep.Read != 1 || rep.Inserted != int64(1-i) {
			t.Errorf("%s: %+v", format, rep.Counts)
		}
	}
	same(t, db, other)
}

func TestRoundTripPacked(t *testing.T) {
	db := everything(t, 500)
	for _, format := range []string{"metrics-json", "ndjson"} {
		other := open(t)
		all(t, other, pack(t, written(t, db, format, Options{})), 20)
		same(t, db, other)
	}
}

// A null stays one, also where an import of today would find a value in another column.
func TestNullsStayNull(t *testing.T) {
	db, other := open(t), open(t)
	all(t, db, `{"category":"performance_metrics","metric_type":"t","details":{"function":"f","avg_time_ms":1},"timestamp":"2026-01-02"}`, 0)
	exec(t, db, "UPDATE metrics_performance SET function_name = NULL, execution_time_ms = NULL")
	all(t, other, written(t, db, "ndjson", Options{}), 1)
	table := metric.ByName("performance_metrics").Layout()
	if got, want := fmt.Sprint(rows(t, other, table, "id")), fmt.Sprint(rows(t, db, table, "id")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// memory are the tables in which imports remember what they have seen.
func memory(t *testing.T, db *sqldb.DB) string {
	t.Helper()
	return fmt.Sprint(rows(t, db, metric.ImportSeries(), "id"), rows(t, db, metric.ImportUndated(), "event_key"))
}

func TestImportIntoItsOwnDatabaseWritesNothing(t *testing.T) {
	db, twin := everything(t, 3000), everything(t, 3000)
	before := memory(t, db)
	for _, format := range []string{"metrics-json", "ndjson"} {
		text := written(t, db, format, Options{})
		if rep := all(t, db, text, 30); rep.Inserted != 0 || rep.Duplicate != rep.Read || rep.Read == 0 {
			t.Errorf("%s: %+v", format, rep.Counts)
		}
	}
	same(t, twin, db)
	if memory(t, db) != before {
		t.Error("the import changed what is remembered of counters and records without time")
	}
}

// What is imported after a database was rebuilt from an export has to count as it would have counted before.
func TestRebuiltDatabaseGoesOnCounting(t *testing.T) {
	db, other := everything(t, 500), open(t)
	undated := strings.Replace(reading(2, 0), `,"timestamp":"2026-02-01T00:00:00"`, "", 1)
	for i, text := range []string{
		counter("log", 1, 1) + counter("log", 3, 2),                                 // two events, not a counter
		counter("fresh", 5, 1), strings.ReplaceAll(undated, `"counter"`, `"fresh"`), // started afresh without a time
	} {
		all(t, db, text, 10+i)
	}
	all(t, other, written(t, db, "ndjson", Options{}), 20)
	for i, text := range []string{
		counter("log", 5, 3), // one more event
		strings.Replace(counter("fresh", 4, 3), "2026-02", "2026-08", 1), // risen by 2
		reading(4, 5),                    // known
		reading(7, 6),                    // risen by 3
		strings.Join(hostile(), "\n"),    // known, also those without time
		events(t, 500),                   // known
		reading(1, 7),                    // started afresh
		reading(6, 9) + reading(8, 10),   // two readings in one file
		strings.Join(hostile()[4:9], ""), // known, in another order of the file
	} {
		text = strings.ReplaceAll(text, `}{`, "}\n{")
		want, got := all(t, db, text, 40+i), all(t, other, text, 40+i)
		if want.Counts != got.Counts {
			t.Errorf("file %d: %+v, and after the round trip %+v", i, want.Counts, got.Counts)
		}
		same(t, db, other)
	}
}

// An export that was written twice into one file is read as one.
func TestDoubledExportIsReadOnce(t *testing.T) {
	db, other := everything(t, 3000), open(t)
	for i := range 3 { // counters of their own, so that both copies fall into one batch
		all(t, db, strings.ReplaceAll(reading(2+i, 1+i), "counter", "doubled"), 50+i)
	}
	day := written(t, db, "ndjson", Options{Categories: []*metric.Category{metric.ByName("bugs")}, From: date("2026-02-01"), To: date("2026-02-02")})
	half := strings.Count(day, "\n")
	if rep := all(t, other, day+day, 60); int(rep.Inserted) != half || int(rep.Duplicate) != half {
		t.Errorf("of two copies of %d rows: %+v", half, rep.Counts)
	}
	if got := all(t, other, strings.ReplaceAll(reading(9, 20), "counter", "doubled"), 61); got.Inserted != 1 {
		t.Errorf("the next reading: %+v", got.Counts)
	}
	for _, r := range rows(t, other, metric.ByName("bugs").Layout(), "id")[half:] {
		if at := metric.ByName("bugs").Position("count"); r[at] != "int64 5" {
			t.Errorf("a counter that rose from 4 to 9 has the count %s", r[at])
		}
	}
}

func TestLinesNameTheCategoryFirst(t *testing.T) {
	db := everything(t, 3000)
	if ndjson.Key != "category" {
		t.Fatalf("the import expects the category under %q", ndjson.Key)
	}
	for line := range strings.Lines(written(t, db, "ndjson", Options{})) {
		if !strings.HasPrefix(line, `{"category":"`) || !json.Valid([]byte(line)) {
			t.Fatalf("%.200s", line)
		}
	}
}

// The formats rest on names that must not collide, whatever is added to the catalogue.
func TestCatalogueFits(t *testing.T) {
	for _, c := range metric.Catalogue() {
		seen := map[string]bool{"category": true}
		for _, col := range columns(c) {
			if seen[col.Field()] || col.Name == "category" {
				t.Errorf("%s has two fields %q", c.Name, col.Field())
			}
			seen[col.Field()] = true
		}
		if len(columns(c)) != len(c.Layout().Columns)-1 {
			t.Errorf("%s: %d of %d columns go out", c.Name, len(columns(c)), len(c.Layout().Columns))
		}
	}
}

func TestNullsAreLeftOutAndJSONStaysJSON(t *testing.T) {
	db := open(t)
	all(t, db, `{"category":"performance_metrics","metric_type":"t","details":{"b":1.50,"a":"é"},"timestamp":"2026-01-02T03:04:05.5+01:00"}`, 0)
	got := written(t, db, "metrics-json", Options{Categories: []*metric.Category{metric.ByName("performance_metrics")}})
	key := rows(t, db, metric.ByName("performance_metrics").Layout(), "id")[0][metric.ByName("performance_metrics").Position("event_key")]
	details := `{"b":1.50,"a":"é"}`
	if dbtest.On("postgres") { // which orders the members of an object
		details = `{"a":"é","b":1.50}`
	}
	want := `{"performance_metrics": [
{"metric_type":"t","details":` + details + `,"timestamp":"2026-01-02T02:04:05.500000Z","repository":"","source":"collector",` +
		`"event_key":"` + strings.TrimPrefix(key, "string ") + `","ingested_at":"2026-07-01T12:00:00.123456Z","timestamp_missing":false}
]}
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEmptyDatabase(t *testing.T) {
	db := open(t)
	text := written(t, db, "metrics-json", Options{})
	var lists map[string][]any
	if err := json.Unmarshal([]byte(text), &lists); err != nil || len(lists) != len(metric.Catalogue()) {
		t.Errorf("%v: %v", err, lists)
	}
	if rep := all(t, open(t), text, 0); rep.Read != 0 {
		t.Errorf("import: %+v", rep.Counts)
	}
	if text := written(t, db, "ndjson", Options{}); text != "" {
		t.Errorf("ndjson: %q", text)
	}
	if text := written(t, db, "csv", Options{}); strings.Count(text, "\r\n") != 1 {
		t.Errorf("csv: %q", text)
	}
	if _, err := Write(context.Background(), db, &bytes.Buffer{}, named(t, "csv"), Options{Organization: 2}); err != nil {
		t.Error(err)
	}
}
