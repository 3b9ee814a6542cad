package faulttest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
)

// The program is killed at random moments, alone or beside another import of the same file, and run again: the database
// is that of an import that nobody disturbed.
func killedImport(t *testing.T, k *kit) {
	s := k.durable
	f := k.many
	uri := s.Database(t)
	begun := time.Now()
	finish(t, 0, "import", "--db", uri, f.path)
	took := time.Since(begun)
	random := rand.New(rand.NewPCG(9, 9))
	rounds, killed := sqldbtest.Rounds(4), 0
	for round := range rounds {
		uri := s.Database(t)
		for range 2 {
			c, out := start(t, "import", "--db", uri, f.path)
			time.Sleep(time.Duration(random.Int64N(int64(took))))
			_ = c.Process.Kill() // it may have ended
			if c.Wait() != nil {
				killed++
				took += took / 8
			} else if took /= 2; c.ProcessState.ExitCode() != 0 {
				t.Errorf("%s", out)
			}
		}
		if round%2 == 1 {
			other, out := start(t, "import", "--db", uri, f.path)
			doomed, _ := start(t, "import", "--db", uri, f.path)
			time.Sleep(time.Duration(random.Int64N(int64(took))))
			_ = doomed.Process.Kill()
			_ = doomed.Wait() // killed
			if err := other.Wait(); err != nil {
				t.Errorf("the import beside a killed one: %v: %s", err, out)
			}
		}
		finish(t, 0, "import", "--db", uri, f.path)
		holds(t, uri, f)
	}
	if killed < rounds/2 {
		t.Errorf("only %d imports were killed in %d rounds", killed, rounds)
	}
}
