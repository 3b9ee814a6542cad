package faulttest

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
)

// result is how an import in the background ended.
type result struct {
	rep *ingest.Report
	err error
}

// background imports a file and says how many batches are written so far, then how it ended.
func background(ctx context.Context, db *sqldb.DB, path string) (batches chan int64, ended chan result) {
	batches, ended = make(chan int64, 100), make(chan result, 1)
	go func() {
		rep, err := app.Importer(db).File(ctx, path, ingest.Options{Progress: func(done, _ int64) { batches <- done }})
		ended <- result{rep, err}
		close(batches)
	}()
	return batches, ended
}

// A server that restarts in the middle of an import, in peace or by a crash: the import goes on.
func restart(t *testing.T, k *kit) {
	f := k.many
	for _, mode := range []string{"fast", "immediate"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := pgtest.New(t)
			random := rand.New(rand.NewPCG(7, uint64(len(mode))))
			for round := range sqldbtest.Rounds(5) {
				uri := s.Database(t)
				db := open(t, uri, sqldb.Options{})
				batches, ended := background(t.Context(), db, f.path)
				restarts := 0
				for range batches {
					if restarts < 2 && random.IntN(2) == 0 {
						time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
						if err := s.Ctl("restart", "-m", mode); err != nil {
							t.Fatal(err)
						}
						restarts++
					}
				}
				r := <-ended
				completed(t, r.rep, r.err, f)
				holds(t, uri, f)
				t.Logf("round %d: %d restarts", round, restarts)
			}
		})
	}
}

// An import that the user ends while the server is away says so at once. What it wrote is recognised afterwards.
func givenUpWhileAway(t *testing.T, k *kit) {
	s := pgtest.New(t)
	f, uri := k.many, s.Database(t)
	db := open(t, uri, sqldb.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	batches, ended := background(ctx, db, f.path)
	<-batches
	if err := s.Ctl("stop", "-m", "immediate"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	cancel()
	select {
	case r := <-ended:
		fails(t, r.err, "the import was interrupted", fault.Unavailable)
		if r.rep.Inserted == 0 || r.rep.Inserted == f.events {
			t.Errorf("%d events were written", r.rep.Inserted)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("the import goes on")
	}
	_, err := app.Connect(t.Context(), uri, sqldb.Options{})
	fails(t, err, "the server cannot be reached", fault.Disconnected)
	if err := s.Ctl("start"); err != nil {
		t.Fatal(err)
	}
	rep, err := load(t.Context(), t, db, f.path)
	if err != nil || rep.Inserted+rep.Duplicate != f.events || rep.Duplicate == 0 {
		t.Errorf("%v: %+v", err, rep.Counts)
	}
	holds(t, uri, f)
}

// A server that takes no writes: a standby, or one that is set so. Nothing is said to be written, and reading goes on.
func readOnly(t *testing.T, k *kit) {
	s := pgtest.New(t)
	f, uri := k.few, s.Database(t)
	db := open(t, uri, sqldb.Options{})
	signal := filepath.Join(s.Dir, "data", "standby.signal")
	restart := func(err error) {
		t.Helper()
		if err := errors.Join(err, s.Ctl("restart", "-m", "fast")); err != nil {
			t.Fatal(err)
		}
	}
	refused := func() {
		t.Helper()
		rep, err := load(t.Context(), t, db, f.path)
		fails(t, err, "the server takes no writes", fault.Unavailable)
		if rep.Inserted != 0 || rep.Read != 0 {
			t.Errorf("the report says %+v", rep.Counts)
		}
		if err := db.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	restart(os.WriteFile(signal, nil, 0o644))
	refused()
	restart(os.Remove(signal))
	super(t, s, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
	wait(t, func() bool { return setting(t, uri, "default_transaction_read_only") == "on" })
	refused()
	super(t, s, "SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
	wait(t, func() bool { return setting(t, uri, "default_transaction_read_only") == "off" })
	rep, err := load(t.Context(), t, db, f.path)
	completed(t, rep, err, f)
	holds(t, uri, f)
}

// super runs statements as the superuser, each by itself, outside of the databases of tests.
func super(t testing.TB, s *pgtest.Server, stmts ...string) {
	t.Helper()
	c := pgtest.Connect(t, s.URI("postgres", "postgres"))
	for _, stmt := range stmts {
		if _, err := c.Exec(t.Context(), stmt); err != nil {
			t.Fatalf("%s: %v", stmt, err)
		}
	}
}

func setting(t testing.TB, uri, name string) (value string) {
	t.Helper()
	c := pgtest.Connect(t, uri)
	if err := c.QueryRow(t.Context(), "SHOW "+name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// wait waits until something is so.
func wait(t testing.TB, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not become so")
		}
	}
}

// Backends that an administrator ends: those of the writer, again and again, and those that wait in the pool.
func terminated(t *testing.T, k *kit) {
	s := pgtest.New(t)
	f, uri := k.many, s.Database(t)
	db := open(t, uri, sqldb.Options{})
	const end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid()"
	batches, ended := background(t.Context(), db, f.path)
	for range batches {
		time.Sleep(30 * time.Millisecond) // into the next one
		super(t, s, end)
	}
	r := <-ended
	completed(t, r.rep, r.err, f)
	holds(t, uri, f)

	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			var x int
			if err := db.Row(t.Context(), db.Statement("SELECT 1 FROM pg_sleep(0.1)"), &x); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	super(t, s, end)
	for range 6 {
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("a pool of ended connections: %v", err)
		}
	}
	reading := make(chan error, 1)
	go func() {
		var x int
		reading <- db.Row(t.Context(), db.Statement("SELECT 1 FROM pg_sleep(30)"), &x)
	}()
	time.Sleep(300 * time.Millisecond)
	super(t, s, end)
	fails(t, <-reading, "the server ended the connection", fault.Disconnected)
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
