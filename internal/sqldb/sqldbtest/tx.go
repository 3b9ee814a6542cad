package sqldbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

func testTx(t *testing.T, s Suite) {
	cases(t, s, map[string]func(*testing.T, Suite){
		"Commit": txCommit, "Error": txError, "Dead": txDead, "DeadIgnored": txDeadIgnored, "NoRows": txNoRows,
		"Scan": txScan, "Panic": txPanic, "Goexit": txGoexit, "Try": txTry, "Late": txLate,
	})
}

// put inserts bug number n.
func put(tx *sqldb.Tx, n int) error {
	_, err := tx.Insert(bugs(), plain(bugs(), n))
	return err
}

func wantBugs(t testing.TB, db *sqldb.DB, want int64) {
	t.Helper()
	wantNumber(t, db, want, "SELECT COUNT(*) FROM metrics_bugs")
}

func txCommit(t *testing.T, s Suite) {
	uri := s.New(t)
	db := s.open(t, uri, metric.SchemaVersion)
	migrate(t, db)
	write(t, db, func(tx *sqldb.Tx) error {
		if err := errors.Join(put(tx, 0), put(tx, 1)); err != nil {
			return err
		}
		n, err := tx.Exec(tx.Statement("UPDATE metrics_bugs SET error = ? WHERE line = ?", "it's", int64(1)))
		if n != 1 {
			t.Errorf("%d rows changed, want 1", n)
		}
		var inside int64
		err = errors.Join(err, tx.Row(tx.Statement("SELECT COUNT(*) FROM metrics_bugs"), &inside))
		if inside != 2 {
			t.Errorf("the transaction sees %d of its 2 rows", inside)
		}
		return err
	})
	wantBugs(t, db, 2)
	wantNumber(t, s.open(t, uri, metric.SchemaVersion), 1, "SELECT COUNT(*) FROM metrics_bugs WHERE error = ?", "it's")
}

func txError(t *testing.T, s Suite) {
	db := s.fresh(t)
	mine := errors.New("changed my mind")
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		return errors.Join(put(tx, 0), mine)
	})
	if !errors.Is(err, mine) {
		t.Errorf("error %v", err)
	}
	wantBugs(t, db, 0)
	insertBugs(t, db, 1) // the connection is usable
}

// txDead calls everything after an error and wants that error back each time.
func txDead(t *testing.T, s Suite) {
	db := s.fresh(t)
	var first error
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_ = put(tx, 0)
		_, first = tx.Exec(tx.Statement("INSERT INTO no_such_table VALUES (?)", int64(1)))
		for name, later := range afterwards(t.Context(), tx) {
			if !errors.Is(later, first) || first == nil {
				t.Errorf("%s after %v gives %v", name, first, later)
			}
		}
		return nil
	})
	if !errors.Is(err, first) {
		t.Errorf("Write gives %v, want %v", err, first)
	}
	wantBugs(t, db, 0)
	insertBugs(t, db, 1)
}

func afterwards(ctx context.Context, tx *sqldb.Tx) map[string]error {
	all := map[string]error{}
	_, all["Exec"] = tx.Exec(tx.Statement("DELETE FROM metrics_bugs"))
	_, all["Insert"] = tx.Insert(bugs(), plain(bugs(), 1))
	_, all["Loader.Insert"] = tx.Loader(bugs(), sqldb.Skip).Insert(ctx, plains(bugs(), 2, 4))
	_, all["Loader.Find"] = tx.Loader(bugs(), sqldb.Skip).Find(ctx, plains(bugs(), 0, 1))
	var n int64
	all["Row"] = tx.Row(tx.Statement("SELECT 1"), &n)
	all["Query"] = tx.Query(tx.Statement("SELECT 1"), func(*sql.Rows) error { return nil })
	return all
}

