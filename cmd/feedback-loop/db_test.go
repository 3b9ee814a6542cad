package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// both runs a test on a SQLite file and on a server, each with sample events of half a year that ends today.
func both(t *testing.T, f func(t *testing.T, uri string, server bool)) {
	for _, server := range []bool{false, true} {
		t.Run(map[bool]string{false: "sqlite", true: "postgres"}[server], func(t *testing.T) {
			emptyFolder(t)
			uri := "test.db"
			if server {
				uri = pgtest.Shared(t).Database(t)
			}
			command(t.Context(), "sample", "--db", uri, "--events", "3000").is(t, exitDone, "3000")
			f(t, uri, server)
		})
	}
}

func parse(t *testing.T, o outcome, into any) {
	t.Helper()
	o.is(t, exitDone)
	if err := json.Unmarshal([]byte(o.out), into); err != nil {
		t.Fatalf("%v in\n%s", err, o.out)
	}
}

func TestDBStatus(t *testing.T) {
	both(t, func(t *testing.T, uri string, server bool) {
		command(t.Context(), "db", "retention", "--db", uri, "--older-than", "metrics_bugs=90d").is(t, exitDone, "metrics_bugs")
		var s dbStatus
		parse(t, command(t.Context(), "db", "status", "--db", uri, "--json"), &s)
		if s.Version != s.Current || s.Current < 2 || len(s.Tables) < 20 || s.Pending != 0 || len(s.KeptFrom) != 1 {
			t.Errorf("%+v", s)
		}
		if (s.Engine == "postgresql") != server || server != (len(s.Facts) > 5) {
			t.Errorf("%s has the facts %v", s.Engine, s.Facts)
		}
		command(t.Context(), "db", "status", "--db", uri).is(t, exitDone, s.Engine, "version 2", "metrics_llm_calls")
	})
}

// A status changes nothing: an empty database stays empty.
func TestDBStatusOfNothing(t *testing.T) {
	emptyFolder(t)
	uri := pgtest.Shared(t).Database(t)
	command(t.Context(), "db", "status", "--db", uri).is(t, exitDone, "none yet")
	command(t.Context(), "db", "status", "--db", uri).is(t, exitDone, "none yet")
	command(t.Context(), "db", "status", "--db", "missing.db").is(t, exitFailed, "there is no database missing.db")
}

// A dry run into an empty database makes no tables there.
func TestDryRunOfNothing(t *testing.T) {
	emptyFolder(t)
	uri := pgtest.Shared(t).Database(t)
	file := write(t, "m.json", `{"bugs": [{"pattern": "p", "error": "e"}]}`)
	command(t.Context(), "import", "--dry-run", "--db", uri, file).is(t, exitDone, "nothing was written", "1         0")
	command(t.Context(), "db", "status", "--db", uri).is(t, exitDone, "none yet")
	command(t.Context(), "import", "--db", uri, file).is(t, exitDone)
	command(t.Context(), "import", "--dry-run", "--db", uri, file).is(t, exitDone, "nothing was written", "0         1")
}

func TestDBPartitions(t *testing.T) {
	both(t, func(t *testing.T, uri string, server bool) {
		list := command(t.Context(), "db", "partitions", "--db", uri, "--json")
		if !server {
			list.is(t, exitFailed, "keeps its tables whole", "db retention")
			return
		}
		var parts []listedPart
		parse(t, list, &parts)
		this := time.Now().UTC().Format("2006-01")
		command(t.Context(), "db", "partitions", "drop", "--db", uri, "--before", this, "--dry-run").is(t, exitDone, "dry run: nothing was changed", "metrics_bugs_y")
		command(t.Context(), "db", "partitions", "drop", "--db", uri, "--before", this).is(t, exitDone, "metrics_bugs_before_y2015")
		command(t.Context(), "db", "partitions", "ahead", "--db", uri, "--months", "2").is(t, exitDone, "parts made")
		var left []listedPart
		parse(t, command(t.Context(), "db", "partitions", "--db", uri, "--json"), &left)
		for _, p := range left {
			if p.To != "" && p.To <= this {
				t.Errorf("%s is there still", p.Name)
			}
		}
		if len(left) == 0 || len(left) >= len(parts) {
			t.Errorf("%d parts before, %d after", len(parts), len(left))
		}
		command(t.Context(), "doctor", "--db", uri).is(t, exitDone, "everything agrees")
	})
}

