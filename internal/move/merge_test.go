package move_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/move"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// merged merges, and gives how many rows were written to each table.
func merged(t testing.TB, from, to *sqldb.DB) (*move.Report, map[string]int64) {
	t.Helper()
	rep, err := move.Copy(t.Context(), from, to, move.Options{Merge: true})
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]int64{}
	for _, r := range rep.Tables {
		if r.Merging == nil {
			t.Fatalf("%s was copied, not merged", r.Table)
		}
		if n := number(t, from, "SELECT COUNT(*) FROM "+r.Table); r.Rows != n || r.Written+r.Known > n || r.Known < 0 {
			t.Errorf("%s: %d rows of %d, %d written, %d known", r.Table, r.Rows, n, r.Written, r.Known)
		}
		if r.Written > 0 {
			written[r.Table] = r.Written
		}
	}
	return rep, written
}

// content is what a table holds, without ids and without when it was written.
func content(t testing.TB, db *sqldb.DB, table *metric.Table) (rows []string) {
	t.Helper()
	for _, row := range read(t, db, table) {
		if table.AutoID {
			row = row[1:]
		}
		var parts []string
		for i, c := range table.Columns {
			if v, ok := row[i].(float64); ok && strings.HasSuffix(c.Name, "_sum") {
				row[i] = fmt.Sprintf("%.9g", v) // the order of adding shows in the last digits
			}
			if c.Name != "ingested_at" && c.Name != "import_run_id" {
				parts = append(parts, fmt.Sprint(row[i]))
			}
		}
		rows = append(rows, strings.Join(parts, " | "))
	}
	slices.Sort(rows)
	return rows
}

// Two databases that share a file, and records without time, become what one would be that had imported everything.
func TestMerge(t *testing.T) {
	thereAndBack(t, func(t *testing.T, from, to string) {
		mine, shared, theirs := made(t, 700, 11), made(t, 600, 12), made(t, 800, 13)
		strange := odd(t)
		src, dst, want := fresh(t, from), fresh(t, to), fresh(t, to)
		load(t, dst, mine, shared)
		exec(t, src, "INSERT INTO rollup_dirty (organization_id, metric_type, day) VALUES (1, 'bugs', '2026-06-01')") // as a killed import leaves it
		load(t, src, shared, strange, theirs)
		load(t, want, mine, shared, strange, theirs)
		rep, written := merged(t, src, dst)
		if !rep.Merged || len(rep.Notes) > 0 || written["metrics_bugs"] == 0 || written["import_runs"] != 2 || written["import_rejects"] != 2 || written["import_undated"] != 2 {
			t.Errorf("%+v, %v", rep, written)
		}
		for _, table := range metric.Tables() {
			if table.Local || table == metric.ImportRuns() {
				continue
			}
			a, b := content(t, dst, table), content(t, want, table)
			if !slices.Equal(a, b) {
				t.Errorf("%s: %d rows, want %d", table.Name, len(a), len(b))
				for i := range min(len(a), len(b)) {
					if a[i] != b[i] {
						t.Errorf("%s\nwant %s", a[i], b[i])
						break
					}
				}
			}
		}
		rejectsOf(t, dst)
		healthy(t, dst)
		again(t, dst, mine, shared, strange, theirs)
		if _, written := merged(t, src, dst); len(written) > 0 {
			t.Errorf("merging twice wrote %v", written)
		}
		healthy(t, dst)
	})
}

// rejectsOf checks that rejects stand under the import that had them.
func rejectsOf(t testing.TB, db *sqldb.DB) {
	t.Helper()
	n := number(t, db, "SELECT COUNT(*) FROM import_rejects j JOIN import_runs r ON r.id = j.import_run_id WHERE r.file LIKE '%odd.json'")
	if all := number(t, db, "SELECT COUNT(*) FROM import_rejects"); n != all || n == 0 {
		t.Errorf("%d of %d rejects are those of the file that has some", n, all)
	}
}

// Records without time were given another one by each side: the target's stays, and there is one row.
func TestMergeUndated(t *testing.T) {
	thereAndBack(t, func(t *testing.T, from, to string) {
		strange := odd(t)
		src, dst := fresh(t, from), fresh(t, to)
		im := importer(src)
		im.Now = func() time.Time { return now().AddDate(0, 0, -20) }
		if _, err := im.File(t.Context(), strange, ingest.Options{}); err != nil {
			t.Fatal(err)
		}
		load(t, dst, strange)
		if _, written := merged(t, src, dst); len(written) != 2 || written["import_runs"] != 1 || written["import_rejects"] != 2 {
			t.Errorf("written were %v", written)
		}
		if n := number(t, dst, "SELECT COUNT(*) FROM metrics_bugs WHERE timestamp_missing"); n != 1 {
			t.Errorf("%d rows stand for one record", n)
		}
		healthy(t, dst)
		again(t, dst, strange)
	})
}