// txDeadIgnored fails in each possible way, ignores that, goes on writing, and claims success.
func txDeadIgnored(t *testing.T, s Suite) {
	db := s.fresh(t)
	insertBugs(t, db, 1)
	for name, fail := range map[string]func(*sqldb.Tx){
		"syntax":   func(tx *sqldb.Tx) { _, _ = tx.Exec(tx.Statement("NONSENSE")) },
		"null":     func(tx *sqldb.Tx) { _, _ = tx.Exec(tx.Statement("UPDATE metrics_bugs SET error = ?", nil)) },
		"unique":   func(tx *sqldb.Tx) { twice(tx) },
		"row":      func(tx *sqldb.Tx) { _ = tx.Row(tx.Statement("SELECT x FROM no_such_table"), new(int)) },
		"row scan": func(tx *sqldb.Tx) { _ = tx.Row(tx.Statement("SELECT 'text'"), new(int64)) },
		"query":    func(tx *sqldb.Tx) { _ = tx.Query(tx.Statement("SELECT x FROM no_such_table"), nil) },
		"callback": func(tx *sqldb.Tx) {
			_ = tx.Query(tx.Statement("SELECT 1"), func(*sql.Rows) error { return errors.New("no") })
		},
		"loader": func(tx *sqldb.Tx) { _, _ = tx.Insert(bugs(), make(metric.Row, len(bugs().Columns))) },
	} {
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_ = put(tx, 10)
			fail(tx)
			_ = put(tx, 11)
			return nil
		})
		if err == nil {
			t.Errorf("%s: the error was lost", name)
		}
		if n := number(t, db, "SELECT COUNT(*) FROM metrics_bugs"); n != 1 {
			t.Fatalf("%s: %d rows, want 1: something was committed", name, n)
		}
	}
}

// twice breaks the unique key by a statement of its own.
func twice(tx *sqldb.Tx) {
	_, _ = tx.Exec(tx.Statement("INSERT INTO rollup_dirty (organization_id, metric_type, day) VALUES (1, ?, ?), (1, ?, ?)",
		"bugs", "2024-02-29", "bugs", "2024-02-29"))
}

func txNoRows(t *testing.T, s Suite) {
	db := s.fresh(t)
	write(t, db, func(tx *sqldb.Tx) error {
		if err := tx.Row(tx.Statement("SELECT id FROM metrics_bugs"), new(int64)); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("no row gives %v", err)
		}
		return put(tx, 0)
	})
	wantBugs(t, db, 1)
	if err := db.Row(t.Context(), db.Statement("SELECT id FROM metrics_bugs WHERE 1 = 0"), new(int64)); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("no row gives %v", err)
	}
}

// txScan reads several rows within the transaction that wrote them.
func txScan(t *testing.T, s Suite) {
	db := s.fresh(t)
	write(t, db, func(tx *sqldb.Tx) error {
		if err := errors.Join(put(tx, 0), put(tx, 1), put(tx, 2)); err != nil {
			return err
		}
		var sum int64
		err := tx.Query(tx.Statement("SELECT line FROM metrics_bugs WHERE line > ?", int64(1)), func(r *sql.Rows) error {
			var n int64
			err := r.Scan(&n)
			sum += n
			return err
		})
		if sum != 2+3 {
			t.Errorf("sum of the lines is %d, want 5", sum)
		}
		return err
	})
}

func txPanic(t *testing.T, s Suite) {
	db := s.fresh(t)
	func() {
		defer func() {
			if v := recover(); v != "boom" {
				t.Errorf("recovered %v, want the panic of the function", v)
			}
		}()
		_ = db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_ = put(tx, 0)
			panic("boom")
		})
	}()
	wantBugs(t, db, 0)
	insertBugs(t, db, 1)
}

// txGoexit leaves the function as t.FailNow does.
func txGoexit(t *testing.T, s Suite) {
	db := s.fresh(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_ = put(tx, 0)
			runtime.Goexit()
			return nil
		})
	}()
	<-done
	wantBugs(t, db, 0)
	insertBugs(t, db, 1)
}

func txTry(t *testing.T, s Suite) {
	db := s.fresh(t)
	err := db.Try(t.Context(), func(tx *sqldb.Tx) error {
		if err := put(tx, 0); err != nil {
			return err
		}
		var n int64
		err := tx.Row(tx.Statement("SELECT COUNT(*) FROM metrics_bugs"), &n)
		if n != 1 {
			t.Errorf("Try sees %d of its own rows, want 1", n)
		}
		return err
	})
	if err != nil {
		t.Errorf("Try of what is possible gives %v", err)
	}
	if err := db.Try(t.Context(), func(tx *sqldb.Tx) error { return tx.Row(tx.Statement("NONSENSE"), new(int)) }); err == nil {
		t.Error("Try of nonsense gives no error")
	}
	wantBugs(t, db, 0)
	insertBugs(t, db, 1)
}

// txLate uses transactions after their end.
func txLate(t *testing.T, s Suite) {
	db := s.fresh(t)
	for name, run := range map[string]func(func(*sqldb.Tx) error) error{
		"committed":   func(f func(*sqldb.Tx) error) error { return db.Write(t.Context(), f) },
		"rolled back": func(f func(*sqldb.Tx) error) error { return db.Try(t.Context(), f) },
	} {
		var kept *sqldb.Tx
		if err := run(func(tx *sqldb.Tx) error { kept = tx; return nil }); err != nil {
			t.Fatal(err)
		}
		for call, err := range afterwards(t.Context(), kept) {
			if !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("%s after the transaction was %s gives %v", call, name, err)
			}
		}
	}
	wantBugs(t, db, 0)
}

