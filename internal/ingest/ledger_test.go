package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// dump is every row of every table of the database.
func (b *base) dump() string {
	b.t.Helper()
	var s strings.Builder
	for _, t := range metric.Tables() {
		fmt.Fprintf(&s, "== %s\n%s\n", t.Name, strings.Join(b.rows("SELECT * FROM "+t.Name), "\n"))
	}
	return s.String()
}

// A dry run says what the import would do, to the letter, and leaves the database as it was.
func TestDryRun(t *testing.T) {
	for name, content := range map[string]string{
		"a sample":          made(t, 500),
		"with rejects":      `{"bugs":[` + bug("") + `,{},5,` + bug("") + `],"x":[1],"performance_metrics":[{"operation":"o","duration_ms":5}]}`,
		"with raised count": `{"bugs":[` + strings.Replace(bug(`,"count":9`), "03:04:05", "05:04:05", 1) + `]}`,
		"cut off":           `{"bugs":[` + bug("") + `,{"patt`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBase(t)
			b.load(`{"bugs":[` + bug("") + `]}`)
			before := b.dump()
			path := file(t, "metrics_data.json", content)
			dry, dryErr := b.tryFile(path, ingest.Options{DryRun: true})
			if b.dump() != before {
				t.Error("a dry run changed the database")
			}
			real, realErr := b.tryFile(path, ingest.Options{})
			if d, r := fmt.Sprintf("%+v %v", *dry, dryErr), fmt.Sprintf("%+v %v", *real, realErr); d != r {
				t.Errorf("the dry run said\n%.500s\nthe import said\n%.500s", d, r)
			}
		})
	}
}

// cut gives up the context when a number of batches has been written.
func cut(batches int) (context.Context, func(done, total int64)) {
	ctx, stop := context.WithCancel(context.Background())
	return ctx, func(int64, int64) {
		if batches--; batches == 0 {
			stop()
		}
	}
}

func TestInterrupted(t *testing.T) {
	b := newBase(t)
	path := file(t, "metrics_data.json", made(t, 20_000))
	ctx, progress := cut(2)
	rep, err := b.im.File(ctx, path, ingest.Options{Progress: progress})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	b.ledger(rep, err)
	if rep.Inserted == 0 || rep.Inserted == 20_000 || b.total() != rep.Inserted {
		t.Errorf("%d rows are in, the report says %d", b.total(), rep.Inserted)
	}
	if n := b.number("SELECT COUNT(*) FROM rollup_dirty"); n != 0 {
		t.Errorf("%d days wait for their summary", n)
	}
	again, err := b.tryFile(path, ingest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, again, 20_000-rep.Inserted, rep.Inserted, 0)
	whole := newBase(t)
	if _, err := whole.tryFile(path, ingest.Options{}); err != nil {
		t.Fatal(err)
	}
	if b.events() != whole.events() {
		t.Error("the rows differ from those of an import that was not interrupted")
	}
}

