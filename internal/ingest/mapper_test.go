package ingest_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// records of each category that have no more than they need.
const (
	aBug    = `"pattern":"p","error":"e","timestamp":"2026-01-02T03:04:05"`
	aFail   = `"test_name":"t","failure_reason":"r","timestamp":"2026-01-02T03:04:05"`
	aReview = `"issue_type":"i","pattern":"p","severity":"low","timestamp":"2026-01-02T03:04:05"`
	aPerf   = `"metric_type":"execution_time","timestamp":"2026-01-02T03:04:05"`
	aDeploy = `"issue_type":"i","environment":"production","timestamp":"2026-01-02T03:04:05"`
	aGen    = `"prompt":"x","confidence":0.5,"success":true,"timestamp":"2026-01-02T03:04:05"`
	aCall   = `"success":false,"timestamp":"2026-01-02T03:04:05"`
)

// mapped imports one record and gives the values of these columns, or the reason of its rejection.
func (b *base) mapped(category, record, columns string, o ingest.Options) string {
	b.t.Helper()
	o.Source = fmt.Sprintf("case-%d", b.number("SELECT COUNT(*) FROM import_runs"))
	rep := b.loadAs(`{"`+category+`":[`+record+`]}`, o)
	if rep.Read != 1 {
		b.t.Fatalf("read %d records of %s", rep.Read, record)
	}
	if rep.Rejected > 0 {
		return "rejected: " + rep.Rejects[0].Reason
	}
	return b.text("SELECT "+columns+" FROM "+metric.ByName(category).Table+" WHERE source = ?", o.Source)
}

// acceptance is one record, and what becomes of it: values of columns, or with "rejected: " a part of the reason.
type acceptance struct{ category, record, columns, want string }

func (b *base) accept(cases []acceptance) {
	b.t.Helper()
	for _, c := range cases {
		got := b.mapped(c.category, c.record, c.columns, ingest.Options{})
		if part, ok := strings.CutPrefix(c.want, "rejected: "); ok {
			if !strings.HasPrefix(got, "rejected: ") || !strings.Contains(got, part) {
				b.t.Errorf("%.300s\ngave %.300s, want a rejection that says %q", c.record, got, part)
			}
		} else if got != c.want {
			b.t.Errorf("%.300s\ngave %s = %.300s\nwant %.300s", c.record, c.columns, got, c.want)
		}
	}
}

func TestMinimalRecords(t *testing.T) {
	newBase(t).accept([]acceptance{
		{"bugs", "{" + aBug + "}", "pattern, error, code, file_path, line, stack_trace, count, repository, branch, extra, timestamp_missing",
			"p|e|null|null|null|null|1||null|null|0"},
		{"test_failures", "{" + aFail + "}", "test_name, failure_reason, pattern_violated, count", "t|r|null|1"},
		{"code_reviews", "{" + aReview + "}", "issue_type, pattern, severity, count", "i|p|low|1"},
		{"performance_metrics", "{" + aPerf + "}", "metric_type, details, execution_time_ms", "execution_time|null|null"},
		{"deployment_issues", "{" + aDeploy + "}", "issue_type, environment, pattern, count", "i|production|null|1"},
		{"code_generation", "{" + aGen + "}", "prompt, confidence, success, patterns_applied, patterns_count", "x|0.5|1|null|null"},
		{"llm_calls", "{" + aCall + "}", "success, attempts, model", "0|null|null"},
	})
}

