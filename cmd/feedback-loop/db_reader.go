package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

const grantReaderHelp = `Grant-reader makes a role of the PostgreSQL server for Superset, or for another tool whose users write SQL of their
own. The role reads the tables of metrics, the summaries, the pattern library and the views of the schema bi, and of
these only the rows of one organisation; it can write nothing. The wall is row security keyed on the role that logged in:
no statement of the role can move it. Choose a name that does not say whose role it is: every role of a server can read
the names of all.

The password of a new role is made up, printed once and stored nowhere, together with the URI to paste into Superset. The
server gets only what it needs to check a password.

Run it again after an upgrade: new tables and columns stay invisible until then. That changes neither the password nor
the organisation, and takes back whatever else the role was given or has set for itself.

In the database it also takes from PUBLIC the right to connect and to make temporary tables: roles other than the owner
and the readers that need to connect must be granted that by name. Only a superuser can take large objects, advisory
locks and log messages from PUBLIC; connected as somebody else, it prints the statement to be run.

It needs the owner of the tables, with CREATEROLE, or a superuser. What the role still can do, such as count the rows of
all organisations, is listed in docs/superset-role.md.`

func dbGrantReaderCommand() *cobra.Command {
	var r sqldb.Reader
	var asJSON, fromStdin bool
	cmd := &cobra.Command{
		Use:   "grant-reader NAME",
		Short: "Make a role that reads one organisation's rows, for Superset",
		Long:  grantReaderHelp,
		Example: `  feedback-loop db grant-reader bi_7f3a --organization acme
  feedback-loop db grant-reader bi_7f3a --rotate-password --json | jq -r .uri
  feedback-loop db grant-reader bi_7f3a --password-stdin < secret`,
		Args: needArgs(cobra.ExactArgs(1)),
	}
	to := dbFlags(cmd)
	fl := cmd.Flags()
	fl.StringVar(&r.Organization, "organization", "", "slug or number of the `organisation` whose rows it reads (default 1, or what the role has)")
	fl.IntVar(&r.Connections, "connections", 0, "how many connections it may have at once (default 10, or what the role has)")
	fl.BoolVar(&fromStdin, "password-stdin", false, "read the password, one line, from standard input")
	fl.BoolVar(&r.Rotate, "rotate-password", false, "make up a new password for a role that has one")
	fl.BoolVar(&asJSON, "json", false, "print the result, password included, as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		r.Name = args[0]
		if fl.Changed("connections") && r.Connections < 1 {
			return usage("--connections has to be at least 1")
		}
		if fl.Changed("organization") && r.Organization == "" {
			return usage("--organization is empty; leave it out for the default")
		}
		if fromStdin && r.Rotate {
			return usage("--password-stdin gives a password and --rotate-password makes one up; take one of them")
		}
		if fromStdin {
			if r.Password, err = readPassword(cmd.InOrStdin()); err != nil {
				return err
			}
		}
		return runGrantReader(cmd, to, r, asJSON)
	}
	return cmd
}

// readPassword reads a line, without its end.
func readPassword(in io.Reader) (string, error) {
	const most = 4096 // what is longer is refused as a password anyway
	b, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return "", fmt.Errorf("the password cannot be read: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if password == "" {
		return "", usage("--password-stdin: standard input is empty")
	}
	return password, nil
}

func runGrantReader(cmd *cobra.Command, to *target, r sqldb.Reader, asJSON bool) (err error) {
	db, v, err := to.open(cmd.Context(), false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	g, err := app.GrantReader(cmd.Context(), db, v.Text, r)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), g)
	}
	printGranted(cmd.OutOrStdout(), g, r)
	return nil
}

func printGranted(w io.Writer, g *sqldb.Granted, r sqldb.Reader) {
	done := "brought up to date"
	if g.Created {
		done = "made"
	}
	fmt.Fprintf(w, "role %s: %s; reads organisation %d, at most %d connections\n", g.Role, done, g.Organization, g.Connections)
	fmt.Fprintf(w, "it reads: %s\n", strings.Join(g.Objects, ", "))
	switch {
	case g.Password != "":
		fmt.Fprintf(w, "password, shown this once: %s\n", g.Password)
	case r.Password != "":
		fmt.Fprintln(w, "password: as given")
	default:
		fmt.Fprintln(w, "password: as before (--rotate-password makes another)")
	}
	fmt.Fprintf(w, "URI for Superset: %s\n", g.URI)
	for _, n := range g.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	for _, o := range g.Open {
		fmt.Fprintf(w, "\nstill open: %s. To close it, %s has to run in this database:\n  %s;\n", o.What, o.Who, o.Statement)
	}
}

func dbRevokeReaderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke-reader NAME",
		Short: "Remove a role that grant-reader made",
		Long: `Revoke-reader takes back all rights of a role that grant-reader made, ends its sessions and removes it. A role of
another kind is refused. Running it again, or for a name that is not there, does no harm.`,
		Args: needArgs(cobra.ExactArgs(1)),
	}
	to := dbFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return runRevokeReader(cmd, to, args[0]) }
	return cmd
}

func runRevokeReader(cmd *cobra.Command, to *target, role string) (err error) {
	db, _, err := to.open(cmd.Context(), false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	found, err := app.RevokeReader(cmd.Context(), db, role)
	if err != nil {
		return err
	}
	say := "role %s: removed, its sessions ended\n"
	if !found {
		say = "role %s: not there, nothing to do\n"
	}
	fmt.Fprintf(cmd.OutOrStdout(), say, role)
	return nil
}
