package postgres

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// understood are the parameters of a URI that pgx knows. Others are either those of Python's drivers, see ignored, or
// mistyped; pgx would send them to the server as settings of the session.
func understood() []string {
	return []string{"host", "port", "user", "password", "passfile", "dbname", "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslsni",
		"sslnegotiation", "connect_timeout", "target_session_attrs", "service", "servicefile", "application_name", "krbspn", "krbsrvname",
		"channel_binding", "require_auth", "options"}
}

// ignored are parameters of libpq and of Python's drivers that change nothing here.
func ignored() []string {
	return []string{"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "gssencmode", "client_encoding",
		"fallback_application_name", "prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback"}
}

// address is a URI taken apart. The password stays by itself: what is written into messages and given to other programs
// does not have it.
type address struct {
	params   map[string]string // by libpq's names
	password string
	empty    bool // there is a place for a password, with none in it
}

// parse reads a URI of Go's or SQLAlchemy's kind, and gives a name for messages that has no password in it.
func parse(uri string) (*pgx.ConnConfig, *address, string, error) {
	where := sqldb.Redact(uri)
	a, err := dissect(uri)
	if err != nil {
		return nil, nil, "", fault.New(fault.Invalid, "%s is no URI of a PostgreSQL database", where).Because(err).
			Try("Write postgresql://USER:PASSWORD@HOST:5432/DATABASE, with @ : / and %% in the password as %%40 %%3A %%2F and %%25.")
	}
	config, err := pgx.ParseConfig(a.conninfo())
	if err != nil {
		return nil, nil, "", fault.New(fault.Invalid, "%s is no URI of a PostgreSQL database: %s", where, reason(err)).
			Try("Write postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full.")
	}
	if a.empty {
		return nil, nil, "", fault.New(fault.Invalid, "%s has an empty password", where).Try("Put it in, or leave the colon out.")
	}
	if a.password != "" {
		config.Password = a.password
	}
	configure(config)
	return config, a, where, nil
}

// reason is what pgx has to say, without the connection string that it repeats before.
func reason(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		return text[i+len("`: "):]
	}
	return "it cannot be parsed"
}

// conninfo writes the address as libpq's connection strings are written: any byte may stand in a value, which URIs and
// those who parse them do not agree on.
func (a *address) conninfo() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(a.params)) {
		parts = append(parts, name+"='"+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(a.params[name])+"'")
	}
	return strings.Join(parts, " ")
}

// dissect takes a URI apart.
func dissect(uri string) (*address, error) {
	_, rest, _ := strings.Cut(uri, "://")
	at := credentials(rest)
	a := &address{params: map[string]string{}}
	if at >= 0 {
		name, password, secret := strings.Cut(rest[:at], ":")
		a.set("user", unescape(name))
		a.password, a.empty = unescape(password), secret && password == ""
	}
	base, query, _ := strings.Cut(rest[at+1:], "?")
	hosts, database, _ := strings.Cut(base, "/")
	a.set("dbname", unescape(database))
	if err := a.hosts(hosts); err != nil {
		return nil, err
	}
	if err := a.query(query); err != nil {
		return nil, err
	}
	for name, value := range a.params {
		if strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("the %s holds a NUL character", name)
		}
	}
	if strings.ContainsRune(a.password, 0) {
		return nil, errors.New("the password holds a NUL character")
	}
	return a, nil
}

func (a *address) set(name, value string) {
	if value != "" {
		a.params[name] = value
	}
}

// credentials gives the place of the @ that ends user and password; -1 = there are none. It is the first behind which
// everything is hosts, a database and known parameters, so that an unescaped @ in a password does no harm, and neither
// does one in a parameter. Where that is nowhere so it is the last.
func credentials(rest string) int {
	for at := -1; ; {
		if plausible(rest[at+1:]) {
			return at
		}
		next := strings.Index(rest[at+1:], "@")
		if next < 0 {
			return at
		}
		at += 1 + next
	}
}

