package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/config"
	"github.com/feedback-loop/feedback-loop/internal/fault"
)

const serveHelp = `Serve shows the database in a browser and answers the JSON API, until it is interrupted. Running requests may then
take ten seconds to finish; a second signal ends it at once.

  /               the dashboards
  /api/docs       the API; its description is /api/openapi.json
  /healthz        whether the server runs
  /readyz         whether the database answers
  /metrics        Prometheus metrics of the server

On PostgreSQL it also makes the monthly parts of tables ahead, and refreshes views every hour unless pg_cron does.

There are no accounts yet, so that it serves this machine only: any other address is refused. Imports may run at the
same time.`

type serveFlags struct {
	addr, charts, format, level string
}

func serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Show the database in a browser",
		Long:  serveHelp,
		Example: `  feedback-loop serve
  feedback-loop serve --db demo.db --addr 127.0.0.1:0 --log-format json`,
		Args: needArgs(cobra.NoArgs),
	}
	to := dbFlags(cmd)
	fl := cmd.Flags()
	set := config.Address()
	fl.StringVar(&f.addr, set.Flag, "", set.Usage()+"; port 0 takes a free one")
	fl.StringVar(&f.charts, "charts", "", "`folder` of chart files (.yaml) beside the built-in ones")
	fl.StringVar(&f.format, "log-format", "text", "format of the log on standard error: text or json")
	fl.StringVar(&f.level, "log-level", "info", "least level that is logged: debug, info, warn or error")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runServe(cmd, f, to) }
	return cmd
}

func runServe(cmd *cobra.Command, f serveFlags, to *target) (err error) {
	log, err := newLog(cmd.ErrOrStderr(), f.format, f.level)
	if err != nil {
		return err
	}
	folders, err := chartFolders(f.charts)
	if err != nil {
		return err
	}
	src, err := config.Load(".env")
	if err != nil {
		return err
	}
	l, err := app.Listen(cmd.Context(), src.Value(config.Address(), f.addr).Text)
	if fault.KindOf(err) == fault.Invalid {
		return exit{exitUsage, err}
	} else if err != nil {
		return err
	}
	defer l.Close() // Run closes it; this is for the errors before
	db, v, err := to.open(cmd.Context(), false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	server, err := app.Server(db, log, folders...)
	if err != nil {
		return err
	}
	stop, err := app.Jobs(cmd.Context(), db, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	fmt.Fprintf(cmd.OutOrStdout(), "feedback-loop is serving http://%s from %s\n", l.Addr(), name(v))
	return server.Run(cmd.Context(), l)
}

func newLog(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usage("--log-level must be debug, info, warn or error, not %q", level)
	}
	o := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, usage("--log-format must be text or json, not %q", format)
}

// chartFolders opens the folder of the user's charts, if one is named.
func chartFolders(path string) ([]fs.FS, error) {
	if path == "" {
		return nil, nil
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil, usage("--charts: there is no folder %s", path)
	}
	return []fs.FS{os.DirFS(path)}, nil
}
