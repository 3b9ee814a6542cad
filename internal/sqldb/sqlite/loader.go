package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// loader binds rows to one prepared statement, below database/sql, whose per-call cost would show in an import.
type loader struct {
	conn  *sql.Conn
	table *metric.Table
	mode  sqldb.Mode
}

// Insert implements sqldb.Loader.
func (l *loader) Insert(ctx context.Context, rows []metric.Row) ([]int64, error) {
	ids := make([]int64, len(rows))
	err := l.prepared(l.insertSQL(), func(st driver.Stmt) (err error) {
		args := make([]driver.NamedValue, len(l.table.Columns))
		for i, row := range rows {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			l.bind(args, row)
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
		return one(st.(driver.StmtQueryContext), args)
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
	at := make([]int, len(l.table.Identity))
	for i, name := range l.table.Identity {
		at[i] = l.table.Position(name)
	}
	err := l.prepared(l.findSQL(), func(st driver.Stmt) error {
		query := st.(driver.StmtQueryContext)
		args := make([]driver.NamedValue, len(at))
		for i, row := range rows {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			for j, p := range at {
				args[j] = driver.NamedValue{Ordinal: j + 1, Value: encode(row[p])}
			}
			var err error
			if ids[i], err = one(query, args); err != nil {
				return err
			}
		}
		return nil
	})
	return ids, err
}

func one(query driver.StmtQueryContext, args []driver.NamedValue) (id int64, err error) {
	r, err := query.QueryContext(context.Background(), args)
	if err != nil {
		return 0, err
	}
	dest := make([]driver.Value, 1)
	if err = r.Next(dest); err == nil {
		id = dest[0].(int64)
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	if e := r.Close(); err == nil {
		err = e
	}
	return id, err
}

func (l *loader) bind(args []driver.NamedValue, row metric.Row) {
	if len(row) != len(args) {
		panic(fmt.Sprintf("sqlite: %d values for the %d columns of %s", len(row), len(args), l.table.Name))
	}
	for i, v := range row {
		args[i] = driver.NamedValue{Ordinal: i + 1, Value: encode(v)}
	}
}

func encode(v any) any { return grammar{}.Encode(v) }

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

func (l *loader) insertSQL() string {
	t := l.table
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(t.Columns)), ", ")
	s := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.Name, strings.Join(t.Names(), ", "), marks)
	if len(t.Identity) == 0 {
		return s
	}
	if l.mode == sqldb.Skip {
		return s + " ON CONFLICT (" + strings.Join(t.Identity, ", ") + ") DO NOTHING"
	}
	s += " ON CONFLICT (" + strings.Join(t.Identity, ", ") + ") DO UPDATE SET " + l.assignments()
	if l.returning() {
		s += " RETURNING id"
	}
	return s
}

func (l *loader) assignments() string {
	key := map[string]bool{}
	for _, k := range l.table.Identity {
		key[k] = true
	}
	var set []string
	for _, name := range l.table.Names() {
		switch {
		case key[name]:
		case l.mode == sqldb.Add:
			set = append(set, name+" = "+l.table.Name+"."+name+" + excluded."+name)
		default:
			set = append(set, name+" = excluded."+name)
		}
	}
	return strings.Join(set, ", ")
}

func (l *loader) findSQL() string {
	result := "1"
	if l.table.AutoID {
		result = "id"
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s = ?", result, l.table.Name, strings.Join(l.table.Identity, " = ? AND "))
}
