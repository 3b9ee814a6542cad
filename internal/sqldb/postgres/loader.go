package postgres

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// loader sends rows as one parameter: an array of the table's row type. That costs the server no more than COPY into a
// staging table, and needs no such table, which would live in a session and leave dead rows in the catalogues.
type loader struct {
	conn  *sql.Conn
	table *metric.Table
	mode  sqldb.Mode
}

// rowType is a table's row type as the server has it.
type rowType struct {
	oid, array uint32
	fields     []field
}

// field is one column of a row type.
type field struct {
	name string
	oid  uint32
	at   int // position in a metric.Row; negative = the loader gives it (id) or does not know it
}

// idField is where the row's id goes.
const idField, unknownField = -1, -2

// session is a connection while a loader works on it.
type session struct {
	*loader
	ctx context.Context
	pg  *pgconn.PgConn
	rt  *rowType
}

// use gives f the connection below database/sql.
func (l *loader) use(ctx context.Context, f func(*session) error) error {
	return l.conn.Raw(func(c any) error {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		s := &session{l, ctx, c.(*stdlib.Conn).Conn().PgConn(), nil}
		err := s.describe()
		if err == nil {
			err = f(s)
		}
		if err != nil {
			s.forget() // the table may have changed
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		return err
	})
}

// query runs one statement with binary parameters and answer.
func (s *session) query(stmt string, oid uint32, param []byte) ([][][]byte, error) {
	binaryFormat := []int16{1}
	var values [][]byte
	var oids []uint32
	if param != nil {
		values, oids = [][]byte{param}, []uint32{oid}
	}
	r := s.pg.ExecParams(s.ctx, stmt, values, oids, binaryFormat[:len(values)], binaryFormat).Read()
	return r.Rows, r.Err
}

// remembered is the key of the row types in the connection's own data.
const remembered = "feedback-loop row type of "

func (s *session) forget() {
	maps.DeleteFunc(s.pg.CustomData(), func(k string, _ any) bool { return strings.HasPrefix(k, remembered) })
}

// describe finds out, once a connection, what rows of the table look like. A table whose rows bring their ids has other
// positions than the same table without.
func (s *session) describe() error {
	name := schema(s.table) + "." + s.table.Name
	key := fmt.Sprint(remembered, name, " ", s.table.AutoID)
	if rt, ok := s.pg.CustomData()[key].(*rowType); ok {
		s.rt = rt
		return nil
	}
	rows, err := s.query(`SELECT t.oid::int8, t.typarray::int8, a.attname::text, a.atttypid::int8 FROM pg_class c
JOIN pg_type t ON t.oid = c.reltype JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = '`+name+`'::regclass ORDER BY a.attnum`, 0, nil)
	if err != nil {
		return err
	}
	rt := &rowType{}
	for _, r := range rows {
		rt.oid, rt.array = uint32(integer(r[0])), uint32(integer(r[1]))
		f := field{string(r[2]), uint32(integer(r[3])), unknownField}
		if at := s.table.Position(f.name); at >= 0 {
			f.at = at
		} else if f.name == "id" {
			f.at = idField
		}
		rt.fields = append(rt.fields, f)
	}
	s.pg.CustomData()[key], s.rt = rt, rt
	return nil
}

// encode writes rows as an array of the row type; those columns alone for which want says so, the others NULL. ids may
// be nil.
func (s *session) encode(rows []metric.Row, ids []int64, want func(at int) bool) (b []byte, err error) {
	const dimensions, hasNull, lowerBound = 1, 1, 1
	b = make([]byte, 0, len(rows)*len(s.rt.fields)*16)
	for _, n := range []int{dimensions, hasNull, int(s.rt.oid), len(rows), lowerBound} {
		b = putUint32(b, n)
	}
	for i, row := range rows {
		if len(row) != len(s.table.Columns) {
			panic(fmt.Sprintf("postgres: %d values for the %d columns of %s", len(row), len(s.table.Columns), s.table.Name))
		}
		start := len(b)
		b = putUint32(putUint32(b, 0), len(s.rt.fields))
		for _, f := range s.rt.fields {
			b = putUint32(b, int(f.oid))
			switch {
			case f.at == idField && ids != nil:
				b = binary.BigEndian.AppendUint64(putUint32(b, 8), uint64(ids[i]))
			case f.at >= 0 && want(f.at):
				if b, err = appendValue(b, s.table.Columns[f.at].Type, row[f.at]); err != nil {
					return nil, fmt.Errorf("%s.%s: %w", s.table.Name, f.name, err)
				}
			default:
				b = null(b)
			}
		}
		binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	}
	return b, nil
}

func every(int) bool { return true }

// Insert implements sqldb.Loader.
func (l *loader) Insert(ctx context.Context, rows []metric.Row) (ids []int64, err error) {
	err = l.use(ctx, func(s *session) error {
		var groups []*group
		if l.table.Monthly {
			groups = s.groups(rows)
		}
		if err := s.parts(groups); err != nil {
			return err
		}
		if l.mode == sqldb.Skip || len(l.table.Identity) == 0 {
			ids, err = s.insertNew(rows, groups)
		} else {
			ids, err = s.merge(rows)
		}
		return err
	})
	return ids, err
}

// group is the rows, by their number, that belong to one part of a table.
type group struct {
	part part
	rows []int
}

// groups divides rows by the parts of their table. Rows without a time belong nowhere; they will be refused.
func (s *session) groups(rows []metric.Row) []*group {
	at := s.table.Position("timestamp")
	byName, all := map[string]*group{}, []*group{}
	var g *group
	var last time.Time
	for i, row := range rows {
		t, ok := row[at].(time.Time)
		if !ok {
			continue
		}
		if t = t.UTC(); g == nil || t.Year() != last.Year() || t.Month() != last.Month() {
			p := partOf(s.table, t)
			if g = byName[p.name]; g == nil {
				g = &group{part: p}
				byName[p.name], all = g, append(all, g)
			}
			last = t
		}
		g.rows = append(g.rows, i)
	}
	return all
}

// parts makes the parts of the table that rows belong to and that are not there yet.
func (s *session) parts(groups []*group) error {
	if len(groups) == 0 {
		return nil
	}
	wanted := map[string]part{}
	for _, g := range groups {
		wanted[g.part.name] = g.part
	}
	names := slices.Sorted(maps.Keys(wanted))
	missing, err := s.query("SELECT p FROM unnest(ARRAY["+quoted(names)+"]) p WHERE to_regclass('metrics.' || p) IS NULL", 0, nil)
	if err != nil {
		return err
	}
	for _, m := range missing {
		if err := s.exec(wanted[string(m[0])].create(s.table)); err != nil {
			return err
		}
	}
	return nil
}

// insertNew writes rows and leaves out those whose identity is there.
func (s *session) insertNew(rows []metric.Row, groups []*group) ([]int64, error) {
	given, err := s.number(len(rows))
	if err != nil {
		return nil, err
	}
	if done, err := s.copyNew(rows, given, groups); done || err != nil {
		return given, err
	}
	stmt := s.insert()
	if len(s.table.Identity) > 0 {
		stmt += " ON CONFLICT (" + strings.Join(keyIndex(s.table), ", ") + ") DO NOTHING"
	}
	if s.table.AutoID {
		written, err := s.send(stmt+" RETURNING id", rows, given)
		return numbered(given, written), err
	}
	written, err := s.send(stmt+" RETURNING "+strings.Join(s.table.Identity, ", "), rows, nil)
	if err != nil {
		return nil, err
	}
	return s.recognised(rows, written)
}

// number takes ids for n rows. Whoever writes is alone, so that nobody comes between the two functions.
func (s *session) number(n int) ([]int64, error) {
	if !s.table.AutoID || n == 0 {
		return nil, nil
	}
	answer, err := s.query(fmt.Sprintf("SELECT setval('%s', nextval('%s') + %d)", sequence(s.table), sequence(s.table), n-1), 0, nil)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, n)
	for i, last := 0, integer(answer[0][0]); i < n; i++ {
		ids[i] = last - int64(n-1-i)
	}
	return ids, nil
}

