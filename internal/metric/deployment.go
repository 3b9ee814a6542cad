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
	}
}
