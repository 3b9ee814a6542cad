package sqldbtest

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

func testMigrate(t *testing.T, s Suite) {
	cases(t, s, map[string]func(*testing.T, Suite){
		"Empty": migrateEmpty, "Twice": migrateTwice, "Columns": migrateColumns, "Indexes": migrateIndexes,
		"Upgrade": migrateUpgrade, "NewerFromEmpty": migrateNewerFromEmpty,
	})
}

// made-up names of later schema versions
const (
	grown     = "metrics_bugs"
	lastMade  = metric.SchemaVersion + 5
	madeTable = "made_up_%d"
)

// evolving is the catalogue as it might look after some more schema versions: each adds a table with an index, a
// column to a table of version 1, and an index over it.
func evolving(last int) []*metric.Table {
	all := slices.DeleteFunc(slices.Clone(metric.Tables()), func(t *metric.Table) bool { return t.Since > last })
	at := slices.IndexFunc(all, func(t *metric.Table) bool { return t.Name == grown })
	bugs := *all[at]
	bugs.Columns, bugs.Indexes = slices.Clone(bugs.Columns), slices.Clone(bugs.Indexes)
	for v := metric.SchemaVersion + 1; v <= last; v++ {
		name := fmt.Sprintf("added_%d", v)
		bugs.Columns = append(bugs.Columns,
			metric.Column{Name: name, Type: metric.Int, Required: true, Default: int64(v), Since: v},
			metric.Column{Name: name + "_note", Type: metric.Text, Size: 20, Since: v})
		bugs.Indexes = append(bugs.Indexes, metric.Index{Name: "idx_" + name, Columns: []string{name}, Since: v})
		table := fmt.Sprintf(madeTable, v)
		all = append(all, &metric.Table{Name: table, Since: v, AutoID: true,
			Columns: []metric.Column{{Name: "note", Type: metric.Text, Size: 50, Required: true}},
			Indexes: []metric.Index{{Name: "idx_" + table, Columns: []string{"note"}}}})
	}
	all[at] = &bugs
	return all
}

