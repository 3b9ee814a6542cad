// Package originaldb reads a SQLite database that the original exporter made. The file is opened read-only and not
// changed by a byte.
//
// Its rows are copies of the collector's cumulative file, one set per export: a row that stands there twice is one
// record exported twice, and a raised count is the later reading of one counter.
package originaldb

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"modernc.org/sqlite"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

const magic = "SQLite format 3\x00"

// Format is the original's database.
func Format() ingest.Format {
	return ingest.Format{Name: "original-db", Snapshots: true, Split: split,
		Sniff: func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }}
}

func split(ctx context.Context, in *ingest.Input, emit func(ingest.Item) error) (err error) {
	path, done, err := private(in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	db, err := open(path)
	if err != nil {
		return damaged(in, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	have, err := tables(ctx, db)
	if err == nil {
		err = limit(ctx, db)
	}
	if err != nil {
		return damaged(in, err)
	}
	found := false
	for _, cat := range metric.Catalogue() {
		if have[cat.Table] {
			found = true
			if err := rows(ctx, db, cat, emit, func(e error) error { return damaged(in, e) }); err != nil {
				return err
			}
		}
	}
	if !found {
		return fault.New(fault.Invalid, "%s is a SQLite database without any of the tables metrics_bugs, metrics_test_failures, ...", in.Name).
			Try("Import a database that the original exporter made.")
	}
	return summaries(ctx, db, have, in)
}

// limit makes SQLite refuse rows larger than a record may be, so that no row is held in memory without bound.
func limit(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	const length = 0 // SQLITE_LIMIT_LENGTH
	_, err = sqlite.Limit(conn, length, ingest.MaxRecord)
	return errors.Join(err, conn.Close())
}

func damaged(in *ingest.Input, err error) error {
	const tooBig = 18 // SQLITE_TOOBIG
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == tooBig {
		return fault.New(fault.Invalid, "%s has a row that is larger than %d MiB", in.Name, ingest.MaxRecord>>20).Because(err).
			Try("Shorten it and import the file again; the rows before it were imported and will be recognised.")
	}
	return fault.New(fault.Invalid, "%s cannot be read as a SQLite database", in.Name).Because(err).
		Try("If it is damaged, recover what is readable with: sqlite3 FILE .recover")
}

// private gives a path that may be opened without changing the user's file: the file itself, or a copy if it comes
// from a pipe or is in WAL mode, in which even a reader writes beside it.
func private(in *ingest.Input) (path string, done func() error, err error) {
	head, err := in.Reader.Peek(20)
	if err != nil {
		return "", nil, damaged(in, err)
	}
	const walMode = 2
	if in.Path != "" && head[18] != walMode {
		return in.Path, func() error { return nil }, nil
	}
	dir, err := os.MkdirTemp("", "feedback-loop-")
	if err != nil {
		return "", nil, err
	}
	done = func() error { return os.RemoveAll(dir) }
	path = filepath.Join(dir, "copy.db")
	if err = save(path, in.Reader); err == nil && in.Path != "" {
		err = saveLog(in.Path+"-wal", path+"-wal")
	}
	if err != nil {
		return "", nil, errors.Join(err, done())
	}
	return path, done, nil
}

func save(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func saveLog(from, to string) error {
	f, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return save(to, f)
}

func open(path string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: abs}).EscapedPath(),
		RawQuery: "mode=ro&_pragma=busy_timeout(5000)&_pragma=trusted_schema(0)&_pragma=query_only(1)&_pragma=cache_size(-2000)"}
	db, err := sql.Open("sqlite", u.String())
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

func tables(ctx context.Context, db *sql.DB) (map[string]bool, error) {
	rows, err := db.QueryContext(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	have := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		have[name] = true
	}
	return have, rows.Err()
}

// summaries says that derived tables are not imported: they are computed anew.
func summaries(ctx context.Context, db *sql.DB, have map[string]bool, in *ingest.Input) error {
	for _, t := range derived() {
		if !have[t.Name] {
			continue
		}
		var n int64
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t.Name).Scan(&n); err != nil {
			return damaged(in, err)
		}
		passedOver(in, t, n)
	}
	return nil
}

func derived() []*metric.Table { return []*metric.Table{metric.Summary(), metric.Effectiveness()} }

func passedOver(in *ingest.Input, t *metric.Table, n int64) {
	if n > 0 {
		in.Note(fmt.Sprintf("%s: %d rows passed over; the table is computed from the events", t.Name, n))
	}
}

// rows emits the rows of a table in the order they were written.
func rows(ctx context.Context, db *sql.DB, cat *metric.Category, emit func(ingest.Item) error, bad func(error) error) error {
	names, err := columns(ctx, db, cat.Table)
	if err != nil {
		return bad(err)
	}
	id := rowID(names)
	r, err := db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", strings.Join(append([]string{id}, bare(names)...), ", "), cat.Table, id))
	if err != nil {
		return bad(err)
	}
	defer r.Close()
	vals, dest := make([]any, len(names)+1), make([]any, len(names)+1)
	for i := range vals {
		dest[i] = &vals[i]
	}
	for r.Next() {
		if err := r.Scan(dest...); err != nil {
			return bad(err)
		}
		raw, err := object(cat, names, vals[1:])
		number, _ := vals[0].(int64) // in a file of anybody's even a column of that name may hold text
		it := ingest.Item{Category: cat, List: cat.Name, Raw: raw, Place: ingest.Place{List: cat.Table, Row: number}}
		if err != nil {
			it.Fault = err.Error()
		}
		if err := emit(it); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil {
		return bad(err)
	}
	return nil
}

func columns(ctx context.Context, db *sql.DB, table string) ([]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT name FROM pragma_table_info(?) WHERE name NOT IN ('id', 'organization_id')", table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		names = append(names, n)
	}
	return names, rows.Err()
}

// rowID is a name by which SQLite gives the number of a row: one that no column has, which would hide it.
func rowID(columns []string) string {
	names := []string{"rowid", "_rowid_", "oid"}
	return names[max(0, slices.IndexFunc(names, func(name string) bool {
		return !slices.ContainsFunc(columns, func(c string) bool { return strings.EqualFold(c, name) })
	}))]
}

// bare quotes names. The unary plus takes the declared type from a column, so that the driver gives its values as they
// are stored.
func bare(names []string) []string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = `+"` + strings.ReplaceAll(n, `"`, `""`) + `"`
	}
	return q
}

