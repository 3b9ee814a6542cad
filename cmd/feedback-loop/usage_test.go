package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestWrongUsage(t *testing.T) {
	emptyFolder(t)
	for _, args := range [][]string{{"nope"}, {"import", "--db", "", "x.json"}, {"doctor", "--db="}, {"doctor", "x"}} {
		command(t.Context(), args...).is(t, exitUsage)
	}
}

// deaf is an output that takes nothing.
type deaf struct{}

func (deaf) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// A report that nobody got is no success.
func TestLostOutput(t *testing.T) {
	emptyFolder(t)
	path := write(t, "good.json", good)
	for _, args := range [][]string{{"import", path}, {"import", "--json", path}, {"doctor"}, {"--help"}} {
		var errs bytes.Buffer
		if code := run(t.Context(), args, strings.NewReader(""), deaf{}, &errs); code != exitFailed || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%v: exit code %d, %s", args, code, errs.String())
		}
	}
}
