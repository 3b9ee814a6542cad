package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
)

func doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check that every derived number follows from the raw rows",
		Long: `Doctor computes the rollups, summaries and pattern effectiveness once more from the raw rows, compares them
with what is stored, checks that every import accounts for every record, and reports each difference. It changes
nothing; imports wait while it runs.

Exit codes: 0 everything agrees, 1 differences were found or the database cannot be read.`,
		Args: needArgs(cobra.NoArgs),
	}
	to := dbFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the diagnosis as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd, to, asJSON) }
	return cmd
}

func runDoctor(cmd *cobra.Command, to *target, asJSON bool) (err error) {
	db, where, err := to.open(cmd.Context(), false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	d, err := app.Examine(cmd.Context(), db)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), d)
	} else {
		printDiagnosis(cmd.OutOrStdout(), d, name(where))
	}
	if err == nil && !d.Healthy() {
		err = exit{exitFailed, errors.New("the database does not agree with itself; see above")}
	}
	return err
}

func printDiagnosis(w io.Writer, d *app.Diagnosis, where string) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "check\tcompared\tdifferences")
	for _, c := range d.Checks {
		fmt.Fprintf(t, "%s\t%d\t%d\n", c.Name, c.Compared, c.Findings)
	}
	t.Flush()
	for _, f := range d.Findings {
		fmt.Fprintf(w, "%s: %s: %s\n", f.Table, f.Row, f.Fault)
	}
	if d.Omitted > 0 {
		fmt.Fprintf(w, "... and %d more\n", d.Omitted)
	}
	if d.Healthy() {
		fmt.Fprintf(w, "%s: everything agrees\n", where)
	}
}
