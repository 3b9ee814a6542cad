package move_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/move"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// stopped copies until so many rows were handled, of those that are to be copied and then compared.
func stopped(t testing.TB, from, to *sqldb.DB, part float64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := move.Copy(ctx, from, to, move.Options{Progress: func(done, total int64) {
		if float64(done) >= part*float64(total) {
			cancel()
		}
	}})
	wantFault(t, err, fault.Unavailable, "interrupted", "Run it again to continue it.")
}

func wantFault(t testing.TB, err error, kind fault.Kind, parts ...string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Fatalf("the error is %v, of kind %d, want kind %d", err, fault.KindOf(err), kind)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q is not said in %q", p, err)
		}
	}
}

// A copy that was stopped anywhere, any number of times, goes on where it was and ends as one that was not.
func TestResume(t *testing.T) {
	thereAndBack(t, func(t *testing.T, from, to string) {
		src, files := filled(t, from, 3000)
		dst := fresh(t, to)
		rows := int64(0)
		for _, part := range []float64{0.01, 0.1, 0.2, 0.4, 0.7} {
			stopped(t, src, dst, part)
			n := number(t, dst, "SELECT SUM(row_count) FROM copy_progress")
			if n < rows || n == 0 {
				t.Errorf("%d rows are in after %d", n, rows)
			}
			rows = n
		}
		if rep := copied(t, src, dst); !rep.Resumed {
			t.Error("the report does not say that the copy was continued")
		}
		sameRows(t, src, dst)
		healthy(t, dst)
		again(t, dst, files...)
	})
}

