package faulttest

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// A team behind pgbouncer: four imports of one file at once through three connections, the charts, the doctor. It leaves
// nothing behind in a session that others will get.
func bouncer(t *testing.T, k *kit) {
	s := k.durable
	b := s.Bouncer(t, 3)
	f, direct := k.few, s.Database(t)
	uri := b.URI(direct)
	open(t, uri, sqldb.Options{})
	b.Stop() // sessions have the search path of the database from their beginning
	b.Start(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var inserted int64
	for range 4 {
		db := open(t, uri, sqldb.Options{})
		wg.Go(func() {
			rep, err := load(t.Context(), t, db, f.path)
			if err != nil || rep.Read != f.events {
				t.Errorf("%v: %+v", err, rep.Counts)
			}
			mu.Lock()
			defer mu.Unlock()
			inserted += rep.Inserted
		})
	}
	wg.Wait()
	if inserted != f.events {
		t.Errorf("the reports have %d inserted events of %d", inserted, f.events)
	}
	db := open(t, uri, sqldb.Options{})
	rep, err := load(t.Context(), t, db, f.path)
	if err != nil || rep.Duplicate != f.events {
		t.Errorf("again: %v: %+v", err, rep.Counts)
	}
	holds(t, direct, f)
	healthy(t, uri)
	charts(t, db)
	if got, want := sessions(t, uri), sessions(t, direct); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("sessions behind pgbouncer are set so:\n%v\nwant\n%v", got, want)
	}
}

// charts asks for every chart and demands an answer.
func charts(t testing.TB, db *sqldb.DB) {
	t.Helper()
	server, err := app.Server(db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string, into any) {
		t.Helper()
		w := httptest.NewRecorder()
		server.Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/api/v1"+path, nil))
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil || w.Code != http.StatusOK {
			t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
		}
	}
	var list struct {
		Dashboards []struct{ ID string }
	}
	get("/dashboards", &list)
	asked := 0
	for _, d := range list.Dashboards {
		var board struct {
			Rows []struct{ Charts []struct{ ID string } }
		}
		get("/dashboards/"+d.ID, &board)
		for _, row := range board.Rows {
			for _, c := range row.Charts {
				var data struct{ Rows [][]any }
				if get("/charts/"+c.ID+"/data?range=all", &data); len(data.Rows) == 0 {
					t.Errorf("chart %s is empty", c.ID)
				}
				asked++
			}
		}
	}
	if asked == 0 {
		t.Error("there is no chart")
	}
}

// sessions gives the settings of three sessions at once: all that the pool has.
func sessions(t testing.TB, uri string) (all []string) {
	t.Helper()
	config, err := pgx.ParseConfig(uri)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	for range 3 {
		c, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.WithoutCancel(t.Context()))
		var set string
		if _, err = c.Exec(t.Context(), "BEGIN"); err == nil {
			err = c.QueryRow(t.Context(), `SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
WHERE name IN ('search_path', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'jit', 'transaction_read_only', 'role')`).Scan(&set)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, set)
	}
	return all
}

// pgbouncer restarts in the middle of an import, which goes on.
func bouncerRestart(t *testing.T, k *kit) {
	s := k.durable
	b := s.Bouncer(t, 2)
	f, direct := k.many, s.Database(t)
	batches, ended := background(t.Context(), open(t, b.URI(direct), sqldb.Options{}), f.path)
	restarts := 0
	for range batches {
		if restarts < 3 {
			b.Stop()
			b.Start(t)
			restarts++
		}
	}
	r := <-ended
	completed(t, r.rep, r.err, f)
	holds(t, direct, f)
}