func migrateEmpty(t *testing.T, s Suite) {
	db := s.open(t, s.New(t), metric.SchemaVersion)
	if v, err := db.Version(t.Context()); v != 0 || err != nil {
		t.Errorf("an empty database has version %d, %v", v, err)
	}
	migrate(t, db)
	if v, err := db.Version(t.Context()); v != metric.SchemaVersion || err != nil {
		t.Errorf("version %d, %v after migration", v, err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func migrateTwice(t *testing.T, s Suite) {
	uri := s.New(t)
	db := s.open(t, uri, metric.SchemaVersion)
	migrate(t, db)
	insertBugs(t, db, 3)
	before := s.Fingerprint(t, uri)
	migrate(t, db)
	migrate(t, s.open(t, uri, metric.SchemaVersion))
	if after := s.Fingerprint(t, uri); after != before {
		t.Errorf("the second migration changed the database:\n%s\n%s", before, after)
	}
	wantNumber(t, db, 3, "SELECT COUNT(*) FROM metrics_bugs")
	wantNumber(t, db, metric.SchemaVersion, "SELECT COUNT(*) FROM "+versionTable(t, db))
}

// versionTable is the one table that no catalogue lists.
func versionTable(t testing.TB, db *sqldb.DB) string {
	t.Helper()
	known := map[string]bool{}
	for _, table := range evolving(lastMade) {
		known[table.Name] = true
	}
	var rest []string
	for _, n := range names(t, db, db.Engine().UserTables()) {
		if !known[n] {
			rest = append(rest, n)
		}
	}
	if len(rest) != 1 {
		t.Fatalf("tables beside the catalogue: %v, want only that of the versions", rest)
	}
	return rest[0]
}

func migrateColumns(t *testing.T, s Suite) {
	db := s.fresh(t)
	wantColumns(t, db, metric.Tables())
	if got, want := len(names(t, db, db.Engine().UserTables())), len(metric.Tables())+1; got != want {
		t.Errorf("%d tables, want %d", got, want)
	}
}

func wantColumns(t testing.TB, db *sqldb.DB, tables []*metric.Table) {
	t.Helper()
	for _, table := range tables {
		want := table.Names()
		if table.AutoID {
			want = append([]string{"id"}, want...)
		}
		got := columns(t, db, table.Name)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s has columns\n%v, want\n%v", table.Name, got, want)
		}
	}
}

// columns asks the database; the outer join gives one row even if the table has none.
func columns(t testing.TB, db *sqldb.DB, table string) (cols []string) {
	t.Helper()
	query := "SELECT x.* FROM (SELECT 1 AS one) o LEFT JOIN " + table + " x ON 1 = 0"
	err := db.Query(t.Context(), db.Statement(query), func(r *sql.Rows) (err error) {
		cols, err = r.Columns()
		return err
	})
	if err != nil {
		t.Errorf("%s: %v", table, err)
	}
	return cols
}

func migrateIndexes(t *testing.T, s Suite) {
	wantIndexes(t, s, s.fresh(t), metric.Tables())
}

func wantIndexes(t testing.TB, s Suite, db *sqldb.DB, tables []*metric.Table) {
	t.Helper()
	var want []string
	for _, table := range tables {
		for _, i := range table.Indexes {
			want = append(want, fmt.Sprintf("%s %s(%s)", table.Name, i.Name, strings.Join(i.Columns, ", ")))
		}
	}
	got := s.Indexes(t, db)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("indexes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// migrateUpgrade puts later versions on top of a filled database of version 1.
func migrateUpgrade(t *testing.T, s Suite) {
	uri := s.New(t)
	old := s.open(t, uri, metric.SchemaVersion)
	migrate(t, old)
	insertBugs(t, old, 5)
	for _, target := range []int{metric.SchemaVersion + 1, lastMade} {
		tables := evolving(target)
		db := s.open(t, uri, target)
		if err := db.Migrate(t.Context(), tables, target, clock()); err != nil {
			t.Fatalf("to version %d: %v", target, err)
		}
		if v, err := db.Version(t.Context()); v != target || err != nil {
			t.Errorf("version %d, %v, want %d", v, err, target)
		}
		wantColumns(t, db, tables)
		wantIndexes(t, s, db, tables)
		wantNumber(t, db, int64(target), "SELECT COUNT(*) FROM "+versionTable(t, db))
	}
	first, last := metric.SchemaVersion+1, lastMade
	wantNumber(t, old, 5, fmt.Sprintf("SELECT COUNT(*) FROM metrics_bugs WHERE added_%d = %d AND added_%d_note IS NULL AND added_%d = %d", first, first, first, last, last))
	wantNumber(t, old, 5, "SELECT COUNT(DISTINCT pattern) FROM metrics_bugs")
}

// migrateNewerFromEmpty goes through all versions at once, as a new user of a later binary does.
func migrateNewerFromEmpty(t *testing.T, s Suite) {
	tables := evolving(lastMade)
	db := s.open(t, s.New(t), lastMade)
	if err := db.Migrate(t.Context(), tables, lastMade, clock()); err != nil {
		t.Fatal(err)
	}
	wantColumns(t, db, tables)
	wantIndexes(t, s, db, tables)
}

func testRefuse(t *testing.T, s Suite) {
	cases(t, s, map[string]func(*testing.T, Suite){
		"Newer":            refuseNewer,
		"OpenNewer":        refuseOpenNewer,
		"OtherProgram":     refuseOthers("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(20))", "INSERT INTO customers VALUES (1, 'Ada')"),
		"OriginalExporter": refuseOthers(originalTables()...),
		"OtherMigrations": refuseOthers("CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, dirty BOOLEAN NOT NULL)",
			"INSERT INTO schema_migrations VALUES (1, false)"),
		"OtherMigrationsEmpty": refuseOthers("CREATE TABLE schema_migrations (version VARCHAR(255) PRIMARY KEY)"),
	})
}

// originalTables are two of the tables of the original exporter, as its SQLAlchemy models made them.
func originalTables() []string {
	return []string{
		`CREATE TABLE metrics_bugs (id INTEGER NOT NULL PRIMARY KEY, pattern VARCHAR(255) NOT NULL, error TEXT NOT NULL,
			file_path VARCHAR(500), line INTEGER, count INTEGER, timestamp TIMESTAMP)`,
		`CREATE TABLE metrics_summary (id INTEGER NOT NULL PRIMARY KEY, metric_type VARCHAR(100) NOT NULL, summary_date TIMESTAMP)`,
		`CREATE INDEX idx_bug_pattern_timestamp ON metrics_bugs (pattern, timestamp)`,
		`INSERT INTO metrics_bugs (id, pattern, error) VALUES (1, 'null_check', 'boom')`,
	}
}

// refused opens and migrates as every command does, and wants a refusal that changes nothing.
func refused(t *testing.T, s Suite, uri string) {
	t.Helper()
	before := s.Fingerprint(t, uri)
	db, err := s.try(t.Context(), uri, metric.SchemaVersion)
	if err == nil {
		err = db.Migrate(t.Context(), metric.Tables(), metric.SchemaVersion, clock())
		if _, verr := db.Version(t.Context()); verr == nil && err != nil && !strings.Contains(err.Error(), "schema version") {
			t.Errorf("migration is refused (%v) but Version finds nothing wrong", err)
		}
		if cerr := db.Close(); cerr != nil {
			t.Errorf("close: %v", cerr)
		}
	}
	wantKind(t, err, fault.Conflict)
	if after := s.Fingerprint(t, uri); after != before {
		t.Errorf("refused (%v), and yet changed:\n%s\n%s", err, before, after)
	}
}

func refuseOthers(statements ...string) func(*testing.T, Suite) {
	return func(t *testing.T, s Suite) {
		uri := s.New(t)
		s.Foreign(t, uri, statements...)
		refused(t, s, uri)
	}
}

func refuseNewer(t *testing.T, s Suite) {
	uri := s.New(t)
	db, err := s.try(t.Context(), uri, lastMade)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), evolving(lastMade), lastMade, clock()); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, s, uri)
}

// refuseOpenNewer has the newer program still at work, or killed, when the older one comes.
func refuseOpenNewer(t *testing.T, s Suite) {
	uri := s.New(t)
	db := s.open(t, uri, lastMade)
	if err := db.Migrate(t.Context(), evolving(lastMade), lastMade, clock()); err != nil {
		t.Fatal(err)
	}
	refused(t, s, uri)
}
