package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// ListedRun is an import as the ledger has it.
type ListedRun struct {
	Run
	Status   string     // Running, Done or Failed
	Finished *time.Time // nil while it runs; also if it was killed and its file not imported again
	Error    string     // why it failed
}

// ListedReject is a record that could not be used, as the ledger has it. Raw holds at most MaxRaw bytes of its text.
type ListedReject struct {
	ID int64
	Reject
	Size int // bytes of the whole text
}

// MaxRaw is the most bytes of a rejected record that are listed: a page of large ones must not fill the memory.
const MaxRaw = 64 << 10

const runColumns = `SELECT id, file, format, source, repository, branch, status, started_at, finished_at,
	read_count, inserted_count, duplicate_count, rejected_count, error, notes FROM import_runs WHERE organization_id = ?`

// Runs lists imports, the newest first: at most limit of those with an id below before; 0 = from the newest.
func (s *Store) Runs(ctx context.Context, org, before int64, limit int) (all []ListedRun, err error) {
	defer fault.Op(&err, "list imports")
	st := s.db.Statement(runColumns, org)
	if before > 0 {
		st.Add(" AND id < ?", before)
	}
	all = []ListedRun{}
	st.Add(" ORDER BY id DESC")
	err = s.some(ctx, st, limit, func(r *sql.Rows) error {
		x, err := scanRun(r)
		all = append(all, x)
		return err
	})
	return all, err
}

// Run gives one import; the error is of kind NotFound when the organisation has none of this id.
func (s *Store) Run(ctx context.Context, org, id int64) (x ListedRun, err error) {
	defer fault.Op(&err, "read import %d", id)
	found := false
	err = s.db.Query(ctx, s.db.Statement(runColumns+" AND id = ?", org, id), func(r *sql.Rows) (err error) {
		found = true
		x, err = scanRun(r)
		return err
	})
	if err == nil && !found {
		err = fault.New(fault.NotFound, "there is no import %d", id)
	}
	return x, err
}

// Rejects lists what an import could not use, in the order of the file: at most limit of those with an id above
// after. The error is of kind NotFound when the organisation has no such import.
func (s *Store) Rejects(ctx context.Context, org, run, after int64, limit int) (all []ListedReject, err error) {
	if _, err := s.Run(ctx, org, run); err != nil {
		return nil, err
	}
	defer fault.Op(&err, "list rejects of import %d", run)
	all = []ListedReject{}
	st := s.db.Statement(`SELECT id, position, category, reason, raw FROM import_rejects
		WHERE import_run_id = ? AND id > ? ORDER BY id`, run, after)
	err = s.some(ctx, st, limit, func(r *sql.Rows) error {
		var x ListedReject
		err := r.Scan(&x.ID, &x.Position, &x.Category, &x.Reason, &x.Raw)
		x.Size, x.Raw = len(x.Raw), clip(x.Raw)
		all = append(all, x)
		return err
	})
	return all, err
}

// some reads at most limit rows. Engines disagree on how to say LIMIT; the order follows an index, so that stopping
// early costs nothing.
func (s *Store) some(ctx context.Context, st *sqldb.Statement, limit int, scan func(*sql.Rows) error) error {
	n := 0
	err := s.db.Query(ctx, st, func(r *sql.Rows) error {
		if n == limit {
			return errEnough
		}
		n++
		return scan(r)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func scanRun(r *sql.Rows) (ListedRun, error) {
	var x ListedRun
	var started, finished sqldb.Time
	var message, notes sql.NullString
	if err := r.Scan(&x.ID, &x.File, &x.Format, &x.Source, &x.Repository, &x.Branch, &x.Status, &started, &finished,
		&x.Counts.Read, &x.Counts.Inserted, &x.Counts.Duplicate, &x.Counts.Rejected, &message, &notes); err != nil {
		return x, err
	}
	x.Started, x.Finished, x.Error = started.Time, finished.Ptr(), message.String
	if notes.String == "" {
		return x, nil
	}
	err := json.Unmarshal([]byte(notes.String), &x.Notes)
	return x, err
}

// clip cuts a long text between characters, and lets go of the rest.
func clip(s string) string {
	if len(s) <= MaxRaw {
		return s
	}
	n := MaxRaw
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}
