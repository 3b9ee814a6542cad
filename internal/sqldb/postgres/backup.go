package postgres

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

var _ sqldb.Archiver = Engine{}

// archived are the schemas that a backup holds: those of the tables, and that of the views for readers.
func archived() []string { return []string{"metrics", "api", "bi"} }

// archiveMagic begins a file of pg_dump's own format.
const archiveMagic = "PGDMP"

// Backup implements sqldb.Archiver by pg_dump, which knows everything that may be in a database.
func (Engine) Backup(ctx context.Context, p *sqldb.Pool, uri, path string) error {
	config, a, where, err := parse(uri)
	if err != nil {
		return err
	}
	server, err := mayDump(ctx, p.Read, where)
	if err != nil {
		return err
	}
	dump, err := program(ctx, "pg_dump", server)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	args := []string{"--format=custom", "--no-password", "--enable-row-security", "--lock-wait-timeout=" + ms(lockWait)}
	for _, s := range archived() {
		args = append(args, "--schema="+s)
	}
	info, env, err := a.forPrograms(config)
	if err == nil {
		err = run(ctx, dump, append(args, "--dbname="+info), env, out)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	list, err := program(ctx, "pg_restore", 0)
	if err != nil {
		return err
	}
	return run(ctx, list, []string{"--list", path}, nil, io.Discard)
}

// mayDump gives the major version of the server. A role that row security hides rows from would make a backup without them.
func mayDump(ctx context.Context, db *sql.DB, where string) (server int, err error) {
	var others int
	err = db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int / 10000,
  (SELECT COUNT(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname IN (`+quoted(archived())+`) AND c.relkind IN ('r', 'p') AND NOT pg_has_role(c.relowner, 'USAGE'))`).Scan(&server, &others)
	if err == nil && others > 0 {
		err = fault.New(fault.Denied, "%s: %d tables belong to another role, so that not every row may be visible", where, others).
			Try("Back up as the owner of the tables.")
	}
	return server, err
}

// forPrograms writes the address for PostgreSQL's own programs: a connection string, which others on the machine can see,
// and the environment, which they cannot.
func (a *address) forPrograms(config *pgx.ConnConfig) (info string, env []string, err error) {
	if a.params["sslpassword"] != "" {
		return "", nil, fault.New(fault.Invalid, "pg_dump cannot be given the password of a key (sslpassword)").
			Try("Name a decrypted key with sslkey, in a file that only you can read.")
	}
	given := &address{params: maps.Clone(a.params)}
	delete(given.params, "krbspn") // of pgx alone
	for name, value := range map[string]string{"host": config.Host, "port": strconv.Itoa(int(config.Port)), "user": config.User, "dbname": config.Database} {
		given.params[name] = cmp.Or(given.params[name], value)
	}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PGPASSWORD=") {
			env = append(env, e)
		}
	}
	if config.Password != "" {
		env = append(env, "PGPASSWORD="+config.Password)
	}
	return given.conninfo(), env, nil
}

// program finds the newest of PostgreSQL's programs of that name, which has to be at least of a version.
func program(ctx context.Context, name string, least int) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil {
		return "", err
	}
	if path, err := exec.LookPath(name); err == nil {
		found = append([]string{path}, found...)
	}
	best, newest := "", 0
	for _, path := range found {
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		if err != nil {
			continue // it may be another program's
		}
		if m := regexp.MustCompile(`\(PostgreSQL\) (\d+)`).FindSubmatch(out); m != nil {
			if v, err := strconv.Atoi(string(m[1])); err == nil && v > newest {
				best, newest = path, v
			}
		}
	}
	remedy := "Install PostgreSQL's client programs"
	if least > 0 {
		remedy += fmt.Sprintf(", version %d or newer,", least)
	}
	remedy += " or do without them: feedback-loop db copy --from URI --to sqlite:///FILE, and back."
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case best == "":
		return "", fault.New(fault.NotFound, "the program %s is not in PATH and not in /usr/lib/postgresql", name).Try("%s", remedy)
	case newest < least:
		return "", fault.New(fault.Conflict, "%s is of version %d and the server of version %d: an older program cannot read it", best, newest, least).Try("%s", remedy)
	}
	return best, nil
}

// command prepares a program. When the context ends it is asked to end, which it does without leaving anything on the
// server, and is killed if it does not.
func command(ctx context.Context, path string, args, env []string) (*exec.Cmd, *bytes.Buffer) {
	c := exec.CommandContext(ctx, path, args...)
	c.Env = env
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 5 * time.Second
	said := &bytes.Buffer{}
	c.Stderr = said
	return c, said
}

func run(ctx context.Context, path string, args, env []string, out io.Writer) error {
	c, said := command(ctx, path, args, env)
	c.Stdout = out
	return failed(ctx, c, said, c.Run())
}

// failed says why a program failed, in its own words.
func failed(ctx context.Context, c *exec.Cmd, said *bytes.Buffer, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fault.New(fault.Unavailable, "%s failed", filepath.Base(c.Path)).Because(errors.Join(errors.New(strings.TrimSpace(said.String())), err)).
		Try("Do what it says, then run this again; nothing was left behind.")
}

// Restore implements sqldb.Archiver. pg_restore only turns the archive into statements; they run on our own connection,
// in one transaction with the removal of what was there, while nobody else writes.
func (Engine) Restore(ctx context.Context, uri, path string, o sqldb.Options, force bool) (err error) {
	if err := isArchive(path); err != nil {
		return err
	}
	restore, err := program(ctx, "pg_restore", 0)
	if err != nil {
		return err
	}
	p, err := Engine{}.Open(ctx, uri, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Write.Close()) }()
	conn, err := p.Write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, p.Begin); err != nil {
		return err
	}
	if err = makeRoom(ctx, conn, p.Where, force); err == nil {
		err = replay(ctx, conn, restore, path)
	}
	if err == nil {
		err = accept(ctx, conn, path, o.Version)
	}
	if err == nil {
		err = Engine{}.Commit(ctx, conn)
	}
	if err != nil {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // a connection that is gone has done so
	}
	return err
}

func isArchive(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.New(fault.Denied, "%s cannot be read", path).Because(err).Try("Check its permissions.")
	}
	defer f.Close()
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	switch {
	case strings.HasPrefix(string(head[:n]), archiveMagic):
		return nil
	case strings.HasPrefix(string(head[:n]), "SQLite format 3"):
		return fault.New(fault.Invalid, "%s is a SQLite database", path).Try("Bring it here with: feedback-loop db copy --from sqlite:///%s --to URI", path)
	default:
		return fault.New(fault.Invalid, "%s is no backup of a PostgreSQL database", path).Because(err).Try("Name a file that db backup made; nothing was changed.")
	}
}

// makeRoom removes what was there. Schemas without anything in them are made anew as the backup has them.
func makeRoom(ctx context.Context, conn *sql.Conn, where string, force bool) error {
	var there int
	err := conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ("+
		quoted(archived())+")").Scan(&there)
	if err != nil {
		return err
	}
	if there > 0 && !force {
		return fault.New(fault.Conflict, "%s is not empty", where).Try("Restore into a new database (createdb NAME), or replace what is there with --force.")
	}
	_, err = conn.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+strings.Join(archived(), ", ")+" CASCADE")
	return err
}

// replay runs the statements of an archive.
func replay(ctx context.Context, conn *sql.Conn, restore, path string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // ends the program if its statements fail
	c, said := command(ctx, restore, []string{"--no-owner", "--enable-row-security", "--file=-", path}, nil)
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	s := &script{r: bufio.NewReaderSize(out, 1<<20)}
	err = conn.Raw(func(d any) error {
		s.pg = d.(*stdlib.Conn).Conn().PgConn()
		return s.run(ctx)
	})
	switch {
	case err == nil, s.cut:
		return failed(ctx, c, said, c.Wait())
	default:
		stop()
		_ = c.Wait() // it was stopped
		return explainRole(err)
	}
}

// explainRole names what has to be there before rights can be given.
func explainRole(err error) error {
	const undefinedObject = "42704"
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == undefinedObject && strings.Contains(e.Message, "role") {
		return fault.New(fault.Conflict, "the backup gives rights to a role that this server does not have").Because(err).
			Try("Make it with CREATE ROLE, or by db grant-reader in an empty database that was migrated, and run this again; nothing was changed.")
	}
	return err
}

// script runs statements as psql does.
type script struct {
	pg    *pgconn.PgConn
	r     *bufio.Reader
	stmts strings.Builder
	cut   bool // it ended within a table
}

func (s *script) run(ctx context.Context) error {
	for {
		line, err := s.r.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		switch {
		case strings.HasPrefix(line, `\`): // for psql alone
		case strings.HasPrefix(line, "SET transaction_timeout"): // servers before 17 do not know it
		case strings.HasPrefix(line, "COPY ") && strings.HasSuffix(line, " FROM stdin;\n"):
			if err := s.flush(ctx); err != nil {
				return err
			}
			data := &copyData{r: s.r, atStart: true}
			if _, err := s.pg.CopyFrom(ctx, data, strings.TrimSuffix(line, ";\n")); err != nil {
				s.cut = data.cut
				return err
			}
		default:
			s.stmts.WriteString(mine(line))
		}
		if err != nil {
			return s.flush(ctx)
		}
	}
}

// mine gives the policy by which row security lets the owner in to who owns the table now. The archive names who did.
func mine(line string) string {
	const whose = `^(CREATE POLICY owner ON \S+ TO ).+( USING \(true\) WITH CHECK \(true\);\n)$`
	return regexp.MustCompile(whose).ReplaceAllString(line, "${1}CURRENT_USER${2}")
}

func (s *script) flush(ctx context.Context) error {
	_, err := s.pg.Exec(ctx, s.stmts.String()).ReadAll()
	s.stmts.Reset()
	return err
}

// copyData gives the lines up to the one that ends a COPY.
type copyData struct {
	r       *bufio.Reader
	rest    []byte
	atStart bool // of a line
	done    bool
	cut     bool // there was no such line
}

// Read implements io.Reader.
func (c *copyData) Read(p []byte) (int, error) {
	if len(c.rest) == 0 && !c.done {
		line, err := c.r.ReadSlice('\n')
		switch {
		case c.atStart && string(line) == "\\.\n":
			c.done = true
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			c.cut = true
			return 0, io.ErrUnexpectedEOF
		default:
			c.rest, c.atStart = line, err == nil
		}
	}
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// accept refuses what is none of our backups, or a newer one's, and lets everybody find the tables by their plain names:
// an archive does not have the settings of its database.
func accept(ctx context.Context, conn *sql.Conn, path string, version int) error {
	var ours bool
	if err := conn.QueryRowContext(ctx, "SELECT to_regclass('metrics.feedback_loop_versions') IS NOT NULL").Scan(&ours); err != nil {
		return err
	}
	if !ours {
		return fault.New(fault.Conflict, "%s is the backup of another program", path).Try("Name a file that db backup made; nothing was changed.")
	}
	var have int
	if err := conn.QueryRowContext(ctx, "SELECT MAX(version) FROM metrics.feedback_loop_versions").Scan(&have); err != nil {
		return err
	}
	if have > version {
		return sqldb.Newer(path, have, version)
	}
	_, err := conn.ExecContext(ctx, setPath())
	return err
}
