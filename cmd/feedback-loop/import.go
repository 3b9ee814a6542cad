package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

const importHelp = `Import brings metrics into the database. Formats are recognised by content, also inside gzip:

  metrics JSON       the collector's file: {"bugs": [...], "test_failures": [...], ...}
  NDJSON             one record a line, each with "category": "bugs" or another
  SQLite database    made by the original exporter; opened read-only

A file may be imported again at any time: what is there already is recognised and counted as duplicate. The collector
raises the count of a bug it sees again; of such a record only the increase is written, dated with its new time.

A record that cannot be used is rejected with its position and the reason, and kept in the table import_rejects;
nothing is guessed. Only one of more than 8 MiB, and text that is not JSON, end the import of a file. An import that was interrupted keeps what it wrote; run it again to complete it.

Exit codes: 0 all records are in, 1 failed, 2 wrong usage, 3 in, but some records were rejected.`

type importFlags struct {
	repository, branch, source, zone string
	dryRun, json                     bool
}

func importCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Bring metrics files into the database (- = standard input)",
		Long:  importHelp,
		Example: `  feedback-loop import metrics_data.json
  feedback-loop import --repository acme/shop --branch main run-*.json.gz
  pytest-metrics | feedback-loop import --json -`,
		Args: needArgs(cobra.MinimumNArgs(1)),
	}
	to := dbFlags(cmd)
	fl := cmd.Flags()
	f.origin(cmd)
	fl.BoolVar(&f.dryRun, "dry-run", false, "say what would happen, write nothing")
	fl.BoolVar(&f.json, "json", false, "print the report as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return runImport(cmd, f, to, args) }
	return cmd
}

// origin adds the flags for what records do not say of themselves.
func (f *importFlags) origin(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.repository, "repository", "", "repository of records that name none")
	fl.StringVar(&f.branch, "branch", "", "branch of records that name none")
	fl.StringVar(&f.source, "source", ingest.DefaultSource, "source of records that name none; part of their identity")
	fl.StringVar(&f.zone, "timezone", "UTC", "time zone of times without offset, such as Europe/Berlin or Local")
}

// options checks the flags.
func (f importFlags) options() (ingest.Options, error) {
	zone, err := time.LoadLocation(f.zone)
	if err != nil {
		return ingest.Options{}, usage("--timezone %q is not known; name one such as Europe/Berlin, UTC or Local", f.zone)
	}
	return ingest.Options{Repository: f.repository, Branch: f.branch, Source: f.source, Zone: zone, DryRun: f.dryRun}, checkTexts(f)
}

func runImport(cmd *cobra.Command, f importFlags, to *target, files []string) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	db, where, done, err := importTarget(cmd.Context(), to, f.dryRun)
	if err != nil {
		return err
	}
	reports, err := importFiles(cmd, app.Importer(db), o, files, f.json)
	if e := done(); e != nil {
		err = errors.Join(err, e)
	}
	if f.json {
		if e := printJSON(cmd.OutOrStdout(), results(reports)); e != nil {
			return e
		}
	} else {
		printReports(cmd.OutOrStdout(), reports, where, f.dryRun)
	}
	return verdict(reports, err)
}

// checkTexts refuses what the tables would not take.
func checkTexts(f importFlags) error {
	runs := metric.ImportRuns()
	for _, given := range []struct{ flag, text string }{{"repository", f.repository}, {"branch", f.branch}, {"source", f.source}} {
		most := runs.Columns[runs.Position(given.flag)].Size
		switch {
		case !utf8.ValidString(given.text):
			return usage("--%s is not UTF-8", given.flag)
		case utf8.RuneCountInString(given.text) > most:
			return usage("--%s is longer than %d characters", given.flag, most)
		}
	}
	return nil
}

// importTarget opens the database. A dry run into one that does not exist yet, or is empty, uses one that is thrown away.
func importTarget(ctx context.Context, to *target, dry bool) (db *sqldb.DB, where string, done func() error, err error) {
	v, err := to.value()
	if err != nil {
		return nil, "", nil, err
	}
	if dry {
		if empty, err := to.empty(ctx); err != nil {
			return nil, "", nil, err
		} else if empty {
			return scratch(ctx, name(v))
		}
	}
	db, v, err = to.open(ctx, true)
	if err != nil {
		return nil, "", nil, err
	}
	return db, name(v), db.Close, nil
}

func scratch(ctx context.Context, where string) (*sqldb.DB, string, func() error, error) {
	dir, err := os.MkdirTemp("", "feedback-loop-")
	if err != nil {
		return nil, "", nil, err
	}
	db, err := app.Open(ctx, filepath.Join(dir, "dry-run.db"), true)
	if err != nil {
		return nil, "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return db, where, func() error { return errors.Join(db.Close(), os.RemoveAll(dir)) }, nil
}

// importFiles imports one file after the other; one that fails does not keep the next from being imported.
func importFiles(cmd *cobra.Command, im *ingest.Importer, o ingest.Options, files []string, quiet bool) ([]*ingest.Report, error) {
	reports := []*ingest.Report{}
	var failed error
	for _, file := range files {
		bar := newFileBar(cmd.ErrOrStderr(), file, quiet)
		o.Progress = bar.show
		rep, err := im.File(cmd.Context(), file, o)
		bar.clear()
		reports = append(reports, rep)
		failed = errors.Join(failed, err)
		if cmd.Context().Err() != nil {
			break
		}
	}
	return reports, failed
}

func total(reports []*ingest.Report) (t store.Counts) {
	for _, r := range reports {
		t = t.Plus(r.Counts)
	}
	return t
}

// results are the reports as --json prints them.
func results(reports []*ingest.Report) map[string]any {
	return map[string]any{"files": reports, "total": total(reports)}
}

// shown is the number of rejects that the table lists for each file.
const shown = 20

func printReports(w io.Writer, reports []*ingest.Report, where string, dry bool) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "file\tformat\tread\tinserted\tduplicate\trejected")
	line := func(name, format string, c store.Counts) {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\n", name, format, c.Read, c.Inserted, c.Duplicate, c.Rejected)
	}
	for _, r := range reports {
		line(r.File, r.Format, r.Counts)
	}
	if len(reports) > 1 {
		line("total", "", total(reports))
	}
	t.Flush()
	for _, r := range reports {
		printDetails(w, r)
	}
	if dry {
		fmt.Fprintf(w, "dry run: nothing was written to %s\n", where)
	} else {
		fmt.Fprintf(w, "database: %s\n", where)
	}
}

func printDetails(w io.Writer, r *ingest.Report) {
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s: %s\n", r.File, n)
	}
	for i, j := range r.Rejects {
		if i == shown {
			fmt.Fprintf(w, "... and %d more; see import_rejects, --json or the Imports page\n", r.Rejected-shown)
			break
		}
		fmt.Fprintf(w, "rejected: %s: %s: %s\n", r.File, j.Position, j.Reason)
	}
}

func verdict(reports []*ingest.Report, err error) error {
	switch {
	case err != nil:
		return exit{exitFailed, err}
	case total(reports).Rejected > 0:
		return exit{code: exitRejected}
	}
	return nil
}
