// Package config declares the settings that have more than a flag: where each is looked up (flag, environment, .env,
// default) and its help text.
package config

import (
	"errors"
	"io/fs"
	"os"

	"github.com/joho/godotenv"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

// Setting is one thing that can be set.
type Setting struct {
	Flag    string // --flag
	Env     string // environment variable; empty = none
	Default string
	Help    string
}

// Database is where metrics are stored.
func Database() Setting {
	return Setting{Flag: "db", Env: "METRICS_DB_URI", Default: "feedback-loop.db",
		Help: "database: a SQLite file, or a URI (sqlite:////abs/path, postgresql://user:password@host:5432/name)"}
}

// Production demands connections that nobody can read or redirect.
func Production() Setting {
	return Setting{Flag: "production", Env: "FEEDBACK_LOOP_PRODUCTION", Default: "false",
		Help: "refuse a database server that is not verified (sslmode=verify-full)"}
}

// AllowInsecure is the override of Production.
func AllowInsecure() Setting {
	return Setting{Flag: "allow-insecure-db", Env: "FEEDBACK_LOOP_ALLOW_INSECURE_DB", Default: "false",
		Help: "with --production, connect all the same and say so"}
}

// PoolSize is how many connections stay open. It and the other settings of the pool have the meaning and the defaults
// that SQLAlchemy gives them.
func PoolSize() Setting {
	return Setting{Flag: "db-pool-size", Env: "FEEDBACK_LOOP_DB_POOL_SIZE", Default: "10", Help: "connections to a database server that stay open"}
}

// PoolOverflow is how many connections more there may be at once.
func PoolOverflow() Setting {
	return Setting{Flag: "db-max-overflow", Env: "FEEDBACK_LOOP_DB_MAX_OVERFLOW", Default: "20", Help: "connections beyond the pool's size at busy times"}
}

// PoolRecycle is the age at which a connection is replaced.
func PoolRecycle() Setting {
	return Setting{Flag: "db-pool-recycle", Env: "FEEDBACK_LOOP_DB_POOL_RECYCLE", Default: "3600", Help: "seconds after which a connection is replaced"}
}

// PoolPrePing is whether a connection is checked before use.
func PoolPrePing() Setting {
	return Setting{Flag: "db-pool-pre-ping", Env: "FEEDBACK_LOOP_DB_POOL_PRE_PING", Default: "true", Help: "check a connection before each use"}
}

// Address is where the server listens.
func Address() Setting {
	return Setting{Flag: "addr", Env: "FEEDBACK_LOOP_ADDR", Default: "127.0.0.1:8080", Help: "address to serve on, loopback only"}
}

// Usage is the help text of a setting's flag, with where else it can be set.
func (s Setting) Usage() string {
	if s.Env == "" {
		return s.Help
	}
	return s.Help + "; else $" + s.Env + ", also from .env, else " + s.Default
}

// Value is a setting with where it came from.
type Value struct {
	Text string
	From string // "--db", "METRICS_DB_URI", "METRICS_DB_URI in .env", "default"
}

// Source looks settings up: a flag beats the environment, which beats the file .env in the current folder.
type Source struct {
	Environ func(string) (string, bool)
	file    map[string]string
}

// Load reads .env, which may be missing, beside the process environment.
func Load(dotenv string) (*Source, error) {
	s := &Source{Environ: os.LookupEnv}
	file, err := godotenv.Read(dotenv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Invalid, "%s cannot be read", dotenv).Because(err).Try("Write one NAME=value a line.")
	}
	s.file = file
	return s, nil
}

// Value gives a setting's value; flag is what the command line had, empty if it had none.
func (s *Source) Value(set Setting, flag string) Value {
	if flag != "" {
		return Value{flag, "--" + set.Flag}
	}
	if v, ok := s.Environ(set.Env); ok && v != "" {
		return Value{v, set.Env}
	}
	if v := s.file[set.Env]; v != "" {
		return Value{v, set.Env + " in .env"}
	}
	return Value{set.Default, "default"}
}
