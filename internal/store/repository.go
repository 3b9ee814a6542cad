package store

import (
	"context"
	"database/sql"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

// Repository is a repository that events belong to.
type Repository struct {
	Name   string // empty = unknown
	Events int64  // rows of all categories
}

// Repositories lists the repositories by name. It reads the rollup alone.
func (s *Store) Repositories(ctx context.Context, org int64) (all []Repository, err error) {
	defer fault.Op(&err, "list repositories")
	all = []Repository{}
	st := s.db.Statement("SELECT repository, SUM(row_count) FROM metrics_monthly WHERE organization_id = ?", org)
	inCategories(st)
	st.Add(" GROUP BY repository ORDER BY repository")
	err = s.db.Query(ctx, st, func(r *sql.Rows) error {
		var x Repository
		err := r.Scan(&x.Name, &x.Events)
		all = append(all, x)
		return err
	})
	return all, err
}
