package ingest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/export"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// reading is one bug record of a cumulative file: count and day.
type reading struct {
	count, day int64
}

func (r reading) record(series string) string {
	return fmt.Sprintf(`{"pattern":"p","error":%q,"file_path":"f.py","count":%d,"timestamp":"2026-03-%02d"}`, series, r.count, r.day)
}

func readings(rs ...reading) string {
	var list []string
	for _, r := range rs {
		list = append(list, r.record("e"))
	}
	return `{"bugs":[` + strings.Join(list, ",") + `]}`
}

// Each step imports a file; then the table has these rows, count@day in the order they were written.
func TestCumulativeCounter(t *testing.T) {
	type step struct {
		file     string
		inserted int64
		rows     string
	}
	for name, steps := range map[string][]step{
		"raised": {
			{readings(reading{2, 1}), 1, "2@1"}, {readings(reading{5, 3}), 1, "2@1 3@3"}, {readings(reading{5, 3}), 0, "2@1 3@3"},
			{readings(reading{6, 4}), 1, "2@1 3@3 1@4"}, {readings(reading{2, 1}), 0, "2@1 3@3 1@4"}, {readings(reading{6, 4}), 0, "2@1 3@3 1@4"}},
		"fresh file, lower and newer": {
			{readings(reading{9, 1}), 1, "9@1"}, {readings(reading{2, 3}), 1, "9@1 2@3"}, {readings(reading{3, 4}), 1, "9@1 2@3 1@4"},
			{readings(reading{3, 4}), 0, "9@1 2@3 1@4"}, {readings(reading{9, 1}), 0, "9@1 2@3 1@4"}},
		"fresh file, equal and newer":   {{readings(reading{1, 1}), 1, "1@1"}, {readings(reading{1, 2}), 1, "1@1 1@2"}, {readings(reading{2, 3}), 1, "1@1 1@2 1@3"}},
		"earlier copy, lower and older": {{readings(reading{5, 5}), 1, "5@5"}, {readings(reading{3, 2}), 0, "5@5"}, {readings(reading{7, 6}), 1, "5@5 2@6"}, {readings(reading{3, 2}), 0, "5@5 2@6"}},
		"three copies out of order": {{readings(reading{3, 3}), 1, "3@3"}, {readings(reading{1, 1}), 0, "3@3"}, {readings(reading{2, 2}), 0, "3@3"},
			{readings(reading{4, 4}), 1, "3@3 1@4"}},
		"raised at the same time": {{readings(reading{1, 1}), 1, "1@1"}, {readings(reading{4, 1}), 1, "1@1 3@1"}, {readings(reading{4, 1}), 0, "1@1 3@1"}},
		"a log":                   {{readings(reading{1, 1}, reading{2, 2}, reading{1, 3}), 3, "1@1 2@2 1@3"}, {readings(reading{1, 1}, reading{2, 2}, reading{1, 3}), 0, "1@1 2@2 1@3"}},
		"a log that grows at its end": {
			{readings(reading{1, 1}, reading{1, 2}), 2, "1@1 1@2"}, {readings(reading{1, 1}, reading{1, 2}, reading{3, 3}), 1, "1@1 1@2 3@3"},
			{readings(reading{1, 4}), 1, "1@1 1@2 3@3 1@4"}, {readings(reading{7, 5}), 1, "1@1 1@2 3@3 1@4 7@5"}},
		"a log that grows at its front": {
			{readings(reading{1, 5}, reading{2, 6}), 2, "1@5 2@6"}, {readings(reading{4, 3}, reading{1, 5}, reading{2, 6}), 1, "1@5 2@6 4@3"},
			{readings(reading{1, 1}, reading{4, 3}, reading{1, 5}, reading{2, 6}), 1, "1@5 2@6 4@3 1@1"}},
		"a log from its first record": {
			{readings(reading{1, 1}), 1, "1@1"}, {readings(reading{1, 1}, reading{1, 2}), 1, "1@1 1@2"}, {readings(reading{2, 3}, reading{1, 2}, reading{1, 1}), 1, "1@1 1@2 2@3"}},
		"two series": {
			{`{"bugs":[` + reading{2, 1}.record("e") + `,` + reading{5, 1}.record("f") + `]}`, 2, "2@1 5@1"},
			{`{"bugs":[` + reading{5, 1}.record("f") + `,` + reading{3, 2}.record("e") + `]}`, 1, "2@1 5@1 1@2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			for i, s := range steps {
				rep := b.load(s.file)
				if rep.Inserted != s.inserted {
					t.Errorf("step %d inserted %d, want %d", i, rep.Inserted, s.inserted)
				}
				if got := b.readings(); got != s.rows {
					t.Errorf("after step %d: %s, want %s", i, got, s.rows)
				}
				if w := b.written(); w.sum != w.occurrences || w.rows != w.daily {
					t.Errorf("after step %d: %+v", i, w)
				}
			}
		})
	}
}

