package metricsjson_test

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/ingest/metricsjson"
	"github.com/feedback-loop/feedback-loop/internal/ingest/ndjson"
)

// A file that cannot be read on is not called bad JSON, nor its lines too long.
func TestUnreadable(t *testing.T) {
	for _, f := range []ingest.Format{metricsjson.Format(), ndjson.Format()} {
		torn := errors.New("gzip: invalid checksum")
		r := io.MultiReader(strings.NewReader(`{"bugs": [{"pattern": "p"}, `), iotest.ErrReader(torn))
		err := f.Split(t.Context(), &ingest.Input{Name: "x", Reader: bufio.NewReader(r)}, func(ingest.Item) error { return nil })
		se, ok := errors.AsType[*ingest.SyntaxError](err)
		if !ok || !errors.Is(err, torn) || !strings.Contains(se.What, "cannot be read") || se.Remedy != ingest.Unreadable {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}
