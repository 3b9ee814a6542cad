package app

import (
	"context"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/ingest/originaldb"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Adoption is what became of the tables of the original exporter.
type Adoption struct {
	From   int            `json:"-"`                // version of the schema before
	Moved  []string       `json:"moved"`            // as they were called; nil = they were moved before, or there are none
	Kept   []string       `json:"kept"`             // all that stand aside now
	Import *ingest.Report `json:"import,omitempty"` // of their rows; nil = there are none
}

// Adopt makes the schema where the original exporter's tables stood, keeps those aside, and brings their rows in.
// It may be run again: rows that are in are recognised. Beside an error, what it gives is what was done; nil = nothing.
func Adopt(ctx context.Context, db *sqldb.DB, o ingest.Options) (a *Adoption, err error) {
	a = &Adoption{}
	if a.From, a.Moved, err = db.Adopt(ctx, metric.Tables(), metric.SchemaVersion, time.Now()); err != nil {
		return nil, err
	}
	originals := db.Originals()
	if a.Kept, err = originals.Tables(ctx); err != nil || len(a.Kept) == 0 {
		return a, err
	}
	show := o.Progress
	o.Progress = nil // it would count bytes of a file
	a.Import, err = Importer(db).Records(ctx, "schema original", originaldb.FromServer(originals, show), o)
	return a, err
}

// Migrate brings the schema up to date and gives the version that it had and has.
func Migrate(ctx context.Context, db *sqldb.DB) (from, to int, err error) {
	if from, err = db.Version(ctx); err != nil {
		return 0, 0, err
	}
	return from, metric.SchemaVersion, db.Migrate(ctx, metric.Tables(), metric.SchemaVersion, time.Now())
}