func TestWholeNumbers(t *testing.T) {
	line := func(v, want string) acceptance {
		return acceptance{"bugs", "{" + aBug + `,"line":` + v + "}", "line", want}
	}
	count := func(v, want string) acceptance {
		return acceptance{"bugs", "{" + aBug + `,"count":` + v + "}", "count", want}
	}
	newBase(t).accept([]acceptance{
		line("0", "0"), line("-5", "-5"), line("42.0", "42"), line("1e3", "1000"), line("null", "null"),
		line("2147483648", "2147483648"), line("9007199254740993", "9007199254740993"),
		line("9223372036854775807", "9223372036854775807"), line("-9223372036854775808", "-9223372036854775808"),
		line("9223372036854775808", "rejected: line is 9223372036854775808, which is out of range"),
		line("-9223372036854775809", "rejected: out of range"),
		line("1e400", "rejected: line is 1e400, which is out of range"), line("1e30", "rejected: out of range"),
		line(strings.Repeat("9", 5000), "rejected: out of range"),
		line("1.5", "rejected: line is 1.5; expected a whole number"),
		line(`"42"`, `rejected: line is the text "42"; expected a whole number`), line("true", "rejected: line is true; expected a whole number"),
		line("[1]", "rejected: line is a list; expected a whole number"), line("{}", "rejected: line is an object"),
		count("1", "1"), count("2147483648", "2147483648"), count(strconv.Itoa(metric.MaxCount), strconv.Itoa(metric.MaxCount)), count("null", "1"),
		count("0", "rejected: count is 0; it must be at least 1"), count("-1", "rejected: count is -1; it must be at least 1"),
		count(strconv.Itoa(metric.MaxCount+1), "rejected: count is 1000000000001; it must be at most 1000000000000"),
		count("0.5", "rejected: expected a whole number"), count("1e400", "rejected: out of range"), count(`"3"`, "rejected: expected a whole number"),
		{"deployment_issues", "{" + aDeploy + `,"resolution_time_minutes":-1}`, "", "rejected: resolution_time_minutes is -1; it must be at least 0"},
		{"performance_metrics", "{" + aPerf + `,"memory_usage_bytes":9223372036854775807}`, "memory_usage_bytes", "9223372036854775807"},
	})
}

func TestNumbersAndBooleans(t *testing.T) {
	confidence := func(v, want string) acceptance {
		return acceptance{"code_generation", `{"prompt":"x","success":true,"confidence":` + v + "}", "confidence", want}
	}
	success := func(v, want string) acceptance {
		return acceptance{"code_generation", `{"prompt":"x","confidence":1,"success":` + v + "}", "success", want}
	}
	newBase(t).accept([]acceptance{
		confidence("0", "0"), confidence("1", "1"), confidence("0.123456789012345", "0.123456789012345"), confidence("1e-3", "0.001"), confidence("-0", "0"),
		confidence("1e-400", "0"), confidence("1.0000001", "rejected: confidence is 1.0000001; it must be at most 1"),
		confidence("-0.1", "rejected: it must be at least 0"), confidence("1e400", "rejected: confidence is 1e400, which is out of range"),
		confidence("null", "rejected: confidence is missing"), confidence(`"0.5"`, `rejected: confidence is the text "0.5"; expected a number`),
		confidence("true", "rejected: expected a number"),
		success("true", "1"), success("false", "0"), success("null", "rejected: success is missing"),
		success("1", "rejected: success is 1; expected true or false"), success(`"true"`, `rejected: success is the text "true"`),
		{"code_generation", `{"prompt":"x","confidence":0.9}`, "", "rejected: success is missing"},
		{"llm_calls", "{" + aCall + `,"duration":1.25,"attempts":3}`, "duration, attempts", "1.25|3"},
		{"llm_calls", "{" + aCall + `,"duration":1e309}`, "", "rejected: duration is 1e309, which is out of range"},
	})
}

