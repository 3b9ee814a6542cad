package faulttest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sample"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// kit is what the tests share.
type kit struct {
	durable   *pgtest.Server // a server that is kept running
	few, many file
}

func TestFaults(t *testing.T) {
	k := &kit{pgtest.New(t), newFile(t, twoBatches), newFile(t, manyBatches)}
	all := map[string]func(*testing.T, *kit){
		"LostCommit": lostCommit, "CutAnywhere": cutAnywhere, "Latency": latency, "SilentNetwork": silentNetwork, "SilentServer": silentServer,
		"Restart": restart, "GivenUpWhileAway": givenUpWhileAway, "ReadOnly": readOnly, "Terminated": terminated,
		"Locked": locked, "SleptTooLong": sleptTooLong,
		"KilledImport": killedImport, "Serve": served, "Bouncer": bouncer, "BouncerRestart": bouncerRestart,
	}
	maps.Copy(all, systemTests())
	for name, test := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
}

// file is a file of made-up events and what the database holds after its import.
type file struct {
	path   string
	events int64
	want   map[string]string
}

// Sizes of files: an import of a few events has four transactions, for its beginning, two batches, and its end; one of
// many gives a test the time to disturb it.
const (
	twoBatches   = 8_000
	transactions = 4
	manyBatches  = 20_000
)

// newFile writes a file and imports it where nothing disturbs.
func newFile(t testing.TB, events int64) file {
	t.Helper()
	path := filepath.Join(t.TempDir(), "metrics_data.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	o := sample.Options{Events: int(events), Days: 120, Seed: 3, End: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	if err := errors.Join(sample.WriteJSON(f, o, nil), f.Close()); err != nil {
		t.Fatal(err)
	}
	uri := pgtest.Shared(t).Database(t)
	if _, err := load(t.Context(), t, open(t, uri, sqldb.Options{}), path); err != nil {
		t.Fatal(err)
	}
	return file{path, events, state(t, uri)}
}

// open opens a database with the schema of this binary, and closes it at the end of the test.
func open(t testing.TB, uri string, o sqldb.Options) *sqldb.DB {
	t.Helper()
	db, err := app.OpenWith(t.Context(), uri, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // its server may be gone
	return db
}

// load imports a file and checks the report against the ledger.
func load(ctx context.Context, t testing.TB, db *sqldb.DB, path string) (*ingest.Report, error) {
	t.Helper()
	return app.Importer(db).File(ctx, path, ingest.Options{})
}

// raw gives a connection past the engine. A database that was made from a template lacks the search path.
func raw(t testing.TB, uri string) *pgx.Conn {
	t.Helper()
	c := pgtest.Connect(t, uri)
	if _, err := c.Exec(t.Context(), "SET search_path = metrics, api, public"); err != nil {
		t.Fatal(err)
	}
	return c
}

// state digests every table that an import fills, without what differs from import to import: ids and the ledger.
func state(t testing.TB, uri string) map[string]string {
	t.Helper()
	c := raw(t, uri)
	defer c.Close(context.WithoutCancel(t.Context()))
	all := map[string]string{}
	for _, table := range metric.Tables() {
		if strings.HasPrefix(table.Name, "import_r") {
			continue
		}
		names := slices.DeleteFunc(table.Names(), func(n string) bool { return n == "ingested_at" })
		var digest string
		row := "row(" + strings.Join(names, ", ") + ")::text"
		err := c.QueryRow(t.Context(), "SELECT count(*) || ' rows, ' || coalesce(md5(string_agg(md5("+row+"), '' ORDER BY "+row+" COLLATE \"C\")), '') FROM "+
			table.Name).Scan(&digest)
		if err != nil {
			t.Fatalf("%s: %v", table.Name, err)
		}
		all[table.Name] = digest
	}
	return all
}

// holds demands that the database is what an undisturbed import of the file leaves, and that its ledger is true.
func holds(t testing.TB, uri string, f file) {
	t.Helper()
	got := state(t, uri)
	for _, name := range slices.Sorted(maps.Keys(f.want)) {
		if got[name] != f.want[name] {
			t.Errorf("%s: %s, want %s", name, got[name], f.want[name])
		}
	}
	c := raw(t, uri)
	defer c.Close(context.WithoutCancel(t.Context()))
	var open, wrong, inserted int64
	err := c.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE status = 'running'),
		count(*) FILTER (WHERE read_count <> inserted_count + duplicate_count + rejected_count), coalesce(sum(inserted_count), 0)::int8 FROM import_runs`).
		Scan(&open, &wrong, &inserted)
	if err != nil || open > 0 || wrong > 0 || inserted != f.events {
		t.Errorf("%v: the ledger has %d imports that are open, %d that do not add up, and %d inserted rows of %d", err, open, wrong, inserted, f.events)
	}
	healthy(t, uri)
}

func healthy(t testing.TB, uri string) {
	t.Helper()
	d, err := app.Examine(t.Context(), open(t, uri, sqldb.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if !d.Healthy() {
		t.Errorf("the doctor finds %v", d.Findings)
	}
}

// completed demands that an import wrote the whole file, and that its report says so.
func completed(t testing.TB, rep *ingest.Report, err error, f file) {
	t.Helper()
	if err != nil || rep.Read != f.events || rep.Inserted != f.events || rep.Error != "" {
		t.Errorf("the import ended with %v: read %d, inserted %d, duplicate %d, rejected %d, want %d inserted", err,
			rep.Read, rep.Inserted, rep.Duplicate, rep.Rejected, f.events)
	}
}

// fails demands a fault of one of the kinds, with a remedy, whose text holds the part.
func fails(t testing.TB, err error, part string, kinds ...fault.Kind) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Remedy == "" || !slices.Contains(kinds, f.Kind) || !strings.Contains(err.Error(), part) {
		t.Errorf("the error is %v, want one that says %q and what to do", err, part)
	}
}

// program is the built program.
func program(t testing.TB) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// folder is where the program is built, when it is.
var folder = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "feedback-loop-program-") })

var built = sync.OnceValues(func() (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "feedback-loop")
	cmd := exec.Command("go", "build", "-o", path, "github.com/feedback-loop/feedback-loop/cmd/feedback-loop")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "4"); err != nil { // they wait more than they work
		panic(err)
	}
	m.Run()
	if dir, err := folder(); err == nil {
		os.RemoveAll(dir)
	}
}

// start starts the program in a folder of its own.
func start(t testing.TB, args ...string) (c *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	out = &bytes.Buffer{}
	c = exec.CommandContext(t.Context(), program(t), args...)
	c.Dir, c.Stdout, c.Stderr = t.TempDir(), out, out
	c.Env = append(os.Environ(), "METRICS_DB_URI=")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, out
}

// finish runs the program to its end and demands its exit code.
func finish(t testing.TB, code int, args ...string) string {
	t.Helper()
	c, out := start(t, args...)
	_ = c.Wait() // the code says it
	if got := c.ProcessState.ExitCode(); got != code {
		t.Errorf("%v ends with %d, want %d: %s", args, got, code, out)
	}
	return out.String()
}
