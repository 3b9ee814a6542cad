package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/feedback-loop/feedback-loop/internal/testkit"
	"github.com/feedback-loop/feedback-loop/internal/ui"
)

const codeQuality = "/dashboards/code-quality"

// hostile is a name that would run if any page took it for markup.
const hostile = `<img src=x onerror=alert(1)>`

// suite is what all tests share: a browser and a server over sample data and
// one file of the test's own.
type suite struct {
	browser context.Context
	bin     string
	base    string
}

func TestPages(t *testing.T) {
	s := suite{browser: browser(t)}
	testkit.Require(t, "chromium", ui.Built(), "the web app is not built: make web")
	s.bin = build(t)
	p := newProgram(t, s.bin)
	p.run(t, 0, "sample", "--events", "8000", "--days", "200")
	p.run(t, 3, "import", ownFile(t))
	s.base = p.serve(t)
	for name, test := range map[string]func(*testing.T, suite){
		"dashboard":    testDashboard,
		"figures":      testFigures,
		"filters":      testFilters,
		"custom range": testCustomRange,
		"empty range":  testEmptyRange,
		"keyboard":     testKeyboard,
		"theme":        testTheme,
		"legend":       testLegend,
		"hostile text": testHostileText,
		"imports":      testImports,
		"offline":      testOffline,
		"not found":    testNotFound,
		"empty":        testEmptyDatabase,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

// ownFile has two good records, one with a hostile name, and one to reject.
func ownFile(t *testing.T) string {
	t.Helper()
	now := time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04:05")
	text := fmt.Sprintf(`{"bugs": [
		{"pattern": %q, "error": "boom", "count": 5000, "timestamp": %q},
		{"pattern": "bounds_checking", "error": "boom", "count": 0, "timestamp": %q}
	], "code_reviews": [
		{"issue_type": "style", "pattern": "bounds_checking", "severity": "low", "file_path": "a.py", "timestamp": %q}
	]}`, hostile, now, now, now)
	file := filepath.Join(t.TempDir(), "metrics_data.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func testDashboard(t *testing.T, s suite) {
	want := charts(t, s.base, "code-quality")
	if len(want) != 8 {
		t.Fatalf("the dashboard has %d charts, want the seed's eight", len(want))
	}
	for _, width := range []int64{1280, 390, 360} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			p := open(t, s.browser, s.base, "/", width)
			if got := p.text("location.pathname"); got != codeQuality {
				t.Errorf("the root leads to %s, want %s", got, codeQuality)
			}
			checkFrame(t, p, width)
			for _, c := range want {
				checkDrawn(t, p, c)
			}
		})
	}
}

// checkFrame looks at what holds for every page.
func checkFrame(t *testing.T, p *tab, width int64) {
	t.Helper()
	p.do(chromedp.Sleep(300 * time.Millisecond)) // a late shift would come now
	if got := p.number("document.documentElement.scrollWidth"); int64(got) > width {
		t.Errorf("the page is %v wide and scrolls sideways at %d", got, width)
	}
	if got := p.number("window.shifted"); got > 0.05 {
		t.Errorf("the layout shifted by %v while loading", got)
	}
	if got := p.text(`document.querySelectorAll("h1").length`); got != "1" {
		t.Errorf("the page has %s first headings, want one", got)
	}
	if got := p.text(`[...document.querySelectorAll("main button, main input, main select, main a")]
		.filter(e => !(e.innerText || e.ariaLabel || e.title || e.labels?.[0]?.innerText)).length`); got != "0" {
		t.Errorf("%s controls have no name", got)
	}
}

func card(id string) string { return fmt.Sprintf("[data-chart=%q]", id) }

func checkDrawn(t *testing.T, p *tab, c chart) {
	t.Helper()
	if got := p.text(fmt.Sprintf("document.querySelector('%s')?.dataset.state", card(c.ID))); got != "ready" {
		t.Errorf("chart %s is %s, want ready", c.ID, got)
	}
	if c.Kind == "total" {
		return
	}
	// Axes and grid have paths too; a drawn chart has shapes in a colour of its own.
	shapes := p.number(fmt.Sprintf(`[...document.querySelectorAll('%s .plot path')]
		.filter(e => e.getBBox().width > 0 && e.getBBox().height > 0).length`, card(c.ID)))
	if shapes == 0 {
		t.Errorf("chart %s is not drawn", c.ID)
	}
}

