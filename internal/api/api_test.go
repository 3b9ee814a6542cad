package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/api"
	"github.com/feedback-loop/feedback-loop/internal/dashboard"
	"github.com/feedback-loop/feedback-loop/internal/dbtest"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/ingest/metricsjson"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

func now() time.Time { return time.Date(2026, 6, 30, 15, 4, 5, 0, time.UTC) }

// metrics is what the tests import.
const metrics = `{
 "bugs": [
  {"pattern": "a", "error": "x", "file_path": "f", "timestamp": "2026-06-30T10:00:00", "count": 5},
  {"pattern": "b", "error": "x", "file_path": "f", "timestamp": "2026-06-01T00:00:00", "count": 3},
  {"pattern": "a", "error": "y", "file_path": "f", "timestamp": "2026-05-15T00:00:00", "count": 7},
  {"pattern": "c", "error": "z", "timestamp": "yesterday"},
  {"pattern": "d", "error": "z", "timestamp": "2026-06-30T10:00:00", "count": 0}
 ],
 "code_reviews": [
  {"issue_type": "i", "pattern": "a", "severity": "low", "timestamp": "2026-06-30T10:00:00"},
  {"issue_type": "j", "pattern": "a", "severity": "critical", "timestamp": "2026-06-30T11:12:13.000014"}
 ]}`

// safeBuffer is a log that is written and read at once.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// bench is an API over a real database.
type bench struct {
	t    *testing.T
	db   *sqldb.DB
	log  *safeBuffer
	h    http.Handler
	opts api.Options
}

func newBench(t *testing.T) *bench {
	t.Helper()
	db := dbtest.Open(t, t.TempDir())
	catalogue, err := dashboard.Load()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, db: db, log: &safeBuffer{}}
	s := store.New(db)
	b.opts = api.Options{Overview: s, Charts: s, Imports: s, Catalogue: catalogue, Now: now, Version: "0.0.1",
		Log:   slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Pages: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "page %s", r.URL.Path) })}
	b.remake()
	return b
}

// remake makes the handler after a change of the options.
func (b *bench) remake() {
	b.t.Helper()
	h, err := api.New(b.opts)
	if err != nil {
		b.t.Fatal(err)
	}
	b.h = h
}

func (b *bench) imported(text, repository string) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "metrics.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	im := &ingest.Importer{DB: b.db, Formats: []ingest.Format{metricsjson.Format()}, Now: now}
	if _, err := im.File(b.t.Context(), path, ingest.Options{Repository: repository}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) do(method, target string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "127.0.0.1:8080"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	return w
}

// get demands a status and gives the decoded answer.
func (b *bench) get(target string, status int) map[string]any {
	b.t.Helper()
	w := b.do(http.MethodGet, target, nil)
	if w.Code != status {
		b.t.Fatalf("GET %s: %d, want %d: %s", target, w.Code, status, w.Body)
	}
	want := "application/json"
	if status >= 400 && !strings.HasPrefix(target, "/readyz") {
		want = "application/problem+json"
	}
	if got := w.Header().Get("Content-Type"); got != want {
		b.t.Errorf("GET %s is of type %s, want %s", target, got, want)
	}
	var v map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		b.t.Fatalf("GET %s: %v in %s", target, err, w.Body)
	}
	return v
}