// What is copied is not copied twice.
func TestResumeDoesNotRepeat(t *testing.T) {
	src, _ := filled(t, sqlite, 2000)
	dst := fresh(t, postgres)
	stopped(t, src, dst, 0.45)
	exec(t, dst, "UPDATE metrics_bugs SET pattern = 'changed'") // would be undone by copying once more
	rep, err := move.Copy(t.Context(), src, dst, move.Options{})
	if err != nil || !rep.Resumed || len(rep.Differing()) != 1 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// An unfinished copy is continued from its source alone, as that was.
func TestUnfinished(t *testing.T) {
	src, _ := filled(t, sqlite, 1000)
	dst, third := fresh(t, postgres), fresh(t, sqlite)
	other, _ := filled(t, sqlite, 900)
	stopped(t, src, dst, 0.2)
	for _, merge := range []bool{false, true} {
		_, err := move.Copy(t.Context(), other, dst, move.Options{Merge: merge})
		wantFault(t, err, fault.Conflict, "unfinished copy of another database, "+src.Where(), "Finish that first")
	}
	_, err := move.Copy(t.Context(), dst, third, move.Options{})
	wantFault(t, err, fault.Conflict, "is an unfinished copy of "+src.Where())
	load(t, src, made(t, 50, 8))
	_, err = move.Copy(t.Context(), src, dst, move.Options{})
	wantFault(t, err, fault.Conflict, "which has changed since", "Begin again with an empty database")
}

// Somebody who writes into the target while it is filled is noticed.
func TestStranger(t *testing.T) {
	thereAndBack(t, func(t *testing.T, from, to string) {
		src, files := filled(t, from, 1000)
		dst := fresh(t, to)
		stopped(t, src, dst, 0.0)
		load(t, dst, files...)
		_, err := move.Copy(t.Context(), src, dst, move.Options{})
		if err == nil || !strings.Contains(err.Error(), "metrics_bugs: ") {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestRefused(t *testing.T) {
	thereAndBack(t, func(t *testing.T, from, to string) {
		src, _ := filled(t, from, 500)
		dst := fresh(t, to)
		put(t, dst, metric.ImportUndated(), metric.Row{"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", now()})
		_, err := move.Copy(t.Context(), src, dst, move.Options{})
		wantFault(t, err, fault.Conflict, dst.Where()+" is not empty: there are rows in import_undated", "--merge")
		if n := number(t, dst, "SELECT COUNT(*) FROM metrics_bugs"); n > 0 {
			t.Errorf("%d rows were copied all the same", n)
		}
		exec(t, dst, "DELETE FROM import_undated")
		put(t, dst, metric.Leases(), metric.Row{"refresh", "a server", now()}) // of no interest
		copied(t, src, dst)

		exec(t, src, "INSERT INTO feedback_loop_versions (version, applied_at) VALUES (?, ?)", int64(metric.SchemaVersion+1), now())
		_, err = move.Copy(t.Context(), src, fresh(t, to), move.Options{})
		wantFault(t, err, fault.Conflict, src.Where()+" has schema version 3")
		exec(t, src, "DELETE FROM feedback_loop_versions WHERE version > 1")
		_, err = move.Copy(t.Context(), src, fresh(t, to), move.Options{})
		wantFault(t, err, fault.Conflict, src.Where()+" has schema version 1", "feedback-loop db migrate --db")
	})
}

// One database is known under all its names.
func TestSame(t *testing.T) {
	path := uri(t, sqlite)
	src := at(t, path)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	first := uri(t, postgres)
	for _, pair := range [][2]*sqldb.DB{{src, at(t, link)}, {at(t, first), at(t, pgtest.Shared(t).Super(first))}} {
		_, err := move.Copy(t.Context(), pair[0], pair[1], move.Options{Merge: true})
		wantFault(t, err, fault.Conflict, "are the same database")
	}
	copied(t, at(t, first), at(t, uri(t, postgres))) // of the same server
}

// While a copy runs nobody writes to its source: what an import would add is either in both or in neither.
func TestFrozen(t *testing.T) {
	for _, engine := range []string{sqlite, postgres} {
		t.Run(engine, func(t *testing.T) {
			place := uri(t, engine)
			src := at(t, place)
			load(t, src, made(t, 1000, 1))
			impatient, err := sqldb.Open(t.Context(), []sqldb.Engine{src.Engine()}, place, sqldb.Options{Version: metric.SchemaVersion, Wait: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer impatient.Close()
			asked := 0
			_, err = move.Copy(t.Context(), src, fresh(t, sqlite), move.Options{Progress: func(done, total int64) {
				if asked++; asked > 3 {
					return
				}
				err := impatient.Write(t.Context(), func(*sqldb.Tx) error { return nil })
				if fault.KindOf(err) != fault.Unavailable {
					t.Errorf("a writer is told %v", err)
				}
			}})
			if err != nil || asked < 3 {
				t.Error(asked, err)
			}
		})
	}
}

// A server that goes away ends the copy with a clear message; when it is back the copy goes on.
func TestLostServer(t *testing.T) {
	src, files := filled(t, sqlite, 2000)
	server := pgtest.New(t)
	place := server.Database(t)
	dst := at(t, place)
	calls := 0
	_, err := move.Copy(t.Context(), src, dst, move.Options{Progress: func(int64, int64) {
		if calls++; calls == 10 {
			if err := server.Ctl("stop", "-m", "immediate"); err != nil {
				t.Error(err)
			}
		}
	}})
	wantFault(t, err, fault.Disconnected, "writing "+dst.Where(), "un this again")
	if err := server.Ctl("start"); err != nil {
		t.Fatal(err)
	}
	dst = at(t, place)
	if rep := copied(t, src, dst); !rep.Resumed {
		t.Error("the copy began anew")
	}
	sameRows(t, src, dst)
	again(t, dst, files...)

	load(t, src, made(t, 300, 5))
	calls = 0
	_, err = move.Copy(t.Context(), dst, fresh(t, sqlite), move.Options{Progress: func(int64, int64) {
		if calls++; calls == 10 {
			if err := server.Ctl("stop", "-m", "immediate"); err != nil {
				t.Error(err)
			}
		}
	}})
	wantFault(t, err, fault.Disconnected, "reading "+dst.Where())
	if errors.Is(err, context.Canceled) {
		t.Error("nobody interrupted the copy")
	}
}

// A row that the target cannot hold ends the copy, and is named.
func TestUnstorable(t *testing.T) {
	for name, c := range map[string]struct{ column, value, want string }{
		"NUL":       {"extra", `{"a":"\u0000"}`, "a character that PostgreSQL cannot store"},
		"long text": {"pattern", strings.Repeat("x", 256), "too long"},
		"no JSON":   {"extra", "{", "json"},
	} {
		t.Run(name, func(t *testing.T) {
			src, _ := filled(t, sqlite, 1000)
			exec(t, src, "UPDATE metrics_bugs SET "+c.column+" = ? WHERE id = 150", c.value)
			_, err := move.Copy(t.Context(), src, fresh(t, postgres), move.Options{})
			if err == nil || !strings.Contains(err.Error(), "metrics_bugs: writing postgresql://") || !strings.Contains(err.Error(), "row [150]: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
