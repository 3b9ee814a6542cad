package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/move"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// imported is a SQLite database with the events of a file.
func imported(t testing.TB, file string) string {
	t.Helper()
	db := filepath.Join(t.TempDir(), "from.db")
	command(t.Context(), "import", "--db", db, file).is(t, exitDone)
	return db
}

func TestDBCopy(t *testing.T) {
	file := sampleFile(t, 500)
	from, to := imported(t, file), pgtest.Shared(t).Database(t)
	back := filepath.Join(t.TempDir(), "back.db")
	o := command(t.Context(), "db", "copy", "--from", "sqlite:///"+from, "--to", to)
	o.is(t, exitDone, "digest", "from.db -> postgresql://keeper@/")
	for _, table := range metric.Tables() {
		if line := lineOf(o.out, table.Name); table.Local != (line == nil) || line != nil && (line[1] != line[2] || line[3] != "equal") {
			t.Errorf("%s is reported as %v", table.Name, line)
		}
	}
	o = command(t.Context(), "db", "copy", "--from", to, "--to", back, "--json")
	o.is(t, exitDone)
	var rep move.Report
	if err := json.Unmarshal([]byte(o.out), &rep); err != nil {
		t.Fatal(err)
	}
	if bad := rep.Differing(); len(bad) > 0 || rep.Tables[0].Rows == 0 || rep.Tables[0].Digest != rep.Tables[0].TargetDigest || len(rep.Tables[0].Digest) != 32 {
		t.Errorf("%+v", rep)
	}
	o = command(t.Context(), "db", "copy", "--from", from, "--to", filepath.Join(t.TempDir(), "straight.db"), "--json")
	var straight move.Report
	if err := json.Unmarshal([]byte(o.out), &straight); err != nil {
		t.Fatal(err)
	}
	for i, r := range straight.Tables {
		if b := rep.Tables[i]; b.Table != r.Table || b.TargetDigest != r.Digest || b.TargetRows != r.Rows {
			t.Errorf("%+v came back as %+v", r.Comparison, b.Comparison)
		}
	}
	for _, db := range []string{to, back} {
		command(t.Context(), "doctor", "--db", db).is(t, exitDone)
		o := command(t.Context(), "import", "--db", db, file)
		o.is(t, exitDone)
		if read, inserted, ok := countsOf(o.out); !ok || read != 500 || inserted != 0 {
			t.Errorf("importing again wrote %d of %d rows", inserted, read)
		}
	}
	command(t.Context(), "db", "copy", "--from", from, "--to", to).is(t, exitFailed, "is not empty", "--merge")
	more := imported(t, sampleFile(t, 700))
	o = command(t.Context(), "db", "copy", "--merge", "--from", more, "--to", to)
	o.is(t, exitDone, "written", "known")
	if line := lineOf(o.out, "import_runs"); len(line) != 4 || line[2] != "1" {
		t.Errorf("the ledger is reported as %v", line)
	}
	command(t.Context(), "doctor", "--db", to).is(t, exitDone)
}

// lineOf gives the cells of a table's line; nil = it has none.
func lineOf(out, table string) []string {
	for line := range strings.Lines(out) {
		if cells := strings.Fields(line); len(cells) > 0 && cells[0] == table {
			return cells
		}
	}
	return nil
}

