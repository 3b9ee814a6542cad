package sqldb

import (
	"context"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Abilities are what not every engine has. The host asks an engine for them by type assertion.

// Part is one part of a table that an engine keeps by months.
type Part struct {
	Table string
	Name  string
	From  time.Time // first moment; zero = no beginning
	To    time.Time // first moment after it; zero = no end
	Rows  int64     // as the engine last counted or estimated them; negative = unknown
	Bytes int64     // with indexes
}

// Whole says that all rows of the part are older than a time.
func (p Part) Whole(before time.Time) bool { return !p.To.IsZero() && !p.To.After(before) }

// Partitioned is an engine that keeps tables in parts.
type Partitioned interface {
	// Parts lists the parts of all tables, by table and time.
	Parts(ctx context.Context, db *DB) ([]Part, error)
	// MakePart makes the part of a table that a time belongs to, and says whether it was missing.
	MakePart(tx *Tx, t *metric.Table, at time.Time) (bool, error)
	// RemovePart takes a part with its rows out of its table; with keep it stays as a table of its own.
	RemovePart(tx *Tx, p Part, keep bool) error
}

// Refresher is an engine that keeps answers to queries as tables, or statistics for its planner, that have to be brought
// up to date.
type Refresher interface {
	// Refreshes gives the statements for that.
	Refreshes() []string
}

// Clock is an engine that can run the statements of its Refresher by itself.
type Clock interface {
	// Schedule lets it do so every hour; false = this database cannot.
	Schedule(tx *Tx) (bool, error)
}

// Fact is something about a database that its administrator wants to know.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Size is how much room a table takes.
type Size struct {
	Table string `json:"table"`
	Parts int    `json:"parts,omitempty"`
	Rows  int64  `json:"rows"`  // an estimate where counting is slow; negative = unknown
	Bytes int64  `json:"bytes"` // with indexes; negative = unknown
}

// Inspector is an engine that can describe a database.
type Inspector interface {
	// Facts describes server and database.
	Facts(ctx context.Context, db *DB) ([]Fact, error)
	// Sizes lists the tables.
	Sizes(ctx context.Context, db *DB) ([]Size, error)
}
