package faulttest

import (
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// short are limits that a test can wait for.
func short() sqldb.Options {
	return sqldb.Options{Wait: 500 * time.Millisecond,
		Limits: sqldb.Limits{Read: time.Second, Write: 2 * time.Second, Idle: 2 * time.Second, Silent: 500 * time.Millisecond}}
}

// A slow network costs time and nothing else.
func latency(t *testing.T, k *kit) {
	s := k.durable
	f, uri := newFile(t, 300), s.Database(t)
	p, through := newProxy(t, s, uri)
	db := open(t, through, sqldb.Options{})
	p.delay.Store(int64(8 * time.Millisecond))
	rep, err := load(t.Context(), t, db, f.path)
	completed(t, rep, err, f)
	holds(t, uri, f)
}

// A network that falls silent in the middle of an import: another import gets the writers' lock when the server has
// ended the transaction of the first, and the first goes on when the network does.
func silentNetwork(t *testing.T, k *kit) {
	s := k.durable
	f, uri := k.many, s.Database(t)
	p, through := newProxy(t, s, uri)
	first := open(t, through, short())
	second := open(t, uri, sqldb.Options{})
	batches, ended := background(t.Context(), first, f.path)
	<-batches
	time.Sleep(50 * time.Millisecond)
	p.silent.Store(true)
	begun := time.Now()
	rep, err := load(t.Context(), t, second, f.path)
	if err != nil || rep.Inserted == 0 || rep.Duplicate == 0 {
		t.Errorf("the other import: %v, %+v", err, rep.Counts)
	}
	t.Logf("the other import took %v", time.Since(begun))
	p.silent.Store(false)
	r := <-ended
	if r.err != nil || r.rep.Read != f.events || r.rep.Inserted+rep.Inserted != f.events {
		t.Errorf("the import that was cut off: %v, %+v", r.err, r.rep.Counts)
	}
	holds(t, uri, f)
}

// A statement, a COMMIT, a connection and a check that get no answer end within their limits.
func silentServer(t *testing.T, k *kit) {
	s := k.durable
	uri := s.Database(t)
	p, through := newProxy(t, s, uri)
	within := func(name string, limit time.Duration, f func(db *sqldb.DB) error) {
		t.Helper()
		db := open(t, through, short())
		if err := db.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		err := f(db)
		fails(t, err, "", fault.Disconnected)
		if took := time.Since(begun); took > limit {
			t.Errorf("%s took %v, at most %v: %v", name, took, limit, err)
		}
		p.silent.Store(false)
		p.gone.Store(false)
	}
	const slack = 6 * time.Second // the engine waits three for the answer to its request to cancel
	within("a read", 1500*time.Millisecond+slack, func(db *sqldb.DB) error {
		time.AfterFunc(100*time.Millisecond, func() { p.silent.Store(true) })
		var x int
		return db.Row(t.Context(), db.Statement("SELECT 1 FROM pg_sleep(0.3)"), &x)
	})
	for _, mute := range []struct {
		name  string
		limit time.Duration
		f     func(tx *sqldb.Tx) error
	}{
		{"a write", 2500*time.Millisecond + slack, func(tx *sqldb.Tx) error {
			p.silent.Store(true)
			_, err := tx.Insert(metric.RollupDirty(), metric.Row{int64(1), "bugs", "2026-01-01"})
			return err
		}},
		{"a COMMIT", 1500*time.Millisecond + slack, func(*sqldb.Tx) error { p.silent.Store(true); return nil }},
	} {
		within(mute.name, mute.limit, func(db *sqldb.DB) error { return db.Write(t.Context(), mute.f) })
	}
	within("a check and a connection", 8*time.Second, func(db *sqldb.DB) error {
		p.silent.Store(true)
		p.gone.Store(true)
		return db.Ping(t.Context())
	})
}

// A stranger holds a lock: writing waits so long as it may and then says why; later the same import goes through.
func locked(t *testing.T, k *kit) {
	s := k.durable
	f, uri := k.few, s.Database(t)
	db := open(t, uri, short())
	stranger := pgtest.Connect(t, uri)
	if _, err := stranger.Exec(t.Context(), "BEGIN; LOCK TABLE metrics_bugs IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	_, err := load(t.Context(), t, db, f.path)
	fails(t, err, "the database is locked by another process", fault.Unavailable)
	var n int64
	fails(t, db.Row(t.Context(), db.Statement("SELECT COUNT(*) FROM metrics_bugs"), &n), "locked by another process", fault.Unavailable)
	fails(t, db.Row(t.Context(), db.Statement("SELECT 1 FROM pg_sleep(10)"), &n), "took too long", fault.Unavailable)
	if _, err := stranger.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	rep, err := load(t.Context(), t, db, f.path)
	completed(t, rep, err, f)
	holds(t, uri, f)
}

// A transaction of a client that sleeps is ended by the server. An import whose process slept writes its batch again.
func sleptTooLong(t *testing.T, k *kit) {
	s := k.durable
	db := open(t, s.Database(t), short())
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		time.Sleep(2500 * time.Millisecond)
		_, err := tx.Insert(metric.RollupDirty(), metric.Row{int64(1), "bugs", "2026-01-01"})
		return err
	})
	fails(t, err, "Run this again", fault.Disconnected)
}
