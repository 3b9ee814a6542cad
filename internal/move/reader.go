package move

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Size of a batch, whichever is reached first. It begins small, because rows may be large.
const (
	firstRows = 128
	maxRows   = 4096
	maxBytes  = 4 << 20
)

// reader reads a table in batches by ascending key, each with one statement, so that nothing has to be kept open in
// between. Rows have their ids.
type reader struct {
	tx    *sqldb.Tx
	table *metric.Table // numbered
	names []string      // of the key
	at    []int         // positions of the key
	where string        // further condition
	args  []any         // its values
	last  []any         // key of the last row that was read; nil = none yet
	limit int
	done  bool // there are no more rows
}

func newReader(tx *sqldb.Tx, t *metric.Table) *reader {
	r := &reader{tx: tx, table: sqldb.Numbered(t), names: t.Identity, limit: firstRows}
	if t.AutoID {
		r.names = []string{"id"}
	}
	for _, name := range r.names {
		r.at = append(r.at, r.table.Position(name))
	}
	return r
}

// next reads a batch.
func (r *reader) next() ([]metric.Row, error) {
	var rows []metric.Row
	size, left := 0, false
	types := r.table.Types()
	err := r.tx.Query(r.statement(), func(x *sql.Rows) error {
		if left = size >= maxBytes; left {
			return nil // the statement has to come to its end
		}
		row, err := sqldb.ScanRow(x, types)
		if err == nil {
			compact(types, row)
			rows, size = append(rows, row), size+bytes(row)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	r.done = len(rows) < r.limit && !left
	r.limit = min(2*r.limit, maxRows)
	if left {
		r.limit = len(rows)
	}
	if len(rows) > 0 {
		r.last = r.keyOf(rows[len(rows)-1])
	}
	return rows, nil
}

func (r *reader) statement() *sqldb.Statement {
	s := r.tx.Statement("SELECT " + strings.Join(r.table.Names(), ", ") + " FROM " + r.table.Name)
	and := " WHERE "
	if r.where != "" {
		s.Add(and+r.where, r.args...)
		and = " AND "
	}
	key := strings.Join(r.names, ", ")
	if r.last != nil {
		s.Add(and+"("+key+") > ("+strings.TrimSuffix(strings.Repeat("?, ", len(r.last)), ", ")+")", r.last...)
	}
	return s.Add(" ORDER BY "+key+" LIMIT ?", int64(r.limit))
}

// compact takes the blanks out of JSON that engines put there: it is kept as compact text.
func compact(types []metric.Type, row metric.Row) {
	for i, t := range types {
		if text, ok := row[i].(string); ok && (t == metric.JSON || t == metric.List) {
			raw := jsontext.Value(text)
			if raw.Compact(jsontext.AllowDuplicateNames(true)) == nil {
				row[i] = string(raw)
			}
		}
	}
}

// bytes is about what a row takes in memory.
func bytes(row metric.Row) int {
	const value = 16
	n := value * len(row)
	for _, v := range row {
		if s, ok := v.(string); ok {
			n += len(s)
		}
	}
	return n
}

// keyOf gives the key of a row.
func (r *reader) keyOf(row metric.Row) []any {
	key := make([]any, len(r.at))
	for i, at := range r.at {
		key[i] = row[at]
	}
	return key
}

// key is the key of the last row that was read, as text; empty = none.
func (r *reader) key() string {
	if r.last == nil {
		return ""
	}
	texts := make([]string, len(r.last))
	for i, v := range r.last {
		texts[i] = fmt.Sprint(v)
	}
	b, err := json.Marshal(texts)
	if err != nil {
		panic(err) // texts always have JSON
	}
	return string(b)
}

// resume goes on behind the row with a key that key gave.
func (r *reader) resume(key string) error {
	if key == "" {
		return nil
	}
	var texts []string
	if err := json.Unmarshal([]byte(key), &texts); err != nil {
		return fmt.Errorf("copy_progress: %w", err)
	}
	if len(texts) != len(r.at) {
		return fmt.Errorf("copy_progress: %s is no key of %s", key, r.table.Name)
	}
	r.last = make([]any, len(texts))
	for i, text := range texts {
		r.last[i] = text
		if r.table.Columns[r.at[i]].Type == metric.Int {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return fmt.Errorf("copy_progress: %w", err)
			}
			r.last[i] = n
		}
	}
	return nil
}