// readings are the counts of all bugs, each with its day of the month.
func (b *base) readings() string {
	b.t.Helper()
	var all []string
	for _, row := range b.rows("SELECT timestamp, count FROM metrics_bugs ORDER BY id") {
		at, count, _ := strings.Cut(row, "|")
		all = append(all, count+"@"+strings.TrimLeft(at[len("2006-01-"):len("2006-01-02")], "0"))
	}
	return strings.Join(all, " ")
}

// The series is (pattern, error, file_path) and (test_name, failure_reason): other fields may change with the count.
func TestSeriesColumns(t *testing.T) {
	b := newBase(t)
	fail := func(count, day int, more string) string {
		return fmt.Sprintf(`{"test_failures":[{"test_name":"t","failure_reason":"r","count":%d,"timestamp":"2026-03-%02d"%s}]}`, count, day, more)
	}
	b.load(fail(2, 1, `,"pattern_violated":"p"`))
	b.load(fail(5, 2, `,"pattern_violated":"q","code_snippet":"x"`))
	if got := strings.Join(b.rows("SELECT pattern_violated, count FROM metrics_test_failures ORDER BY id"), " "); got != "p|2 q|3" {
		t.Errorf("got %s", got)
	}
	b.load(`{"bugs":[` + bug(`,"line":1`) + `]}`)
	b.load(`{"bugs":[` + strings.Replace(bug(`,"line":9,"count":2`), "03:04:05", "04:04:05", 1) + `]}`)
	b.load(`{"bugs":[` + strings.Replace(bug(""), "f.py", "g.py", 1) + `]}`)
	b.load(`{"bugs":[` + strings.Replace(bug(""), `"file_path":"f.py",`, "", 1) + `]}`)
	if got := strings.Join(b.rows("SELECT file_path, line, count FROM metrics_bugs ORDER BY id"), " "); got != "f.py|1|1 f.py|9|1 g.py|null|1 null|null|1" {
		t.Errorf("got %s", got)
	}
	// A category whose records are events has no counter: what is counted there is as it stands.
	b.load(`{"deployment_issues":[{` + aDeploy + `,"count":3}]}`)
	b.load(`{"deployment_issues":[{` + aDeploy + `,"count":5}]}`)
	if n := b.number("SELECT SUM(count) FROM metrics_deployment"); n != 8 {
		t.Errorf("%d, want 8", n)
	}
}

// A counter without times: the difference is dated with the import that saw it.
func TestUndatedCounter(t *testing.T) {
	b := newBase(t)
	file := func(n int) string { return fmt.Sprintf(`{"bugs":[{"pattern":"p","error":"e","count":%d}]}`, n) }
	for i, c := range []struct{ count, inserted, sum int64 }{{2, 1, 2}, {2, 0, 2}, {5, 1, 5}, {5, 0, 5}, {2, 0, 5}} {
		b.im.Now = func() time.Time { return now.Add(time.Duration(i) * time.Hour) }
		rep := b.load(file(int(c.count)))
		if sum := b.number("SELECT SUM(count) FROM metrics_bugs"); rep.Inserted != c.inserted || sum != c.sum {
			t.Errorf("step %d: inserted %d, sum %d; want %d, %d", i, rep.Inserted, sum, c.inserted, c.sum)
		}
	}
}

// collector is the original's: a bug or failure that is seen again has its count raised and its time replaced.
type collector struct {
	bugs, failures []*entry
	since          map[string]int64 // count of each series at the last import
}

type entry struct {
	name  string
	count int64
	at    time.Time
	line  int
}

func see(list []*entry, name string, at time.Time, line int) []*entry {
	for _, e := range list {
		if e.name == name {
			e.count, e.at = e.count+1, at
			return list
		}
	}
	return append(list, &entry{name, 1, at, line})
}

func (c *collector) file() string {
	var bugs, failures []string
	for _, e := range c.bugs {
		bugs = append(bugs, fmt.Sprintf(`{"pattern":"p","error":%q,"code":"x","file_path":"f.py","line":%d,"stack_trace":null,"timestamp":%q,"count":%d}`,
			e.name, e.line, e.at.Format(sqldb.TimeLayout), e.count))
	}
	for _, e := range c.failures {
		failures = append(failures, fmt.Sprintf(`{"test_name":%q,"failure_reason":"r","pattern_violated":null,"code_snippet":"","timestamp":%q,"count":%d}`,
			e.name, e.at.Format(sqldb.TimeLayout), e.count))
	}
	return `{"bugs":[` + strings.Join(bugs, ",") + `],"test_failures":[` + strings.Join(failures, ",") + `]}`
}

func (c *collector) all() []*entry { return append(append([]*entry{}, c.bugs...), c.failures...) }

// hidden says that a series that started afresh is about to pass the count it had: from then on nothing in the file
// would tell that it did.
func (c *collector) hidden(fresh map[string]bool) bool {
	for _, e := range c.all() {
		if fresh[e.name] && e.count >= c.since[e.name] {
			return true
		}
	}
	return false
}

