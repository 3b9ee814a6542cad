package metric

func performance() *Category {
	return &Category{
		Name: "performance_metrics", Title: "Performance measurements", Table: "metrics_performance",
		Doc: "Measured execution times, memory use and file sizes.",
		Columns: []Column{
			{Name: "metric_type", Type: Text, Size: 100, Required: true, Role: Dimension, As: "kind", Doc: "Type of measurement."},
			{Name: "details", Type: JSON, Doc: "The measurement as it was recorded."},
			{Name: "function_name", Type: Text, Size: 255, From: []string{"function_name", "details.function_name", "details.function"},
				Aliases: []string{"operation"}, Doc: "Function that was measured."},
			{Name: "execution_time_ms", Type: Float, Role: Measure, Unit: "ms",
				From:    []string{"execution_time_ms", "details.execution_time_ms", "details.avg_time_ms", "details.max_time_ms"},
				Aliases: []string{"duration_ms"}, Doc: "Execution time; the average where the measurement has one, else the maximum."},
			{Name: "memory_usage_bytes", Type: Int, Role: Measure, Unit: "bytes",
				From: []string{"memory_usage_bytes", "details.memory_usage_bytes", "details.memory_usage"}, Doc: "Memory in use."},
			{Name: "file_size_bytes", Type: Int, Role: Measure, Unit: "bytes",
				From: []string{"file_size_bytes", "details.file_size_bytes", "details.file_size"}, Doc: "Size of the file that was processed."},
		},
		Indexes: []Index{
			{Name: "idx_perf_type_timestamp", Columns: []string{"metric_type", "timestamp"}},
		},
		Complete: completePerformance,
		Share:    130,
		Sample:   samplePerformance,
	}
}

// A record that has a function and its duration, and nothing else, is a measurement of execution time even if it does
// not say so. One that measures more is not: what its type would be called is not certain.
func completePerformance(c *Category, r Row) []string {
	has := func(name string) bool { return r[c.Position(name)] != nil }
	if has("metric_type") || !has("function_name") || !has("execution_time_ms") ||
		has("memory_usage_bytes") || has("file_size_bytes") || has("details") {
		return nil
	}
	r[c.Position("metric_type")] = "execution_time"
	return []string{"metric_type taken as execution_time where a record has only a function and its duration"}
}

// Measurements come as the original records them: the numbers inside details.
func samplePerformance(s Scene) map[string]any {
	took := s.around(18+0.7*float64(lineOf(s.Theme.Function, s.Repository)), 0.5)
	details := map[string]any{"function": s.Theme.Function}
	kind := "execution_time"
	switch u := s.Rand.Float64(); {
	case u < 0.55:
		details["avg_time_ms"], details["max_time_ms"] = took, thousandths(took*(1.5+s.Rand.Float64()))
		details["runs"] = 10 + s.Rand.Int64N(90)
	case u < 0.8:
		kind = "memory_usage"
		details["memory_usage"] = int64(s.around(48, 0.6)*1024) * 1024
	default:
		kind = "file_processing"
		size := s.around(20, 1.1)
		details["file_size"], details["avg_time_ms"] = int64(size*1e6), thousandths(took+40*size)
		details["memory_usage"] = int64(size * 2.6e6)
	}
	return map[string]any{"metric_type": kind, "details": details}
}
