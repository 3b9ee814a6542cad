package main

import (
	"strings"
	"testing"
)

// What the columns take is taken, and all that an export could not give back is refused.
func TestCheckTexts(t *testing.T) {
	for _, tt := range []struct {
		f    importFlags
		want string
	}{
		{importFlags{repository: strings.Repeat("ä", 255), branch: strings.Repeat("🦜", 255), source: strings.Repeat("ä", 100)}, ""},
		{importFlags{repository: strings.Repeat("ä", 256), branch: strings.Repeat("ä", 256)}, "--repository is longer than 255 characters"},
		{importFlags{source: strings.Repeat("ä", 101)}, "--source is longer than 100 characters"},
		{importFlags{branch: "a\xff"}, "--branch is not UTF-8"},
	} {
		got := ""
		if err := checkTexts(tt.f); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%.9q...: %q, want %q", tt.f.repository+tt.f.branch+tt.f.source, got, tt.want)
		}
	}
}
