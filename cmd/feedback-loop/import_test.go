package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const (
	good    = `{"bugs":[{"pattern":"p","error":"e","timestamp":"2026-01-02T03:04:05"}],"llm_calls":[{"success":true,"timestamp":"2026-01-02T03:04:05"}]}`
	partial = `{"bugs":[{"pattern":"p","error":"f","timestamp":"2026-01-02T03:04:05"},{"pattern":"p","error":"g","timestamp":"12:00"}]}`
	cutOff  = `{"bugs":[{"pattern":"p","error":"h","timestamp":"2026-01-02T03:04:05"},{"patt`
)

func TestImportExitCodes(t *testing.T) {
	good, partial, bad := write(t, "good.json", good), write(t, "partial.json", partial), write(t, "cut.json", cutOff)
	for name, c := range map[string]struct {
		args  []string
		code  int
		parts []string
	}{
		"all in":               {[]string{good}, exitDone, []string{"metrics-json", "database: feedback-loop.db (default)"}},
		"some rejected":        {[]string{partial}, exitRejected, []string{"rejected: " + partial + ": bugs[1] at byte 71: timestamp \"12:00\" is no time"}},
		"cut off":              {[]string{bad}, exitFailed, []string{bad + ":1:", "the file ends in the middle", "import the whole file again"}},
		"several":              {[]string{good, partial}, exitRejected, []string{"total"}},
		"one of several fails": {[]string{bad, good}, exitFailed, []string{"the file ends in the middle", "total"}},
		"failed and rejected":  {[]string{bad, partial}, exitFailed, []string{"no time", "ends in the middle"}},
		"missing":              {[]string{"none.json"}, exitFailed, []string{`there is no file "none.json"`}},
		"missing and good":     {[]string{"none.json", good}, exitFailed, []string{`there is no file "none.json"`}},
		"folder":               {[]string{"."}, exitFailed, []string{"is a folder"}},
		"no file":              {nil, exitUsage, []string{"--help"}},
		"unknown flag":         {[]string{"--nope", good}, exitUsage, []string{"--nope", "--help"}},
		"flag without value":   {[]string{good, "--db"}, exitUsage, []string{"--db"}},
		"bad zone":             {[]string{"--timezone", "Mars/Olympus", good}, exitUsage, []string{`--timezone "Mars/Olympus" is not known`, "Europe/Berlin"}},
		"zone with dots":       {[]string{"--timezone", "../../etc/passwd", good}, exitUsage, []string{"is not known"}},
		"long repository":      {[]string{"--repository", strings.Repeat("x", 256), good}, exitUsage, []string{"--repository is longer than 255"}},
		"long branch":          {[]string{"--branch", strings.Repeat("x", 256), good}, exitUsage, []string{"--branch is longer than 255"}},
		"long source":          {[]string{"--source", strings.Repeat("x", 101), good}, exitUsage, []string{"--source is longer than 100"}},
		"unknown engine":       {[]string{"--db", "bolt://x", good}, exitFailed, []string{`no database engine answers to "bolt://"`}},
		"in memory":            {[]string{"--db", "sqlite:///:memory:", good}, exitFailed, []string{"an in-memory database keeps nothing"}},
		"no folder for it":     {[]string{"--db", "a/b/c.db", good}, exitFailed, []string{"the folder a/b for the database does not exist"}},
		"database is a folder": {[]string{"--db", ".", good}, exitFailed, []string{". is a folder, not a database"}},
		"database is a text":   {[]string{"--db", good, good}, exitFailed, []string{"is not a SQLite database", "not touched"}},
	} {
		t.Run(name, func(t *testing.T) {
			emptyFolder(t)
			command(t.Context(), append([]string{"import"}, c.args...)...).is(t, c.code, c.parts...)
			if left, err := filepath.Glob("*"); c.code == exitUsage && (err != nil || len(left) > 0) {
				t.Errorf("wrong usage left %v %v", left, err)
			}
		})
	}
}

