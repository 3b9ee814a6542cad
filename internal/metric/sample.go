package metric

import (
	"math/rand/v2"
	"time"
)

// Scene is the moment in the life of a made-up team for which a category makes one sample event.
type Scene struct {
	Rand       *rand.Rand
	Time       time.Time
	Repository string
	Pattern    string  // the pattern this event is about
	Adopted    bool    // the team applies the pattern by now
	Helps      bool    // applying the pattern makes things better
	BadWeek    bool    // a week in which deployments go wrong
	Progress   float64 // 0 at the start of the story, 1 at its end
}
