package sqlite

import (
	"context"
	"os"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

var _ sqldb.Comparer = grammar{}

// Same implements sqldb.Comparer: a file may have many names.
func (grammar) Same(_ context.Context, a, b *sqldb.DB) (bool, error) {
	x, err := os.Stat(a.Where())
	if err != nil {
		return false, denied(a.Where(), err)
	}
	y, err := os.Stat(b.Where())
	if err != nil {
		return false, denied(b.Where(), err)
	}
	return os.SameFile(x, y), nil
}
