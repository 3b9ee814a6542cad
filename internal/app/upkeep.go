package app

import (
	"context"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/rollup"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Refresh brings everything up to date that does not follow a change by itself: summaries of days that a killed import
// left, materialized views, the planner's statistics. It gives the statements that it ran.
func Refresh(ctx context.Context, db *sqldb.DB) ([]string, error) {
	err := db.Write(ctx, func(tx *sqldb.Tx) error { return rollup.Refresh(ctx, tx) })
	e, ok := db.Engine().(sqldb.Refresher)
	if err != nil || !ok {
		return nil, err
	}
	stmts := e.Refreshes()
	for i, s := range stmts {
		err := db.Maintain(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(tx.Statement(s))
			return err
		})
		if err != nil {
			return stmts[:i], err
		}
	}
	return stmts, nil
}

// Ahead makes the parts of this month and of the months that follow, so that no import has to. It gives how many were
// missing; it does nothing where an engine has no parts.
func Ahead(ctx context.Context, db *sqldb.DB, now time.Time, months int) (made int, err error) {
	e, ok := db.Engine().(sqldb.Partitioned)
	if !ok {
		return 0, nil
	}
	first := time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	err = db.Write(ctx, func(tx *sqldb.Tx) error {
		for _, t := range metric.Tables() {
			for m := 0; t.Monthly && m <= months; m++ {
				fresh, err := e.MakePart(tx, t, first.AddDate(0, m, 0))
				if err != nil {
					return err
				}
				if fresh {
					made++
				}
			}
		}
		return nil
	})
	return made, err
}

// Schedule lets the database itself refresh what has to be, if it can.
func Schedule(ctx context.Context, db *sqldb.DB) (done bool, err error) {
	c, ok := db.Engine().(sqldb.Clock)
	if !ok {
		return false, nil
	}
	err = db.Maintain(ctx, func(tx *sqldb.Tx) (err error) {
		done, err = c.Schedule(tx)
		return err
	})
	return done && err == nil, err
}
