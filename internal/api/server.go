package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

// Limits of a connection. Writing may take as long as the slowest answer and a slow client.
const (
	headTimeout  = 5 * time.Second
	readTimeout  = 15 * time.Second
	writeTimeout = 60 * time.Second
	idleTimeout  = 2 * time.Minute
	maxHead      = 16 << 10 // bytes
)

// Server carries a handler.
type Server struct {
	Handler http.Handler
	Log     *slog.Logger
	Grace   time.Duration // how long running requests may take to end after a stop
}

// Listen opens the address to listen on. It refuses addresses that other machines can reach, because there are no
// accounts yet: the error is then of kind Invalid. Port 0 is a free port.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%q is no address to listen on", addr).Try("Write it like 127.0.0.1:8080.")
	}
	if !local(host) || host == "" {
		return nil, refusal(addr)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.New(fault.Unavailable, "%s is in use by another program", addr).
			Try("Stop it, or give another port with --addr; port 0 takes a free one.")
	case errors.Is(err, syscall.EACCES):
		return nil, fault.New(fault.Denied, "the system does not allow to listen on %s", addr).Try("Give a port above 1023 with --addr.")
	case err != nil:
		return nil, fault.New(fault.Invalid, "cannot listen on %s", addr).Because(err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() { // a name can point anywhere
		return nil, errors.Join(refusal(addr), l.Close())
	}
	return l, nil
}

func refusal(addr string) error {
	return fault.New(fault.Invalid, "%s can be reached from other machines, and there are no accounts yet", addr).
		Try("Use a loopback address such as 127.0.0.1:8080; reach it from elsewhere through an SSH tunnel.")
}

// Run serves until the context ends, then lets running requests finish within the grace.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: s.Handler, ReadHeaderTimeout: headTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHead, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn)}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return fault.Wrap(err, fault.Internal, "the server stopped")
	case <-ctx.Done():
	}
	s.Log.Info("stopping", "grace", s.Grace)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Grace)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		s.Log.Warn("requests were cut off", "error", err)
		return errors.Join(fault.Wrap(err, fault.Unavailable, "requests were still running after %s", s.Grace), srv.Close())
	}
	s.Log.Info("stopped")
	return nil
}
