package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// digests is the number of rows and their digest of every table in our schemas, parts included. Materialized
// views are computed anew by a restoration.
func digests(t testing.TB, uri string) (all string) {
	t.Helper()
	super := pgtest.Connect(t, pgtest.Shared(t).Super(uri))
	rows, err := super.Query(t.Context(), `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname IN ('metrics', 'api', 'bi') AND c.relkind = 'r' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		var d string
		if err := super.QueryRow(t.Context(), "SELECT COUNT(*) || ' ' || coalesce(md5(string_agg(x::text, '\n' ORDER BY x::text)), '') FROM "+table+" x").Scan(&d); err != nil {
			t.Fatal(err)
		}
		all += table + " " + d + "\n"
	}
	return all
}

// definitions is what the tables are made of besides rows: indexes, row security, policies, sequences, rights, settings.
func definitions(t testing.TB, uri string) string {
	t.Helper()
	return lines(t, pgtest.Shared(t).Super(uri), `
SELECT indexdef FROM pg_indexes WHERE schemaname IN ('metrics', 'api', 'bi')
UNION ALL SELECT format('%s %s %s %s', c.relname, c.relrowsecurity, c.relforcerowsecurity, coalesce(c.relacl, acldefault('r', c.relowner))) FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('metrics', 'api', 'bi') AND c.relkind IN ('r', 'p', 'm', 'v')
UNION ALL SELECT format('%s %s %s', attrelid::regclass, attname, attacl) FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid > 16384
UNION ALL SELECT format('%s %s', p.oid::regprocedure, p.proacl) FROM pg_proc p WHERE p.pronamespace > 16384
UNION ALL SELECT format('%s %s', nspname, coalesce(nspacl, acldefault('n', nspowner))) FROM pg_namespace WHERE nspname IN ('metrics', 'api', 'bi')
UNION ALL SELECT format('%s %s %s %s %s', schemaname, tablename, policyname, roles, qual) FROM pg_policies
UNION ALL SELECT format('%s %s %s', schemaname, sequencename, last_value) FROM pg_sequences
UNION ALL SELECT setconfig::text FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1`)
}

// walled puts tables behind row security that is forced on their owner too, whom a policy lets in.
func walled(t testing.TB, uri string) {
	t.Helper()
	for _, table := range []string{"metrics.metrics_bugs", "metrics.metrics_daily", "api.patterns"} {
		onServer(t, uri, "ALTER TABLE "+table+" ENABLE ROW LEVEL SECURITY", "ALTER TABLE "+table+" FORCE ROW LEVEL SECURITY",
			"DROP POLICY IF EXISTS owner ON "+table, "CREATE POLICY owner ON "+table+" TO CURRENT_USER USING (true) WITH CHECK (true)")
	}
}

// Row security lets in the owner by name: who restores is another's heir.
func TestRestoreAsAnotherOwner(t *testing.T) {
	uri, file, into := pgtest.Shared(t).Database(t), sampleFile(t, 1000), pgtest.Shared(t).Database(t)
	command(t.Context(), "import", "--db", uri, file).is(t, exitDone)
	walled(t, uri)
	path := filepath.Join(t.TempDir(), "x.dump")
	command(t.Context(), "db", "backup", "--db", uri, path).is(t, exitDone)
	u, err := url.Parse(into)
	if err != nil {
		t.Fatal(err)
	}
	onServer(t, pgtest.Shared(t).Super(into), `DROP ROLE IF EXISTS "an heir"`, `CREATE ROLE "an heir" LOGIN`,
		"ALTER DATABASE "+strings.TrimPrefix(u.Path, "/")+` OWNER TO "an heir"`)
	heir := strings.Replace(into, pgtest.Owner, "an%20heir", 1)
	command(t.Context(), "db", "restore", "--db", heir, path).is(t, exitDone)
	command(t.Context(), "doctor", "--db", heir).is(t, exitDone)
	command(t.Context(), "import", "--db", heir, file).is(t, exitDone, "1000  0 ")
	command(t.Context(), "db", "backup", "--force", "--db", heir, path).is(t, exitDone)
	for _, c := range metric.Catalogue() {
		if got, want := lines(t, heir, "SELECT COUNT(*)::text FROM "+c.Table), lines(t, uri, "SELECT COUNT(*)::text FROM "+c.Table); got != want {
			t.Errorf("%s shows the heir %s rows of %s", c.Table, got, want)
		}
	}
}

func TestBackupOfServer(t *testing.T) {
	uri, file, into := pgtest.Shared(t).Database(t), sampleFile(t, 3000), pgtest.Shared(t).Database(t)
	command(t.Context(), "import", "--db", uri, file).is(t, exitDone)
	walled(t, uri)
	const reader = "reader_of_backups"
	onServer(t, pgtest.Shared(t).Super(uri), "DROP ROLE IF EXISTS "+reader, "CREATE ROLE "+reader)
	onServer(t, uri, "CREATE SCHEMA IF NOT EXISTS bi", "CREATE VIEW bi.kept AS SELECT pattern FROM metrics.metrics_bugs", "GRANT SELECT (pattern) ON metrics.metrics_bugs TO "+reader,
		"CREATE TABLE public.others (n INT)")
	path := filepath.Join(t.TempDir(), "x.dump")
	o := command(t.Context(), "db", "backup", "--json", "--db", uri, path)
	o.is(t, exitDone, "backing up")
	var report struct {
		File  string
		Bytes int64
	}
	if err := json.Unmarshal([]byte(o.out), &report); err != nil || report.File != path || report.Bytes < 1000 {
		t.Errorf("%v: %s", err, o.out)
	}
	command(t.Context(), "db", "backup", "--db", uri, path).is(t, exitFailed, "is there already", "--force")
	command(t.Context(), "db", "backup", "--force", "--db", uri, path).is(t, exitDone)
	rows, defs := digests(t, uri), definitions(t, uri)
	check := func() {
		t.Helper()
		got, want := strings.Split(digests(t, into)+definitions(t, into), "\n"), strings.Split(rows+defs, "\n")
		for i := range max(len(got), len(want)) {
			if at(got, i) != at(want, i) {
				t.Errorf("restored %s, want %s", at(got, i), at(want, i))
				break
			}
		}
	}
	command(t.Context(), "db", "restore", "--db", into, path).is(t, exitDone, "restored")
	check()
	if n := lines(t, into, "SELECT COUNT(*)::text FROM pg_class WHERE relname = 'others'"); n != "0" {
		t.Error("the backup has another's table")
	}
	command(t.Context(), "db", "restore", "--db", into, path).is(t, exitFailed, "is not empty", "--force")
	command(t.Context(), "doctor", "--db", into).is(t, exitDone)
	command(t.Context(), "import", "--db", into, file).is(t, exitDone, "3000  0 ", " 3000 ")
	onServer(t, into, "DELETE FROM metrics.metrics_bugs", "CREATE TABLE metrics.later (n INT)")
	command(t.Context(), "db", "restore", "--force", "--db", into, path).is(t, exitDone)
	check()
	// A right that cannot be given, and a backup that is cut off, change nothing.
	onServer(t, into, "DROP SCHEMA bi, metrics, api CASCADE")
	onServer(t, uri, "DROP OWNED BY CURRENT_USER CASCADE")
	onServer(t, pgtest.Shared(t).Super(uri), "DROP ROLE "+reader)
	command(t.Context(), "db", "restore", "--db", into, path).is(t, exitFailed, "a role that this server does not have", reader, "CREATE ROLE")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	onServer(t, pgtest.Shared(t).Super(uri), "CREATE ROLE "+reader)
	command(t.Context(), "db", "restore", "--db", into, write(t, "half.dump", string(data[:len(data)/2]))).is(t, exitFailed, "pg_restore failed")
	if got := digests(t, into); got != "" {
		t.Errorf("what failed left\n%s", got)
	}
	command(t.Context(), "db", "restore", "--db", into, path).is(t, exitDone)
	check()
}

func TestBackupOfServerRefusals(t *testing.T) {
	uri := pgtest.Shared(t).Database(t)
	path := filepath.Join(t.TempDir(), "x.dump")
	command(t.Context(), "db", "backup", "--db", uri, path).is(t, exitFailed, "is empty; there is nothing to back up")
	command(t.Context(), "import", "--db", uri, write(t, "good.json", good)).is(t, exitDone)
	onServer(t, pgtest.Shared(t).Super(uri), "DROP ROLE IF EXISTS reads_all", "CREATE ROLE reads_all LOGIN", "GRANT USAGE ON SCHEMA metrics, api TO reads_all",
		"GRANT SELECT ON ALL TABLES IN SCHEMA metrics, api TO reads_all")
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"no such file":    {[]string{"restore", filepath.Join(t.TempDir(), "none")}, []string{"there is no file", "Check the name"}},
		"a folder":        {[]string{"restore", t.TempDir()}, []string{"is no file"}},
		"text":            {[]string{"restore", write(t, "x.sql", "SELECT 1")}, []string{"is no backup of a PostgreSQL database"}},
		"SQLite":          {[]string{"restore", write(t, "x.db", "SQLite format 3\x00")}, []string{"is a SQLite database", "feedback-loop db copy --from"}},
		"into no folder":  {[]string{"backup", filepath.Join(t.TempDir(), "no", "x.dump")}, []string{"Check that its folder exists"}},
		"into a folder":   {[]string{"backup", t.TempDir()}, []string{"is a folder"}},
		"no file at all":  {[]string{"backup"}, []string{"accepts 1 arg"}},
		"another's roles": {[]string{"backup", "--db", strings.Replace(uri, pgtest.Owner, "reads_all", 1), path}, []string{"belong to another role", "as the owner"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := command(t.Context(), append([]string{"db"}, append([]string{c.args[0], "--db", uri}, c.args[1:]...)...)...)
			if o.code == exitDone {
				t.Error("it was done")
			}
			o.is(t, o.code, c.want...)
		})
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a refused backup left a file")
	}
}

// Without pg_dump, or with one that is too old, the way without it is named.
func TestBackupWithoutPrograms(t *testing.T) {
	uri := pgtest.Shared(t).Database(t)
	command(t.Context(), "import", "--db", uri, write(t, "good.json", good)).is(t, exitDone)
	bin := t.TempDir()
	script := "#!/bin/sh\necho 'pg_dump (PostgreSQL) 99.1'\nif [ \"$1\" = --version ]; then exit; fi\necho \"$@ $PGPASSWORD\" >&2; exit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "pg_dump"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	path := filepath.Join(t.TempDir(), "x.dump")
	o := command(t.Context(), "db", "backup", "--db", strings.Replace(uri, pgtest.Owner+"@", pgtest.Owner+":c%40nary@", 1), path)
	o.is(t, exitFailed, "pg_dump failed", "--schema=metrics", "c@nary") // the newest was taken; it got the password in its environment
	if args, _, _ := strings.Cut(o.errs, "c@nary"); strings.Contains(args, "nary") {
		t.Errorf("the password is among the arguments: %s", args)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestBackupOfFile(t *testing.T) {
	emptyFolder(t)
	file := sampleFile(t, 3000)
	command(t.Context(), "import", file).is(t, exitDone)
	command(t.Context(), "db", "backup", "x.backup").is(t, exitDone, "backed up", "bytes")
	command(t.Context(), "db", "backup", "x.backup").is(t, exitFailed, "is there already", "--force")
	command(t.Context(), "db", "backup", "--force", "x.backup").is(t, exitDone)
	command(t.Context(), "db", "backup", "--force", "feedback-loop.db").is(t, exitFailed, "is the database itself")
	want := state(t, "feedback-loop.db")
	command(t.Context(), "db", "restore", "--db", "new.db", "x.backup").is(t, exitDone, "restored")
	same(t, state(t, "new.db"), want)
	command(t.Context(), "doctor", "--db", "new.db").is(t, exitDone)
	command(t.Context(), "import", "--db", "new.db", file).is(t, exitDone, "3000  0 ")
	command(t.Context(), "db", "restore", "--db", "new.db", "x.backup").is(t, exitFailed, "is not empty", "--force")
	command(t.Context(), "import", "--db", "new.db", write(t, "good.json", good)).is(t, exitDone)
	command(t.Context(), "db", "restore", "--force", "--db", "new.db", "x.backup").is(t, exitDone)
	same(t, state(t, "new.db"), want)
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "partial") {
			t.Errorf("%s was left", e.Name())
		}
	}
}

// A damaged database is what a backup is for.
func TestRestoreOverDamage(t *testing.T) {
	emptyFolder(t)
	command(t.Context(), "import", sampleFile(t, 1000)).is(t, exitDone)
	command(t.Context(), "db", "backup", "x.backup").is(t, exitDone)
	want := state(t, "feedback-loop.db")
	data, err := os.ReadFile("feedback-loop.db")
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{"cut off": data[:len(data)/2], "overwritten": append(slices.Clone(data[:200]), make([]byte, 8000)...)} {
		if err := os.WriteFile("feedback-loop.db", damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		o := command(t.Context(), "db", "restore", "--force", "x.backup")
		o.is(t, exitDone)
		if o.code == exitDone {
			same(t, state(t, "feedback-loop.db"), want)
		} else {
			t.Error(name)
		}
	}
}

func TestRestoreOfFileRefusals(t *testing.T) {
	emptyFolder(t)
	command(t.Context(), "import", sampleFile(t, 1000)).is(t, exitDone)
	command(t.Context(), "db", "backup", "x.backup").is(t, exitDone)
	data, err := os.ReadFile("x.backup")
	if err != nil {
		t.Fatal(err)
	}
	damaged := slices.Clone(data)
	for i := 8192; i < 40_000; i++ {
		damaged[i] = 0xa5
	}
	files := map[string][]byte{"half": data[:len(data)/2], "damaged": damaged, "text": []byte("timestamp,pattern"), "empty": nil, "dump": []byte("PGDMP..."),
		"logged": data, "logged-wal": []byte("frames"), "stale.db-wal": []byte("frames"), "others.db": []byte("no database")}
	for name, data := range files {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := openRaw(t, "foreign")
	if _, err := other.Exec("CREATE TABLE people (name TEXT)"); err != nil {
		t.Fatal(err)
	}
	command(t.Context(), "import", "--db", "busy.db", write(t, "good.json", good)).is(t, exitDone)
	holder := openRaw(t, "busy.db")
	holder.SetMaxOpenConns(1)
	if _, err := holder.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ db, file, want string }{
		{"new.db", "half", "is damaged"}, {"new.db", "damaged", "is damaged"}, {"new.db", "text", "is not a SQLite database"},
		{"new.db", "empty", "is not a SQLite database"}, {"new.db", "none", "there is no file"}, {"new.db", ".", "is no file"},
		{"new.db", "dump", "backup of a PostgreSQL database"}, {"new.db", "foreign", "was not made by this program"},
		{"new.db", "logged", "logged-wal lies beside logged"}, {"stale.db", "x.backup", "stale.db-wal is the log of another database"},
		{"busy.db", "x.backup", "is in use"}, {"others.db", "x.backup", "is not a SQLite database"}, {"no/new.db", "x.backup", "the folder no for the database does not exist"},
		{"x.backup", "x.backup", "is the database itself"}, {"sqlite://", "x.backup", "in-memory"},
	} {
		command(t.Context(), "db", "restore", "--force", "--db", c.db, c.file).is(t, exitFailed, c.want)
	}
	if _, err := os.Stat("new.db"); err == nil {
		t.Error("a refused restoration left a database")
	}
	raw := openRaw(t, "x.backup")
	if _, err := raw.Exec(fmt.Sprintf("PRAGMA user_version = %d", metric.SchemaVersion+1)); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	command(t.Context(), "db", "restore", "--db", "new.db", "x.backup").is(t, exitFailed, "Use the newer feedback-loop")
}

// A backup that is interrupted leaves no file, one that is killed none of the name that was given.
func TestInterruptedBackup(t *testing.T) {
	dir := t.TempDir()
	db, server := filepath.Join(dir, "big.db"), pgtest.Shared(t).Database(t)
	file := sampleFile(t, 40_000)
	for _, uri := range []string{db, server} {
		finish(t, program(t.Context(), t, "import", "--db", uri, file)).is(t, exitDone)
	}
	// A reader of the table holds the backup up, so that it is met in its middle.
	holder := pgtest.Connect(t, server)
	if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE metrics.metrics_bugs IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{db, server} {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			folder := t.TempDir()
			c := program(t.Context(), t, "db", "backup", "--db", uri, filepath.Join(folder, "x"))
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(20 * time.Second); len(entries(t, folder)) == 0 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			if err := c.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			ended := c.Wait()
			left := entries(t, folder)
			switch {
			case ended == nil && uri == db: // it was quicker
			case ended == nil:
				t.Error("the backup was not interrupted")
			case slices.Contains(left, "x"), sig == syscall.SIGTERM && len(left) > 0:
				t.Errorf("%v of the backup of %s left %v", sig, uri, left)
			}
		}
	}
	if _, err := holder.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}

func entries(t testing.TB, folder string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}
