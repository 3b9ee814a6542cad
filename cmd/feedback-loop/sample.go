package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/sample"
)

const sampleHelp = `Sample makes up the metrics of a team and imports them, or writes them as a metrics JSON file. The same flags give
the same events, so that a second run adds nothing.

What there is to find in them:

  numpy_json_serialization   its bugs fall once the team adopts the pattern
  large_file_processing      is adopted too, and nothing gets better
  tests/test_upload.py       a flaky test: it fails in bursts while nobody pushes
  after 60 % of the time     a week in which deployments go wrong
  code generations           succeed more often over time; overconfident at first

Their source is sample-..., so that they can be told from other data.`

type sampleFlags struct {
	out, end string
	json     bool
	o        sample.Options
}

func sampleCommand() *cobra.Command {
	var f sampleFlags
	cmd := &cobra.Command{
		Use:   "sample",
		Short: "Make up metrics to look at: seeded, up to millions of events",
		Long:  sampleHelp,
		Example: `  feedback-loop sample
  feedback-loop sample --db demo.db --events 1000000 --days 365
  feedback-loop sample --out metrics_data.json --seed 7 --end 2026-07-01`,
		Args: needArgs(cobra.NoArgs),
	}
	to := dbFlags(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.out, "out", "", "write a metrics JSON `file` instead of importing (- = standard output)")
	fl.IntVar(&f.o.Events, "events", 20_000, "number of events")
	fl.IntVar(&f.o.Days, "days", 180, "length of the story in days")
	fl.Uint64Var(&f.o.Seed, "seed", 1, "another seed gives another team")
	fl.StringVar(&f.end, "end", "", "`day` before which everything happens, YYYY-MM-DD (default today, UTC)")
	fl.BoolVar(&f.json, "json", false, "print the report as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runSample(cmd, f, to) }
	return cmd
}

func runSample(cmd *cobra.Command, f sampleFlags, to *target) error {
	toFile := cmd.Flags().Changed("out")
	switch {
	case toFile && cmd.Flags().Changed("db"):
		return usage("--db and --out exclude each other: import the sample, or write it to a file")
	case toFile && f.out == "":
		return usage("--out needs a file name, or - for standard output")
	case f.out == "-" && f.json:
		return usage("--json would mix the report with the sample on standard output")
	case f.o.Events < 1:
		return usage("--events must be at least 1")
	}
	end, err := sampleEnd(f.end, time.Now())
	if err != nil {
		return err
	}
	f.o.End = end
	if err := f.o.Check(); err != nil {
		return usage("%w", err)
	}
	if toFile {
		return sampleToFile(cmd, f)
	}
	return sampleToDB(cmd, f, to)
}

// sampleEnd reads a day; without one it is the current day in UTC, so that the whole of it lies in the past.
func sampleEnd(day string, now time.Time) (time.Time, error) {
	if day == "" {
		return now.UTC().Truncate(24 * time.Hour), nil
	}
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return t, usage("--end %q is no day; write it as 2026-07-01", day)
	}
	return t, nil
}

// command is how to make the same sample again; the ledger of imports calls it so.
func (f sampleFlags) command() string {
	return fmt.Sprintf("sample --events %d --days %d --seed %d --end %s", f.o.Events, f.o.Days, f.o.Seed, f.o.End.Format(time.DateOnly))
}

// sampleToDB runs the sample through the importer, as if it were a file.
func sampleToDB(cmd *cobra.Command, f sampleFlags, to *target) error {
	db, v, err := to.open(cmd.Context(), true)
	if err != nil {
		return err
	}
	bar := newEventBar(cmd.ErrOrStderr(), f.o.Events, f.json)
	r, w := io.Pipe()
	made := make(chan error, 1)
	go func() {
		err := sample.WriteJSON(w, f.o, bar.count)
		w.CloseWithError(err)
		made <- err
	}()
	rep, err := app.Importer(db).Stream(cmd.Context(), f.command(), r, ingest.Options{Source: f.o.Source()})
	r.Close() // an import that failed has not read to the end
	if e := <-made; e != nil && !errors.Is(e, io.ErrClosedPipe) {
		err = errors.Join(err, e)
	}
	bar.clear()
	err = errors.Join(err, db.Close())
	reports := []*ingest.Report{rep}
	if f.json {
		if e := printJSON(cmd.OutOrStdout(), results(reports)); e != nil {
			return e
		}
		return verdict(reports, err)
	}
	printReports(cmd.OutOrStdout(), reports, name(v), false)
	if err == nil && rep.Inserted == 0 && rep.Duplicate == rep.Read {
		fmt.Fprintln(cmd.OutOrStdout(), "this sample was in the database already: nothing was written")
	}
	return verdict(reports, err)
}

func sampleToFile(cmd *cobra.Command, f sampleFlags) error {
	bar := newEventBar(cmd.ErrOrStderr(), f.o.Events, f.json)
	write := func(w io.Writer) error {
		return sample.WriteJSON(&until{cmd.Context(), w}, f.o, bar.count)
	}
	if f.out == "-" {
		defer bar.clear()
		return write(cmd.OutOrStdout())
	}
	err := replaceFile(f.out, write)
	bar.clear()
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "%s cannot be written", f.out)
	}
	if f.json {
		return printJSON(cmd.OutOrStdout(), map[string]any{"file": f.out, "events": f.o.Events, "source": f.o.Source()})
	}
	fmt.Fprintf(cmd.OutOrStdout(), "wrote %d events to %s (%s)\n", f.o.Events, f.out, f.command())
	return nil
}

// until ends writing when the user interrupts.
type until struct {
	ctx context.Context
	w   io.Writer
}

// Write implements io.Writer.
func (u *until) Write(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.w.Write(b)
}
