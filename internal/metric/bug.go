package metric

func bug() *Category {
	return &Category{
		Name: "bugs", Title: "Bugs", Table: "metrics_bugs",
		Doc: "Bugs that were seen, with the pattern that explains them.",
		Columns: []Column{
			patternColumn("pattern", true, "Pattern that detected the bug."),
			{Name: "error", Type: Text, Required: true, Doc: "Error message."},
			{Name: "code", Type: Text, Doc: "Code snippet."},
			{Name: "file_path", Type: Text, Size: 500, Doc: "File where it occurred."},
			{Name: "line", Type: Int, Doc: "Line in that file."},
			{Name: "stack_trace", Type: Text, Doc: "Full stack trace."},
			countColumn(),
		},
		Indexes: []Index{
			{Name: "idx_bug_pattern_timestamp", Columns: []string{"pattern", "timestamp"}},
			{Name: "idx_bug_file_path", Columns: []string{"file_path"}},
		},
		Series: []string{"pattern", "error", "file_path"},
	}
}
