package dashboard

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqlite"
)

// compile gives the SQL of a chart and its values.
func compile(x *Chart, q Query) (string, []any) {
	s := x.Statement(sqlite.Engine{}, q)
	return s.String(), s.Args()
}

func day(s string) time.Time {
	t, err := time.Parse(sqldb.DateLayout, s)
	if err != nil {
		panic(err)
	}
	return t
}

// What a request says never becomes part of the SQL's text. (Whether there is a whole month in the window decides which
// tables are read.)
func TestTextIsConstant(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	plain := "acme/shop"
	w := Window{day("2026-01-01"), day("2026-01-31")}
	hostile := []string{"'; DROP TABLE metrics_bugs; --", `" OR 1=1`, "?", "$1", "\x00", strings.Repeat("x", 10000), "{repo}", ""}
	for _, x := range c.Charts() {
		for _, raw := range []bool{false, true} {
			want, _ := compile(x, Query{Organization: 1, Window: w, Repository: &plain, Grain: sqldb.Day, Raw: raw})
			for _, repo := range hostile {
				other := Window{day("1900-01-01"), day("2999-12-31")}
				got, args := compile(x, Query{Organization: -1, Window: other, Repository: &repo, Grain: sqldb.Day, Raw: raw})
				if got != want {
					t.Errorf("%s: the text depends on the request:\n%s\n%s", x.ID, want, got)
				}
				if strings.Count(got, "?") != len(args) {
					t.Errorf("%s: %d placeholders for %d values", x.ID, strings.Count(got, "?"), len(args))
				}
			}
		}
	}
}

// Every source of every chart is limited to the organisation.
func TestOrganisationInEverySource(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range c.Charts() {
		for _, raw := range []bool{false, true} {
			text, _ := compile(x, Query{Organization: 1, Raw: raw})
			froms := strings.Count(text, "FROM metrics_")
			if n := strings.Count(text, "WHERE organization_id = ?"); n != froms || n != len(x.Datasets) {
				t.Errorf("%s: %d of %d sources name the organisation: %s", x.ID, n, froms, text)
			}
		}
	}
}

// The rollup is read within a range of its key.
func TestRollupUsesItsKey(t *testing.T) {
	db, err := sqldb.Open(t.Context(), []sqldb.Engine{sqlite.Engine{}}, filepath.Join(t.TempDir(), "x.db"), sqldb.Options{Create: true, Version: metric.SchemaVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context(), metric.Tables(), 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range c.Charts() {
		text, args := compile(x, Query{Organization: 1, Window: Window{day("2026-01-02"), day("2026-03-30")}, Grain: sqldb.Day})
		plan := strings.Join(queryPlan(t, db, text, args), "\n")
		searches := 0
		for line := range strings.SplitSeq(plan, "\n") {
			_, search, ok := strings.Cut(line, "SEARCH metrics_")
			if !ok && !strings.Contains(line, "SCAN metrics") {
				continue
			}
			searches++
			if !strings.Contains(search, "(organization_id=? AND metric_type=? AND day>? AND day<?)") &&
				!strings.Contains(search, "(organization_id=? AND metric_type=? AND month>? AND month<?)") {
				t.Errorf("%s does not use the key: %s", x.ID, plan)
			}
		}
		if want := 3 * len(x.Datasets); x.Time == "" && searches != want || x.Time != "" && searches != len(x.Datasets) {
			t.Errorf("%s reads %d spans: %s", x.ID, searches, plan)
		}
	}
}

func queryPlan(t *testing.T, db *sqldb.DB, text string, args []any) []string {
	t.Helper()
	var plan []string
	st := db.Statement("EXPLAIN QUERY PLAN "+text, args...)
	err := db.Query(t.Context(), st, func(r *sql.Rows) error {
		var id, parent, unused int
		var detail string
		err := r.Scan(&id, &parent, &unused, &detail)
		plan = append(plan, detail)
		return err
	})
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return plan
}

func TestParseWindow(t *testing.T) {
	now := time.Date(2026, 3, 1, 1, 0, 0, 0, time.FixedZone("", 2*3600)) // still February in UTC
	tests := []struct{ name, from, to, want string }{
		{"7d", "", "", "2026-02-22 2026-02-28"},
		{"30d", "", "", "2026-01-30 2026-02-28"},
		{"90d", "", "", "2025-12-01 2026-02-28"},
		{"1y", "", "", "2025-03-01 2026-02-28"},
		{"all", "", "", "0001-01-01 0001-01-01"},
		{"", "2026-01-01", "2026-01-01", "2026-01-01 2026-01-01"},
		{"", "2024-02-28", "2024-02-29", "2024-02-28 2024-02-29"},
		{"8d", "", "", "there is no range"},
		{"", "", "", "there is no range"},
		{"7d", "2026-01-01", "2026-01-02", "exclude each other"},
		{"", "2026-01-01", "", "belong together"},
		{"", "", "2026-01-01", "belong together"},
		{"", "2026-01-02", "2026-01-01", "from is after to"},
		{"", "2026-02-30", "2026-03-01", "is no day"},
		{"", "2026-01-01", "2026-1-2", "is no day"},
		{"", "0001-01-01", "2026-01-01", "is no day"},
		{"", "2026-01-01", "9999-12-31", "is no day"},
		{"", "2026-01-01T00:00:00Z", "2026-01-02", "is no day"},
	}
	for _, tt := range tests {
		w, err := ParseWindow(tt.name, tt.from, tt.to, now)
		got := w.From.Format(sqldb.DateLayout) + " " + w.To.Format(sqldb.DateLayout)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%q %q %q gives %s, want %s", tt.name, tt.from, tt.to, got, tt.want)
		}
	}
}

func TestWindowBefore(t *testing.T) {
	w := Window{day("2026-03-01"), day("2026-03-30")}
	if p := w.Previous(); w.Days() != 30 || p.Days() != 30 || p.To != day("2026-02-28") || p.From != day("2026-01-30") {
		t.Errorf("%d days before %v: %v", w.Days(), w, p)
	}
}

func TestGrain(t *testing.T) {
	auto, fixed, none := &Chart{Time: "auto"}, &Chart{Time: "week"}, &Chart{}
	from := day("2026-01-01")
	tests := []struct {
		chart *Chart
		days  int
		want  sqldb.Grain
	}{
		{auto, 1, sqldb.Day}, {auto, 45, sqldb.Day}, {auto, 46, sqldb.Week}, {auto, 732, sqldb.Week}, {auto, 733, sqldb.Month},
		{fixed, 1, sqldb.Week}, {fixed, 5000, sqldb.Week}, {none, 30, ""},
	}
	for _, tt := range tests {
		if g := tt.chart.Grain(Window{from, from.AddDate(0, 0, tt.days-1)}); g != tt.want {
			t.Errorf("time %q over %d days: %q, want %q", tt.chart.Time, tt.days, g, tt.want)
		}
	}
	if g := auto.Grain(Window{}); g != sqldb.Month {
		t.Errorf("without bounds: %q", g)
	}
}
