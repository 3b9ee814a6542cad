package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Adopter is an engine whose databases may hold tables that the original exporter made, in the place of ours.
type Adopter interface {
	// SetAside moves those tables out of the way, rows, indexes and sequences with them, and names them as they were.
	SetAside(tx *Tx) ([]string, error)
	// Kept is a statement that gives the name of each table that was set aside, one a row.
	Kept() string
	// KeptRows is a statement about the rows of such a table. It takes the size in bytes up to which a row's text is
	// wanted, an id, and a number, and gives that many rows with higher ids, in order: id, size, JSON text or NULL.
	KeptRows(table string) string
	// KeptCount is a statement that counts them.
	KeptCount(table string) string
}

// Adopt makes the schema where the original exporter's tables stood, in one transaction with moving those out of the
// way, and gives the version of the schema before and the names that those tables had. Their rows are read by Originals.
// Without such tables it does what Migrate does.
func (db *DB) Adopt(ctx context.Context, tables []*metric.Table, target int, now time.Time) (from int, moved []string, err error) {
	a, ok := db.engine.(Adopter)
	if !ok {
		return 0, nil, fault.New(fault.Invalid, "there is nothing to adopt on %s: a database of the original exporter is a file of its own", db.engine.Name()).
			Try("Read that file with: feedback-loop import FILE")
	}
	err = db.Write(ctx, func(tx *Tx) (err error) {
		if moved, err = a.SetAside(tx); err != nil {
			return err
		}
		from, err = db.version(tx.Query)
		for done := false; err == nil && !done; {
			done, err = tx.advance(tables, target, now)
		}
		return err
	})
	if err != nil {
		return from, nil, err
	}
	return from, moved, nil
}

// Originals are the tables of the original exporter that Adopt has moved, in this run or an earlier one.
type Originals struct {
	db *DB
	a  Adopter
}

// Originals gives them; of an engine that adopts nothing they are none.
func (db *DB) Originals() *Originals {
	a, _ := db.engine.(Adopter)
	return &Originals{db, a}
}

// Tables gives their names.
func (o *Originals) Tables(ctx context.Context) (names []string, err error) {
	if o.a == nil {
		return nil, nil
	}
	err = o.db.Query(ctx, o.db.Statement(o.a.Kept()), func(r *sql.Rows) error {
		var name string
		err := r.Scan(&name)
		names = append(names, name)
		return err
	})
	return names, err
}

// Count gives the number of rows of a table.
func (o *Originals) Count(ctx context.Context, table string) (n int64, err error) {
	return n, o.db.Row(ctx, o.db.Statement(o.a.KeptCount(table)), &n)
}

// A part of the rows is read, and handed on when the connection is free again: whoever writes them may need it.
const (
	partRows  = 1000
	partBytes = 4 << 20
)

var errFull = errors.New("sqldb: the part is full")

// Rows gives each row of a table in the order of the ids, as a JSON object, with its size in bytes. An object larger than
// most is nil.
func (o *Originals) Rows(ctx context.Context, table string, most int, each func(id int64, size int, object []byte) error) error {
	type row struct {
		id     int64
		size   int
		object []byte
	}
	stmt := o.a.KeptRows(table)
	for last := int64(math.MinInt64); ; {
		var part []row
		bytes := 0
		err := o.db.Query(ctx, o.db.Statement(stmt, most, last, partRows), func(r *sql.Rows) error {
			var x row
			if err := r.Scan(&x.id, &x.size, &x.object); err != nil {
				return err
			}
			part = append(part, x)
			if bytes += len(x.object); bytes > partBytes {
				return errFull
			}
			return nil
		})
		if err != nil && !errors.Is(err, errFull) {
			return err
		}
		for _, x := range part {
			if err := each(x.id, x.size, x.object); err != nil {
				return err
			}
			last = x.id
		}
		if len(part) == 0 {
			return nil
		}
	}
}
