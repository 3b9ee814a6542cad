package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

const migrateHelp = `Migrate brings the schema of the database to the version of this program. Every command that writes does so too;
this one does nothing else, so that it can be run by an owner whose rights the others do not have.

With --adopt it takes over a PostgreSQL database that the original exporter filled. Its tables move to the schema
"original", with their indexes and sequences, and stay there untouched; the tables of this program are made where they
stood; and each of their rows is brought in as import brings in a file. What cannot be used is rejected with its row and the reason, as import
does. It may be run again at any time: what is in is recognised. The exporter itself has to be stopped before.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 adopted, but some rows were rejected.`

type migrateFlags struct {
	importFlags
	adopt bool
}

func dbMigrateCommand() *cobra.Command {
	var f migrateFlags
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the schema up to date; adopt a database of the original exporter",
		Long:  migrateHelp,
		Example: `  feedback-loop db migrate
  feedback-loop db migrate --adopt --timezone Europe/Berlin --db postgresql://user@host/metrics`,
		Args: needArgs(cobra.NoArgs),
	}
	to := dbFlags(cmd)
	cmd.Flags().BoolVar(&f.adopt, "adopt", false, "take over the tables of the original exporter")
	f.origin(cmd)
	cmd.Flags().BoolVar(&f.json, "json", false, "print the report as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runMigrate(cmd, to, f) }
	return cmd
}

// migration is what --json prints.
type migration struct {
	Database string `json:"database"`
	From     int    `json:"from"`
	To       int    `json:"to"`
	*app.Adoption
}

func runMigrate(cmd *cobra.Command, to *target, f migrateFlags) (err error) {
	o, err := f.options()
	if err != nil {
		return err
	}
	db, where, err := to.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m := &migration{Database: name(where)}
	if f.adopt {
		err = m.adopt(cmd, db, o, f.json)
	} else {
		m.From, m.To, err = app.Migrate(cmd.Context(), db)
	}
	if err != nil && m.Adoption == nil {
		return err
	}
	if f.json {
		err = errors.Join(err, printJSON(cmd.OutOrStdout(), m))
	} else {
		m.print(cmd.OutOrStdout())
	}
	if m.Adoption == nil || m.Import == nil {
		return err
	}
	return verdict([]*ingest.Report{m.Import}, err)
}

// adopt leaves the adoption nil where nothing was done.
func (m *migration) adopt(cmd *cobra.Command, db *sqldb.DB, o ingest.Options, quiet bool) (err error) {
	bar := newEventBar(cmd.ErrOrStderr(), -1, quiet)
	defer bar.clear()
	o.Progress = bar.show
	if m.Adoption, err = app.Adopt(cmd.Context(), db, o); m.Adoption != nil {
		m.From, m.To = m.Adoption.From, metric.SchemaVersion
	}
	return err
}

func (m *migration) print(w io.Writer) {
	if m.From == m.To {
		fmt.Fprintf(w, "%s: schema version %d; nothing to do\n", m.Database, m.To)
	} else {
		fmt.Fprintf(w, "%s: schema version %d -> %d\n", m.Database, m.From, m.To)
	}
	if m.Adoption == nil {
		return
	}
	if len(m.Moved) > 0 {
		fmt.Fprintf(w, "moved to the schema original: %s\n", strings.Join(m.Moved, ", "))
	}
	if m.Import == nil {
		fmt.Fprintln(w, "there are no tables of the original exporter to adopt")
		return
	}
	printReports(w, []*ingest.Report{m.Import}, m.Database, false)
	if m.Import.Error == "" && m.Import.Inserted == 0 {
		fmt.Fprintln(w, "every row was in already or cannot be used; nothing was written")
	}
	fmt.Fprintln(w, "The original's tables are kept as they were. When nobody needs them any more: DROP SCHEMA original CASCADE")
}
