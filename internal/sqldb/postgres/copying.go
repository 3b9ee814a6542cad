package postgres

import (
	"context"
	"fmt"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

var (
	_ sqldb.Renumberer = grammar{}
	_ sqldb.Walker     = grammar{}
	_ sqldb.Comparer   = grammar{}
)

// Walk implements sqldb.Walker. A table that was filled a moment ago has no statistics, and of a key of several columns
// only the first is looked at.
func (grammar) Walk() string {
	return "SELECT set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)"
}

// Renumber implements sqldb.Renumberer. It never takes a sequence back.
func (grammar) Renumber(t *metric.Table) string {
	return fmt.Sprintf("SELECT setval('%s', GREATEST(MAX(id), nextval('%s'))) FROM %s.%s HAVING MAX(id) > 0", sequence(t), sequence(t), schema(t), t.Name)
}

// Same implements sqldb.Comparer. A server is known by the microsecond in which it was started: its address depends on
// the way to it.
func (grammar) Same(ctx context.Context, a, b *sqldb.DB) (bool, error) {
	name := func(db *sqldb.DB) (s string, err error) {
		err = db.Row(ctx, db.Statement(`SELECT CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) AS TEXT) || ' ' || CAST(oid AS TEXT)
FROM pg_database WHERE datname = current_database()`), &s)
		return s, err
	}
	x, err := name(a)
	if err != nil {
		return false, err
	}
	y, err := name(b)
	return x == y, err
}
