package app

import (
	"context"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Backup writes the whole database to a file; see sqldb.Backup.
func Backup(ctx context.Context, uri, path string, o sqldb.Options, force bool) error {
	o.Version = metric.SchemaVersion
	return sqldb.Backup(ctx, Engines(), uri, path, o, force)
}

// Restore makes the database of what a backup holds; see sqldb.Restore. The schema stays that of the backup until the
// database is opened.
func Restore(ctx context.Context, uri, path string, o sqldb.Options, force bool) error {
	o.Version = metric.SchemaVersion
	return sqldb.Restore(ctx, Engines(), uri, path, o, force)
}
