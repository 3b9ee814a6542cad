package dashboard

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

func loadText(text string) (*Catalogue, error) {
	return Load(fstest.MapFS{"own.yaml": {Data: []byte(text)}, "notes.txt": {Data: []byte("not ours")}})
}

// The built-in catalogue holds the Code Quality dashboard with its eight charts.
func TestLoadBuiltin(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Dashboard("code-quality")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, row := range d.Rows {
		for _, p := range row.Charts {
			x, err := c.Chart(p.Chart)
			if err != nil {
				t.Fatal(err)
			}
			if !x.Rollup() {
				t.Errorf("%s cannot be served from the rollup", x.ID)
			}
			n++
		}
	}
	if n != 8 {
		t.Errorf("the Code Quality dashboard has %d charts, want 8", n)
	}
}

func TestLoadOwnFile(t *testing.T) {
	c, err := loadText(`
charts:
  - id: slow
    title: Slow
    description: Slow functions.
    kind: hbar
    datasets: [performance_metrics]
    category: function_name
    measures: [{average: execution_time_ms, format: duration_ms}]
dashboards:
  - id: mine
    title: Mine
    description: What I look at.
    rows: [{charts: [{chart: slow, width: 6}, {chart: total-bugs, width: 6}]}]
`)
	if err != nil {
		t.Fatal(err)
	}
	x, err := c.Chart("slow")
	if err != nil {
		t.Fatal(err)
	}
	if m := x.Measures[0]; m.Name != "execution_time_ms_average" || m.Label != "Execution time ms average" {
		t.Errorf("measure %+v", m)
	}
	if x.Rollup() {
		t.Error("function_name is not in the rollup")
	}
	if _, err := c.Dashboard("mine"); err != nil {
		t.Error(err)
	}
	if _, err := c.Dashboard("absent"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("absent dashboard: %v", err)
	}
	if _, err := c.Chart("absent"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("absent chart: %v", err)
	}
}

// chart is a chart with these lines beside what every chart needs.
func chart(lines ...string) string {
	text := "charts:\n  - id: x\n    title: T\n    description: D\n"
	for _, l := range lines {
		text += "    " + l + "\n"
	}
	return text
}

const (
	isTotal  = "kind: total"
	ofBugs   = "datasets: [bugs]"
	counting = "measures: [{total: occurrences}]"
)

