package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/retention"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// dbStatus is what "db status" prints.
type dbStatus struct {
	Database string               `json:"database"`
	Engine   string               `json:"engine"`
	Version  int                  `json:"schema_version"`
	Current  int                  `json:"newest_schema_version"`
	Facts    []sqldb.Fact         `json:"facts,omitempty"`
	Tables   []sqldb.Size         `json:"tables,omitempty"`
	KeptFrom map[string]time.Time `json:"kept_from,omitempty"`
	Pending  int64                `json:"days_without_summary"`
}

func dbStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what the database is and holds",
		Long: `Status names the engine, the schema version, the server and its safety, and the size of every table. Rows are counted
in SQLite and estimated by a server. It changes nothing, also where the schema is older than this program.`,
		Args: needArgs(cobra.NoArgs),
	}
	to := dbFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the status as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runDBStatus(cmd, to, asJSON) }
	return cmd
}

func runDBStatus(cmd *cobra.Command, to *target, asJSON bool) (err error) {
	db, v, err := to.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := readStatus(cmd.Context(), db)
	if err != nil {
		return err
	}
	s.Database = name(v)
	if asJSON {
		return printJSON(cmd.OutOrStdout(), s)
	}
	return printStatus(cmd.OutOrStdout(), s)
}

func readStatus(ctx context.Context, db *sqldb.DB) (*dbStatus, error) {
	version, err := db.Version(ctx)
	s := &dbStatus{Engine: db.Engine().Name(), Version: version, Current: metric.SchemaVersion}
	if e, ok := db.Engine().(sqldb.Inspector); ok && err == nil {
		if s.Facts, err = e.Facts(ctx, db); err == nil {
			s.Tables, err = e.Sizes(ctx, db)
		}
	} else if err == nil && version == metric.SchemaVersion {
		s.Tables, err = counted(ctx, db)
	}
	if err != nil || version != metric.SchemaVersion {
		return s, err
	}
	err = db.Row(ctx, db.Statement("SELECT COUNT(*) FROM rollup_dirty"), &s.Pending)
	if err == nil {
		err = db.Snapshot(ctx, func(tx *sqldb.Tx) (err error) {
			s.KeptFrom, err = retention.Horizons(tx)
			return err
		})
	}
	return s, err
}

// counted counts the rows of every table.
func counted(ctx context.Context, db *sqldb.DB) ([]sqldb.Size, error) {
	var all []sqldb.Size
	for _, t := range metric.Tables() {
		s := sqldb.Size{Table: t.Name, Bytes: -1}
		err := db.Query(ctx, db.Statement("SELECT COUNT(*) FROM "+t.Name), func(r *sql.Rows) error { return r.Scan(&s.Rows) })
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

func printStatus(w io.Writer, s *dbStatus) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(t, "%s\t%s\n", name, value) }
	line("database", s.Database)
	line("engine", s.Engine)
	switch {
	case s.Version == 0:
		line("schema", "none yet; any import makes it")
	case s.Version < s.Current:
		line("schema", fmt.Sprintf("version %d of %d; bring it up to date with: feedback-loop db migrate", s.Version, s.Current))
	default:
		line("schema", fmt.Sprintf("version %d", s.Version))
	}
	for _, f := range s.Facts {
		line(f.Name, f.Value)
	}
	if s.Pending > 0 {
		line("summaries", fmt.Sprintf("%d days wait; compute them with: feedback-loop db refresh", s.Pending))
	}
	if err := t.Flush(); err != nil || len(s.Tables) == 0 {
		return err
	}
	fmt.Fprintln(t, "\ntable\trows\tsize\tparts\tkept from")
	for _, x := range s.Tables {
		kept, parts := "", ""
		if from, ok := s.KeptFrom[x.Table]; ok {
			kept = from.Format(time.DateOnly)
		}
		if x.Parts > 0 {
			parts = fmt.Sprint(x.Parts)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", x.Table, known(x.Rows, ""), room(x.Bytes), parts, kept)
	}
	return t.Flush()
}

// known shows a number that may be unknown.
func known(n int64, unit string) string {
	if n < 0 {
		return "?"
	}
	return fmt.Sprint(n) + unit
}

// room shows a size in the unit that fits.
func room(bytes int64) string {
	const step = 1024
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if bytes < 10*step {
			return known(bytes, " "+unit)
		}
		bytes /= step
	}
	return known(bytes, " GiB")
}
