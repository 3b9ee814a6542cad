package ingest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
)

const small = `{
  "bugs": [
    {"pattern": "p", "error": "a", "timestamp": "2026-01-02T03:04:05", "count": 2},
    {"pattern": "p", "error": "é \u00e9 \" [{", "timestamp": "2026-01-02T03:04:06"}
  ],
  "test_failures": [],
  "code_reviews": null,
  "code_generation": [{"prompt": "x", "confidence": 0.5, "success": true, "patterns_applied": ["p", "q"], "metadata": {"a": {}}}]
}
`

func TestShapesOfMetricsJSON(t *testing.T) {
	for name, c := range map[string]struct {
		content                       string
		inserted, duplicate, rejected int64
		says                          string // part of a note or of the first reason
	}{
		"as documented":            {small, 3, 0, 0, ""},
		"in one line":              {strings.Join(strings.Fields(strings.ReplaceAll(small, `é \u00e9`, "é")), " "), 3, 0, 0, ""},
		"with CRLF":                {strings.ReplaceAll(small, "\n", "\r\n"), 3, 0, 0, ""},
		"with tabs and CR":         {strings.ReplaceAll(strings.ReplaceAll(small, "  ", "\t"), "\n", "\r"), 3, 0, 0, ""},
		"with a byte order mark":   {"\xef\xbb\xbf" + small, 3, 0, 0, ""},
		"without final newline":    {strings.TrimSpace(small), 3, 0, 0, ""},
		"after blank lines":        {"\n\n  \t" + small + "\n\n", 3, 0, 0, ""},
		"packed":                   {packed(t, small), 3, 0, 0, ""},
		"packed with a mark":       {packed(t, "\xef\xbb\xbf"+small), 3, 0, 0, ""},
		"packed in two members":    {packed(t, small[:100]) + packed(t, small[100:]), 3, 0, 0, ""},
		"two documents":            {small + `{"bugs":[` + bug(`,"line":1`) + `]}`, 4, 0, 0, ""},
		"two documents, no gap":    {strings.TrimSpace(small) + strings.TrimSpace(small), 6, 0, 0, ""},
		"a lone record":            {`{"bugs":` + bug("") + `}`, 1, 0, 0, ""},
		"null categories":          {`{"bugs":null,"llm_calls":null}`, 0, 0, 0, ""},
		"empty categories":         {`{"bugs":[],"llm_calls":[]}`, 0, 0, 0, ""},
		"an empty object":          {`{}`, 0, 0, 0, ""},
		"a category twice":         {`{"bugs":[` + bug("") + `],"bugs":[` + bug(`,"line":1`) + `]}`, 2, 0, 0, ""},
		"unknown text":             {`{"version":"1.0","bugs":[` + bug("") + `]}`, 1, 0, 0, `the key "version" is no category and was passed over`},
		"unknown number":           {`{"bugs":[` + bug("") + `],"total":1}`, 1, 0, 0, `the key "total"`},
		"unknown object":           {`{"summary":{"bugs":1},"bugs":[` + bug("") + `]}`, 1, 0, 0, `the key "summary"`},
		"unknown null":             {`{"x":null,"bugs":[` + bug("") + `]}`, 1, 0, 0, ""},
		"unknown list":             {`{"widgets":[{"a":1}],"bugs":[` + bug("") + `]}`, 1, 0, 1, `"widgets" is no category; known are bugs, test_failures`},
		"other case":               {`{"BUGS":[` + bug("") + `],"bugs":[]}`, 0, 0, 1, `"BUGS" is no category`},
		"escaped category":         {`{"\u0062ugs":[` + bug("") + `]}`, 1, 0, 0, ""},
		"null record":              {`{"bugs":[null,` + bug("") + `]}`, 1, 0, 1, "a record must be an object; this is null"},
		"scalar records":           {`{"bugs":[1,"a",true,[` + bug("") + `]]}`, 0, 0, 4, "a record must be an object; this is a number"},
		"scalar category":          {`{"bugs":5}`, 0, 0, 1, "a record must be an object; this is a number"},
		"text category":            {`{"bugs":"none"}`, 0, 0, 1, "this is a text"},
		"a fault in one of three":  {`{"bugs":[` + bug("") + `,{"pattern":null},` + bug(`,"line":1`) + `]}`, 2, 0, 1, "pattern is missing"},
		"record of a million keys": {`{"bugs":[{` + manyKeys(1_000_00) + `}]}`, 0, 0, 1, "fields"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			rep := b.load(c.content)
			want(t, rep, c.inserted, c.duplicate, c.rejected)
			if rep.Format != "metrics-json" {
				t.Errorf("format %q", rep.Format)
			}
			said := strings.Join(rep.Notes, "\n")
			if len(rep.Rejects) > 0 {
				said += rep.Rejects[0].Reason
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("%q does not say %q", said, c.says)
			}
			if again := b.load(c.content); again.Inserted != 0 || again.Read != rep.Read {
				t.Errorf("the second import inserted %d of %d", again.Inserted, again.Read)
			}
		})
	}
}

