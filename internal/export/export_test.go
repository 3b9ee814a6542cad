package export

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

func bug(pattern, repository, at string) string {
	return fmt.Sprintf(`{"category":"bugs","pattern":%q,"error":"x","repository":%q,"timestamp":%q}`+"\n", pattern, repository, at)
}

// patterns lists the patterns of the exported bugs, and says what else was exported.
func patterns(t *testing.T, db *sqldb.DB, o Options) string {
	t.Helper()
	var got []string
	for line := range strings.Lines(written(t, db, "ndjson", o)) {
		_, rest, _ := strings.Cut(line, `"pattern":"`)
		p, _, _ := strings.Cut(rest, `"`)
		got = append(got, p)
	}
	return strings.Join(got, " ")
}

func TestOptionsChooseRows(t *testing.T) {
	db := open(t)
	all(t, db, bug("a", "acme/shop", "2026-01-01T23:59:59.999999Z")+bug("b", "acme/shop", "2026-01-02T00:00:00Z")+
		bug("c", "", "2026-01-02T23:59:59.999999Z")+bug("d", "acme/SHOP", "2026-01-03T00:00:00Z")+
		`{"category":"code_reviews","pattern":"r","issue_type":"i","severity":"low","timestamp":"2026-01-02T00:00:00Z"}`, 0)
	name := func(s string) *string { return &s }
	bugs, reviews := metric.ByName("bugs"), metric.ByName("code_reviews")
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "a b c d r"},
		{Options{Categories: []*metric.Category{reviews, bugs, reviews}}, "a b c d r"},
		{Options{Categories: []*metric.Category{reviews}}, "r"},
		{Options{Categories: []*metric.Category{metric.ByName("llm_calls")}}, ""},
		{Options{Repository: name("acme/shop")}, "a b"},
		{Options{Repository: name("")}, "c r"},
		{Options{Repository: name("' OR 1=1 --")}, ""},
		{Options{From: date("2026-01-02")}, "b c d r"},
		{Options{To: date("2026-01-02")}, "a"},
		{Options{From: date("2026-01-02"), To: date("2026-01-03")}, "b c r"},
		{Options{From: date("2026-01-02"), To: date("2026-01-03"), Repository: name("acme/shop")}, "b"},
		{Options{From: date("2027-01-02")}, ""},
		{Options{To: date("9999-12-31").AddDate(0, 0, 1)}, "a b c d r"},
	} {
		if got := patterns(t, db, c.o); got != c.want {
			t.Errorf("%+v: %q, want %q", c.o, got, c.want)
		}
	}
}

func TestOnlyOneOrganisation(t *testing.T) {
	db := open(t)
	all(t, db, bug("ours", "", "2026-01-01")+bug("theirs", "", "2026-01-02"), 0)
	exec(t, db, "UPDATE metrics_bugs SET organization_id = 2 WHERE pattern = ?", "theirs")
	if got := patterns(t, db, Options{}); got != "ours" {
		t.Errorf("organisation 1 sees %q", got)
	}
}