// An import that was killed leaves its row as running; the next import of the file closes it.
func TestKilledRunIsClosed(t *testing.T) {
	b := newBase(t)
	err := b.db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(tx.Statement(`INSERT INTO import_runs (file, format, source, status, started_at) VALUES (?, 'metrics-json', 'collector', 'running', ?),
			('other.json', 'metrics-json', 'collector', 'running', ?)`, "metrics.json", now.Add(-time.Hour), now.Add(-time.Hour)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(file(t, "metrics.json", small)))
	if _, err := b.tryFile("metrics.json", ingest.Options{}); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(b.rows("SELECT file, status, finished_at IS NOT NULL, COALESCE(error, '') FROM import_runs ORDER BY id"), "\n")
	if want := "metrics.json|failed|1|interrupted; the file was imported again later\nother.json|running|0|\nmetrics.json|done|1|"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRunSaysHow(t *testing.T) {
	b := newBase(t)
	path := file(t, "m.json", small)
	if _, err := b.tryFile(path, ingest.Options{Repository: "acme/shop", Branch: "main", Source: "ci"}); err != nil {
		t.Fatal(err)
	}
	got := b.text("SELECT organization_id, file, format, source, repository, branch, started_at, finished_at FROM import_runs")
	if want := "1|" + path + "|metrics-json|ci|acme/shop|main|2026-07-01 12:00:00.123456|2026-07-01 12:00:00.123456"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The database has the text of what could not be used, to the byte.
func TestRejectsKeepTheirText(t *testing.T) {
	b := newBase(t)
	for i, raw := range []string{`{"pattern":"é 😀 \u0000 \ud800"}`, "{\"error\":\"a\xff\xc3\"}", `{  "spaces" : [ 1 ]  }`, `"text"`, `{"big":"` + strings.Repeat("x", 3<<20) + `"}`} {
		rep := b.loadAs(`{"bugs":[`+raw+`]}`, ingest.Options{Source: fmt.Sprint(i)})
		want(t, rep, 0, 0, 1)
		raw = strings.NewReplacer("\xff\xc3", `\xff\xc3`).Replace(raw)
		if got := b.rows("SELECT raw FROM import_rejects ORDER BY id")[i]; got != raw {
			t.Errorf("%.100s was kept as %.100s", raw, got)
		}
	}
}

// The report lists many rejects, and counts the others; the database has all.
func TestManyRejects(t *testing.T) {
	b := newBase(t)
	const n = ingest.MaxReported + 500
	rep := b.load(`{"bugs":[` + strings.Repeat("0,", n-1) + `0]}`)
	want(t, rep, 0, 0, n)
	if rep.Omitted != 500 {
		t.Errorf("%d omitted, want 500", rep.Omitted)
	}
}

func TestUnreadable(t *testing.T) {
	b := newBase(t)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		path  string
		kind  fault.Kind
		parts []string
	}{
		"folder":          {dir, fault.Invalid, []string{"is a folder", "Name the files in it"}},
		"missing":         {filepath.Join(dir, "none.json"), fault.NotFound, []string{"there is no file", "none.json"}},
		"in a file":       {filepath.Join(file(t, "x", "y"), "z"), fault.Invalid, []string{"cannot be read"}},
		"NUL in the name": {"a\x00b", fault.Invalid, []string{"cannot be read"}},
		"empty name":      {"", fault.NotFound, []string{"there is no file"}},
	} {
		t.Run(name, func(t *testing.T) {
			rep, err := b.tryFile(c.path, ingest.Options{})
			fails(t, err, c.kind, c.parts...)
			if rep.Read != 0 || rep.Error == "" || rep.Rejects == nil {
				t.Errorf("report %+v", rep)
			}
		})
	}
	if n := b.number("SELECT COUNT(*) FROM import_runs"); n != 0 {
		t.Errorf("%d rows in import_runs for files that could not be opened", n)
	}
}

// Another process writes: the import waits, then says so; afterwards it goes through.
func TestLockedDatabase(t *testing.T) {
	uri := dbtest.URI(t, t.TempDir())
	holder, err := app.Open(t.Context(), uri, true)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	db, err := sqldb.Open(t.Context(), app.Engines(), uri, sqldb.Options{Version: metric.SchemaVersion, Wait: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b := &base{t, db, app.Importer(db)}
	b.im.Now = func() time.Time { return now }
	err = holder.Try(t.Context(), func(*sqldb.Tx) error {
		rep, err := b.try(small, ingest.Options{})
		fails(t, err, fault.Unavailable, "locked by another process", "Wait until its import ends")
		want(t, rep, 0, 0, 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, b.load(small), 3, 0, 0)
}

// The lock is taken away in the middle: what was written stays and is said.
func TestLockedInTheMiddle(t *testing.T) {
	uri := dbtest.URI(t, t.TempDir())
	holder, err := app.Open(t.Context(), uri, true)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	db, err := sqldb.Open(t.Context(), app.Engines(), uri, sqldb.Options{Version: metric.SchemaVersion, Wait: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b := &base{t, db, app.Importer(db)}
	b.im.Now = func() time.Time { return now }
	locked, release, released := make(chan error), make(chan bool), make(chan error)
	once := false
	progress := func(int64, int64) {
		if once {
			return
		}
		once = true
		go func() {
			released <- holder.Try(context.Background(), func(*sqldb.Tx) error {
				locked <- nil
				<-release
				return nil
			})
		}()
		<-locked
	}
	content := made(t, 9_000)
	rep, err := b.im.File(t.Context(), file(t, "m.json", content), ingest.Options{Progress: progress})
	close(release)
	if e := <-released; e != nil {
		t.Fatal(e)
	}
	fails(t, err, fault.Unavailable, "locked by another process")
	if rep.Read != rep.Inserted || rep.Inserted == 0 || b.total() != rep.Inserted {
		t.Errorf("%d rows are in, the report says %+v", b.total(), rep.Counts)
	}
	again := b.load(content)
	want(t, again, 9_000-rep.Inserted, rep.Inserted, 0)
}

// A file that grows while it is read, a device, an empty one.
func TestOddFiles(t *testing.T) {
	b := newBase(t)
	if _, err := os.Stat("/dev/null"); err == nil {
		_, err := b.tryFile("/dev/null", ingest.Options{})
		fails(t, err, fault.Invalid, "is empty")
	}
	link := filepath.Join(t.TempDir(), "link.json")
	if err := os.Symlink(file(t, "m.json", small), link); err != nil {
		t.Fatal(err)
	}
	rep, err := b.tryFile(link, ingest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, rep, 3, 0, 0)
}
