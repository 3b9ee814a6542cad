package postgres

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

// shown is what a URI was understood as: user:password@host:port,host:port/database, and the modes of encryption.
func shown(c *pgx.ConnConfig) string {
	hosts, tls := fmt.Sprintf("%s:%d", c.Host, c.Port), mode(c.TLSConfig != nil, c.TLSConfig != nil && !c.TLSConfig.InsecureSkipVerify)
	for _, f := range c.Fallbacks {
		hosts += fmt.Sprintf(",%s:%d", f.Host, f.Port)
		tls += " " + mode(f.TLSConfig != nil, f.TLSConfig != nil && !f.TLSConfig.InsecureSkipVerify)
	}
	return fmt.Sprintf("%s:%s@%s/%s %s", c.User, c.Password, hosts, c.Database, tls)
}

func mode(encrypted, verified bool) string {
	switch {
	case verified:
		return "verified"
	case encrypted:
		return "encrypted"
	default:
		return "plain"
	}
}

// quiet takes what libpq would read beside the URI out of the environment.
func quiet(t testing.TB) {
	t.Helper()
	for _, name := range []string{"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE", "PGSSLROOTCERT"} {
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PGUSER", "me")
	t.Setenv("PGSSLMODE", "disable")
	t.Setenv("PGHOST", "/sockets")
	t.Setenv("PGPASSFILE", filepath.Join(t.TempDir(), "none"))
}

func TestParse(t *testing.T) {
	quiet(t)
	for uri, want := range map[string]string{
		"postgres://u:p@h/d":                                                               "u:p@h:5432/d plain",
		"postgresql://u:p@h:5433/d":                                                        "u:p@h:5433/d plain",
		"postgresql+psycopg2://u:p@h/d":                                                    "u:p@h:5432/d plain",
		"postgresql+asyncpg://u:p@h/d?ssl=require":                                         "u:p@h:5432/d encrypted",
		"postgresql+asyncpg://u:p@h/d?ssl=true":                                            "u:p@h:5432/d verified",
		"postgresql+asyncpg://u:p@h/d?ssl=verify-full":                                     "u:p@h:5432/d verified",
		"postgresql+asyncpg://u:p@h/d?ssl=false":                                           "u:p@h:5432/d plain",
		"postgresql+asyncpg://u:p@h/d?prepared_statement_cache_size=0&async_fallback=True": "u:p@h:5432/d plain",
		"postgres://h/d":                                                                   "me:@h:5432/d plain",
		"postgres://h":                                                                     "me:@h:5432/ plain",
		"postgres://":                                                                      "me:@/sockets:5432/ plain",
		"postgres:///d":                                                                    "me:@/sockets:5432/d plain",
		"postgres://u@":                                                                    "u:@/sockets:5432/ plain",
		"postgres://u@/d":                                                                  "u:@/sockets:5432/d plain",
		"postgres://u@h":                                                                   "u:@h:5432/ plain",
		"postgres://u:p@/d?host=/run/postgresql":                                           "u:p@/run/postgresql:5432/d plain",
		"postgres://u:p@/d?host=%2Frun%2Fpg&port=5433":                                     "u:p@/run/pg:5433/d plain",
		"postgres://u:p@%2Frun%2Fpg:5433/d":                                                "u:p@/run/pg:5433/d plain",
		"postgres://u:p@%2frun%2fpg,h2/d":                                                  "u:p@/run/pg:5432,h2:5432/d plain plain",
		"postgres://u:p@[::1]:5433/d":                                                      "u:p@::1:5433/d plain",
		"postgres://u:p@[fe80::1%25eth0]/d":                                                "u:p@fe80::1%eth0:5432/d plain",
		"postgres://u:p@h1,h2/d":                                                           "u:p@h1:5432,h2:5432/d plain plain",
		"postgres://u:p@h1:1,h2:2/d":                                                       "u:p@h1:1,h2:2/d plain plain",
		"postgres://u:p@h1:1,h2/d":                                                         "u:p@h1:1,h2:5432/d plain plain",
		"postgres://u:p@[::1]:1,[::2]:2/d":                                                 "u:p@::1:1,::2:2/d plain plain",
		"postgresql+psycopg2://u:p@/d?host=h1:1&host=h2:2&host=h3":                         "u:p@h1:1,h2:2,h3:5432/d plain plain plain",
		"postgres://u:p@/d?host=h1,h2&port=1,2":                                            "u:p@h1:1,h2:2/d plain plain",
		"postgres://u:p@h1,h2/d?sslmode=prefer":                                            "u:p@h1:5432,h1:5432,h2:5432,h2:5432/d encrypted plain encrypted plain",
		"postgres://u:p@h/d?sslmode=allow":                                                 "u:p@h:5432,h:5432/d plain encrypted",
		"postgres://u:p@h/d?sslmode=verify-ca":                                             "u:p@h:5432/d encrypted",
		"postgres://h/d?user=u&password=p":                                                 "u:p@h:5432/d plain",
		"postgres://x:y@h/d?user=u&password=p":                                             "u:p@h:5432/d plain",
		"postgres://u@h/d?password=p@s:w/o%25d":                                            "u:p@s:w/o%d@h:5432/d plain",
		"postgres://u:q@h/d?password=p@h2":                                                 "u:p@h2@h:5432/d plain",
		"postgres:///?dbname=d&host=h&port=1":                                              "me:@h:1/d plain",
		"postgres://u:p%40%3A%2F%25%3F%23%20@h/d":                                          "u:p@:/%?# @h:5432/d plain",
		"postgres://u:p@s@h/d":                                                             "u:p@s@h:5432/d plain",
		"postgres://u:p:s@h/d":                                                             "u:p:s@h:5432/d plain",
		"postgres://u:p/s@h/d":                                                             "u:p/s@h:5432/d plain",
		"postgres://u:p?s@h/d":                                                             "u:p?s@h:5432/d plain",
		"postgres://u:p?s=1&t@h/d":                                                         "u:p?s=1&t@h:5432/d plain",
		"postgres://u:p#s@h/d":                                                             "u:p#s@h:5432/d plain",
		"postgres://u:100%@h/d":                                                            "u:100%@h:5432/d plain",
		"postgres://u:@@h/d":                                                               "u:@@h:5432/d plain",
		"postgres://u:a@b/c@h/d":                                                           "u:a@b/c@h:5432/d plain",
		"postgres://u:a@b/c?d#e:f@h:1/d?sslmode=require":                                   "u:a@b/c?d#e:f@h:1/d encrypted",
		`postgres://u:it's \ "so"@h/d`:                                                     `u:it's \ "so"@h:5432/d plain`,
		"postgres://u%40corp:p@h/d":                                                        "u@corp:p@h:5432/d plain",
		"postgres://Größe:🦜@h/Größe":                                                       "Größe:🦜@h:5432/Größe plain",
		"postgres://u:p@h/my%20db%2F%3F%40":                                                "u:p@h:5432/my db/?@ plain",
		"postgres://u:p@h/d?keepalives=1&gssencmode=disable":                               "u:p@h:5432/d plain",
		"postgres://u:p@h/d?application_name=x&connect_timeout=3":                          "u:p@h:5432/d plain",
	} {
		c, _, where, err := parse(uri)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		if got := shown(c); got != want {
			t.Errorf("%s is\n%s, want\n%s", uri, got, want)
		}
		if strings.Contains(where, ":p@") || strings.Contains(where, "password=p") {
			t.Errorf("%s is shown as %s", uri, where)
		}
	}
}

// A service has its settings in a file; what the URI says counts more.
func TestParseService(t *testing.T) {
	quiet(t)
	os.Unsetenv("PGHOST")
	file := filepath.Join(t.TempDir(), "services")
	if err := os.WriteFile(file, []byte("[metrics]\nhost=h\nport=1\nuser=u\ndbname=d\npassword=p\nsslmode=require\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := "&servicefile=" + url.QueryEscape(file)
	for uri, want := range map[string]string{
		"postgres:///?service=metrics" + at:    "u:p@h:1/d encrypted",
		"postgres://x@/y?service=metrics" + at: "x:p@h:1/y encrypted",
	} {
		c, _, _, err := parse(uri)
		if err != nil || shown(c) != want {
			t.Errorf("%s is %v, %v, want %s", uri, shown(c), err, want)
		}
	}
	if _, _, _, err := parse("postgres:///?service=none" + at); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "service") {
		t.Error(err)
	}
}

func TestParseRefuses(t *testing.T) {
	quiet(t)
	for uri, want := range map[string]string{
		"postgres://u:@h/d":                         "empty password",
		"postgres://h/d?password=":                  "empty password",
		"postgres://u:p@h:port/d":                   "no port",
		"postgres://u:p@h:70000/d":                  "invalid port",
		"postgres://u:p@::1/d":                      "more than one colon",
		"postgres://u:p@[::1/d":                     "no ]",
		"postgres://u:p@h/d?sslmode=maybe":          "sslmode is invalid",
		"postgres://u:p@h/d?sslmod=require":         `the parameter "sslmod" is not known`,
		"postgres://h/d?password=p&SECRET&x=1":      "write & in a password as %26",
		"postgres://h/d?password=p%zz":              "name=value",
		"postgres://h/d?password=p;q":               "name=value",
		"postgres://u:p%00q@h/d":                    "NUL",
		"postgres://u:p@h/d%00":                     "NUL",
		"postgres://u:p@h/d?connect_timeout=x":      "connect_timeout",
		"postgres://u:p@h/d?sslrootcert=/none":      "CA file",
		"postgres://u:p@h1,h2/d?port=1,2,3":         "could not match 3 port numbers to 2 hosts",
		"postgres://u:p@h/d?target_session_attrs=x": "target_session_attrs",
	} {
		_, _, _, err := parse(uri)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ". ") {
			t.Errorf("%s: %v, want %q and a remedy", uri, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// What is safe is a socket of this machine, and a certificate that was verified for the host: nothing else is, and no
// second try may be less.
func TestSecure(t *testing.T) {
	quiet(t)
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, []byte(authority), 0o600); err != nil {
		t.Fatal(err)
	}
	with := "&sslrootcert=" + url.QueryEscape(root)
	for uri, safe := range map[string]bool{
		"postgres://h/d?sslmode=verify-full":                        true,
		"postgres://h/d?sslmode=verify-full" + with:                 true,
		"postgres://h1,h2/d?sslmode=verify-full":                    true,
		"postgres://h/d?ssl=true":                                   true,
		"postgres://h/d?sslrootcert=system":                         true, // libpq makes it verify-full
		"postgres:///d?host=/run/postgresql":                        true,
		"postgres://%2Frun%2Fpg,h/d?sslmode=verify-full":            true,
		"postgres://%2Frun%2Fpg,h/d":                                false,
		"postgres://h,%2Frun%2Fpg/d?sslmode=require":                false,
		"postgres://h/d":                                            false,
		"postgres://h/d?sslmode=disable":                            false,
		"postgres://h/d?sslmode=allow":                              false,
		"postgres://h/d?sslmode=prefer":                             false,
		"postgres://h/d?sslmode=require":                            false,
		"postgres://h/d?sslmode=require" + with:                     false,
		"postgres://h/d?sslmode=verify-ca":                          false,
		"postgres://h/d?sslmode=verify-ca" + with:                   false,
		"postgres://localhost/d":                                    false,
		"postgres://h/d?sslmode=prefer" + with:                      false,
		"postgres://h/d?sslmode=verify-full&sslmode=require" + with: false,
	} {
		c, _, where, err := parse(uri)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		if err := secure(c, where); (err == nil) != safe || err != nil && (fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "--allow-insecure-db")) {
			t.Errorf("%s: %v, want safe %v", uri, err, safe)
		}
	}
}

// authority is a certificate that signed nothing.
const authority = `-----BEGIN CERTIFICATE-----
MIIBRDCB66ADAgECAgEBMAoGCCqGSM49BAMCMBExDzANBgNVBAMTBm5vYm9keTAg
Fw03MDAxMDEwMDAwMDBaGA8yMDk5MDEwMTAwMDAwMFowETEPMA0GA1UEAxMGbm9i
b2R5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEd8HL8RJyftLvjPCHKjZqTqV2
z8T4kDPv2CRaaTeylffsJVfdW+XnnvPP1jaj++2CA7+l+KcZa+np882GYolqAKMy
MDAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUu2kAROE09KBWYYcD6xkzWKIe
tVEwCgYIKoZIzj0EAwIDSAAwRQIhAKmKG90RlkSAXF2zDdZQwmJZ268IcsaBlp/m
IoFe5HN0AiBOSpcbX+8DGvoWQKMyoZ9XSg5Z8qZ5EtFuPm2EzeSPVQ==
-----END CERTIFICATE-----
`

// FuzzParse puts any password into the places where people put one: escaped it is read back to the byte, and whatever is
// done with it, no message shows it. Letters become S, so that what survives is seen.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"secret", "", "@", ":", "/", "%", "?", "&", " ", "p@ss", "a:b@c/d%e?f&g h", "@@", "?@?", "/@host/", "%40%3A", "a?x=y@z", "://",
		"x://y:z@", "#", ";", "'\"", "\\", "\\'", "\n", "\x00", "=", "a=b&c=d", "***", "`: ", "a`: b", "[", "]", "@h/d?sslmode=x", ",", "+", "%zz", "@:1,h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		password := strings.Map(func(r rune) rune {
			if strings.ContainsRune("@:/%?& =#;'\"\\\n\x00`[],+", r) {
				return r
			}
			return 'S'
		}, text)
		for _, form := range []string{"postgres://u:%s@h/d", "postgresql+psycopg2://u:%s@h1:1,h2:2/d?sslmode=require", "postgres://h/d?user=u&password=%s",
			"postgres://u:%s@/d?host=/s"} {
			escaped := strings.ReplaceAll(url.QueryEscape(password), "+", "%20")
			c, _, where, err := parse(fmt.Sprintf(form, escaped))
			switch {
			case err == nil && c.Password != password:
				t.Errorf("%q in %s is read as %q", password, form, c.Password)
			case err == nil && c.User != "u", err == nil && c.Database != "d":
				t.Errorf("%q in %s makes user %q, database %q", password, form, c.User, c.Database)
			case err != nil && password != "" && !strings.Contains(password, "\x00"):
				t.Errorf("%q in %s: %v", password, form, err)
			}
			silent(t, form, where, err)
			_, _, where, err = parse(fmt.Sprintf(form, password))
			if !strings.Contains(password, "&") { // there a parameter ends
				silent(t, form, where, err)
			}
		}
	})
}

// silent wants no S in what is said, save in what is said of every URI.
func silent(t *testing.T, form, where string, err error) {
	t.Helper()
	said := where
	if err != nil {
		said += err.Error()
	}
	for _, known := range []string{"PostgreSQL", "USER", "PASSWORD", "HOST", "DATABASE", "NUL", "SQLAlchemy", "IPv6", "CA"} {
		said = strings.ReplaceAll(said, known, "")
	}
	if strings.Contains(said, "S") {
		t.Errorf("%s: %s", form, said)
	}
}
