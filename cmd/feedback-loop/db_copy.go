package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/move"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

const dbCopyHelp = `Copy brings everything that one database holds into another, of the same engine or another: every table, row by row,
with the ids. Afterwards both sides are read again in full, and the number of rows and a digest that does not depend on
their order are compared for every table. A file that was imported before the copy is recognised after it.

The target is made, or brought up to date, if need be. It has to be empty. A copy that was interrupted is continued by the
same command. The source has to be of this program's schema version, and is not changed; imports into it wait, or say that
it is locked, until the copy is done; into the target, while both are compared. Not copied is what belongs to a database
itself: who runs which job, and schema versions.

With --merge the target may hold rows of its own. Events that are new are added under ids of the target, and rollups and
summaries follow; of counters, times given to undated records and patterns that both sides have, the target's stay; of two
retention horizons the later counts, and rollups of events that the source no longer has are not taken over. Merging
twice changes nothing.

Exit codes: 0 both sides agree (or all is merged), 1 failed or a table differs, 2 wrong usage.`

type copyFlags struct {
	from, to    string
	merge, json bool
}

func dbCopyCommand() *cobra.Command {
	var f copyFlags
	cmd := &cobra.Command{
		Use:   "copy --from DATABASE --to DATABASE",
		Short: "Copy everything into another database and compare both",
		Long:  dbCopyHelp,
		Example: `  feedback-loop db copy --from feedback-loop.db --to postgresql://user:password@host:5432/metrics
  feedback-loop db copy --from postgresql://user@host/metrics --to sqlite:////var/backups/metrics.db
  feedback-loop db copy --merge --from laptop.db --to postgresql://user@host/metrics`,
		Args: needArgs(cobra.NoArgs),
	}
	to := serverFlags(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.from, "from", "", "database to copy: a SQLite file, or a URI")
	fl.StringVar(&f.to, "to", "", "database to copy into: a SQLite file, or a URI")
	fl.BoolVar(&f.merge, "merge", false, "add to what the target holds")
	fl.BoolVar(&f.json, "json", false, "print the report as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runDBCopy(cmd, f, to) }
	return cmd
}

func runDBCopy(cmd *cobra.Command, f copyFlags, to *target) (err error) {
	if f.from == "" || f.to == "" {
		return usage("--from and --to have to name two databases\nSee: %s --help", cmd.CommandPath())
	}
	o, err := to.options()
	if err != nil {
		return err
	}
	from, into, err := bothEnds(cmd.Context(), f, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close(), into.Close()) }()
	bar := newRowBar(cmd.ErrOrStderr(), f.json)
	rep, err := move.Copy(cmd.Context(), from, into, move.Options{Merge: f.merge, Progress: bar.show})
	bar.clear()
	if err != nil {
		return err
	}
	if f.json {
		err = printJSON(cmd.OutOrStdout(), rep)
	} else {
		printCopy(cmd.OutOrStdout(), rep, from.Where(), into.Where())
	}
	if bad := rep.Differing(); err == nil && len(bad) > 0 {
		err = exit{exitFailed, fmt.Errorf("the copy differs from its source in %s: somebody wrote to it meanwhile, or a value came back changed. "+
			"Begin again with an empty database", strings.Join(bad, ", "))}
	}
	return err
}

// bothEnds opens the source as it is, and then the target, which is made or migrated.
func bothEnds(ctx context.Context, f copyFlags, o sqldb.Options) (from, to *sqldb.DB, err error) {
	if from, err = app.Connect(ctx, f.from, o); err != nil {
		return nil, nil, err
	}
	if err = move.Source(ctx, from); err == nil {
		o.Create = true
		to, err = app.OpenWith(ctx, f.to, o)
	}
	if err != nil {
		return nil, nil, errors.Join(err, from.Close())
	}
	return from, to, nil
}

func printCopy(w io.Writer, rep *move.Report, from, to string) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	if rep.Merged {
		fmt.Fprintln(t, "table\trows\twritten\tknown")
	} else {
		fmt.Fprintln(t, "table\trows\tcopied\tdigest")
	}
	for _, r := range rep.Tables {
		switch {
		case rep.Merged:
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", r.Table, r.Rows, r.Written, r.Known)
		case r.Equal:
			fmt.Fprintf(t, "%s\t%d\t%d\tequal\n", r.Table, r.Rows, r.TargetRows)
		default:
			fmt.Fprintf(t, "%s\t%d\t%d\tDIFFERENT\n", r.Table, r.Rows, r.TargetRows)
		}
	}
	t.Flush()
	for _, n := range rep.Notes {
		fmt.Fprintln(w, "note: "+n)
	}
	if rep.Resumed {
		fmt.Fprintln(w, "continued a copy that had been interrupted")
	}
	fmt.Fprintf(w, "%s -> %s\n", from, to)
}
