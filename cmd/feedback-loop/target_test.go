package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/config"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// optionsOf gives what the flags of a command make of the ways to connect.
func optionsOf(t testing.TB, args ...string) (sqldb.Options, string, error) {
	t.Helper()
	var errs strings.Builder
	cmd := &cobra.Command{Use: "x"}
	cmd.SetErr(&errs)
	to := dbFlags(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	o, err := to.options()
	return o, errs.String(), err
}

// Each setting is taken from the flag, else the environment, else .env, else its default.
func TestConnectionSettings(t *testing.T) {
	emptyFolder(t)
	const hour = time.Hour
	usual := sqldb.PoolOptions{Size: 10, Overflow: 20, Recycle: hour}
	for _, c := range []struct {
		set              config.Setting
		flag, env, file  string
		byFlag, byEnv    sqldb.Options
		byFile, byNobody sqldb.Options
	}{
		{config.PoolSize(), "3", "4", "5", pool(3, 20, hour, false), pool(4, 20, hour, false), pool(5, 20, hour, false), sqldb.Options{Pool: usual}},
		{config.PoolOverflow(), "0", "4", "5", pool(10, -1, hour, false), pool(10, 4, hour, false), pool(10, 5, hour, false), sqldb.Options{Pool: usual}},
		{config.PoolRecycle(), "60", "61", "62", pool(10, 20, time.Minute, false), pool(10, 20, 61*time.Second, false), pool(10, 20, 62*time.Second, false), sqldb.Options{Pool: usual}},
		{config.PoolPrePing(), "false", "true", "false", pool(10, 20, hour, true), pool(10, 20, hour, false), pool(10, 20, hour, true), sqldb.Options{Pool: usual}},
		{config.Production(), "true", "false", "true", sqldb.Options{Pool: usual, Production: true}, sqldb.Options{Pool: usual}, sqldb.Options{Pool: usual, Production: true}, sqldb.Options{Pool: usual}},
	} {
		look := func(from string, want sqldb.Options, args ...string) {
			t.Helper()
			if got, said, err := optionsOf(t, args...); err != nil || got != want || said != "" {
				t.Errorf("--%s from %s: %+v, %v, %q, want %+v", c.set.Flag, from, got, err, said, want)
			}
		}
		t.Setenv(c.set.Env, "")
		look("nowhere", c.byNobody)
		if err := os.WriteFile(".env", []byte(c.set.Env+"="+c.file+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		look(".env", c.byFile)
		t.Setenv(c.set.Env, c.env)
		look("the environment", c.byEnv)
		look("the flag", c.byFlag, "--"+c.set.Flag+"="+c.flag)
		t.Setenv(c.set.Env, "")
		if err := os.Remove(".env"); err != nil {
			t.Fatal(err)
		}
	}
	if o, _, err := optionsOf(t, "--production"); err != nil || !o.Production {
		t.Errorf("a bare --production: %+v, %v", o, err)
	}
}

func pool(size, overflow int, recycle time.Duration, noPing bool) sqldb.Options {
	return sqldb.Options{Pool: sqldb.PoolOptions{Size: size, Overflow: overflow, Recycle: recycle, NoPing: noPing}}
}

func TestBadConnectionSettings(t *testing.T) {
	emptyFolder(t)
	for _, args := range [][]string{{"--db-pool-size=0"}, {"--db-pool-size=many"}, {"--db-max-overflow=-1"}, {"--db-pool-recycle=0"}, {"--db-pool-recycle=1h"},
		{"--db-pool-pre-ping=perhaps"}, {"--production=sure"}, {"--allow-insecure-db=2"}} {
		name, value, _ := strings.Cut(args[0], "=")
		command(t.Context(), append([]string{"db", "status"}, args...)...).is(t, exitUsage, name+": ", fmt.Sprintf("%q", value))
	}
	t.Setenv("FEEDBACK_LOOP_DB_POOL_SIZE", "none")
	command(t.Context(), "db", "status").is(t, exitUsage, `FEEDBACK_LOOP_DB_POOL_SIZE: "none" is no whole number of at least 1`)
}

// --production lets no command use a connection that is not verified, and the way round it is said aloud.
func TestProduction(t *testing.T) {
	s := locked(t)
	uri := s.Database(t)
	socket := withPassword(uri, pgtest.Owner, canary)
	tcp := fmt.Sprintf("postgresql://%s:%s@localhost:%d%s?sslmode=prefer", pgtest.Owner, escape(canary), s.Port, mustPath(t, uri))
	file := write(t, "good.json", good)
	for _, args := range [][]string{{"import", file}, {"export", "--format", "csv"}, {"doctor"}, {"sample"}, {"serve"}, {"db", "status"}, {"db", "migrate"}, {"db", "backup", "x"}, {"db", "restore", backupOf(t, socket)}} {
		o := command(t.Context(), append(args, "--production", "--db", tcp)...)
		o.is(t, exitFailed, "--production demands a verified connection", "sslmode=verify-full", "--allow-insecure-db")
		o.secret(t)
	}
	command(t.Context(), "db", "status", "--production", "--db", socket).is(t, exitDone)
	o := command(t.Context(), "db", "status", "--production", "--allow-insecure-db", "--db", tcp)
	o.is(t, exitDone)
	if !strings.Contains(o.errs, "warning: --allow-insecure-db") {
		t.Errorf("the risk is not said: %s", o.errs)
	}
	o.secret(t)
	t.Setenv(config.Production().Env, "true")
	command(t.Context(), "db", "status", "--db", tcp).is(t, exitFailed, "--production demands")
	command(t.Context(), "db", "status", "--db", socket).is(t, exitDone)
	t.Setenv(config.Production().Env, "false")
	o = command(t.Context(), "db", "status", "--allow-insecure-db", "--db", tcp)
	o.is(t, exitDone)
	if o.errs != "" {
		t.Errorf("nothing was overridden, and yet it says %s", o.errs)
	}
}

// backupOf makes a backup of a database that is filled for it.
func backupOf(t testing.TB, uri string) string {
	t.Helper()
	command(t.Context(), "import", "--db", uri, write(t, "good.json", good)).is(t, exitDone)
	path := t.TempDir() + "/x.dump"
	command(t.Context(), "db", "backup", "--db", uri, path).is(t, exitDone)
	return path
}
