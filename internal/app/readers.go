package app

import (
	"context"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// readers is the engine as one that can make readers.
func readers(db *sqldb.DB) (sqldb.Readers, error) {
	if r, ok := db.Engine().(sqldb.Readers); ok {
		return r, nil
	}
	return nil, fault.New(fault.Invalid, "%s is a %s database, which knows no roles", db.Where(), db.Engine().Name()).
		Try("Name a PostgreSQL database with --db; who may read a file is up to the file system.")
}

// GrantReader makes a role that reads one organisation's rows of the open database, which the URI names, or brings its
// rights up to date.
func GrantReader(ctx context.Context, db *sqldb.DB, uri string, r sqldb.Reader) (*sqldb.Granted, error) {
	engine, err := readers(db)
	if err != nil {
		return nil, err
	}
	g, err := engine.GrantReader(ctx, db, metric.Tables(), r)
	if err != nil {
		return nil, err
	}
	password := g.Password
	if password == "" {
		password = "PASSWORD" // theirs, which we do not know or do not repeat
	}
	g.URI, err = engine.ReaderURI(uri, g.Role, password)
	return g, err
}

// RevokeReader removes a role that GrantReader made; false = there was none.
func RevokeReader(ctx context.Context, db *sqldb.DB, name string) (bool, error) {
	engine, err := readers(db)
	if err != nil {
		return false, err
	}
	return engine.RevokeReader(ctx, db, name)
}
