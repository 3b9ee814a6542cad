package postgres_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
)

// identity is a certificate with its key.
type identity struct {
	cert *x509.Certificate
	der  []byte
	key  *ecdsa.PrivateKey
}

// issue makes a certificate for a host, signed by an authority; nil = by itself. One for no host is an authority.
func issue(t testing.TB, by *identity, host string, until time.Time) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "feedback-loop " + serial.String()}, NotBefore: until.AddDate(-2, 0, 0), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if host == "" {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
	} else {
		c.DNSNames = []string{host}
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{c, der, key}
}

func (i *identity) certPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.der})
}

func (i *identity) keyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// show makes the server use a certificate from now on.
func show(t testing.TB, s *pgtest.Server, i *identity) {
	t.Helper()
	s.Own(t, "server.crt", i.certPEM())
	s.Own(t, "server.key", i.keyPEM(t))
	if err := s.Ctl("restart", "-m", "immediate"); err != nil {
		t.Fatal(err)
	}
}

// TestTLS tries each sslmode on each certificate. What has to happen is the table in section 34.19 of PostgreSQL's manual:
// the modes up to require encrypt without asking who answers, verify-ca asks for an authority it knows, verify-full also
// for the name of the host; require with an authority's file is verify-ca. For production only verify-full is enough.
func TestTLS(t *testing.T) {
	later, before := time.Now().AddDate(1, 0, 0), time.Now().AddDate(0, 0, -1)
	known, unknown := issue(t, nil, "", later), issue(t, nil, "", later)
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, known.certPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	port := pgtest.FreePort(t)
	s := pgtest.New(t, "listen_addresses='127.0.0.1'", fmt.Sprintf("port=%d", port), "fsync=off")
	s.Own(t, "server.crt", known.certPEM())
	s.Own(t, "server.key", known.keyPEM(t))
	run(t, s.URI("postgres", "postgres"), "ALTER SYSTEM SET ssl_cert_file = '"+filepath.Join(s.Dir, "server.crt")+"'",
		"ALTER SYSTEM SET ssl_key_file = '"+filepath.Join(s.Dir, "server.key")+"'", "ALTER SYSTEM SET ssl = on")
	s.Access(t, "local all all trust", "host all all 127.0.0.1/32 trust")
	uri := s.Database(t)
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("postgresql://%s@localhost:%d%s?", pgtest.Owner, port, u.Path)
	with := "&sslrootcert=" + url.QueryEscape(root)
	for _, c := range []struct {
		name    string
		cert    *identity
		ca, all bool // verify-ca and verify-full take it
	}{
		{"good", issue(t, known, "localhost", later), true, true},
		{"wrong host", issue(t, known, "other.example.org", later), true, false},
		{"expired", issue(t, known, "localhost", before), false, false},
		{"unknown authority", issue(t, unknown, "localhost", later), false, false},
		{"self-signed", issue(t, nil, "localhost", later), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			show(t, s, c.cert)
			for mode, want := range map[string]struct{ encrypted, taken bool }{
				"sslmode=disable": {false, true}, "sslmode=allow": {false, true}, "sslmode=prefer": {true, true}, "sslmode=require": {true, true},
				"sslmode=require" + with: {true, c.ca}, "sslmode=verify-ca" + with: {true, c.ca}, "sslmode=verify-full" + with: {true, c.all},
				"ssl=true" + with: {true, c.all}, "sslmode=verify-full": {true, false}, // the system knows none of these authorities
			} {
				tryTLS(t, at+mode, want.encrypted, want.taken)
				production(t, at+mode, want.taken && (strings.HasPrefix(mode, "sslmode=verify-full") || strings.HasPrefix(mode, "ssl=true")))
			}
			production(t, uri, true)
		})
	}
}

func tryTLS(t *testing.T, uri string, encrypted, taken bool) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), []sqldb.Engine{postgres.Engine{}}, uri, sqldb.Options{})
	if !taken {
		if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "no trusted connection") || !strings.Contains(err.Error(), "sslrootcert") {
			t.Errorf("%s: %v", uri, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", uri, err)
		return
	}
	defer db.Close()
	var got bool
	if err := db.Row(t.Context(), db.Statement("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), &got); err != nil || got != encrypted {
		t.Errorf("%s: encrypted %v, %v, want %v", uri, got, err, encrypted)
	}
}

func production(t *testing.T, uri string, taken bool) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), []sqldb.Engine{postgres.Engine{}}, uri, sqldb.Options{Production: true})
	switch {
	case taken && err != nil:
		t.Errorf("%s: %v", uri, err)
	case taken:
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	case fault.KindOf(err) != fault.Denied:
		t.Errorf("for production %s gives %v", uri, err)
	}
}