func manyKeys(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, `"k%d":0,`, i)
	}
	return s.String() + `"z":0`
}

func TestPlacesOfRejects(t *testing.T) {
	b := newBase(t)
	rep := b.load("{\"bugs\":[" + bug("") + ",\n  {\"pattern\":null} , 5],\n\"code_reviews\":{\"x\":\"a\xffb\"}}")
	want(t, rep, 1, 0, 3)
	first := len(`{"bugs":[`) + len(bug("")) + len(",\n  ")
	for i, want := range []string{
		fmt.Sprintf(`bugs[1] at byte %d|bugs|pattern is missing|{"pattern":null}`, first),
		fmt.Sprintf(`bugs[2] at byte %d|bugs|a record must be an object; this is a number|5`, first+len(`{"pattern":null} , `)),
		fmt.Sprintf(`code_reviews at byte %d|code_reviews|the record holds bytes that are not UTF-8|{"x":"a\xffb"}`, first+len(`{"pattern":null} , 5],`)+1+len(`"code_reviews":`)),
	} {
		got := b.rows("SELECT position, category, reason, raw FROM import_rejects ORDER BY id")[i]
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if j := rep.Rejects[i]; !strings.HasPrefix(want, j.Position+"|"+j.Category+"|"+j.Reason+"|") {
			t.Errorf("the report has %+v, want %s", j, want)
		}
	}
}

func TestNotMetrics(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		parts   []string
	}{
		"empty":            {"", []string{"is empty"}},
		"blank":            {" \n\t\r\n ", []string{"is empty"}},
		"a mark only":      {"\xef\xbb\xbf", []string{"is empty"}},
		"packed nothing":   {packed(t, ""), []string{"is empty"}},
		"text":             {"hello, world\n", []string{":1:1", "not valid JSON"}},
		"YAML":             {"bugs:\n  - pattern: p\n", []string{":1:1", "not valid JSON"}},
		"HTML":             {"<!DOCTYPE html><html></html>", []string{":1:1", "not valid JSON"}},
		"binary":           {"\x00\x01\x02\x03", []string{":1:1", "not valid JSON"}},
		"list":             {`[{"pattern":"p"}]`, []string{"the root is a list; expected an object", `{"bugs": [...]`}},
		"text root":        {`"bugs"`, []string{"the root is a text"}},
		"number root":      {`42`, []string{"the root is a number"}},
		"null root":        {`null`, []string{"the root is null"}},
		"true root":        {`true`, []string{"the root is true or false"}},
		"no category":      {`{"name":"x","version":1}`, []string{"none of the categories"}},
		"a bare record":    {bug(""), []string{"none of the categories"}},
		"UTF-16 LE":        {utf16Text(small, false), []string{"UTF-16", "Save it as UTF-8"}},
		"UTF-16 BE":        {utf16Text(small, true), []string{"UTF-16", "Save it as UTF-8"}},
		"truncated gzip":   {packed(t, strings.Repeat(" ", 100_000)+small)[:60], []string{}},
		"half a gzip head": {"\x1f\x8b\x08", []string{"is not a whole gzip file"}},
		"single quotes":    {"{'bugs': []}", []string{":1:2", "not valid JSON"}},
		"comment":          {"{\n// no\n\"bugs\": []}", []string{":2:1", "not valid JSON"}},
		"trailing comma":   {"{\"bugs\": [\n" + bug("") + ",\n]}", []string{":2:", "not valid JSON"}},
		"NaN":              {`{"bugs": [` + "\n" + `{"line": NaN}]}`, []string{":2:10", "not valid JSON"}},
		"raw newline":      {"{\"bugs\": [{\"error\": \"a\nb\"}]}", []string{":1:", "not valid JSON"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			rep, err := b.try(c.content, ingest.Options{})
			fails(t, err, fault.Invalid, append(c.parts, "metrics_data.json")...)
			if rep.Error == "" || rep.Inserted+rep.Duplicate > 1 {
				t.Errorf("report %+v", rep)
			}
		})
	}
}

func utf16Text(s string, big bool) string {
	out := []byte{0xff, 0xfe}
	if big {
		out = []byte{0xfe, 0xff}
	}
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return string(out)
}

