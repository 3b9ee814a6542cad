package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// loader binds rows to one prepared statement, below database/sql, whose per-call cost would show in an import.
type loader struct {
	conn  *sql.Conn
	table *metric.Table
	mode  sqldb.Mode
	last  time.Time // encoded as text
	text  any
}

// Insert implements sqldb.Loader.
func (l *loader) Insert(ctx context.Context, rows []metric.Row) ([]int64, error) {
	ids := make([]int64, len(rows))
	used := l.used(rows)
	err := l.prepared(l.insertSQL(used), func(st driver.Stmt) (err error) {
		args := make([]driver.NamedValue, len(used))
		for i, row := range rows {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			l.bind(args, used, row)
			if ids[i], err = l.insert(st, args); err != nil {
				return err
			}
		}
		return nil
	})
	return ids, err
}

func (l *loader) insert(st driver.Stmt, args []driver.NamedValue) (int64, error) {
	if l.returning() {
		values := make([]driver.Value, 1)
		if err := first(st.(driver.StmtQueryContext), args, values); err != nil {
			return 0, err
		}
		return values[0].(int64), nil
	}
	res, err := st.(driver.StmtExecContext).ExecContext(context.Background(), args)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 || !l.table.AutoID {
		return n, err
	}
	return res.LastInsertId()
}

// returning says whether the statement itself gives the id: SQLite does not remember that of a row it updates. For
// new rows, which are the many, remembering is faster.
func (l *loader) returning() bool {
	return l.table.AutoID && l.mode != sqldb.Skip && len(l.table.Identity) > 0
}

// Find implements sqldb.Loader.
func (l *loader) Find(ctx context.Context, rows []metric.Row) ([]int64, error) {
	ids := make([]int64, len(rows))
	err := l.lookUp(ctx, rows, nil, func(i int, values []driver.Value) error {
		ids[i] = values[0].(int64)
		return nil
	})
	return ids, err
}

// Get implements sqldb.Loader.
func (l *loader) Get(ctx context.Context, rows []metric.Row) ([]int64, []metric.Row, error) {
	ids, stored := make([]int64, len(rows)), make([]metric.Row, len(rows))
	err := l.lookUp(ctx, rows, l.table.Names(), func(i int, values []driver.Value) (err error) {
		ids[i] = values[0].(int64)
		stored[i], err = sqldb.Values(l.table.Types(), values[1:])
		return err
	})
	return ids, stored, err
}

// lookUp calls found for each row whose identity is there, with its id and the values of these columns.
func (l *loader) lookUp(ctx context.Context, rows []metric.Row, columns []string, found func(i int, values []driver.Value) error) error {
	at := make([]int, len(l.table.Identity))
	for i, name := range l.table.Identity {
		at[i] = l.table.Position(name)
	}
	return l.prepared(l.findSQL(columns), func(st driver.Stmt) error {
		query := st.(driver.StmtQueryContext)
		args, values := make([]driver.NamedValue, len(at)), make([]driver.Value, 1+len(columns))
		for i, row := range rows {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			for j, p := range at {
				args[j] = driver.NamedValue{Ordinal: j + 1, Value: encode(row[p])}
			}
			switch err := first(query, args, values); {
			case errors.Is(err, io.EOF):
			case err != nil:
				return err
			default:
				if err := found(i, values); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// first reads the first row of the answer; io.EOF if there is none.
func first(query driver.StmtQueryContext, args []driver.NamedValue, values []driver.Value) error {
	r, err := query.QueryContext(context.Background(), args)
	if err != nil {
		return err
	}
	err = r.Next(values)
	if e := r.Close(); err == nil {
		err = e
	}
	return err
}

func (l *loader) bind(args []driver.NamedValue, used []int, row metric.Row) {
	for i, at := range used {
		args[i] = driver.NamedValue{Ordinal: i + 1, Value: l.encode(row[at])}
	}
}

// encode remembers the time it wrote last: all rows of an import share the time of ingestion.
func (l *loader) encode(v any) any {
	t, ok := v.(time.Time)
	if !ok {
		return v
	}
	if l.text == nil || !t.Equal(l.last) {
		l.last, l.text = t, encode(t)
	}
	return l.text
}

func encode(v any) any { return grammar{}.Encode(v) }

// used lists the columns that make a difference for any of the rows: binding a value costs as much as storing it, and
// most rows leave many columns empty.
func (l *loader) used(rows []metric.Row) []int {
	var used []int
	for at := range l.table.Columns {
		for _, row := range rows {
			if len(row) != len(l.table.Columns) {
				panic(fmt.Sprintf("sqlite: %d values for the %d columns of %s", len(row), len(l.table.Columns), l.table.Name))
			}
			if l.matters(at, row[at]) {
				used = append(used, at)
				break
			}
		}
	}
	return used
}

// matters says whether a value differs from what its column gets, or keeps, when the statement does not name it.
func (l *loader) matters(at int, v any) bool {
	c := &l.table.Columns[at]
	switch {
	case l.mode == sqldb.Replace, slices.Contains(l.table.Identity, c.Name):
		return true
	case l.mode == sqldb.Add:
		return c.Default == nil || v != c.Default || v != int64(0) && v != 0.0
	default:
		return v != nil || c.Default != nil || c.Required
	}
}

func (l *loader) prepared(stmt string, use func(driver.Stmt) error) error {
	return l.conn.Raw(func(c any) (err error) {
		st, err := c.(driver.ConnPrepareContext).PrepareContext(context.Background(), stmt)
		if err != nil {
			return err
		}
		defer func() {
			if e := st.Close(); err == nil {
				err = e
			}
		}()
		return use(st)
	})
}

func (l *loader) insertSQL(used []int) string {
	t := l.table
	names := make([]string, len(used))
	for i, at := range used {
		names[i] = t.Columns[at].Name
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ")
	s := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.Name, strings.Join(names, ", "), marks)
	if len(t.Identity) == 0 {
		return s
	}
	if l.mode == sqldb.Skip {
		return s + " ON CONFLICT (" + strings.Join(t.Identity, ", ") + ") DO NOTHING"
	}
	s += " ON CONFLICT (" + strings.Join(t.Identity, ", ") + ") DO UPDATE SET " + l.assignments(names)
	if l.returning() {
		s += " RETURNING id"
	}
	return s
}

func (l *loader) assignments(names []string) string {
	key := l.table.Identity
	var set []string
	for _, name := range names {
		c := &l.table.Columns[l.table.Position(name)]
		switch {
		case slices.Contains(key, name):
		case l.mode == sqldb.Replace:
			set = append(set, name+" = excluded."+name)
		case c.Type == metric.Int || c.Type == metric.Float:
			set = append(set, name+" = "+l.table.Name+"."+name+" + excluded."+name)
		}
	}
	if len(set) == 0 { // no change, but the row counts as written
		set = append(set, key[0]+" = excluded."+key[0])
	}
	return strings.Join(set, ", ")
}

func (l *loader) findSQL(columns []string) string {
	id := "1"
	if l.table.AutoID {
		id = "id"
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s = ?", strings.Join(append([]string{id}, columns...), ", "), l.table.Name,
		strings.Join(l.table.Identity, " = ? AND "))
}
