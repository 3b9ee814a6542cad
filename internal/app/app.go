// Package app is the composition root: it knows the engines and the formats and puts the parts together.
package app

import (
	"context"
	"errors"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/ingest/metricsjson"
	"github.com/feedback-loop/feedback-loop/internal/ingest/ndjson"
	"github.com/feedback-loop/feedback-loop/internal/ingest/originaldb"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/rollup"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqlite"
)

// Version of the program.
const Version = "0.1.0"

// Engines lists the database engines.
func Engines() []sqldb.Engine { return []sqldb.Engine{sqlite.Engine{}, postgres.Engine{}} }

// Formats lists the file formats, the most particular first.
func Formats() []ingest.Format {
	return []ingest.Format{originaldb.Format(), ndjson.Format(), metricsjson.Format()}
}

// Open connects to a database and brings its schema up to date; with create it makes one where there is none.
func Open(ctx context.Context, uri string, create bool) (*sqldb.DB, error) {
	return OpenWith(ctx, uri, sqldb.Options{Create: create})
}

// OpenWith is Open with options.
func OpenWith(ctx context.Context, uri string, o sqldb.Options) (*sqldb.DB, error) {
	db, err := Connect(ctx, uri, o)
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, metric.Tables(), metric.SchemaVersion, time.Now()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Connect connects to a database and leaves its schema as it is.
func Connect(ctx context.Context, uri string, o sqldb.Options) (*sqldb.DB, error) {
	o.Version = metric.SchemaVersion
	return sqldb.Open(ctx, Engines(), uri, o)
}

// Importer brings files into an open database.
func Importer(db *sqldb.DB) *ingest.Importer {
	return &ingest.Importer{DB: db, Formats: Formats(), Now: time.Now}
}

// Diagnosis is what the doctor found.
type Diagnosis = rollup.Diagnosis

// Examine compares everything derived with the raw rows, and lets the engine check its own structures.
func Examine(ctx context.Context, db *sqldb.DB) (*Diagnosis, error) {
	return rollup.Examine(ctx, db, nil)
}
