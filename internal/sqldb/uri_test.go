package sqldb_test

import (
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

func TestScheme(t *testing.T) {
	for uri, want := range map[string]string{
		"sqlite:///metrics.db":                  "sqlite",
		"sqlite+pysqlite:////abs/metrics.db":    "sqlite",
		"SQLite:///metrics.db":                  "sqlite",
		"file:metrics.db":                       "file",
		"file:///abs/metrics.db?mode=ro":        "file",
		"postgresql+psycopg2://u:p@host/db":     "postgresql",
		"postgres://u@host/db":                  "postgres",
		"mysql+pymysql://u:p@host/db?a=x://y":   "mysql",
		"mssql+pyodbc://u:p@host/db":            "mssql",
		"oracle+oracledb://u:p@host":            "oracle",
		"metrics.db":                            "sqlite",
		"/data/metrics.db":                      "sqlite",
		"":                                      "sqlite",
		`C:\data\metrics.db`:                    "sqlite",
		"://host":                               "sqlite",
		"host=h password=a://b":                 "sqlite",
		"postgresql+asyncpg+x://u:p@host/db":    "postgresql",
		"sqlite:relative-without-slashes.db":    "sqlite",
		"./folder with space/a:b@c/metrics.db":  "sqlite",
		"https://example.org/?next=sqlite:///x": "https",
	} {
		if got := sqldb.Scheme(uri); got != want {
			t.Errorf("Scheme(%q) = %q, want %q", uri, got, want)
		}
	}
}

func TestSQLitePath(t *testing.T) {
	for uri, want := range map[string]string{
		"sqlite:///metrics.db":               "metrics.db",
		"sqlite:///folder/metrics.db":        "folder/metrics.db",
		"sqlite:///./metrics.db":             "./metrics.db",
		"sqlite:////data/metrics.db":         "/data/metrics.db",
		"sqlite+pysqlite:////data/m.db?x=1":  "/data/m.db",
		"sqlite:////data/a%20b%3Fc%23d.db":   "/data/a b?c#d.db",
		"sqlite:////data/100%.db":            "/data/100%.db", // no valid escape: taken as it is
		"sqlite:////data/Gr%C3%B6%C3%9Fe.db": "/data/Größe.db",
		"sqlite:////data/Größe 🦜.db":         "/data/Größe 🦜.db",
		"sqlite:////data/a+b.db":             "/data/a+b.db",
		"file:metrics.db":                    "metrics.db",
		"file:/data/metrics.db":              "/data/metrics.db",
		"file:///data/metrics.db":            "/data/metrics.db",
		"file://localhost/data/metrics.db":   "/data/metrics.db",
		"file:metrics.db?mode=rwc&cache=x":   "metrics.db",
		"file:a%20b.db":                      "a b.db",
		"metrics.db":                         "metrics.db",
		"/data/what?.db":                     "/data/what?.db",
		"/data/a%20b#c.db":                   "/data/a%20b#c.db",
		"":                                   "",
		"sqlite://":                          "",
		"sqlite:///":                         "",
		"sqlite:///:memory:":                 "",
		"sqlite:///%3Amemory%3A":             "",
		"file::memory:":                      "",
		"file::memory:?cache=shared":         "",
		"file:name?mode=memory&cache=shared": "",
		":memory:":                           "",
	} {
		if got := sqldb.SQLitePath(uri); got != want {
			t.Errorf("SQLitePath(%q) = %q, want %q", uri, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	for uri, want := range map[string]string{
		"postgres://user:secret@host:5432/db?sslmode=require": "postgres://user:***@host:5432/db?sslmode=require",
		"postgresql+psycopg2://user:s%40cret@host/db":         "postgresql+psycopg2://user:***@host/db",
		"postgres://user@host:5432/db":                        "postgres://user@host:5432/db",
		"postgres://host:5432/db":                             "postgres://host:5432/db",
		"postgres://:secret@host/db":                          "postgres://:***@host/db",
		"postgres://user:@host/db":                            "postgres://user:***@host/db",
		"postgres://user:p@ss@host/db":                        "postgres://user:***@host/db",
		"postgres://user:p/a:s?s#w&o r;d@host/db":             "postgres://user:***@host/db",
		"postgres://user:p@s?s@host/db":                       "postgres://user:***@host/db",
		"postgres://host/db?user=u&password=secret&x=y":       "postgres://host/db?user=u&password=***&x=y",
		"postgres://user@host/db?password=s@cret":             "postgres://user@host/db?password=***",
		"postgres://user@host/db?PassWord=s cr;et&x=y":        "postgres://user@host/db?PassWord=***&x=y",
		"postgres://u:one@host/db?sslpassword=two&x=y":        "postgres://u:***@host/db?sslpassword=***&x=y",
		"postgres://host/db?password=a&secret&b&x=y":          "postgres://host/db?password=***&x=y",
		"mssql://host?database=d&pwd=secret":                  "mssql://host?database=d&pwd=***",
		"sqlite:////data/metrics.db":                          "sqlite:////data/metrics.db",
		"/data/metrics.db":                                    "/data/metrics.db",
		"./a:b@c.db":                                          "./a:b@c.db",
		"host=h user=u password=secret dbname=d":              "host=h user=u password=***",
		"Server=h;Uid=u;Pwd=se cret;":                         "Server=h;Uid=u;Pwd=***",
		"user:secret@tcp(host:3306)/db":                       "user:***@tcp(host:3306)/db",
		"":                                                    "",
	} {
		if got := sqldb.Redact(uri); got != want {
			t.Errorf("Redact(%q)\n= %q, want\n  %q", uri, got, want)
		}
	}
}

// TestRedactUnclear has URIs that can be read in two ways; what may be part of a password has to go in each.
func TestRedactUnclear(t *testing.T) {
	for _, uri := range []string{
		"postgres://user@host:5432/db?password=SECRET@SECRET",
		"postgres://user:password=SECRET&SECRET@host/db",
		"postgres://user:SECRET?password=SECRET@host/db",
		"postgres://user:SECRET@SECRET?password=SECRET@host/db?x=y",
		"postgres://user:SECRET://SECRET@host/db",
		"mysql://user:SECRET@host/db?x=1&password=SECRET@SECRET&y=2",
	} {
		if got := sqldb.Redact(uri); strings.Contains(got, "SECRET") {
			t.Errorf("Redact(%q) = %q", uri, got)
		}
	}
}

// FuzzRedact puts any password into the places where people put them. Letters become S, so that what survives is seen
// whatever the rest of the URI is made of.
func FuzzRedact(f *testing.F) {
	for _, seed := range []string{"secret", "", "@", ":", "/", "%", "?", "&", " ", "p@ss", "a:b@c/d%e?f&g h", "@@", "?@?", "/@host/", "%40%3A", "a?x=y@z",
		"://", "x://y:z@", "#", ";", "'\"", "\\", "\n", "Größe🦜", "=", "a=b&c=d", "***"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		password := strings.Map(func(r rune) rune {
			if strings.ContainsRune("@:/%?& =#;'\"\\\n", r) {
				return r
			}
			return 'S'
		}, text)
		for form, want := range map[string]string{
			"postgres://user:PASSWORD@host/db":            "postgres://user:***@host/db",
			"mysql+x://user:PASSWORD@host:1/db?tls=true":  "mysql+x://user:***@host:1/db?tls=true",
			"postgres://:PASSWORD@host/db":                "postgres://:***@host/db",
			"user:PASSWORD@tcp(host)/db":                  "user:***@tcp(host)/db",
			"host=h password=PASSWORD user=u":             "host=h password=***",
			"postgres://user@host/db?password=" + "QUERY": "postgres://user@host/db?password=***",
			"mssql://host?pwd=QUERY&x=y":                  "mssql://host?pwd=***&x=y",
		} {
			if strings.HasPrefix(form, "user:") && strings.HasPrefix(password, "//") {
				continue // "user://..." is a URI
			}
			uri := strings.ReplaceAll(form, "PASSWORD", password)
			// A parameter ends at &, and what a : before an @ means there is not clear: see TestRedactUnclear.
			uri = strings.ReplaceAll(uri, "QUERY", strings.NewReplacer("&", "S", ":", "S").Replace(password))
			if got := sqldb.Redact(uri); got != want {
				t.Errorf("Redact(%q)\n= %q, want\n  %q", uri, got, want)
			}
		}
	})
}
