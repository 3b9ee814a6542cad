package main

import "github.com/spf13/cobra"

const dbHelp = `Db looks after the database: its schema, its parts, its backups, and who may read it. Every command takes --db, like
import and serve do. What only a server can do says so on SQLite.`

func dbCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db",
		Short: "Look after the database",
		Long:  dbHelp,
		Args:  needArgs(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(dbStatusCommand(), dbMigrateCommand(), dbPartitionsCommand(), dbRetentionCommand(), dbRefreshCommand(),
		dbBackupCommand(), dbRestoreCommand(), dbCopyCommand(), dbGrantReaderCommand(), dbRevokeReaderCommand())
	return cmd
}
