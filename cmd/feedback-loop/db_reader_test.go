package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// asked runs a command function with something on standard input.
func asked(t testing.TB, in string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(in), &out, &errs)
	return outcome{code, out.String(), errs.String()}
}

// The whole way: events of two organisations come in, a reader is made, the URI that was printed shows one of them.
func TestGrantReader(t *testing.T) {
	emptyFolder(t)
	db := pgtest.Shared(t).Database(t)
	command(t.Context(), "import", "--db", db, write(t, "good.json", good)).is(t, exitDone)
	c := pgtest.Connect(t, db)
	if _, err := c.Exec(t.Context(), "INSERT INTO metrics.metrics_bugs SELECT id + 1000, pattern, error || ' theirs', code, file_path, line, stack_trace, count, "+
		"timestamp, 2, repository, branch, commit_sha, run_id, source, source_id, source_url, gen_random_uuid(), ingested_at, timestamp_missing, extra FROM metrics.metrics_bugs"); err != nil {
		t.Fatal(err)
	}
	o := command(t.Context(), "db", "grant-reader", "bi_cli", "--db", db, "--connections", "3", "--json")
	o.is(t, exitDone)
	var g sqldb.Granted
	if err := json.Unmarshal([]byte(o.out), &g); err != nil || o.errs != "" {
		t.Fatalf("%v\n%s%s", err, o.out, o.errs)
	}
	u, err := url.Parse(g.URI)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	if g.Password == "" || password != g.Password || g.Connections != 3 || g.Organization != 1 || len(g.Open) != 1 || u.Scheme != "postgresql+psycopg2" {
		t.Errorf("%+v", g)
	}
	u.Scheme = "postgresql"
	var errors string
	if err := pgtest.Connect(t, u.String()).QueryRow(t.Context(), "SELECT string_agg(error, ',') FROM metrics_bugs").Scan(&errors); err != nil ||
		errors == "" || strings.Contains(errors, "theirs") {
		t.Errorf("the reader sees %q, %v", errors, err)
	}
	again := command(t.Context(), "db", "grant-reader", "bi_cli", "--db", db)
	again.is(t, exitDone, "brought up to date", "reads organisation 1, at most 3 connections", "metrics.metrics_bugs", "bi.combined_detections_view",
		"password: as before", "postgresql+psycopg2://bi_cli:PASSWORD@", "still open", "a superuser has to run", "REVOKE EXECUTE")
	if strings.Contains(again.out+again.errs, g.Password) {
		t.Error("the password is shown twice")
	}
	const secret = "a-password-of-theirs"
	given := asked(t, secret+"\n", "db", "grant-reader", "bi_cli", "--db", db, "--password-stdin")
	given.is(t, exitDone, "password: as given")
	if strings.Contains(given.out+given.errs, secret) {
		t.Error("the given password is shown")
	}
	command(t.Context(), "db", "grant-reader", "bi_cli", "--db", db, "--rotate-password").is(t, exitDone, "password, shown this once: ")
	command(t.Context(), "db", "revoke-reader", "bi_cli", "--db", db).is(t, exitDone, "bi_cli: removed")
	command(t.Context(), "db", "revoke-reader", "bi_cli", "--db", db).is(t, exitDone, "not there, nothing to do")
}

func TestGrantReaderRefused(t *testing.T) {
	emptyFolder(t)
	command(t.Context(), "import", write(t, "good.json", good)).is(t, exitDone)
	for _, sub := range []string{"grant-reader", "revoke-reader"} {
		command(t.Context(), "db", sub, "bi_cli").is(t, exitFailed, "feedback-loop.db is a sqlite database, which knows no roles", "--db")
		command(t.Context(), "db", sub).is(t, exitUsage)
	}
	for _, args := range [][]string{{"--connections", "0"}, {"--organization="}, {"--password-stdin"}, {"--password-stdin", "--rotate-password"}} {
		command(t.Context(), append([]string{"db", "grant-reader", "bi_cli"}, args...)...).is(t, exitUsage)
	}
	db := pgtest.Shared(t).Database(t)
	command(t.Context(), "db", "grant-reader", "Bi", "--db", db).is(t, exitFailed, "cannot be the name")
	asked(t, "too short", "db", "grant-reader", "bi_cli", "--db", db, "--password-stdin").is(t, exitFailed, "9 characters")
}
