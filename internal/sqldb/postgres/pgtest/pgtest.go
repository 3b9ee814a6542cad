// Package pgtest gives tests a real PostgreSQL server: a new cluster in a temporary folder, reached by a socket in it, run
// by a user without privileges. It ends with the test process, however that ends.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// Owner is the role that owns the databases of tests. It is no superuser, so that row security and rights count for it;
// it may make roles.
const Owner = "keeper"

// Server is a running cluster.
type Server struct {
	Bin string // folder of the server's programs
	Dir string // folder of the cluster and of its socket
	// Port is that of the socket's name, and of TCP where the settings of New open it.
	Port int
	cmd  func(name string, args ...string) *exec.Cmd

	alive io.Closer // see watch; collected as garbage it would be closed

	fill   sync.Once // makes the template of Copy
	filled error
}

// Shared gives the cluster that all tests of this process use. It is fast rather than durable.
func Shared(t testing.TB) *Server {
	t.Helper()
	testkit.Require(t, "postgres", true, "") // before one is started that is to be left out
	s, err := shared()
	testkit.Require(t, "postgres", err == nil, fmt.Sprint(err))
	return s
}

var shared = sync.OnceValues(func() (*Server, error) {
	return start("fsync=off", "full_page_writes=off", "synchronous_commit=off")
})

// New gives a cluster of the test's own, with these settings beside the usual ones, that it may stop and start. One that
// listens on TCP has to be given a port: port=N.
func New(t testing.TB, settings ...string) *Server {
	t.Helper()
	testkit.Require(t, "postgres", true, "")
	s, err := start(settings...)
	testkit.Require(t, "postgres", err == nil, fmt.Sprint(err))
	t.Cleanup(func() { _ = s.Ctl("stop", "-m", "immediate") }) // the test may have stopped it
	return s
}

