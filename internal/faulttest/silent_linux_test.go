package faulttest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// islandEnv holds, in a process with a network of its own, the folder of a server and the URI of a database there.
const islandEnv = "FAULTTEST_ISLAND"

// silentMachine lets a network go down without a word, under a statement that waits for its answer and under one that is
// just being sent: both find out within the half minute that the connection may be silent, and some seconds.
func silentMachine(t *testing.T, k *kit) {
	testkit.RequireCommand(t, "ip", "ip")
	uri := k.durable.Database(t)
	open(t, uri, sqldb.Options{})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, "-test.run", "^TestIsland$", "-test.v")
	c.Env = append(os.Environ(), islandEnv+"="+k.durable.Dir+" "+uri)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err = c.Start()
	testkit.Require(t, "root", err == nil, fmt.Sprint("no network of its own: ", err))
	if err := c.Wait(); err != nil || strings.Count(out.String(), "found out after") != 2 {
		t.Errorf("%v: %s", err, &out)
	}
}

// TestIsland is what silentMachine does in its process; alone it has nothing to do.
func TestIsland(t *testing.T) {
	dir, uri, ok := strings.Cut(os.Getenv(islandEnv), " ")
	if !ok {
		return
	}
	link := func(state string) {
		t.Helper()
		if out, err := exec.Command("ip", "link", "set", "lo", state).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	link("up")
	_, through := newProxy(t, &pgtest.Server{Dir: dir}, uri)
	db, err := app.Connect(t.Context(), through, sqldb.Options{Limits: sqldb.Limits{Read: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	var down time.Time
	found := func(err error) {
		t.Helper()
		fails(t, err, "", fault.Disconnected)
		if took := time.Since(down); took > 45*time.Second {
			t.Errorf("found out only after %v: %v", took, err)
		} else {
			t.Logf("found out after %v: %v", took, err)
		}
	}
	ready, gone := make(chan bool, 1), make(chan bool)
	var wg sync.WaitGroup
	wg.Go(func() {
		var x int
		err := db.Row(context.Background(), db.Statement("SELECT 1 FROM pg_sleep(3600)"), &x)
		found(err)
	})
	wg.Go(func() {
		err := db.Write(context.Background(), func(tx *sqldb.Tx) error {
			ready <- true
			<-gone
			_, err := tx.Insert(metric.RollupDirty(), metric.Row{int64(1), "bugs", "2026-01-01"})
			return err
		})
		found(err)
	})
	<-ready
	time.Sleep(500 * time.Millisecond)
	down = time.Now()
	link("down")
	close(gone)
	wg.Wait()
}
