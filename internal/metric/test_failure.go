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
		Rate:   rateTestFailure,
		Share:  250,
		Sample: sampleTestFailure,
	}
}

const flakyTest = "tests/test_upload.py::test_concurrent_uploads_finish"

func rateTestFailure(s Scene) float64 {
	if s.Flaky {
		return 3 * s.Risk
	}
	return s.Risk
}

// On a flaky day most failures are those of one test that violates no pattern.
func sampleTestFailure(s Scene) map[string]any {
	if s.Flaky && s.chance(0.75) {
		return map[string]any{
			"test_name": flakyTest, "pattern_violated": nil, "code_snippet": "assert len(finished) == 8", "count": int64(1),
			"failure_reason": s.one([]string{"TimeoutError: upload did not finish within 30 s", "AssertionError: expected 8 finished uploads, got 7"}),
		}
	}
	m := map[string]any{
		"test_name":      "tests/test_" + s.one(s.Theme.Modules) + ".py::test_" + s.Theme.Function + "_" + s.one(fileStems()),
		"failure_reason": s.one(s.Theme.Errors), "pattern_violated": s.Theme.Name, "code_snippet": s.Theme.Code, "count": s.count(),
	}
	if s.chance(0.08) {
		m["pattern_violated"] = nil
	}
	if s.chance(0.3) {
		m["code_snippet"] = nil
	}
	return m
}
