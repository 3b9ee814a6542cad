package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// Two organisations have rows in everything. What the first has says "ours", what the second has says "theirs": nothing
// that a reader of the first ever gets, be it a row or an error, may say that.
const (
	ours, theirs     = "ours", "theirs"
	ourOrg, theirOrg = 1, 2
)

// house is a database with rows of both organisations and a reader of the first.
type house struct {
	uri     string // of the owner
	db      *sqldb.DB
	role    string
	granted *sqldb.Granted
}

// open migrates the database at the URI.
func open(t testing.TB, uri string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), []sqldb.Engine{postgres.Engine{}}, uri, sqldb.Options{Create: true, Version: metric.SchemaVersion})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context(), metric.Tables(), metric.SchemaVersion, time.Now()); err != nil {
		t.Fatal(err)
	}
	return db
}

// roleName is a name that no other test uses: roles belong to the whole server.
func roleName() string { return "r_" + strings.ReplaceAll(uuid.NewString(), "-", "") }

// build makes a database with rows, and with tables that are none of a reader's business.
func build(t testing.TB, server *pgtest.Server) *house {
	t.Helper()
	h := &house{uri: server.Database(t), role: roleName()}
	h.db = open(t, h.uri)
	err := h.db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for _, table := range metric.Tables() {
			for i, word := range []string{ours, theirs} {
				if _, err := tx.Insert(table, row(table, int64(i+1), word)); err != nil {
					return fmt.Errorf("%s: %w", table.Name, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, h.uri,
		"CREATE TABLE api.users (id bigint, organization_id bigint, email text, hashed_password text, api_key text)",
		"INSERT INTO api.users VALUES (1, 1, 'ours@example.org', 'theirs to hide', 'theirs to hide'), (2, 2, 'theirs@example.org', 'theirs', 'theirs')",
		"UPDATE metrics.metrics_daily SET metric_type = 'bugs'", // what daily_pattern_stats counts
		"REFRESH MATERIALIZED VIEW metrics.daily_pattern_stats", "REFRESH MATERIALIZED VIEW metrics.pattern_roi_view")
	return h
}

// row makes up a row of an organisation; numbers carry it too.
func row(table *metric.Table, org int64, word string) metric.Row {
	r := make(metric.Row, len(table.Columns))
	for i, c := range table.Columns {
		switch {
		case c.Name == "organization_id":
			r[i] = org
		case len(c.Enum) > 0:
			r[i] = c.Enum[0]
		case c.Type == metric.Int:
			r[i] = org
		case c.Type == metric.Float:
			r[i] = float64(org) / 4
		case c.Type == metric.Bool:
			r[i] = true
		case c.Type == metric.Time:
			r[i] = time.Date(2024, 5, int(org), 12, 0, 0, 0, time.UTC)
		case c.Type == metric.Date:
			r[i] = "2024-05-01"
		case c.Type == metric.Key:
			r[i] = uuid.NewString()
		case c.Type == metric.JSON:
			r[i] = `{"word": "` + word + `"}`
		case c.Type == metric.List:
			r[i] = `["` + word + `"]`
		default:
			r[i] = word
		}
	}
	return r
}

// grant makes or renews the reader as whoever the URI names.
func (h *house) grant(t testing.TB, uri string, r sqldb.Reader) *sqldb.Granted {
	t.Helper()
	g, err := h.tryGrant(t, uri, r)
	if err != nil {
		t.Fatal(err)
	}
	h.granted = g
	return g
}

func (h *house) tryGrant(t testing.TB, uri string, r sqldb.Reader) (*sqldb.Granted, error) {
	t.Helper()
	if r.Name == "" {
		r.Name = h.role
	}
	return postgres.Engine{}.GrantReader(t.Context(), open(t, uri), metric.Tables(), r)
}

// super is the superuser in the same database.
func (h *house) super(t testing.TB) string { return pgtest.Shared(t).Super(h.uri) }

// as is the URI of another role in the same database.
func (h *house) as(t testing.TB, role string) string {
	config, err := pgx.ParseConfig(h.uri)
	if err != nil {
		t.Fatal(err)
	}
	return pgtest.Shared(t).URI(role, config.Database)
}

// reader connects as the reader.
func (h *house) reader(t testing.TB) *pgx.Conn { return pgtest.Connect(t, h.as(t, h.role)) }

// ask runs a statement and gives all that comes back, as text.
func ask(ctx context.Context, c *pgx.Conn, stmt string) (string, error) {
	results, err := c.PgConn().Exec(ctx, stmt).ReadAll()
	var b strings.Builder
	for _, r := range results {
		for _, row := range r.Rows {
			for _, v := range row {
				b.Write(v)
				b.WriteByte('|')
			}
			b.WriteByte('\n')
		}
	}
	return b.String(), err
}

// reachable lists, as the server sees it, what a role can read in some column.
func (h *house) reachable(t testing.TB) []string {
	t.Helper()
	return column(t, h.uri, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  AND has_schema_privilege('`+h.role+`', n.oid, 'USAGE')
  AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('`+h.role+`', c.oid, 'SELECT') ELSE has_any_column_privilege('`+h.role+`', c.oid, 'SELECT') END
ORDER BY 1`)
}

// leaks walks all that the reader can reach and says where it sees anything but its own rows, or none of them.
func (h *house) leaks(t testing.TB) (found []string) {
	t.Helper()
	c := h.reader(t)
	defer c.Close(t.Context())
	for _, object := range h.reachable(t) {
		text, err := ask(t.Context(), c, "SELECT * FROM "+object)
		orgs, err2 := ask(t.Context(), c, "SELECT DISTINCT organization_id FROM "+object)
		switch {
		case err != nil || err2 != nil:
			found = append(found, fmt.Sprintf("%s: %v %v", object, err, err2))
		case strings.Contains(text, theirs) || orgs != fmt.Sprintf("%d|\n", ourOrg):
			found = append(found, fmt.Sprintf("%s: organisations %q: %s", object, orgs, text))
		}
	}
	return found
}

// What is granted is what can be reached, and shows one organisation's rows; the list comes from the server, so that new
// tables are tried too.
func TestReaderSeesItsOrganisation(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	g := h.grant(t, h.uri, sqldb.Reader{})
	want := []string{"bi.combined_detections_view", "bi.daily_pattern_stats", "bi.pattern_roi_view"}
	for _, table := range metric.Tables() {
		if table.Tenants {
			want = append(want, map[bool]string{true: "api.", false: "metrics."}[table.Operational]+table.Name)
		}
	}
	slices.Sort(want)
	if got := h.reachable(t); !slices.Equal(got, want) || !slices.Equal(g.Objects, want) {
		t.Errorf("reachable %v\nsaid      %v\nwant      %v", got, g.Objects, want)
	}
	for _, leak := range h.leaks(t) {
		t.Error(leak)
	}
	if text, err := ask(t.Context(), h.reader(t), "SELECT * FROM combined_detections_view"); err != nil || strings.Count(text, "\n") != 3 {
		t.Errorf("%v\n%s", err, text) // of each of its three tables one; by its plain name
	}
}

// The test above can fail: for each thing that is granted, taking away its wall is noticed there.
func TestReaderWallsAreNeeded(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	h.grant(t, h.uri, sqldb.Reader{Connections: 50})
	leaksAt := func(object string) bool {
		return slices.ContainsFunc(h.leaks(t), func(leak string) bool { return strings.HasPrefix(leak, object+":") })
	}
	for _, object := range h.granted.Objects {
		breach, mend := "ALTER TABLE "+object+" DISABLE ROW LEVEL SECURITY", "ALTER TABLE "+object+" ENABLE ROW LEVEL SECURITY"
		if name, ok := strings.CutPrefix(object, "bi."); ok {
			breach, mend = "ALTER VIEW "+object+" RESET (security_invoker)", "ALTER VIEW "+object+" SET (security_invoker)"
			if name != "combined_detections_view" {
				breach = "CREATE OR REPLACE VIEW " + object + " AS SELECT * FROM metrics." + name
				mend = breach + " WHERE organization_id = (SELECT bi.organization())"
			}
		}
		run(t, h.uri, breach)
		if !leaksAt(object) {
			t.Errorf("%s: nothing noticed that", breach)
		}
		run(t, h.uri, mend)
		if leaksAt(object) {
			t.Errorf("%s: still open", mend)
		}
		if !strings.HasPrefix(object, "bi.") {
			run(t, h.uri, "DROP POLICY readers ON "+object)
			if !leaksAt(object) { // it sees nothing then
				t.Errorf("nothing noticed that %s has no policy", object)
			}
		}
	}
}

// Row security costs the owner nothing, and hides nothing from it.
func TestReaderWallsAreFreeForTheOwner(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	c := pgtest.Connect(t, h.uri)
	for _, table := range metric.Tables() {
		if !table.Tenants {
			continue
		}
		name := map[bool]string{true: "api.", false: "metrics."}[table.Operational] + table.Name
		plan, err := ask(t.Context(), c, "EXPLAIN SELECT * FROM "+name)
		if err != nil || strings.Contains(plan, "Filter") || strings.Contains(plan, "InitPlan") {
			t.Errorf("%s: %v\n%s", name, err, plan)
		}
		if n, err := ask(t.Context(), c, "SELECT count(*) FROM "+name); n != "2|\n" || err != nil {
			t.Errorf("the owner sees %q rows of %s, %v", n, name, err)
		}
	}
}

// Nothing shows without being granted: not a table, a column or a part that came later.
func TestReaderSeesNothingNew(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.Shared(t))
	all := metric.Tables()
	without := slices.DeleteFunc(slices.Clone(all), func(t *metric.Table) bool { return t.Name == "metrics_daily" })
	if _, err := (postgres.Engine{}).GrantReader(t.Context(), h.db, without, sqldb.Reader{Name: h.role}); err != nil {
		t.Fatal(err)
	}
	run(t, h.uri, "CREATE TABLE metrics.later (organization_id bigint)", "CREATE TABLE api.later (organization_id bigint)",
		"CREATE VIEW bi.later AS SELECT * FROM metrics.metrics_bugs", "ALTER TABLE metrics.metrics_bugs ADD COLUMN later text")
	c := h.reader(t)
	denied := func(what string) {
		t.Helper()
		if text, err := ask(t.Context(), c, "SELECT "+what); code(err) != notAllowed {
			t.Errorf("SELECT %s gives %q, %v", what, text, err)
		}
	}
	later := []string{"* FROM metrics.later", "* FROM api.later", "* FROM bi.later", "later FROM metrics.metrics_bugs", "* FROM metrics.metrics_bugs"}
	for _, what := range append(later, "* FROM metrics_daily") {
		denied(what)
	}
	run(t, h.uri, "GRANT SELECT ON metrics.later, api.later, bi.later, metrics.metrics_bugs TO "+h.role) // by hand: that does not last
	h.grant(t, h.uri, sqldb.Reader{})
	for _, what := range later { // the catalogue knows nothing of these
		denied(what)
	}
	if text, err := ask(t.Context(), c, "SELECT organization_id FROM metrics_daily"); err != nil || text != "1|\n" {
		t.Errorf("after another grant: %q, %v", text, err)
	}
}
