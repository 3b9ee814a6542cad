package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// browser starts one Chromium for all tests; each test opens tabs of its own.
func browser(t *testing.T) context.Context {
	t.Helper()
	bin := testkit.RequireCommand(t, "chromium", "chromium", "chromium-browser", "google-chrome", "chrome")
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(bin),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en-US"),
		chromedp.WSURLReadTimeout(60*time.Second),
	)
	alloc, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		// Waits for the process, which otherwise still writes into the folder that is being removed.
		if err := chromedp.Cancel(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("end of %s: %v", bin, err)
		}
		cancel()
		stop()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start of %s: %v", bin, err)
	}
	return ctx
}

// step is one thing to do in a tab.
type step = chromedp.Action[chromedp.Void]

// tab is one page in the browser, and what went wrong in it.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	troubles []string
}

// open opens a tab of that width, takes the steps, shows a path and waits until the page has settled.
func open(t *testing.T, browser context.Context, base, path string, width int64, steps ...step) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	p := &tab{t: t, ctx: ctx, base: base}
	t.Cleanup(func() {
		p.checkTroubles()
		cancel()
	})
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	p.do(
		command(network.Enable, network.EnableParams{}),
		command(log.Enable, cdp.Empty{}),
		command(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"}),
		command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: observeShift}),
		chromedp.EmulateViewport(width, 900),
	)
	p.do(steps...)
	p.do(chromedp.Navigate(base + path))
	p.settled()
	return p
}

// command is a command of the browser's protocol whose answer does not matter.
func command[P, R any](cmd cdp.Command[P, R], params P) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, cmd, params)
		return err
	})
}

// observeShift adds up how far things moved without being asked to.
const observeShift = `window.shifted = 0;
new PerformanceObserver(list => {
	for (const e of list.getEntries()) if (!e.hadRecentInput) window.shifted += e.value;
}).observe({type: "layout-shift", buffered: true});`

// listen notes what a clean page never does: errors, and requests to others.
func (p *tab) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.trouble("exception: %s", exceptionText(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			p.trouble("console: %s", consoleText(e))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.trouble("log: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Scheme != "data" && u.Scheme+"://"+u.Host != p.base {
			p.trouble("request to another place: %s", e.Request.URL)
		}
	}
}

func exceptionText(d *runtime.ExceptionDetails) string {
	if d.Exception != nil {
		return d.Text + " " + d.Exception.Description
	}
	return d.Text
}

func consoleText(e *runtime.EventConsoleAPICalled) string {
	var parts []string
	for _, arg := range e.Args {
		parts = append(parts, string(arg.Value)+arg.Description)
	}
	return strings.Join(parts, " ")
}

func (p *tab) trouble(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.troubles = append(p.troubles, fmt.Sprintf(format, args...))
}

// expectTroubles takes the troubles that a test has caused itself.
func (p *tab) expectTroubles() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.troubles
	p.troubles = nil
	return list
}

func (p *tab) checkTroubles() {
	for _, trouble := range p.expectTroubles() {
		p.t.Error(trouble)
	}
}

func (p *tab) do(steps ...step) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// eval runs a JavaScript expression in the page and returns what it gives.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// script runs JavaScript in the page for what it does.
func (p *tab) script(text string) {
	p.t.Helper()
	eval[string](p, text+"; ''")
}

func (p *tab) text(expression string) string {
	p.t.Helper()
	return eval[string](p, "String("+expression+")")
}

func (p *tab) number(expression string) float64 {
	p.t.Helper()
	return eval[float64](p, "Number("+expression+")")
}

// until waits until a JavaScript condition holds.
func (p *tab) until(condition string) {
	p.t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if eval[bool](p, "Boolean("+condition+")") {
			return
		}
		if time.Now().After(limit) {
			p.t.Fatalf("after 30 seconds not yet: %s\n%s", condition, p.text("document.querySelector('main')?.innerText"))
		}
	}
}

// settled waits until nothing on the page is loading any more and every
// picture is drawn.
func (p *tab) settled() {
	p.t.Helper()
	p.until(`document.querySelector("main h1, main .panel") && !document.querySelector("[aria-busy=true], .skeleton")`)
	p.until(`[...document.querySelectorAll(".plot")].every(plot => plot.querySelector("svg path"))`)
}

// click clicks the first element that a selector names, where the user would.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
}
