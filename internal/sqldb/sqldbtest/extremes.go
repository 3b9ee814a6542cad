package sqldbtest

import "github.com/feedback-loop/feedback-loop/internal/metric"

// Extremes gives rows that together hold every extreme and hostile value of every column that is no part of the table's
// identity, and NULL where it may be.
func Extremes(t *metric.Table) []metric.Row { return spread(t) }
