package main

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar is a progress bar on a terminal, and nothing elsewhere.
type bar struct{ p *progressbar.ProgressBar }

// newBar makes a bar for a total that show or count may still change; negative = unknown.
func newBar(w io.Writer, total int64, quiet bool, o ...progressbar.Option) *bar {
	f, ok := w.(*os.File)
	if quiet || !ok || !term.IsTerminal(int(f.Fd())) {
		return &bar{}
	}
	return &bar{progressbar.NewOptions64(total, append(o, progressbar.OptionSetWriter(w), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond))...)}
}

// newFileBar counts the bytes of a file.
func newFileBar(w io.Writer, file string, quiet bool) *bar {
	return newBar(w, -1, quiet, progressbar.OptionSetDescription(filepath.Base(file)), progressbar.OptionShowBytes(true))
}

// newEventBar counts events; negative = their number is not known yet.
func newEventBar(w io.Writer, events int, quiet bool) *bar {
	return newBar(w, int64(events), quiet, progressbar.OptionSetDescription("events"), progressbar.OptionShowCount(), progressbar.OptionShowIts())
}

// newRowBar counts rows; their number is said when the first are done.
func newRowBar(w io.Writer, quiet bool) *bar {
	return newBar(w, -1, quiet, progressbar.OptionSetDescription("rows"), progressbar.OptionShowCount(), progressbar.OptionShowIts())
}

func (b *bar) show(done, total int64) {
	if b.p == nil {
		return
	}
	if total > 0 && b.p.GetMax64() != total {
		b.p.ChangeMax64(total)
	}
	_ = b.p.Set64(done) // a bar that cannot be drawn is no reason to stop
}

func (b *bar) count(done int) { b.show(int64(done), 0) }

func (b *bar) clear() {
	if b.p != nil {
		_ = b.p.Finish()
	}
}
