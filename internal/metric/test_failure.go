package metric

func testFailure() *Category {
	return &Category{
		Name: "test_failures", Title: "Test failures", Table: "metrics_test_failures",
		Doc: "Failed tests and the pattern they violate.",
		Columns: []Column{
			{Name: "test_name", Type: Text, Size: 500, Required: true, Doc: "Test, as its runner names it."},
			{Name: "failure_reason", Type: Text, Required: true, Doc: "Why it failed."},
			patternColumn("pattern_violated", false, "Pattern that was violated."),
			{Name: "code_snippet", Type: Text, Doc: "Failed code."},
			countColumn(),
		},
		Indexes: []Index{
			{Name: "idx_test_pattern_timestamp", Columns: []string{"pattern_violated", "timestamp"}},
		},
		Series: []string{"test_name", "failure_reason"},
	}
}