// A file that ends early, wherever: what stands before is in, and the message says where it ends.
func TestTruncatedAtEveryByte(t *testing.T) {
	b := newBase(t)
	whole := strings.TrimSpace(small)
	ends := recordEnds(t, whole)
	for n := 1; n < len(whole); n++ {
		// Most of them dry, which is faster: that a dry run says what an import does has a test of its own.
		rep, err := b.try(whole[:n], ingest.Options{Source: fmt.Sprint("cut-", n), DryRun: n%16 != 0})
		var before int64
		for _, end := range ends {
			if n >= end {
				before++
			}
		}
		line := 1 + strings.Count(whole[:n], "\n")
		fails(t, err, fault.Invalid, fmt.Sprintf("metrics_data.json:%d:", line), "the file ends in the middle")
		var at int
		_, text, _ := strings.Cut(err.Error(), " at byte ")
		if _, e := fmt.Sscan(text, &at); e != nil || at > n || at < n-len(`\u00e9`) {
			t.Errorf("cut at byte %d: %v", n, err)
		}
		if rep.Inserted != before || rep.Rejected != 0 {
			t.Errorf("cut at byte %d (...%s): %d records are in, want %d", n, whole[max(0, n-10):n], rep.Inserted, before)
		}
	}
	if again := b.load(whole); again.Inserted != 3 {
		t.Errorf("%+v", again)
	}
}

// recordEnds finds where the records end with a decoder that is not the importer's.
func recordEnds(t *testing.T, text string) (ends []int) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	for depth := 0; ; {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return ends
		}
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := tok.(json.Delim); ok {
			if d == '{' || d == '[' {
				depth++
			} else {
				depth--
			}
			if d == '[' && depth == 2 {
				for dec.More() {
					var raw json.RawMessage
					if err := dec.Decode(&raw); err != nil {
						t.Fatal(err)
					}
					ends = append(ends, int(dec.InputOffset()))
				}
			}
		}
	}
}

// After the end of a document only another one may follow.
func TestTrailingGarbage(t *testing.T) {
	b := newBase(t)
	for i, tail := range []string{"x", "]", "}", ",", "null", `"bugs"`, "\x00", "{", `{"bugs"`} {
		rep, err := b.try(small+tail, ingest.Options{Source: fmt.Sprint("tail-", i)})
		fails(t, err, fault.Invalid, "metrics_data.json")
		if rep.Inserted != 3 {
			t.Errorf("%q: %d records are in, want 3", tail, rep.Inserted)
		}
	}
}

// Positions count from the beginning of the file, mark included or not.
func TestLineAndColumn(t *testing.T) {
	b := newBase(t)
	for content, where := range map[string]string{
		"{\"bugs\":[\n\n  ?]}":              ":3:3: ",
		"\xef\xbb\xbf{\"bugs\":[\n\n  ?]}":  ":3:3: ",
		"\xef\xbb\xbf{\"bugs\":[\n?]}":      ":2:1: ",
		"\xef\xbb\xbf{bugs":                 ":1:2: ",
		"{bugs":                             ":1:2: ",
		strings.Repeat("\n", 100_000) + "x": ":100001:1: ",
		strings.Repeat(" ", 70_000) + "{x":  ":1:70002: ",
	} {
		_, err := b.try(content, ingest.Options{})
		fails(t, err, fault.Invalid, "metrics_data.json"+where)
	}
	// In a packed file there are no lines to count: the byte is that of the content.
	_, err := b.try(packed(t, "{\"bugs\":[\n?]}"), ingest.Options{})
	fails(t, err, fault.Invalid, "metrics_data.json: not valid JSON at byte 10")
}

func TestDamagedGzip(t *testing.T) {
	b := newBase(t)
	records := make([]string, 2000)
	for i := range records {
		records[i] = bug(fmt.Sprintf(`,"line":%d,"code":"%x"`, i, i*i*7919))
	}
	z := packed(t, `{"bugs":[`+strings.Join(records, ",")+`]}`)
	rep, err := b.try(z[:len(z)/2], ingest.Options{Source: "half"})
	fails(t, err, fault.Invalid, "the file ends in the middle")
	if rep.Inserted == 0 || rep.Inserted >= 2000 {
		t.Errorf("%d records of half a file are in", rep.Inserted)
	}
	bad := []byte(z)
	bad[len(bad)-5] ^= 0xff // in the check sum
	rep, err = b.try(string(bad), ingest.Options{Source: "sum"})
	fails(t, err, fault.Invalid, "gzip")
	if rep.Inserted != 2000 {
		t.Errorf("%d records are in, want 2000", rep.Inserted)
	}
}

