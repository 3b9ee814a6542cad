// Package api answers HTTP: the JSON API with its description, the health and metrics endpoints, and the server that
// carries them and the pages. It sees interfaces and plain values, no database.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/feedback-loop/feedback-loop/internal/dashboard"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

// Overview says what there is.
type Overview interface {
	Ping(ctx context.Context) error
	Status(ctx context.Context, org int64) (store.Status, error)
	Repositories(ctx context.Context, org int64) ([]store.Repository, error)
	Events(ctx context.Context, org int64) ([]store.CategoryCount, error)
	ImportCounts(ctx context.Context, org int64) (map[string]int64, error)
}

// Charts gives the data of charts.
type Charts interface {
	Chart(ctx context.Context, x *dashboard.Chart, q dashboard.Query) (*dashboard.Data, error)
}

// Imports gives the ledger of imports.
type Imports interface {
	Runs(ctx context.Context, org, before int64, limit int) ([]store.ListedRun, error)
	Run(ctx context.Context, org, id int64) (store.ListedRun, error)
	Rejects(ctx context.Context, org, run, after int64, limit int) ([]store.ListedReject, error)
}

// Options are what the API is made from; all of them are required.
type Options struct {
	Overview  Overview
	Charts    Charts
	Imports   Imports
	Catalogue *dashboard.Catalogue
	Pages     http.Handler // answers every path that is not the API's
	Log       *slog.Logger
	Now       func() time.Time
	Version   string // of the program
}

// answerTime is the longest a request may ask the database.
const answerTime = 20 * time.Second

// api holds what the handlers need.
type api struct {
	Options
	huma huma.API
}

// New makes the handler of all paths.
func New(o Options) (http.Handler, error) {
	mux := http.NewServeMux()
	a := newAPI(o, mux)
	description, err := a.description()
	if err != nil {
		return nil, err
	}
	page, err := a.page()
	if err != nil {
		return nil, err
	}
	counters := newCounters(o)
	mux.Handle("GET /api/openapi.json", constant("application/json", description))
	mux.Handle("GET /api/docs", constant("text/html; charset=utf-8", page))
	mux.Handle("GET /metrics", counters.handler(o.Log))
	mux.HandleFunc("/api/", a.absent)
	mux.HandleFunc("/api", a.absent)
	mux.Handle("/", o.Pages)
	return observe(o.Log, counters, recovered(o.Log, guard(mux))), nil
}

// newAPI registers the operations that the description lists.
func newAPI(o Options, mux *http.ServeMux) *api {
	c := huma.DefaultConfig("feedback-loop", o.Version)
	c.Info.Description = "What goes wrong and what goes well while software is made: dashboards, charts and imports. Read-only."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", "" // served by us: no CDN, no extra fields in answers
	c.CreateHooks = nil
	c.RejectUnknownQueryParameters = true
	a := &api{Options: o, huma: humago.New(mux, c)}
	a.healthRoutes()
	a.overviewRoutes()
	a.dashboardRoutes()
	a.importRoutes()
	return a
}

// answer is a response with a body.
type answer[T any] struct{ Body T }

// none is the input of operations without parameters.
type none struct{}

// get registers one operation. Every error of a handler becomes a response in problem, and nowhere else.
func get[I, O any](a *api, path, id, tag, summary string, errs []int, h func(context.Context, *I) (O, error)) {
	op := huma.Operation{Method: http.MethodGet, Path: path, OperationID: id, Tags: []string{tag}, Summary: summary,
		Errors: append(errs, http.StatusInternalServerError, http.StatusServiceUnavailable)}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*answer[O], error) {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		body, err := h(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return &answer[O]{body}, nil
	})
}

// description is the OpenAPI document.
func (a *api) description() ([]byte, error) { return a.huma.OpenAPI().MarshalJSON() }

// absent answers for paths below /api that do not exist.
func (a *api) absent(w http.ResponseWriter, _ *http.Request) {
	writeProblem(w, http.StatusNotFound, "there is nothing at this path; /api/docs lists what there is")
}

func constant(kind string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(body) // the client is gone: nobody is left to tell
	})
}