func TestLoadRefuses(t *testing.T) {
	board := chart(isTotal, ofBugs, counting) + "dashboards:\n  - id: d\n    title: T\n    description: D\n"
	tests := []struct{ name, text, want string }{
		{"empty file", "", "own.yaml is empty"},
		{"no YAML", "charts: [", "own.yaml:1: did not find"},
		{"tab", "charts:\n\t- id: x", "own.yaml:2: found character that cannot start any token"},
		{"wrong root", "- a", "own.yaml:1: the value is of the wrong type"},
		{"two documents", chart(isTotal, ofBugs, counting) + "---\ncharts: []", "more than one YAML document"},
		{"unknown key", chart(isTotal, ofBugs, counting, "colour: red"), "own.yaml:8: unknown key colour"},
		{"unknown root key", "chart: []", "own.yaml:1: unknown key chart"},
		{"unknown key in a measure", chart(isTotal, ofBugs, "measures:", "  - total: occurrences", "    sql: DROP"), "own.yaml:9: unknown key sql"},
		{"duplicate key", chart(isTotal, isTotal, ofBugs), "own.yaml:6: mapping key"},
		{"wrong type", chart(isTotal, ofBugs, counting, "limit: many"), "own.yaml:8: the value is of the wrong type"},
		{"null chart", "charts:\n  - null", "own.yaml:2: chart \"\": it is empty"},
		{"null dashboard", "dashboards:\n  -", "own.yaml:2: dashboard \"\": it is empty"},
		{"id", "charts:\n  - id: Bad Id", `own.yaml:2: chart "Bad Id": the id must be`},
		{"taken id", "charts:\n\n  - id: total-bugs", `own.yaml:3: chart "total-bugs": the id is taken by the one in code_quality.yaml:3`},
		{"no title", "charts:\n  - id: x", "title and description are required"},
		{"kind", chart("kind: donut", ofBugs, counting), "the kind must be one of total, line"},
		{"no dataset", chart(isTotal, counting), "datasets are required"},
		{"unknown dataset", chart(isTotal, "datasets: [users]", counting), `there is no dataset "users"; there are bugs`},
		{"dataset is a table", chart(isTotal, "datasets: [metrics_bugs]", counting), "there is no dataset"},
		{"repeated dataset", chart(isTotal, "datasets: [bugs, bugs]", counting), "named twice"},
		{"time", chart("kind: line", ofBugs, counting, "time: hour"), "time must be one of auto, day"},
		{"line without time", chart("kind: line", ofBugs, counting), "a chart of kind line has time"},
		{"total with category", chart(isTotal, ofBugs, counting, "category: pattern"), "a chart of kind total has exactly one measure"},
		{"pie of averages", chart("kind: pie", "datasets: [code_generation]", "category: outcome", "measures: [{average: confidence}]"), "a total or a sum"},
		{"bar without category", chart("kind: bar", ofBugs, counting), "a chart of kind bar has a category"},
		{"category is series", chart("kind: bar", ofBugs, counting, "category: pattern", "series: pattern"), "a chart of kind bar has"},
		{"no measure", chart("kind: hbar", ofBugs, "category: pattern"), "1 to 8 measures"},
		{"two in one measure", chart(isTotal, ofBugs, "measures: [{total: occurrences, sum: x}]"), "exactly one of total, sum"},
		{"total of what", chart(isTotal, ofBugs, "measures: [{total: count}]"), "total must be occurrences or row_count"},
		{"unknown measure", chart(isTotal, ofBugs, "measures: [{sum: line}]"), `bugs has no measure "line"; it has none`},
		{"hostile measure", chart(isTotal, "datasets: [code_generation]", `measures: [{sum: "1); DROP TABLE x", name: a}]`), "has no measure"},
		{"measure's name", chart(isTotal, ofBugs, "measures: [{total: occurrences, name: 'a b'}]"), "the name must be"},
		{"name taken", chart("kind: line", ofBugs, "time: day", "measures: [{total: occurrences, name: day}]"), "the name day is taken"},
		{"format", chart(isTotal, ofBugs, "measures: [{total: occurrences, format: euro}]"), "the format must be one of integer"},
		{"empty share", chart(isTotal, ofBugs, "measures: [{share: {}}]"), "exactly one of"},
		{"share of nothing", chart(isTotal, ofBugs, "measures: [{share: {outcome: success}}]"), `bugs has no dimension "outcome"`},
		{"dimension of another", chart("kind: hbar", "datasets: [code_reviews, bugs]", counting, "category: severity"), `bugs has no dimension "severity"; it has pattern, repository`},
		{"hostile dimension", chart("kind: hbar", ofBugs, counting, `category: "pattern, (SELECT 1)"`), "has no dimension"},
		{"filter", chart(isTotal, ofBugs, counting, "filters: [{dimension: pattern}]"), "needs values in either is or not"},
		{"order", chart(isTotal, ofBugs, counting, "order: [a]"), "order needs a category"},
		{"limit", chart("kind: hbar", ofBugs, counting, "category: pattern", "limit: -1"), "must be at most 100"},
		{"limit of a total", chart(isTotal, ofBugs, counting, "limit: 3"), "limit needs a category"},
		{"other", chart("kind: hbar", ofBugs, counting, "category: pattern", "other: true"), "other needs a limit"},
		{"dashboard without rows", board, "it has no rows"},
		{"empty row", board + "    rows: [{charts: []}]", "row 1: it has no charts"},
		{"absent chart", board + "    rows: [{charts: [{chart: nope, width: 1}]}]", `own.yaml:9: dashboard "d": row 1: there is no chart "nope"`},
		{"width", board + "    rows: [{charts: [{chart: x, width: 13}]}]", "the width of x must be 1 to 12"},
		{"too wide", board + "    rows: [{charts: [{chart: x, width: 7}, {chart: x, width: 6}]}]", "add up to 13"},
		{"refresh", board + "    refresh_seconds: 1", "must be 0 or at least 10"},
		{"merged list", "<<: {charts: [{id: x}]}", `own.yaml:1: chart "x": title and description`},
		{"alias bomb", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n", "own.yaml:1: unknown key a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadText(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("kind %v", fault.KindOf(err))
			}
			if strings.Contains(err.Error(), "dashboard.") {
				t.Errorf("the message names our types: %v", err)
			}
		})
	}
}

func TestLoadRefusesFolders(t *testing.T) {
	if _, err := Load(fstest.MapFS{"readme.md": {}}); err == nil || !strings.Contains(err.Error(), "no .yaml file") {
		t.Errorf("a folder without charts: %v", err)
	}
	big := fstest.MapFS{"big.yaml": {Data: []byte(strings.Repeat("#", maxFile+1))}}
	if _, err := Load(big); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a huge file: %v", err)
	}
}

// Whatever a file holds, it is either refused with a fault or every chart of it compiles.
func FuzzLoad(f *testing.F) {
	own, err := builtin.ReadFile("catalogue/code_quality.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add([]byte(chart(isTotal, ofBugs, counting)))
	f.Add([]byte("charts: &a\n  - *a"))
	f.Add([]byte("charts: [{<<: {id: x}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := newChecker()
		if err := c.add("own.yaml", text); err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("no fault: %v", err)
			}
			return
		}
		all, err := c.finish()
		if err != nil {
			return
		}
		for _, x := range all.Charts() {
			compile(x, Query{Raw: true})
			compile(x, Query{})
		}
	})
}
