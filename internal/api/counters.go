package api

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/feedback-loop/feedback-loop/internal/store"
)

// counters are the server's own metrics, in a registry of their own.
type counters struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
}

func newCounters(o Options) *counters {
	c := &counters{registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "feedback_loop_http_requests_total",
			Help: "Requests by method, route and status."}, []string{"method", "route", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "feedback_loop_http_request_duration_seconds",
			Help: "Time to answer by route.", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}},
			[]string{"route"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "feedback_loop_build_info", Help: "1; the version is a label.",
		ConstLabels: prometheus.Labels{"version": o.Version}})
	build.Set(1)
	c.registry.MustRegister(c.requests, c.took, build, newHoldings(o), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return c
}

// count counts a request. Its labels come from the routes, never from the request: it could make up any number.
func (c *counters) count(r *http.Request, status int, took time.Duration) {
	method, route := r.Method, r.Pattern
	if method != http.MethodGet && method != http.MethodHead {
		method = "other"
	}
	if route == "" {
		route = "refused"
	}
	c.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	c.took.WithLabelValues(route).Observe(took.Seconds())
}

func (c *counters) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(c.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling: promhttp.ContinueOnError})
}

// holdings counts what the database holds when the metrics are asked for. Events are read from the rollup, and at most
// every few seconds.
type holdings struct {
	o               Options
	events, imports *prometheus.Desc

	mu    sync.Mutex
	at    time.Time
	known []prometheus.Metric
}

const (
	holdingsAge  = 15 * time.Second
	holdingsTime = 3 * time.Second
)

func newHoldings(o Options) *holdings {
	return &holdings{o: o,
		events:  prometheus.NewDesc("feedback_loop_events", "Events in the database by category.", []string{"category"}, nil),
		imports: prometheus.NewDesc("feedback_loop_imports", "Imports in the ledger by status.", []string{"status"}, nil)}
}

// Describe implements prometheus.Collector.
func (h *holdings) Describe(ch chan<- *prometheus.Desc) {
	ch <- h.events
	ch <- h.imports
}

// Collect implements prometheus.Collector. While the database does not answer these metrics are absent.
func (h *holdings) Collect(ch chan<- prometheus.Metric) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil || time.Since(h.at) > holdingsAge {
		known, err := h.read()
		if err != nil {
			h.o.Log.Warn("the holdings cannot be counted", "error", err)
			ch <- prometheus.NewInvalidMetric(h.events, errNoHoldings{})
			return
		}
		h.known, h.at = known, time.Now()
	}
	for _, m := range h.known {
		ch <- m
	}
}

// errNoHoldings is all that the metrics page says; the log has the cause.
type errNoHoldings struct{}

// Error implements error.
func (errNoHoldings) Error() string { return "the database does not answer" }

func (h *holdings) read() ([]prometheus.Metric, error) {
	ctx, cancel := context.WithTimeout(context.Background(), holdingsTime)
	defer cancel()
	events, err := h.o.Overview.Events(ctx, store.DefaultOrganization)
	if err != nil {
		return nil, err
	}
	imports, err := h.o.Overview.ImportCounts(ctx, store.DefaultOrganization)
	if err != nil {
		return nil, err
	}
	known := []prometheus.Metric{}
	for _, c := range events {
		known = append(known, prometheus.MustNewConstMetric(h.events, prometheus.GaugeValue, float64(c.Events), c.Name))
	}
	for _, status := range []string{store.Running, store.Done, store.Failed} {
		known = append(known, prometheus.MustNewConstMetric(h.imports, prometheus.GaugeValue, float64(imports[status]), status))
	}
	return known, nil
}