// text is the answer as compact JSON with sorted keys.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestAnswers(t *testing.T) {
	b := newBench(t)
	b.imported(metrics, "acme/shop")
	b.imported(`{"bugs": [{"pattern": "z", "error": "e", "timestamp": "2026-06-30T00:00:00"}]}`, "")
	tests := []struct{ target, field, want string }{
		{"/healthz", "status", `"ok"`},
		{"/readyz", "status", `"ready"`},
		{"/api/v1/status", "events", `6`},
		{"/api/v1/status", "engine", strconv.Quote(b.db.Engine().Name())},
		{"/api/v1/status", "version", `"0.0.1"`},
		{"/api/v1/status", "schema_version", fmt.Sprint(metric.SchemaVersion)},
		{"/api/v1/status", "first", `"2026-05-15T00:00:00Z"`},
		{"/api/v1/status", "last", `"2026-06-30T11:12:13.000014Z"`},
		{"/api/v1/repositories", "repositories", `[{"events":1,"name":""},{"events":5,"name":"acme/shop"}]`},
		{"/api/v1/dashboards", "dashboards", `[{"description":"Bugs, test failures, review findings and deployment issues, and the patterns behind them.","id":"code-quality","title":"Code Quality"}]`},
		{"/api/v1/dashboards/code-quality", "refresh_seconds", `300`},
		{"/api/v1/charts/total-bugs/data", "rows", `[[9]]`},
		{"/api/v1/charts/total-bugs/data", "previous", `[[7]]`},
		{"/api/v1/charts/total-bugs/data", "from", `"2026-06-01"`},
		{"/api/v1/charts/total-bugs/data", "to", `"2026-06-30"`},
		{"/api/v1/charts/total-bugs/data", "grain", `null`},
		{"/api/v1/charts/total-bugs/data?range=7d", "served_from", `"metrics_daily_totals"`},
		{"/api/v1/charts/total-bugs/data?from=2026-05-01&to=2026-06-30", "served_from", `"metrics_monthly"`},
		{"/api/v1/charts/total-bugs/data", "columns", `[{"format":"integer","label":"Occurrences","name":"occurrences","type":"number"}]`},
		{"/api/v1/charts/total-bugs/data?range=90d", "previous", `[[null]]`},
		{"/api/v1/charts/total-bugs/data?range=all", "previous", `null`},
		{"/api/v1/charts/total-bugs/data?range=all", "rows", `[[16]]`},
		{"/api/v1/charts/total-bugs/data?range=all", "from", `null`},
		{"/api/v1/charts/total-bugs/data?repository=acme/shop", "rows", `[[8]]`},
		{"/api/v1/charts/total-bugs/data?repository=", "rows", `[[1]]`},
		{"/api/v1/charts/total-bugs/data?repository=nope", "rows", `[[0]]`},
		{"/api/v1/charts/total-bugs/data?from=2026-06-01&to=2026-06-01", "rows", `[[3]]`},
		{"/api/v1/charts/total-deployment-issues/data", "rows", `[[0]]`},
		{"/api/v1/charts/bug-trend/data", "rows", `[["2026-06-01","b",3],["2026-06-30","a",5],["2026-06-30","z",1]]`},
		{"/api/v1/charts/bug-trend/data", "grain", `"day"`},
		{"/api/v1/charts/bug-trend/data?range=1y", "grain", `"week"`},
		{"/api/v1/charts/bug-trend/data?range=7d", "previous", `null`},
		{"/api/v1/charts/bug-patterns/data?repository=acme%2Fshop", "rows", `[["a",5],["b",3]]`},
		{"/api/v1/charts/top-patterns/data?range=all", "rows", `[["a",14],["b",3],["z",1]]`},
		{"/api/v1/charts/review-severity/data?range=7d", "rows", `[["critical",1],["low",1]]`},
		{"/api/v1/charts/review-severity/data?range=7d&repository=", "rows", `[]`},
		{"/api/v1/imports/1", "read", `7`},
		{"/api/v1/imports/1", "inserted", `5`},
		{"/api/v1/imports/1", "rejected", `2`},
		{"/api/v1/imports/1", "notes", `[]`},
		{"/api/v1/imports/1", "status", `"done"`},
		{"/api/v1/imports/1", "started_at", `"2026-06-30T15:04:05Z"`},
	}
	for _, tt := range tests {
		if got := text(b.get(tt.target, http.StatusOK)[tt.field]); got != tt.want {
			t.Errorf("GET %s: %s is %s, want %s", tt.target, tt.field, got, tt.want)
		}
	}
}

