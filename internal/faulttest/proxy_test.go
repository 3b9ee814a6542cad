package faulttest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// proxy stands between a client and a server and understands so much of the protocol that it can cut the connection
// where a test wants: before or after a COMMIT, or so many bytes behind it.
type proxy struct {
	listener net.Listener
	socket   string // of the server
	mu       sync.Mutex
	armed    bool         // the next COMMIT is cut, and every second one after it
	how      cut          // in this way
	sever    []int64      // the bytes from the server, counted over all connections, at which one is cut
	passed   int64        // bytes from the server
	cuts     int          // connections that were cut
	delay    atomic.Int64 // of everything, in nanoseconds
	silent   atomic.Bool  // nothing passes
	gone     atomic.Bool  // new connections get no answer
}

// cut is what happens to a COMMIT.
type cut struct {
	name   string
	reach  bool // the server gets it
	answer int  // bytes of the answer that the client gets; negative = the connection is cut at once
}

// newProxy starts a proxy before a server and gives it, with the way to the database through it.
func newProxy(t testing.TB, s *pgtest.Server, uri string) (*proxy, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, socket: filepath.Join(s.Dir, ".s.PGSQL.5432")}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c.(*net.TCPConn))
		}
	}()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	u.Host, u.RawQuery = l.Addr().String(), "sslmode=disable&connect_timeout=2"
	return p, u.String()
}

// arm lets the next COMMIT be cut, and every second one after it: those between are those of the repetition.
func (p *proxy) arm(how cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.how = true, how
}

// severAt lets connections be cut after so many bytes from the server, counted from now on.
func (p *proxy) severAt(bytes ...int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range bytes {
		p.sever = append(p.sever, p.passed+at)
	}
	slices.Sort(p.sever)
}

// count notes bytes from the server and gives how many of them may pass before a cut.
func (p *proxy) count(n int) (pass int, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passed += int64(n)
	if len(p.sever) == 0 || p.passed < p.sever[0] {
		return n, false
	}
	pass = n - int(p.passed-p.sever[0])
	p.cuts++
	p.sever = slices.DeleteFunc(p.sever, func(at int64) bool { return at <= p.passed })
	return pass, true
}

// chosen says whether this COMMIT is to be cut, and how.
func (p *proxy) chosen() (cut, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.armed
	p.armed = !p.armed && p.how.name != ""
	if now {
		p.cuts++
	}
	return p.how, now
}

// done is how many connections were cut.
func (p *proxy) done() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// link is one connection through the proxy.
type link struct {
	*proxy
	client *net.TCPConn
	server net.Conn
	left   atomic.Int64 // bytes that the client may still get; negative = all
	once   sync.Once
}

func (p *proxy) serve(client *net.TCPConn) {
	if p.gone.Load() {
		_, _ = io.Copy(io.Discard, client)
		client.Close()
		return
	}
	server, err := net.Dial("unix", p.socket)
	if err != nil {
		client.Close()
		return
	}
	l := &link{proxy: p, client: client, server: server}
	l.left.Store(-1)
	go l.down()
	l.up()
}

// close resets the connection to the client and ends the one to the server.
func (l *link) close() {
	l.once.Do(func() {
		_ = l.client.SetLinger(0)
		l.client.Close()
		l.server.Close()
	})
}

// up carries the messages of the client.
func (l *link) up() {
	defer l.close()
	for first := true; ; first = false {
		message, err := next(l.client, first)
		if err != nil {
			return
		}
		l.hold()
		how, now := cut{}, false
		if bytes.Equal(message, []byte("Q\x00\x00\x00\x0bCOMMIT\x00")) {
			how, now = l.chosen()
		}
		if now && how.answer >= 0 {
			l.left.Store(int64(how.answer))
		}
		if now && !how.reach {
			l.close()
			return
		}
		if _, err := l.server.Write(message); err != nil {
			return
		}
		if now && how.answer < 0 {
			l.close()
			return
		}
	}
}

// next reads one message; the first one of a connection has no type.
func next(r io.Reader, first bool) ([]byte, error) {
	head := make([]byte, 5)
	if first {
		head = head[:4]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	rest := make([]byte, int(binary.BigEndian.Uint32(head[len(head)-4:]))-4)
	_, err := io.ReadFull(r, rest)
	return append(head, rest...), err
}

// down carries what the server says.
func (l *link) down() {
	defer l.close()
	chunk := make([]byte, 32<<10)
	for {
		n, err := l.server.Read(chunk)
		if err != nil {
			return
		}
		l.hold()
		pass, over := l.count(n)
		if left := l.left.Load(); left >= 0 {
			pass, over = min(n, int(left)), int(left) <= n
			l.left.Add(-int64(pass))
		}
		if _, err := l.client.Write(chunk[:pass]); err != nil {
			return
		}
		if over {
			_ = l.client.CloseWrite() // what was sent arrives before the reset
			time.Sleep(time.Millisecond)
			l.close()
			return
		}
	}
}

// hold delays what passes, or keeps it while the network is silent.
func (p *proxy) hold() {
	time.Sleep(time.Duration(p.delay.Load()))
	for p.silent.Load() {
		time.Sleep(5 * time.Millisecond)
	}
}