func TestTexts(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	newBase(t).accept([]acceptance{
		{"bugs", `{"pattern":"p","error":"é 😀 \ud83d\ude00 \t\"\\\/"}`, "error", "é 😀 😀 \t\"\\/"},
		{"bugs", "{" + aBug + `,"code":"` + long + `"}`, "length(code)", "1048576"},
		{"bugs", "{" + aBug + `,"code":"` + long + `x"}`, "", "rejected: code is 1048577 bytes long; at most 1048576 are kept"},
		{"bugs", `{"pattern":"p","error":""}`, "", "rejected: error is blank"},
		{"bugs", `{"pattern":" \t\n","error":"e"}`, "", "rejected: pattern is blank"},
		{"bugs", `{"error":"e"}`, "", "rejected: pattern is missing"},
		{"bugs", `{"pattern":null,"error":"e"}`, "", "rejected: pattern is missing"},
		{"bugs", `{"pattern":5,"error":"e"}`, "", "rejected: pattern is 5; expected a text"},
		{"bugs", `{"pattern":["p"],"error":"e"}`, "", "rejected: pattern is a list; expected a text"},
		{"bugs", `{"pattern":{"a":1},"error":"e"}`, "", "rejected: pattern is an object; expected a text"},
		{"bugs", `{"pattern":true,"error":"e"}`, "", "rejected: pattern is true; expected a text"},
		{"bugs", `{"pattern":"` + strings.Repeat("é", 255) + `","error":"e"}`, "length(pattern)", "255"},
		{"bugs", `{"pattern":"` + strings.Repeat("é", 256) + `","error":"e"}`, "", "rejected: pattern is 256 characters long; at most 255 are allowed"},
		{"bugs", "{" + aBug + `,"file_path":""}`, "file_path", ""},
		{"bugs", `{"pattern":" p ","error":"e"}`, "pattern", " p "},
		{"bugs", `{}`, "", "rejected: pattern is missing"},
		{"code_reviews", `{"issue_type":"i","pattern":"p","severity":" HIGH "}`, "severity", "high"},
		{"code_reviews", `{"issue_type":"i","pattern":"p","severity":"Critical"}`, "severity", "critical"},
		{"code_reviews", `{"issue_type":"i","pattern":"p","severity":"urgent"}`, "",
			`rejected: severity is "urgent"; expected one of critical, high, medium, low`},
		{"code_reviews", `{"issue_type":"i","pattern":"p","severity":""}`, "", "rejected: severity is blank"},
		{"code_reviews", `{"issue_type":"i","pattern":"p"}`, "", "rejected: severity is missing"},
		{"deployment_issues", `{"issue_type":"i"}`, "", "rejected: environment is missing"},
	})
}

// One rule at the door for what not every database can store, wherever in the record it stands.
func TestUnstorable(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	newBase(t).accept([]acceptance{
		{"bugs", `{"pattern":"p","error":"a\u0000b"}`, "", "rejected: NUL"},
		{"bugs", "{" + aBug + `,"x":{"deep":["\u0000"]}}`, "", "rejected: NUL"},
		{"bugs", "{" + aBug + `,"\u0000":1}`, "", "rejected: NUL"},
		{"bugs", `{"pattern":"p","error":"\\u0000"}`, "error", `\u0000`},
		{"bugs", `{"pattern":"p","error":"\ud800"}`, "", "rejected: half of a surrogate pair"},
		{"bugs", `{"pattern":"p","error":"\udc00"}`, "", "rejected: half of a surrogate pair"},
		{"bugs", `{"pattern":"p","error":"\ud83d x"}`, "", "rejected: half of a surrogate pair"},
		{"bugs", `{"pattern":"p","error":"\ud83d\ud83d\ude00"}`, "", "rejected: half of a surrogate pair"},
		{"bugs", `{"pattern":"p","error":"\uDE00\uD83D"}`, "", "rejected: half of a surrogate pair"},
		{"bugs", "{\"pattern\":\"p\",\"error\":\"a\xffb\"}", "", "rejected: not UTF-8"},
		{"bugs", "{\"pattern\":\"p\",\"error\":\"\xc0\x80\"}", "", "rejected: not UTF-8"},
		{"bugs", "{\"pattern\":\"p\",\"error\":\"\xed\xa0\x80\"}", "", "rejected: not UTF-8"},
		{"bugs", "{" + aBug + ",\"\xff\":1}", "", "rejected: not UTF-8"},
		{"bugs", "{" + aBug + `,"x":` + deep(63) + "}", "extra", `{"x":` + deep(63) + "}"},
		{"bugs", "{" + aBug + `,"x":` + deep(64) + "}", "", "rejected: nested more than 64 levels deep"},
		{"bugs", "{" + aBug + `,"code":"` + strings.Repeat("[", 100) + `"}`, "length(code)", "100"},
		{"bugs", "{" + aBug + `,"x":` + deep(9000) + "}", "", "rejected: nested more than 64 levels deep"},
	})
}