// A file that fails does not keep the next one from being imported.
func TestImportGoesOn(t *testing.T) {
	emptyFolder(t)
	o := command(t.Context(), "import", "--json", "none.json", write(t, "cut.json", cutOff), write(t, "good.json", good))
	o.is(t, exitFailed)
	var r struct {
		Files []struct {
			Format         string
			Read, Inserted int
			Error          string
		}
		Total struct{ Read, Inserted int }
	}
	if err := json.Unmarshal([]byte(o.out), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != 3 || r.Files[0].Error == "" || r.Files[1].Error == "" || r.Files[2].Error != "" || r.Files[1].Inserted != 1 || r.Files[2].Inserted != 2 || r.Total.Inserted != 3 {
		t.Errorf("%+v", r)
	}
}

// The shape that programs read.
func TestImportJSON(t *testing.T) {
	emptyFolder(t)
	first, second := write(t, "good.json", good), write(t, "partial.json", partial)
	o := command(t.Context(), "import", "--json", first, second, first)
	o.is(t, exitRejected)
	var got any
	if err := json.Unmarshal([]byte(o.out), &got); err != nil {
		t.Fatal(err)
	}
	counts := func(read, inserted, duplicate, rejected float64, more map[string]any) map[string]any {
		m := map[string]any{"read": read, "inserted": inserted, "duplicate": duplicate, "rejected": rejected}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	none := []any{}
	want := map[string]any{
		"files": []any{
			counts(2, 2, 0, 0, map[string]any{"file": first, "format": "metrics-json", "rejects": none}),
			counts(2, 1, 0, 1, map[string]any{"file": second, "format": "metrics-json", "rejects": []any{map[string]any{"position": "bugs[1] at byte 71",
				"category": "bugs", "reason": `timestamp "12:00" is no time; expected the form 2026-01-31T23:59:59.123456+01:00`}}}),
			counts(2, 0, 2, 0, map[string]any{"file": first, "format": "metrics-json", "rejects": none}),
		},
		"total": counts(6, 3, 2, 1, nil),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s", o.out)
	}
	if o.errs != "" {
		t.Errorf("beside the JSON was said %q", o.errs)
	}
	empty := command(t.Context(), "import", "--json", "none.json")
	empty.is(t, exitFailed, `"rejects": []`, `"read": 0`)
}

// Where the database is: the flag, the environment, .env, the default; the output says which.
func TestImportFindsTheDatabase(t *testing.T) {
	file := write(t, "good.json", good)
	for name, c := range map[string]struct{ flag, env, dotenv, path, says string }{
		"default":              {"", "", "", "feedback-loop.db", "database: feedback-loop.db (default)"},
		".env":                 {"", "", "METRICS_DB_URI=dot.db\n", "dot.db", "database: dot.db (METRICS_DB_URI in .env)"},
		"environment":          {"", "env.db", "METRICS_DB_URI=dot.db\n", "env.db", "database: env.db (METRICS_DB_URI)"},
		"flag":                 {"flag.db", "env.db", "METRICS_DB_URI=dot.db\n", "flag.db", "database: flag.db (--db)"},
		"quoted in .env":       {"", "", "# where\nexport METRICS_DB_URI=\"sqlite:///my data.db\"\nOTHER=1\n", "my data.db", "(METRICS_DB_URI in .env)"},
		"SQLAlchemy, relative": {"sqlite:///rel.db", "", "", "rel.db", "database: sqlite:///rel.db (--db)"},
		"percent":              {"sqlite:///a%20b.db", "", "", "a b.db", "(--db)"},
		"file URI":             {"file:f.db", "", "", "f.db", "(--db)"},
	} {
		t.Run(name, func(t *testing.T) {
			emptyFolder(t)
			t.Setenv("METRICS_DB_URI", c.env)
			if c.dotenv != "" {
				if err := os.WriteFile(".env", []byte(c.dotenv), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			args := []string{"import", file}
			if c.flag != "" {
				args = append(args, "--db", c.flag)
			}
			command(t.Context(), args...).is(t, exitDone, c.says)
			if _, err := os.Stat(c.path); err != nil {
				t.Error(err)
			}
			if found, err := filepath.Glob("*.db"); err != nil || len(found) != 1 {
				t.Errorf("databases %v %v", found, err)
			}
		})
	}
	emptyFolder(t)
	if err := os.WriteFile(".env", []byte("METRICS_DB_URI='never closed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t.Context(), "import", file).is(t, exitFailed, ".env cannot be read")
}

// No password is ever printed.
func TestImportPrintsNoPassword(t *testing.T) {
	emptyFolder(t)
	file := write(t, "good.json", good)
	for _, uri := range []string{"postgresql://user:s3cret@host/db", "postgresql+psycopg2://user:s3cret@host:5432/db?sslmode=require",
		"mysql://host/db?password=s3cret", "oracle+oracledb://u:p@s3cret@h/x", "nothing://u:s3cret@h"} {
		o := command(t.Context(), "import", "--db", uri, file)
		o.is(t, exitFailed)
		if strings.Contains(o.out+o.errs, "s3cret") {
			t.Errorf("%s: the password is in %s%s", uri, o.out, o.errs)
		}
	}
}

func TestImportDryRun(t *testing.T) {
	emptyFolder(t)
	file := write(t, "partial.json", partial)
	o := command(t.Context(), "import", "--dry-run", file)
	o.is(t, exitRejected, "dry run: nothing was written to feedback-loop.db (default)")
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("a dry run left %v %v", left, err)
	}
	real := command(t.Context(), "import", file)
	real.is(t, exitRejected)
	if d, r := strings.Split(o.out, "dry run:")[0], strings.Split(real.out, "database:")[0]; d != r {
		t.Errorf("the dry run said\n%s\nthe import said\n%s", d, r)
	}
	command(t.Context(), "import", "--dry-run", "--json", file).is(t, exitRejected, `"duplicate": 1`, `"inserted": 0`)
}

func TestImportTimezone(t *testing.T) {
	emptyFolder(t)
	file := write(t, "good.json", good)
	for i, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "Local"} {
		o := command(t.Context(), "import", "--timezone", zone, "--source", fmt.Sprint("s", i), file)
		o.is(t, exitDone)
	}
	out, _ := exportedWell(t, "--db", "feedback-loop.db", "--format", "ndjson")
	for _, want := range []string{"2026-01-02T03:04:05", "2026-01-02T02:04:05", "2026-01-02T08:04:05"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
}

func TestImportStandardInput(t *testing.T) {
	c := program(t.Context(), t, "import", "--json", "-")
	c.Stdin = strings.NewReader(good)
	finish(t, c).is(t, exitDone, `"file": "-"`, `"inserted": 2`)
	c = program(t.Context(), t, "import", "-")
	c.Stdin = strings.NewReader(cutOff)
	finish(t, c).is(t, exitFailed, "-: the file ends in the middle of the JSON text at byte")
	c = program(t.Context(), t, "import", "-")
	finish(t, c).is(t, exitFailed, "- is empty")
	db, err := os.ReadFile(originalDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	c = program(t.Context(), t, "import", "--json", "-")
	c.Stdin = strings.NewReader(string(db))
	finish(t, c).is(t, exitDone, `"format": "original-db"`, `"inserted": 1`)
}

func originalDatabase(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "o.db")
	db := openRaw(t, path)
	for _, s := range []string{"CREATE TABLE metrics_bugs (id INTEGER PRIMARY KEY, pattern TEXT, error TEXT)", "INSERT INTO metrics_bugs VALUES (1, 'p', 'e')"} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImportSaysWhatItMapped(t *testing.T) {
	emptyFolder(t)
	command(t.Context(), "import", write(t, "m.json", `{"version":1,"performance_metrics":[{"operation":"o","duration_ms":5}]}`)).is(t, exitDone,
		`note: `, `the key "version" is no category`, "duration_ms taken as execution_time_ms (1 records)")
	many := write(t, "many.json", `{"bugs":[`+strings.Repeat("{},", 49)+`{}]}`)
	command(t.Context(), "import", many).is(t, exitRejected, "... and 30 more; see import_rejects")
}

func TestImportIntoTheOriginalsDatabase(t *testing.T) {
	path := originalDatabase(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	command(t.Context(), "import", "--db", path, write(t, "good.json", good)).is(t, exitFailed, "not made by this program", "database of its own", "not touched")
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed (%v)", err)
	}
	if left, err := filepath.Glob(path + "*"); err != nil || len(left) != 1 {
		t.Errorf("beside it: %v %v", left, err)
	}
}

// A command whose user has gone writes nothing more.
func TestImportCancelled(t *testing.T) {
	emptyFolder(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	o := command(ctx, "import", write(t, "good.json", good))
	o.is(t, exitFailed)
}
