// Package testkit decides in one place whether a test may skip.
//
// A test that needs something from outside the Go toolchain (a browser, the
// sqlite3 shell, a database server) asks [Require] for it. On a laptop without
// that thing the test skips and says why; where the environment names the
// component in FEEDBACK_REQUIRE, as "make test" and CI do, its absence is a
// failure, so a green run never hides tests that did not run.
package testkit

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	// requireEnv lists, comma separated, the components that must be there.
	requireEnv = "FEEDBACK_REQUIRE"
	// withoutEnv lists the components to leave out of a quick run although
	// they may be there. requireEnv wins over it.
	withoutEnv = "FEEDBACK_WITHOUT"
)

// Require skips the test when component is not available, giving why as the
// reason. It fails the test instead when FEEDBACK_REQUIRE names the component.
// A component that FEEDBACK_WITHOUT names is skipped even if available.
// Components are named in lower case: chromium, sqlite3, postgres.
func Require(t testing.TB, component string, available bool, why string) {
	t.Helper()
	switch required := listed(requireEnv, component); {
	case required && !available:
		t.Fatalf("%s is required (%s) but not available: %s", component, requireEnv, why)
	case !available:
		t.Skipf("%s is not available: %s", component, why)
	case !required && listed(withoutEnv, component):
		t.Skipf("%s is left out of this run (%s)", component, withoutEnv)
	}
}

// RequireCommand returns the path of the first of the named programs that is
// installed. Without any of them it skips or fails as [Require] does.
func RequireCommand(t testing.TB, component string, names ...string) string {
	t.Helper()
	var path string
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	Require(t, component, path != "", "no program "+strings.Join(names, " or ")+" in PATH")
	return path
}

// listed reports whether the comma separated environment variable env names
// component. Blanks around a name do not count.
func listed(env, component string) bool {
	return slices.ContainsFunc(strings.Split(os.Getenv(env), ","), func(name string) bool {
		return strings.TrimSpace(name) == component
	})
}