// One rule at the door also for numbers where JSON is kept: what is accepted can be stored, exported and imported again.
func TestNumbersInsideJSON(t *testing.T) {
	nines := func(n int) string { return strings.Repeat("9", n) }
	x := func(v, want string) acceptance {
		return acceptance{"bugs", "{" + aBug + `,"x":` + v + "}", "pattern", want}
	}
	no := func(v string) string {
		return "rejected: x holds the number " + v + ", which not every database can store"
	}
	newBase(t).accept([]acceptance{
		x("1e308", "p"), x("-1.7976931348623157e308", "p"), x("1e-400", "p"), x("-5e-324", "p"), x("0e300", "p"), x("[1e-997]", "p"),
		x("1e140000", no("1e140000")), x("-1e309", no("-1e309")), x("1E+400", no("1E+400")), x(`[{"y":[0,1e309]}]`, no("1e309")),
		x("1e-998", no("1e-998")), x("1e-99999999999999999999", no("1e-99999999999999999999")), x("0e1000", no("0e1000")),
		x("0.5e-"+nines(17), "rejected: x holds the number"),
		x(nines(1000), "p"), x("-"+nines(999), "p"), x(nines(1001), "rejected: x holds the number 9999"), x("1."+nines(999), "rejected: x holds the number 1.99"),
		x("1."+nines(700)+"e-300", "rejected: x holds the number 1.99"), x(nines(400)+".5", "rejected: x holds the number 99"),
		x(`"1e140000"`, "p"), x(`{"1e140000":"\\\"1e140000"}`, "p"), x(`["\\",1e140000]`, no("1e140000")), x(`["\"1e5",1e140000]`, no("1e140000")),
		{"bugs", "{" + aBug + `,"extra":{"a":1e400}}`, "", "rejected: extra holds the number 1e400"},
		{"bugs", "{" + aBug + `,"1e400":1}`, "pattern", "p"},
		{"performance_metrics", "{" + aPerf + `,"details":{"n":1e140000}}`, "", "rejected: details holds the number 1e140000"},
		{"code_generation", "{" + aGen + `,"metadata":1e400}`, "", "rejected: metadata holds the number 1e400"},
		{"llm_calls", "{" + aCall + `,"raw":[1e400]}`, "", "rejected: raw holds the number 1e400"},
		{"code_generation", "{" + aGen + `,"patterns_applied":["1e400"]}`, "patterns_applied", `["1e400"]`},
	})
}

func TestDuplicateKeys(t *testing.T) {
	inner := `{"x":{"a":1,"a":2}}` // deeper inside it is kept
	if dbtest.On("postgres") {     // whose type for JSON keeps the last of each
		inner = `{"x":{"a":2}}`
	}
	newBase(t).accept([]acceptance{
		{"bugs", `{"pattern":"p","pattern":"p","error":"e"}`, "", `rejected: the field "pattern" occurs twice`},
		{"bugs", `{"pattern":"p","error":"e","\u0065rror":"f"}`, "", `rejected: the field "error" occurs twice`},
		{"bugs", "{" + aBug + `,"unknown":1,"unknown":2}`, "", `rejected: the field "unknown" occurs twice`},
		{"bugs", `{"pattern":null,"pattern":"p","error":"e"}`, "", `rejected: the field "pattern" occurs twice`},
		{"bugs", `{"pattern":"p","Pattern":"q","error":"e"}`, "pattern, extra", `p|{"Pattern":"q"}`},
		{"bugs", "{" + aBug + `,"x":{"a":1,"a":2}}`, "extra", inner},
		{"bugs", `{"PATTERN":"p","error":"e"}`, "", "rejected: pattern is missing"},
	})
}

func TestTimestamps(t *testing.T) {
	at := func(v, want string) acceptance {
		return acceptance{"bugs", `{"pattern":"p","error":"e","timestamp":` + v + "}", "timestamp, timestamp_missing", want}
	}
	b := newBase(t)
	b.accept([]acceptance{
		at(`"2026-01-02T03:04:05.678901"`, "2026-01-02 03:04:05.678901|0"), at(`"2026-01-02T03:04:05+05:30"`, "2026-01-01 21:34:05.000000|0"),
		at(`"9999-12-31T23:59:59Z"`, "9999-12-31 23:59:59.000000|0"),
		at("null", "2026-07-01 12:00:00.123456|1"),
		at(`"12:00"`, `rejected: timestamp "12:00" is no time; expected the form`), at(`""`, "rejected: is no time"), at(`"now"`, "rejected: is no time"),
		at(`"1969-12-31"`, `rejected: timestamp "1969-12-31" is before 1970`), at(`"0001-01-01T00:00:00Z"`, "rejected: before 1970"),
		at("1767323045", "rejected: timestamp is 1767323045; expected a text"), at("true", "rejected: expected a text"), at("[]", "rejected: a list"),
		{"bugs", `{"pattern":"p","error":"e"}`, "timestamp, timestamp_missing", "2026-07-01 12:00:00.123456|1"},
	})
	got := b.mapped("bugs", "{"+aBug+"}", "timestamp", ingest.Options{Zone: zone(t, "Europe/Berlin")})
	if got != "2026-01-02 02:04:05.000000" {
		t.Errorf("a naive time in Berlin was stored as %s", got)
	}
}