// Every figure on the page is the API's.
func testFigures(t *testing.T, s suite) {
	p := open(t, s.browser, s.base, codeQuality+"?range=90d", 1280)
	for _, c := range charts(t, s.base, "code-quality") {
		want := data(t, s.base, c.ID, "?range=90d")
		if want.sum() == 0 {
			t.Errorf("the API has no figures for %s", c.ID)
		}
		if c.Kind == "total" {
			if got := p.text(total(c.ID)); got != grouped(want.sum()) {
				t.Errorf("%s shows %s, the API says %d", c.ID, got, want.sum())
			}
			continue
		}
		checkTable(t, p, c, want)
	}
}

func total(id string) string {
	return fmt.Sprintf("document.querySelector('%s .total-number')?.innerText", card(id))
}

func checkTable(t *testing.T, p *tab, c chart, want chartData) {
	t.Helper()
	p.click(card(c.ID) + " .card-tools button")
	for rows := 200; rows < len(want.Rows); rows += 200 {
		p.click(card(c.ID) + " .table-scroll > button")
	}
	got := eval[[]string](p, fmt.Sprintf(`[...document.querySelectorAll('%s tbody td:last-child')].map(e => e.innerText)`, card(c.ID)))
	if len(got) != len(want.Rows) {
		t.Fatalf("the table of %s has %d rows, the API %d", c.ID, len(got), len(want.Rows))
	}
	for i, row := range want.Rows {
		n, ok := row[len(row)-1].(float64)
		if !ok || got[i] != grouped(int(n)) {
			t.Errorf("row %d of %s shows %s, the API says %v", i, c.ID, got[i], row)
		}
	}
}

func testFilters(t *testing.T, s suite) {
	p := open(t, s.browser, s.base, codeQuality, 1280)
	at := func(query string) {
		t.Helper()
		p.settled()
		want := grouped(data(t, s.base, "total-bugs", "?"+query).sum())
		p.until(fmt.Sprintf("%s === %q", total("total-bugs"), want))
	}
	at("range=90d")

	p.click(`input[value="7d"]`)
	p.until(`location.search === "?range=7d"`)
	at("range=7d")

	var repositories struct{ Repositories []struct{ Name string } }
	getJSON(t, s.base+"/api/v1/repositories", &repositories)
	if len(repositories.Repositories) == 0 {
		t.Fatal("the sample has no repository")
	}
	for _, repository := range repositories.Repositories {
		p.script(fmt.Sprintf(`document.querySelector("select").value = %q;
			document.querySelector("select").dispatchEvent(new Event("change", {bubbles: true}))`, "="+repository.Name))
		p.until(fmt.Sprintf(`new URLSearchParams(location.search).get("repository") === %q`, repository.Name))
		at("range=7d&repository=" + strings.ReplaceAll(repository.Name, "/", "%2F"))
	}

	p.script(fmt.Sprintf("history.go(-%d)", len(repositories.Repositories)))
	p.until(`location.search === "?range=7d"`)
	at("range=7d")
	p.do(chromedp.NavigateBack())
	p.until(`location.search === ""`)
	at("range=90d")
}

func testCustomRange(t *testing.T, s suite) {
	p := open(t, s.browser, s.base, codeQuality, 390)
	p.click(`input[value="custom"]`)
	p.until(`document.querySelectorAll(".custom-range input[type=date]").length === 2`)
	to := time.Now().UTC().AddDate(0, 0, -10).Format(time.DateOnly)
	from := time.Now().UTC().AddDate(0, 0, -40).Format(time.DateOnly)
	set := func(at int, day string) {
		p.script(fmt.Sprintf(`{
			const input = document.querySelectorAll(".custom-range input")[%d];
			input.value = %q;
			input.dispatchEvent(new Event("input", {bubbles: true}));
		}`, at, day))
	}
	set(0, to)
	set(1, from)
	p.until(`document.querySelector(".field-problem").innerText.includes("after")`)
	set(0, from)
	set(1, to)
	p.click(".custom-range button")
	query := "?from=" + from + "&to=" + to
	p.until(fmt.Sprintf("location.search === %q", query))
	p.settled()
	p.until(fmt.Sprintf("%s === %q", total("total-bugs"), grouped(data(t, s.base, "total-bugs", query).sum())))
	checkFrame(t, p, 390)
}