func exec(t testing.TB, db *sqldb.DB, stmt string, args ...any) {
	t.Helper()
	err := db.Write(context.Background(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(tx.Statement(stmt, args...))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fill makes this many copies of one bug, with identities of their own.
func fill(t testing.TB, db *sqldb.DB, copies int) {
	t.Helper()
	table := metric.ByName("bugs").Layout()
	all(t, db, bug("p", "", "2026-01-01"), 0)
	model := read(t, db, table, "id")[0]
	list := make([]metric.Row, copies-1)
	for i := range list {
		list[i] = slices.Clone(model)
		list[i][table.Position("event_key")] = uuid.NewString()
	}
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for part := range slices.Chunk(list, 4096) {
			if _, err := tx.Loader(table, sqldb.Skip).Insert(t.Context(), part); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGapsBetweenIds(t *testing.T) {
	db := open(t)
	fill(t, db, 1<<14)
	exec(t, db, "DELETE FROM metrics_bugs WHERE id % 5000 > 3")
	exec(t, db, "UPDATE metrics_bugs SET id = id + 4000000000000 WHERE id > 8000")
	got := strings.Count(written(t, db, "ndjson", Options{}), "\n")
	if want := len(rows(t, db, metric.ByName("bugs").Layout(), "id")); got != want || want < 10 {
		t.Errorf("%d rows, want %d", got, want)
	}
}

// watcher looks at every write.
type watcher struct {
	write func(p []byte) error
	bytes int
}

func (w *watcher) Write(p []byte) (int, error) {
	w.bytes += len(p)
	return len(p), w.write(p)
}

func run(t *testing.T, db *sqldb.DB, w io.Writer, o Options) []Count {
	t.Helper()
	o.Organization = 1
	counts, err := Write(context.Background(), db, w, named(t, "ndjson"), o)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestMemoryDoesNotGrowWithTheDatabase(t *testing.T) {
	db := open(t)
	fill(t, db, 1<<17)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	largest := 0
	w := &watcher{write: func(p []byte) error {
		largest = max(largest, len(p))
		runtime.GC()
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapAlloc)
		return nil
	}}
	if counts := run(t, db, w, Options{}); counts[0].Rows != 1<<17 {
		t.Fatalf("%v", counts)
	}
	if w.bytes < 25<<20 {
		t.Fatalf("%d bytes are too few to show anything", w.bytes)
	}
	if used := int64(peak) - int64(before.HeapAlloc); used > 6<<20 {
		t.Errorf("an export of %d MiB held %d KiB", w.bytes>>20, used>>10)
	}
	if largest > pageBytes+4096 {
		t.Errorf("a page has %d bytes", largest)
	}
}

func TestPagesOfLargeRowsEndEarly(t *testing.T) {
	db := open(t)
	large := strings.Repeat("x", 700_000)
	for i := range 20 {
		all(t, db, strings.Replace(bug("p", "", fmt.Sprintf("2026-01-%02d", i+1)), `"x"`, `"`+large+`"`, 1), i)
	}
	w := &watcher{write: func(p []byte) error {
		if len(p) > pageBytes+len(large)+1000 {
			return fmt.Errorf("a page has %d bytes", len(p))
		}
		return nil
	}}
	if counts := run(t, db, w, Options{}); counts[0].Rows != 20 {
		t.Errorf("%v", counts)
	}
}

// A reader of the output may take its time: no statement is open while it does, so that SQLite's log can be emptied, and
// PostgreSQL's vacuum is not held up.
func TestSlowReaderHoldsNoSnapshot(t *testing.T) {
	db := open(t)
	fill(t, db, 1<<14)
	pages, held := 0, snapshots(t, db)
	w := &watcher{write: func([]byte) error {
		pages++
		if held() != 0 {
			return errors.New("a statement is open during the write")
		}
		return nil
	}}
	if run(t, db, w, Options{}); pages < 4 {
		t.Errorf("only %d pages", pages)
	}
}

// snapshots counts, as another program of the database does, what is being read at a moment.
func snapshots(t *testing.T, db *sqldb.DB) func() int {
	t.Helper()
	if dbtest.On("postgres") {
		return func() (n int) {
			err := db.Row(t.Context(), db.Statement(`SELECT COUNT(*) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL`), &n)
			if err != nil {
				t.Error(err)
			}
			return n
		}
	}
	other, err := sql.Open("sqlite", db.Where())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return func() int {
		var busy, log, done int
		if err := other.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done); err != nil {
			t.Error(err)
		}
		return busy
	}
}

func TestRowsStoredMeanwhileAreLeftOut(t *testing.T) {
	db := open(t)
	fill(t, db, 1<<13)
	added := 0
	w := &watcher{write: func([]byte) error {
		added++
		all(t, db, bug("new", "", "2026-02-01"), added)
		return nil
	}}
	if counts := run(t, db, w, Options{}); counts[0].Rows != 1<<13 || added < 2 {
		t.Errorf("%v, and %d were added", counts, added)
	}
}

func TestProgressReachesTheTotal(t *testing.T) {
	db := open(t)
	all(t, db, events(t, 2000), 0)
	var last, total int64
	counts := run(t, db, io.Discard, Options{Progress: func(d, n int64) {
		if d <= last || d > n || total != 0 && n != total {
			t.Errorf("%d of %d after %d of %d", d, n, last, total)
		}
		last, total = d, n
	}})
	var rows int64
	for i, c := range counts {
		rows += c.Rows
		if c.Category != metric.Catalogue()[i].Name {
			t.Errorf("count %d is of %s", i, c.Category)
		}
	}
	if last != 2000 || total != 2000 || rows != 2000 {
		t.Errorf("%d of %d, %d rows", last, total, rows)
	}
}

// Looking for few rows among many does not keep one statement open for as long as that takes.
func TestPagesAreShortWhereNothingIsFound(t *testing.T) {
	db := open(t)
	fill(t, db, 1<<14)
	pages, nobody := 0, "nobody"
	run(t, db, io.Discard, Options{Repository: &nobody, Progress: func(int64, int64) { pages++ }})
	if pages < 4 {
		t.Errorf("%d pages", pages)
	}
}

func TestFloatsAreShortAndExact(t *testing.T) {
	for f, want := range map[float64]string{1: "1", -2.5: "-2.5", 0.1: "0.1", 1e20: "100000000000000000000", 1e21: "1e+21", 1e-6: "0.000001",
		1e-7: "1e-07", -math.MaxFloat64: "-1.7976931348623157e+308", math.SmallestNonzeroFloat64: "5e-324", math.Copysign(0, -1): "-0"} {
		if got := string(appendFloat(nil, f)); got != want {
			t.Errorf("%g is written %s, want %s", f, got, want)
		}
	}
}

func TestWriteStopsAtErrors(t *testing.T) {
	db := open(t)
	fill(t, db, 1<<13)
	full := errors.New("no space left")
	calls := 0
	_, err := Write(context.Background(), db, &watcher{write: func([]byte) error {
		calls++
		return full
	}}, named(t, "csv"), Options{Organization: 1})
	if !errors.Is(err, full) || fault.KindOf(err) != fault.Unavailable || calls != 1 {
		t.Errorf("after %d writes: %v", calls, err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	why := errors.New("the user has had enough")
	_, err = Write(ctx, db, &watcher{write: func([]byte) error {
		stop(why)
		return nil
	}}, named(t, "metrics-json"), Options{Organization: 1})
	if !errors.Is(err, why) {
		t.Errorf("interrupted: %v", err)
	}
	if _, err = Write(ctx, db, &bytes.Buffer{}, named(t, "csv"), Options{Organization: 1}); !errors.Is(err, why) {
		t.Errorf("interrupted before it began: %v", err)
	}
}

// What no import writes may stand in a file of SQLite nevertheless, whose types do not bind. JSON that could not be read back
// is not written.
func TestRowsThatJSONCannotHold(t *testing.T) {
	for set, want := range map[string]string{
		"error = CAST(x'ff' AS TEXT)":     "metrics_bugs, row 1: error cannot be exported: holds bytes that are not UTF-8",
		"extra = '{'":                     "metrics_bugs, row 1: extra cannot be exported: is no JSON",
		"extra = CAST(x'22ff22' AS TEXT)": "metrics_bugs, row 1: extra cannot be exported: is no JSON",
	} {
		db := dbtest.OpenOn(t, "sqlite", t.TempDir())
		all(t, db, bug("p", "", "2026-01-01"), 0)
		exec(t, db, "UPDATE metrics_bugs SET "+set)
		for _, format := range []string{"metrics-json", "ndjson"} {
			_, err := Write(context.Background(), db, io.Discard, named(t, format), Options{Organization: 1})
			if fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: %v", set, err)
			}
		}
		if !strings.Contains(written(t, db, "csv", Options{}), "p,") {
			t.Errorf("%s: not in the CSV", set)
		}
	}
}

func TestNumbersThatJSONCannotHold(t *testing.T) {
	db := open(t)
	all(t, db, `{"category":"llm_calls","success":true,"timestamp":"2026-01-01"}`, 0)
	exec(t, db, "UPDATE metrics_llm_calls SET duration = ?, extra = ?", math.Inf(1), "{ \"a\":\n1 }")
	_, err := Write(context.Background(), db, io.Discard, named(t, "ndjson"), Options{Organization: 1})
	if err == nil || !strings.Contains(err.Error(), "metrics_llm_calls, row 1: duration cannot be exported: is no finite number") {
		t.Errorf("infinity: %v", err)
	}
	exec(t, db, "UPDATE metrics_llm_calls SET duration = NULL")
	if text := written(t, db, "ndjson", Options{}); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"extra":{"a":1}`) {
		t.Errorf("JSON over two lines: %q", text)
	}
}

// Every page is one step along the ids, whatever is filtered and whatever index is there.
func TestPagesFollowTheIds(t *testing.T) {
	db := open(t)
	all(t, db, events(t, 2000), 0)
	alongIds(t, db)
	exec(t, db, "ANALYZE")
	alongIds(t, db)
}

func alongIds(t *testing.T, db *sqldb.DB) {
	t.Helper()
	repository := "ml-platform"
	for _, o := range []Options{{}, {Repository: &repository}, {From: date("2026-06-01")}, {To: date("2026-06-02")},
		{Repository: &repository, From: date("2026-06-01"), To: date("2026-06-02")}} {
		x := &job{db: db, o: o}
		for _, c := range metric.Catalogue() {
			if plan := plan(t, db, x.query(newTable(c), 1, 4096)); !follows(plan) {
				t.Errorf("%s, %+v: %q", c.Name, o, plan)
			}
		}
	}
}

// plan is how the database runs a statement, a step a line. PostgreSQL, which looks through so few rows one by one and
// sorts them, is asked how it would do it if it had to avoid that.
func plan(t *testing.T, db *sqldb.DB, st *sqldb.Statement) (steps []string) {
	t.Helper()
	text := regexp.MustCompile(`\$\d+`).ReplaceAllString(st.String(), "?")
	err := db.Try(t.Context(), func(tx *sqldb.Tx) error {
		explain := "EXPLAIN QUERY PLAN "
		if dbtest.On("postgres") {
			explain = "EXPLAIN "
			if _, err := tx.Exec(tx.Statement("SELECT set_config(name, 'off', true) FROM pg_settings WHERE name IN ('enable_seqscan', 'enable_bitmapscan', 'enable_sort')")); err != nil {
				return err
			}
		}
		return tx.Query(tx.Statement(explain+text, st.Args()...), func(r *sql.Rows) error {
			columns, err := r.Columns()
			if err != nil {
				return err
			}
			cells := make([]sql.NullString, len(columns))
			dest := make([]any, len(columns))
			for i := range cells {
				dest[i] = &cells[i]
			}
			err = r.Scan(dest...)
			steps = append(steps, cells[len(cells)-1].String)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// follows says that a plan goes along the ids and needs no sorting.
func follows(plan []string) bool {
	if dbtest.On("postgres") {
		text := strings.Join(plan, "\n")
		return strings.Contains(text, "id_idx") && !strings.Contains(text, "Seq Scan") && !regexp.MustCompile(`\bSort\b +\(`).MatchString(text)
	}
	return len(plan) == 1 && strings.Contains(plan[0], "INTEGER PRIMARY KEY (rowid>? AND rowid<?)")
}

func BenchmarkWrite(b *testing.B) {
	db := open(b)
	all(b, db, events(b, 50_000), 0)
	for _, f := range Formats() {
		b.Run(f.Name, func(b *testing.B) {
			for b.Loop() {
				start := time.Now()
				if _, err := Write(context.Background(), db, io.Discard, f, Options{Organization: 1}); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(50_000/time.Since(start).Seconds(), "rows/s")
			}
		})
	}
}
