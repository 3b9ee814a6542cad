package sqldb

import (
	"context"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Renumberer is an engine that does not notice by itself that rows came with their ids.
type Renumberer interface {
	// Renumber is a statement that lets the table's next id be behind all that are there.
	Renumber(t *metric.Table) string
}

// Numbered is the table as a Loader takes it for rows that bring their ids, which stand first. Where the table has no
// other identity the id is it. It is not for creating tables.
func Numbered(t *metric.Table) *metric.Table {
	if !t.AutoID {
		return t
	}
	n := *t
	n.AutoID = false
	n.Columns = append([]metric.Column{{Name: "id", Type: metric.Int, Required: true}}, t.Columns...)
	if len(n.Identity) == 0 {
		n.Identity = []string{"id"}
	}
	return &n
}

// Renumber has to be called within a transaction that wrote Numbered rows, or after it, before rows without ids follow.
func (tx *Tx) Renumber(t *metric.Table) error {
	e, ok := tx.db.engine.(Renumberer)
	if !ok || !t.AutoID {
		return nil
	}
	_, err := tx.Exec(tx.Statement(e.Renumber(t)))
	return err
}

// Walker is an engine that may sort a table anew for each batch that is read of it by its key, where it misjudges how many
// rows are left.
type Walker interface {
	// Walk is a statement that makes it follow the index, up to the end of the transaction.
	Walk() string
}

// Walk makes the rest of the transaction fit for reading whole tables in batches by their key, and for little else.
func (tx *Tx) Walk() error {
	e, ok := tx.db.engine.(Walker)
	if !ok {
		return nil
	}
	_, err := tx.Exec(tx.Statement(e.Walk()))
	return err
}

// Comparer is an engine that can tell whether two connections lead to one database.
type Comparer interface {
	// Same compares two databases of this engine.
	Same(ctx context.Context, a, b *DB) (bool, error)
}

// Same says whether both are one database, whatever the URIs by which they were opened.
func (db *DB) Same(ctx context.Context, other *DB) (bool, error) {
	e, ok := db.engine.(Comparer)
	if !ok || db.engine.Name() != other.engine.Name() {
		return false, nil
	}
	return e.Same(ctx, db, other)
}
