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
	}
}
