package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// event is one line of "go test -json"; see "go doc test2json". Build output
// carries ImportPath instead of Package.
type event struct {
	Action, Package, ImportPath, Test, Output, FailedBuild string
	Elapsed                                                float64
}

// count holds how many tests ended in which way.
type count struct {
	passed, failed, skipped int
}

// tally counts tests and reports on them while they run.
type tally struct {
	w        *stickyWriter
	total    count
	packages map[string]*pkg             // those that have not ended
	builds   map[string]*strings.Builder // compiler messages by import path
	skips    []string
	failures []string
}

// pkg is a package under test: how each test ended ("pass", "fail", "skip") and
// what each said. The test named "" is the package itself.
type pkg struct {
	results map[string]string
	order   []string // tests in the order in which they ended
	output  map[string]*strings.Builder
}

// stickyWriter keeps its first error, so that a report need not check each line.
type stickyWriter struct {
	w   io.Writer
	err error
}

func (s *stickyWriter) printf(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, format, args...)
	}
}

func newTally(w io.Writer) *tally {
	return &tally{
		w:        &stickyWriter{w: w},
		packages: map[string]*pkg{},
		builds:   map[string]*strings.Builder{},
	}
}

// failStep counts a step that failed outside any test.
func (t *tally) failStep(step string) {
	t.total.failed++
	t.failures = append(t.failures, step)
}

// readGoTest counts the events of r. Lines that are not events, such as
// warnings of the go command, are passed on.
func (t *tally) readGoTest(r io.Reader) error {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				t.add(e)
			} else {
				t.w.printf("%s", line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *tally) add(e event) {
	if e.Action == "build-output" {
		write(t.builds, e.ImportPath, e.Output)
		return
	}
	if e.Package == "" {
		return // build-fail: the package's own fail event names it
	}
	p := t.packages[e.Package]
	if p == nil {
		p = &pkg{results: map[string]string{}, output: map[string]*strings.Builder{}}
		t.packages[e.Package] = p
	}
	switch e.Action {
	case "output":
		// "=== RUN" and the package's closing "FAIL" say what the report says again.
		if !strings.HasPrefix(e.Output, "=== ") && (e.Test != "" || !strings.HasPrefix(e.Output, "FAIL")) {
			write(p.output, e.Test, e.Output)
		}
	case "pass", "fail", "skip":
		p.results[e.Test] = e.Action
		p.order = append(p.order, e.Test)
		if e.Test == "" {
			t.endPackage(e, p)
		}
	}
}

// endPackage adds up the tests of p, which has just ended with e, and reports
// on it. A package that fails without a failing test (it does not compile, or
// it exits early) counts as one failure.
func (t *tally) endPackage(e event, p *pkg) {
	c := p.count()
	if e.Action == "fail" && c.failed == 0 {
		c.failed = 1
		t.failures = append(t.failures, e.Package)
	}
	t.total.passed += c.passed
	t.total.failed += c.failed
	t.total.skipped += c.skipped

	for _, name := range p.order {
		switch {
		case name == "":
		case p.results[name] == "skip":
			t.skips = append(t.skips, fmt.Sprintf("%s %s: %s", e.Package, name, reason(p.output[name])))
		case p.results[name] == "fail":
			if !p.childFailed(name) {
				t.failures = append(t.failures, e.Package+" "+name)
			}
			t.w.printf("%s", text(p.output[name]))
		}
	}
	if e.Action == "fail" {
		t.w.printf("%s%s", text(t.builds[e.FailedBuild]), text(p.output[""]))
	}
	if tests := c.passed + c.failed + c.skipped; tests > 0 {
		verdict := map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "skip"}[e.Action]
		t.w.printf("%s  %-70s %5d tests %7.1fs\n", verdict, e.Package, tests, e.Elapsed)
	}
	delete(t.packages, e.Package) // it may run again, with another setting
}

// count adds up the tests of p. A test with subtests stands for them and is
// not counted beside them, unless it failed on its own account.
func (p *pkg) count() (c count) {
	parents := map[string]bool{}
	for name := range p.results {
		for i := range name {
			if name[i] == '/' {
				parents[name[:i]] = true
			}
		}
	}
	for name, result := range p.results {
		switch {
		case name == "":
		case result == "fail" && !p.childFailed(name):
			c.failed++
		case parents[name]:
		case result == "pass":
			c.passed++
		case result == "skip":
			c.skipped++
		}
	}
	return c
}

// childFailed reports whether a subtest of the named test failed.
func (p *pkg) childFailed(name string) bool {
	for other, result := range p.results {
		if result == "fail" && strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}

// addVitest adds the numbers of vitest's JSON report. A report that is missing,
// unreadable or unsuccessful without a failed test counts as one failure.
func (t *tally) addVitest(path string) {
	var report struct {
		NumPassedTests, NumFailedTests, NumPendingTests, NumTodoTests int
		Success                                                       bool
	}
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &report)
	}
	if err != nil {
		t.failStep("web tests gave no report: " + err.Error())
		return
	}
	t.total.passed += report.NumPassedTests
	t.total.failed += report.NumFailedTests
	t.total.skipped += report.NumPendingTests + report.NumTodoTests
	switch {
	case report.NumFailedTests > 0:
		t.failures = append(t.failures, fmt.Sprintf("web: %d tests", report.NumFailedTests))
	case !report.Success:
		t.failStep("web tests did not succeed")
	}
}

// finish prints the lists of skips and failures and the last line. It reports
// whether the run succeeded: something passed, nothing failed, every package
// came to its end.
func (t *tally) finish() bool {
	for _, name := range slices.Sorted(maps.Keys(t.packages)) {
		t.failStep(name + " did not finish")
	}
	for _, s := range t.skips {
		t.w.printf("skipped: %s\n", s)
	}
	for _, f := range t.failures {
		t.w.printf("failed: %s\n", f)
	}
	if t.total.passed == 0 && t.total.failed == 0 {
		t.w.printf("no test ran\n")
	}
	t.w.printf("%d passed, %d failed, %d skipped\n", t.total.passed, t.total.failed, t.total.skipped)
	return t.total.failed == 0 && t.total.passed > 0
}

// write appends s to the text kept in m under key.
func write(m map[string]*strings.Builder, key, s string) {
	if m[key] == nil {
		m[key] = &strings.Builder{}
	}
	m[key].WriteString(s)
}

// text returns what b holds; nil holds nothing.
func text(b *strings.Builder) string {
	if b == nil {
		return ""
	}
	return b.String()
}

// reason is what a skipped test said, without the test runner's own lines.
func reason(b *strings.Builder) string {
	var said []string
	for line := range strings.Lines(text(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--- ") {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}
