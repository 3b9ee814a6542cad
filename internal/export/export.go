// Package export writes the events of a database out again: as metrics JSON or NDJSON, which an import reads back into
// the same rows, or as CSV for spreadsheets and statistics.
//
// An export is a stream: it holds one page of text in memory, however many events there are. A page is read whole and
// its statement closed before any of it is written, because a statement that waits for a slow reader of the output
// would keep SQLite from emptying its write-ahead log.
//
// Rows are written in the order in which they were stored, with every column but two: the id, which the database that
// imports them numbers anew, and the organisation, which an import must not take from a file.
package export

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Options say which events go out.
type Options struct {
	Organization int64              // whose events
	Categories   []*metric.Category // written in the order of the catalogue, each once; empty = all
	Repository   *string            // only events of this one, "" = unknown; nil = of all
	From, To     time.Time          // only events at From or later and before To; zero = no bound
	// Progress is told now and then how many rows have been looked at; the total is a good guess. It may be nil.
	Progress func(done, total int64)
}

// Count is the number of events of one category that were written.
type Count struct {
	Category string
	Rows     int64
}

// Bounds of a page. It ends with the row that exceeds the bytes.
const (
	pageRows  = 4096
	pageBytes = 1 << 20
)

// Write writes the events of a migrated database in a format and says how many of each category there were. Events
// that are stored after it began are left out. It stops at the first error: of the database, of w (a fault of kind
// Unavailable), of a row that the format cannot express (a fault that names it), or of a context that ended.
func Write(ctx context.Context, db *sqldb.DB, w io.Writer, f Format, o Options) ([]Count, error) {
	x := &job{db: db, w: w, o: o, enc: f.encoder(o.categories())}
	if err := x.begin(ctx); err != nil {
		return nil, err
	}
	x.buf = x.enc.begin(x.buf)
	for _, t := range x.tables {
		if err := x.table(ctx, t); err != nil {
			return x.counts(), err
		}
	}
	x.buf = x.enc.end(x.buf)
	return x.counts(), x.flush()
}

// categories are those that were asked for, in the order of the catalogue.
func (o Options) categories() []*metric.Category {
	var all []*metric.Category
	for _, c := range metric.Catalogue() {
		if len(o.Categories) == 0 || slices.Contains(o.Categories, c) {
			all = append(all, c)
		}
	}
	return all
}

// job is one export under way.
type job struct {
	db          *sqldb.DB
	w           io.Writer
	o           Options
	enc         encoder
	tables      []*table
	buf         []byte // encoded, not yet written
	done, total int64  // ids of finished tables; of all
}

// begin fixes which rows belong to the export: all that are there now.
func (x *job) begin(ctx context.Context) error {
	for _, c := range x.o.categories() {
		t := newTable(c)
		var last sql.NullInt64
		if err := x.db.Row(ctx, x.db.Statement("SELECT MAX(id) FROM "+c.Table), &last); err != nil {
			return err
		}
		t.last = last.Int64
		x.total += t.last
		x.tables = append(x.tables, t)
	}
	return nil
}

func (x *job) table(ctx context.Context, t *table) error {
	x.buf = x.enc.open(x.buf, t)
	for at := int64(0); at < t.last; {
		next, err := x.page(ctx, t, at)
		if err != nil {
			return err
		}
		if err := x.flush(); err != nil {
			return err
		}
		at = next
		if x.o.Progress != nil {
			x.o.Progress(x.done+at, x.total)
		}
	}
	x.done += t.last
	x.buf = x.enc.close(x.buf, t)
	return nil
}

var errFull = errors.New("the page is full")

// page encodes the rows that follow an id and gives the id up to which they do. Pages are ranges of ids: their order
// needs no sorting, and a gap of any size, as old rows leave that were deleted, costs one step.
func (x *job) page(ctx context.Context, t *table, after int64) (int64, error) {
	var first sql.NullInt64
	seek := x.db.Statement("SELECT MIN(id) FROM "+t.cat.Table+" WHERE id > ? AND id <= ?", after, t.last)
	if err := x.db.Row(ctx, seek, &first); err != nil || !first.Valid {
		return t.last, err
	}
	to := min(first.Int64+pageRows-1, t.last)
	err := x.db.Query(ctx, x.query(t, first.Int64, to), func(r *sql.Rows) (err error) {
		if len(x.buf) >= pageBytes {
			return errFull
		}
		if err := r.Scan(t.dest...); err != nil {
			return err
		}
		t.rows++
		x.buf, err = x.enc.row(x.buf, t)
		return err
	})
	if errors.Is(err, errFull) {
		return t.id, nil
	}
	return to, err
}

// query selects the rows of a page. COALESCE keeps the planner from the index of repositories: for every page it would
// read and sort all rows of one.
func (x *job) query(t *table, from, to int64) *sqldb.Statement {
	st := x.db.Statement(t.query+" WHERE id >= ? AND id <= ? AND organization_id = ?", from, to, x.o.Organization)
	if x.o.Repository != nil {
		st.Add(" AND COALESCE(repository, '') = ?", *x.o.Repository)
	}
	if !x.o.From.IsZero() {
		st.Add(" AND timestamp >= ?", x.o.From)
	}
	if !x.o.To.IsZero() {
		// Not "< To": as text the day after the last of the year 9999 is smaller than every time.
		st.Add(" AND timestamp <= ?", x.o.To.Add(-time.Microsecond))
	}
	return st.Add(" ORDER BY id")
}

func (x *job) flush() error {
	_, err := x.w.Write(x.buf)
	x.buf = x.buf[:0]
	return fault.Wrap(err, fault.Unavailable, "the output cannot be written")
}

func (x *job) counts() []Count {
	all := make([]Count, len(x.tables))
	for i, t := range x.tables {
		all[i] = Count{t.cat.Name, t.rows}
	}
	return all
}
