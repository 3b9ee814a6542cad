package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sample"
)

// roundsEnv is the number of times that an import is killed, where the quick number is not enough.
const roundsEnv = "FEEDBACK_LOOP_KILL_ROUNDS"

func sampleFile(t testing.TB, events int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := sample.Options{Events: int(events), Days: 120, Seed: 3, End: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	if err := sample.WriteJSON(f, o, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// state is every table that the import fills, without what differs from import to import: ids and the ledger of runs.
func state(t testing.TB, path string) map[string][]string {
	t.Helper()
	db := openRaw(t, path)
	all := map[string][]string{}
	for _, table := range metric.Tables() {
		if strings.HasPrefix(table.Name, "import_r") {
			continue
		}
		names := slices.DeleteFunc(table.Names(), func(n string) bool { return n == "ingested_at" })
		list := "quote(" + strings.Join(names, ")||'|'||quote(") + ")"
		rows, err := db.Query("SELECT " + list + " FROM " + table.Name + " ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			all[table.Name] = append(all[table.Name], s)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func same(t testing.TB, got, want map[string][]string) {
	t.Helper()
	for _, table := range metric.Tables() {
		g, w := got[table.Name], want[table.Name]
		if slices.Equal(g, w) {
			continue
		}
		i := 0
		for i < min(len(g), len(w)) && g[i] == w[i] {
			i++
		}
		t.Errorf("%s has %d rows, want %d; the first that differs is\n%s\nwant\n%s", table.Name, len(g), len(w), at(g, i), at(w, i))
	}
}

func at(rows []string, i int) string {
	if i < len(rows) {
		return rows[i]
	}
	return "(none)"
}

// rowsOf is the number of rows in all event tables.
func rowsOf(t testing.TB, path string) (n int64) {
	t.Helper()
	for _, c := range metric.Catalogue() {
		n += single(t, path, "SELECT COUNT(*) FROM "+c.Table)
	}
	return n
}

// undisturbed imports a file at one go and gives how long that took and what is in the database then.
func undisturbed(t testing.TB, file string) (time.Duration, map[string][]string) {
	t.Helper()
	db := filepath.Join(t.TempDir(), "whole.db")
	begin := time.Now()
	finish(t, program(t.Context(), t, "import", "--db", db, file)).is(t, exitDone)
	took := time.Since(begin)
	finish(t, program(t.Context(), t, "doctor", "--db", db)).is(t, exitDone)
	return took, state(t, db)
}

// An import is killed at random moments and run again: the rows are those of an import that nobody disturbed.
func TestKilledImport(t *testing.T) {
	t.Parallel()
	rounds, events := 12, int64(30_000)
	if raced || testing.Short() {
		rounds, events = 3, 9_000
	}
	if s := os.Getenv(roundsEnv); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	file := sampleFile(t, events)
	took, want := undisturbed(t, file)
	rnd := rand.New(rand.NewPCG(uint64(rounds), 9))
	killed, db := 0, ""
	for round := range rounds {
		if db == "" {
			db = filepath.Join(t.TempDir(), "killed.db")
		}
		c := program(t.Context(), t, "import", "--db", db, file)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rnd.Int64N(int64(took))))
		if err := c.Process.Kill(); err != nil {
			t.Log("round", round, "ended before it was killed")
		}
		if err := c.Wait(); err != nil {
			killed++
		} else if took > 20*time.Millisecond {
			took = took * 2 / 3 // the machine is faster than it was when the time was taken
		}
		// Most databases are killed several times; then the import runs to its end.
		if rnd.IntN(3) == 0 || round == rounds-1 {
			o := finish(t, program(t.Context(), t, "import", "--db", db, file))
			o.is(t, exitDone)
			if read, _, ok := countsOf(o.out); !ok || read != events {
				t.Errorf("read %d records, want %d", read, events)
			}
			same(t, state(t, db), want)
			if n := single(t, db, "SELECT COUNT(*) FROM import_runs WHERE status = 'running' OR read_count <> inserted_count + duplicate_count + rejected_count"); n > 0 {
				t.Errorf("%d imports in the ledger are open or do not add up", n)
			}
			if n := single(t, db, "SELECT SUM(inserted_count) FROM import_runs"); n != events {
				t.Errorf("the ledger has %d inserted rows, want %d", n, events)
			}
			finish(t, program(t.Context(), t, "doctor", "--db", db)).is(t, exitDone)
			db = ""
		}
	}
	if killed < rounds/4 {
		t.Errorf("only %d of %d imports were killed", killed, rounds)
	}
}

// Ctrl-C ends an import between two batches; what is in is said, and the next import completes it.
func TestInterruptedImport(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			const events = 25_000
			file := sampleFile(t, events)
			db := filepath.Join(t.TempDir(), "x.db")
			c := program(t.Context(), t, "import", "--db", db, file)
			var out, errs bytes.Buffer
			c.Stdout, c.Stderr = &out, &errs
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(20 * time.Second); !begun(db); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the import did not begin")
				}
			}
			if err := c.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); err == nil {
				t.Error("the import was not interrupted")
			}
			outcome{c.ProcessState.ExitCode(), out.String(), errs.String()}.is(t, exitFailed, "interrupted", "run it again")
			inserted := single(t, db, "SELECT inserted_count FROM import_runs WHERE status = 'failed' AND finished_at IS NOT NULL")
			if n := rowsOf(t, db); n != inserted || n == events {
				t.Errorf("%d rows are in, the ledger says %d", n, inserted)
			}
			finish(t, program(t.Context(), t, "doctor", "--db", db)).is(t, exitDone)
			finish(t, program(t.Context(), t, "import", "--db", db, file)).is(t, exitDone)
			if n := rowsOf(t, db); n != events {
				t.Errorf("%d rows are in, want %d", n, events)
			}
		})
	}
}

// begun says that the first batch is in the log.
func begun(db string) bool {
	info, err := os.Stat(db + "-wal")
	return err == nil && info.Size() > 1<<20
}

// Two imports of one file at the same time: the result is that of one.
func TestTwoImportsAtOnce(t *testing.T) {
	t.Parallel()
	const events = 9_000
	file := sampleFile(t, events)
	_, want := undisturbed(t, file)
	db := filepath.Join(t.TempDir(), "x.db")
	var both [2]outcome
	var cmds [2]*exec.Cmd
	for i := range cmds {
		cmds[i] = program(t.Context(), t, "import", "--db", db, file)
	}
	var wait sync.WaitGroup
	for i := range both {
		wait.Go(func() { both[i] = finish(t, cmds[i]) })
	}
	wait.Wait()
	done := 0
	for _, o := range both {
		if o.code == exitDone {
			done++
		} else {
			o.is(t, exitFailed, "locked by another process", "run this again")
		}
	}
	if done == 0 {
		t.Fatalf("neither import succeeded: %+v", both)
	}
	same(t, state(t, db), want)
	if n := single(t, db, "SELECT SUM(inserted_count) FROM import_runs"); n != events {
		t.Errorf("the ledger has %d inserted rows, want %d", n, events)
	}
	finish(t, program(t.Context(), t, "doctor", "--db", db)).is(t, exitDone)
	t.Log(fmt.Sprint(done, " of 2 succeeded"))
}