// A merge that was stopped anywhere leaves a target that agrees with itself, but for summaries that are due, and is
// merely done again.
func TestMergeStopped(t *testing.T) {
	src, files := filled(t, sqlite, 3000)
	for _, engine := range []string{sqlite, postgres} {
		dst := fresh(t, engine)
		own := made(t, 300, 4)
		load(t, dst, own)
		for _, part := range []float64{0.02, 0.1, 0.3, 0.6} {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := move.Copy(ctx, src, dst, move.Options{Merge: true, Progress: func(done, total int64) {
				if float64(done) >= part*float64(total) {
					cancel()
				}
			}})
			cancel()
			wantFault(t, err, fault.Unavailable, "interrupted")
		}
		merged(t, src, dst)
		if n, want := number(t, dst, "SELECT SUM(row_count) FROM metrics_monthly WHERE metric_type = 'bugs'"), number(t, dst, "SELECT COUNT(*) FROM metrics_bugs"); n != want {
			t.Errorf("%d rows in the rollup, %d in the table", n, want)
		}
		healthy(t, dst)
		again(t, dst, append(files, own)...)
	}
}

// Counters that both sides read at different times cannot be told apart afterwards, and that is said.
func TestMergeCounters(t *testing.T) {
	early := file(t, "m.json", `{"bugs":[{"pattern":"p","error":"e","count":5,"timestamp":"2026-03-01T10:00:00"}]}`)
	late := file(t, "m.json", `{"bugs":[{"pattern":"p","error":"e","count":8,"timestamp":"2026-03-02T10:00:00"}]}`)
	src, dst := fresh(t, sqlite), fresh(t, sqlite)
	load(t, src, early)
	load(t, dst, late)
	rep, written := merged(t, src, dst)
	if len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "1 cumulative counters") || written["metrics_bugs"] != 1 || written["import_series"] != 0 {
		t.Errorf("%v, %v", rep.Notes, written)
	}
	if n := number(t, dst, "SELECT last_count FROM import_series"); n != 8 {
		t.Errorf("the counter stands at %d", n)
	}
	healthy(t, dst)
	again(t, dst, early, late)
}

// What the target has removed for its age does not come back, and the later horizon counts.
func TestMergeRetention(t *testing.T) {
	thereAndBack(t, func(t *testing.T, from, to string) {
		src, dst := fresh(t, from), fresh(t, to)
		theirs := made(t, 800, 21)
		load(t, src, theirs)
		load(t, dst, made(t, 100, 22))
		kept := now().AddDate(0, 0, -60).Truncate(24 * time.Hour)
		put(t, dst, metric.Retention(), metric.Row{"metrics_bugs", kept}, metric.Row{"metrics_deployment", kept})
		put(t, src, metric.Retention(), metric.Row{"metrics_deployment", kept.AddDate(0, 0, 7)}, metric.Row{"metrics_bugs", kept.AddDate(0, 0, -7)},
			metric.Row{"metrics_llm_calls", time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)})
		before := number(t, dst, "SELECT COUNT(*) FROM metrics_bugs")
		young := number(t, src, "SELECT COUNT(*) FROM metrics_bugs WHERE timestamp >= ?", kept)
		rep, written := merged(t, src, dst)
		if written["retention_horizons"] != 2 || written["metrics_bugs"] != young || young == 0 {
			t.Errorf("%d rows are young enough, written were %v", young, written)
		}
		if n := number(t, dst, "SELECT COUNT(*) FROM metrics_bugs"); n != before+young {
			t.Errorf("%d rows, want %d", n, before+young)
		}
		if !slices.ContainsFunc(rep.Notes, func(s string) bool {
			return strings.HasPrefix(s, "metrics_bugs: ") && strings.Contains(s, "older than what the target keeps")
		}) {
			t.Errorf("the notes are %v", rep.Notes)
		}
		got := content(t, dst, metric.Retention())
		want := []string{"metrics_bugs | " + kept.String(), "metrics_deployment | " + kept.AddDate(0, 0, 7).String(), "metrics_llm_calls | 2020-01-01 00:00:00 +0000 UTC"}
		if !slices.Equal(got, want) {
			t.Errorf("kept is\n%v, want\n%v", got, want)
		}
		if _, written := merged(t, src, dst); len(written) > 0 {
			t.Errorf("merging twice wrote %v", written)
		}
	})
}

func organization(slug string) metric.Row { return metric.Row{slug, slug, "free", nil, now(), now()} }

func pattern(name string, version int64, parent any) metric.Row {
	row := make(metric.Row, len(metric.Patterns().Columns))
	for i, c := range metric.Patterns().Columns {
		row[i] = c.Default
		switch c.Name {
		case "organization_id":
			row[i] = int64(1)
		case "name":
			row[i] = name
		case "description":
			row[i] = "x"
		case "pattern_data":
			row[i] = `{"k":[1]}`
		case "version":
			row[i] = version
		case "parent_id":
			row[i] = parent
		case "created_at", "updated_at":
			row[i] = now()
		}
	}
	return row
}

