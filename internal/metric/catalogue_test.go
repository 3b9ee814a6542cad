package metric

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every function of the package that declares a category has to be in the catalogue.
func TestEveryCategoryIsListed(t *testing.T) {
	declared, listed := map[string]bool{}, map[string]bool{}
	for _, file := range sources(t) {
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && declaresCategory(fn) {
				declared[fn.Name.Name] = true
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.CompositeLit); ok && isCategoryList(lit.Type) {
				for _, e := range lit.Elts {
					listed[e.(*ast.CallExpr).Fun.(*ast.Ident).Name] = true
				}
			}
			return true
		})
	}
	if len(declared) < 7 || !maps.Equal(declared, listed) {
		t.Errorf("declared are %v, the catalogue lists %v", slices.Sorted(maps.Keys(declared)), slices.Sorted(maps.Keys(listed)))
	}
	if len(listed) != len(Catalogue()) {
		t.Errorf("%d are listed, the catalogue has %d", len(listed), len(Catalogue()))
	}
}

func sources(t *testing.T) []*ast.File {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// declaresCategory: no receiver, no parameters, one result *Category.
func declaresCategory(fn *ast.FuncDecl) bool {
	r := fn.Type.Results
	return fn.Recv == nil && fn.Type.Params.NumFields() == 0 && r.NumFields() == 1 && isCategory(r.List[0].Type)
}

func isCategory(e ast.Expr) bool {
	star, ok := e.(*ast.StarExpr)
	if !ok {
		return false
	}
	id, ok := star.X.(*ast.Ident)
	return ok && id.Name == "Category"
}

func isCategoryList(e ast.Expr) bool {
	list, ok := e.(*ast.ArrayType)
	return ok && isCategory(list.Elt)
}

// seed is the schema that existing databases and dashboards know; ours may add to it and take nothing away.
func seed() map[string]struct{ columns, indexes string } {
	return map[string]struct{ columns, indexes string }{
		"metrics_bugs": {"pattern error code file_path line stack_trace count timestamp",
			"idx_bug_pattern_timestamp(pattern,timestamp) idx_bug_file_path(file_path)"},
		"metrics_test_failures": {"test_name failure_reason pattern_violated code_snippet timestamp",
			"idx_test_pattern_timestamp(pattern_violated,timestamp)"},
		"metrics_code_reviews": {"issue_type pattern severity file_path line suggestion timestamp",
			"idx_review_pattern_severity(pattern,severity) idx_review_timestamp(timestamp)"},
		"metrics_performance": {"metric_type details timestamp function_name execution_time_ms memory_usage_bytes file_size_bytes",
			"idx_perf_type_timestamp(metric_type,timestamp)"},
		"metrics_deployment": {"issue_type pattern environment root_cause resolution_time_minutes timestamp",
			"idx_deploy_env_timestamp(environment,timestamp) idx_deploy_pattern(pattern)"},
		"metrics_code_generation": {"prompt patterns_applied confidence success code_length compilation_error generation_metadata timestamp patterns_count",
			"idx_generation_success_timestamp(success,timestamp) idx_generation_confidence(confidence)"},
		"pattern_effectiveness": {"pattern_name application_count success_count failure_count effectiveness_score period_start period_end",
			"idx_pattern_eff_name_period(pattern_name,period_start)"},
		"metrics_summary": {"metric_type summary_date total_count high_severity_count medium_severity_count low_severity_count " +
			"top_pattern top_pattern_count trend_direction week_over_week_change",
			"idx_summary_type_date(metric_type,summary_date)"},
	}
}

func TestSeedTablesAreKept(t *testing.T) {
	tables := map[string]*Table{}
	for _, table := range Tables() {
		tables[table.Name] = table
	}
	for name, want := range seed() {
		table := tables[name]
		if table == nil {
			t.Errorf("no table %s", name)
			continue
		}
		if !table.AutoID {
			t.Errorf("%s has no id", name)
		}
		for _, c := range strings.Fields(want.columns) {
			if table.Position(c) < 0 {
				t.Errorf("%s has no column %s", name, c)
			}
		}
		var indexes []string
		for _, x := range table.Indexes {
			indexes = append(indexes, x.Name+"("+strings.Join(x.Columns, ",")+")")
		}
		for _, x := range strings.Fields(want.indexes) {
			if !slices.Contains(indexes, x) {
				t.Errorf("%s has the indexes %v, not %s", name, indexes, x)
			}
		}
	}
}

// What the event tables add to the seed is listed here, so that a column cannot slip in under a wrong name.
func TestEventTablesAddOnlyWhatIsKnown(t *testing.T) {
	common := " organization_id repository branch commit_sha run_id source source_id source_url event_key ingested_at timestamp_missing extra count"
	for _, c := range Catalogue() {
		want, ok := seed()[c.Table]
		if !ok {
			continue // a table of our own
		}
		known := strings.Fields(want.columns + common)
		for _, name := range c.Layout().Names() {
			if !slices.Contains(known, name) {
				t.Errorf("%s.%s is neither the seed's nor common", c.Table, name)
			}
		}
	}
}

func TestNamesAreUniqueAndPlain(t *testing.T) {
	plain := regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	seen := map[string]string{}
	once := func(kind, name string) {
		if !plain.MatchString(name) {
			t.Errorf("%s %q is no plain name", kind, name)
		}
		if seen[kind+name] != "" {
			t.Errorf("%s %s twice", kind, name)
		}
		seen[kind+name] = name
	}
	for _, table := range Tables() {
		once("relation", table.Name)
		for i := range table.Columns {
			once("column of "+table.Name, table.Columns[i].Name)
		}
		if table.AutoID {
			once("column of "+table.Name, "id")
		}
		for _, x := range table.Indexes {
			once("relation", x.Name)
		}
	}
	for _, a := range Aggregates() {
		once("metric type", a.Name)
	}
}

func TestKeysAndIndexesNameColumns(t *testing.T) {
	for _, table := range Tables() {
		if !table.AutoID && len(table.Identity) == 0 {
			t.Errorf("%s has neither id nor primary key", table.Name)
		}
		lists := append([]Index{{Name: "identity", Columns: table.Identity}}, table.Indexes...)
		for _, x := range lists {
			for _, c := range x.Columns {
				if table.Position(c) < 0 {
					t.Errorf("%s: %s names %s, which is no column", table.Name, x.Name, c)
				}
			}
		}
		for _, c := range table.Identity {
			if i := table.Position(c); i >= 0 && !table.Columns[i].Required {
				t.Errorf("%s: %s may be null and is part of the identity", table.Name, c)
			}
		}
	}
}

// Tables partitioned by month and distributed by repository need both in each unique key.
func TestEventIdentitiesHaveRepositoryAndTime(t *testing.T) {
	for _, a := range Aggregates() {
		for _, name := range []string{"repository", "timestamp", "event_key"} {
			if !slices.Contains(a.Table.Identity, name) {
				t.Errorf("the identity of %s lacks %s", a.Table.Name, name)
			}
		}
	}
}

// A key of a record means one column, whichever of its names is used; a prefix of a dotted path is the object around.
func TestFieldsAreUnambiguous(t *testing.T) {
	for _, c := range Catalogue() {
		owner := map[string]string{}
		for i := range c.Layout().Columns {
			col := &c.Layout().Columns[i]
			for _, key := range append(slices.Clone(col.Paths()), col.Aliases...) {
				if was := owner[key]; was != "" {
					t.Errorf("%s: %s is read into %s and %s", c.Name, key, was, col.Name)
				}
				owner[key] = col.Name
				if head, _, dotted := strings.Cut(key, "."); dotted && c.Position(head) < 0 {
					t.Errorf("%s: %s lies in %s, which no column keeps", c.Name, key, head)
				}
			}
		}
	}
}

func TestEverythingIsDocumented(t *testing.T) {
	for _, table := range Tables() {
		if !strings.HasSuffix(table.Doc, ".") {
			t.Errorf("table %s: %q is no sentence", table.Name, table.Doc)
		}
		for i := range table.Columns {
			if c := &table.Columns[i]; !strings.HasSuffix(c.Doc, ".") {
				t.Errorf("%s.%s: %q is no sentence", table.Name, c.Name, c.Doc)
			}
		}
	}
	for _, c := range Catalogue() {
		if c.Title == "" {
			t.Errorf("%s has no title", c.Name)
		}
	}
}

// A default, an enum and bounds have to be of the column's type.
func TestColumnsAreConsistent(t *testing.T) {
	for _, table := range Tables() {
		if table.Since < 1 || table.Since > SchemaVersion {
			t.Errorf("%s is since version %d of %d", table.Name, table.Since, SchemaVersion)
		}
		for i := range table.Columns {
			c := &table.Columns[i]
			name := table.Name + "." + c.Name
			if c.Default != nil && !isOf(c.Type, c.Default) {
				t.Errorf("%s is %s and has the default %v (%T)", name, c.Type, c.Default, c.Default)
			}
			if (c.Enum != nil || c.Size != 0) && c.Type != Text {
				t.Errorf("%s is %s and has values or a size", name, c.Type)
			}
			if (c.Min != nil || c.Max != nil || c.Role == Measure) && c.Type != Int && c.Type != Float {
				t.Errorf("%s is %s and has bounds or is a measure", name, c.Type)
			}
			if c.Role == Dimension && c.Type != Text && c.Type != Bool {
				t.Errorf("%s is %s and a dimension", name, c.Type)
			}
			if c.Unit != "" && c.Type != Int && c.Type != Float {
				t.Errorf("%s is %s and has a unit", name, c.Type)
			}
		}
	}
}

// isOf says whether a Row may hold the value for the type.
func isOf(kind Type, v any) bool {
	switch v.(type) {
	case string:
		return kind == Text || kind == JSON || kind == List || kind == Date || kind == Key
	case int64:
		return kind == Int
	case float64:
		return kind == Float
	case bool:
		return kind == Bool
	}
	return false
}

func TestSeriesAndLinksNameColumns(t *testing.T) {
	for _, c := range Catalogue() {
		for _, name := range c.Series {
			if c.Position(name) < 0 {
				t.Errorf("%s: series column %s does not exist", c.Name, name)
			}
		}
		if len(c.Series) > 0 && !c.Counted() {
			t.Errorf("%s has a series and no count", c.Name)
		}
		if l := c.Links; l != nil {
			if i := c.Position(l.Column); i < 0 || c.Layout().Columns[i].Type != List {
				t.Errorf("%s: %s is no list", c.Name, l.Column)
			}
			if l.Layout().Position("count") >= 0 {
				t.Errorf("%s would be summed by count", l.Table)
			}
		}
	}
}

func TestDailyHoldsEveryDimensionAndMeasure(t *testing.T) {
	daily := Daily()
	for _, a := range Aggregates() {
		dims, measures := 0, 0
		for i := range a.Table.Columns {
			c := &a.Table.Columns[i]
			switch c.Role {
			case Dimension:
				dims++
				if p := daily.Position(c.Dimension()); p < 0 || p >= DailyKey() {
					t.Errorf("metrics_daily has no dimension %s for %s.%s", c.Dimension(), a.Table.Name, c.Name)
				}
			case Measure:
				measures++
				sum, n := daily.Position(c.Name+"_sum"), daily.Position(c.Name+"_count")
				if sum < DailyKey() || n != sum+1 {
					t.Errorf("metrics_daily has %s.%s at %d and %d", a.Table.Name, c.Name, sum, n)
				}
			}
		}
		if dims != len(a.Dimensions) || measures != len(a.Measures) {
			t.Errorf("%s folds %d dimensions and %d measures, its table has %d and %d",
				a.Name, len(a.Dimensions), len(a.Measures), dims, measures)
		}
	}
}

func TestAggregatesPointAtTheirColumns(t *testing.T) {
	daily := Daily().Names()
	for _, a := range Aggregates() {
		names := a.Table.Names()
		if names[a.Time] != "timestamp" || names[a.Org] != "organization_id" || names[a.Repo] != "repository" ||
			a.Count >= 0 && names[a.Count] != "count" {
			t.Errorf("%s points at other columns than it says", a.Name)
		}
		taken := map[int]string{}
		for _, f := range slices.Concat(a.Dimensions, a.Measures) {
			if got := daily[f.Target]; got != f.Name && got != f.Name+"_sum" {
				t.Errorf("%s: %s goes to %s", a.Name, f.Name, got)
			}
			if f.Bool != (a.Table.Columns[f.Source].Type == Bool) {
				t.Errorf("%s: %s is boolean or not", a.Name, f.Name)
			}
			if was, twice := taken[f.Target]; twice {
				t.Errorf("%s: %s and %s share a column of metrics_daily", a.Name, was, f.Name)
			}
			taken[f.Target] = f.Name
		}
	}
}

func TestLookupsAgree(t *testing.T) {
	for i, c := range Catalogue() {
		if Catalogue()[i] != c || ByName(c.Name) != c {
			t.Errorf("%s is found as another value", c.Name)
		}
		if !slices.Contains(Tables(), c.Layout()) || c.Links != nil && !slices.Contains(Tables(), c.Links.Layout()) {
			t.Errorf("a table of %s is not among the tables", c.Name)
		}
		if AggregateOf(c.Layout()) == nil || AggregateOf(c.Layout()).Name != c.Name {
			t.Errorf("%s has no aggregate of its name", c.Name)
		}
		for p, name := range c.Layout().Names() {
			if c.Position(name) != p {
				t.Errorf("%s.%s is at %d, found at %d", c.Name, name, p, c.Position(name))
			}
		}
	}
	if ByName("nothing") != nil || AggregateOf(Daily()) != nil {
		t.Error("something was found for nothing")
	}
}
