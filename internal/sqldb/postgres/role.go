package postgres

import "github.com/feedback-loop/feedback-loop/internal/metric"

func walls() []string { return nil }

func wall(t *metric.Table) []string { return nil }