func TestFutureIsNoted(t *testing.T) {
	b := newBase(t)
	rep := b.load(`{"bugs":[{"pattern":"p","error":"e","timestamp":"2026-07-02T12:00:00Z"},{"pattern":"p","error":"f","timestamp":"2026-07-03T00:00:00Z"},
		{"pattern":"p","error":"g","timestamp":"9999-01-01"}]}`)
	want(t, rep, 3, 0, 0)
	if len(rep.Notes) != 1 || !strings.HasPrefix(rep.Notes[0], "2 records are dated more than a day in the future") {
		t.Errorf("notes %q", rep.Notes)
	}
}

func TestMapping(t *testing.T) {
	b := newBase(t)
	b.accept([]acceptance{
		// Defect 35 of the original: a real 0 became the maximum, and a literal value was ignored.
		{"performance_metrics", "{" + aPerf + `,"details":{"avg_time_ms":0,"max_time_ms":9}}`, "execution_time_ms", "0"},
		{"performance_metrics", "{" + aPerf + `,"execution_time_ms":3,"details":{"avg_time_ms":7}}`, "execution_time_ms", "3"},
		{"performance_metrics", "{" + aPerf + `,"details":{"avg_time_ms":7},"execution_time_ms":3}`, "execution_time_ms", "3"},
		{"performance_metrics", "{" + aPerf + `,"execution_time_ms":0,"details":{"avg_time_ms":7}}`, "execution_time_ms", "0"},
		{"performance_metrics", "{" + aPerf + `,"details":{"execution_time_ms":2,"avg_time_ms":7}}`, "execution_time_ms", "2"},
		{"performance_metrics", "{" + aPerf + `,"details":{"max_time_ms":9}}`, "execution_time_ms", "9"},
		{"performance_metrics", "{" + aPerf + `,"details":{"avg_time_ms":null,"max_time_ms":9}}`, "execution_time_ms", "9"},
		{"performance_metrics", "{" + aPerf + `,"details":{"avg_time_ms":"fast","max_time_ms":9}}`, "execution_time_ms, details",
			`9|{"avg_time_ms":"fast","max_time_ms":9}`},
		{"performance_metrics", "{" + aPerf + `,"details":{"file_size":6,"function":"f","memory_usage":5, "z": [1, 2]}}`,
			"function_name, memory_usage_bytes, file_size_bytes, details", `f|5|6|{"file_size":6,"function":"f","memory_usage":5,"z":[1,2]}`},
		{"performance_metrics", "{" + aPerf + `,"details":"slow"}`, "details, execution_time_ms", `"slow"|null`},
		{"performance_metrics", "{" + aPerf + `,"details":[{"avg_time_ms":5}]}`, "details, execution_time_ms", `[{"avg_time_ms":5}]|null`},
		{"performance_metrics", `{"operation":"op","duration_ms":250,"timestamp":"2024-01-18T08:00:00Z"}`,
			"metric_type, function_name, execution_time_ms, extra", "execution_time|op|250|null"},
		{"performance_metrics", `{"operation":"op"}`, "", "rejected: metric_type is missing"},
		{"performance_metrics", `{"operation":"op","duration_ms":250,"memory_usage_bytes":1}`, "", "rejected: metric_type is missing"},
		{"performance_metrics", `{"operation":"op","duration_ms":250,"file_size_bytes":1}`, "", "rejected: metric_type is missing"},
		{"performance_metrics", `{"operation":"op","duration_ms":250,"details":{"b":true}}`, "", "rejected: metric_type is missing"},
		{"performance_metrics", `{"metric_type":"m","duration_ms":"fast"}`, "", `rejected: duration_ms is the text "fast"; expected a number`},
		{"code_generation", "{" + aGen + `,"metadata":{"a":1}}`, "generation_metadata", `{"a":1}`},
		{"code_generation", "{" + aGen + `,"generation_metadata":{"a":1}}`, "generation_metadata", `{"a":1}`},
		{"code_generation", "{" + aGen + `,"patterns_applied":["a","b"],"patterns_count":99}`, "patterns_applied, patterns_count", `["a","b"]|2`},
		{"code_generation", "{" + aGen + `,"patterns_applied":"a"}`, "patterns_applied, patterns_count", `["a"]|1`},
		{"code_generation", "{" + aGen + `,"patterns_applied":[]}`, "patterns_applied, patterns_count", `[]|0`},
		{"code_generation", "{" + aGen + `,"patterns_applied":null}`, "patterns_applied, patterns_count", `null|null`},
		{"code_generation", "{" + aGen + `,"patterns_applied":["<a&b>"]}`, "patterns_applied", `["<a&b>"]`},
		{"code_generation", "{" + aGen + `,"patterns_applied":["a",1]}`, "", "rejected: patterns_applied has an element that is 1; expected texts"},
		{"code_generation", "{" + aGen + `,"patterns_applied":{"a":1}}`, "", "rejected: patterns_applied is an object; expected a list of texts"},
		{"code_generation", "{" + aGen + `,"patterns_applied":5}`, "", "rejected: expected a list of texts"},
		{"code_generation", "{" + aGen + `,"patterns_applied":["` + strings.Repeat("x", 256) + `"]}`, "", "rejected: more than 255 characters"},
		{"code_generation", "{" + aGen + `,"patterns_applied":[" "]}`, "", "rejected: patterns_applied has an element that is blank"},
		{"llm_calls", "{" + aCall + `,"raw":{"event":"llm_call", "n":1.50}}`, "raw", `{"event":"llm_call","n":1.50}`},
	})
}

