package ingest_test

import (
	"context"
	"io"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
)

// Who gives up does not have to wait for the next byte of a pipe, be it the first or one in the middle.
func TestInterruptedPipe(t *testing.T) {
	for _, begun := range []string{"", `{"bugs": [`, `{"bugs": [{"pattern": "p", "error": "e", "timestamp": "2026-01-02"}, `, "\x1f\x8b"} {
		b := newBase(t)
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, begun)
			cancel()
		}()
		rep, err := b.im.Stream(ctx, "pipe", r, ingest.Options{})
		fails(t, err, fault.Unavailable, "the import was interrupted")
		if rep.Error != err.Error() {
			t.Errorf("%q: the report says %q, want %q", begun, rep.Error, err)
		}
		if err := r.Close(); err != nil { // lets the reading goroutine end
			t.Error(err)
		}
	}
}
