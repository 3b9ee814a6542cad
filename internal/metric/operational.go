package metric

import "sync"

// The tables of what people manage: organisations, the library of patterns, and what a team says it saved. They have
// the names and columns of the seed's API database; dashboards join them with what was measured.

// Organizations is organizations: who owns rows.
func Organizations() *Table { return organizations() }

// Patterns is patterns: the pattern library.
func Patterns() *Table { return patterns() }

// Savings is the table called metrics: time saved and other events of users, by pattern.
func Savings() *Table { return savings() }

// operational lists the tables of what people manage.
func operational() []*Table { return []*Table{Organizations(), Patterns(), Savings()} }

// operationalSince is the schema version that introduced them.
const operationalSince = 2

var organizations = sync.OnceValue(func() *Table {
	return &Table{Name: "organizations", Since: operationalSince, AutoID: true, Operational: true, Doc: "Organisations that own rows.",
		Columns: []Column{
			{Name: "name", Type: Text, Size: 255, Required: true, Doc: "Name for people."},
			{Name: "slug", Type: Text, Size: 100, Required: true, Doc: "Name for machines."},
			{Name: "subscription_tier", Type: Text, Size: 20, Required: true, Default: "free", Enum: []string{"free", "team", "enterprise"}, Doc: "Tier."},
			{Name: "settings", Type: JSON, Doc: "Settings of the organisation."},
			{Name: "created_at", Type: Time, Required: true, Doc: "When it was made."},
			{Name: "updated_at", Type: Time, Required: true, Doc: "When it was changed last."},
		},
		Identity: []string{"slug"}}
})

var patterns = sync.OnceValue(func() *Table {
	return &Table{Name: "patterns", Since: operationalSince, AutoID: true, Operational: true, Tenants: true, Doc: "The pattern library.",
		Columns: []Column{
			{Name: "organization_id", Type: Int, Required: true, Doc: "Organisation that owns it."},
			{Name: "team_id", Type: Int, Doc: "Team that owns it; null = the whole organisation."},
			{Name: "author_id", Type: Int, Doc: "User who wrote it."},
			{Name: "name", Type: Text, Size: 255, Required: true, Doc: "Name, as events have it."},
			{Name: "description", Type: Text, Required: true, Doc: "What it is about."},
			{Name: "category", Type: Text, Size: 100, Doc: "Category."},
			{Name: "severity", Type: Text, Size: 50, Enum: []string{"low", "medium", "high", "critical"}, Doc: "Severity."},
			{Name: "pattern_data", Type: JSON, Required: true, Doc: "All details."},
			{Name: "code_example", Type: Text, Doc: "Example of the code it warns of."},
			{Name: "solution", Type: Text, Doc: "What to write instead."},
			counter("frequency", "How often it was seen."),
			{Name: "effectiveness_score", Type: Int, Required: true, Default: int64(0), Unit: "percent", Doc: "Effectiveness as its author rates it."},
			counter("times_applied", "How often it was applied."),
			{Name: "version", Type: Int, Required: true, Default: int64(1), Doc: "Version, from 1."},
			{Name: "parent_id", Type: Int, Doc: "The version before."},
			{Name: "is_active", Type: Bool, Required: true, Default: true, Doc: "In use."},
			{Name: "is_archived", Type: Bool, Required: true, Default: false, Doc: "Put aside."},
			{Name: "created_at", Type: Time, Required: true, Doc: "When it was made."},
			{Name: "updated_at", Type: Time, Required: true, Doc: "When it was changed last."},
			{Name: "last_applied", Type: Time, Doc: "When it was applied last."},
		},
		Identity: []string{"organization_id", "name", "version"}}
})

var savings = sync.OnceValue(func() *Table {
	return &Table{Name: "metrics", Since: operationalSince, AutoID: true, Operational: true, Tenants: true,
		Doc: "Events of users, such as a pattern applied, with the time that was saved.",
		Columns: []Column{
			{Name: "organization_id", Type: Int, Required: true, Doc: "Organisation."},
			{Name: "team_id", Type: Int, Doc: "Team."},
			{Name: "user_id", Type: Int, Doc: "User."},
			{Name: "metric_type", Type: Text, Size: 100, Required: true, Doc: "pattern_applied, bug_found, ..."},
			{Name: "metric_data", Type: JSON, Required: true, Doc: "Details."},
			{Name: "time_saved_seconds", Type: Int, Required: true, Default: int64(0), Unit: "s", Doc: "Time that was saved."},
			{Name: "pattern_id", Type: Int, Doc: "id in patterns."},
			{Name: "created_at", Type: Time, Required: true, Doc: "When it happened."},
		},
		Indexes: []Index{
			{Name: "idx_metrics_type", Columns: []string{"metric_type"}},
			{Name: "idx_metrics_timestamp", Columns: []string{"created_at"}},
			{Name: "idx_metrics_pattern", Columns: []string{"pattern_id"}},
		}}
})
