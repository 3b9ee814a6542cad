package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

// How often a server looks after its database, and how many months of parts it makes ahead.
const (
	refreshEvery = time.Hour
	partsEvery   = 24 * time.Hour
	// MonthsAhead is how many months beyond this one have their parts made.
	MonthsAhead = 3
)

// Jobs does what a database needs from time to time, until the context ends or stop is called: parts for the months to
// come, and a refresh, unless the database does that by itself. Of several servers on one database only one does each.
// A database that needs nothing gets nothing.
func Jobs(ctx context.Context, db *sqldb.DB, log *slog.Logger) (stop func() error, err error) {
	if _, needed := db.Engine().(sqldb.Partitioned); !needed {
		return func() error { return nil }, nil
	}
	s, err := gocron.NewScheduler(gocron.WithLocation(time.UTC))
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname() // only a name for people; what tells servers apart follows
	j := &jobs{ctx: ctx, db: db, log: log, holder: fmt.Sprintf("%s %d %s", host, os.Getpid(), uuid.NewString())}
	for _, x := range []struct {
		name  string
		every time.Duration
		do    func(context.Context) error
	}{{"partitions ahead", partsEvery, j.parts}, {"refresh", refreshEvery, j.refresh}} {
		_, err := s.NewJob(gocron.DurationJob(x.every), gocron.NewTask(func() { j.run(x.name, x.every, x.do) }),
			gocron.WithSingletonMode(gocron.LimitModeReschedule), gocron.WithStartAt(gocron.WithStartImmediately()))
		if err != nil {
			return nil, err
		}
	}
	s.Start()
	return s.Shutdown, nil
}

type jobs struct {
	ctx    context.Context
	db     *sqldb.DB
	log    *slog.Logger
	holder string
}

// run does a job if no other server has the lease; the lease ends a little before the job is due again.
func (j *jobs) run(name string, every time.Duration, do func(context.Context) error) {
	now := time.Now()
	taken, err := store.New(j.db).Lease(j.ctx, name, j.holder, now, now.Add(every-every/10))
	if err == nil && taken {
		err = do(j.ctx)
	}
	if err != nil && j.ctx.Err() == nil {
		j.log.Warn("a job failed; it will be tried again", "job", name, "error", err)
	}
}

func (j *jobs) parts(ctx context.Context) error {
	made, err := Ahead(ctx, j.db, time.Now(), MonthsAhead)
	if made > 0 {
		j.log.Info("made partitions", "count", made)
	}
	return err
}

func (j *jobs) refresh(ctx context.Context) error {
	if own, err := Schedule(ctx, j.db); own {
		return nil // by pg_cron
	} else if err != nil {
		j.log.Warn("pg_cron could not be used", "error", err)
	}
	_, err := Refresh(ctx, j.db)
	return err
}
