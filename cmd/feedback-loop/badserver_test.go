package main

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// canary is a password that has everything in it that means something in a URI.
const canary = "canary@1:canary/2%canary?3#canary=4 canary"

// locked starts a server that lets its users in by password only, from the socket and from TCP. Owner's is canary.
func locked(t testing.TB) *pgtest.Server {
	t.Helper()
	port := pgtest.FreePort(t)
	s := pgtest.New(t, "listen_addresses='127.0.0.1'", fmt.Sprintf("port=%d", port), "fsync=off")
	onServer(t, s.URI("postgres", "postgres"), "ALTER ROLE "+pgtest.Owner+" PASSWORD '"+canary+"'")
	s.Access(t, "local all postgres trust", "local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256")
	return s
}

// withPassword puts a password into a URI, escaped.
func withPassword(uri, role, password string) string {
	return strings.Replace(uri, role+"@", role+":"+escape(password)+"@", 1)
}

// escape writes a text so that it may stand anywhere in a URI.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// secret wants no trace of the canary in what a command said.
func (o outcome) secret(t testing.TB) {
	t.Helper()
	said := o.out + o.errs
	for _, trace := range []string{"canary", base64.StdEncoding.EncodeToString([]byte(canary)), base64.URLEncoding.EncodeToString([]byte(canary)),
		url.QueryEscape(canary), url.PathEscape(canary)} {
		if strings.Contains(said, trace) {
			t.Errorf("a password is shown (%s):\n%s", trace, said)
		}
	}
}