func TestDeepNesting(t *testing.T) {
	b := newBase(t)
	deep := func(n int) string {
		return `{"bugs":[` + bug("") + `,{"x":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}]}`
	}
	want(t, b.loadAs(deep(5000), ingest.Options{Source: "5000"}), 1, 0, 1)
	for _, n := range []int{100_000, 3_000_000} {
		rep, err := b.try(deep(n), ingest.Options{Source: fmt.Sprint(n)})
		fails(t, err, fault.Invalid, "depth")
		want(t, rep, 1, 0, 0)
	}
	open := []string{strings.Repeat("[", 1_000_000), strings.Repeat(`{"a":`, 1_000_000), `{"bugs":` + strings.Repeat("[", 1_000_000)}
	for _, content := range open {
		_, err := b.try(content, ingest.Options{})
		fails(t, err, fault.Invalid)
	}
}

// A record near the limit goes through whole; one that an export would push over it is rejected; a larger one ends the
// file, and what stands before it is kept.
func TestRecordSize(t *testing.T) {
	b := newBase(t)
	sized := func(n int) string {
		head := `{"pattern":"p","error":"big","timestamp":"2026-01-02","x":"`
		return head + strings.Repeat("x", n-len(head)-2) + `"}`
	}
	rep := b.loadAs(`{"bugs":[`+bug("")+`,`+sized(ingest.MaxRecord-16<<10)+`,`+bug(`,"line":1`)+`]}`, ingest.Options{Source: "fits"})
	want(t, rep, 3, 0, 0)
	rep = b.loadAs(`{"bugs":[`+bug("")+`,`+sized(ingest.MaxRecord-16)+`,`+bug(`,"line":1`)+`]}`, ingest.Options{Source: "no room"})
	want(t, rep, 2, 0, 1)
	rep, err := b.try(`{"bugs":[`+bug("")+`,`+sized(ingest.MaxRecord+16)+`,`+bug(`,"line":1`)+`]}`, ingest.Options{Source: "too large"})
	fails(t, err, fault.Invalid, "a record is larger than 8 MiB", ":1:")
	want(t, rep, 1, 0, 0)
	if !bytes.Contains([]byte(err.Error()), []byte("the records before it were imported")) {
		t.Error(err)
	}
}

// The name of a list and the number of remarks are the file's choice; what is kept of them is not.
func TestNamesAndRemarksAreBounded(t *testing.T) {
	b := newBase(t)
	rep := b.load(`{"` + strings.Repeat("x", 1<<20) + `":[1,2,{}],"bugs":[]}`)
	want(t, rep, 0, 0, 3)
	if n := b.number("SELECT MAX(length(category) + length(reason) + length(position)) FROM import_rejects"); n > 500 {
		t.Errorf("a reject of %d characters was kept", n)
	}
	var s strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&s, `{"k%d":1,"same":2,"bugs":[]}`, i)
	}
	rep = b.load(s.String())
	if n := len(rep.Notes); n > 120 {
		t.Errorf("%d notes", n)
	}
	if last := rep.Notes[len(rep.Notes)-1]; !strings.Contains(strings.Join(rep.Notes, "\n"), "4901 more remarks") {
		t.Errorf("the last note is %q", last)
	}
}

// A file cannot steer the terminal that shows what is wrong with it.
func TestMessagesArePlain(t *testing.T) {
	b := newBase(t)
	const esc = `\u001b[31m\r\n\u202e`
	for i, content := range []string{
		`{"` + esc + `":[1],"bugs":[{"` + esc + `":1,"` + esc + `":2},{"pattern":"p","error":"e","timestamp":"` + esc + `"},
			{"pattern":5,"error":"` + esc + `"},{"pattern":["` + esc + `"]}],"` + esc + `x":3,"code_reviews":[{"issue_type":"i","pattern":"p","severity":"` + esc + `"}]}`,
		`{"bugs":[` + bug("") + `],"` + esc + `":[{"` + esc + `":]}`,
		`{"category":"` + esc + `"}`,
		`{"category":"bugs","pattern":"` + esc + `","error":5}`,
		`{"bugs":[{"line":"` + esc + `","pattern":"p","error":"e"}],"code_generation":[{"prompt":"x","confidence":1,"success":"` + esc + `"}]}`,
	} {
		rep, err := b.try(content, ingest.Options{Source: fmt.Sprint(i)})
		said := fmt.Sprint(rep.Notes, err)
		for _, r := range rep.Rejects {
			said += r.Position + r.Reason
		}
		if strings.ContainsFunc(said, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", said)
		}
		if rep.Rejected == 0 && err == nil {
			t.Errorf("nothing was rejected of %s", content)
		}
	}
}
