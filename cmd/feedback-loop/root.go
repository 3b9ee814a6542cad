package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
)

// Exit codes of all commands.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitRejected = 3 // done, but some records could not be used
)

// exit is an error that ends the program with a code of its own; what there was to say has been said if err is nil.
type exit struct {
	code int
	err  error
}

// Error implements error.
func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap gives the cause.
func (e exit) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return exit{exitUsage, fmt.Errorf(format, args...)} }

// run is the whole program; it gives the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	cmd := rootCommand()
	cmd.SetArgs(args)
	cmd.SetIn(in)
	heard := &listener{w: out}
	cmd.SetOut(heard)
	cmd.SetErr(errs)
	err := cmd.ExecuteContext(ctx)
	if err == nil && heard.err != nil {
		err = fmt.Errorf("the output could not be written: %w", heard.err)
	}
	if err == nil {
		return exitDone
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(errs, "feedback-loop: "+text)
	}
	if e, ok := errors.AsType[exit](err); ok {
		return e.code
	}
	return exitFailed
}

// listener remembers that output was lost, so that a report nobody got is not called a success.
type listener struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (l *listener) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	if l.err == nil {
		l.err = err
	}
	return n, err
}

func rootCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "feedback-loop",
		Short: "Collect what goes wrong and right while software is made, and see it",
		Long: `feedback-loop collects test failures, bugs, review findings, performance, deployments and AI code
generations, stores them truthfully, and shows honest numbers from them.

Try it:
  feedback-loop sample                      fill feedback-loop.db with a made-up team's half year
  feedback-loop import metrics_data.json    bring in your own metrics
  feedback-loop serve                       look at them in a browser

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 imported but some records were rejected.`,
		Version:       app.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          needArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%w\nSee: %s --help", err, c.CommandPath())
	})
	cmd.AddCommand(importCommand(), exportCommand(), sampleCommand(), serveCommand(), doctorCommand(), dbCommand())
	return cmd
}

// needArgs makes cobra's complaints about arguments usage errors.
func needArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage("%w\nSee: %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}
