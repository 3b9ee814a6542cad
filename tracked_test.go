package feedbackloop_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// tracked returns the names of the files that git knows or would add.
func tracked(t *testing.T) []string {
	t.Helper()
	testkit.RequireCommand(t, "git", "git")
	out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		testkit.Require(t, "git", false, "this is not a git work tree: "+err.Error())
	}
	names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	return slices.DeleteFunc(names, func(name string) bool {
		info, err := os.Lstat(name)
		return err != nil || !info.Mode().IsRegular() // removed, or a link
	})
}

// leaks matches what belongs to the machine of whoever wrote a file: absolute
// folders, and servers that packages came from. It is put together from halves
// so that it does not match itself.
func leaks() *regexp.Regexp {
	folders := []string{"wo" + "rk", "ro" + "ot"}
	servers := []string{`registry\.` + `npmjs`, `registry\.` + `yarnpkg`, `proxy\.` + `golang\.org`, `files\.` + `pythonhosted`,
		`deb\.` + `debian\.org`}
	return regexp.MustCompile(`(^|[\s"'=:(` + "`" + `])/(` + strings.Join(folders, "|") + `)/|` + strings.Join(servers, "|"))
}

func TestNoMachineInFiles(t *testing.T) {
	leak := leaks()
	for _, name := range tracked(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range leak.FindAllIndex(data, 3) {
			line := 1 + bytes.Count(data[:at[0]], []byte("\n"))
			t.Errorf("%s:%d names a machine: %q", name, line, data[at[0]:at[1]])
		}
	}
}

// A lock file says which package, by its hash, and not where from.
func TestLockFilesNameNoServer(t *testing.T) {
	address := regexp.MustCompile(`"resolved"\s*:\s*"[a-z+]+:[^"]*`)
	seen := 0
	for _, name := range tracked(t) {
		if path.Base(name) != "package-lock.json" {
			continue
		}
		seen++
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if found := address.Find(data); found != nil {
			t.Errorf("%s records where a package came from: %s (npm option omit-lockfile-registry-resolved)", name, found)
		}
	}
	if seen == 0 {
		t.Error("no package-lock.json found")
	}
}

func TestLeaks(t *testing.T) {
	for text, want := range map[string]bool{
		"cd /wo" + "rk/main":                  true,
		"\"/ro" + "ot/.cache\"":               true,
		"/ro" + "ot/x":                        true,
		"https://example.org/wo" + "rk/x":     false,
		"frame" + "wo" + "rk/x and/ro" + "ot": false,
		"https://registry." + "npmjs.org/a":   true,
	} {
		if got := leaks().MatchString(text); got != want {
			t.Errorf("%q: leak = %v, want %v", text, got, want)
		}
	}
}

// Skipping is the test kit's decision alone: a test that skips by itself could
// be missing from a green run.
func TestNobodySkips(t *testing.T) {
	for _, name := range tracked(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(name, "internal/testkit/") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range skips(f) {
			t.Errorf("%s: use testkit.Require instead of skipping", fset.Position(at))
		}
	}
}

// skips finds the calls that skip a test in f.
func skips(f *ast.File) []token.Pos {
	var found []token.Pos
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && slices.Contains([]string{"t", "tb", "b", "f"}, id.Name) {
			found = append(found, call.Pos())
		}
		return true
	})
	return found
}

func TestSkips(t *testing.T) {
	source := "package a\nfunc F() { t.Skip(1); t.Run(2); b.SkipNow(); d.Skip(3); f.Skipf(4) }"
	f, err := parser.ParseFile(token.NewFileSet(), "a.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(skips(f)); got != 3 {
		t.Errorf("found %d skips, want 3", got)
	}
}
