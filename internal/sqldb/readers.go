package sqldb

import (
	"context"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Readers is an engine that can make roles for other programs' queries: such a role reads the rows of one organisation
// and can do nothing else.
type Readers interface {
	// GrantReader makes the role, or brings the rights of one that it made before up to date. It is done as a whole or not.
	GrantReader(ctx context.Context, db *DB, tables []*metric.Table, r Reader) (*Granted, error)
	// RevokeReader takes back all rights of a role that GrantReader made, ends its sessions and removes it; false = there
	// was none of that name.
	RevokeReader(ctx context.Context, db *DB, name string) (bool, error)
	// ReaderURI is the URI, as SQLAlchemy reads it, by which the role connects to the database of the given URI.
	ReaderURI(uri, role, password string) (string, error)
}

// Reader is the role that is wanted.
type Reader struct {
	Name         string
	Organization string // id or slug; empty = what the role has, or the default organisation
	Connections  int    // how many it may have at once; 0 = what the role has, or 10
	Password     string // empty = one is made up for a new role, and an old one keeps its own
	Rotate       bool   // make up another password for an old role
}

// Granted is what became of a Reader.
type Granted struct {
	Role         string   `json:"role"`
	Organization int64    `json:"organization_id"`
	Created      bool     `json:"created"`
	Connections  int      `json:"connections"`
	Password     string   `json:"password,omitempty"` // only of one that was made up; it is stored nowhere
	URI          string   `json:"uri,omitempty"`
	Objects      []string `json:"objects"` // the tables and views that it may read
	// Open are rights of every role that this one should not have, and that the connected role could not take back.
	Open  []Opening `json:"open"`
	Notes []string  `json:"notes"`
}

// Opening is a right that has to be taken back by somebody else.
type Opening struct {
	What      string `json:"what"`
	Who       string `json:"who"` // may run the statement
	Statement string `json:"statement"`
}
