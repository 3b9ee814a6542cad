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
	}
}
