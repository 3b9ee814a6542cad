package dbtest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Rows gives the rows of a reading statement, each with its values as text, joined by |. What engines give in different
// shapes looks the same: NULL is "null", true is 1 and false 0, an instant is in sqldb.TimeLayout, a day in
// sqldb.DateLayout, a number without the zeros behind its fraction, and the JSON of a type for it is compact with its members in
// order.
func Rows(t testing.TB, db *sqldb.DB, query string, args ...any) []string {
	t.Helper()
	var all []string
	err := db.Query(t.Context(), db.Statement(query, args...), func(r *sql.Rows) error {
		types, err := r.ColumnTypes()
		if err != nil {
			return err
		}
		vals, dest := make([]any, len(types)), make([]any, len(types))
		for i := range vals {
			dest[i] = &vals[i]
		}
		if err := r.Scan(dest...); err != nil {
			return err
		}
		parts := make([]string, len(vals))
		for i, v := range vals {
			parts[i] = Show(types[i].DatabaseTypeName(), v)
		}
		all = append(all, strings.Join(parts, "|"))
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return all
}

// Show writes a value of a column whose type the driver calls by this name, as Rows has it.
func Show(column string, v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		if v {
			return "1"
		}
		return "0"
	case time.Time:
		if column == "DATE" {
			return v.UTC().Format(sqldb.DateLayout)
		}
		return v.UTC().Format(sqldb.TimeLayout)
	case []byte:
		return Show(column, string(v))
	case string:
		return showText(column, v)
	default:
		return fmt.Sprint(v)
	}
}

func showText(column, s string) string {
	switch {
	case column == "NUMERIC" && strings.Contains(s, "."):
		return strings.TrimRight(strings.TrimRight(s, "0"), ".")
	case column == "JSONB":
		v := jsontext.Value(s)
		if v.Format(jsontext.ReorderRawObjects(true)) != nil {
			return s
		}
		return string(v)
	default:
		return s
	}
}
