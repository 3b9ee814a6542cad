package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// stream makes the events of one category in order of time. Their times are the order statistics of a random sample
// from the story's intensity, drawn one after the other, so that nothing has to be sorted or kept.
type stream struct {
	*story
	cat     *metric.Category
	rnd     *rand.Rand
	events  int
	made    int
	mass    []float64 // intensity of each day, summed over repositories and themes
	total   float64   // integral of the intensity over the story
	left    float64   // part of the events' order that lies ahead, 1 to 0
	hour    int       // hour of the story
	upTo    float64   // integral up to the end of that hour
	weight  float64   // integral over that hour
	day     int       // day of cells
	cells   []metric.Scene
	chances []float64 // running sum over cells
	repeat  map[string]any
}

func newStream(plot *story, c *metric.Category, events int) (*stream, error) {
	s := &stream{story: plot, cat: c, rnd: plot.rand(c.Name), events: events, left: 1, day: -1, hour: -1, repeat: map[string]any{"source": plot.source}}
	for day := range s.days {
		s.enter(day)
		s.mass = append(s.mass, s.chances[len(s.chances)-1]*s.busy[day])
	}
	for hour := range s.days * hoursPerDay {
		s.total += s.intensity(hour)
	}
	if !(s.total > 0) {
		return nil, fmt.Errorf("sample: category %s has no rate above 0", c.Name)
	}
	return s, nil
}

func (s *stream) intensity(hour int) float64 {
	return s.mass[hour/hoursPerDay] * hourly(s.start.Add(time.Duration(hour)*time.Hour))
}

// enter sets the scenes of a day and how likely each is for this category.
func (s *stream) enter(day int) {
	if s.day == day {
		return
	}
	s.day, s.cells, s.chances = day, s.scenes(day), s.chances[:0]
	sum := 0.0
	for i, cell := range s.cells {
		rate := 1.0
		if s.cat.Rate != nil {
			rate = s.cat.Rate(cell)
		}
		sum += rate * cell.Theme.Weight * s.repoWeight[i/len(s.themes)]
		s.chances = append(s.chances, sum)
	}
}

// next moves to the next event; false at the end.
func (s *stream) next() bool {
	if s.made == s.events {
		return false
	}
	s.left *= math.Exp(-s.rnd.ExpFloat64() / float64(s.events-s.made))
	for at := s.total * (1 - s.left); (s.upTo < at || s.weight == 0) && s.hour+1 < s.days*hoursPerDay; {
		s.hour++
		s.weight = s.intensity(s.hour)
		s.upTo += s.weight
	}
	s.made++
	return true
}

// event makes the event: the fields of its category, and the common ones.
func (s *stream) event() (own, common map[string]any) {
	s.enter(s.hour / hoursPerDay)
	i := sort.SearchFloat64s(s.chances, s.rnd.Float64()*s.chances[len(s.chances)-1])
	cell := s.cells[i]
	cell.Rand, cell.Time = s.rnd, s.time()
	repo := i / len(s.themes)
	branch := "main"
	if cell.Rand.Float64() < 0.25 {
		branch = s.branches[i%len(s.themes)]
	}
	s.repeat["timestamp"], s.repeat["repository"], s.repeat["branch"] = cell.Time, cell.Repository, branch
	s.repeat["commit_sha"] = s.commit(repo, branch, s.hour)
	s.repeat["run_id"] = cell.Repository + "#" + strconv.Itoa(1000+s.hour)
	return s.cat.Sample(cell), s.repeat
}

// time spreads the events within the hour. Each is moved on by a microsecond per event before it, and the whole
// shrunk as much, so that no two are equal and none is late.
func (s *stream) time() time.Time {
	part := 1 - (s.upTo-s.total*(1-s.left))/s.weight
	hours := float64(s.hour) + math.Max(0, math.Min(1, part))
	room := float64(int64(s.days)*hoursPerDay*time.Hour.Microseconds() - int64(s.events))
	us := int64(hours/float64(s.days*hoursPerDay)*room) + int64(s.made-1)
	return s.start.Add(time.Duration(us) * time.Microsecond)
}