func TestUnknownFieldsAreKept(t *testing.T) {
	newBase(t).accept([]acceptance{
		{"bugs", "{" + aBug + `,"zeta":1,"alpha":{"a": 1, "b": 2},"mid":"x é","none":null}`, "extra",
			`{"alpha":{"a":1,"b":2},"mid":"x é","none":null,"zeta":1}`},
		{"bugs", "{" + aBug + `,"big":123456789012345678901234567890,"f":1.50}`, "extra", `{"big":123456789012345678901234567890,"f":1.50}`},
		{"bugs", "{" + aBug + `,"organization_id":2}`, "organization_id, extra", `1|{"organization_id":2}`},
		{"bugs", "{" + aBug + `,"":"empty"}`, "extra", `{"":"empty"}`},
		{"bugs", "{" + aBug + `,"extra":{"a":1}}`, "extra", `{"a":1}`},
		{"bugs", "{" + aBug + `,"extra":{"a":1},"b":2}`, "extra", `{"a":1,"b":2}`},
		{"bugs", "{" + aBug + `,"extra":{"a":1},"a":2}`, "extra", `{"a":2,"extra":{"a":1}}`},
		{"bugs", "{" + aBug + `,"extra":[1,2],"b":2}`, "extra", `{"b":2,"extra":[1,2]}`},
		{"bugs", "{" + aBug + `,"extra":"text","b":2}`, "extra", `{"b":2,"extra":"text"}`},
		// What stands in a column's second-best key is not lost when there is a better one, whichever comes first.
		{"performance_metrics", "{" + aPerf + `,"duration_ms":5,"execution_time_ms":3}`, "execution_time_ms, extra", `3|{"duration_ms":5}`},
		{"performance_metrics", "{" + aPerf + `,"execution_time_ms":3,"duration_ms":5}`, "execution_time_ms, extra", `3|{"duration_ms":5}`},
		{"performance_metrics", "{" + aPerf + `,"duration_ms":"fast","execution_time_ms":3}`, "execution_time_ms, extra", `3|{"duration_ms":"fast"}`},
		{"performance_metrics", "{" + aPerf + `,"duration_ms":5,"details":{"avg_time_ms":7}}`, "execution_time_ms, extra", `7|{"duration_ms":5}`},
		{"performance_metrics", "{" + aPerf + `,"duration_ms":5,"details":{"avg_time_ms":"x"}}`, "execution_time_ms, extra", "5|null"},
		{"performance_metrics", "{" + aPerf + `,"execution_time_ms":3,"duration_ms":null}`, "execution_time_ms, extra", `3|null`},
		{"code_generation", "{" + aGen + `,"generation_metadata":{"b":1},"metadata":{"a":1}}`, "generation_metadata, extra",
			`{"a":1}|{"generation_metadata":{"b":1}}`},
	})
}

