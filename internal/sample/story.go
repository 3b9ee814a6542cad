package sample

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

const (
	hoursPerDay = 24
	badWeekAt   = 0.6  // part of the story at which the bad week begins
	burstEvery  = 25   // days per burst of the flaky test
	learning    = 0.04 // part of the story until an adopted pattern has its full effect
	commitHours = 4    // hours between two commits
)

// story is what the categories share: who, how busy each day is, and what goes on.
type story struct {
	seed       uint64
	source     string
	start      time.Time
	days       int
	repos      []string
	busy       []float64 // per day
	burst      []int     // per day: first day of the flaky test's burst that is on; -1 = none
	badFrom    int       // first day of the bad week
	badTo      int       // first day after it
	themes     []*metric.Theme
	branches   []string // per theme
	repoWeight []float64
}

func newStory(o Options) *story {
	s := &story{seed: o.Seed, source: o.Source(), start: o.End.UTC().Add(-o.span()), days: o.Days, themes: metric.Themes()}
	rnd := s.rand("story")
	s.name(o.repositories())
	for range s.days {
		s.busy = append(s.busy, math.Exp(0.12*rnd.NormFloat64()))
		s.burst = append(s.burst, -1)
	}
	for range max(1, s.days/burstEvery) {
		first := rnd.IntN(s.days)
		for d := first; d < min(s.days, first+1+rnd.IntN(2)); d++ {
			s.burst[d] = first
		}
	}
	s.badFrom = int(badWeekAt * float64(s.days))
	s.badTo = s.badFrom + max(1, min(7, s.days/8))
	return s
}

// name gives the repositories their names and sizes, and each theme a branch on which people work on it.
func (s *story) name(repos int) {
	s.repos = []string{"checkout-service", "data-pipeline", "web-console", "ml-platform"}
	for i := len(s.repos); i < repos; i++ {
		s.repos = append(s.repos, fmt.Sprintf("service-%03d", i+1))
	}
	s.repos = s.repos[:repos]
	for i := range s.repos {
		s.repoWeight = append(s.repoWeight, 1/float64(i+1))
	}
	for _, t := range s.themes {
		s.branches = append(s.branches, "feature/"+strings.ReplaceAll(t.Name, "_", "-"))
	}
}

// rand gives each purpose its own numbers, so that a further category leaves the others as they are.
func (s *story) rand(purpose string) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, mix(0, purpose)))
}

// mix folds a text into a number (FNV-1a, then the finalizer of SplitMix64).
func mix(h uint64, text string) uint64 {
	h ^= 14695981039346656037
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// scenes gives the day's scene for each repository and theme, repositories first; Rand and Time are not set.
func (s *story) scenes(day int) []metric.Scene {
	progress := (float64(day) + 0.5) / float64(s.days)
	var library []string
	for _, t := range s.themes {
		if t.Adoption <= progress {
			library = append(library, t.Name)
		}
	}
	all := make([]metric.Scene, 0, len(s.repos)*len(s.themes))
	for i, repo := range s.repos {
		for _, t := range s.themes {
			all = append(all, metric.Scene{Repository: repo, Theme: t, Library: library, Adopted: t.Adoption <= progress,
				Risk: risk(t, progress), Flaky: i == 0 && s.burst[day] >= 0, BadWeek: day >= s.badFrom && day < s.badTo,
				Progress: progress})
		}
	}
	return all
}

// risk falls from 1 to the theme's effect while the team learns to apply it.
func risk(t *metric.Theme, progress float64) float64 {
	learned := math.Max(0, math.Min(1, (progress-t.Adoption)/learning))
	return 1 + (t.Effect-1)*learned
}

// hourly says how busy the hour of a time is: working days and working hours before others.
func hourly(t time.Time) float64 {
	w := 0.08
	switch h := t.Hour(); {
	case h == 12:
		w = 0.7
	case h >= 9 && h < 17:
		w = 1
	case h >= 7 && h < 20:
		w = 0.45
	}
	if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
		w *= 0.25
	}
	return w
}

// commit gives the commit that is current on a branch at an hour of the story. While the flaky test has its burst
// nobody pushes to the repository it is in.
func (s *story) commit(repo int, branch string, hour int) string {
	slot := hour / commitHours
	if first := s.burst[hour/hoursPerDay]; repo == 0 && first >= 0 {
		slot = first * hoursPerDay / commitHours
	}
	h := mix(s.seed^uint64(slot)<<20^uint64(repo), branch)
	var sum [20]byte
	binary.BigEndian.PutUint64(sum[:], h)
	binary.BigEndian.PutUint64(sum[8:], mix(h, "middle"))
	binary.BigEndian.PutUint32(sum[16:], uint32(mix(h, "end")))
	return hex.EncodeToString(sum[:])
}
