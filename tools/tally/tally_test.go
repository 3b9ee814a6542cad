package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run tallies stream, with a vitest report unless that is empty, and returns
// the report, its last line and the verdict.
func run(t *testing.T, stream, vitest string, steps ...string) (report, last string, ok bool) {
	t.Helper()
	var out strings.Builder
	c := newTally(&out)
	for _, s := range steps {
		c.failStep(s)
	}
	if vitest != "" {
		path := filepath.Join(t.TempDir(), "vitest.json")
		if err := os.WriteFile(path, []byte(vitest), 0o600); err != nil {
			t.Fatal(err)
		}
		c.addVitest(path)
	}
	if err := c.readGoTest(strings.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	ok = c.finish()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	return out.String(), lines[len(lines)-1], ok
}

const passing = `{"Action":"start","Package":"a"}
{"Action":"run","Package":"a","Test":"T"}
{"Action":"run","Package":"a","Test":"T/x"}
{"Action":"run","Package":"a","Test":"T/x/y"}
{"Action":"pass","Package":"a","Test":"T/x/y"}
{"Action":"pass","Package":"a","Test":"T/x"}
{"Action":"pass","Package":"a","Test":"T"}
{"Action":"pass","Package":"a","Test":"Txy"}
{"Action":"pass","Package":"a","Elapsed":0.5}
`

func TestTally(t *testing.T) {
	tests := []struct {
		name   string
		stream string
		vitest string
		steps  []string
		last   string
		ok     bool
		says   []string
	}{
		{
			name: "a test with subtests is counted by its leaves", stream: passing,
			last: "2 passed, 0 failed, 0 skipped", ok: true, says: []string{"2 tests"},
		},
		{
			name: "a package that runs twice is counted twice", stream: passing + strings.Replace(passing, `{"Action":"pass","Package":"a","Test":"Txy"}`,
				`{"Action":"output","Package":"a","Test":"Txy","Output":"why\n"}`+"\n"+`{"Action":"fail","Package":"a","Test":"Txy"}`, 1),
			last: "3 passed, 1 failed, 0 skipped", says: []string{"why", "failed: a Txy"},
		},
		{
			name: "a package whose second run breaks off is a failure", stream: passing + `{"Action":"start","Package":"a"}` + "\n",
			last: "2 passed, 1 failed, 0 skipped", says: []string{"a did not finish"},
		},
		{
			name: "a failed subtest does not count its parents",
			stream: `{"Action":"output","Package":"a","Test":"T/x","Output":"    a_test.go:3: broken\n"}
{"Action":"fail","Package":"a","Test":"T/x"}
{"Action":"pass","Package":"a","Test":"T/z"}
{"Action":"fail","Package":"a","Test":"T"}
{"Action":"fail","Package":"a"}
`,
			last: "1 passed, 1 failed, 0 skipped", says: []string{"a_test.go:3: broken", "failed: a T/x\n"},
		},
		{
			name: "a parent that fails after its subtests passed counts",
			stream: `{"Action":"pass","Package":"a","Test":"T/x"}
{"Action":"fail","Package":"a","Test":"T"}
{"Action":"fail","Package":"a"}
`,
			last: "1 passed, 1 failed, 0 skipped", says: []string{"failed: a T\n"},
		},
		{
			name: "a package that does not compile is a failure",
			stream: passing + `{"ImportPath":"b [b.test]","Action":"build-output","Output":"b.go:1: syntax error\n"}
{"ImportPath":"b [b.test]","Action":"build-fail"}
{"Action":"start","Package":"b"}
{"Action":"output","Package":"b","Output":"FAIL b [build failed]\n"}
{"Action":"fail","Package":"b","Elapsed":0,"FailedBuild":"b [b.test]"}
`,
			last: "2 passed, 1 failed, 0 skipped", says: []string{"b.go:1: syntax error", "failed: b\n"},
		},
		{
			name: "a package that exits early is a failure",
			stream: `{"Action":"pass","Package":"a","Test":"T"}
{"Action":"output","Package":"a","Output":"exit status 3\n"}
{"Action":"fail","Package":"a"}
`,
			last: "1 passed, 1 failed, 0 skipped", says: []string{"exit status 3"},
		},
		{
			name: "a package without an end is a failure", stream: passing + `{"Action":"start","Package":"b"}` + "\n",
			last: "2 passed, 1 failed, 0 skipped", says: []string{"b did not finish"},
		},
		{
			name: "a skip is counted with its reason",
			stream: passing + `{"Action":"output","Package":"b","Test":"S","Output":"    b_test.go:9: no browser\n"}
{"Action":"output","Package":"b","Test":"S","Output":"--- SKIP: S (0.00s)\n"}
{"Action":"skip","Package":"b","Test":"S"}
{"Action":"pass","Package":"b"}
`,
			last: "2 passed, 0 failed, 1 skipped", ok: true, says: []string{"skipped: b S: b_test.go:9: no browser\n"},
		},
		{
			name: "a package without tests is no test", stream: passing + `{"Action":"skip","Package":"c"}` + "\n",
			last: "2 passed, 0 failed, 0 skipped", ok: true,
		},
		{
			name: "nothing ran", last: "0 passed, 0 failed, 0 skipped", says: []string{"no test ran"},
		},
		{
			name: "a failed step", stream: passing, steps: []string{"web build"},
			last: "2 passed, 1 failed, 0 skipped", says: []string{"failed: web build\n"},
		},
		{
			name: "web tests are added", stream: passing,
			vitest: `{"numPassedTests":5,"numFailedTests":0,"numPendingTests":1,"numTodoTests":1,"success":true}`,
			last:   "7 passed, 0 failed, 2 skipped", ok: true,
		},
		{
			name: "failed web tests", stream: passing,
			vitest: `{"numPassedTests":5,"numFailedTests":2,"success":false}`,
			last:   "7 passed, 2 failed, 0 skipped", says: []string{"failed: web: 2 tests"},
		},
		{
			name: "a web suite that does not load", stream: passing,
			vitest: `{"numPassedTests":5,"numFailedTests":0,"success":false}`,
			last:   "7 passed, 1 failed, 0 skipped",
		},
		{
			name: "a broken web report", stream: passing, vitest: "{",
			last: "2 passed, 1 failed, 0 skipped", says: []string{"gave no report"},
		},
		{
			name: "other lines are passed on", stream: "go: a warning\n" + passing,
			last: "2 passed, 0 failed, 0 skipped", ok: true, says: []string{"go: a warning\n"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report, last, ok := run(t, tt.stream, tt.vitest, tt.steps...)
			if last != tt.last {
				t.Errorf("last line = %q, want %q", last, tt.last)
			}
			if ok != tt.ok {
				t.Errorf("success = %v, want %v", ok, tt.ok)
			}
			for _, s := range tt.says {
				if !strings.Contains(report, s) {
					t.Errorf("report lacks %q:\n%s", s, report)
				}
			}
		})
	}
}

func TestMissingVitestReport(t *testing.T) {
	var out strings.Builder
	c := newTally(&out)
	c.addVitest(filepath.Join(t.TempDir(), "absent.json"))
	if c.finish() || !strings.Contains(out.String(), "0 passed, 1 failed, 0 skipped") {
		t.Errorf("a missing report does not fail the run:\n%s", out.String())
	}
}
