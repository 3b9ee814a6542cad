package metric

import (
	"math"
	"math/rand/v2"
	"time"
)

// Scene is the moment in the life of a made-up team for which a category makes one sample event.
type Scene struct {
	Rand       *rand.Rand // nil when only the rate of events is asked for
	Time       time.Time  // UTC
	Repository string
	Theme      *Theme   // the pattern this event is about
	Library    []string // names of the patterns the team applies by now
	Adopted    bool     // the theme is one of them
	Risk       float64  // how often the theme is violated; 1 = as in a team that does not apply it
	Flaky      bool     // a day on which the repository's flaky test fails again and again
	BadWeek    bool     // a week in which deployments go wrong
	Progress   float64  // 0 at the start of the story, 1 at its end
}

// chance is true with probability p.
func (s Scene) chance(p float64) bool { return s.Rand.Float64() < p }

// one picks an element; the first is about three times as likely as the last.
func (s Scene) one(list []string) string {
	u := s.Rand.Float64()
	return list[int(u*(0.5+0.5*u)*float64(len(list)))]
}

// around gives a positive value whose median is the given one and whose logarithm varies by spread, rounded to
// thousandths.
func (s Scene) around(median, spread float64) float64 {
	return thousandths(median * math.Exp(spread*s.Rand.NormFloat64()))
}

// count gives a number of occurrences: mostly one, sometimes a few.
func (s Scene) count() int64 {
	n := int64(1)
	for n < 6 && s.chance(0.12) {
		n++
	}
	return n
}

// file picks a source file in which the theme shows.
func (s Scene) file() string {
	return "src/" + s.one(s.Theme.Modules) + "/" + s.one(fileStems()) + ".py"
}

func thousandths(f float64) float64 { return math.Round(f*1000) / 1000 }

func clamp(f, low, high float64) float64 { return math.Max(low, math.Min(high, f)) }

// lineOf gives the same line whenever the same thing is seen in the same file.
func lineOf(path, what string) int64 {
	h := uint32(2166136261)
	for _, s := range [...]string{path, what} {
		for i := range len(s) {
			h = (h ^ uint32(s[i])) * 16777619
		}
	}
	return int64(h%480) + 8
}

// fileStems are the names of source files; every module of the made-up team has them.
func fileStems() []string {
	return []string{"handlers", "models", "service", "utils", "export", "client", "views", "tasks"}
}
