package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// pingTime is how long the database may take to say that it is there.
const pingTime = 2 * time.Second

type healthBody struct {
	Status string `json:"status" enum:"ok,ready,unavailable" doc:"ok, ready or unavailable"`
}

// healthAnswer has a status of its own: not ready is no error.
type healthAnswer struct {
	Status int
	Body   healthBody
}

func (a *api) healthRoutes() {
	route := func(path, id, summary string, errs []int, h func(context.Context, *none) (*healthAnswer, error)) {
		op := huma.Operation{Method: http.MethodGet, Path: path, OperationID: id, Tags: []string{"Health"}, Summary: summary, Errors: errs}
		huma.Register(a.huma, op, h)
	}
	route("/healthz", "get-health", "Whether the server runs", nil, func(context.Context, *none) (*healthAnswer, error) {
		return &healthAnswer{http.StatusOK, healthBody{"ok"}}, nil
	})
	route("/readyz", "get-readiness", "Whether the database answers; 503 with status unavailable if not", nil, a.ready)
}

func (a *api) ready(ctx context.Context, _ *none) (*healthAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	if err := a.Overview.Ping(ctx); err != nil {
		a.Log.Warn("not ready", "request", requestID(ctx), "error", err)
		return &healthAnswer{http.StatusServiceUnavailable, healthBody{"unavailable"}}, nil
	}
	return &healthAnswer{http.StatusOK, healthBody{"ready"}}, nil
}
