package sqldb

import (
	"net/url"
	"regexp"
	"strings"
)

// Scheme gives the scheme of a database URI without SQLAlchemy's driver suffix ("postgresql+psycopg2" is
// "postgresql"); a plain path is "sqlite".
func Scheme(uri string) string {
	if strings.HasPrefix(uri, "file:") {
		return "file"
	}
	s, _, ok := strings.Cut(uri, "://")
	if !ok {
		return "sqlite"
	}
	s, _, _ = strings.Cut(strings.ToLower(s), "+")
	return s
}

var password = regexp.MustCompile(`(?i)((?:password|passwd|pwd|sslpassword)=)[^&\s;]*`)

// Redact gives the URI without passwords, fit for messages and logs.
func Redact(uri string) string {
	if !strings.Contains(uri, "://") {
		return password.ReplaceAllString(uri, "${1}***")
	}
	scheme, rest, _ := strings.Cut(uri, "://")
	// The last @ ends the credentials: people paste passwords that hold an unescaped @ or /.
	head, query, hasQuery := strings.Cut(rest, "?")
	if i := strings.LastIndex(rest, "@"); i > len(head) && strings.Contains(head, ":") && !strings.Contains(head, "@") {
		head, query, hasQuery = rest, "", false
	}
	if i := strings.LastIndex(head, "@"); i >= 0 {
		user, _, has := strings.Cut(head[:i], ":")
		if has {
			user += ":***"
		}
		head = user + head[i:]
	}
	if hasQuery {
		head += "?" + password.ReplaceAllString(query, "${1}***")
	}
	return scheme + "://" + head
}

// unescape undoes percent-encoding where it is well-formed.
func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// SQLitePath gives the file that a SQLite URI names: SQLAlchemy's sqlite:///relative and sqlite:////absolute,
// SQLite's own file:path, or a plain path. It is empty for an in-memory database.
func SQLitePath(uri string) string {
	path := uri
	switch Scheme(uri) {
	case "file":
		path = strings.TrimPrefix(uri, "file:")
		if strings.HasPrefix(path, "///") {
			path = path[2:]
		}
	case "sqlite":
		if _, rest, ok := strings.Cut(uri, "://"); ok {
			path = strings.TrimPrefix(rest, "/")
		} else {
			return uri
		}
	}
	path, _, _ = strings.Cut(path, "?")
	if path == ":memory:" {
		return ""
	}
	return unescape(path)
}
