package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Most rows that are written are new. COPY is the fastest way for those, but it cannot leave one out, and it is refused
// for tables with row security. So it goes straight into the parts of a table, which have none and which nobody else may
// touch, behind a savepoint: where a row turns out to be there, that is undone, and the rows take the slower way.
const (
	minCopy   = 64 // rows; a savepoint costs as much as some of them
	cautious  = 16 // after a conflict, inserts into the table that do not try again
	savepoint = "new_rows"
)

// uniqueViolation is the code of a row whose identity is there.
const uniqueViolation = "23505"

// warned is the key, in the connection's own data, of how many inserts into a table are to be cautious.
const warned = "feedback-loop conflicts in "

// copyNew writes the rows if all of them are new; done is false if nothing was written.
func (s *session) copyNew(rows []metric.Row, ids []int64, groups []*group) (done bool, err error) {
	placed := 0 // a row that belongs to no part has to be refused, not left out
	for _, g := range groups {
		placed += len(g.rows)
	}
	if !s.table.AutoID || s.mode != sqldb.Skip || len(rows) < minCopy || placed != len(rows) {
		return false, nil
	}
	memory := s.pg.CustomData()
	if n, _ := memory[warned+s.table.Name].(int); n > 0 {
		memory[warned+s.table.Name] = n - 1
		return false, nil
	}
	if err := s.exec("SAVEPOINT " + savepoint); err != nil {
		return false, err
	}
	err = s.copyParts(rows, ids, groups)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == uniqueViolation {
		memory[warned+s.table.Name] = cautious
		return false, s.exec("ROLLBACK TO SAVEPOINT " + savepoint + "; RELEASE SAVEPOINT " + savepoint)
	}
	if err != nil {
		return false, err
	}
	return true, s.exec("RELEASE SAVEPOINT " + savepoint)
}

func (s *session) exec(stmt string) error {
	_, err := s.pg.Exec(s.ctx, stmt).ReadAll()
	return err
}

// copyParts copies the rows into the parts that they belong to.
func (s *session) copyParts(rows []metric.Row, ids []int64, groups []*group) error {
	columns := strings.Join(s.table.Names(), ", ")
	for _, g := range groups {
		stmt := fmt.Sprintf("COPY metrics.%s (id, %s) FROM STDIN (FORMAT binary)", g.part.name, columns)
		if _, err := s.pg.CopyFrom(s.ctx, &copyReader{table: s.table, types: s.table.Types(), rows: rows, ids: ids, which: g.rows}, stmt); err != nil {
			return err
		}
	}
	return nil
}

// copyReader gives some of the rows in COPY's binary format: a header, the fields of each row behind their number, and
// an end. It encodes them when they are asked for: the server works on what it has meanwhile.
type copyReader struct {
	table *metric.Table
	types []metric.Type
	rows  []metric.Row
	ids   []int64
	which []int  // the rows to write
	next  int    // within which; one more than it is long when all is encoded
	buf   []byte // encoded, from at on not yet read
	at    int
}

// Read implements io.Reader.
func (r *copyReader) Read(p []byte) (int, error) {
	const signature = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" // no flags, no extension
	if r.at == len(r.buf) {
		r.buf, r.at = r.buf[:0], 0
		if r.next == 0 {
			r.buf = append(r.buf, signature...)
		}
		for ; r.next < len(r.which) && len(r.buf) < len(p); r.next++ {
			if err := r.encode(r.which[r.next]); err != nil {
				return 0, err
			}
		}
		if r.next == len(r.which) {
			r.next++
			r.buf = append(r.buf, 0xff, 0xff)
		}
	}
	n := copy(p, r.buf[r.at:])
	r.at += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *copyReader) encode(i int) (err error) {
	b := binary.BigEndian.AppendUint16(r.buf, uint16(len(r.types)+1))
	b = binary.BigEndian.AppendUint64(putUint32(b, 8), uint64(r.ids[i]))
	for c, t := range r.types {
		if b, err = appendValue(b, t, r.rows[i][c]); err != nil {
			return fmt.Errorf("%s.%s: %w", r.table.Name, r.table.Columns[c].Name, err)
		}
	}
	r.buf = b
	return nil
}