// insert is the beginning of the statement; the rows are its parameter.
func (s *session) insert() string {
	var names []string
	for _, f := range s.rt.fields {
		if f.at >= 0 || f.at == idField {
			names = append(names, f.name)
		}
	}
	list := strings.Join(names, ", ")
	return fmt.Sprintf("INSERT INTO %s.%s AS t (%s) SELECT %s FROM unnest($1)", schema(s.table), s.table.Name, list, list)
}

func (s *session) send(stmt string, rows []metric.Row, ids []int64) ([][][]byte, error) {
	param, err := s.encode(rows, ids, every)
	if err != nil {
		return nil, err
	}
	return s.query(stmt, s.rt.array, param)
}

// numbered gives 0 for the ids that were not written. The server answers in the order in which it was asked.
func numbered(given []int64, written [][][]byte) []int64 {
	ids, next := make([]int64, len(given)), 0
	for i, id := range given {
		if next < len(written) && integer(written[next][0]) == id {
			ids[i] = id
			next++
		}
	}
	return ids
}

// recognised gives 1 for the rows whose identity was written, for each identity once.
func (s *session) recognised(rows []metric.Row, written [][][]byte) ([]int64, error) {
	done := make(map[string]bool, len(written))
	for _, w := range written {
		var key []byte
		for _, v := range w {
			key = append(putUint32(key, len(v)), v...)
		}
		done[string(key)] = true
	}
	ids := make([]int64, len(rows))
	for i, row := range rows {
		key, err := s.key(row)
		if err != nil {
			return nil, err
		}
		if done[key] {
			ids[i] = 1
			delete(done, key)
		}
	}
	return ids, nil
}

