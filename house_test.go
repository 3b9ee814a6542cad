package feedbackloop_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
)

// limits are the longest function and file, in lines.
type limits struct {
	function, file int
}

// minDocumented is the share of exported identifiers with a comment.
const minDocumented = 0.95

// loaded keeps one load for all tests: type checking the tree is what costs.
var loaded = sync.OnceValues(func() ([]*packages.Package, error) { return loadPackages("./...") })

func loadPackages(patterns ...string) ([]*packages.Package, error) {
	mode := packages.NeedName | packages.NeedFiles | packages.NeedImports |
		packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo
	return packages.Load(&packages.Config{Mode: mode}, patterns...)
}

// load returns every package of the tree.
func load(t *testing.T) []*packages.Package {
	t.Helper()
	pkgs, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

// finding is a broken rule and where.
type finding struct {
	pos  token.Position
	text string
}

func (f finding) String() string { return f.pos.String() + ": " + f.text }

// inspector collects the findings of one package.
type inspector struct {
	*packages.Package
	limits     limits
	found      []finding
	exported   int
	undocument []finding
}

func inspect(p *packages.Package, l limits) *inspector {
	in := &inspector{Package: p, limits: l}
	in.packageComment()
	for _, f := range p.Syntax {
		in.file(f)
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				in.function(d)
			case *ast.GenDecl:
				in.declaration(d)
			}
		}
		ast.Inspect(f, in.node)
	}
	return in
}

func (in *inspector) report(at token.Pos, format string, args ...any) {
	in.found = append(in.found, finding{in.Fset.Position(at), fmt.Sprintf(format, args...)})
}

func (in *inspector) packageComment() {
	if !slices.ContainsFunc(in.Syntax, func(f *ast.File) bool { return f.Doc.Text() != "" }) {
		in.report(in.Syntax[0].Package, "package %s has no comment", in.Name)
	}
}

func (in *inspector) file(f *ast.File) {
	if n := in.Fset.Position(f.FileEnd).Line; n > in.limits.file {
		in.report(f.Package, "file has %d lines, at most %d", n, in.limits.file)
	}
}

func (in *inspector) function(d *ast.FuncDecl) {
	if d.Name.Name == "init" && d.Recv == nil {
		in.report(d.Pos(), "init function")
	}
	from, to := in.Fset.Position(d.Pos()).Line, in.Fset.Position(d.End()).Line
	if n := to - from + 1; n > in.limits.function {
		in.report(d.Pos(), "function %s has %d lines, at most %d", d.Name.Name, n, in.limits.function)
	}
	if d.Name.IsExported() && exportedReceiver(d) {
		in.documented(d.Name, d.Doc)
	}
}

// exportedReceiver reports whether d is a function or a method of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	name := ""
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return ast.IsExported(name)
}

// documented counts an exported identifier, which one of the comments explains.
func (in *inspector) documented(name *ast.Ident, comments ...*ast.CommentGroup) {
	if !name.IsExported() {
		return
	}
	in.exported++
	if !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c.Text() != "" }) {
		f := finding{in.Fset.Position(name.Pos()), name.Name + " has no comment"}
		in.undocument = append(in.undocument, f)
	}
}

func (in *inspector) declaration(d *ast.GenDecl) {
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			in.documented(s.Name, s.Doc, d.Doc)
		case *ast.ValueSpec:
			for i, name := range s.Names {
				in.documented(name, s.Doc, d.Doc, s.Comment)
				if d.Tok == token.VAR {
					in.variable(d, s, name, i)
				}
			}
		}
	}
}

// variable admits package variables that are constants in all but the keyword:
// sentinel errors, embedded files, and unexported values that get their value
// where they are declared. That nobody changes the latter is node's business.
func (in *inspector) variable(d *ast.GenDecl, s *ast.ValueSpec, name *ast.Ident, i int) {
	obj := in.TypesInfo.Defs[name]
	switch {
	case name.Name == "_" || embedded(d.Doc) || embedded(s.Doc):
	case i >= len(s.Values):
		in.report(name.Pos(), "package variable %s without a value is state", name.Name)
	case name.IsExported() && !types.Implements(obj.Type(), errorType()):
		in.report(name.Pos(), "package variable %s can be changed by others", name.Name)
	case stateful(in.TypesInfo, s.Values[i]):
		in.report(name.Pos(), "package variable %s is state", name.Name)
	}
}

func errorType() *types.Interface {
	return types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
}

