package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// pooled opens a database of its own with a pool, and gives a way to list the processes of the server that work for it.
func pooled(t *testing.T, o sqldb.PoolOptions) (db *sqldb.DB, pids func() string) {
	t.Helper()
	uri := pgtest.Shared(t).Database(t)
	name := "pool of " + t.Name()
	db, err := sqldb.Open(t.Context(), []sqldb.Engine{postgres.Engine{}}, uri+"&application_name="+strings.ReplaceAll(name, " ", "%20"), sqldb.Options{Pool: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, func() string {
		return strings.Join(column(t, uri, "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pool of %' ORDER BY pid"), " ")
	}
}

// number is how many there are in a list with blanks.
func number(list string) int { return len(strings.Fields(list)) }

// hold lets n readers meet within their statements, looks, and lets them go.
func hold(t *testing.T, db *sqldb.DB, n int, look func()) {
	t.Helper()
	var inside, all sync.WaitGroup
	inside.Add(n)
	leave := make(chan struct{})
	for range n {
		all.Go(func() {
			err := db.Query(t.Context(), db.Statement("SELECT 1"), func(*sql.Rows) error {
				inside.Done()
				<-leave
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	inside.Wait()
	look()
	close(leave)
	all.Wait()
}

// The pool's size is what stays, size and overflow are what there may be; who comes then waits.
func TestPoolBounds(t *testing.T) {
	for _, c := range []struct{ size, overflow, most, stay int }{{2, 3, 5, 2}, {3, -1, 3, 3}, {1, 1, 2, 1}} {
		t.Run(fmt.Sprint(c.size, c.overflow), func(t *testing.T) {
			db, pids := pooled(t, sqldb.PoolOptions{Size: c.size, Overflow: c.overflow})
			hold(t, db, c.most, func() {
				if n := number(pids()); n != c.most {
					t.Errorf("%d connections, want %d", n, c.most)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				if err := db.Ping(ctx); ctx.Err() == nil || err == nil {
					t.Errorf("one more got a connection (%v)", err)
				}
				if n := number(pids()); n != c.most {
					t.Errorf("%d connections, want %d", n, c.most)
				}
			})
			eventually(t, func() bool { return number(pids()) == c.stay })
		})
	}
}

// Without options the pool is what SQLAlchemy's users are told to set: 10 that stay, 20 more.
func TestPoolDefaults(t *testing.T) {
	db, pids := pooled(t, sqldb.PoolOptions{})
	hold(t, db, 30, func() {
		if n := number(pids()); n != 30 {
			t.Errorf("%d connections", n)
		}
	})
	eventually(t, func() bool { return number(pids()) == 10 })
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("it did not come to that")
			return
		}
	}
}

// A connection older than the recycle time is replaced before it is used again.
func TestPoolRecycles(t *testing.T) {
	db, pids := pooled(t, sqldb.PoolOptions{Size: 1, Overflow: -1, Recycle: 50 * time.Millisecond})
	first := pids()
	eventually(t, func() bool {
		if err := db.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		now := pids()
		return now != "" && now != first
	})
	db, pids = pooled(t, sqldb.PoolOptions{Size: 1, Overflow: -1})
	if first = pids(); number(first) != 1 {
		t.Errorf("connections %s", first)
	}
	time.Sleep(100 * time.Millisecond)
	if err := db.Ping(t.Context()); err != nil || pids() != first {
		t.Errorf("a young connection was replaced: %s by %s, %v", first, pids(), err)
	}
}

// A connection that died while nobody used it is noticed before it is used, unless nobody wants that.
func TestPoolPrePing(t *testing.T) {
	for _, noPing := range []bool{false, true} {
		db, pids := pooled(t, sqldb.PoolOptions{Size: 1, Overflow: -1, NoPing: noPing})
		if n := number(pids()); n != 1 {
			t.Fatalf("%d connections", n)
		}
		failures := 0
		for range 5 {
			pid := pids()
			column(t, pgtest.Shared(t).URI("postgres", "postgres"), "SELECT pg_terminate_backend("+pid+")::text")
			eventually(t, func() bool { return pids() == "" })
			if err := db.Ping(t.Context()); err != nil {
				failures++
				if err := db.Ping(t.Context()); err != nil {
					t.Errorf("the pool did not recover: %v", err)
				}
			}
		}
		if !noPing && failures > 0 {
			t.Errorf("%d of 5 dead connections were used", failures)
		}
		if noPing && failures == 0 {
			t.Error("without the check no dead connection was noticed by its use, so this test shows nothing")
		}
	}
}
