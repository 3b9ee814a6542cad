package pgtest

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// Bouncer is a pgbouncer before a server: every transaction gets whatever session is free.
type Bouncer struct {
	s       *Server
	dir     string
	program string
	cmd     *exec.Cmd
	alive   io.Closer // it ends when this is closed, or when the process is gone
}

// Bouncer starts Debian's pgbouncer in transaction pooling, with so many connections to each database.
func (s *Server) Bouncer(t testing.TB, size int) *Bouncer {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // Debian's users do not have that in PATH
		_, err = os.Stat(program)
	}
	testkit.Require(t, "pgbouncer", err == nil, fmt.Sprint(err))
	dir, err := os.MkdirTemp(s.Dir, "bouncer-")
	if err != nil {
		t.Fatal(err)
	}
	b := &Bouncer{s: s, dir: dir, program: program}
	conf := fmt.Sprintf(`[databases]
* = host=%s
[pgbouncer]
unix_socket_dir = %s
listen_port = 6432
auth_type = trust
auth_file = %s/users
pool_mode = transaction
default_pool_size = %d
max_client_conn = 500
server_idle_timeout = 5
`, s.Dir, dir, dir, size)
	for name, text := range map[string]string{"conf": conf, "users": `"` + Owner + `" ""` + "\n" + `"postgres" ""` + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if c := s.cmd("sh").SysProcAttr.Credential; c != nil {
		if err := os.Chown(dir, int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	b.Start(t)
	t.Cleanup(b.Stop)
	return b
}

// Start starts it and waits until it answers.
func (b *Bouncer) Start(t testing.TB) {
	t.Helper()
	b.cmd = b.s.cmd("sh")
	b.cmd.Path, b.cmd.Args = "/bin/sh", []string{"sh", "-c", `"$0" "$1/conf" 2>"$1/log" & cat >/dev/null; kill $!; wait`, b.program, b.dir}
	pipe, err := b.cmd.StdinPipe()
	if err == nil {
		b.alive, err = pipe, b.cmd.Start()
	}
	for end := time.Now().Add(10 * time.Second); err == nil; time.Sleep(10 * time.Millisecond) {
		c, e := net.Dial("unix", filepath.Join(b.dir, ".s.PGSQL.6432"))
		if e == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			err = e
		}
	}
	log, _ := os.ReadFile(filepath.Join(b.dir, "log"))
	t.Fatalf("pgbouncer: %v\n%s", err, log)
}

// Stop ends it with all its connections.
func (b *Bouncer) Stop() {
	b.alive.Close()
	_ = b.cmd.Wait() // it may have ended before
}

// URI is the way through it to the database of a URI of its server.
func (b *Bouncer) URI(uri string) string {
	return to(uri, url.Values{"host": {b.dir}, "port": {"6432"}})
}

// Direct is the way past it.
func (b *Bouncer) Direct(uri string) string { return to(uri, url.Values{"host": {b.s.Dir}}) }

func to(uri string, where url.Values) string {
	u, err := url.Parse(uri)
	if err != nil {
		panic(err) // Database made it
	}
	u.RawQuery = where.Encode()
	return u.String()
}