// start makes and starts a cluster.
func start(settings ...string) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "feedback-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{Bin: bin, Dir: dir, Port: portOf(settings)}
	credential, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	s.cmd = func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir = dir
		c.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setsid: true}
		return c
	}
	if err := s.watch(); err != nil {
		return nil, err
	}
	if err := run(s.cmd("initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")); err != nil {
		return nil, err
	}
	conf := []string{"listen_addresses=''", "unix_socket_directories='" + dir + "'", "max_connections=200", "shared_buffers=64MB",
		"max_locks_per_transaction=256", "log_min_messages=warning", "timezone='Asia/Kathmandu'"}
	text := strings.Join(append(conf, settings...), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(s.data(), "postgresql.auto.conf"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := s.own(credential); err != nil {
		return nil, err
	}
	if err := s.Ctl("start"); err != nil {
		return nil, err
	}
	return s, s.exec("CREATE ROLE " + Owner + " LOGIN CREATEROLE")
}

// portOf finds the port among the settings, else PostgreSQL's own.
func portOf(settings []string) int {
	for _, set := range settings {
		if text, ok := strings.CutPrefix(set, "port="); ok {
			if n, err := strconv.Atoi(text); err == nil {
				return n
			}
		}
	}
	return 5432
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

// own gives the settings to whom the server runs as.
func (s *Server) own(c *syscall.Credential) error {
	if c == nil {
		return nil
	}
	return os.Chown(filepath.Join(s.data(), "postgresql.auto.conf"), int(c.Uid), int(c.Gid))
}

// watch starts a process that ends the server and removes its folder when this process is gone, also if it was killed:
// then the pipe between them closes.
func (s *Server) watch() error {
	c := s.cmd("sh")
	c.Path, c.Args = "/bin/sh", []string{"sh", "-c",
		`cat >/dev/null; "$0/pg_ctl" -D "$1/data" -m immediate stop >/dev/null 2>&1; cd /; rm -rf "$1"`, s.Bin, s.Dir}
	pipe, err := c.StdinPipe()
	if err != nil {
		return err
	}
	s.alive = pipe
	return c.Start()
}

// Ctl starts, stops or restarts the server and waits until that is done.
func (s *Server) Ctl(action string, args ...string) error {
	log := filepath.Join(s.Dir, "log")
	if err := run(s.cmd("pg_ctl", append([]string{action, "-w", "-s", "-D", s.data(), "-l", log}, args...)...)); err != nil {
		text, _ := os.ReadFile(log) // there may be none
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}

// run runs a program without giving it our output: a server that it starts would hold that open.
func run(c *exec.Cmd) error {
	f, err := os.CreateTemp("", "feedback-pg-out-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	c.Stdout, c.Stderr = f, f
	if err := c.Run(); err != nil {
		out, _ := os.ReadFile(f.Name())
		return fmt.Errorf("%s: %w: %s", c.Path, err, out)
	}
	return nil
}

// programs finds the server's programs: those beside pg_ctl in PATH, or the newest that Debian installed.
func programs() (string, error) {
	if p, err := exec.LookPath("pg_ctl"); err == nil {
		p, err = filepath.EvalSymlinks(p) // the others may not be beside the link
		return filepath.Dir(p), err
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	if err != nil || len(found) == 0 {
		return "", errors.New("no pg_ctl in PATH or in /usr/lib/postgresql")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// unprivileged finds a user for the server, which refuses to run as root, and gives it the folder.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2, os.Chown(dir, uid, gid)); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("no user postgres or nobody to run a server as")
}

// URI is that of a database for a role.
func (s *Server) URI(role, database string) string {
	return fmt.Sprintf("postgresql://%s@/%s?host=%s&port=%d", url.PathEscape(role), url.PathEscape(database), url.QueryEscape(s.Dir), s.Port)
}

// Access replaces pg_hba.conf, which says who may connect from where and how, by these lines.
func (s *Server) Access(t testing.TB, lines ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Ctl("reload"); err != nil {
		t.Fatal(err)
	}
}

// Own gives a file in the cluster's folder to whom the server runs as, which reads no key that others may read.
func (s *Server) Own(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.Dir); err != nil || os.Chown(path, int(info.Sys().(*syscall.Stat_t).Uid), int(info.Sys().(*syscall.Stat_t).Gid)) != nil {
		t.Fatalf("%s cannot be given to the server (%v)", path, err)
	}
	return path
}

// FreePort finds a TCP port of this machine that nobody listens on.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Database makes a database that belongs to Owner and to this test alone, and gives its URI.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return s.database(t, "template1")
}

// Copy makes a database like Database, but with what fill leaves in an empty one. It is asked once; copying takes a fraction of
// the time. The settings of the database itself, such as its search_path, are not copied.
func (s *Server) Copy(t testing.TB, fill func(uri string) error) string {
	t.Helper()
	const template = "filled"
	s.fill.Do(func() {
		if s.filled = s.exec("CREATE DATABASE " + template + " OWNER " + Owner); s.filled == nil {
			s.filled = fill(s.URI(Owner, template))
		}
	})
	if s.filled != nil {
		t.Fatal(s.filled)
	}
	return s.database(t, template)
}

func (s *Server) database(t testing.TB, template string) string {
	t.Helper()
	name := "t_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if err := s.exec("CREATE DATABASE " + name + " OWNER " + Owner + " TEMPLATE " + template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)") }) // the server may be down
	return s.URI(Owner, name)
}

// Connect gives a connection as other programs have one, closed at the end of the test.
func Connect(t testing.TB, uri string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.WithoutCancel(t.Context())) })
	return c
}

// Super is the URI of the same database for the superuser.
func (s *Server) Super(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		panic(err) // Database made it
	}
	u.User = url.User("postgres")
	return u.String()
}

// exec runs a statement as the superuser, outside of any test's database.
func (s *Server) exec(stmt string) error {
	ctx := context.Background()
	c, err := pgx.Connect(ctx, s.URI("postgres", "postgres"))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, stmt)
	return err
}
