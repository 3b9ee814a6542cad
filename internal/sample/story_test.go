package sample

import (
	"encoding/json"
	"testing"
	"time"
)

// The stories that the sample is there to tell, as numbers a chart would show. Each holds for several seeds, so it is
// the story and not the luck of one seed.
func TestStories(t *testing.T) {
	for seed := range uint64(4) {
		o := options()
		o.Seed = seed
		all := generate(t, o)
		t.Run("", func(t *testing.T) {
			testAdoption(t, o, all["bugs"])
			testFlaky(t, o, all["test_failures"])
			testBadWeek(t, o, all["deployment_issues"])
			testLearning(t, o, all["code_generation"])
			testHours(t, all["code_reviews"])
			testRepositories(t, all["bugs"])
			testModels(t, all["llm_calls"])
		})
	}
}

func number(t *testing.T, r record, field string) float64 {
	t.Helper()
	f, err := r[field].(json.Number).Float64()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// progress is the part of the story that had passed when the record was made.
func progress(t *testing.T, o Options, r record) float64 {
	t.Helper()
	return float64(when(t, r).Sub(o.End.Add(-o.span()))) / float64(o.span())
}

func testAdoption(t *testing.T, o Options, bugs []record) {
	perDay := func(pattern string, from, to float64) (sum float64) {
		for _, r := range bugs {
			if at := progress(t, o, r); r["pattern"] == pattern && at >= from && at < to {
				sum += number(t, r, "count")
			}
		}
		return sum / (to - from) / float64(o.Days)
	}
	before, after := perDay("numpy_json_serialization", 0, 0.4), perDay("numpy_json_serialization", 0.45, 1)
	if before < 1 || after > before/4 {
		t.Errorf("bugs a day of the pattern that helps: %.2f before its adoption, %.2f after", before, after)
	}
	before, after = perDay("large_file_processing", 0, 0.45), perDay("large_file_processing", 0.5, 1)
	if before < 1 || after < before*0.75 || after > before*1.35 {
		t.Errorf("bugs a day of the pattern that does not help: %.2f before its adoption, %.2f after", before, after)
	}
}

func testFlaky(t *testing.T, o Options, failures []record) {
	perDay, commits := map[time.Time]int{}, map[time.Time]map[any]bool{}
	total := 0
	for _, r := range failures {
		if r["test_name"] != "tests/test_upload.py::test_concurrent_uploads_finish" {
			continue
		}
		if r["pattern_violated"] != nil {
			t.Fatalf("the flaky test violates %v", r["pattern_violated"])
		}
		day := when(t, r).Truncate(24 * time.Hour)
		total++
		perDay[day]++
		if r["branch"] == "main" {
			if commits[day] == nil {
				commits[day] = map[any]bool{}
			}
			commits[day][r["commit_sha"]] = true
		}
	}
	if total < 50 || len(perDay) > o.Days/10 {
		t.Errorf("the flaky test failed %d times on %d of %d days: no bursts", total, len(perDay), o.Days)
	}
	for day, set := range commits {
		if len(set) != 1 {
			t.Errorf("on %s the flaky test failed at %d commits of main", day, len(set))
		}
	}
}

func testBadWeek(t *testing.T, o Options, issues []record) {
	var bad, rest, badMinutes, restMinutes, badTimed, restTimed float64
	for _, r := range issues {
		day := int(progress(t, o, r) * float64(o.Days))
		in := day >= o.Days*6/10 && day < o.Days*6/10+7
		if in {
			bad++
		} else {
			rest++
		}
		if r["resolution_time_minutes"] == nil {
			continue
		}
		if took := number(t, r, "resolution_time_minutes"); in {
			badMinutes, badTimed = badMinutes+took, badTimed+1
		} else {
			restMinutes, restTimed = restMinutes+took, restTimed+1
		}
	}
	if usual := rest / float64(o.Days-7); bad/7 < 4*usual {
		t.Errorf("%.1f deployment issues a day in the bad week, %.1f in others", bad/7, usual)
	}
	if badMinutes/badTimed < 2*restMinutes/restTimed {
		t.Errorf("%.0f minutes to resolve in the bad week, %.0f in others", badMinutes/badTimed, restMinutes/restTimed)
	}
}

func testLearning(t *testing.T, o Options, generations []record) {
	means := func(from, to float64) (success, confidence float64) {
		n := 0.0
		for _, r := range generations {
			if at := progress(t, o, r); at < from || at >= to {
				continue
			}
			n++
			confidence += number(t, r, "confidence")
			if r["success"].(bool) {
				success++
			}
		}
		return success / n, confidence / n
	}
	earlySuccess, earlyConfidence := means(0, 0.25)
	lateSuccess, lateConfidence := means(0.75, 1)
	if lateSuccess < earlySuccess+0.15 || lateConfidence < earlyConfidence+0.05 {
		t.Errorf("success %.3f to %.3f, confidence %.3f to %.3f: no improvement", earlySuccess, lateSuccess, earlyConfidence, lateConfidence)
	}
	if early, late := earlyConfidence-earlySuccess, lateConfidence-lateSuccess; early < 0.12 || late > 0.06 || late < -0.06 {
		t.Errorf("overconfident by %.3f at first and by %.3f at last", early, late)
	}
}

func testHours(t *testing.T, reviews []record) {
	var weekday, weekend, working, night float64
	for _, r := range reviews {
		at := when(t, r)
		switch d := at.Weekday(); {
		case d == time.Saturday || d == time.Sunday:
			weekend++
		default:
			weekday++
		}
		switch h := at.Hour(); {
		case h >= 9 && h < 17:
			working++
		case h < 6 || h >= 22:
			night++
		}
	}
	if weekday/5 < 2*weekend/2 || working < 5*night {
		t.Errorf("%.0f on weekdays, %.0f on weekends; %.0f in eight working hours, %.0f in eight at night", weekday, weekend, working, night)
	}
}

func testRepositories(t *testing.T, bugs []record) {
	sizes := map[any]int{}
	for _, r := range bugs {
		sizes[r["repository"]]++
	}
	if len(sizes) != 4 || sizes["checkout-service"] < 3*sizes["ml-platform"] {
		t.Errorf("repositories are not four of different size: %v", sizes)
	}
}

func testModels(t *testing.T, calls []record) {
	total, failed := map[any]float64{}, map[any]float64{}
	for _, r := range calls {
		total[r["model"]]++
		if !r["success"].(bool) {
			failed[r["model"]]++
			if r["error"] == nil {
				t.Fatal("a failed call without an error")
			}
		}
	}
	good, bad := failed["aurora-large"]/total["aurora-large"], failed["tern-8b"]/total["tern-8b"]
	if len(total) < 4 || bad < 1.5*good {
		t.Errorf("failure rates of the best and the worst model: %.3f and %.3f, of %d models", good, bad, len(total))
	}
}
