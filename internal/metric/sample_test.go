package metric

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unicode/utf8"
)

// stages are moments of the story in which the categories behave differently.
func stages() []Scene {
	var all []Scene
	for _, theme := range Themes() {
		for i := range 8 {
			s := Scene{Time: time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC), Repository: "shop", Theme: theme, Risk: 1,
				Progress: float64(i) / 7, Flaky: i&1 > 0, BadWeek: i&2 > 0, Adopted: i&4 > 0}
			if s.Adopted {
				s.Library, s.Risk = []string{"bounds_checking", theme.Name, "logger_debug"}, theme.Effect
			}
			all = append(all, s)
		}
	}
	return all
}

func TestEveryCategoryHasSamples(t *testing.T) {
	sum := 0
	for _, c := range Catalogue() {
		if sum += c.Share; c.Share < 1 {
			t.Errorf("%s has no share of the sample data", c.Name)
		}
		if c.Sample == nil {
			t.Errorf("%s makes no sample events", c.Name)
			continue
		}
		rnd := rand.New(rand.NewPCG(7, 7))
		for _, s := range stages() {
			if c.Rate != nil && !(c.Rate(s) > 0) {
				t.Errorf("%s: rate %v in %+v", c.Name, c.Rate(s), s)
			}
			s.Rand = rnd
			for range 30 {
				if why := misfit(c, c.Sample(s)); why != "" {
					t.Fatalf("%s: %s in %+v", c.Name, why, s)
				}
			}
		}
	}
	if sum != 1000 {
		t.Errorf("the shares add up to %d, not 1000", sum)
	}
}

// misfit says why a sample event would not pass the catalogue.
func misfit(c *Category, m map[string]any) string {
	for name, v := range m {
		p := c.Position(name)
		if p < 0 {
			return name + " is no column"
		}
		if why := misfitValue(&c.Layout().Columns[p], v); why != "" {
			return name + " " + why
		}
	}
	for i := range c.Columns {
		if col := &c.Columns[i]; col.Required && col.Default == nil && m[col.Name] == nil {
			return col.Name + " is missing"
		}
	}
	return ""
}

func misfitValue(col *Column, v any) string {
	ok := false
	switch v := v.(type) {
	case nil:
		ok = !col.Required
	case string:
		ok = col.Type == Text && utf8.ValidString(v) && (col.Size == 0 || utf8.RuneCountInString(v) <= col.Size) &&
			(col.Enum == nil || slices.Contains(col.Enum, v))
	case int64:
		ok = col.Type == Int && within(col, float64(v))
	case float64:
		ok = col.Type == Float && within(col, v)
	case bool:
		ok = col.Type == Bool
	case []string:
		ok = col.Type == List
	case map[string]any:
		ok = col.Type == JSON
	}
	if !ok {
		return "does not take the value"
	}
	return ""
}

func within(col *Column, f float64) bool {
	return (col.Min == nil || f >= *col.Min) && (col.Max == nil || f <= *col.Max)
}

// The same numbers have to give the same event: a sample that looks at a clock or walks a map in its order would not.
func TestSamplesDependOnTheirNumbersOnly(t *testing.T) {
	for _, c := range Catalogue() {
		for i, s := range stages() {
			s.Rand = rand.New(rand.NewPCG(3, uint64(i)))
			one := c.Sample(s)
			s.Rand = rand.New(rand.NewPCG(3, uint64(i)))
			two := c.Sample(s)
			for name, v := range one {
				if !same(v, two[name]) || len(one) != len(two) {
					t.Errorf("%s.%s: %v and then %v", c.Name, name, v, two[name])
				}
			}
		}
	}
}

func same(a, b any) bool {
	switch a := a.(type) {
	case []string:
		return slices.Equal(a, b.([]string))
	case map[string]any:
		for k, v := range a {
			if b.(map[string]any)[k] != v {
				return false
			}
		}
		return len(a) == len(b.(map[string]any))
	}
	return a == b
}

// The original's six patterns are among the themes, so that a user finds the names of the guide.
func TestThemesAreTheOriginalsAndMore(t *testing.T) {
	var names []string
	for _, theme := range Themes() {
		if slices.Contains(names, theme.Name) {
			t.Errorf("theme %s twice", theme.Name)
		}
		names = append(names, theme.Name)
		if theme.Weight <= 0 || len(theme.Modules) == 0 || len(theme.Errors) == 0 || len(theme.Advice) == 0 || len(theme.Causes) == 0 ||
			theme.Severity < 0 || theme.Severity >= len(Severities()) || theme.Effect <= 0 {
			t.Errorf("theme %s is not complete", theme.Name)
		}
	}
	for _, want := range []string{"numpy_json_serialization", "bounds_checking", "specific_exceptions", "logger_debug",
		"temp_file_handling", "large_file_processing"} {
		if !slices.Contains(names, want) {
			t.Errorf("no theme %s", want)
		}
	}
}

func TestPickPrefersTheFirst(t *testing.T) {
	s := Scene{Rand: rand.New(rand.NewPCG(1, 1))}
	counts := map[string]int{}
	for range 10000 {
		counts[s.one([]string{"a", "b", "c"})]++
	}
	if len(counts) != 3 || counts["a"] < counts["b"] || counts["b"] < counts["c"] {
		t.Errorf("picked %v", counts)
	}
}

func TestLinesStayTheSame(t *testing.T) {
	seen := map[int64]bool{}
	for _, path := range []string{"a.py", "b.py", "a.py", "b.py"} {
		seen[lineOf(path, "x")] = true
	}
	if len(seen) != 2 {
		t.Errorf("two files gave the lines %v", seen)
	}
}
