package ingest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/sample"
)

// made is a sample file of a few hundred events of all categories.
func made(t testing.TB, events int) string {
	t.Helper()
	var s strings.Builder
	err := sample.WriteJSON(&s, sample.Options{Events: events, Days: 30, Seed: 7, End: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.String()
}

// collection is a metrics file taken apart, to be written in other ways.
type collection map[string][]json.RawMessage

func parse(t testing.TB, content string) collection {
	t.Helper()
	var c collection
	if err := json.Unmarshal([]byte(content), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func compose(t testing.TB, v any, indent string) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", indent)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// records gives the records as values, whose keys are written in order of the alphabet at every level.
func (c collection) records(t testing.TB) map[string][]map[string]any {
	t.Helper()
	out := map[string][]map[string]any{}
	for name, list := range c {
		for _, raw := range list {
			dec := json.NewDecoder(strings.NewReader(string(raw)))
			dec.UseNumber()
			var m map[string]any
			if err := dec.Decode(&m); err != nil {
				t.Fatal(err)
			}
			out[name] = append(out[name], m)
		}
	}
	return out
}

func TestSameRecordsAgain(t *testing.T) {
	content := made(t, 700)
	all := parse(t, content)
	var lines strings.Builder
	for name, list := range all.records(t) {
		for _, m := range list {
			m["category"] = name
			data, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			lines.Write(append(data, '\n'))
		}
	}
	b := newBase(t)
	want(t, b.load(content), 700, 0, 0)
	before := b.events()
	for name, again := range map[string]string{
		"the same":          content,
		"indented":          compose(t, all, "\t"),
		"keys in order":     compose(t, all.records(t), "  "),
		"characters as \\u": escaped(content),
		"packed":            packed(t, content),
		"as NDJSON":         lines.String(),
	} {
		rep, err := b.tryFile(file(t, strings.ReplaceAll(name, " ", "-")+".json", again), ingest.Options{})
		if err != nil || rep.Inserted != 0 || rep.Duplicate != 700 {
			t.Errorf("%s: inserted %d, duplicate %d, %v", name, rep.Inserted, rep.Duplicate, err)
		}
	}
	if b.events() != before {
		t.Error("the rows differ after imports of the same records")
	}
}

// escaped writes some letters as escapes, as a tool that writes ASCII does with those beyond it.
func escaped(content string) string {
	for _, s := range []string{"Error", "numpy", "src"} {
		content = strings.ReplaceAll(content, s, fmt.Sprintf(`\u%04x%s`, s[0], s[1:]))
	}
	return content
}

// Another order of the keys, other escapes, 1.5 for 1.50: also deep inside, where the record is kept as it stands.
func TestIdentityIsOfContent(t *testing.T) {
	const record = `{"metric_type":"m","timestamp":"2026-01-02T03:04:05Z","details":{"b":[{"d":1.50,"c":"é"}],"a":12345678901234567890},"zeta":{"y":1,"x":"<"}}`
	same := []string{
		`{"zeta":{"x":"<","y":1},"details":{"a":12345678901234567890,"b":[{"c":"é","d":1.50}]},"timestamp":"2026-01-02T03:04:05Z","metric_type":"m"}`,
		`{"metric_type":"m","timestamp":"2026-01-02 04:04:05+01:00","details":{ "b":[ {"d":1.5,"c":"\u00e9"}],"a":12345678901234567890},"zeta":{"y":1,"x":"\u003c"}}`,
		`{"metric_type":"m","timestamp":"2026-01-02T03:04:05.000","details":{"b":[{"d":15e-1,"c":"é"}],"a":12345678901234567890},"zeta":{"y":1,"x":"<"},"function_name":null}`,
	}
	other := []string{
		strings.Replace(record, "12345678901234567890", "12345678901234567891", 1),
		strings.Replace(record, `"d":1.50`, `"d":"1.50"`, 1),
		strings.Replace(record, `"y":1`, `"y":null`, 1),
		strings.Replace(record, `"y":1,`, ``, 1),
		strings.Replace(record, `05Z`, `05.000001Z`, 1),
		strings.Replace(record, `[{"d":1.50,"c":"é"}]`, `[[{"d":1.50,"c":"é"}]]`, 1),
	}
	b := newBase(t)
	list := func(r string) string { return `{"performance_metrics":[` + r + `]}` }
	want(t, b.load(list(record)), 1, 0, 0)
	for _, r := range same {
		if rep := b.load(list(r)); rep.Duplicate != 1 {
			t.Errorf("not recognised: %s", r)
		}
	}
	for _, r := range other {
		if rep := b.load(list(r)); rep.Inserted != 1 {
			t.Errorf("taken for known: %s", r)
		}
	}
}

func TestRepositoryAndSourceAreIdentity(t *testing.T) {
	b := newBase(t)
	content := `{"bugs":[` + bug("") + `],"code_reviews":[{` + aReview + `}]}`
	for _, o := range []ingest.Options{{}, {Repository: "a"}, {Repository: "b"}, {Source: "ci"}, {Repository: "a", Source: "ci"}} {
		want(t, b.loadAs(content, o), 2, 0, 0)
		want(t, b.loadAs(content, o), 0, 2, 0)
	}
	want(t, b.loadAs(content, ingest.Options{Source: ingest.DefaultSource}), 0, 2, 0)
	want(t, b.loadAs(content, ingest.Options{Branch: "dev"}), 0, 2, 0) // a branch is no identity
}

// The vendor's own id is the identity where there is one.
func TestSourceID(t *testing.T) {
	b := newBase(t)
	review := func(id, text string) string {
		return `{` + aReview + `,"source_id":"` + id + `","suggestion":"` + text + `"}`
	}
	want(t, b.load(`{"code_reviews":[`+review("1", "a")+`,`+review("1", "a")+`,`+review("2", "a")+`]}`), 2, 1, 0)
	want(t, b.load(`{"code_reviews":[`+review("1", "edited")+`,`+review("3", "a")+`]}`), 1, 1, 0)
}

// Identical records of one file are as many events; the file imported again is no news.
func TestIdenticalRecords(t *testing.T) {
	for _, c := range []struct{ category, record, count string }{
		{"bugs", bug(""), "SUM(count)"}, {"code_reviews", "{" + aReview + "}", "COUNT(*)"}, {"test_failures", "{" + aFail + `,"count":3}`, "CAST(SUM(count)/3 AS BIGINT)"},
		{"bugs", `{"pattern":"p","error":"undated"}`, "SUM(count)"},
	} {
		for _, n := range []int{2, scaled(5000)} {
			t.Run(fmt.Sprint(c.category, n), func(t *testing.T) {
				t.Parallel()
				b := newBase(t)
				list := func(n int) string {
					return `{"` + c.category + `":[` + strings.Repeat(c.record+",", n-1) + c.record + `]}`
				}
				want(t, b.load(list(n)), int64(n), 0, 0)
				want(t, b.load(list(n)), 0, int64(n), 0)
				want(t, b.load(list(n+3)), 3, int64(n), 0)
				want(t, b.load(list(1)), 0, 1, 0)
				if got := b.number("SELECT " + c.count + " FROM metrics_" + c.category); got != int64(n+3) {
					t.Errorf("%d events in the table, want %d", got, n+3)
				}
				if got := b.number("SELECT COUNT(DISTINCT event_key) FROM metrics_" + c.category); got != int64(n+3) {
					t.Errorf("%d identities, want %d", got, n+3)
				}
			})
		}
	}
}

// Identical records that lie far apart, with thousands of others between them.
func TestIdenticalRecordsFarApart(t *testing.T) {
	b := newBase(t)
	var list []string
	for i := range scaled(9000) {
		list = append(list, fmt.Sprintf(`{"issue_type":"i%d","pattern":"p","severity":"low","timestamp":"2026-01-02"}`, i%scaled(3000)))
	}
	content := `{"code_reviews":[` + strings.Join(list, ",") + `]}`
	want(t, b.load(content), int64(scaled(9000)), 0, 0)
	want(t, b.load(content), 0, int64(scaled(9000)), 0)
}

func TestSplitAndGrowing(t *testing.T) {
	all := parse(t, made(t, 600))
	part := func(from, to float64) string {
		cut := collection{}
		for name, list := range all {
			n := float64(len(list))
			cut[name] = list[int(from*n):int(to*n)]
		}
		return compose(t, cut, "")
	}
	whole := newBase(t)
	want(t, whole.load(part(0, 1)), 600, 0, 0)
	for name, parts := range map[string][][2]float64{
		"overlapping halves": {{0, 0.6}, {0.4, 1}},
		"growing":            {{0, 0.2}, {0, 0.5}, {0, 0.8}, {0, 1}},
		"backwards":          {{0.7, 1}, {0.3, 0.8}, {0, 0.4}},
		"inside out":         {{0.4, 0.6}, {0, 1}, {0.2, 0.9}},
	} {
		b := newBase(t)
		var inserted int64
		for _, p := range parts {
			inserted += b.load(part(p[0], p[1])).Inserted
		}
		if inserted != 600 {
			t.Errorf("%s: %d rows, want 600", name, inserted)
		}
		if b.events() != whole.events() {
			t.Errorf("%s: the rows differ from those of one import", name)
		}
	}
}

// A record without time keeps the one of its first import.
func TestUndatedTwice(t *testing.T) {
	b := newBase(t)
	content := `{"bugs":[{"pattern":"p","error":"a"},{"pattern":"p","error":"b"},{"pattern":"p","error":"b"}],"llm_calls":[{"success":true},{"success":true}]}`
	want(t, b.load(content), 5, 0, 0)
	before := b.events()
	b.im.Now = func() time.Time { return now.Add(48 * time.Hour) }
	want(t, b.load(content), 0, 5, 0)
	if b.events() != before {
		t.Error("a second import changed the rows")
	}
	want(t, b.load(strings.Replace(content, `[{"success":true}`, `[{"success":true},{"success":true}`, 1)), 1, 5, 0)
	got := strings.Join(b.rows("SELECT timestamp, timestamp_missing FROM metrics_llm_calls ORDER BY id"), "\n")
	if want := "2026-07-01 12:00:00.123456|1\n2026-07-01 12:00:00.123456|1\n2026-07-03 12:00:00.123456|1"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFilesOfTheRepository(t *testing.T) {
	for name, c := range map[string]struct{ inserted, rejected int64 }{
		"collector.json": {15, 0}, "wild.json": {9, 4}, "events.ndjson": {4, 2},
	} {
		path := filepath.Join("..", "..", "testdata", "metrics", name)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b := newBase(t)
		rep, err := b.tryFile(path, ingest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want(t, rep, c.inserted, 0, c.rejected)
		rep, err = b.tryFile(path, ingest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want(t, rep, 0, c.inserted, c.rejected)
		if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
			t.Errorf("%s was changed (%v)", name, err)
		}
	}
}
