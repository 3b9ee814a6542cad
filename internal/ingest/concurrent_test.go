package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/rollup"
)

// Four importers at once, each with a connection of its own, on files that overlap: what they leave is what one import of
// everything leaves, and nobody had to give way.
func TestFourImportersAtOnce(t *testing.T) {
	events := scaled(8000)
	all := parse(t, made(t, events)).records(t)
	for name, text := range map[string]string{"bugs": "error", "test_failures": "failure_reason"} {
		for i, r := range all[name] { // a counter that one file reads once and another twice has more than one right sum
			r[text] = fmt.Sprint(r[text], " ", i)
		}
	}
	part := func(from, to float64) string {
		cut := map[string][]any{"bugs": {json.RawMessage(bug(`,"count":7`))}} // a counter that is in every file
		for name, list := range all {
			for _, r := range list[int(from*float64(len(list))):int(to*float64(len(list)))] {
				cut[name] = append(cut[name], r)
			}
		}
		return compose(t, cut, "")
	}
	whole := newBase(t)
	want(t, whole.load(part(0, 1)), int64(events)+1, 0, 0)

	uri := dbtest.URI(t, memory(t))
	b := &base{t: t, db: dbtest.Migrated(t, uri)}
	var inserted, read int64
	for i, rep := range b.atOnce(uri, part(0, 0.6), part(0.3, 0.9), part(0.5, 1), part(0, 1)) {
		if rep.Rejected != 0 || rep.Read != rep.Inserted+rep.Duplicate {
			t.Errorf("importer %d: %+v", i, rep.Counts)
		}
		inserted, read = inserted+rep.Inserted, read+rep.Read
	}
	if inserted != int64(events)+1 || read < 2*inserted {
		t.Errorf("%d of %d records were written, want %d", inserted, read, events+1)
	}
	if b.events() != whole.events() {
		t.Error("the rows differ from those of one import")
	}
	if have, want := b.written(), whole.written(); have != want {
		t.Errorf("written %+v, want %+v", have, want)
	}
	diagnosis, err := rollup.Examine(t.Context(), b.db, nil)
	if err != nil || !diagnosis.Healthy() {
		t.Errorf("the doctor finds %.2000v (%v)", diagnosis.Findings, err)
	}
	if dbtest.On("postgres") {
		if n := b.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n != 0 {
			t.Errorf("the server had to break %d deadlocks", n)
		}
	}
}

// atOnce imports each content by a handle of its own, all at the same time.
func (b *base) atOnce(uri string, contents ...string) []*ingest.Report {
	b.t.Helper()
	reports, failures := make([]*ingest.Report, len(contents)), make([]error, len(contents))
	start := make(chan struct{})
	var running sync.WaitGroup
	for i, content := range contents {
		im := app.Importer(dbtest.Migrated(b.t, uri))
		im.Now = func() time.Time { return now }
		path := filepath.Join(b.t.TempDir(), fmt.Sprint(i, ".json"))
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			b.t.Fatal(err)
		}
		running.Go(func() {
			<-start
			reports[i], failures[i] = im.File(context.Background(), path, ingest.Options{})
		})
	}
	close(start)
	running.Wait()
	for i, err := range failures {
		if err != nil {
			b.t.Fatalf("importer %d: %v", i, err)
		}
	}
	return reports
}