func TestDBCopyUsage(t *testing.T) {
	from := imported(t, sampleFile(t, 50))
	empty := filepath.Join(t.TempDir(), "empty.db")
	target := filepath.Join(t.TempDir(), "to.db")
	command(t.Context(), "db", "copy").is(t, exitUsage, "--from and --to", "--help")
	command(t.Context(), "db", "copy", "--from", from).is(t, exitUsage, "--from and --to")
	command(t.Context(), "db", "copy", "--from", from, "--to", target, "more").is(t, exitUsage)
	command(t.Context(), "db", "copy", "--from", from, "--to", target, "--db", from).is(t, exitUsage, "unknown flag: --db")
	command(t.Context(), "db", "copy", "--from", "missing.db", "--to", target).is(t, exitFailed, "there is no database missing.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	command(t.Context(), "db", "copy", "--from", empty, "--to", target).is(t, exitFailed, "empty.db holds no tables")
	command(t.Context(), "db", "copy", "--from", write(t, "x.txt", "no database"), "--to", target).is(t, exitFailed, "x.txt")
	command(t.Context(), "db", "copy", "--from", from, "--to", from).is(t, exitFailed, "are the same database")
	command(t.Context(), "db", "copy", "--from", from, "--to", "oracle://u:secret@h/x").is(t, exitFailed, "no database engine answers")
	newer := imported(t, sampleFile(t, 50))
	alter(t, newer, "INSERT INTO feedback_loop_versions (version, applied_at) VALUES (99, '2026-01-01 00:00:00.000000')")
	command(t.Context(), "db", "copy", "--from", from, "--to", newer).is(t, exitFailed, "schema version 99", "nothing was changed")
	command(t.Context(), "db", "copy", "--from", newer, "--to", target).is(t, exitFailed, "schema version 99")
	if _, err := os.Stat(target); err == nil {
		t.Error("a target was made although there was nothing to copy")
	}
}

func alter(t testing.TB, path, stmt string) {
	t.Helper()
	if _, err := openRaw(t, path).Exec(stmt); err != nil {
		t.Fatalf("%s: %v", stmt, err)
	}
}

// A difference is an exit code and a name.
func TestDBCopyDiffers(t *testing.T) {
	from, to := imported(t, sampleFile(t, 400)), filepath.Join(t.TempDir(), "to.db")
	stopHalfWay(t, from, to)
	alter(t, to, "UPDATE metrics_deployment SET environment = environment || 'x' WHERE id = 1")
	alter(t, to, "DELETE FROM metrics_monthly WHERE month = (SELECT MIN(month) FROM metrics_monthly)")
	o := command(t.Context(), "db", "copy", "--from", from, "--to", to)
	o.is(t, exitFailed, "differs from its source in metrics_deployment, metrics_monthly", "Begin again with an empty database")
	for _, name := range []string{"metrics_deployment", "metrics_monthly"} {
		if line := lineOf(o.out, name); len(line) != 4 || line[3] != "DIFFERENT" {
			t.Errorf("%s is reported as %v", name, line)
		}
	}
}

// stopHalfWay copies and stops before anything is compared.
func stopHalfWay(t testing.TB, from, to string) {
	t.Helper()
	var ends [2]*sqldb.DB
	for i, path := range []string{from, to} {
		db, err := app.Open(t.Context(), path, true)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		ends[i] = db
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := move.Copy(ctx, ends[0], ends[1], move.Options{Progress: func(done, total int64) {
		if 2*done >= total {
			cancel()
		}
	}})
	if err == nil {
		t.Fatal("the copy was not stopped")
	}
}

// A copy is killed at random moments and run again, there and back: what comes back is what was there.
func TestKilledCopy(t *testing.T) {
	t.Parallel()
	rounds, events := 8, int64(8000)
	if raced || testing.Short() {
		rounds, events = 3, 3000
	}
	if s := os.Getenv(roundsEnv); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	file := sampleFile(t, events)
	rnd := rand.New(rand.NewPCG(uint64(rounds), 5))
	from := imported(t, file)
	server := killCopies(t, rnd, rounds, from, func() string { return pgtest.Shared(t).Database(t) }, "postgresql://")
	path := func() string { return filepath.Join(t.TempDir(), "back.db") }
	back := killCopies(t, rnd, rounds, server, path, "back.db")
	whole := path()
	finish(t, program(t.Context(), t, "db", "copy", "--from", server, "--to", whole)).is(t, exitDone)
	same(t, state(t, back), state(t, whole))
	for _, db := range []string{server, back} {
		finish(t, program(t.Context(), t, "doctor", "--db", db)).is(t, exitDone)
		o := finish(t, program(t.Context(), t, "import", "--db", db, file))
		o.is(t, exitDone)
		if read, inserted, ok := countsOf(o.out); !ok || read != events || inserted != 0 {
			t.Errorf("importing again wrote %d of %d rows", inserted, read)
		}
	}
}

// killCopies kills copies of a database at random moments. Each is run again until it comes to its end, in which case a
// new one is begun; the last one is not killed, and its target is given back.
func killCopies(t testing.TB, rnd *rand.Rand, rounds int, from string, fresh func() string, name string) string {
	t.Helper()
	begin := time.Now()
	finish(t, program(t.Context(), t, "db", "copy", "--from", from, "--to", fresh())).is(t, exitDone)
	took := time.Since(begin)
	to, killed := fresh(), 0
	for range rounds {
		c := program(t.Context(), t, "db", "copy", "--from", from, "--to", to)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rnd.Int64N(int64(took))))
		sig := syscall.SIGKILL
		if rnd.IntN(4) == 0 {
			sig = syscall.SIGTERM
		}
		if err := c.Process.Signal(sig); err != nil {
			t.Log("the copy ended before it was killed")
		}
		if err := c.Wait(); err == nil {
			to = fresh()
			if took > 20*time.Millisecond {
				took = took * 2 / 3 // the machine is faster than it was when the time was taken, or much was there
			}
			continue
		}
		killed++
	}
	if killed < rounds/3 {
		t.Errorf("only %d of %d copies were killed", killed, rounds)
	}
	o := finish(t, program(t.Context(), t, "db", "copy", "--from", from, "--to", to))
	if o.code == exitFailed && strings.Contains(o.errs, "is not empty") { // it was killed behind its end
		return to
	}
	o.is(t, exitDone, "equal", name)
	return to
}