// object writes a row as the record it was in the metrics JSON.
func object(cat *metric.Category, names []string, vals []any) ([]byte, error) {
	var b bytes.Buffer
	var bad error
	b.WriteByte('{')
	for i, v := range vals {
		if v == nil {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(names[i])
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		text, err := value(cat, names[i], v)
		if err != nil {
			bad = fmt.Errorf("%s %w", names[i], err)
			text, _ = json.Marshal(fmt.Sprintf("%q", v))
		}
		b.Write(text)
	}
	b.WriteByte('}')
	return b.Bytes(), bad
}

func value(cat *metric.Category, name string, v any) ([]byte, error) {
	typ := metric.Text
	if p := cat.Position(name); p >= 0 {
		typ = cat.Layout().Columns[p].Type
	}
	switch x := v.(type) {
	case int64:
		if typ == metric.Bool && (x == 0 || x == 1) {
			return strconv.AppendBool(nil, x == 1), nil
		}
	case []byte:
		return nil, errors.New("holds binary data")
	case time.Time:
		return json.Marshal(x.Format(time.RFC3339Nano))
	case string:
		if !utf8.ValidString(x) {
			return nil, errors.New("holds bytes that are not UTF-8")
		}
		if (typ == metric.JSON || typ == metric.List) && json.Valid([]byte(x)) {
			return []byte(x), nil
		}
	}
	return json.Marshal(v)
}
