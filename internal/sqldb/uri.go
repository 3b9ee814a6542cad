package sqldb

import (
	"net/url"
	"regexp"
	"strings"
)

// split takes a URI apart at "://"; ok is false for what has no scheme before it, such as a path.
func split(uri string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(uri, "://")
	return scheme, rest, ok && regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+._-]*$`).MatchString(scheme)
}

// Scheme gives the scheme of a database URI without SQLAlchemy's driver suffix ("postgresql+psycopg2" is
// "postgresql"); a plain path is "sqlite".
func Scheme(uri string) string {
	if strings.HasPrefix(uri, "file:") {
		return "file"
	}
	s, _, ok := split(uri)
	if !ok {
		return "sqlite"
	}
	s, _, _ = strings.Cut(strings.ToLower(s), "+")
	return s
}

// secret finds the name of a parameter that holds a password.
const secret = `(?i)(?:password|passwd|pwd)=`

// Redact gives the URI without passwords, fit for messages and logs. Where it is not clear what belongs to the
// password, because it holds unescaped characters, it leaves out too much rather than too little.
func Redact(uri string) string {
	scheme, rest, ok := split(uri)
	if !ok {
		return redactPlain(uri)
	}
	user, _, _ := strings.Cut(rest, ":")
	at := strings.LastIndex(rest, "@") // the last one ends the credentials: a password may hold some, and / and ? too
	if at < len(user) {
		return scheme + "://" + redactQuery(rest)
	}
	head, tail := rest[:at], rest[at:]
	if regexp.MustCompile(secret).MatchString(head) {
		tail = "" // that @ may stand in a password among the parameters
	}
	return scheme + "://" + redactQuery(user) + ":***" + redactQuery(tail)
}

// redactQuery leaves out the passwords among parameters. What follows one and is no parameter may be a part of it.
func redactQuery(s string) string {
	var kept []string
	hidden := false
	for part := range strings.SplitSeq(s, "&") {
		at := regexp.MustCompile(secret).FindStringIndex(part)
		switch {
		case at != nil:
			part, hidden = part[:at[1]]+"***", true
		case hidden && !strings.Contains(part, "="):
			continue
		default:
			hidden = false
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "&")
}

// redactPlain is for what is no URI: a path, or by mistake "user:password@tcp(host)/name" or "host=h password=p".
func redactPlain(s string) string {
	if at := regexp.MustCompile(secret).FindStringIndex(s); at != nil {
		return s[:at[1]] + "***"
	}
	return regexp.MustCompile(`(?s)^([^/.:@][^/:@]*):.*@`).ReplaceAllString(s, "${1}:***@")
}

// unescape undoes percent-encoding where it is well-formed.
func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// SQLitePath gives the file that a SQLite URI names: SQLAlchemy's sqlite:///relative and sqlite:////absolute,
// SQLite's own file:path, or a plain path, which is taken as it is. It is empty for an in-memory database, and for one of
// another engine.
func SQLitePath(uri string) string {
	path := uri
	switch Scheme(uri) {
	default:
		return ""
	case "file":
		path = strings.TrimPrefix(uri, "file:")
		if strings.HasPrefix(path, "///") {
			path = path[2:]
		}
		path = strings.TrimPrefix(path, "//localhost")
	case "sqlite":
		_, rest, ok := split(uri)
		if !ok {
			return onDisk(uri)
		}
		path = strings.TrimPrefix(rest, "/")
	}
	path, query, _ := strings.Cut(path, "?")
	if q, err := url.ParseQuery(query); err == nil && q.Get("mode") == "memory" {
		return ""
	}
	return onDisk(unescape(path))
}

func onDisk(path string) string {
	if path == ":memory:" {
		return ""
	}
	return path
}