func saving(pattern any) metric.Row {
	return metric.Row{int64(1), nil, nil, "pattern_applied", `{}`, int64(60), pattern, now()}
}

// pairs reads two columns as "a>b".
func pairs(t testing.TB, db *sqldb.DB, query string) (all []string) {
	t.Helper()
	err := db.Query(t.Context(), db.Statement(query), func(r *sql.Rows) error {
		var a, b sql.NullString
		err := r.Scan(&a, &b)
		all = append(all, a.String+">"+b.String)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What people manage is added under ids that mean the same on both sides: references follow.
func TestMergeLibrary(t *testing.T) {
	thereAndBack(t, func(t *testing.T, from, to string) {
		src, dst := fresh(t, from), fresh(t, to)
		put(t, src, metric.Organizations(), organization("ours"), organization("more"))
		put(t, dst, metric.Organizations(), organization("ours"))
		put(t, dst, metric.Patterns(), pattern("own", 1, nil), pattern("both", 1, nil))
		ids := put(t, src, metric.Patterns(), pattern("both", 1, nil), pattern("new", 2, nil), pattern("new", 1, nil))
		exec(t, src, "UPDATE patterns SET parent_id = ? WHERE id = ?", ids[2], ids[1]) // one that comes later
		put(t, src, metric.Patterns(), pattern("both", 2, ids[0]))
		put(t, src, metric.Savings(), saving(ids[0]), saving(nil), saving(ids[2]))
		rep, written := merged(t, src, dst)
		if written["organizations"] != 1 || written["patterns"] != 3 || written["metrics"] != 3 || len(rep.Notes) > 0 {
			t.Errorf("%v, %v", written, rep.Notes)
		}
		lineage := "SELECT p.name || CAST(p.version AS TEXT), q.name || CAST(q.version AS TEXT) FROM patterns p LEFT JOIN patterns q ON q.id = p.parent_id ORDER BY 1"
		if got, want := pairs(t, dst, lineage), []string{"both1>", "both2>both1", "new1>", "new2>new1", "own1>"}; !slices.Equal(got, want) {
			t.Errorf("the patterns are %v, want %v", got, want)
		}
		saved := "SELECT m.metric_type, p.name FROM metrics m LEFT JOIN patterns p ON p.id = m.pattern_id ORDER BY 2"
		got := pairs(t, dst, saved)
		slices.Sort(got)
		if want := []string{"pattern_applied>", "pattern_applied>both", "pattern_applied>new"}; !slices.Equal(got, want) {
			t.Errorf("the savings are of %v, want %v", got, want)
		}
		if got, want := pairs(t, dst, "SELECT CAST(id AS TEXT), slug FROM organizations ORDER BY id"), []string{"1>ours", "2>more"}; !slices.Equal(got, want) {
			t.Errorf("the organisations are %v, want %v", got, want)
		}
		put(t, dst, metric.Organizations(), organization("third")) // gets an id of its own
		rep, written = merged(t, src, dst)
		if len(written) > 0 || len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "metrics: 3 rows were left out") {
			t.Errorf("merging twice wrote %v, and says %v", written, rep.Notes)
		}
	})
}

// One id must not stand for two organisations: their events would be mixed up.
func TestMergeOrganizations(t *testing.T) {
	thereAndBack(t, func(t *testing.T, from, to string) {
		for _, c := range []struct {
			src, dst []string
			want     string
		}{
			{[]string{"a", "b"}, []string{"a", "c"}, "the organisation 2 is b in the source, c in the target"},
			{[]string{"a", "b"}, []string{"b"}, "the organisation"},
			{[]string{"x", "b"}, []string{"y", "x"}, "the organisation x has the id 1 in the source, 2 in the target"},
		} {
			src, dst := fresh(t, from), fresh(t, to)
			load(t, src, odd(t))
			for _, s := range c.src {
				put(t, src, metric.Organizations(), organization(s))
			}
			for _, s := range c.dst {
				put(t, dst, metric.Organizations(), organization(s))
			}
			_, err := move.Copy(t.Context(), src, dst, move.Options{Merge: true})
			wantFault(t, err, fault.Conflict, c.want, "copy into an empty one")
			if n := number(t, dst, "SELECT COUNT(*) FROM metrics_bugs"); n > 0 {
				t.Errorf("%d events were merged", n)
			}
		}
	})
}

// Merging into an empty database is copying.
func TestMergeIntoNothing(t *testing.T) {
	src, _ := filled(t, sqlite, 300)
	dst := fresh(t, postgres)
	rep, err := move.Copy(t.Context(), src, dst, move.Options{Merge: true})
	if err != nil || rep.Merged || len(rep.Differing()) > 0 {
		t.Errorf("%+v, %v", rep, err)
	}
	sameRows(t, src, dst)
}
