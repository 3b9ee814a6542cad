package ingest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
)

// line is a bug as NDJSON has it, with these further fields.
func line(fields string) string { return `{"category":"bugs",` + bug(fields)[1:] }

func TestNDJSON(t *testing.T) {
	for name, c := range map[string]struct {
		content            string
		inserted, rejected int64
		reasons            []string // position: part of the reason
	}{
		"two lines":        {line("") + "\n" + line(`,"line":1`) + "\n", 2, 0, nil},
		"one line":         {line(""), 1, 0, nil},
		"no final newline": {line("") + "\n" + line(`,"line":1`), 2, 0, nil},
		"CRLF":             {line("") + "\r\n" + line(`,"line":1`) + "\r\n", 2, 0, nil},
		"blank lines":      {"\n \n" + line("") + "\n\n\t\n" + line(`,"line":1`) + "\n\n", 2, 0, nil},
		"a mark":           {"\xef\xbb\xbf" + line("") + "\n", 1, 0, nil},
		"packed":           {packed(t, line("")+"\n"+line(`,"line":1`)), 2, 0, nil},
		"category last":    {bug("")[:len(bug(""))-1] + `,"category":"bugs"}` + "\n", 1, 0, nil},
		"other categories": {line("") + "\n" + `{"category":"llm_calls","success":true}` + "\n", 2, 0, nil},
		"identical lines":  {strings.Repeat(line("")+"\n", 3), 3, 0, nil},
		"bad in the middle": {line("") + "\n{\"category\":\"bugs\",\n" + line(`,"line":1`) + "\n", 2, 1,
			[]string{"line 2: the line is not valid JSON"}},
		"several bad": {line("") + "\n[1]\n5\nnull\nxyz\n\"a\"\n{} {}\n" + line(`,"line":1`), 2, 6,
			[]string{"line 2: the line is not an object", "line 3: not an object", "line 4: not an object", "line 5: not valid JSON", "line 6: not an object", "line 7: not valid JSON"}},
		"without category": {line("") + "\n" + bug("") + "\n" + `{"category":null}` + "\n" + `{"category":5}`, 1, 3,
			[]string{"line 2: the line does not name its category", "line 3: does not name", "line 4: does not name"}},
		"unknown category": {line("") + "\n" + `{"category":"Bugs"}` + "\n", 1, 1, []string{`line 2: "Bugs" is no category`}},
		"category twice": {line("") + "\n" + `{"category":"bugs","category":"llm_calls","success":true}`, 1, 1,
			[]string{`line 2: the field "category" occurs twice`}},
		"unusable record": {line("") + "\n" + `{"category":"bugs","pattern":"p"}`, 1, 1, []string{"line 2: error is missing"}},
		"invalid bytes":   {line("") + "\n" + line(",\"code\":\"\xff\"") + "\n" + line(`,"line":1`), 2, 1, []string{"line 2: not UTF-8"}},
		"NUL bytes":       {line("") + "\n\x00\x00\n" + line(`,"line":1`), 2, 1, []string{"line 2: not valid JSON"}},
		"deep":            {line("") + "\n" + strings.Repeat("[", 8<<20-10) + "\n" + line(`,"line":1`), 2, 1, []string{"line 2: nested too deep"}},
		"deep objects":    {line("") + "\n" + strings.Repeat(`{"a":`, 1_000_000) + "\n" + line(`,"line":1`), 2, 1, []string{"line 2: nested too deep"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			rep := b.load(c.content)
			want(t, rep, c.inserted, 0, c.rejected)
			if rep.Format != "ndjson" {
				t.Errorf("format %q", rep.Format)
			}
			for i, r := range rep.Rejects {
				place, part, _ := strings.Cut(c.reasons[i], ": ")
				if r.Position != place || !strings.Contains(r.Reason, part) {
					t.Errorf("rejected %s: %s, want %s", r.Position, r.Reason, c.reasons[i])
				}
			}
			if n := b.number("SELECT COUNT(*) FROM metrics_bugs WHERE extra IS NOT NULL"); n != 0 {
				t.Errorf("%d rows have fields without column", n)
			}
			want(t, b.load(c.content), 0, c.inserted, c.rejected)
		})
	}
}

func TestLongLine(t *testing.T) {
	b := newBase(t)
	fits := line(`,"x":"` + strings.Repeat("x", 7<<20) + `"`)
	want(t, b.loadAs(line("")+"\n"+fits+"\n"+line(`,"line":1`), ingest.Options{Source: "7 MiB"}), 3, 0, 0)
	want(t, b.loadAs(fits+"\n"+line(`,"line":1`), ingest.Options{Source: "first"}), 2, 0, 0)
	long := line(`,"x":"` + strings.Repeat("x", 9<<20) + `"`)
	rep, err := b.try(line("")+"\n"+long+"\n"+line(`,"line":1`), ingest.Options{Source: "9 MiB"})
	fails(t, err, fault.Invalid, "metrics_data.json:2:1", "the line is too long", "at most 8 MiB")
	want(t, rep, 1, 0, 0)
}

// The same record is the same in either format.
func TestFormatsAgree(t *testing.T) {
	b := newBase(t)
	want(t, b.load(`{"bugs":[`+bug(`,"zeta":{"b":1,"a":2}`)+`,`+bug("")+`]}`), 2, 0, 0)
	want(t, b.load(line("")+"\n"+line(`,"zeta":{"b":1,"a":2}`)+"\n"), 0, 2, 0)
}

func FuzzNDJSON(f *testing.F) {
	for _, s := range []string{line(""), line("") + "\n" + line(`,"count":3`), "\n\r\n" + line("") + "\r\n[1]\n{", `{"category":"llm_calls","success":true}` + "\n\x00",
		line(`,"x":"\ud800"`), line(",\"code\":\"\xff\""), line(`,"timestamp":null`) + "\n" + line(`,"timestamp":"12:00"`)} {
		f.Add([]byte(s))
	}
	b := newBase(f)
	n := 0
	f.Fuzz(func(t *testing.T, data []byte) {
		n++
		twice(t, b, "ndjson", data, fmt.Sprint("ndjson-", n))
	})
}
