package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/retention"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

const retentionHelp = `Retention removes events that are older than an age, with their links. The rollups stay: dashboards over days, weeks
and months do not change. What was removed is not imported again from an old file: it counts as known.

An age is a number of days, weeks, months or years: 90d, 12w, 6mo, 2y. It holds for every event table, or for one:
  --older-than 365d                        all event tables
  --older-than 365d --older-than metrics_performance=90d

On PostgreSQL whole months go at once; the rest, and everything on SQLite, goes row by row, some thousand in a transaction.
Interrupted, it has done a part of its work and can be run again.`

func dbRetentionCommand() *cobra.Command {
	var ages []string
	var dry, asJSON bool
	cmd := &cobra.Command{Use: "retention --older-than [TABLE=]AGE...", Short: "Remove old events; the rollups stay", Long: retentionHelp, Args: needArgs(cobra.NoArgs)}
	to := dbFlags(cmd)
	cmd.Flags().StringArrayVar(&ages, "older-than", nil, "`age`, or table=age; may be given several times")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would go, remove nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		rules, err := retentionRules(ages, time.Now())
		if err != nil {
			return err
		}
		return runRetention(cmd, to, rules, dry, asJSON)
	}
	return cmd
}

// retentionRules reads the ages; one for a table beats the one for all.
func retentionRules(ages []string, now time.Time) ([]retention.Rule, error) {
	if len(ages) == 0 {
		return nil, usage("--older-than is missing; for example --older-than 365d")
	}
	before := map[string]time.Time{}
	for _, a := range ages {
		table, age, ok := strings.Cut(a, "=")
		if !ok {
			table, age = "", a
		}
		at, err := cutoff(age, now)
		if err != nil {
			return nil, err
		}
		if _, twice := before[table]; twice {
			return nil, usage("--older-than is given twice for %s", orAll(table))
		}
		before[table] = at
	}
	var rules []retention.Rule
	for _, c := range metric.Catalogue() {
		at, ok := before[c.Table]
		if !ok {
			at, ok = before[""]
		}
		delete(before, c.Table)
		if ok {
			rules = append(rules, retention.Rule{Category: c, Before: at})
		}
	}
	delete(before, "")
	for table := range before {
		return nil, usage("--older-than: %q is no event table; there are %s", table, strings.Join(eventTables(), ", "))
	}
	return rules, nil
}

func orAll(table string) string {
	if table == "" {
		return "all tables"
	}
	return table
}

func eventTables() []string {
	var names []string
	for _, c := range metric.Catalogue() {
		names = append(names, c.Table)
	}
	return names
}

// cutoff is the midnight in UTC that lies an age before today's.
func cutoff(age string, now time.Time) (time.Time, error) {
	number := strings.TrimRight(age, "abcdefghijklmnopqrstuvwxyz")
	n, err := strconv.Atoi(number)
	unit := strings.TrimPrefix(age, number)
	const most = 100_000
	if err != nil || n < 1 || n > most || !slices.Contains([]string{"d", "w", "mo", "y"}, unit) {
		return time.Time{}, usage("--older-than: %q is no age; write 90d, 12w, 6mo or 2y", age)
	}
	today := now.UTC().Truncate(24 * time.Hour)
	switch unit {
	case "w":
		return today.AddDate(0, 0, -7*n), nil
	case "mo":
		return today.AddDate(0, -n, 0), nil
	case "y":
		return today.AddDate(-n, 0, 0), nil
	default:
		return today.AddDate(0, 0, -n), nil
	}
}

func runRetention(cmd *cobra.Command, to *target, rules []retention.Rule, dry, asJSON bool) (err error) {
	db, v, err := to.open(cmd.Context(), false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	results, err := retain(cmd, db, rules, dry, asJSON)
	if asJSON {
		return errors.Join(err, printJSON(cmd.OutOrStdout(), results))
	}
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "table\tkept from\trows removed\tin whole parts")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d in %d parts\n", r.Table, r.Before.Format(time.DateOnly), r.Rows+r.InPart, r.InPart, len(r.Parts))
	}
	err = errors.Join(err, t.Flush())
	if dry && err == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "dry run: nothing was removed from %s\n", name(v))
	}
	return err
}

func retain(cmd *cobra.Command, db *sqldb.DB, rules []retention.Rule, dry, quiet bool) ([]retention.Result, error) {
	do := func(ctx context.Context, r retention.Rule, _ func(int64)) ([]retention.Result, error) {
		return retention.Plan(ctx, db, r)
	}
	if !dry {
		do = func(ctx context.Context, r retention.Rule, progress func(int64)) ([]retention.Result, error) {
			return retention.Apply(ctx, db, r, progress)
		}
	}
	bar := newEventBar(cmd.ErrOrStderr(), -1, quiet)
	defer bar.clear()
	results, done := []retention.Result{}, 0
	for _, r := range rules {
		res, err := do(cmd.Context(), r, func(n int64) {
			done += int(n)
			bar.count(done)
		})
		results = append(results, res...)
		if err != nil {
			return results, err
		}
	}
	return results, nil
}