func testCancel(t *testing.T, s Suite) {
	cases(t, s, map[string]func(*testing.T, Suite){
		"Before": cancelBefore, "Between": cancelBetween, "BeforeCommit": cancelBeforeCommit, "Within": cancelWithin,
		"Waiting": cancelWaiting, "Locked": cancelLocked,
	})
}

func cancelBefore(t *testing.T, s Suite) {
	db := s.fresh(t)
	cause := errors.New("no longer wanted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	err := db.Write(ctx, func(*sqldb.Tx) error {
		t.Error("the function was called")
		return nil
	})
	if !errors.Is(err, context.Canceled) && !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	if err := db.Query(ctx, db.Statement("SELECT 1"), func(*sql.Rows) error { return nil }); err == nil {
		t.Error("a query with a dead context gives no error")
	}
}

func cancelBetween(t *testing.T, s Suite) {
	db := s.fresh(t)
	cause := errors.New("no longer wanted")
	for range 40 {
		ctx, cancel := context.WithCancelCause(t.Context())
		err := db.Write(ctx, func(tx *sqldb.Tx) error {
			_ = put(tx, 0)
			cancel(cause)
			_ = put(tx, 1)
			_, _ = tx.Exec(tx.Statement("UPDATE metrics_bugs SET line = ?", int64(7)))
			return nil
		})
		if !errors.Is(err, cause) {
			t.Errorf("error %v, want the cause of the cancellation", err)
		}
	}
	wantBugs(t, db, 0)
}

func cancelBeforeCommit(t *testing.T, s Suite) {
	db := s.fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Write(ctx, func(tx *sqldb.Tx) error {
		defer cancel()
		return put(tx, 0)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	wantBugs(t, db, 0)
}

// cancelWithin lets a statement's time run out while it works, goes on writing regardless, and counts what escaped
// the rollback. Plain database/sql lets 40 of 40 such writes escape on SQLite.
func cancelWithin(t *testing.T, s Suite) {
	db := s.fresh(t)
	stray := 0
	for n := range 40 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n%8+1)*250*time.Microsecond)
		err := db.Write(ctx, func(tx *sqldb.Tx) error {
			_ = put(tx, 2*n)
			_, _ = tx.Exec(tx.Statement("UPDATE metrics_bugs SET line = (" + slow(5000) + ")"))
			<-ctx.Done()
			_ = put(tx, 2*n+1)
			return nil
		})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("round %d: error %v", n, err)
		}
		if number(t, db, "SELECT COUNT(*) FROM metrics_bugs") != 0 {
			stray++
			write(t, db, func(tx *sqldb.Tx) error {
				_, err := tx.Exec(tx.Statement("DELETE FROM metrics_bugs"))
				return err
			})
		}
	}
	if stray > 0 {
		t.Errorf("%d of 40 cancelled transactions left rows", stray)
	}
}

// slow is a query that counts n rows it makes up.
func slow(n int) string {
	return fmt.Sprintf("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT COUNT(*) FROM n", n)
}

// cancelWaiting gives up while another transaction of the same handle has the turn. An engine that lets both write
// at once has nothing to wait for.
func cancelWaiting(t *testing.T, s Suite) {
	db := s.fresh(t)
	var want int64
	write(t, db, func(*sqldb.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := db.Write(ctx, func(tx *sqldb.Tx) error { return put(tx, 0) }); err == nil {
			want = 1
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		return nil
	})
	wantBugs(t, db, want)
}

// cancelLocked gives up while another process has the turn, long before the engine would.
func cancelLocked(t *testing.T, s Suite) {
	uri := s.New(t)
	db, other := s.open(t, uri, metric.SchemaVersion), s.open(t, uri, metric.SchemaVersion)
	migrate(t, db)
	var want int64
	write(t, db, func(tx *sqldb.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := other.Write(ctx, func(tx *sqldb.Tx) error { return put(tx, 0) }); err == nil {
			want = 1
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("gave up after %v", took)
		}
		return put(tx, 1)
	})
	for n := 2; n < 5; n++ {
		write(t, other, func(tx *sqldb.Tx) error { return put(tx, n) })
	}
	wantBugs(t, db, want+4)
}
