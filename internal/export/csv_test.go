package export

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// parse reads CSV with the standard library, which must accept every record as equally long.
func parse(t *testing.T, text string) (head []string, body [][]string) {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1:]
}

// stored reads a category as values of the catalogue's types.
func stored(t *testing.T, db *sqldb.DB, c *metric.Category) (all []map[string]any) {
	t.Helper()
	names := c.Layout().Names()
	for _, values := range read(t, db, c.Layout(), "id") {
		row := map[string]any{}
		for i, name := range names {
			row[name] = values[i]
		}
		all = append(all, row)
	}
	return all
}

// equal compares a cell with what the database has.
func equal(t *testing.T, cell string, want any) bool {
	t.Helper()
	switch want := want.(type) {
	case nil:
		return cell == ""
	case int64:
		return cell == strconv.FormatInt(want, 10)
	case float64:
		f, err := strconv.ParseFloat(cell, 64)
		return err == nil && f == want
	case bool:
		return cell == strconv.FormatBool(want)
	case time.Time:
		at, err := time.Parse(time.RFC3339Nano, cell)
		return err == nil && at.Equal(want) && strings.HasSuffix(cell, "Z") && len(cell) == len("2026-01-02T03:04:05.678901Z")
	case string:
		return unescape(cell) == strings.ReplaceAll(want, "\r\n", "\n") // as encoding/csv reads it
	default:
		t.Fatalf("a value of type %T", want)
		return false
	}
}

func TestCSVIsReadBackAsTheDatabase(t *testing.T) {
	db := everything(t, 3000)
	head, body := parse(t, written(t, db, "csv", Options{}))
	if head[0] != "category" || len(slices.Compact(slices.Sorted(slices.Values(head)))) != len(head) {
		t.Fatalf("columns %q", head)
	}
	at := 0
	for _, c := range metric.Catalogue() {
		for _, want := range stored(t, db, c) {
			got := body[at]
			at++
			if got[0] != c.Name {
				t.Fatalf("line %d is of %s, want %s", at, got[0], c.Name)
			}
			for i, name := range head[1:] {
				if !equal(t, got[i+1], want[name]) { // nil where the category has no such column
					t.Fatalf("%s, %s: %q, want %v", c.Name, name, got[i+1], want[name])
				}
				if dangerous(got[i+1]) && (want[name] == nil || fmt.Sprintf("%T", want[name]) == "string") {
					t.Fatalf("%s, %s: %q is evaluated", c.Name, name, got[i+1])
				}
			}
			for _, name := range c.Layout().Names() {
				if name != "organization_id" && !slices.Contains(head, name) {
					t.Fatalf("%s has no column %s", c.Name, name)
				}
			}
		}
	}
	if at != len(body) {
		t.Errorf("%d rows, want %d", len(body), at)
	}
}

func TestCSVOfOneCategoryHasItsColumns(t *testing.T) {
	db := everything(t, 500)
	for _, c := range metric.Catalogue() {
		head, body := parse(t, written(t, db, "csv", Options{Categories: []*metric.Category{c, c}}))
		want := slices.DeleteFunc(c.Layout().Names(), func(n string) bool { return n == "organization_id" })
		if !slices.Equal(head, want) {
			t.Errorf("%s: %q, want %q", c.Name, head, want)
		}
		for i, row := range stored(t, db, c) {
			for j, name := range head {
				if !equal(t, body[i][j], row[name]) {
					t.Fatalf("%s, row %d, %s: %q, want %v", c.Name, i, name, body[i][j], row[name])
				}
			}
		}
	}
}

func TestCSVColumnsOfSeveral(t *testing.T) {
	some := []*metric.Category{metric.ByName("llm_calls"), metric.ByName("bugs")}
	head, _ := parse(t, written(t, open(t), "csv", Options{Categories: some}))
	want := "category,pattern,error,code,file_path,line,stack_trace,count,success,attempts,duration,provider,model,raw," +
		"timestamp,repository,branch,commit_sha,run_id,source,source_id,source_url,event_key,ingested_at,timestamp_missing,extra"
	if got := strings.Join(head, ","); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCSVCells(t *testing.T) {
	db := open(t)
	all(t, db, `{"category":"performance_metrics","metric_type":"a \"b\", c","function_name":"","execution_time_ms":-1.5,"memory_usage_bytes":-3,`+
		`"details":{"k":"=1"},"timestamp":"2026-01-02T03:04:05Z","branch":"=1+1","run_id":"-5"}`, 0)
	text := written(t, db, "csv", Options{Categories: []*metric.Category{metric.ByName("performance_metrics")}})
	_, line, _ := strings.Cut(text, "\r\n")
	want := `"a ""b"", c","{""k"":""=1""}","",-1.5,-3,,2026-01-02T03:04:05.000000Z,"",'=1+1,,-5,collector,,,`
	if !strings.HasPrefix(line, want) || !strings.HasSuffix(line, ",2026-07-01T12:00:00.123456Z,false,\r\n") {
		t.Errorf("got  %s\nwant %s...", line, want)
	}
}
