package sample

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

type record = map[string]any

func options() Options {
	return Options{Events: 20000, Days: 180, Seed: 1, End: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)}
}

// generate reads the sample back with the standard library's decoder.
func generate(t *testing.T, o Options) map[string][]record {
	t.Helper()
	var buf bytes.Buffer
	if err := WriteJSON(&buf, o, nil); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(&buf)
	dec.UseNumber()
	var all map[string][]record
	if err := dec.Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

func digest(t *testing.T, o Options) string {
	t.Helper()
	h := sha256.New()
	if err := WriteJSON(h, o, nil); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestSameSeedSameBytes(t *testing.T) {
	o := options()
	first := digest(t, o)
	if again := digest(t, o); again != first {
		t.Errorf("the same options gave %s and %s", first, again)
	}
	other := o
	other.Seed = 2
	if digest(t, other) == first {
		t.Error("another seed gave the same bytes")
	}
	other = o
	other.End = o.End.In(time.FixedZone("east", 7200))
	if digest(t, other) != first {
		t.Error("the same moment in another zone gave other bytes")
	}
}

func TestSourceTellsSamplesApart(t *testing.T) {
	seen := map[string]bool{}
	for _, change := range []func(*Options){func(*Options) {}, func(o *Options) { o.Seed++ }, func(o *Options) { o.Events++ },
		func(o *Options) { o.Days++ }, func(o *Options) { o.Repositories = 5 }, func(o *Options) { o.End = o.End.Add(24 * time.Hour) }} {
		o := options()
		change(&o)
		seen[o.Source()] = true
	}
	if len(seen) != 6 {
		t.Errorf("six samples have the sources %v", seen)
	}
	four := options()
	four.Repositories = 4
	if four.Source() != options().Source() {
		t.Error("four repositories are the default and have another source")
	}
}

func TestEventCountIsExact(t *testing.T) {
	for _, n := range []int{0, 1, 7, 999, 1000, 4321} {
		for _, repos := range []int{0, 1, 7} {
			o := options()
			o.Events, o.Repositories = n, repos
			got := 0
			for _, list := range generate(t, o) {
				got += len(list)
			}
			if got != n {
				t.Errorf("%d events over %d repositories: got %d", n, repos, got)
			}
		}
	}
	for i, n := range shares(1_000_000) {
		if c := metric.Catalogue()[i]; n != c.Share*1000 {
			t.Errorf("%s has %d of a million events, its share is %d ‰", c.Name, n, c.Share)
		}
	}
}

func TestProgressReachesTheEnd(t *testing.T) {
	o := options()
	o.Events = 2500
	var seen []int
	if err := WriteJSON(io.Discard, o, func(done int) { seen = append(seen, done) }); err != nil {
		t.Fatal(err)
	}
	if want := []int{1000, 2000, 2500}; !slices.Equal(seen, want) {
		t.Errorf("progress was %v, want %v", seen, want)
	}
}

func TestTimesAreOrderedDistinctAndInside(t *testing.T) {
	for _, o := range []Options{options(), {Events: 40000, Days: 1, Seed: 3, End: time.Date(2026, 3, 1, 13, 30, 0, 0, time.UTC)}} {
		start := o.End.Add(-o.span())
		for name, list := range generate(t, o) {
			last := start.Add(-1)
			for _, r := range list {
				at := when(t, r)
				if !at.After(last) || !at.Before(o.End) {
					t.Fatalf("%s: %s follows %s; the story ends %s", name, at, last, o.End)
				}
				last = at
			}
			if o.Days > 1 && last.Before(o.End.Add(-72*time.Hour)) {
				t.Errorf("%s ends at %s, days before the story", name, last)
			}
		}
	}
}

func when(t *testing.T, r record) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, r["timestamp"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Every record has to pass what the catalogue demands, with no field beside those it knows.
func TestRecordsFitTheCatalogue(t *testing.T) {
	all := generate(t, options())
	for _, c := range metric.Catalogue() {
		if len(all[c.Name]) == 0 {
			t.Errorf("no event of %s", c.Name)
		}
		known := map[string]*metric.Column{}
		for i := range c.Layout().Columns {
			if col := &c.Layout().Columns[i]; !col.Store {
				known[col.Field()] = col
			}
		}
		seen := map[string]bool{}
		for _, r := range all[c.Name] {
			for key, v := range r {
				col := known[key]
				if col == nil {
					t.Fatalf("%s: no column takes the field %s", c.Name, key)
				}
				seen[key] = seen[key] || v != nil
				if why := unfit(col, v); why != "" {
					t.Fatalf("%s.%s = %v: %s", c.Name, key, v, why)
				}
			}
			for key, col := range known {
				if _, ok := r[key]; !ok && col.Required && col.Default == nil {
					t.Fatalf("%s: a record lacks %s: %v", c.Name, key, r)
				}
			}
		}
		for _, key := range []string{"repository", "branch", "commit_sha", "source"} {
			if !seen[key] {
				t.Errorf("%s never has a %s", c.Name, key)
			}
		}
	}
}

// unfit says why the catalogue would refuse a value; empty = it would not.
func unfit(col *metric.Column, v any) string {
	if v == nil {
		if col.Required && col.Default == nil {
			return "null in a required field"
		}
		return ""
	}
	if (col.Min != nil || col.Max != nil) && outside(col, v) {
		return "out of bounds"
	}
	switch col.Type {
	case metric.Text:
		return unfitText(col, v)
	case metric.Int:
		if n, ok := v.(json.Number); !ok || strings.ContainsAny(n.String(), ".eE") {
			return "no integer"
		}
	case metric.Float:
		if _, ok := v.(json.Number); !ok {
			return "no number"
		}
	case metric.Bool:
		if _, ok := v.(bool); !ok {
			return "no boolean"
		}
	case metric.List:
		if _, ok := v.([]any); !ok {
			return "no list"
		}
	}
	return ""
}

func unfitText(col *metric.Column, v any) string {
	s, ok := v.(string)
	switch {
	case !ok:
		return "no text"
	case col.Size > 0 && len([]rune(s)) > col.Size:
		return "too long"
	case col.Enum != nil && !slices.Contains(col.Enum, s):
		return "not one of its values"
	}
	return ""
}

func outside(col *metric.Column, v any) bool {
	n, ok := v.(json.Number)
	if !ok {
		return true
	}
	f, err := n.Float64()
	return err != nil || col.Min != nil && f < *col.Min || col.Max != nil && f > *col.Max
}

// A dashboard needs few dimension values, an import few series.
func TestCardinalitiesAreModest(t *testing.T) {
	o := options()
	o.Events = 50000
	all := generate(t, o)
	for _, c := range metric.Catalogue() {
		distinct := map[string]map[string]bool{}
		for _, r := range all[c.Name] {
			var series []string
			for i := range c.Columns {
				col := &c.Columns[i]
				text := fmt.Sprint(r[col.Field()])
				if slices.Contains(c.Series, col.Name) {
					series = append(series, text)
				}
				if col.Role == metric.Dimension {
					put(distinct, col.Name, text)
				}
			}
			put(distinct, "series", strings.Join(series, "|"))
		}
		for name, values := range distinct {
			limit := 20
			if name == "series" {
				limit = 5000
			}
			if len(values) > limit {
				t.Errorf("%s: %s has %d values, more than %d", c.Name, name, len(values), limit)
			}
		}
	}
}

func put(sets map[string]map[string]bool, name, value string) {
	if sets[name] == nil {
		sets[name] = map[string]bool{}
	}
	sets[name][value] = true
}

func TestOptionsOutOfRangeAreInvalid(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no days":            func(o *Options) { o.Days = 0 },
		"too many days":      func(o *Options) { o.Days = MaxDays + 1 },
		"negative events":    func(o *Options) { o.Events = -1 },
		"more than fit":      func(o *Options) { o.Days, o.Events = 1, 86_400_001 },
		"no end":             func(o *Options) { o.End = time.Time{} },
		"negative repos":     func(o *Options) { o.Repositories = -1 },
		"too many repos":     func(o *Options) { o.Repositories = MaxRepositories + 1 },
		"days that overflow": func(o *Options) { o.Days = 1 << 40 },
	} {
		o := options()
		change(&o)
		var buf bytes.Buffer
		if err := WriteJSON(&buf, o, nil); fault.KindOf(err) != fault.Invalid || buf.Len() > 0 {
			t.Errorf("%s: error %v after %d bytes", name, err, buf.Len())
		}
	}
}

type brokenPipe struct{ room int }

var errPipe = errors.New("pipe closed")

func (p *brokenPipe) Write(b []byte) (int, error) {
	if p.room -= len(b); p.room < 0 {
		return 0, errPipe
	}
	return len(b), nil
}

func TestErrorOfTheDestinationEndsIt(t *testing.T) {
	for _, room := range []int{0, 200_000} {
		o, calls := options(), 0
		o.Events = 1_000_000
		err := WriteJSON(&brokenPipe{room: room}, o, func(int) { calls++ })
		if !errors.Is(err, errPipe) || calls > 5 {
			t.Errorf("room for %d bytes: error %v after %d thousand events", room, err, calls)
		}
	}
}

// Garbage is collected often, so what stays is what the stream holds on to.
func TestMemoryDoesNotGrowWithTheEvents(t *testing.T) {
	peak := func(events int) uint64 {
		o := options()
		o.Events = events
		var most uint64
		step := 0
		err := WriteJSON(io.Discard, o, func(int) {
			if step++; step%(events/10_000) == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return most
	}
	small, large := peak(20_000), peak(200_000)
	if large > small+1<<20 {
		t.Errorf("200,000 events hold %d bytes, 20,000 hold %d", large, small)
	}
}

func BenchmarkWriteJSON(b *testing.B) {
	o := options()
	o.Events = b.N
	o.Days = 3660 // room for any b.N
	b.ReportAllocs()
	if err := WriteJSON(io.Discard, o, nil); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
