package metric

import "strconv"

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
		Rate:   func(s Scene) float64 { return s.Risk },
		Share:  230,
		Sample: sampleBug,
	}
}

// A bug is seen in a test run or in production, where no commit is known.
func sampleBug(s Scene) map[string]any {
	path, seen := s.file(), s.one(s.Theme.Errors)
	line := lineOf(path, seen)
	m := map[string]any{
		"pattern": s.Theme.Name, "error": seen, "code": s.Theme.Code, "file_path": path, "line": line,
		"stack_trace": nil, "count": s.count(),
	}
	if s.chance(0.35) {
		m["stack_trace"] = "Traceback (most recent call last):\n  File \"" + path + "\", line " + strconv.FormatInt(line, 10) +
			", in " + s.Theme.Function + "\n    " + s.Theme.Code + "\n" + seen
	}
	if s.chance(0.4) {
		m["branch"], m["commit_sha"], m["run_id"] = nil, nil, nil
	}
	return m
}
