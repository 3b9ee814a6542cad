package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/retention"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

const partitionsHelp = `PostgreSQL keeps each event table in parts by month. Imports make the parts they need; serve makes those of the next
months ahead. Without a subcommand the parts are listed; rows are the server's estimate.

detach and drop take whole months out, which costs nothing, while removing rows one by one does. The rollups keep
counting them, so that dashboards over days, weeks and months stay as they are; only what reads single events no longer
finds them. What was taken out is not imported again from an old file: it counts as known.`

func dbPartitionsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "partitions", Short: "List, make and remove the monthly parts of the event tables", Long: partitionsHelp,
		Args: needArgs(cobra.NoArgs)}
	to := dbFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return onParts(cmd, to, func(ctx context.Context, db *sqldb.DB, e sqldb.Partitioned) error {
			parts, err := e.Parts(ctx, db)
			if err != nil {
				return err
			}
			return printParts(cmd, parts, asJSON)
		})
	}
	cmd.AddCommand(partitionsAheadCommand(), partitionsRemoveCommand("drop", "Remove whole months of events", false),
		partitionsRemoveCommand("detach", "Take whole months of events out of their tables and keep them as tables", true))
	return cmd
}

// onParts opens a database whose engine has parts.
func onParts(cmd *cobra.Command, to *target, f func(context.Context, *sqldb.DB, sqldb.Partitioned) error) error {
	db, v, err := to.open(cmd.Context(), false)
	if err != nil {
		return err
	}
	e, ok := db.Engine().(sqldb.Partitioned)
	if !ok {
		err = fault.New(fault.Invalid, "%s is a %s database, which keeps its tables whole", name(v), db.Engine().Name()).
			Try("Remove old events with: feedback-loop db retention --older-than 365d")
	} else {
		err = f(cmd.Context(), db, e)
	}
	return errors.Join(err, db.Close())
}

// listedPart is a part as --json prints it.
type listedPart struct {
	Table string `json:"table"`
	Name  string `json:"name"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

func printParts(cmd *cobra.Command, parts []sqldb.Part, asJSON bool) error {
	all := make([]listedPart, len(parts))
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.DateOnly)
	}
	for i, p := range parts {
		all[i] = listedPart{p.Table, p.Name, day(p.From), day(p.To), p.Rows, p.Bytes}
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), all)
	}
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "part\tfrom\tbefore\trows\tsize")
	for _, p := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", p.Name, p.From, p.To, known(p.Rows, ""), room(p.Bytes))
	}
	return t.Flush()
}

func partitionsAheadCommand() *cobra.Command {
	var months int
	cmd := &cobra.Command{Use: "ahead", Short: "Make the parts of this month and of those to come", Args: needArgs(cobra.NoArgs)}
	to := dbFlags(cmd)
	cmd.Flags().IntVar(&months, "months", app.MonthsAhead, "how many months beyond this one")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		const most = 120
		if months < 0 || months > most {
			return usage("--months must be between 0 and %d", most)
		}
		return onParts(cmd, to, func(ctx context.Context, db *sqldb.DB, _ sqldb.Partitioned) error {
			made, err := app.Ahead(ctx, db, time.Now(), months)
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "%d parts made\n", made)
			}
			return err
		})
	}
	return cmd
}

func partitionsRemoveCommand(use, short string, keep bool) *cobra.Command {
	var before string
	var dry, asJSON bool
	cmd := &cobra.Command{Use: use + " --before YYYY-MM", Short: short, Long: partitionsHelp, Args: needArgs(cobra.NoArgs),
		Example: "  feedback-loop db partitions " + use + " --before 2025-01 --dry-run"}
	to := dbFlags(cmd)
	cmd.Flags().StringVar(&before, "before", "", "first `month` that stays, YYYY-MM")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would go, change nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the parts as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		month, err := time.Parse("2006-01", before)
		if err != nil {
			return usage("--before %q is no month; write it as 2025-01", before)
		}
		return onParts(cmd, to, func(ctx context.Context, db *sqldb.DB, _ sqldb.Partitioned) error {
			gone, err := retention.Parts(ctx, db, month, keep, dry)
			if e := printParts(cmd, gone, asJSON); e != nil || err != nil {
				return errors.Join(err, e)
			}
			if dry && !asJSON {
				fmt.Fprintln(cmd.OutOrStdout(), "dry run: nothing was changed")
			}
			return nil
		})
	}
	return cmd
}
