package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

// meaning is what an error of the server means for the user, and what to do about it.
type meaning struct {
	kind            fault.Kind
	message, remedy string
}

// meanings are those of the SQLSTATE codes that an administrator or a user can do something about; see appendix A of
// PostgreSQL's manual.
func meanings() map[string]meaning {
	return map[string]meaning{
		"28P01": {fault.Denied, "the server does not accept this user and password",
			"Check both in the URI; write @ : / and % in a password as %40 %3A %2F and %25."},
		"28000": {fault.Denied, "the server does not let this user in",
			"Check the user in the URI, and the server's pg_hba.conf."},
		"3D000": {fault.Unavailable, "there is no such database",
			"Make it with: createdb --encoding UTF8 NAME, or check the name in the URI."},
		"42501": {fault.Denied, "the user of the database may not do that",
			"Connect as the owner of the tables, or let an administrator grant: CREATE ON DATABASE (to make the tables), CREATEROLE (to make readers)."},
		"42P01": {fault.Internal, "a table is missing",
			"If somebody removed it, restore a backup; see: feedback-loop db status"},
		"55P03": {fault.Unavailable, "the database is locked by another process",
			"Wait until its import ends and run this again; nothing is lost by that."},
		"57014": {fault.Unavailable, "the server cancelled the statement because it took too long",
			"Ask for less at once, or run this again when the server is less busy."},
		"25P03": {fault.Disconnected, "the server ended a transaction that was idle",
			"Run this again; a dry run of slow standard input is better done from a file."},
		"53100": {fault.Unavailable, "the disk of the server is full",
			"Free space there and run this again; what was written before is kept and will be recognised."},
		"53200": {fault.Unavailable, "the server is out of memory or of locks",
			"Raise max_locks_per_transaction on the server if the tables have many parts, then run this again."},
		"53300": {fault.Unavailable, "the server has no free connection",
			"Raise max_connections there, use a smaller --db-pool-size, or put pgbouncer between."},
		"25006": {fault.Unavailable, "the server takes no writes: it is a standby or read-only",
			"Name the primary, or several hosts with target_session_attrs=read-write."},
		"40P01": {fault.Disconnected, "the server undid the transaction for the sake of another",
			"Run this again; nothing is lost by that."},
		"40001": {fault.Disconnected, "the server undid the transaction for the sake of another",
			"Run this again; nothing is lost by that."},
		"57P04": {fault.Unavailable, "the database was dropped",
			"Restore it, or name another."},
		"23514": {fault.Conflict, "a row does not fit its table, or none of the table's parts",
			"A part that was made by hand must begin and end with a month in UTC: detach it, and it will be made anew."},
		"22021": {fault.Invalid, "the text holds a character that PostgreSQL cannot store, such as NUL",
			"Remove it from the record."},
		"22P05": {fault.Invalid, "the text holds a character that PostgreSQL cannot store, such as NUL",
			"Remove it from the record."},
	}
}

// lost says whether a server, or the proxy before it, is going, has gone, or is not back yet. The code 08P01 is that of
// a protocol gone wrong, and of anything that pgbouncer has to say, which is then fatal. After a panic, whatever its
// reason, the server starts anew.
func lost(e *pgconn.PgError) bool {
	if e.SeverityUnlocalized == "PANIC" {
		return true
	}
	switch e.Code {
	case "57P01", "57P02", "57P03", "57P05":
		return true
	case "08P01":
		return e.Severity == "FATAL"
	default:
		return strings.HasPrefix(e.Code, "08")
	}
}

// Explain implements sqldb.Engine.
func (Engine) Explain(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return explainServer(e, err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		if _, connecting := errors.AsType[*pgconn.ConnectError](err); !connecting {
			return err
		}
	}
	return explainNetwork(err)
}

func explainNetwork(err error) error {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return fault.New(fault.Unavailable, "the host %s is not known", e.Name).Because(err).Try("Check the name of the host in the URI.")
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		if strings.Contains(err.Error(), "tls") || strings.Contains(err.Error(), "x509") || strings.Contains(err.Error(), "certificate") {
			return fault.New(fault.Denied, "no trusted connection to the server").Because(err).
				Try("Check sslmode and sslrootcert in the URI, and the certificate of the server.")
		}
		return fault.New(fault.Disconnected, "the server cannot be reached").Because(err).
			Try("Check that it runs and that host and port are right, then run this again; nothing is lost by that.")
	}
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ETIMEDOUT) || isNetwork(err) {
		return fault.New(fault.Disconnected, "the connection to the server was lost").Because(err).
			Try("Run this again when the server is back; what was written will be recognised.")
	}
	return err
}

func isNetwork(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok || strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "closed the connection")
}

// explainServer says what an error of the server means for the user.
func explainServer(e *pgconn.PgError, err error) error {
	if lost(e) {
		return fault.New(fault.Disconnected, "the server ended the connection (%s)", e.Message).
			Try("Run this again when the server is back; what was written will be recognised.")
	}
	m, ok := meanings()[e.Code]
	if !ok {
		return err
	}
	return fault.New(m.kind, "%s", m.message).Because(err).Try("%s", m.remedy)
}