func testEmptyRange(t *testing.T, s suite) {
	p := open(t, s.browser, s.base, codeQuality+"?from=2001-01-01&to=2001-01-31", 1280)
	if got := p.text(`document.querySelector(".panel").innerText`); !strings.Contains(got, "no events") {
		t.Errorf("an empty range says %q", got)
	}
	p.click(".panel .button")
	p.until(`location.search === "?range=all"`)
	p.settled()
	p.until(fmt.Sprintf("%s === %q", total("total-bugs"), grouped(data(t, s.base, "total-bugs", "?range=all").sum())))
}

// The order of the controls is the order of the page, and the focus is always seen.
func testKeyboard(t *testing.T, s suite) {
	p := open(t, s.browser, s.base, codeQuality, 1280)
	var order []string
	for range 13 {
		p.do(chromedp.KeyEvent(kb.Tab))
		order = append(order, p.text(`(e => e.labels?.[0]?.firstChild.textContent || e.ariaLabel || e.innerText.trim())(document.activeElement)`))
		if got := p.text(focusVisible); got != "true" {
			t.Errorf("the focus on %q is not seen", order[len(order)-1])
		}
	}
	want := []string{
		"Skip to content", "feedback-loop", "Dashboards", "Imports", "API", "Theme of the system",
		"Refresh", "Last 90 days", "Repository", "About Bugs", "About Test failures",
	}
	if got := order[:len(want)]; !slices.Equal(got, want) {
		t.Errorf("focus order\n%q, want\n%q", got, want)
	}

	p.script(`document.querySelector(".skip").focus()`)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.until(`document.activeElement.id === "main"`)

	p.script(`document.querySelector('input[value="90d"]').focus()`)
	p.do(chromedp.KeyEvent(kb.ArrowLeft))
	p.until(`location.search === "?range=30d"`)
}

// A hidden radio button shows its focus on the label beside it.
const focusVisible = `(() => {
	const e = document.activeElement;
	const shown = e.matches(".segment input") ? e.nextElementSibling : e;
	const box = shown.getBoundingClientRect();
	return getComputedStyle(shown).outlineStyle !== "none" && box.width > 0 && box.bottom > 0;
})()`

func testTheme(t *testing.T, s suite) {
	const lightness = `getComputedStyle(document.body).color.match(/\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0)`
	dark := command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	p := open(t, s.browser, s.base, codeQuality, 1280, dark)
	if got := p.number(lightness); got < 500 {
		t.Errorf("on a dark system the text has the lightness %v of 765", got)
	}
	fill := `document.querySelector(".drawn-line .legend .dot").style.background`
	before := p.text(fill)
	p.click(`input[name="theme"][value="light"]`)
	p.until(lightness + " < 200")
	p.until(fmt.Sprintf("%s !== %q", fill, before))
	p.do(chromedp.Reload())
	p.settled()
	if got := p.number(lightness); got > 200 {
		t.Errorf("after a reload the chosen light theme is gone: %v", got)
	}
	p.click(`input[name="theme"][value="auto"]`)
	p.until(lightness + " > 500")
}

func testLegend(t *testing.T, s suite) {
	p := open(t, s.browser, s.base, codeQuality, 1280)
	lines := `document.querySelectorAll(".drawn-line .plot path[fill=none][stroke-linejoin=bevel]").length`
	before := p.number(lines)
	if before < 2 {
		t.Fatalf("%v lines, want several", before)
	}
	p.click(".drawn-line .legend button")
	p.until(fmt.Sprintf("%s < %v", lines, before))
	p.click(".drawn-line .legend button")
	p.until(fmt.Sprintf("%s === %v", lines, before))
}