func plausible(rest string) bool {
	const host = `(\[[^\]@/?#]*\]|[^\[\]@/?#:,]*)(:[0-9]*)?`
	base, query, _ := strings.Cut(rest, "?")
	hosts, database, _ := strings.Cut(base, "/")
	if !regexp.MustCompile(`^`+host+`(,`+host+`)*$`).MatchString(hosts) || strings.ContainsAny(database, "@/:#") {
		return false
	}
	for pair := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(pair, "="); pair != "" && !known(name) {
			return false
		}
	}
	return true
}

func known(name string) bool {
	return name == "ssl" || slices.Contains(understood(), name) || slices.Contains(ignored(), name)
}

// hosts reads the hosts of a URI, each with or without port. One that begins with an escaped slash is the folder of a socket.
func (a *address) hosts(list string) error {
	if list == "" {
		return nil
	}
	var hosts, ports []string
	for one := range strings.SplitSeq(list, ",") {
		host, port := one, ""
		if i := strings.LastIndex(one, ":"); i > strings.LastIndex(one, "]") {
			host, port = one[:i], one[i+1:]
		}
		if v6, ok := strings.CutPrefix(host, "["); ok {
			if host, ok = strings.CutSuffix(v6, "]"); !ok {
				return errors.New("a [ before a host has no ] behind it")
			}
		} else if strings.Contains(host, ":") {
			return errors.New("a host has more than one colon; an IPv6 address has to stand in [ and ]")
		}
		if port != "" && strings.Trim(port, "0123456789") != "" {
			return errors.New("what stands behind the colon of a host is no port")
		}
		hosts, ports = append(hosts, unescape(host)), append(ports, port)
	}
	a.set("host", strings.Join(hosts, ","))
	if strings.Trim(strings.Join(ports, ""), ",") != "" {
		a.set("port", strings.Join(ports, ","))
	}
	return nil
}

// query reads the parameters; they count more than what stands before.
func (a *address) query(query string) error {
	given, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the parameters are not written as name=value&name=value, with & ; and % in values as %26 %3B and %25")
	}
	for name, values := range given {
		switch value := values[len(values)-1]; {
		case name == "password":
			a.password, a.empty = value, value == ""
		case name == "ssl": // asyncpg's name for it
			a.params["sslmode"] = sslMode(value)
		case name == "host" && len(values) > 1:
			if err := a.hosts(strings.Join(values, ",")); err != nil { // SQLAlchemy's way to name several
				return err
			}
		case slices.Contains(ignored(), name):
		case slices.Contains(understood(), name):
			a.params[name] = value
		case given.Has("password") || given.Has("sslpassword"):
			return errors.New("a parameter is not known; write & in a password as %26") // its name may be a part of one
		default:
			return fmt.Errorf("the parameter %s is not known", strconv.Quote(name))
		}
	}
	return nil
}

// sslMode reads what asyncpg takes for ssl: a mode, or true for one that verifies everything.
func sslMode(value string) string {
	switch strings.ToLower(value) {
	case "true", "1":
		return "verify-full"
	case "false", "0":
		return "disable"
	default:
		return value
	}
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// secure demands for production what keeps a connection from being read or redirected: encryption with a certificate
// that was verified for this host, or a socket on this machine. sslmode=require verifies nothing, and verify-ca takes any
// host's certificate; for both pgx sets InsecureSkipVerify.
func secure(config *pgx.ConnConfig, where string) error {
	tries := append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	for _, t := range tries {
		verified := t.TLSConfig != nil && !t.TLSConfig.InsecureSkipVerify
		if network, _ := pgconn.NetworkAddress(t.Host, t.Port); !verified && network != "unix" {
			return fault.New(fault.Denied, "--production demands a verified connection, and %s would not verify who answers as %s", where,
				net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))).
				Try("Add sslmode=verify-full (and sslrootcert=FILE for a certificate authority of your own) to the URI, or accept the risk with --allow-insecure-db.")
		}
	}
	return nil
}
