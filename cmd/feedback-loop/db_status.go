package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func dbStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "status", Short: "Say what the database is and holds", Args: needArgs(cobra.NoArgs)}
	to := dbFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the status as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runDBStatus(cmd, to, asJSON) }
	return cmd
}

func runDBStatus(cmd *cobra.Command, to *target, _ bool) (err error) {
	db, v, err := to.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	version, err := db.Version(cmd.Context())
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, schema version %d\n", name(v), db.Engine().Name(), version)
	return nil
}
