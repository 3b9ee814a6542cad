package api_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/api"
	"github.com/feedback-loop/feedback-loop/internal/fault"
)

func TestListenRefuses(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	tests := []struct {
		addr string
		kind fault.Kind
		want string
	}{
		{":8080", fault.Invalid, "can be reached from other machines"},
		{"0.0.0.0:8080", fault.Invalid, "can be reached from other machines"},
		{"[::]:8080", fault.Invalid, "can be reached from other machines"},
		{"192.168.1.1:8080", fault.Invalid, "can be reached from other machines"},
		{"example.org:8080", fault.Invalid, "can be reached from other machines"},
		{"8080", fault.Invalid, "is no address to listen on"},
		{"", fault.Invalid, "is no address to listen on"},
		{"127.0.0.1:port", fault.Invalid, "cannot listen on"},
		{"127.0.0.1:99999", fault.Invalid, "cannot listen on"},
		{busy.Addr().String(), fault.Unavailable, "is in use by another program"},
	}
	for _, tt := range tests {
		l, err := api.Listen(t.Context(), tt.addr)
		if err == nil {
			l.Close()
			t.Errorf("%s is listened on", tt.addr)
			continue
		}
		if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.addr, err)
		}
	}
}

// start runs a server of h and gives its address, its stop and its end.
func start(t *testing.T, h http.Handler, grace time.Duration) (url string, stop context.CancelFunc, ended chan error) {
	t.Helper()
	l, err := api.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	s := &api.Server{Handler: h, Log: slog.New(slog.DiscardHandler), Grace: grace}
	ended = make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	return "http://" + l.Addr().String(), cancel, ended
}

// A stop lets the request that runs finish, takes no new ones, and then ends.
func TestGracefulStop(t *testing.T) {
	entered, release := make(chan bool), make(chan bool)
	url, stop, ended := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		entered <- true
		<-release
		io.WriteString(w, "whole")
	}), time.Minute)
	answer := make(chan string, 1)
	go func() {
		r, err := http.Get(url)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		answer <- string(b)
	}()
	<-entered
	stop()
	for { // the listener closes soon
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			break
		}
		c.Close()
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-ended:
		t.Fatalf("ended while a request runs: %v", err)
	default:
	}
	release <- true
	if got := <-answer; got != "whole" {
		t.Errorf("the running request got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What does not end within the grace is cut off.
func TestStopCutsOff(t *testing.T) {
	entered := make(chan bool)
	url, stop, ended := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		entered <- true
		<-r.Context().Done()
	}), 10*time.Millisecond)
	go func() {
		if r, err := http.Get(url); err == nil {
			r.Body.Close()
		}
	}()
	<-entered
	stop()
	select {
	case err := <-ended:
		if err == nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
}

func TestHugeHeaderIsRefused(t *testing.T) {
	url, _, _ := start(t, http.NotFoundHandler(), time.Second)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Large", strings.Repeat("x", 64<<10))
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", r.StatusCode)
	}
}
