package store_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/store"
)

func TestLease(t *testing.T) {
	s := store.New(openEmpty(t))
	now := today()
	for _, step := range []struct {
		job, holder string
		after       time.Duration // since the start
		want        bool
	}{
		{"refresh", "a", 0, true},
		{"refresh", "b", time.Minute, false},
		{"other", "b", time.Minute, true},
		{"refresh", "a", 2 * time.Minute, true}, // until 12
		{"refresh", "b", 11 * time.Minute, false},
		{"refresh", "b", 12 * time.Minute, true},
		{"refresh", "a", 13 * time.Minute, false},
	} {
		at := now.Add(step.after)
		got, err := s.Lease(t.Context(), step.job, step.holder, at, at.Add(10*time.Minute))
		if err != nil || got != step.want {
			t.Errorf("%+v: %v, %v", step, got, err)
		}
	}
}

// Of many who ask at the same moment one gets the job.
func TestLeaseAtOnce(t *testing.T) {
	s := store.New(openEmpty(t))
	var taken atomic.Int64
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			ok, err := s.Lease(t.Context(), "refresh", string(rune('a'+n)), today(), today().Add(time.Hour))
			if err != nil {
				t.Error(err)
			}
			if ok {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if taken.Load() != 1 {
		t.Errorf("%d holders have the job", taken.Load())
	}
}
