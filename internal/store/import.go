package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Status of an import.
const (
	Running = "running"
	Done    = "done"
	Failed  = "failed"
)

// Counts say what became of the records of an import; Read = Inserted + Duplicate + Rejected.
type Counts struct {
	Read      int64 `json:"read"`
	Inserted  int64 `json:"inserted"`
	Duplicate int64 `json:"duplicate"`
	Rejected  int64 `json:"rejected"`
}

// Plus adds the counts of two imports.
func (c Counts) Plus(o Counts) Counts {
	return Counts{c.Read + o.Read, c.Inserted + o.Inserted, c.Duplicate + o.Duplicate, c.Rejected + o.Rejected}
}

// Run is an import under way: one row of import_runs.
type Run struct {
	ID                                       int64
	File, Format, Source, Repository, Branch string
	Started                                  time.Time
	Counts                                   Counts
	Notes                                    []string
}

// Begin writes the row of a new import and sets its ID. Imports of the same file that never ended were interrupted:
// they are closed as such. When it is called again, because the answer to its COMMIT was lost, it finds its row.
func (r *Run) Begin(tx *sqldb.Tx) error {
	if r.ID != 0 {
		if _, err := r.Ledger(tx); fault.KindOf(err) != fault.Conflict {
			return err
		}
	}
	_, err := tx.Exec(tx.Statement("UPDATE import_runs SET status = ?, finished_at = ?, error = ? WHERE status = ? AND file = ?",
		Failed, r.Started, "interrupted; the file was imported again later", Running, r.File))
	if err != nil {
		return err
	}
	r.ID, err = tx.Insert(metric.ImportRuns(), metric.Row{int64(1), r.File, r.Format, r.Source, r.Repository, r.Branch,
		Running, r.Started, nil, int64(0), int64(0), int64(0), int64(0), nil, nil})
	return err
}

// Progress writes the counts; it belongs into the transaction of the batch they count.
func (r *Run) Progress(tx *sqldb.Tx) error {
	c := r.Counts
	n, err := tx.Exec(tx.Statement(`UPDATE import_runs SET read_count = ?, inserted_count = ?, duplicate_count = ?, rejected_count = ?
WHERE id = ?`, c.Read, c.Inserted, c.Duplicate, c.Rejected, r.ID))
	if err == nil && n == 0 {
		err = r.forgotten()
	}
	return err
}

// Ledger is what the ledger has of the run: the counts of the batches that were committed. The fault is of kind
// Conflict if it has nothing.
func (r *Run) Ledger(tx *sqldb.Tx) (c Counts, err error) {
	err = tx.Row(tx.Statement("SELECT read_count, inserted_count, duplicate_count, rejected_count FROM import_runs WHERE id = ?", r.ID),
		&c.Read, &c.Inserted, &c.Duplicate, &c.Rejected)
	if errors.Is(err, sql.ErrNoRows) {
		err = r.forgotten()
	}
	return c, err
}

func (r *Run) forgotten() error {
	return fault.New(fault.Conflict, "import %d is not in the database any more: somebody removed it, or the server lost what it had acknowledged", r.ID).
		Try("Import the file again; what is there will be recognised.")
}

// End closes the import; failure is empty if it succeeded.
func (r *Run) End(tx *sqldb.Tx, now time.Time, failure string) error {
	status, text := Done, any(nil)
	if failure != "" {
		status, text = Failed, failure
	}
	var notes any
	if len(r.Notes) > 0 {
		b, err := json.Marshal(r.Notes)
		if err != nil {
			return err
		}
		notes = string(b)
	}
	_, err := tx.Exec(tx.Statement("UPDATE import_runs SET status = ?, finished_at = ?, error = ?, notes = ? WHERE id = ?",
		status, now, text, notes, r.ID))
	return err
}

// Reject is a record that could not be used.
type Reject struct {
	Position string `json:"position"`
	Category string `json:"category"`
	Reason   string `json:"reason"`
	Raw      string `json:"-"`
}

// AddRejects keeps the records that could not be used.
func (r *Run) AddRejects(ctx context.Context, tx *sqldb.Tx, rejects []Reject) error {
	rows := make([]metric.Row, len(rejects))
	for i, j := range rejects {
		rows[i] = metric.Row{r.ID, j.Position, j.Category, j.Reason, j.Raw}
	}
	_, err := tx.Loader(metric.ImportRejects(), sqldb.Skip).Insert(ctx, rows)
	return err
}
