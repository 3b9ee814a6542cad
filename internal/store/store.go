// Package store reads and writes the nouns of the metrics database, one file per noun. Every query names the
// organisation whose rows it may see.
package store

import "github.com/feedback-loop/feedback-loop/internal/sqldb"

// DefaultOrganization is the organisation that rows belong to as long as nobody makes another.
const DefaultOrganization int64 = 1

// Store reads and writes a migrated metrics database. It may be used by several goroutines at once.
type Store struct{ db *sqldb.DB }

// New makes a store over a database that was migrated.
func New(db *sqldb.DB) *Store { return &Store{db: db} }
