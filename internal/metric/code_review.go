package metric

// Severities from the worst to the least; the catalogue accepts no other.
func Severities() []string { return []string{"critical", "high", "medium", "low"} }

func codeReview() *Category {
	return &Category{
		Name: "code_reviews", Title: "Code review findings", Table: "metrics_code_reviews",
		Doc: "Findings of code reviews by severity.",
		Columns: []Column{
			{Name: "issue_type", Type: Text, Size: 255, Required: true, Doc: "Type of the issue."},
			patternColumn("pattern", true, "Related pattern."),
			{Name: "severity", Type: Text, Size: 50, Required: true, Role: Dimension, Enum: Severities(), Doc: "Severity of the finding."},
			{Name: "file_path", Type: Text, Size: 500, Doc: "File with the issue."},
			{Name: "line", Type: Int, Doc: "Line in that file."},
			{Name: "suggestion", Type: Text, Doc: "Suggested fix."},
			countColumn(),
		},
		Indexes: []Index{
			{Name: "idx_review_pattern_severity", Columns: []string{"pattern", "severity"}},
			{Name: "idx_review_timestamp", Columns: []string{"timestamp"}},
		},
		Rate:   func(s Scene) float64 { return 0.3 + 0.7*s.Risk },
		Share:  160,
		Sample: sampleCodeReview,
	}
}

// Reviewers find the theme's issue; how bad it is varies by a step around what is usual.
func sampleCodeReview(s Scene) map[string]any {
	path := s.file()
	grades := Severities()
	step := s.Rand.IntN(5)/2 - s.Rand.IntN(3)/2
	m := map[string]any{
		"issue_type": s.Theme.Finding, "pattern": s.Theme.Name,
		"severity":  grades[max(0, min(len(grades)-1, s.Theme.Severity+step))],
		"file_path": path, "line": lineOf(path, s.Theme.Finding), "suggestion": s.one(s.Theme.Advice), "run_id": nil,
	}
	if s.chance(0.15) {
		m["suggestion"] = nil
	}
	if s.chance(0.1) {
		m["line"] = nil
	}
	return m
}
