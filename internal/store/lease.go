package store

import (
	"context"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Lease takes a job for a holder until a time, unless another holder has it for longer than now.
func (s *Store) Lease(ctx context.Context, job, holder string, now, until time.Time) (taken bool, err error) {
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		row := metric.Row{job, holder, until}
		l := tx.Loader(metric.Leases(), sqldb.Replace)
		_, have, err := l.Get(ctx, []metric.Row{row})
		if err != nil || have[0] != nil && have[0][1] != holder && have[0][2].(time.Time).After(now) {
			return err
		}
		taken = true
		_, err = l.Insert(ctx, []metric.Row{row})
		return err
	})
	return taken && err == nil, err
}
