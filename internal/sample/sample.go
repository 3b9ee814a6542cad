// Package sample makes up the metrics of a team: seeded, so that the same options give the same bytes, and streamed,
// so that millions of events take no more memory than a few.
//
// What an event of a category looks like stands in the category's own file of package metric. Here stands when it
// happens: working hours, the adoption of patterns, a flaky test, a bad week.
package sample

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Bounds of the options.
const (
	MaxDays         = 3660
	MaxRepositories = 200
	defaultRepos    = 4
	progressStep    = 1000
)

// Options say how much is made up.
type Options struct {
	Events       int       // in all categories together
	Days         int       // length of the story, 1 to MaxDays
	Seed         uint64    // the same seed gives the same events
	End          time.Time // moment before which everything happens
	Repositories int       // 1 to MaxRepositories; 0 = 4
}

// Check says what cannot be made up; every fault is of kind Invalid.
func (o Options) Check() error {
	switch {
	case o.Days < 1 || o.Days > MaxDays:
		return fault.New(fault.Invalid, "cannot make up %d days", o.Days).Try("Give 1 to %d.", MaxDays)
	case o.Repositories < 0 || o.Repositories > MaxRepositories:
		return fault.New(fault.Invalid, "cannot make up %d repositories", o.Repositories).Try("Give 1 to %d.", MaxRepositories)
	case o.Events < 0 || int64(o.Events) > o.span().Milliseconds():
		return fault.New(fault.Invalid, "cannot make up %d events in %d days", o.Events, o.Days).
			Try("Give 0 to %d, or more days.", o.span().Milliseconds())
	case o.End.IsZero():
		return fault.New(fault.Invalid, "sample data needs an end")
	}
	return nil
}

// Source is the source that the records name. It differs from sample to sample, because two of them are not readings
// of the same counters.
func (o Options) Source() string {
	h := mix(o.Seed, strconv.Itoa(o.Events)+" "+strconv.Itoa(o.Days)+" "+strconv.Itoa(o.repositories())+" "+o.End.UTC().String())
	return fmt.Sprintf("sample-%08x", uint32(h))
}

func (o Options) repositories() int {
	if o.Repositories == 0 {
		return defaultRepos
	}
	return o.Repositories
}

func (o Options) span() time.Duration { return time.Duration(o.Days) * 24 * time.Hour }

// WriteJSON writes the metrics JSON of the original format: the categories one after the other, each in order of
// time, no two events of one at the same microsecond. It calls progress, if given, now and then and at the end with
// the number of events written so far.
func WriteJSON(w io.Writer, o Options, progress func(done int)) error {
	if err := o.Check(); err != nil {
		return err
	}
	if progress == nil {
		progress = func(int) {}
	}
	out := &writer{dst: w}
	plot := newStory(o)
	done := 0
	for i, n := range shares(o.Events) {
		s, err := newStream(plot, metric.Catalogue()[i], n)
		if err != nil {
			return err
		}
		out.open(s.cat, i == 0)
		for s.next() {
			if err := out.record(s.event()); err != nil {
				return err
			}
			if done++; done%progressStep == 0 {
				progress(done)
			}
		}
		out.close()
	}
	progress(done)
	return out.end()
}

// shares splits the events over the categories; the parts add up exactly.
func shares(events int) []int {
	var parts []int
	sum, before := 0, 0
	for _, c := range metric.Catalogue() {
		sum += c.Share
		upTo := events/1000*sum + events%1000*sum/1000
		parts = append(parts, upTo-before)
		before = upTo
	}
	return parts
}