// key is the identity of a row, as the server writes it.
func (s *session) key(row metric.Row) (string, error) {
	var b []byte
	var err error
	for _, name := range s.table.Identity {
		at := s.table.Position(name)
		if b, err = appendValue(b, s.table.Columns[at].Type, row[at]); err != nil {
			return "", err
		}
	}
	return string(b), nil
}

// merge writes rows and changes those whose identity is there. A statement may not change a row twice, so rows of one
// identity are put together before.
func (s *session) merge(rows []metric.Row) ([]int64, error) {
	distinct, which, err := s.distinct(rows)
	if err != nil {
		return nil, err
	}
	given, err := s.number(len(distinct))
	if err != nil {
		return nil, err
	}
	id := "1::int8"
	if s.table.AutoID {
		id = "id"
	}
	stmt := s.insert() + " ON CONFLICT (" + strings.Join(keyIndex(s.table), ", ") + ") DO UPDATE SET " + s.assignments() + " RETURNING " + id
	written, err := s.send(stmt, distinct, given)
	if err != nil {
		return nil, err
	}
	if len(written) != len(distinct) {
		return nil, fmt.Errorf("postgres: %d rows written of %d in %s", len(written), len(distinct), s.table.Name)
	}
	ids := make([]int64, len(rows))
	for i, n := range which {
		ids[i] = integer(written[n][0])
	}
	return ids, nil
}

// distinct puts rows of one identity together and says which of them stands for each row.
func (s *session) distinct(rows []metric.Row) (all []metric.Row, which []int, err error) {
	keys := make([]int, len(s.table.Identity))
	for i, name := range s.table.Identity {
		keys[i] = s.table.Position(name)
	}
	at := make(map[string]int, len(rows))
	which = make([]int, len(rows))
	var key []byte
	for i, row := range rows {
		key = key[:0]
		for _, k := range keys {
			if key, err = appendKey(key, row[k]); err != nil {
				return nil, nil, err
			}
		}
		n, ok := at[string(key)]
		switch {
		case !ok:
			n = len(all)
			at[string(key)], all = n, append(all, row)
		case s.mode == sqldb.Replace:
			all[n] = row
		default:
			all[n] = s.sum(all[n], row)
		}
		which[i] = n
	}
	return all, which, nil
}

