package feedbackloop_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const module = "github.com/feedback-loop/feedback-loop"

// floors says for each package which of our own packages its code (not its
// tests) may import directly. It reads from the ground up: a package may only
// name what stands above it in the table. A package that is not here does not
// belong to the house yet; add it where it stands.
//
// internal/testkit and the contracts' conformance suites (packages whose name
// ends in "test") are for tests only.
func floors() []floor {
	return []floor{
		{"internal/testkit", ""},
		{"internal/fault", ""},
		{"internal/metric", "fault"},
		{"internal/config", "fault"},
		{"internal/sample", "metric fault"},
		{"internal/sqldb", "metric fault"},
		{"internal/sqldb/sqlite", "sqldb metric fault"},
		{"internal/sqldb/postgres", "sqldb metric fault"},
		{"internal/sqldb/postgres/pgtest", "testkit"},
		{"internal/sqldb/sqldbtest", "sqldb metric fault testkit"},
		{"internal/dbtest", "sqldb/postgres/pgtest sqldb/postgres sqldb/sqlite sqldb metric"},
		{"internal/export", "sqldb metric fault"},
		{"internal/retention", "sqldb metric fault"},
		{"internal/dashboard", "sqldb metric fault"},
		{"internal/store", "dashboard sqldb metric fault"},
		{"internal/rollup", "store retention sqldb metric fault"},
		{"internal/ingest", "rollup store retention sqldb metric fault"},
		{"internal/move", "rollup retention sqldb metric fault"},
		{"internal/ingest/metricsjson", "ingest metric fault"},
		{"internal/ingest/ndjson", "ingest metric fault"},
		{"internal/ingest/originaldb", "ingest metric fault"},
		{"internal/api", "store dashboard metric fault"},
		{"internal/ui", ""},
		{"internal/app", "api ui ingest/originaldb ingest/ndjson ingest/metricsjson ingest rollup retention store dashboard" +
			" sqldb/postgres sqldb/sqlite sqldb sample config metric fault"},
		{"internal/faulttest", ""},
		{"internal/bench", ""},
		{"cmd/feedback-loop", "app export move ingest rollup retention store sqldb sample config metric fault"},
	}
}

// floor is a package and the blank separated packages below it that it may
// import, both without the module; those below also without "internal/".
type floor struct {
	name, below string
}

// outsiders says which packages of internal/ may import a library or standard
// package that decides what a floor is about: formats and pages see no
// database, only the API speaks HTTP, only cmd/ knows the command line.
func outsiders() map[string]string {
	return map[string]string{
		"database/sql": "sqldb sqldb/sqlite sqldb/postgres sqldb/sqldbtest dbtest retention export store dashboard rollup ingest move" +
			" ingest/originaldb app",
		"modernc.org/sqlite":               "sqldb/sqlite ingest/originaldb",
		"github.com/jackc/pgx/v5":          "sqldb/postgres sqldb/postgres/pgtest",
		"github.com/danielgtaylor/huma/v2": "api",
		"github.com/spf13/cobra":           "",
		"net/http":                         "api ui app",
	}
}

// allowed splits a list of packages and completes their names.
func allowed(list string) []string {
	names := strings.Fields(list)
	for i, n := range names {
		names[i] = "internal/" + n
	}
	return names
}

// breaches returns those of imports that are ours and not allowed.
func breaches(imports, allowed []string) []string {
	var found []string
	for _, path := range imports {
		if own, ok := strings.CutPrefix(path, module+"/"); ok && !slices.Contains(allowed, own) {
			found = append(found, own)
		}
	}
	slices.Sort(found)
	return found
}

// rooms returns the packages of internal/ and cmd/ by name without the module.
func rooms(t *testing.T) map[string]*packages.Package {
	t.Helper()
	found := map[string]*packages.Package{}
	for _, p := range load(t) {
		name := strings.TrimPrefix(p.PkgPath, module+"/")
		if strings.HasPrefix(name, "internal/") || strings.HasPrefix(name, "cmd/") {
			found[name] = p
		}
	}
	return found
}

func TestFloors(t *testing.T) {
	below := map[string]string{}
	for _, f := range floors() {
		below[f.name] = f.below
	}
	for name, p := range rooms(t) {
		list, ok := below[name]
		if !ok {
			t.Errorf("%s is not in the table of floors", name)
			continue
		}
		for _, b := range breaches(slices.Collect(maps.Keys(p.Imports)), allowed(list)) {
			t.Errorf("%s must not import %s: it may import only [%s]", name, b, list)
		}
	}
}

// The table itself must keep its promise: every row names packages that exist,
// and only those that stand above it, so that it cannot hold a circle.
func TestFloorsTable(t *testing.T) {
	exist := rooms(t)
	above := map[string]bool{}
	for _, f := range floors() {
		if exist[f.name] == nil {
			t.Errorf("%s has a row but does not exist", f.name)
		}
		for _, b := range allowed(f.below) {
			if !above[b] {
				t.Errorf("%s may import %s, which does not stand above it", f.name, b)
			}
		}
		if above[f.name] {
			t.Errorf("%s has two rows", f.name)
		}
		above[f.name] = true
		if forTests(f.name) {
			continue
		}
		if slices.ContainsFunc(allowed(f.below), forTests) {
			t.Errorf("%s may import a package that is for tests only", f.name)
		}
	}
}

// forTests reports whether the package of this name is imported only by tests.
func forTests(name string) bool {
	return name == "internal/testkit" || strings.HasSuffix(name, "test")
}

func TestOutsiders(t *testing.T) {
	for name, p := range rooms(t) {
		for path := range p.Imports {
			list, limited := outsiders()[path]
			if limited && strings.HasPrefix(name, "internal/") && !slices.Contains(allowed(list), name) {
				t.Errorf("%s must not import %s: only [%s] may", name, path, list)
			}
		}
	}
}

func TestBreaches(t *testing.T) {
	imports := []string{"os", module + "/internal/store", module + "/internal/fault", module + "/internal/sqldb/sqlite"}
	got := breaches(imports, allowed("fault sqldb"))
	if want := []string{"internal/sqldb/sqlite", "internal/store"}; !slices.Equal(got, want) {
		t.Errorf("breaches = %v, want %v", got, want)
	}
}
