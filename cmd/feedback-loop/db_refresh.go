package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

const refreshHelp = `Refresh computes what does not follow an import by itself: summaries of days that a killed import left behind and,
on PostgreSQL, the materialized views daily_pattern_stats and pattern_roi_view, without locking out who reads them, and
the planner's statistics of the partitioned tables.

serve does this every hour. With --schedule the database does it by itself, by its extension pg_cron, also while no
server of ours runs.`

func dbRefreshCommand() *cobra.Command {
	var schedule, asJSON bool
	cmd := &cobra.Command{Use: "refresh", Short: "Bring summaries, views and statistics up to date", Long: refreshHelp, Args: needArgs(cobra.NoArgs)}
	to := dbFlags(cmd)
	cmd.Flags().BoolVar(&schedule, "schedule", false, "let the database do it every hour (pg_cron)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what was done as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		db, v, err := to.open(cmd.Context(), false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		if schedule {
			if err := scheduleRefresh(cmd.Context(), db, name(v)); err != nil {
				return err
			}
		}
		done, err := app.Refresh(cmd.Context(), db)
		if asJSON {
			return errors.Join(err, printJSON(cmd.OutOrStdout(), map[string]any{"statements": done, "scheduled": schedule}))
		}
		for _, s := range done {
			fmt.Fprintln(cmd.OutOrStdout(), s)
		}
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: up to date\n", name(v))
		}
		return err
	}
	return cmd
}

func scheduleRefresh(ctx context.Context, db *sqldb.DB, where string) error {
	done, err := app.Schedule(ctx, db)
	if err != nil || done {
		return err
	}
	return fault.New(fault.Invalid, "%s has no pg_cron that this user may use", where).
		Try("Let a superuser set shared_preload_libraries and cron.database_name, then run CREATE EXTENSION pg_cron and " +
			"GRANT USAGE ON SCHEMA cron to this user; or leave the work to serve.")
}