// appendKey writes a value of an identity so that different values are written differently.
func appendKey(b []byte, v any) ([]byte, error) {
	if text, ok := v.(string); ok {
		return append(putUint32(b, len(text)), text...), nil
	}
	return appendValue(b, metric.Int, v)
}

// sum adds the numbers of a row to those of another of the same identity.
func (s *session) sum(a, b metric.Row) metric.Row {
	c := slices.Clone(a)
	for i := range c {
		if slices.Contains(s.table.Identity, s.table.Columns[i].Name) {
			continue
		}
		switch v := b[i].(type) {
		case int64:
			c[i] = c[i].(int64) + v
		case float64:
			c[i] = c[i].(float64) + v
		}
	}
	return c
}

func (s *session) assignments() string {
	var set []string
	for i := range s.table.Columns {
		switch c := &s.table.Columns[i]; {
		case slices.Contains(s.table.Identity, c.Name):
		case s.mode == sqldb.Replace:
			set = append(set, c.Name+" = excluded."+c.Name)
		case c.Type == metric.Int || c.Type == metric.Float:
			set = append(set, c.Name+" = t."+c.Name+" + excluded."+c.Name)
		}
	}
	if len(set) == 0 { // no change, but the row counts as written
		key := s.table.Identity[0]
		set = append(set, key+" = excluded."+key)
	}
	return strings.Join(set, ", ")
}

// Find implements sqldb.Loader.
func (l *loader) Find(ctx context.Context, rows []metric.Row) ([]int64, error) {
	ids := make([]int64, len(rows))
	err := l.lookUp(ctx, rows, nil, func(i int, id int64, _ [][]byte) error {
		ids[i] = id
		return nil
	})
	return ids, err
}

// Get implements sqldb.Loader.
func (l *loader) Get(ctx context.Context, rows []metric.Row) ([]int64, []metric.Row, error) {
	ids, stored := make([]int64, len(rows)), make([]metric.Row, len(rows))
	types := l.table.Types()
	err := l.lookUp(ctx, rows, l.table.Names(), func(i int, id int64, values [][]byte) (err error) {
		ids[i], stored[i] = id, make(metric.Row, len(types))
		for c, t := range types {
			if stored[i][c], err = decodeValue(t, values[c]); err != nil {
				return err
			}
		}
		return nil
	})
	return ids, stored, err
}

// lookUp calls found for each row whose identity is there. Each is looked up in the index by itself: a join would let
// the planner read the whole table.
func (l *loader) lookUp(ctx context.Context, rows []metric.Row, columns []string, found func(i int, id int64, values [][]byte) error) error {
	return l.use(ctx, func(s *session) error {
		param, err := s.encode(rows, nil, func(at int) bool { return slices.Contains(s.table.Identity, s.table.Columns[at].Name) })
		if err != nil {
			return err
		}
		id := "1::int8"
		if s.table.AutoID {
			id = "t.id"
		}
		list, conditions := []string{id + " AS found"}, []string{}
		for _, c := range columns {
			list = append(list, "t."+c)
		}
		for _, k := range s.table.Identity {
			conditions = append(conditions, "t."+k+" = k."+k)
		}
		answer, err := s.query("SELECT k.ordinality, f.* FROM unnest($1) WITH ORDINALITY k CROSS JOIN LATERAL (SELECT "+strings.Join(list, ", ")+
			" FROM "+schema(s.table)+"."+s.table.Name+" t WHERE "+strings.Join(conditions, " AND ")+" LIMIT 1) f", s.rt.array, param)
		if err != nil {
			return err
		}
		for _, r := range answer {
			if err := found(int(integer(r[0]))-1, integer(r[1]), r[2:]); err != nil {
				return err
			}
		}
		return nil
	})
}