// Every way in which a server can be of no use has a message that says what to do.
func TestBadServers(t *testing.T) {
	s := locked(t)
	uri := s.Database(t)
	good := withPassword(uri, pgtest.Owner, canary)
	tcp := fmt.Sprintf("postgresql://%s:%s@127.0.0.1:%d%s?sslmode=disable", pgtest.Owner, escape(canary), s.Port, mustPath(t, uri))
	command(t.Context(), "import", "--db", good, write(t, "good.json", good2("x"))).is(t, exitDone)
	command(t.Context(), "db", "status", "--db", tcp).is(t, exitDone)
	super := s.URI("postgres", "postgres")
	onServer(t, super, "CREATE ROLE guest LOGIN PASSWORD '"+canary+"'", "CREATE DATABASE ascii OWNER "+pgtest.Owner+" ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0",
		"CREATE DATABASE empty OWNER "+pgtest.Owner, "CREATE DATABASE newer OWNER "+pgtest.Owner, "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
	as := func(role, database string) string { return withPassword(s.URI(role, database), role, canary) }
	command(t.Context(), "db", "migrate", "--db", as(pgtest.Owner, "newer")).is(t, exitDone)
	onServer(t, s.URI("postgres", "newer"), fmt.Sprintf("INSERT INTO metrics.feedback_loop_versions VALUES (%d, now())", metric.SchemaVersion+1))
	for name, c := range map[string]struct {
		uri  string
		want []string
	}{
		"wrong password":    {withPassword(uri, pgtest.Owner, "wrong"+canary), []string{"does not accept this user and password", "Check both in the URI", "%40"}},
		"wrong over TCP":    {strings.Replace(tcp, "canary", "wrongcanary", 1), []string{"does not accept this user and password"}},
		"no password":       {uri, []string{"does not accept this user and password"}},
		"no such user":      {as("nobody_known", "empty"), []string{"does not accept this user and password"}},
		"no such host":      {"postgresql://u:" + escape(canary) + "@no-such-host.invalid/d", []string{"the host no-such-host.invalid", "Check the name"}},
		"port closed":       {fmt.Sprintf("postgresql://u:%s@127.0.0.1:%d/d", escape(canary), pgtest.FreePort(t)), []string{"cannot be reached", "host and port are right"}},
		"no such socket":    {"postgresql://u:" + escape(canary) + "@/d?host=" + url.QueryEscape(t.TempDir()), []string{"cannot be reached"}},
		"no such database":  {as(pgtest.Owner, "missing"), []string{"there is no such database", "createdb"}},
		"may not connect":   {as("guest", "postgres"), []string{"may not do that", "let an administrator grant"}},
		"may not make it":   {as("guest", "empty"), []string{"may not do that", "CREATE ON DATABASE"}},
		"encoding":          {as(pgtest.Owner, "ascii"), []string{"the encoding SQL_ASCII", "createdb --encoding UTF8"}},
		"newer schema":      {as(pgtest.Owner, "newer"), []string{"this binary knows versions up to", "Use the newer feedback-loop"}},
		"too old":           {oldServer(t), []string{"PostgreSQL 12.9", "13 is the oldest", "Upgrade the server"}},
		"not a server":      {silentServer(t), []string{"cannot be reached"}},
		"not a URI":         {"postgresql://u:" + canary + "@h:port/d", []string{"is no URI of a PostgreSQL database", "Write postgresql://"}},
		"unknown parameter": {tcp + "&sslmod=require", []string{`the parameter "sslmod" is not known`, "Write postgresql://"}},
		"unknown mode":      {strings.Replace(tcp, "disable", "maybe", 1), []string{"sslmode is invalid"}},
		"no encryption":     {strings.Replace(tcp, "disable", "require", 1), []string{"no trusted connection", "refused TLS", "Check sslmode"}},
		"no such CA file":   {strings.Replace(tcp, "disable", "verify-full&sslrootcert=none.pem", 1), []string{"none.pem"}},
		"unknown engine":    {"oracle://u:" + escape(canary) + "@h/d", []string{"no database engine answers"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := command(t.Context(), "db", "migrate", "--db", c.uri)
			o.is(t, exitFailed, c.want...)
			o.secret(t)
		})
	}
	if n := lines(t, s.URI("postgres", "newer"), "SELECT MAX(version)::text FROM metrics.feedback_loop_versions"); n != fmt.Sprint(metric.SchemaVersion+1) {
		t.Errorf("the newer schema was changed to version %s", n)
	}
	t.Run("NUL", func(t *testing.T) {
		o := command(t.Context(), "import", "--db", good, write(t, "nul.json", `{"bugs":[{"pattern":"p","error":"a\u0000b","timestamp":"2026-01-02"}]}`))
		o.is(t, exitRejected, "holds a NUL character")
		o.secret(t)
	})
}

// A password is shown nowhere, wherever it stands in the URI and however it was written, and whatever is wrong.
func TestPasswordsAreNotShown(t *testing.T) {
	s := locked(t)
	path := mustPath(t, s.Database(t))
	for _, host := range []string{fmt.Sprintf("127.0.0.1:%d", s.Port), fmt.Sprintf("127.0.0.1:%d", pgtest.FreePort(t)), "no-such-host.invalid", "[::1", "h:port", "h1:1,h2:x"} {
		for _, form := range []string{"postgresql://keeper:%s@HOST/missing", "postgresql+psycopg2://keeper:%s@HOST" + path + "?sslmode=maybe", "postgres://keeper:wrong%s@HOST" + path,
			"postgres://HOST" + path + "?user=keeper&password=wrong%s", "postgres://keeper@HOST" + path + "?sslmod=x&password=%s", "postgresql+asyncpg://keeper@HOST/missing?ssl=disable&password=%s",
			"postgres://keeper:%s@HOST" + path + "?sslkey=none&sslcert=none&sslpassword=%[1]s", "postgres://:%s@HOST" + path} {
			for _, password := range []string{escape(canary), canary, strings.ReplaceAll(canary, "%", "%25"), strings.ReplaceAll(canary, " ", "+")} {
				uri := strings.Replace(fmt.Sprintf(form, password), "HOST", host, 1)
				for _, args := range [][]string{{"db", "status"}, {"db", "backup", t.TempDir() + "/x"}} {
					o := command(t.Context(), append(args, "--db", uri)...)
					if o.code == exitDone {
						t.Errorf("%s was good for something", form)
					}
					o.secret(t)
				}
			}
		}
	}
}

func mustPath(t testing.TB, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

// listening serves each connection to a port of this machine until the test ends, and gives the URI of the port.
func listening(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return fmt.Sprintf("postgresql://u:%s@%s/d?sslmode=disable", escape(canary), l.Addr())
}

// silentServer hangs up.
func silentServer(t testing.TB) string { return listening(t, func(c net.Conn) { c.Close() }) }

// oldServer says that it is older than what works.
func oldServer(t testing.TB) string {
	return listening(t, func(c net.Conn) {
		defer c.Close()
		b := pgproto3.NewBackend(c, c)
		if _, err := b.ReceiveStartupMessage(); err != nil {
			return
		}
		b.Send(&pgproto3.AuthenticationOk{})
		b.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: "12.9 (Debian 12.9-1)"})
		b.Send(&pgproto3.ParameterStatus{Name: "server_encoding", Value: "UTF8"})
		b.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if b.Flush() == nil {
			_, _ = b.Receive() // until the client has had enough
		}
	})
}
