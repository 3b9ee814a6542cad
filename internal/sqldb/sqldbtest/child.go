package sqldbtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// childEnv holds, in a child process, what it has to do: a JSON list of a command and its arguments.
const childEnv = "SQLDBTEST_CHILD"

// Main runs the tests, or, in a process that the suite started, plays the part it was given.
func Main(m *testing.M, e sqldb.Engine) {
	part := os.Getenv(childEnv)
	if part == "" {
		m.Run()
		return
	}
	var args []string
	err := json.Unmarshal([]byte(part), &args)
	if err == nil {
		err = play(context.Background(), Suite{Engine: e}, args)
	}
	if err != nil {
		fmt.Println("failed:", int(fault.KindOf(err)), err)
	}
}

// command is this test binary in another part.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Command(t, self, args...)
}

// Command prepares a copy of the test binary to run one of the parts, each of which begins with the URI:
//
//	migrate URI VERSION  makes or migrates the database, and says "ready" before and "migrated" after
//	write URI            commits bug after bug and says the number of each, until it is killed
//	use URI              opens, migrates, reads and writes, and says "used"
//
// A part that fails says "failed:", the fault's kind as a number, and the error.
func Command(t testing.TB, binary string, args ...string) *exec.Cmd {
	t.Helper()
	part, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), binary)
	c.Env = append(os.Environ(), childEnv+"="+string(part))
	return c
}

// said tells whether a child printed that line.
func said(out []byte, line string) bool {
	return bytes.Contains(append([]byte("\n"), out...), []byte("\n"+line+"\n"))
}

func play(ctx context.Context, s Suite, args []string) error {
	parts := map[string]func(context.Context, Suite, string, []string) error{
		"migrate": playMigrate, "write": playWrite, "use": playUse,
	}
	if len(args) < 2 || parts[args[0]] == nil {
		return fmt.Errorf("no such part: %q", args)
	}
	return parts[args[0]](ctx, s, args[1], args[2:])
}

func playMigrate(ctx context.Context, s Suite, uri string, args []string) error {
	version, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	db, err := s.try(ctx, uri, version)
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx, evolving(version), version, clock()); err != nil {
		return err
	}
	fmt.Println("migrated")
	return db.Close()
}

func playWrite(ctx context.Context, s Suite, uri string, _ []string) error {
	db, err := s.try(ctx, uri, metric.SchemaVersion)
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx, metric.Tables(), metric.SchemaVersion, clock()); err != nil {
		return err
	}
	for n := 0; ; n++ {
		if err := db.Write(ctx, func(tx *sqldb.Tx) error { return pair(ctx, tx, n) }); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// pair writes bug n and its mark in another table, which belong together.
func pair(ctx context.Context, tx *sqldb.Tx, n int) error {
	undated := metric.ImportUndated()
	_, err := tx.Loader(undated, sqldb.Skip).Insert(ctx, []metric.Row{plain(undated, n)})
	return errors.Join(err, put(tx, n))
}

func playUse(ctx context.Context, s Suite, uri string, _ []string) error {
	db, err := s.try(ctx, uri, metric.SchemaVersion)
	if err != nil {
		return err
	}
	err = db.Migrate(ctx, metric.Tables(), metric.SchemaVersion, clock())
	if err == nil {
		err = db.Write(ctx, func(tx *sqldb.Tx) error { return put(tx, 1) })
	}
	var n int64
	if err == nil {
		err = db.Row(ctx, db.Statement("SELECT COUNT(*) FROM metrics_bugs"), &n)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	fmt.Println("used")
	return nil
}

func testKill(t *testing.T, s Suite) {
	cases(t, s, map[string]func(*testing.T, Suite){"Migration": killMigration, "Writer": killWriter})
}

// killMigration kills processes that migrate through all versions, at random moments, then migrates in peace. How long
// a migration takes depends on the machine: the window grows until a process comes to its end, and shrinks then.
func killMigration(t *testing.T, s Suite) {
	random, window, kills, ended := rand.New(rand.NewPCG(1, 2)), 10*time.Millisecond, 0, 0
	for want := Rounds(20); kills < want; {
		uri := s.New(t)
		delay := time.Duration(random.Int64N(int64(window)))
		if killed(t, delay, "migrate", uri, strconv.Itoa(lastMade)) {
			kills++
			window += window / 4
		} else if window /= 2; ended > 2*want {
			t.Fatalf("%d of %d migrations had ended before they were killed", ended, ended+kills)
		} else {
			ended++
		}
		finish(t, s, uri)
	}
	t.Logf("killed %d migrations within up to %v; %d had ended before", kills, window, ended)
}

// finish migrates what a killed process left.
func finish(t *testing.T, s Suite, uri string) {
	t.Helper()
	db, err := s.try(t.Context(), uri, lastMade)
	if err != nil {
		t.Fatal(err)
	}
	had, err := db.Version(t.Context())
	if err != nil || had > 0 && had != int(number(t, db, "SELECT COUNT(*) FROM "+versionTable(t, db))) {
		t.Errorf("version %d after the kill, %v", had, err)
	}
	if had > 0 {
		wantColumns(t, db, evolving(had))
	}
	if err := db.Migrate(t.Context(), evolving(lastMade), lastMade, clock()); err != nil {
		t.Errorf("killed at version %d: %v", had, err)
	}
	wantColumns(t, db, evolving(lastMade))
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// spawn starts a process and waits for its first line.
func spawn(t *testing.T, c *exec.Cmd) *bufio.Reader {
	t.Helper()
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatalf("the process said nothing: %v", err)
	}
	return out
}

// killed runs a part and kills it that long after its first line; it is false if the part had ended before.
func killed(t *testing.T, delay time.Duration, args ...string) bool {
	t.Helper()
	c := command(t, args...)
	out := spawn(t, c)
	time.Sleep(delay)
	_ = c.Process.Kill() // it may have ended
	rest, err := io.ReadAll(out)
	_ = c.Wait()
	if err != nil || strings.Contains(string(rest), "failed:") {
		t.Errorf("%v: %s", err, rest)
	}
	return !said(rest, "migrated")
}

// killWriter kills a process that commits one pair after another. What it acknowledged must be there, whole, and
// nothing but perhaps one more pair.
func killWriter(t *testing.T, s Suite) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range Rounds(5) {
		uri := s.New(t)
		c := command(t, "write", uri)
		out := spawn(t, c) // the first pair
		time.Sleep(time.Duration(5+random.IntN(40)) * time.Millisecond)
		_ = c.Process.Kill()
		rest, _ := io.ReadAll(out)
		_ = c.Wait()
		acknowledged := 1 + strings.Count(string(rest), "\n")
		db, err := s.try(t.Context(), uri, metric.SchemaVersion)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		have := int(number(t, db, "SELECT COUNT(*) FROM metrics_bugs"))
		if have < acknowledged || have > acknowledged+1 {
			t.Errorf("round %d: %d pairs were acknowledged, %d are there", round, acknowledged, have)
		}
		wantNumber(t, db, int64(have), "SELECT COUNT(*) FROM metrics_bugs b JOIN import_undated u ON u.event_key = b.event_key")
		wantNumber(t, db, int64(have), "SELECT COUNT(*) FROM import_undated")
		insertBugs(t, db, have+1)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
