package postgres_test

import (
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/sqldb/postgres/pgtest"
	"github.com/feedback-loop/feedback-loop/internal/sqldb/sqldbtest"
)

// The engine is the same behind a proxy that hands another session to every transaction.
func TestConformanceBehindBouncer(t *testing.T) {
	server := pgtest.Shared(t)
	b := server.Bouncer(t, 3)
	s := suite()
	direct := s
	s.New = func(t testing.TB) string { return b.URI(direct.New(t)) }
	s.Fingerprint = func(t testing.TB, uri string) string { return direct.Fingerprint(t, b.Direct(uri)) }
	s.Foreign = func(t testing.TB, uri string, stmts ...string) { direct.Foreign(t, b.Direct(uri), stmts...) }
	sqldbtest.Run(t, s)
}
