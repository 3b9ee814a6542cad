package sqldbtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

func testConcurrent(t *testing.T, s Suite) {
	cases(t, s, map[string]func(*testing.T, Suite){
		"Writers": writers, "SameRow": writersOfSameRow, "Readers": readers, "Locked": locked,
	})
}

const (
	handles  = 3
	perDB    = 3 // goroutines on each handle
	perActor = 8 // transactions of each goroutine
)

// together runs the function as every actor at once: several goroutines on several handles of one database.
func together(t *testing.T, s Suite, act func(db *sqldb.DB, actor, round int) error) *sqldb.DB {
	t.Helper()
	uri := s.New(t)
	db := s.open(t, uri, metric.SchemaVersion)
	migrate(t, db)
	var wg sync.WaitGroup
	for h := range handles {
		own := s.open(t, uri, metric.SchemaVersion)
		for g := range perDB {
			wg.Go(func() {
				for round := range perActor {
					if err := act(own, h*perDB+g, round); err != nil {
						t.Errorf("actor %d, round %d: %v", h*perDB+g, round, err)
					}
				}
			})
		}
	}
	wg.Wait()
	return db
}

// writers add to one total and write rows of their own; nothing may be refused or lost.
func writers(t *testing.T, s Suite) {
	total := metric.Daily()
	db := together(t, s, func(db *sqldb.DB, actor, round int) error {
		return db.Write(t.Context(), func(tx *sqldb.Tx) error {
			row := plain(total, 0)
			row[total.Position("occurrences")] = int64(1)
			_, err := tx.Loader(total, sqldb.Add).Insert(t.Context(), []metric.Row{row})
			return errors.Join(err, put(tx, actor*perActor+round))
		})
	})
	all := int64(handles * perDB * perActor)
	wantBugs(t, db, all)
	wantNumber(t, db, all, "SELECT occurrences FROM metrics_daily")
	wantNumber(t, db, all, "SELECT COUNT(DISTINCT event_key) FROM metrics_bugs")
}

// writersOfSameRow race for the same identities; each has one winner.
func writersOfSameRow(t *testing.T, s Suite) {
	var mu sync.Mutex
	winners := map[int]int{}
	db := together(t, s, func(db *sqldb.DB, _, round int) error {
		var id int64
		err := db.Write(t.Context(), func(tx *sqldb.Tx) (err error) {
			id, err = tx.Insert(bugs(), plain(bugs(), round))
			return err
		})
		mu.Lock()
		defer mu.Unlock()
		if id != 0 {
			winners[round]++
		}
		return err
	})
	wantBugs(t, db, perActor)
	for round := range perActor {
		if winners[round] != 1 {
			t.Errorf("row %d was written by %d, want 1", round, winners[round])
		}
	}
}

// readers read while a transaction is open: what is committed, and without waiting for it.
func readers(t *testing.T, s Suite) {
	db := s.fresh(t)
	insertBugs(t, db, 3)
	write(t, db, func(tx *sqldb.Tx) error {
		for n := 3; n < 200; n++ {
			if err := put(tx, n); err != nil {
				return err
			}
		}
		started := time.Now()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 5 {
					wantBugs(t, db, 3)
				}
			})
		}
		wg.Wait()
		if took := time.Since(started); took > 5*time.Second {
			t.Errorf("reading beside a transaction took %v", took)
		}
		return put(tx, 200)
	})
	wantBugs(t, db, 201)
}

// locked lets a second handle come while the first one writes and does not end.
func locked(t *testing.T, s Suite) {
	uri := s.New(t)
	db := s.open(t, uri, metric.SchemaVersion)
	migrate(t, db)
	hasty, err := sqldb.Open(t.Context(), []sqldb.Engine{s.Engine}, uri,
		sqldb.Options{Version: metric.SchemaVersion, Wait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer hasty.Close()
	write(t, db, func(tx *sqldb.Tx) error {
		if err := put(tx, 0); err != nil {
			return err
		}
		err := hasty.Write(t.Context(), func(tx *sqldb.Tx) error { return put(tx, 0) })
		wantKind(t, err, fault.Unavailable)
		wantRemedy(t, err)
		wantNumber(t, hasty, 0, "SELECT COUNT(*) FROM metrics_bugs")
		migrate(t, hasty) // there is nothing to do, so nothing to wait for
		return nil
	})
	if err := hasty.Write(t.Context(), func(tx *sqldb.Tx) error { return put(tx, 1) }); err != nil {
		t.Errorf("after the lock is gone: %v", err)
	}
	wantBugs(t, db, 2)
}

func wantRemedy(t testing.TB, err error) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Remedy == "" {
		t.Errorf("no remedy in %v", err)
	}
}

// testRace lets several starters migrate at once: handles of this process, and processes.
func testRace(t *testing.T, s Suite) {
	t.Run("Handles", func(t *testing.T) {
		t.Parallel()
		for round := range Rounds(20) {
			raceHandles(t, s, round)
		}
	})
	t.Run("Processes", func(t *testing.T) {
		t.Parallel()
		for range Rounds(20) {
			raceProcesses(t, s)
		}
	})
}

const starters = 5

func raceHandles(t *testing.T, s Suite, round int) {
	uri := s.New(t)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for range starters {
		wg.Go(func() {
			<-gate
			if err := start(t, s, uri); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
		})
	}
	close(gate)
	wg.Wait()
	wantMigratedOnce(t, s, uri)
}

func start(t *testing.T, s Suite, uri string) error {
	db, err := s.try(t.Context(), uri, raceVersion)
	if err != nil {
		return err
	}
	err = db.Migrate(t.Context(), evolving(raceVersion), raceVersion, clock())
	return errors.Join(err, db.Close())
}

// raceVersion is where the racers go: more than one step, so that they overtake each other.
const raceVersion = metric.SchemaVersion + 2

func wantMigratedOnce(t *testing.T, s Suite, uri string) {
	t.Helper()
	db, err := s.try(t.Context(), uri, raceVersion)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	steps := versionTable(t, db)
	wantNumber(t, db, raceVersion, "SELECT COUNT(*) FROM "+steps)
	wantNumber(t, db, raceVersion*(raceVersion+1)/2, "SELECT SUM(version) FROM "+steps)
	wantColumns(t, db, evolving(raceVersion))
}

func raceProcesses(t *testing.T, s Suite) {
	uri := s.New(t)
	var wg sync.WaitGroup
	for range starters {
		wg.Go(func() {
			if out, err := command(t, "migrate", uri, fmt.Sprint(raceVersion)).CombinedOutput(); err != nil || !said(out, "migrated") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	wantMigratedOnce(t, s, uri)
}