// A pattern named like markup stays text in legend, chart and tooltip.
func testHostileText(t *testing.T, s suite) {
	p := open(t, s.browser, s.base, codeQuality+"?range=7d", 1280)
	if got := p.text(`document.body.innerText.includes("onerror=alert")`); got != "true" {
		t.Error("the pattern is not shown")
	}
	p.script(`document.querySelector("[data-chart=top-patterns]").scrollIntoView({block: "center"})`)
	box := eval[struct{ X, Y float64 }](p, `(r => ({X: r.x + 40, Y: r.y + 30}))(
		document.querySelector("[data-chart=top-patterns] .plot").getBoundingClientRect())`)
	p.do(chromedp.MouseEvent("mouseMoved", box.X, box.Y), chromedp.MouseEvent("mouseMoved", box.X+2, box.Y+2))
	p.until(`document.querySelector(".tip")?.innerText.includes("onerror=alert")`)
	if got := p.text(`document.images.length`); got != "0" {
		t.Errorf("%s images on a page that has none", got)
	}
}

func testImports(t *testing.T, s suite) {
	for _, width := range []int64{1280, 390, 360} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			p := open(t, s.browser, s.base, "/imports", width)
			checkFrame(t, p, width)
			first := p.text(`document.querySelector(".runs tbody tr").innerText`)
			for _, want := range []string{"metrics_data.json", "with rejects"} {
				if !strings.Contains(first, want) {
					t.Errorf("the newest import shows %q, want %q in it", first, want)
				}
			}
			p.click(".runs tbody tr a")
			p.until(`location.pathname.startsWith("/imports/")`)
			p.settled()
			p.until(`document.querySelector(".reject")`)
			checkFrame(t, p, width)
			checkReject(t, p)
			p.do(chromedp.NavigateBack())
			p.until(`location.pathname === "/imports"`)
		})
	}
}

func checkReject(t *testing.T, p *tab) {
	t.Helper()
	if got := p.text(`document.querySelectorAll(".reject").length`); got != "1" {
		t.Errorf("%s rejects, want 1", got)
	}
	for selector, want := range map[string]string{
		".reject-reason": "count",
		".reject-place":  "bugs",
		".raw-text":      `"count": 0`,
		".counts":        "3",
	} {
		if got := p.text(fmt.Sprintf("document.querySelector(%q).innerText", selector)); !strings.Contains(got, want) {
			t.Errorf("%s shows %q, want %q in it", selector, got, want)
		}
	}
}

// Without the server the page keeps its figures, says how old they are, and recovers.
func testOffline(t *testing.T, s suite) {
	p := open(t, s.browser, s.base, codeQuality+"?range=90d", 1280)
	figure := p.text(total("total-bugs"))
	p.script(`window.realFetch = fetch; window.fetch = () => Promise.reject(new TypeError("Failed to fetch"))`)
	p.click(".page-tools button")
	p.until(`document.querySelector(".notice")?.innerText.includes("cannot be reached")`)
	if got := p.text(total("total-bugs")); got != figure {
		t.Errorf("offline the page shows %s, want the %s from before", got, figure)
	}
	p.script(`window.fetch = window.realFetch`)
	p.click(".notice button")
	p.until(`!document.querySelector(".notice")`)
	p.settled()
}

func testNotFound(t *testing.T, s suite) {
	for _, path := range []string{"/nowhere/at/all", "/dashboards/none", "/imports/999999", "/imports/x"} {
		t.Run(path, func(t *testing.T) {
			p := open(t, s.browser, s.base, path, 360)
			p.until(`document.querySelector(".panel")?.innerText.includes("no such page")`)
			checkFrame(t, p, 360)
			p.expectTroubles() // the browser reports the 404 itself
			p.click(".panel a")
			p.until(fmt.Sprintf("location.pathname === %q", codeQuality))
			p.settled()
		})
	}
}

func testEmptyDatabase(t *testing.T, s suite) {
	program := newProgram(t, s.bin)
	file := filepath.Join(t.TempDir(), "nothing.json")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	program.run(t, 0, "import", file)
	p := open(t, s.browser, program.serve(t), "/", 390)
	got := p.text(`document.querySelector(".panel").innerText`)
	for _, want := range []string{"feedback-loop import metrics_data.json", "feedback-loop sample"} {
		if !strings.Contains(got, want) {
			t.Errorf("an empty database says %q, want %q in it", got, want)
		}
	}
	checkFrame(t, p, 390)
	program.run(t, 0, "sample", "--events", "500", "--days", "30")
	p.click(".panel > .button")
	p.until(`document.querySelectorAll("[data-chart][data-state=ready]").length === 8`)
}
