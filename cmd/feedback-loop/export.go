package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/export"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

const exportHelp = `Export writes the events of the database to standard output or into a file. Formats:

  metrics-json   the collector's file: {"bugs": [...], "test_failures": [...], ...}
  ndjson         one record a line, each with "category": "bugs" or another
  csv            a table for spreadsheets, as RFC 4180 has it

An import of metrics-json or ndjson into an empty database gives the same rows in the same order; into the database
that they came from it writes nothing. Each record has its event_key for that. Fields that are null are left out.
Times are in UTC, with microseconds. Only id and organization_id are not exported, and not what follows from events
(rollups, summaries) nor the list of imports with their rejects.

In csv the columns are named as in the database. With one --category they are its own, otherwise the first is
"category" and the others are those of all categories together. A null is an empty cell, an empty text is "". Text
that a spreadsheet would take for a formula (it begins with = + - @, a tab or a line break, also after blanks and
quotes) gets an apostrophe before it; negative numbers stay numbers. csv cannot be imported.

Days are days in UTC, both included. A file whose name ends in .gz is packed. It appears when it is whole: an export
that fails or is interrupted leaves what was there before.`

type exportFlags struct {
	format, output, repository, from, to string
	categories                           []string
}

func exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export --format FORMAT",
		Short: "Write the events of the database as metrics JSON, NDJSON or CSV",
		Long:  exportHelp,
		Example: `  feedback-loop export --format metrics-json --output backup.json.gz
  feedback-loop export --format csv --category bugs --from 2026-01-01 --to 2026-03-31 > bugs.csv
  feedback-loop export --format ndjson --repository acme/shop | jq -c 'select(.severity == "critical")'`,
		Args: needArgs(cobra.NoArgs),
	}
	to := dbFlags(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.format, "format", "", "`format`: "+strings.Join(formatNames(), ", "))
	fl.StringVar(&f.output, "output", "-", "`file` to write (- = standard output)")
	fl.StringSliceVar(&f.categories, "category", nil, "only this `category`; may be given several times")
	fl.StringVar(&f.repository, "repository", "", `only events of this repository ("" = those that name none)`)
	fl.StringVar(&f.from, "from", "", "only events of this `day` or later, YYYY-MM-DD")
	fl.StringVar(&f.to, "to", "", "only events of this `day` or earlier, YYYY-MM-DD")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runExport(cmd, f, to) }
	return cmd
}

func runExport(cmd *cobra.Command, f exportFlags, to *target) error {
	if f.output == "" {
		return usage("--output needs a file name, or - for standard output")
	}
	format, err := f.chosen()
	if err != nil {
		return err
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("repository") {
		o.Repository = &f.repository
	}
	db, v, err := to.open(cmd.Context(), false)
	if err != nil {
		return err
	}
	x := &exporter{db: db, format: format, o: o, errs: cmd.ErrOrStderr()}
	err = x.check(f.output, sqldb.SQLitePath(v.Text))
	if err == nil {
		err = x.run(cmd.Context(), f.output, cmd.OutOrStdout())
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), x.summary(f.output, name(v)))
	return nil
}

func formatNames() (names []string) {
	for _, f := range export.Formats() {
		names = append(names, f.Name)
	}
	return names
}

func (f exportFlags) chosen() (export.Format, error) {
	for _, known := range export.Formats() {
		if known.Name == f.format {
			return known, nil
		}
	}
	known := strings.Join(formatNames(), ", ")
	if f.format == "" {
		return export.Format{}, usage("--format is needed; known are %s", known)
	}
	return export.Format{}, usage("--format %q is not known; known are %s", f.format, known)
}

// options are those that do not depend on whether a flag was given.
func (f exportFlags) options() (export.Options, error) {
	o := export.Options{Organization: store.DefaultOrganization}
	for _, n := range f.categories {
		c := metric.ByName(n)
		if c == nil {
			return o, usage("--category %q is not known; known are %s", n, strings.Join(metric.Names(), ", "))
		}
		o.Categories = append(o.Categories, c)
	}
	var err error
	if o.From, err = exportDay("from", f.from); err != nil {
		return o, err
	}
	if o.To, err = exportDay("to", f.to); err != nil || o.To.IsZero() {
		return o, err
	}
	if o.To.Before(o.From) {
		return o, usage("--from %s is after --to %s", f.from, f.to)
	}
	o.To = o.To.AddDate(0, 0, 1)
	return o, nil
}

func exportDay(flag, day string) (time.Time, error) {
	if day == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return t, usage("--%s %q is no day; write it as 2026-07-01", flag, day)
	}
	return t, nil
}

// exporter is one call of the command.
type exporter struct {
	db     *sqldb.DB
	format export.Format
	o      export.Options
	errs   io.Writer
	counts []export.Count
}

// check refuses to replace the database by its own export.
func (x *exporter) check(output, database string) error {
	to, err := os.Stat(output)
	if err != nil || database == "" {
		return nil // nothing is there, or nothing of ours
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if from, err := os.Stat(database + suffix); err == nil && os.SameFile(from, to) {
			return usage("--output %s is the database itself", output)
		}
	}
	return nil
}

func (x *exporter) run(ctx context.Context, output string, stdout io.Writer) error {
	if output == "-" {
		return x.write(ctx, stdout)
	}
	bar := newEventBar(x.errs, -1, false)
	x.o.Progress = bar.show
	var failed error // of the export, which says for itself what is wrong
	err := replaceFile(output, func(w io.Writer) error {
		if strings.HasSuffix(output, ".gz") {
			failed = x.pack(ctx, w)
		} else {
			failed = x.write(ctx, w)
		}
		return failed
	})
	bar.clear()
	if failed != nil {
		return failed
	}
	return fault.Wrap(err, fault.Invalid, "%s cannot be written", output)
}

func (x *exporter) pack(ctx context.Context, w io.Writer) error {
	z := gzip.NewWriter(w)
	return errors.Join(x.write(ctx, z), z.Close())
}

func (x *exporter) write(ctx context.Context, w io.Writer) (err error) {
	x.counts, err = export.Write(ctx, x.db, w, x.format, x.o)
	return err
}

// summary says what went where, for people.
func (x *exporter) summary(output, database string) string {
	var total int64
	var parts []string
	for _, c := range x.counts {
		total += c.Rows
		if c.Rows > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", c.Category, c.Rows))
		}
	}
	s := fmt.Sprintf("exported %d events from %s as %s", total, database, x.format.Name)
	if output != "-" {
		s += " to " + output
	}
	if len(parts) > 0 {
		s += ": " + strings.Join(parts, ", ")
	}
	return s
}