func TestDBRetention(t *testing.T) {
	both(t, func(t *testing.T, uri string, _ bool) {
		type result struct {
			Table  string
			Rows   int64
			InPart int64 `json:"rows_in_parts"`
		}
		var plan, done, again []result
		args := []string{"db", "retention", "--db", uri, "--older-than", "45d", "--older-than", "metrics_bugs=2w", "--json"}
		parse(t, command(t.Context(), append(args, "--dry-run")...), &plan)
		parse(t, command(t.Context(), args...), &done)
		parse(t, command(t.Context(), args...), &again)
		total := int64(0)
		for i := range done {
			if done[i] != plan[i] {
				t.Errorf("did %+v, had planned %+v", done[i], plan[i])
			}
			total += done[i].Rows + done[i].InPart
			if again[i].Rows+again[i].InPart != 0 {
				t.Errorf("a second time %+v", again[i])
			}
		}
		if total < 1500 {
			t.Errorf("only %d rows were old", total)
		}
		command(t.Context(), "doctor", "--db", uri).is(t, exitDone, "everything agrees")
		command(t.Context(), "sample", "--db", uri, "--events", "3000").is(t, exitDone, "older than what metrics_bugs keeps", "nothing was written")
	})
}

func TestDBRetentionUsage(t *testing.T) {
	emptyFolder(t)
	for args, want := range map[string]string{
		"":                       "--older-than is missing",
		"90":                     "is no age; write 90d",
		"0d":                     "is no age",
		"-5d":                    "is no age",
		"1e9d":                   "is no age",
		"5m":                     "is no age",
		"bugs=5d":                `"bugs" is no event table; there are metrics_bugs`,
		"5d 6d":                  "twice for all tables",
		"import_runs=5d":         "is no event table",
		"metrics_bugs=1y 1y 12w": "twice",
	} {
		line := []string{"db", "retention", "--db", "x.db"}
		for a := range strings.FieldsSeq(args) {
			line = append(line, "--older-than", a)
		}
		command(t.Context(), line...).is(t, exitUsage, want)
	}
	command(t.Context(), "db", "partitions", "drop", "--before", "2025").is(t, exitUsage, "is no month")
	command(t.Context(), "db", "partitions", "ahead", "--months", "-1").is(t, exitUsage, "between 0 and")
	command(t.Context(), "db", "retention", "--db", "x.db", "--older-than", "5d").is(t, exitFailed, "there is no database x.db")
}

func TestCutoff(t *testing.T) {
	now := time.Date(2026, 3, 31, 15, 4, 5, 0, time.FixedZone("", 3*3600))
	for age, want := range map[string]string{"1d": "2026-03-30", "2w": "2026-03-17", "1mo": "2026-03-03", "12mo": "2025-03-31", "1y": "2025-03-31"} {
		if got, err := cutoff(age, now); err != nil || got.Format(time.RFC3339) != want+"T00:00:00Z" {
			t.Errorf("%s before %v is %v, %v, want %s", age, now, got, err, want)
		}
	}
}

func TestDBRefresh(t *testing.T) {
	both(t, func(t *testing.T, uri string, server bool) {
		o := command(t.Context(), "db", "refresh", "--db", uri)
		o.is(t, exitDone, "up to date")
		if strings.Contains(o.out, "REFRESH MATERIALIZED VIEW CONCURRENTLY metrics.daily_pattern_stats") != server {
			t.Errorf("printed\n%s", o.out)
		}
		command(t.Context(), "db", "refresh", "--schedule", "--db", uri).is(t, exitFailed, "no pg_cron", "CREATE EXTENSION pg_cron")
	})
}

// The pool's settings come from flags, the environment and .env alike, and are checked.
func TestPoolSettings(t *testing.T) {
	emptyFolder(t)
	for _, args := range [][]string{{"--db-pool-size", "0"}, {"--db-pool-size", "x"}, {"--db-max-overflow", "-1"}, {"--db-pool-recycle", "0"}, {"--db-pool-pre-ping=maybe"}} {
		command(t.Context(), append([]string{"db", "status", "--db", "x.db"}, args...)...).is(t, exitUsage, strings.TrimSuffix(args[0], "=maybe"))
	}
	t.Setenv("FEEDBACK_LOOP_DB_POOL_SIZE", "many")
	command(t.Context(), "db", "status", "--db", "x.db").is(t, exitUsage, `FEEDBACK_LOOP_DB_POOL_SIZE: "many" is no whole number`)
}

func TestRoom(t *testing.T) {
	for n, want := range map[int64]string{-1: "?", 0: "0 B", 8192: "8192 B", 20480: "20 KiB", 50 << 20: "50 MiB", 20 << 30: "20 GiB"} {
		if got := room(n); got != want {
			t.Errorf("%d bytes are shown as %s, want %s", n, got, want)
		}
	}
	if got := fmt.Sprint(sqldb.Part{To: time.Unix(10, 0)}.Whole(time.Unix(10, 0)), sqldb.Part{}.Whole(time.Now())); got != "true false" {
		t.Errorf("whole parts: %s", got)
	}
}
