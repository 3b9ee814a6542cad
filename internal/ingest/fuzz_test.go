package ingest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// twice imports data two times through one format and checks what must hold for any bytes: the counts add up, what is
// counted as written is written, the rollup agrees, and the second time nothing is written.
func twice(t *testing.T, b *base, format string, data []byte, source string) {
	t.Helper()
	b = &base{t, b.db, b.im}
	im := *b.im
	im.Formats = nil
	for _, f := range b.im.Formats {
		if f.Name == format {
			f.Sniff = func([]byte) bool { return true }
			im.Formats = append(im.Formats, f)
		}
	}
	for round := range 2 {
		before := b.written()
		rep, err := im.Stream(t.Context(), source, bytes.NewReader(data), ingest.Options{Source: source})
		if rep.Read != rep.Inserted+rep.Duplicate+rep.Rejected {
			t.Fatalf("read %d, inserted %d, duplicate %d, rejected %d", rep.Read, rep.Inserted, rep.Duplicate, rep.Rejected)
		}
		if err != nil && fault.KindOf(err) != fault.Invalid || err != nil && strings.Contains(err.Error(), "cannot store") {
			t.Fatalf("the database refused what came through the door: %v", err)
		}
		after := b.written()
		if after.rows-before.rows != rep.Inserted || after.rows != after.daily || after.sum != after.occurrences {
			t.Fatalf("inserted %d (%v): before %+v, after %+v", rep.Inserted, err, before, after)
		}
		if round > 0 && rep.Inserted != 0 {
			t.Fatalf("the second import inserted %d of %d", rep.Inserted, rep.Read)
		}
	}
}

// written is how much stands in the event tables, and how much of that in the rollup.
type written struct{ rows, sum, daily, occurrences int64 }

func (b *base) written() (w written) {
	for _, c := range metric.Catalogue() {
		count := "COUNT(*)"
		if c.Counted() {
			count = "COALESCE(SUM(count), 0)"
		}
		var rows, sum, daily, occurrences int64
		s := b.db.Statement("SELECT COUNT(*), " + count + " FROM " + c.Table)
		if err := b.db.Row(context.Background(), s, &rows, &sum); err != nil {
			b.t.Fatal(err)
		}
		s = b.db.Statement("SELECT COALESCE(SUM(row_count), 0), COALESCE(SUM(occurrences), 0) FROM metrics_daily WHERE metric_type = ?", c.Name)
		if err := b.db.Row(context.Background(), s, &daily, &occurrences); err != nil {
			b.t.Fatal(err)
		}
		w = written{w.rows + rows, w.sum + sum, w.daily + daily, w.occurrences + occurrences}
	}
	return w
}

func FuzzMetricsJSON(f *testing.F) {
	for _, s := range []string{small, `{"bugs":` + bug("") + `}`, `{"bugs":[` + bug(`,"count":3`) + `,` + bug(`,"count":5`) + `]}`, "[]", "{}", "", `{"bugs":[null,1,{}]}`,
		`{"performance_metrics":[{` + aPerf + `,"details":{"avg_time_ms":0,"memory_usage":1e3}},{"operation":"o","duration_ms":2}]}`,
		`{"code_generation":[{` + aGen + `,"patterns_applied":["a","a","b"],"metadata":{"x":[1,{}]}}]}`, `{"bugs":[{"pattern":"p","error":"\ud800"}]}`,
		`{"deployment_issues":[{` + aDeploy + `,"resolution_time_minutes":90}]}{"llm_calls":[{` + aCall + `,"raw":{"event":"llm_call"}}]}`,
		`{"test_failures":[{` + aFail + `},{` + aFail + `}],"x":[1],"y":2}`, "{\"bugs\":[{\"pattern\":\"\xff\"}]}",
		`{"bugs":[` + bug(`,"x":[1e140000,-1e-140000,1e308,1e-400]`) + `,` + bug(`,"x":{"a":1e308,"a":-0.0,"b":0e999}`) + `]}`, `{"llm_calls":[{` + aCall + `,"raw":1E400}]}`, `{"bugs":[{"pattern":"p","error":"e"}]}`} {
		f.Add([]byte(s))
	}
	b := newBase(f)
	n := 0
	f.Fuzz(func(t *testing.T, data []byte) {
		n++
		twice(t, b, "metrics-json", data, fmt.Sprint("json-", n))
	})
}

// FuzzSplit gives any bytes to the decoders alone, which is much faster than whole imports: what they emit is the text
// that stands at the place they name, and what they say of the file names a place within it.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{small, `{"bugs":` + bug("") + `}`, "\n" + line("") + "\n[1]\r\n{", `{"bugs":[null,1,{}],"x":[1],"y":{}}{"bugs":null}`, "[]", `{"a`} {
		f.Add([]byte(s))
	}
	formats := app.Formats()
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range formats {
			if format.Name == "original-db" {
				continue
			}
			in := &ingest.Input{Name: "x", Reader: bufio.NewReader(bytes.NewReader(data)), Note: func(string) {}}
			lines := bytes.Split(data, []byte("\n"))
			err := format.Split(t.Context(), in, func(it ingest.Item) error {
				switch {
				case it.Place.Line > 0:
					if text := bytes.TrimSpace(lines[it.Place.Line-1]); !bytes.Equal(text, it.Raw) {
						t.Fatalf("line %d is %q, not %q", it.Place.Line, text, it.Raw)
					}
				case !bytes.HasPrefix(data[it.Place.Offset:], it.Raw):
					t.Fatalf("at %d stands %q, not %q", it.Place.Offset, data[it.Place.Offset:], it.Raw)
				}
				if it.Fault == "" && !json.Valid(it.Raw) {
					t.Fatalf("%q was taken for JSON", it.Raw)
				}
				return nil
			})
			if se, ok := errors.AsType[*ingest.SyntaxError](err); ok && (se.Offset < 0 || se.Offset > int64(len(data)) || se.Remedy == "") {
				t.Fatalf("%v in a file of %d bytes", se, len(data))
			}
		}
	})
}
