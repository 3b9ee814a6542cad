package sqlite

import (
	"fmt"
	"strings"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// grammar is how SQLite writes definitions and values.
type grammar struct{}

var _ sqldb.SelfCheck = grammar{}

// Placeholder implements sqldb.Grammar.
func (grammar) Placeholder(int) string { return "?" }

// Init implements sqldb.Grammar.
func (grammar) Init() []string { return nil }

// Stamp implements sqldb.Grammar: the numbers in the file header, which tell whose file it is before it is opened.
func (grammar) Stamp(version int) []string {
	return []string{fmt.Sprintf("PRAGMA application_id = %d", application), fmt.Sprintf("PRAGMA user_version = %d", version)}
}

// SelfCheck implements sqldb.SelfCheck.
func (grammar) SelfCheck() string { return "PRAGMA quick_check" }

// Encode implements sqldb.Grammar: times become text, which Superset compares as such.
func (grammar) Encode(v any) any {
	if t, ok := v.(time.Time); ok {
		return t.UTC().Format(sqldb.TimeLayout)
	}
	return v
}

// Day implements sqldb.Grammar: times are text in UTC that begins with the day.
func (grammar) Day(instant string) string { return "substr(" + instant + ", 1, 10)" }

// Bucket implements sqldb.Grammar.
func (grammar) Bucket(g sqldb.Grain, day string) string {
	switch g {
	case sqldb.Week:
		return "date(" + day + ", '-6 days', 'weekday 1')"
	case sqldb.Month:
		return "date(" + day + ", 'start of month')"
	default:
		return day
	}
}

// UserTables implements sqldb.Grammar.
func (grammar) UserTables() string {
	return `SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'`
}

// Create implements sqldb.Grammar. A table without id is clustered by its key.
func (g grammar) Create(t *metric.Table) []string {
	var defs []string
	if t.AutoID {
		defs = append(defs, "id INTEGER PRIMARY KEY")
	}
	for i := range t.Columns {
		defs = append(defs, g.column(&t.Columns[i]))
	}
	tail := ""
	if !t.AutoID {
		defs = append(defs, "PRIMARY KEY ("+strings.Join(t.Identity, ", ")+")")
		tail = " WITHOUT ROWID"
	}
	stmts := []string{fmt.Sprintf("CREATE TABLE %s (\n  %s\n)%s", t.Name, strings.Join(defs, ",\n  "), tail)}
	if t.AutoID && len(t.Identity) > 0 {
		stmts = append(stmts, fmt.Sprintf("CREATE UNIQUE INDEX uq_%s ON %s (%s)", t.Name, t.Name, strings.Join(t.Identity, ", ")))
	}
	return stmts
}

// CreateIndex implements sqldb.Grammar.
func (grammar) CreateIndex(t *metric.Table, i metric.Index) string {
	return fmt.Sprintf("CREATE INDEX %s ON %s (%s)", i.Name, t.Name, strings.Join(i.Columns, ", "))
}

// AddColumn implements sqldb.Grammar.
func (g grammar) AddColumn(t *metric.Table, c *metric.Column) string {
	return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s", t.Name, g.column(c))
}

func (grammar) column(c *metric.Column) string { return sqldb.Define(c, columnType(c), literal) }

func columnType(c *metric.Column) string {
	switch c.Type {
	case metric.Int:
		return "BIGINT"
	case metric.Float:
		return "FLOAT"
	case metric.Bool:
		return "BOOLEAN"
	case metric.JSON, metric.List:
		return "TEXT" // a type called JSON would turn the text 1.50 into the number 1.5, and cut long integers
	case metric.Time:
		return "DATETIME"
	case metric.Date:
		return "DATE"
	case metric.Key:
		return "CHAR(36)"
	default:
		if c.Size > 0 {
			return fmt.Sprintf("VARCHAR(%d)", c.Size)
		}
		return "TEXT"
	}
}

func literal(v any) string {
	switch v := v.(type) {
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	case bool:
		if v {
			return "1"
		}
		return "0"
	default:
		return fmt.Sprint(v)
	}
}
