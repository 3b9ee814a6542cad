package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/config"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// target is the database of a command: which one, and how to connect to it. Each part is looked up as package config
// has it: flag, environment, .env, default.
type target struct {
	cmd   *cobra.Command
	flags map[string]*string // by name of the flag
}

// dbFlags adds --db, and the flags of connections to a server, to a command.
func dbFlags(cmd *cobra.Command) *target {
	t := serverFlags(cmd)
	set := config.Database()
	t.flags[set.Flag] = cmd.Flags().String(set.Flag, "", set.Usage())
	return t
}

// serverFlags adds the flags of connections to a server, for a command that names its databases itself.
func serverFlags(cmd *cobra.Command) *target {
	t := &target{cmd, map[string]*string{}}
	for _, set := range []config.Setting{config.PoolSize(), config.PoolOverflow(), config.PoolRecycle()} {
		t.flags[set.Flag] = cmd.Flags().String(set.Flag, "", set.Usage())
	}
	for _, set := range []config.Setting{config.Production(), config.AllowInsecure(), config.PoolPrePing()} {
		t.flags[set.Flag] = cmd.Flags().String(set.Flag, "", set.Usage())
		cmd.Flags().Lookup(set.Flag).NoOptDefVal = "true"
	}
	return t
}

// value finds the database.
func (t *target) value() (config.Value, error) {
	set := config.Database()
	if t.cmd.Flags().Changed(set.Flag) && *t.flags[set.Flag] == "" {
		return config.Value{}, usage("--%s is empty; leave it out for the default", set.Flag)
	}
	src, err := config.Load(".env")
	if err != nil {
		return config.Value{}, err
	}
	return src.Value(set, *t.flags[set.Flag]), nil
}

// options are how to connect. An accepted risk is said on standard error, where the log of a server goes.
func (t *target) options() (sqldb.Options, error) {
	src, err := config.Load(".env")
	if err != nil {
		return sqldb.Options{}, err
	}
	var o sqldb.Options
	var insecure, ping bool
	var recycle int
	for _, x := range []struct {
		set  config.Setting
		take func(string) error
	}{
		{config.Production(), boolean(&o.Production)}, {config.AllowInsecure(), boolean(&insecure)}, {config.PoolPrePing(), boolean(&ping)},
		{config.PoolSize(), atLeast(1, &o.Pool.Size)}, {config.PoolOverflow(), atLeast(0, &o.Pool.Overflow)}, {config.PoolRecycle(), atLeast(1, &recycle)},
	} {
		v := src.Value(x.set, *t.flags[x.set.Flag])
		if err := x.take(v.Text); err != nil {
			return o, usage("%s: %q %w", v.From, v.Text, err)
		}
	}
	o.Pool.NoPing, o.Pool.Recycle = !ping, time.Duration(recycle)*time.Second
	if o.Pool.Overflow == 0 {
		o.Pool.Overflow = -1 // none
	}
	if o.Production && insecure {
		o.Production = false
		fmt.Fprintln(t.cmd.ErrOrStderr(), "warning: --allow-insecure-db: the connection to the database is not verified; its data and password can be read or redirected")
	}
	return o, nil
}

func boolean(to *bool) func(string) error {
	return func(text string) (err error) {
		if *to, err = strconv.ParseBool(text); err != nil {
			return fmt.Errorf("is neither true nor false")
		}
		return nil
	}
}

func atLeast(least int, to *int) func(string) error {
	return func(text string) (err error) {
		if *to, err = strconv.Atoi(text); err != nil || *to < least {
			return fmt.Errorf("is no whole number of at least %d", least)
		}
		return nil
	}
}

// open opens the database of the command and brings its schema up to date.
func (t *target) open(ctx context.Context, create bool) (*sqldb.DB, config.Value, error) {
	return t.with(create, func(uri string, o sqldb.Options) (*sqldb.DB, error) { return app.OpenWith(ctx, uri, o) })
}

// connect opens the database and leaves its schema as it is.
func (t *target) connect(ctx context.Context) (*sqldb.DB, config.Value, error) {
	return t.with(false, func(uri string, o sqldb.Options) (*sqldb.DB, error) { return app.Connect(ctx, uri, o) })
}

// empty says that there is no database yet, or none of our tables in it.
func (t *target) empty(ctx context.Context) (bool, error) {
	db, v, err := t.connect(ctx)
	if fault.KindOf(err) == fault.NotFound && sqldb.SQLitePath(v.Text) != "" {
		return true, nil // an import would make the file
	} else if err != nil {
		return false, err
	}
	version, err := db.Version(ctx)
	return version == 0, errors.Join(err, db.Close())
}

func (t *target) with(create bool, open func(string, sqldb.Options) (*sqldb.DB, error)) (*sqldb.DB, config.Value, error) {
	v, err := t.value()
	if err != nil {
		return nil, v, err
	}
	o, err := t.options()
	if err != nil {
		return nil, v, err
	}
	o.Create = create
	db, err := open(v.Text, o)
	return db, v, err
}

// name shows a database and where its name came from.
func name(v config.Value) string {
	return fmt.Sprintf("%s (%s)", sqldb.Redact(v.Text), v.From)
}