func TestDeviationsAreNoted(t *testing.T) {
	b := newBase(t)
	rep := b.load(`{"performance_metrics":[{"operation":"a","duration_ms":1},{"operation":"b","duration_ms":2},{"metric_type":"m","function_name":"c"}]}`)
	want(t, rep, 3, 0, 0)
	text := strings.Join(rep.Notes, "\n")
	for _, part := range []string{"performance_metrics: operation taken as function_name (2 records)",
		"performance_metrics: duration_ms taken as execution_time_ms (2 records)", "metric_type taken as execution_time"} {
		if !strings.Contains(text, part) {
			t.Errorf("the notes do not say %q:\n%s", part, text)
		}
	}
	var notes []string
	if err := json.Unmarshal([]byte(b.text("SELECT notes FROM import_runs")), &notes); err != nil || len(notes) != 3 {
		t.Errorf("import_runs has the notes %q (%v), want 3", notes, err)
	}
}

func TestRepositoryBranchSource(t *testing.T) {
	b := newBase(t)
	b.loadAs(`{"bugs":[{`+aBug+`},{`+aBug+`,"repository":"own/r","branch":"b","source":"s","commit_sha":"c","run_id":"r","source_id":"i","source_url":"u"}]}`,
		ingest.Options{Repository: "acme/shop", Branch: "main", Source: "given"})
	got := strings.Join(b.rows("SELECT repository, branch, source, commit_sha, run_id, source_id, source_url FROM metrics_bugs ORDER BY id"), "\n")
	if want := "acme/shop|main|given|null|null|null|null\nown/r|b|s|c|r|i|u"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	b.accept([]acceptance{
		{"bugs", "{" + aBug + `,"branch":5}`, "", "rejected: branch is 5; expected a text"},
		{"bugs", "{" + aBug + `,"commit_sha":"` + strings.Repeat("a", 65) + `"}`, "", "rejected: commit_sha is 65 characters long"},
		{"bugs", "{" + aBug + `,"event_key":"no"}`, "", "rejected: event_key is no UUID"},
	})
}

// Rows of an export carry their identity and keep it.
func TestStoredRows(t *testing.T) {
	b := newBase(t)
	row := "{" + aBug + `,"count":4,"source":"collector","event_key":"6D1C3C0E-6a5b-5d0e-9a4e-0f6c1b1d7f11","ingested_at":"2026-02-03T04:05:06.000007Z","timestamp_missing":true}`
	want(t, b.load(`{"bugs":[`+row+`]}`), 1, 0, 0)
	got := b.text("SELECT event_key, ingested_at, timestamp_missing, count FROM metrics_bugs")
	if want := "6d1c3c0e-6a5b-5d0e-9a4e-0f6c1b1d7f11|2026-02-03 04:05:06.000007|1|4"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want(t, b.load(`{"bugs":[`+row+`,`+row+`]}`), 0, 2, 0)
	// Without a time there is no identity: the key is made anew.
	b.load(`{"bugs":[{"pattern":"p","error":"x","event_key":"6d1c3c0e-6a5b-5d0e-9a4e-0f6c1b1d7f11"}]}`)
	if n := b.number("SELECT COUNT(*) FROM metrics_bugs WHERE event_key = '6d1c3c0e-6a5b-5d0e-9a4e-0f6c1b1d7f11'"); n != 1 {
		t.Errorf("%d rows have the key, want 1", n)
	}
}
