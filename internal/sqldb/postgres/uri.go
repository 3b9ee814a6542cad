package postgres

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// understood are the parameters of a URI that pgx knows. Others are either those of Python's drivers, see ignored, or
// mistyped; pgx would send them to the server as settings of the session.
func understood() []string {
	return []string{"host", "port", "user", "password", "passfile", "dbname", "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslsni",
		"sslnegotiation", "connect_timeout", "target_session_attrs", "service", "servicefile", "application_name", "krbspn", "krbsrvname",
		"channel_binding", "require_auth"}
}

// ignored are parameters of libpq and of Python's drivers that change nothing here.
func ignored() []string {
	return []string{"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "gssencmode", "client_encoding",
		"fallback_application_name", "prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback"}
}

// parse reads a URI of Go's or SQLAlchemy's kind, and gives a name for messages that has no password in it.
func parse(uri string) (*pgx.ConnConfig, string, error) {
	where := sqldb.Redact(uri)
	clean, err := normalize(uri)
	if err != nil {
		return nil, "", fault.New(fault.Invalid, "%s is no URI of a PostgreSQL database", where).Because(err).
			Try("Write postgresql://USER:PASSWORD@HOST:5432/DATABASE, with @ : / and %% in the password as %%40 %%3A %%2F and %%25.")
	}
	config, err := pgx.ParseConfig(clean)
	if err != nil {
		return nil, "", fault.New(fault.Invalid, "%s is no URI of a PostgreSQL database: %s", where, reason(err)).
			Try("Write postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full.")
	}
	if config.Password == "" && strings.Contains(where, ":***@") {
		return nil, "", fault.New(fault.Invalid, "%s has an empty password", where).Try("Put it in, or leave the colon out.")
	}
	configure(config)
	return config, where, nil
}

// reason is what pgx has to say, without the connection string that it repeats.
func reason(err error) string {
	text := err.Error()
	if _, tail, ok := strings.Cut(text, "`: "); ok {
		return tail
	}
	return "it cannot be parsed"
}

// normalize writes the URI as pgx reads it: no driver in the scheme, credentials escaped, and only parameters that it
// knows. Credentials end at the last @, as SQLAlchemy has it, so that an unescaped one in a password does no harm.
func normalize(uri string) (string, error) {
	_, rest, _ := strings.Cut(uri, "://")
	base, query, _ := cutQuery(rest)
	var user *url.Userinfo
	if i := strings.LastIndex(base, "@"); i >= 0 {
		name, password, secret := strings.Cut(base[:i], ":")
		base = base[i+1:]
		user = url.User(unescape(name))
		if secret {
			user = url.UserPassword(unescape(name), unescape(password))
		}
	}
	host, path, _ := strings.Cut(base, "/")
	params, err := parameters(query)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(host, "%2F") || strings.HasPrefix(host, "%2f") { // a folder with a socket
		params.Set("host", unescape(host))
		host = ""
	}
	u := url.URL{Scheme: "postgres", User: user, Host: host, Path: "/" + unescape(path), RawQuery: params.Encode()}
	return u.String(), nil
}

// cutQuery splits off the parameters: those behind the first ? after the credentials.
func cutQuery(rest string) (base, query string, found bool) {
	from := strings.LastIndex(rest, "@") + 1
	if q := strings.Index(rest, "?"); q >= 0 && q < from && strings.Contains(rest[q:from], "=") && !strings.Contains(rest[:q], ":") {
		from = 0 // the @ stands in a parameter
	}
	base, query, found = strings.Cut(rest[from:], "?")
	return rest[:from] + base, query, found
}

func parameters(query string) (url.Values, error) {
	given, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	kept := url.Values{}
	for name, values := range given {
		switch value := values[len(values)-1]; {
		case name == "ssl": // asyncpg's name for it
			kept.Set("sslmode", value)
		case slices.Contains(ignored(), name):
		case slices.Contains(understood(), name):
			kept.Set(name, value)
		default:
			return nil, fault.New(fault.Invalid, "the parameter %s is not known", strconv.Quote(name))
		}
	}
	return kept, nil
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// secure demands for production what keeps a connection from being read or redirected: encryption with a certificate
// that was verified for this host, or a socket on this machine. sslmode=require verifies nothing.
func secure(config *pgx.ConnConfig, where string) error {
	tries := []struct {
		host     string
		verified bool
	}{{config.Host, config.TLSConfig != nil && !config.TLSConfig.InsecureSkipVerify}}
	for _, f := range config.Fallbacks {
		tries = append(tries, struct {
			host     string
			verified bool
		}{f.Host, f.TLSConfig != nil && !f.TLSConfig.InsecureSkipVerify})
	}
	for _, t := range tries {
		if !t.verified && !strings.HasPrefix(t.host, "/") {
			return fault.New(fault.Denied, "--production demands a verified connection, and %s would not verify who answers as %s", where,
				net.JoinHostPort(t.host, strconv.Itoa(int(config.Port)))).
				Try("Add sslmode=verify-full (and sslrootcert=FILE for a certificate authority of your own) to the URI, or accept the risk with --allow-insecure-db.")
		}
	}
	return nil
}
