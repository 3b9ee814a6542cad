package postgres

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// grammar is how PostgreSQL writes definitions and values.
type grammar struct{}

// Placeholder implements sqldb.Grammar.
func (grammar) Placeholder(n int) string { return "$" + strconv.Itoa(n) }

// Encode implements sqldb.Grammar.
func (grammar) Encode(v any) any {
	if t, ok := v.(time.Time); ok {
		return t.UTC()
	}
	return v
}

// Day implements sqldb.Grammar.
func (grammar) Day(instant string) string { return "CAST(" + instant + " AT TIME ZONE 'UTC' AS DATE)" }

// Bucket implements sqldb.Grammar. A date would be truncated as an instant in the session's time zone.
func (grammar) Bucket(g sqldb.Grain, day string) string {
	if g == sqldb.Day {
		return day
	}
	return "CAST(date_trunc('" + string(g) + "', CAST(" + day + " AS TIMESTAMP)) AS DATE)"
}

// Stamp implements sqldb.Grammar: the views follow when their tables are there. The version is in its table alone.
func (grammar) Stamp(version int) []string {
	if version == viewsSince {
		return createViews()
	}
	return nil
}

// UserTables implements sqldb.Grammar: what is in our schemas, and what the original exporter left in the public one.
// Others may use the database beside us.
func (grammar) UserTables() string {
	return `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND (n.nspname IN ('metrics', 'api') OR n.nspname = 'public' AND c.relname IN (` + quoted(originals()) + `))`
}

// originals are the tables of the original exporter.
func originals() []string {
	return []string{"metrics_bugs", "metrics_test_failures", "metrics_code_reviews", "metrics_performance", "metrics_deployment",
		"metrics_code_generation", "pattern_effectiveness", "metrics_summary"}
}

func quoted(names []string) string { return "'" + strings.Join(names, "', '") + "'" }

// Init implements sqldb.Grammar.
func (grammar) Init() []string {
	return append([]string{"CREATE SCHEMA IF NOT EXISTS metrics", "CREATE SCHEMA IF NOT EXISTS api", setPath()}, walls()...)
}

// setPath sets the path for everybody who connects, so that statements find the tables by their plain names; who may not
// change the database changes it for himself.
func setPath() string {
	return `DO $$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET search_path = ` + searchPath + `', current_database());
EXCEPTION WHEN insufficient_privilege THEN
  EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET search_path = ` + searchPath + `', current_database());
END $$`
}

// schema is where a table lives.
func schema(t *metric.Table) string {
	if t.Operational {
		return "api"
	}
	return "metrics"
}

func sequence(t *metric.Table) string { return schema(t) + "." + t.Name + "_id_seq" }

// Create implements sqldb.Grammar.
func (g grammar) Create(t *metric.Table) []string {
	name := schema(t) + "." + t.Name
	var stmts, defs []string
	if t.AutoID {
		stmts = append(stmts, "CREATE SEQUENCE "+sequence(t))
		defs = append(defs, "id BIGINT NOT NULL DEFAULT nextval('"+sequence(t)+"')")
	}
	for i := range t.Columns {
		defs = append(defs, g.column(&t.Columns[i]))
	}
	tail := ""
	switch {
	case t.Monthly:
		tail = " PARTITION BY RANGE (timestamp)"
	case t.AutoID:
		defs = append(defs, "PRIMARY KEY (id)")
	case !wide(t):
		defs = append(defs, "PRIMARY KEY ("+strings.Join(t.Identity, ", ")+")")
	}
	if t.Tenants && !t.AutoID { // a rollup: its rows are added to, and with room in their page no index has to know
		tail = " WITH (fillfactor = 85)"
	}
	stmts = append(stmts, fmt.Sprintf("CREATE TABLE %s (\n  %s\n)%s", name, strings.Join(defs, ",\n  "), tail))
	if t.AutoID {
		stmts = append(stmts, "ALTER SEQUENCE "+sequence(t)+" OWNED BY "+name+".id")
	}
	if len(t.Identity) > 0 && (t.AutoID || wide(t)) {
		stmts = append(stmts, fmt.Sprintf("CREATE UNIQUE INDEX uq_%s ON %s (%s)", t.Name, name, strings.Join(keyIndex(t), ", ")))
	}
	if t.Monthly {
		// A unique index over a partitioned table has to contain the time. Ids are unique by their sequence.
		stmts = append(stmts, fmt.Sprintf("CREATE INDEX %s_id ON %s (id)", t.Name, name))
		stmts = append(stmts, outerParts(t)...)
	}
	return append(stmts, wall(t)...)
}

// maxKey is the size in bytes up to which the leading columns of a key are kept as they are, of the 2,704 that an index
// row may have. What follows is in the key as one digest.
const maxKey = 1600

// keyIndex gives the columns of the unique index over the identity. Texts are counted with four bytes a character.
func keyIndex(t *metric.Table) []string {
	if !wide(t) {
		return t.Identity
	}
	size := 0
	for i, name := range t.Identity {
		if size += width(&t.Columns[t.Position(name)]); size > maxKey {
			return append(t.Identity[:i:i], "("+digest(t.Identity[i:])+")")
		}
	}
	return t.Identity
}

// wide says that the identity might not fit an index row.
func wide(t *metric.Table) bool {
	const most = 2600
	size := 0
	for _, name := range t.Identity {
		size += width(&t.Columns[t.Position(name)])
	}
	return size > most
}

func width(c *metric.Column) int {
	const bytesPerCharacter, others = 4, 16
	if c.Type == metric.Text {
		return c.Size * bytesPerCharacter
	}
	return others
}

// digest is the SHA-256 of some text columns, each with its length before it. The functions are those that are known
// never to change their answer: convert_to is not among them.
func digest(columns []string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = "CAST(length(" + c + ") AS TEXT) || ':' || " + c
	}
	return `sha256(decode(replace(` + strings.Join(parts, " || ") + `, '\', '\\'), 'escape'))`
}

// CreateIndex implements sqldb.Grammar.
func (grammar) CreateIndex(t *metric.Table, i metric.Index) string {
	return fmt.Sprintf("CREATE INDEX %s ON %s.%s (%s)", i.Name, schema(t), t.Name, strings.Join(i.Columns, ", "))
}

// AddColumn implements sqldb.Grammar.
func (g grammar) AddColumn(t *metric.Table, c *metric.Column) string {
	return fmt.Sprintf("ALTER TABLE %s.%s ADD COLUMN %s", schema(t), t.Name, g.column(c))
}

func (grammar) column(c *metric.Column) string { return sqldb.Define(c, columnType(c), literal) }

// columnType gives texts the collation "C": indexes that compare bytes are fast, survive an upgrade of the system's
// library, and sort as SQLite does.
func columnType(c *metric.Column) string {
	switch c.Type {
	case metric.Int:
		return "BIGINT"
	case metric.Float:
		return "DOUBLE PRECISION"
	case metric.Bool:
		return "BOOLEAN"
	case metric.JSON, metric.List:
		return "JSONB"
	case metric.Time:
		return "TIMESTAMPTZ"
	case metric.Date:
		return "DATE"
	case metric.Key:
		return "UUID"
	default:
		if c.Size > 0 {
			return fmt.Sprintf(`VARCHAR(%d) COLLATE "C"`, c.Size)
		}
		return `TEXT COLLATE "C"`
	}
}

func literal(v any) string {
	if s, ok := v.(string); ok {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return fmt.Sprint(v)
}
