package metric

func llmCall() *Category {
	return &Category{
		Name: "llm_calls", Title: "LLM calls", Table: "metrics_llm_calls",
		Doc: "Calls of language models: outcome, attempts, duration.",
		Columns: []Column{
			{Name: "success", Type: Bool, Required: true, Role: Dimension, As: "outcome", Doc: "Whether the call succeeded."},
			{Name: "attempts", Type: Int, Role: Measure, Min: bound(0), Doc: "Attempts it took."},
			{Name: "duration", Type: Float, Role: Measure, Unit: "s", Doc: "Duration as the telemetry recorded it."},
			{Name: "provider", Type: Text, Size: 100, Role: Dimension, Doc: "Provider of the model."},
			{Name: "model", Type: Text, Size: 255, Role: Dimension, Doc: "Name of the model."},
			{Name: "error", Type: Text, Doc: "Error, if it failed."},
			{Name: "raw", Type: JSON, Doc: "The telemetry event as it was recorded."},
		},
		Indexes: []Index{
			{Name: "idx_llm_model_timestamp", Columns: []string{"model", "timestamp"}},
		},
		Rate:   func(s Scene) float64 { return 0.5 + s.Progress },
		Share:  70,
		Sample: sampleLLMCall,
	}
}

// The providers are made up, so that nobody takes their failure rates for a measurement.
func sampleLLMCall(s Scene) map[string]any {
	models := [...]struct {
		provider, name  string
		failure, median float64 // probability, seconds
	}{{"aurora", "aurora-large", 0.03, 6.5}, {"aurora", "aurora-mini", 0.05, 1.8}, {"cumulus", "cumulus-4", 0.09, 4.2}, {"local", "tern-8b", 0.17, 9}}
	use := models[min(s.Rand.IntN(len(models)), s.Rand.IntN(len(models)))]
	in, out := int64(s.around(1200, 0.8)), int64(s.around(350, 0.7))
	m := map[string]any{
		"success": true, "attempts": int64(1), "duration": s.around(use.median, 0.45), "provider": use.provider, "model": use.name,
		"error": nil, "run_id": nil,
		"raw": map[string]any{"event": "llm_call", "prompt_tokens": in, "completion_tokens": out, "purpose": s.Theme.Function},
	}
	for m["attempts"].(int64) < 3 && s.chance(2*use.failure) {
		m["attempts"] = m["attempts"].(int64) + 1
	}
	if s.chance(use.failure) {
		m["success"], m["attempts"] = false, int64(3)
		m["error"] = s.one([]string{"timeout after 60 s", "429 rate limit exceeded", "503 overloaded", "context length exceeded"})
	}
	return m
}
