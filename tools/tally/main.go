// Command tally turns the JSON stream of "go test -json" on standard input into
// a short report whose last line is "N passed, N failed, N skipped".
//
//	go test -json ./... | go run ./tools/tally [-vitest report.json] [-failed step]...
//
// Tests of the web app are added from vitest's JSON report, and each -failed
// names a step before the tests that did not succeed. The exit status is 0 only
// when tests ran and nothing failed.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	t := newTally(os.Stdout)
	var vitest string
	flag.StringVar(&vitest, "vitest", "", "add the tests of this vitest JSON `report`")
	flag.Func("failed", "count the failed `step` of this name", func(step string) error {
		t.failStep(step)
		return nil
	})
	flag.Parse()

	if vitest != "" {
		t.addVitest(vitest)
	}
	if err := t.readGoTest(os.Stdin); err != nil {
		t.failStep("reading go test's output: " + err.Error())
	}
	if !t.finish() {
		os.Exit(1)
	}
	if err := t.w.err; err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
}
