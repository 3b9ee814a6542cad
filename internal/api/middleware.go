package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
)

// requestKey is the context key of the request's id.
type requestKey struct{}

// requestID gives the id under which the log speaks of the request.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

func stack() string { return string(debug.Stack()) }

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int // 0 = nothing yet
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap serves http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// observe gives every request an id, writes the access log and counts. It stands outside of all else.
func observe(log *slog.Logger, c *counters, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, start := rand.Text(), time.Now()
		rec := &recorder{ResponseWriter: w}
		w.Header().Set("X-Request-Id", id)
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		defer func() {
			took := time.Since(start)
			c.count(r, rec.status, took)
			log.Info("request", "request", id, "method", r.Method, "path", r.URL.Path, "route", r.Pattern,
				"status", rec.status, "bytes", rec.bytes, "ms", float64(took.Microseconds())/1000)
		}()
		next.ServeHTTP(rec, r)
	})
}

// guard sets the headers of every response and refuses what the server does not serve.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if strings.HasPrefix(r.URL.Path, "/api") {
			w.Header().Set("Cache-Control", "no-store")
		}
		switch {
		case !local(r.Host):
			writeProblem(w, http.StatusForbidden, "this server answers only under a loopback address or localhost")
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			writeProblem(w, http.StatusMethodNotAllowed, "only GET and HEAD are served")
		case !readable(r):
			writeProblem(w, http.StatusBadRequest, "the query of the address is malformed: escape ; and % in values")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// readable says whether every parameter of the query can be told; a filter must not be left out silently.
func readable(r *http.Request) bool {
	_, err := url.ParseQuery(r.URL.RawQuery)
	return err == nil
}

// secure sets the headers that keep a defect in a page from becoming worse, for the pages too. Inline styles are allowed
// because ECharts places its tooltips with them; scripts are files of our own.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "+
		"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// local says whether the host of a request is this machine. A page of another site can make a name of its own point
// here (DNS rebinding), but it cannot send such a host.
func local(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
