package metric

func deployment() *Category {
	return &Category{
		Name: "deployment_issues", Title: "Deployment issues", Table: "metrics_deployment",
		Doc: "Problems of deployments and how long they took to resolve.",
		Columns: []Column{
			{Name: "issue_type", Type: Text, Size: 255, Required: true, Role: Dimension, As: "kind", Doc: "Type of the issue."},
			patternColumn("pattern", false, "Related pattern."),
			{Name: "environment", Type: Text, Size: 50, Required: true, Role: Dimension, Doc: "Where it happened: production, staging, dev."},
			{Name: "root_cause", Type: Text, Doc: "What caused it."},
			{Name: "resolution_time_minutes", Type: Int, Role: Measure, Unit: "min", Min: bound(0), Doc: "Time to resolve it."},
			countColumn(),
		},
		Indexes: []Index{
			{Name: "idx_deploy_env_timestamp", Columns: []string{"environment", "timestamp"}},
			{Name: "idx_deploy_pattern", Columns: []string{"pattern"}},
		},
		Rate:   rateDeployment,
		Share:  40,
		Sample: sampleDeployment,
	}
}

func rateDeployment(s Scene) float64 {
	if s.BadWeek {
		return 7 * s.Risk
	}
	return s.Risk
}

// In the bad week more goes wrong, most of it in production, and it takes much longer to resolve.
func sampleDeployment(s Scene) map[string]any {
	place, median := s.one([]string{"production", "staging", "dev"}), 45.0
	if place != "production" {
		median = 25
	}
	m := map[string]any{
		"issue_type": s.Theme.Incident, "pattern": s.Theme.Name, "environment": place,
		"root_cause": s.one(s.Theme.Causes), "count": int64(1),
	}
	if s.BadWeek {
		median *= 3.5
		if s.chance(0.5) {
			m["issue_type"], m["pattern"], m["environment"] = "rollback_failed", nil, "production"
			m["root_cause"] = "New base image without the certificate bundle"
		}
	}
	m["resolution_time_minutes"] = int64(s.around(median, 0.7)) + 1
	if s.chance(0.12) {
		m["root_cause"], m["resolution_time_minutes"] = nil, nil // still open
	}
	return m
}
