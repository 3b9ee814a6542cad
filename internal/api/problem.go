package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

// problem is the one place where errors of handlers become responses. What a user can act on is said; all else is
// logged under the request's id and answered with a general word.
func (a *api) problem(ctx context.Context, err error) error {
	if p, ok := errors.AsType[*huma.ErrorModel](err); ok {
		return p
	}
	log := a.Log.With("request", requestID(ctx))
	switch {
	case errors.Is(err, context.Canceled):
		log.Debug("the client went away", "error", err)
		return refuse(http.StatusServiceUnavailable, "the request was given up")
	case errors.Is(err, context.DeadlineExceeded):
		log.Warn("too slow", "error", err)
		return refuse(http.StatusServiceUnavailable, "the database took too long; a shorter time range may help")
	case fault.KindOf(err) == fault.NotFound:
		return refuse(http.StatusNotFound, told(err))
	case fault.KindOf(err) == fault.Unavailable, fault.KindOf(err) == fault.Disconnected:
		log.Warn("unavailable", "error", err)
		return refuse(http.StatusServiceUnavailable, told(err))
	default:
		log.Error("failed", "error", err)
		return refuse(http.StatusInternalServerError, "the server failed; its log has the details under request "+requestID(ctx))
	}
}

// unusable is the refusal of a request whose parameters do not fit together.
func unusable(err error) error {
	if fault.KindOf(err) != fault.Invalid {
		return err
	}
	return refuse(http.StatusUnprocessableEntity, told(err))
}

// told is the part of a fault that is meant for users: no cause, no operation.
func told(err error) string {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return ""
	}
	if f.Remedy == "" {
		return f.Message
	}
	return f.Message + ". " + f.Remedy
}

func refuse(status int, detail string) *huma.ErrorModel {
	return &huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail}
}

// writeProblem answers outside of the operations: the same shape for every error of the server.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(refuse(status, detail)) // the client is gone: nobody is left to tell
}

// recovered turns a panic of next into a response, if none was begun.
func recovered(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			switch {
			case v == nil:
			case v == http.ErrAbortHandler:
				panic(v)
			default:
				log.Error("panic", "request", requestID(r.Context()), "value", v, "stack", stack())
				if rec, ok := w.(*recorder); ok && rec.status != 0 {
					panic(http.ErrAbortHandler) // half an answer must not look like a whole one
				}
				writeProblem(w, http.StatusInternalServerError, "the server failed; its log has the details under request "+requestID(r.Context()))
			}
		}()
		next.ServeHTTP(w, r)
	})
}