// embedded reports whether a comment holds a go:embed directive.
func embedded(c *ast.CommentGroup) bool {
	return c != nil && slices.ContainsFunc(c.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

// stateful reports whether a value is there to be changed: something made
// empty, or something that guards or holds what changes.
func stateful(info *types.Info, value ast.Expr) bool {
	if call, ok := value.(*ast.CallExpr); ok {
		if id, ok := call.Fun.(*ast.Ident); ok && info.Uses[id] != nil && info.Uses[id].Parent() == types.Universe {
			return id.Name == "make" || id.Name == "new"
		}
	}
	t := strings.TrimPrefix(types.TypeString(info.TypeOf(value), nil), "*")
	return strings.HasPrefix(t, "sync.") || strings.HasPrefix(t, "sync/atomic.") || strings.HasPrefix(t, "chan ")
}

// node finds writes to package variables and exits of the process.
func (in *inspector) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for _, lhs := range n.Lhs {
			in.write(lhs)
		}
	case *ast.IncDecStmt:
		in.write(n.X)
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			in.write(n.X)
		}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear" || id.Name == "copy") {
			in.write(n.Args[0])
		}
	case *ast.Ident:
		in.exit(n)
	}
	return true
}

// write reports a change of a package variable or of a part of it.
func (in *inspector) write(target ast.Expr) {
	for {
		switch x := target.(type) {
		case *ast.IndexExpr:
			target = x.X
		case *ast.SelectorExpr:
			target = x.X
		case *ast.StarExpr:
			target = x.X
		case *ast.ParenExpr:
			target = x.X
		case *ast.Ident:
			if v, ok := in.TypesInfo.Uses[x].(*types.Var); ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				in.report(x.Pos(), "package variable %s is changed", x.Name)
			}
			return
		default:
			return
		}
	}
}

// exits matches the functions that end the process.
var exits = regexp.MustCompile(`^(os\.Exit|log\.Fatal(f|ln)?|\(\*log\.Logger\)\.Fatal(f|ln)?)$`)

// exit reports a use of a function that ends the process, except in main.go.
func (in *inspector) exit(id *ast.Ident) {
	f, ok := in.TypesInfo.Uses[id].(*types.Func)
	if !ok || !exits.MatchString(f.FullName()) {
		return
	}
	pos := in.Fset.Position(id.Pos())
	if in.Name != "main" || filepath.Base(pos.Filename) != "main.go" {
		in.report(id.Pos(), "%s outside main.go", f.FullName())
	}
}

func TestHouse(t *testing.T) {
	exported := 0
	var undocumented []finding
	for _, p := range load(t) {
		if len(p.Errors) > 0 {
			t.Error(p.Errors[0]) // what does not compile is checked as far as it is understood
		}
		in := inspect(p, limits{function: 90, file: 800})
		for _, f := range in.found {
			t.Error(f)
		}
		exported += in.exported
		undocumented = append(undocumented, in.undocument...)
	}
	if share := 1 - float64(len(undocumented))/float64(max(exported, 1)); share < minDocumented {
		t.Errorf("%.1f %% of %d exported identifiers are documented, at least %.0f %%: %v",
			100*share, exported, 100*minDocumented, undocumented)
	}
}

// The rules are tried on a package that breaks each of them; its comments say
// what must be found in their line, and nothing else may be.
func TestHouseRules(t *testing.T) {
	pkgs, err := loadPackages("./testdata/house/broken")
	if err != nil {
		t.Fatal(err)
	}
	in := inspect(pkgs[0], limits{function: 6, file: 40})
	got := map[string]bool{}
	for _, f := range append(in.found, in.undocument...) {
		got[fmt.Sprintf("%s:%d: %s", filepath.Base(f.pos.Filename), f.pos.Line, f.text)] = true
	}
	for _, path := range in.GoFiles {
		for _, want := range wanted(t, path) {
			if !got[want] {
				t.Errorf("not found: %s", want)
			}
			delete(got, want)
		}
	}
	for f := range got {
		t.Errorf("found for no reason: %s", f)
	}
}

// wanted returns the findings that the file announces by "// want: text; text".
func wanted(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i, line := range strings.Split(string(data), "\n") {
		_, texts, ok := strings.Cut(line, "// want: ")
		if !ok {
			continue
		}
		for text := range strings.SplitSeq(texts, "; ") {
			want = append(want, fmt.Sprintf("%s:%d: %s", filepath.Base(path), i+1, text))
		}
	}
	return want
}