// The dashboard names, for each chart, columns that its data has.
func TestDashboardNamesColumns(t *testing.T) {
	b := newBench(t)
	var d struct {
		Rows []struct {
			Charts []struct {
				ID, Kind               string
				Width                  int
				Time, Category, Series *string
				Measures               []struct{ Name string }
			}
		}
	}
	if err := json.Unmarshal(b.do(http.MethodGet, "/api/v1/dashboards/code-quality", nil).Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, row := range d.Rows {
		for _, c := range row.Charts {
			n++
			columns := text(b.get("/api/v1/charts/"+c.ID+"/data", http.StatusOK)["columns"])
			names := []*string{c.Time, c.Category, c.Series}
			for i := range c.Measures {
				names = append(names, &c.Measures[i].Name)
			}
			for _, name := range names {
				if name != nil && !strings.Contains(columns, fmt.Sprintf(`"name":%q`, *name)) {
					t.Errorf("%s: %s is no column of %s", c.ID, *name, columns)
				}
			}
			if c.Width < 1 || c.Kind == "" {
				t.Errorf("%+v", c)
			}
		}
	}
	if n != 8 {
		t.Errorf("%d charts, want 8", n)
	}
}

func TestEmptyDatabase(t *testing.T) {
	b := newBench(t)
	s := b.get("/api/v1/status", http.StatusOK)
	if s["events"] != 0.0 || s["first"] != nil || s["last"] != nil || len(s["categories"].([]any)) != len(metric.Catalogue()) {
		t.Errorf("status of an empty database: %s", text(s))
	}
	for target, want := range map[string]string{
		"/api/v1/repositories": `{"repositories":[]}`,
		"/api/v1/imports":      `{"imports":[],"next":null}`,
	} {
		if got := text(b.get(target, http.StatusOK)); got != want {
			t.Errorf("GET %s: %s", target, got)
		}
	}
	for _, x := range b.opts.Catalogue.Charts() {
		for _, r := range []string{"7d", "all"} {
			b.get("/api/v1/charts/"+x.ID+"/data?range="+r, http.StatusOK)
		}
	}
}

func TestPages(t *testing.T) {
	b := newBench(t)
	for range 5 {
		b.imported(metrics, "r")
	}
	var got []string
	target := "/api/v1/imports?limit=2"
	for target != "" {
		page := b.get(target, http.StatusOK)
		for _, x := range page["imports"].([]any) {
			got = append(got, fmt.Sprint(x.(map[string]any)["id"]))
		}
		target = ""
		if next, ok := page["next"].(float64); ok {
			target = fmt.Sprintf("/api/v1/imports?limit=2&before=%v", next)
		}
	}
	if s := strings.Join(got, " "); s != "5 4 3 2 1" {
		t.Errorf("imports in pages of two: %s", s)
	}
	first := b.get("/api/v1/imports/2/rejects?limit=1", http.StatusOK)
	second := b.get(fmt.Sprintf("/api/v1/imports/2/rejects?limit=1&after=%v", first["next"]), http.StatusOK)
	r := first["rejects"].([]any)[0].(map[string]any)
	if !strings.Contains(r["raw"].(string), "yesterday") || r["category"] != "bugs" || r["reason"] == "" || r["position"] == "" {
		t.Errorf("first reject: %s", text(r))
	}
	if second["next"] != nil || len(second["rejects"].([]any)) != 1 || text(second["rejects"]) == text(first["rejects"]) {
		t.Errorf("second page: %s", text(second))
	}
}

// A page of large rejects stays small; the ledger keeps all of it.
func TestLargeRejectIsCut(t *testing.T) {
	b := newBench(t)
	b.imported(`{"bugs": [{"pattern": "`+strings.Repeat("ä", 100_000)+`"}]}`, "")
	r := b.get("/api/v1/imports/1/rejects", http.StatusOK)["rejects"].([]any)[0].(map[string]any)
	if raw := r["raw"].(string); len(raw) > store.MaxRaw || len(raw) < store.MaxRaw-2 || strings.Contains(raw, "\uFFFD") {
		t.Errorf("%d bytes of the record are shown", len(raw))
	}
	if n := r["raw_bytes"].(float64); n < 200_000 {
		t.Errorf("raw_bytes is %v", n)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	b.imported(metrics, "")
	long := strings.Repeat("x", 300)
	tests := []struct {
		target string
		status int
		want   string
	}{
		{"/api", 404, "nothing at this path"},
		{"/api/", 404, "nothing at this path"},
		{"/api/v1/nope", 404, "nothing at this path"},
		{"/api/v2/status", 404, "nothing at this path"},
		{"/api/v1/dashboards/nope", 404, "there is no dashboard"},
		{"/api/v1/charts/nope/data", 404, "there is no chart"},
		{"/api/v1/charts/" + long + "/data", 422, "expected length <= 64"},
		{"/api/v1/charts/..%2f..%2fetc/data", 404, "there is no chart"},
		{"/api/v1/charts/total-bugs/data?range=2d", 422, "expected value to be one of"},
		{"/api/v1/charts/total-bugs/data?range=%27%3B+DROP+TABLE+x", 422, "expected value to be one of"},
		{"/api/v1/charts/total-bugs/data?range=7d&from=2026-01-01&to=2026-01-02", 422, "exclude each other"},
		{"/api/v1/charts/total-bugs/data?from=2026-01-01", 422, "from and to belong together"},
		{"/api/v1/charts/total-bugs/data?from=2026-02-30&to=2026-03-01", 422, "query.from"},
		{"/api/v1/charts/total-bugs/data?from=0001-01-01&to=2026-03-01", 422, "is no day"},
		{"/api/v1/charts/total-bugs/data?from=2026-03-02&to=2026-03-01", 422, "from is after to"},
		{"/api/v1/charts/total-bugs/data?repository=" + long, 422, "expected length <= 255"},
		{"/api/v1/charts/total-bugs/data?repository=%00", 422, "expected UTF-8 text without NUL"},
		{"/api/v1/charts/total-bugs/data?repository=acme%00/shop", 422, "expected UTF-8 text without NUL"},
		{"/api/v1/charts/total-bugs/data?repository=%ff%fe", 422, "expected UTF-8 text without NUL"},
		{"/api/v1/charts/total-bugs/data?sql=1", 422, "unknown query parameter"},
		{"/api/v1/charts/total-bugs/data?repository=a;b", 400, "the query of the address is malformed"},
		{"/api/v1/charts/total-bugs/data?repository=%zz", 400, "the query of the address is malformed"},
		{"/api/v1/imports?limit=0", 422, "expected number >= 1"},
		{"/api/v1/imports?limit=501", 422, "expected number <= 500"},
		{"/api/v1/imports?limit=many", 422, "invalid integer"},
		{"/api/v1/imports?before=99999999999999999999", 422, "invalid integer"},
		{"/api/v1/imports?before=-1", 422, "expected number >= 1"},
		{"/api/v1/imports/0", 422, "expected number >= 1"},
		{"/api/v1/imports/x", 422, "invalid integer"},
		{"/api/v1/imports/99", 404, "there is no import 99"},
		{"/api/v1/imports/99/rejects", 404, "there is no import 99"},
		{"/api/v1/imports/1/rejects?after=-1", 422, "expected number >= 0"},
	}
	for _, tt := range tests {
		p := b.get(tt.target, tt.status)
		if !strings.Contains(text(p), strings.ReplaceAll(text(tt.want), `"`, "")) {
			t.Errorf("GET %s: %s, want %s", tt.target, text(p), tt.want)
		}
		if p["status"] != float64(tt.status) || p["title"] != http.StatusText(tt.status) {
			t.Errorf("GET %s: %s", tt.target, text(p))
		}
	}
}

// Hostile values of parameters are values and nothing else. What no database can hold is refused, see TestRefusals.
func TestHostileRepositories(t *testing.T) {
	b := newBench(t)
	b.imported(metrics, "acme/shop")
	for _, repo := range []string{"'; DROP TABLE metrics_daily; --", `" OR "1"="1`, "acme/sho%", "*", "?", "acme/shop ", "ACME/SHOP", "a&range=all"} {
		target := "/api/v1/charts/total-bugs/data?repository=" + url.QueryEscape(repo)
		if got := text(b.get(target, http.StatusOK)["rows"]); got != "[[0]]" {
			t.Errorf("repository %s gives %s", repo, got)
		}
	}
	if got := text(b.get("/api/v1/charts/total-bugs/data", http.StatusOK)["rows"]); got != "[[8]]" {
		t.Errorf("afterwards: %s", got)
	}
}

// broken stands for a database that fails.
type broken struct {
	*store.Store
	err error
}

func (x broken) Ping(context.Context) error { return x.err }
func (x broken) Status(ctx context.Context, _ int64) (store.Status, error) {
	if x.err == nil {
		panic("a defect")
	}
	if x.err == context.DeadlineExceeded {
		<-ctx.Done()
		return store.Status{}, ctx.Err()
	}
	return store.Status{}, x.err
}
func (x broken) Events(context.Context, int64) ([]store.CategoryCount, error) { return nil, x.err }
