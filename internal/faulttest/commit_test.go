package faulttest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
)

// stamp makes databases that have the schema already, each for one import.
type stamp struct {
	s    *pgtest.Server
	uri  string
	made atomic.Int64
}

func newStamp(t testing.TB, s *pgtest.Server) *stamp {
	t.Helper()
	st := &stamp{s: s, uri: s.Database(t)}
	if err := open(t, st.uri, sqldb.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	return st
}

// next gives the URI of a new database.
func (st *stamp) next(t testing.TB) string {
	t.Helper()
	template, err := pgx.ParseConfig(st.uri)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%s_%d", template.Database, st.made.Add(1))
	ctx := context.WithoutCancel(t.Context())
	c, err := pgx.Connect(ctx, st.s.URI("postgres", "postgres"))
	if err == nil {
		_, err = c.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template.Database+" OWNER "+pgtest.Owner)
		err = errors.Join(err, c.Close(ctx))
	}
	if err != nil {
		t.Fatal(err)
	}
	return st.s.URI(pgtest.Owner, name)
}

// wholeAnswer is what the server says to COMMIT, in bytes: that it is done, and that it is ready for what comes next.
const wholeAnswer = 12 + 6

// cuts are the ways to lose a COMMIT or its answer.
func cuts() []cut {
	all := []cut{{"before it reaches the server", false, 0}, {"when the server has it", true, -1}}
	for k := range wholeAnswer + 1 {
		all = append(all, cut{fmt.Sprintf("after %d bytes of the answer", k), true, k})
	}
	return all
}

// Connections that are cut around COMMIT, each of those of an import: it goes on and writes everything exactly once.
func lostCommit(t *testing.T, k *kit) {
	s := k.durable
	f, st := k.few, newStamp(t, s)
	all := cuts()
	step := len(all) / sqldbtest.Rounds(len(all)) // some of them in a short run
	for i := 0; i < len(all); i += step {
		t.Run(all[i].name, func(t *testing.T) {
			t.Parallel()
			uri := st.next(t)
			p, through := newProxy(t, s, uri)
			db := open(t, through, sqldb.Options{})
			p.arm(all[i])
			rep, err := load(t.Context(), t, db, f.path)
			completed(t, rep, err, f)
			want := transactions
			if all[i].answer == wholeAnswer { // nothing is repeated, so that half of them are cut
				want /= 2
			}
			if p.done() != want {
				t.Errorf("%d connections were cut, want %d", p.done(), want)
			}
			holds(t, uri, f)
		})
	}
}

// Connections that are cut after any byte of what the server says, be it in the middle of rows.
func cutAnywhere(t *testing.T, k *kit) {
	s := k.durable
	f, st := k.few, newStamp(t, s)
	p, through := newProxy(t, s, st.next(t))
	rep, err := load(t.Context(), t, open(t, through, sqldb.Options{}), f.path)
	completed(t, rep, err, f)
	_, _ = p.count(0)
	whole := p.passed
	random := rand.New(rand.NewPCG(5, 6))
	for round := range sqldbtest.Rounds(10) {
		var at []int64
		for range 4 {
			at = append(at, 1+random.Int64N(whole*9/10))
		}
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			uri := st.next(t)
			p, through := newProxy(t, s, uri)
			db := open(t, through, sqldb.Options{})
			p.severAt(at...)
			rep, err := load(t.Context(), t, db, f.path)
			completed(t, rep, err, f)
			if n := p.done(); n == 0 || n > len(at) {
				t.Errorf("%d connections were cut, at %d of %d bytes", n, at, whole)
			}
			holds(t, uri, f)
		})
	}
}
