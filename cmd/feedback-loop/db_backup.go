package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

const backupHelp = `Backup writes the whole database, as it is at one moment, to one file, while others go on reading and writing. The file
appears when it is whole and on the disk. A backup that is interrupted leaves nothing; one that is killed may leave
.FILE.*.partial, which can be removed.

SQLite: the file is a database of its own, compacted and checked. PostgreSQL: the file is an archive of pg_dump, which has to be
installed and must not be older than the server; it holds the schemas metrics, api and bi and nothing else, and is made by
the owner of the tables. Roles are not in it. Without these programs, feedback-loop db copy brings the database to a SQLite file and back.`

const restoreHelp = `Restore makes the database of what a backup holds, as a whole or not at all. A database that is not empty is replaced with
--force only.

SQLite: the file is checked before it takes the place of the database, which nobody may have open. PostgreSQL: everything
happens in one transaction; the tables belong to who restores. A role that the backup gives rights to has to be there.`

func dbBackupCommand() *cobra.Command {
	return archiveCommand(archive{doing: "backing up", done: "backed up", to: "to", run: app.Backup}, &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the whole database to a file",
		Long:  backupHelp,
		Example: `  feedback-loop db backup metrics-2026-07-01.backup
  feedback-loop db backup --db postgresql://owner@host/metrics?sslmode=verify-full metrics.dump`,
	}, "replace the file if it is there")
}

func dbRestoreCommand() *cobra.Command {
	return archiveCommand(archive{doing: "restoring", done: "restored", to: "from", run: app.Restore}, &cobra.Command{
		Use:     "restore FILE",
		Short:   "Make the database of what a backup holds",
		Long:    restoreHelp,
		Example: `  feedback-loop db restore --db restored.db metrics-2026-07-01.backup`,
	}, "replace what the database holds")
}

// archive is what a backup and a restoration have not in common.
type archive struct {
	doing, done, to string
	run             func(ctx context.Context, uri, path string, o sqldb.Options, force bool) error
}

func archiveCommand(a archive, cmd *cobra.Command, forceHelp string) *cobra.Command {
	var force, asJSON bool
	cmd.Args = needArgs(cobra.ExactArgs(1))
	to := dbFlags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, forceHelp)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v, err := to.value()
		if err != nil {
			return err
		}
		o, err := to.options()
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s %s %s %s\n", a.doing, name(v), a.to, args[0])
		begin := time.Now()
		if err := a.run(cmd.Context(), v.Text, args[0], o, force); err != nil {
			return err
		}
		info, err := os.Stat(args[0])
		if err != nil {
			return err
		}
		took := time.Since(begin)
		if asJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"database": name(v), "file": args[0], "bytes": info.Size(), "seconds": took.Seconds()})
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s %s: %d bytes in %s\n", a.done, name(v), a.to, args[0], info.Size(), took.Round(time.Millisecond))
		return nil
	}
	return cmd
}
