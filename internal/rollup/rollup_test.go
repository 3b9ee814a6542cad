package rollup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/app"
	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/rollup"
	"github.com/feedback-loop/feedback-loop/internal/sample"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// base is a database to import into.
type base struct {
	t  *testing.T
	db *sqldb.DB
}

func newBase(t *testing.T) *base {
	t.Helper()
	return &base{t, dbtest.Open(t, t.TempDir())}
}

func (b *base) load(content string) {
	b.t.Helper()
	b.loadAs(content, ingest.Options{})
}

func (b *base) loadAs(content string, o ingest.Options) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "m.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	rep, err := app.Importer(b.db).File(b.t.Context(), path, o)
	if err != nil || rep.Rejected > 0 {
		b.t.Fatalf("%v %v", rep.Rejects, err)
	}
}

func (b *base) exec(query string) {
	b.t.Helper()
	err := b.db.Write(b.t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(tx.Statement(query))
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// rows gives the rows of a statement, one a line; see dbtest.Rows.
func (b *base) rows(query string) string {
	b.t.Helper()
	return strings.Join(dbtest.Rows(b.t, b.db, query), "\n")
}

func (b *base) equal(query, want string) {
	b.t.Helper()
	if got := b.rows(query); got != want {
		b.t.Errorf("%s\ngave\n%s\nwant\n%s", query, got, want)
	}
}

// healthy runs the doctor.
func (b *base) healthy() {
	b.t.Helper()
	d, err := rollup.Examine(b.t.Context(), b.db, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if !d.Healthy() {
		b.t.Errorf("the doctor found %d: %.2000s", len(d.Findings), fmt.Sprint(d.Findings))
	}
}

func made(t *testing.T, events int, seed uint64) string {
	t.Helper()
	var s strings.Builder
	o := sample.Options{Events: events, Days: 60, Seed: seed, End: time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)}
	if err := sample.WriteJSON(&s, o, nil); err != nil {
		t.Fatal(err)
	}
	return s.String()
}

// day is the day in UTC of an instant, as the engine writes it.
func (b *base) day(instant string) string { return b.db.Engine().Day(instant) }

// elements are the texts of a list, as the engine takes JSON apart.
func elements(list string) string {
	if dbtest.On("postgres") {
		return "jsonb_array_elements_text(" + list + ") AS p(value)"
	}
	return "json_each(" + list + ") p"
}

// rounded is a sum of fractions without the last digits, in which the order of adding shows.
func rounded(sum string) string {
	return "CAST(ROUND(CAST(" + sum + " AS NUMERIC), 3) AS FLOAT)"
}

// independent gives, for each metric type, what metrics_daily has to hold, written by hand: the dimensions, a count and
// the sums of the measures, from the event tables.
func (b *base) independent() map[string][2]string {
	day := "SELECT " + b.day("timestamp") + " AS d, repository AS r, "
	sum := func(column string) string { return "COALESCE(CAST(SUM(" + column + ") AS FLOAT), 0.0)" }
	const outcome = "CASE WHEN success THEN 'success' ELSE 'failure' END"
	return map[string][2]string{
		"bugs": {day + "pattern, COUNT(*), SUM(count) FROM metrics_bugs GROUP BY d, r, 3 ORDER BY 1, 2, 3",
			"SELECT day, repository, pattern, row_count, occurrences FROM metrics_daily WHERE metric_type = 'bugs' ORDER BY 1, 2, 3"},
		"test_failures": {day + "COALESCE(pattern_violated, ''), COUNT(*), SUM(count) FROM metrics_test_failures GROUP BY d, r, 3 ORDER BY 1, 2, 3",
			"SELECT day, repository, pattern, row_count, occurrences FROM metrics_daily WHERE metric_type = 'test_failures' ORDER BY 1, 2, 3"},
		"code_reviews": {day + "pattern, severity, COUNT(*), SUM(count) FROM metrics_code_reviews GROUP BY d, r, 3, 4 ORDER BY 1, 2, 3, 4",
			"SELECT day, repository, pattern, severity, row_count, occurrences FROM metrics_daily WHERE metric_type = 'code_reviews' ORDER BY 1, 2, 3, 4"},
		"performance_metrics": {day + "metric_type, COUNT(*), " + rounded(sum("execution_time_ms")) + ", COUNT(execution_time_ms), " + sum("memory_usage_bytes") +
			", COUNT(memory_usage_bytes), " + sum("file_size_bytes") + ", COUNT(file_size_bytes) FROM metrics_performance GROUP BY d, r, 3 ORDER BY 1, 2, 3",
			"SELECT day, repository, kind, row_count, " + rounded("execution_time_ms_sum") + `, execution_time_ms_count, memory_usage_bytes_sum, memory_usage_bytes_count,
			file_size_bytes_sum, file_size_bytes_count FROM metrics_daily WHERE metric_type = 'performance_metrics' ORDER BY 1, 2, 3`},
		"deployment_issues": {day + "COALESCE(pattern, ''), issue_type, environment, COUNT(*), SUM(count), " + sum("resolution_time_minutes") +
			", COUNT(resolution_time_minutes) FROM metrics_deployment GROUP BY d, r, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
			`SELECT day, repository, pattern, kind, environment, row_count, occurrences, resolution_time_minutes_sum, resolution_time_minutes_count
			FROM metrics_daily WHERE metric_type = 'deployment_issues' ORDER BY 1, 2, 3, 4, 5`},
		"code_generation": {day + outcome + ", COUNT(*), " + rounded("SUM(confidence)") + ", " + sum("code_length") + ", COUNT(code_length), " +
			sum("patterns_count") + " FROM metrics_code_generation GROUP BY d, r, 3 ORDER BY 1, 2, 3",
			"SELECT day, repository, outcome, row_count, " + rounded("confidence_sum") + `, code_length_sum, code_length_count, patterns_count_sum
			FROM metrics_daily WHERE metric_type = 'code_generation' ORDER BY 1, 2, 3`},
		"code_generation_patterns": {"SELECT " + b.day("g.timestamp") + " AS d, g.repository AS r, p.value, " + outcome +
			", COUNT(*) FROM metrics_code_generation g CROSS JOIN " + elements("g.patterns_applied") + " GROUP BY d, r, 3, 4 ORDER BY 1, 2, 3, 4",
			"SELECT day, repository, pattern, outcome, row_count FROM metrics_daily WHERE metric_type = 'code_generation_patterns' ORDER BY 1, 2, 3, 4"},
		"llm_calls": {day + outcome + ", provider, model, COUNT(*), " + sum("attempts") + ", " + rounded("SUM(duration)") +
			" FROM metrics_llm_calls GROUP BY d, r, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
			"SELECT day, repository, outcome, provider, model, row_count, attempts_sum, " + rounded("duration_sum") +
				" FROM metrics_daily WHERE metric_type = 'llm_calls' ORDER BY 1, 2, 3, 4, 5"},
	}
}

func (b *base) agrees() {
	b.t.Helper()
	for name, q := range b.independent() {
		raw, daily := b.rows(q[0]), b.rows(q[1])
		if raw == "" || raw != daily {
			b.t.Errorf("%s: the event tables give\n%.1500s\nmetrics_daily has\n%.1500s", name, raw, daily)
		}
	}
}

// After every import the rollup is what the event tables add up to.
func TestDailyEqualsTheEvents(t *testing.T) {
	b := newBase(t)
	for seed := range uint64(3) {
		content := made(t, 3000, seed+1)
		b.load(content)
		b.agrees()
		b.load(content) // adds nothing
		b.agrees()
		b.healthy()
	}
	b.equal("SELECT COUNT(*) FROM rollup_dirty", "0")
}

// bugs lists so many bugs of a pattern on a day.
func bugs(day, pattern string, count int) string {
	return fmt.Sprintf(`{"pattern":%q,"error":"on %s","timestamp":"%sT12:00:00Z","count":%d}`, pattern, day, day, count)
}

func file(category string, records ...string) string {
	return `{"` + category + `":[` + strings.Join(records, ",") + `]}`
}

// summaries asks for those of bugs.
func (b *base) summaries(period string) string {
	return "SELECT " + b.day("summary_date") + `, total_count, top_pattern, top_pattern_count, trend_direction, ` + rounded("week_over_week_change") + `
		FROM metrics_summary WHERE metric_type = 'bugs' AND period = '` + period + "' ORDER BY 1"
}

// A hand-made fortnight around the turn of the year; ISO weeks begin on Mondays: 2025-12-22, 2025-12-29, 2026-01-05.
func TestSummary(t *testing.T) {
	b := newBase(t)
	b.load(file("bugs", bugs("2025-12-22", "p", 4), bugs("2025-12-28", "q", 4), // week 52
		bugs("2025-12-29", "q", 2), bugs("2025-12-31", "p", 1), bugs("2026-01-01", "p", 1), bugs("2026-01-04", "r", 6), // week 1 of 2026
		bugs("2026-01-05", "r", 10), // week 2
		bugs("2026-01-26", "p", 3))) // week 5, after two weeks of silence
	b.equal(b.summaries("week"), strings.Join([]string{
		"2025-12-22|8|p|4|null|null", // p and q are equal: the first in the alphabet
		"2025-12-29|10|r|6|increasing|25",
		"2026-01-05|10|r|10|stable|0",
		"2026-01-26|3|p|3|null|null", // the week before had none
	}, "\n"))
	b.equal(b.summaries("day"), strings.Join([]string{
		"2025-12-22|4|p|4|null|null",
		"2025-12-28|4|q|4|null|null",
		"2025-12-29|2|q|2|increasing|50",    // 23..29: 6, before (16..22): 4
		"2025-12-31|1|p|1|increasing|75",    // 25..31: 7, before (18..24): 4
		"2026-01-01|1|p|1|increasing|100",   // 26..01: 8, before (19..25): 4
		"2026-01-04|6|r|6|increasing|25",    // 29..04: 10, before (22..28): 8
		"2026-01-05|10|r|10|increasing|200", // 30..05: 18, before (23..29): 6
		"2026-01-26|3|p|3|null|null",
	}, "\n"))
	b.healthy()
}

func TestTrend(t *testing.T) {
	for now, want := range map[int]string{100: "stable|0", 105: "stable|5", 106: "increasing|6", 95: "stable|-5", 94: "decreasing|-6", 1: "decreasing|-99"} {
		b := newBase(t)
		b.load(file("bugs", bugs("2026-03-02", "p", 100), bugs("2026-03-09", "q", now)))
		b.equal("SELECT trend_direction, week_over_week_change FROM metrics_summary WHERE period = 'week' ORDER BY summary_date DESC LIMIT 1", want)
	}
}

// Critical findings are counted, with those of severity high.
func TestSeverities(t *testing.T) {
	b := newBase(t)
	var list []string
	for severity, n := range map[string]int{"critical": 1, "high": 2, "medium": 4, "low": 8} {
		list = append(list, fmt.Sprintf(`{"issue_type":"i","pattern":"p","severity":%q,"timestamp":"2026-03-04","count":%d}`, severity, n))
	}
	b.load(file("code_reviews", list...))
	b.equal("SELECT period, total_count, high_severity_count, medium_severity_count, low_severity_count FROM metrics_summary ORDER BY period",
		"day|15|3|4|8\nweek|15|3|4|8")
	// A category without severities has none; one without patterns has no top.
	b.load(file("llm_calls", `{"success":true,"timestamp":"2026-03-04"}`))
	b.equal("SELECT total_count, high_severity_count, medium_severity_count, low_severity_count, top_pattern FROM metrics_summary WHERE metric_type = 'llm_calls' AND period = 'day'",
		"1|0|0|0|null")
}

func generation(day string, success bool, patterns string) string {
	return fmt.Sprintf(`{"prompt":"x","confidence":0.5,"success":%v,"patterns_applied":[%s],"timestamp":"%sT10:00:00Z"}`, success, patterns, day)
}

func TestEffectiveness(t *testing.T) {
	b := newBase(t)
	b.load(file("code_generation", generation("2025-12-29", true, `"a","b","a"`), generation("2026-01-04", false, `"a"`), generation("2026-01-01", true, `"a"`),
		generation("2026-01-05", false, `"b"`), generation("2026-01-05", true, ``)))
	all := "SELECT pattern_name, " + b.day("period_start") + ", " + b.day("period_end") + ", application_count, success_count, failure_count, " +
		rounded("effectiveness_score") + " FROM pattern_effectiveness ORDER BY 2, 1"
	b.equal(all, "a|2025-12-29|2026-01-05|3|2|1|0.667\nb|2025-12-29|2026-01-05|1|1|0|1\nb|2026-01-05|2026-01-12|1|0|1|0")
	b.loadAs(file("code_generation", generation("2026-01-02", true, `"a"`)), ingest.Options{Repository: "other"})
	b.equal(all, "a|2025-12-29|2026-01-05|4|3|1|0.75\nb|2025-12-29|2026-01-05|1|1|0|1\nb|2026-01-05|2026-01-12|1|0|1|0")
	b.healthy()
}

// Only rows that depend on a touched day are computed again: the others keep even what is wrong with them, and their ids.
func TestOnlyTouchedDaysAreComputed(t *testing.T) {
	b := newBase(t)
	b.load(file("bugs", bugs("2026-02-02", "p", 1), bugs("2026-03-02", "p", 2), bugs("2026-03-15", "p", 4), bugs("2026-03-16", "p", 8), bugs("2026-04-20", "p", 16)))
	b.load(file("code_generation", generation("2026-02-02", true, `"a"`), generation("2026-03-02", true, `"a"`)))
	ids := "SELECT id, metric_type, period, summary_date FROM metrics_summary ORDER BY id"
	before := b.rows(ids)
	b.exec("UPDATE metrics_summary SET low_severity_count = 99")
	b.exec("UPDATE pattern_effectiveness SET success_count = 99")
	b.loadAs(file("bugs", bugs("2026-03-02", "q", 1)), ingest.Options{Source: "other"})
	if after := b.rows(ids); after != before {
		t.Errorf("ids were\n%s\nand are\n%s", before, after)
	}
	// The day itself and those up to 13 days later whose earlier week it lies in; its week and the next.
	b.equal("SELECT metric_type, period, "+b.day("summary_date")+" FROM metrics_summary WHERE low_severity_count <> 99 ORDER BY 1, 2, 3",
		"bugs|day|2026-03-02\nbugs|day|2026-03-15\nbugs|week|2026-03-02\nbugs|week|2026-03-09")
	b.equal("SELECT COUNT(*) FROM pattern_effectiveness WHERE success_count <> 99", "0")
}

// A later event changes the trend of days that were there already.
func TestLaterImportChangesEarlierTrend(t *testing.T) {
	b := newBase(t)
	b.load(file("bugs", bugs("2026-03-15", "p", 4)))
	b.equal(b.summaries("day"), "2026-03-15|4|p|4|null|null")
	b.load(file("bugs", bugs("2026-03-02", "p", 2)))
	b.equal(b.summaries("day"), "2026-03-02|2|p|2|null|null\n2026-03-15|4|p|4|increasing|100")
	b.equal(b.summaries("week"), "2026-03-02|2|p|2|null|null\n2026-03-09|4|p|4|increasing|100")
	b.healthy()
}

// The first and the last day that a record may have, among ordinary ones.
func TestEndsOfTime(t *testing.T) {
	b := newBase(t)
	b.load(file("bugs", bugs("2026-03-02", "p", 1), bugs("9999-12-31", "p", 2), bugs("1970-01-01", "p", 4), bugs("9999-12-20", "p", 1)))
	b.load(file("code_generation", generation("2026-01-05", true, `"a"`), generation("9999-12-31", false, `"a"`), generation("1970-01-01", true, `"a"`)))
	b.equal(b.summaries("day"), "1970-01-01|4|p|4|null|null\n2026-03-02|1|p|1|null|null\n9999-12-20|1|p|1|null|null\n9999-12-31|2|p|2|increasing|100")
	b.equal("SELECT "+b.day("period_start")+", application_count FROM pattern_effectiveness ORDER BY 1", "1969-12-29|1\n2026-01-05|1\n9999-12-27|1")
	for _, end := range dbtest.Rows(t, b.db, "SELECT period_end FROM pattern_effectiveness") {
		if len(end) != len(sqldb.TimeLayout) {
			t.Errorf("a period ends at %s, which is no time of four digits for the year", end)
		}
	}
	b.healthy()
}

// Values that could be mistaken for one another, or for the separators between them.
func TestGroupsDoNotMix(t *testing.T) {
	b := newBase(t)
	for i, repo := range []string{"", "a", "a b", "A", "ab", "2026-03-02"} {
		b.loadAs(file("bugs", bugs("2026-03-02", "p", 1+i), bugs("2026-03-02", " p", 10), bugs("2026-03-02", "P", 100), bugs("2026-03-02", `"é|,`, 1000)), ingest.Options{Repository: repo})
	}
	b.equal(b.independent()["bugs"][1], b.rows(b.independent()["bugs"][0]))
	b.equal("SELECT COUNT(*), SUM(occurrences) FROM metrics_daily", "24|6681")
	b.healthy()
}

// Sums beyond 32 bits, and counts at their bound.
func TestLargeNumbers(t *testing.T) {
	b := newBase(t)
	var list []string
	for i := range 5 {
		list = append(list, fmt.Sprintf(`{"pattern":"p","error":"e%d","timestamp":"2026-03-02","count":1000000000000}`, i))
	}
	b.load(file("bugs", list...))
	b.load(file("performance_metrics", `{"metric_type":"m","memory_usage_bytes":9000000000000000,"timestamp":"2026-03-02"}`, `{"metric_type":"m","memory_usage_bytes":9000000000000000,"timestamp":"2026-03-02"}`))
	b.equal("SELECT total_count, top_pattern_count FROM metrics_summary WHERE metric_type = 'bugs' AND period = 'day'", "5000000000000|5000000000000")
	b.equal("SELECT CAST(memory_usage_bytes_sum AS BIGINT) FROM metrics_daily WHERE metric_type = 'performance_metrics'", "18000000000000000")
	b.healthy()
}

// The patterns of generations are those of their links.
func TestTopPatternOfGenerations(t *testing.T) {
	b := newBase(t)
	b.load(file("code_generation", generation("2026-01-05", true, `"b","a"`), generation("2026-01-06", false, `"b"`)))
	b.equal("SELECT summary_date, total_count, top_pattern, top_pattern_count FROM metrics_summary WHERE metric_type = 'code_generation' AND period = 'week'",
		"2026-01-05 00:00:00.000000|2|b|2")
	b.healthy()
}