// A collector runs, its file is imported at random moments, now and then it starts with an empty file; older copies and
// the same file are imported in between, and the database is lost and rebuilt from an export. The database always has as many occurrences as there were.
func TestCollectorModel(t *testing.T) {
	for seed := range uint64(max(2, scaled(5))) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			model(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func model(t *testing.T, rnd *rand.Rand) {
	b := newBase(t)
	c := &collector{since: map[string]int64{}}
	fresh := map[string]bool{} // series not imported since the last start
	var truth int64
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var copies []string
	load := func() {
		content := c.file()
		copies = append(copies, content)
		b.load(content)
		for _, e := range c.all() {
			c.since[e.name] = e.count
			delete(fresh, e.name)
		}
		if sum := b.written(); sum.sum != truth || sum.occurrences != truth {
			t.Fatalf("the database counts %+v, but %d occurrences were seen; file:\n%s", sum, truth, content)
		}
	}
	for range 100 {
		for range 1 + rnd.IntN(6) {
			at = at.Add(time.Duration(1+rnd.IntN(1e9)) * time.Microsecond)
			truth++
			if rnd.IntN(2) == 0 {
				c.bugs = see(c.bugs, fmt.Sprint("bug ", rnd.IntN(8)), at, rnd.IntN(100))
			} else {
				c.failures = see(c.failures, fmt.Sprint("test ", rnd.IntN(8)), at, 0)
			}
			if c.hidden(fresh) {
				load()
			}
		}
		switch rnd.IntN(8) {
		case 0, 1, 2:
			load()
		case 3:
			load()
			want(t, b.load(c.file()), 0, int64(len(c.all())), 0)
		case 4:
			load()
			c.bugs, c.failures = nil, nil
			for name := range c.since {
				fresh[name] = true
			}
		case 5: // the database is lost and made anew from an export
			load()
			var all strings.Builder
			if _, err := export.Write(t.Context(), b.db, &all, export.Formats()[0], export.Options{Organization: 1}); err != nil {
				t.Fatal(err)
			}
			before := b.events()
			b = newBase(t)
			b.load(all.String())
			if b.events() != before {
				t.Fatal("the rebuilt database has other rows")
			}
		case 6:
			if len(copies) > 0 { // an old backup is imported: nothing of it is new
				if rep := b.load(copies[rnd.IntN(len(copies))]); rep.Inserted != 0 {
					t.Fatalf("an earlier copy of the file gave %d rows", rep.Inserted)
				}
			}
		}
	}
	load()
}

// Whatever a file has: in an empty database there are as many rows as records, and their counts add up to the file's.
func TestAnyFileIntoEmptyDatabase(t *testing.T) {
	b := newBase(t)
	for seed := range uint64(25) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		var list []string
		var sum, rows int64
		for range 1 + rnd.IntN(400) {
			r := reading{count: 1 + rnd.Int64N(4), day: 1 + rnd.Int64N(28)}
			list = append(list, r.record(fmt.Sprint("e", rnd.IntN(12))))
			rows, sum = rows+1, sum+r.count
		}
		before := b.written()
		rep := b.loadAs(`{"bugs":[`+strings.Join(list, ",")+`]}`, ingest.Options{Source: fmt.Sprint("seed ", seed)})
		after := b.written()
		if rep.Inserted != rows || after.rows-before.rows != rows || after.sum-before.sum != sum {
			t.Errorf("seed %d: %d records of %d occurrences gave %d rows of %d", seed, rows, sum, after.rows-before.rows, after.sum-before.sum)
		}
	}
}

// The same across many batches, where the importer cannot see at once that a file lists a series again.
func TestLongLog(t *testing.T) {
	b := newBase(t)
	wide := scaled(6000) // more than a batch
	list := func(from, to int) string {
		var s []string
		for i := from; i < to; i++ {
			s = append(s, fmt.Sprintf(`{"pattern":"p","error":"e%d","file_path":"f","count":%d,"timestamp":%q}`, i%wide, 1+(i+i/wide)%3,
				time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC).Format(time.RFC3339)))
		}
		return `{"bugs":[` + strings.Join(s, ",") + `]}`
	}
	sum := func(from, to int) (n int64) {
		for i := from; i < to; i++ {
			n += int64(1 + (i+i/wide)%3)
		}
		return n
	}
	for _, part := range []struct{ from, to int }{{wide, 2 * wide}, {wide, 3 * wide}, {0, 3 * wide}} {
		b.load(list(part.from, part.to))
		if got := b.number("SELECT SUM(count) FROM metrics_bugs"); got != sum(part.from, part.to) {
			t.Errorf("records %d to %d: %d occurrences, want %d", part.from, part.to, got, sum(part.from, part.to))
		}
		if rep := b.load(list(part.from, part.to)); rep.Inserted != 0 {
			t.Errorf("imported again: %d inserted", rep.Inserted)
		}
	}
}
