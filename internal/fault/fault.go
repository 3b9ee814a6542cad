// Package fault holds the one error type of the product: a kind for machines, a message for users, an operation
// for us.
//
// A fault is returned as a plain error. Whatever has no fault in its chain is internal: callers that face users
// (the command line, the HTTP API) show its text only to operators.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what went wrong in terms a program can act on: an exit code, an HTTP status, a retry.
type Kind int

// The kinds, from the most to the least common.
const (
	Internal    Kind = iota // a defect or an unforeseen failure of ours
	Invalid                 // the input cannot be used; the same call fails again
	NotFound                // the thing that was named does not exist
	Conflict                // the state of the world forbids it (newer schema, foreign database, non-empty target)
	Denied                  // the operating system or the database refuses access
	Unavailable             // a resource is busy, full or away; the same call may work later
	// Disconnected: the server went away in the middle. What was under way was undone, or, if it was being committed,
	// perhaps not; who can tell the two apart may do it again at once.
	Disconnected
)

// Error is a failure with an explanation for the person who has to act.
type Error struct {
	Kind    Kind
	Message string // what happened, naming file and position where there is one
	Remedy  string // what to do about it; may be empty
	Err     error  // the cause; may be nil
}

// Error gives message, cause and remedy in one line.
func (e *Error) Error() string {
	s := e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		s += ". " + e.Remedy
	}
	return s
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// New makes a fault; the message is formatted like fmt.Sprintf.
func New(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault around a cause; it returns nil when the cause is nil.
func Wrap(err error, k Kind, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...), Err: err}
}

// Try adds the remedy, a whole sentence, and returns the same fault.
func (e *Error) Try(format string, args ...any) *Error {
	e.Remedy = fmt.Sprintf(format, args...)
	return e
}

// Because adds the cause and returns the same fault.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// KindOf gives the kind of the first fault in the chain, Internal when there is none.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Kind
	}
	return Internal
}

// Op names the operation that failed on the way out; use it deferred as the first line of a function:
//
//	defer fault.Op(&err, "migrate %s", name)
func Op(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), *err)
	}
}
