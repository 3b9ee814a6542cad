// Package ingest brings files into the database: a format splits a file into records, the mapper makes a row of a
// record or says why it cannot, identity tells what is there already, and the writer puts a batch of rows, rollup
// deltas, rejects and progress into one transaction.
//
// Formats live in folders below and know no database.
package ingest

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Format is one kind of file.
type Format struct {
	Name string
	// Sniff recognises the format by the first bytes of a file (after gunzip); at most SniffSize of them.
	Sniff func(head []byte) bool
	// Split reads the file and emits its records in order. It stops at the first error of emit and returns it. Errors
	// of the file itself are faults that name the position.
	Split func(ctx context.Context, in *Input, emit func(Item) error) error
	// Snapshots says that records are successive readings of the original's cumulative file: a record that occurs
	// twice is one event seen twice.
	Snapshots bool
}

// SniffSize is how much of a file's beginning a format gets to see.
const SniffSize = 64 << 10

// MaxRecord is the size of the largest record that is read; a larger one ends the import of its file.
const MaxRecord = 8 << 20

// Input is an open file.
type Input struct {
	Name   string        // as the user named it
	Path   string        // of the file itself; empty for standard input and unpacked files
	Reader *bufio.Reader // unpacked content
	Note   func(string)  // takes a remark for the report, such as a key that was passed over
}

// Item is one record as it stands in the file.
type Item struct {
	Category *metric.Category // nil if the file lists it under a name that is none
	List     string           // the name it is listed under
	Place    Place
	Raw      []byte // JSON text of the record; valid until emit returns
	Fault    string // why the format itself cannot use it; empty = it can
	Ignore   string // a key that belongs to the format, not to the record
}

// Place is where a record stands in its file.
type Place struct {
	List   string
	Index  int64 // within the list, from 0
	Offset int64 // bytes from the start; negative = unknown
	Line   int64 // from 1; 0 = the format has no lines
	Row    int64 // id of a database row; 0 = no row
}

// String is the place as messages and import_rejects show it.
func (p Place) String() string {
	switch {
	case p.Line > 0:
		return fmt.Sprintf("line %d", p.Line)
	case p.Row > 0:
		return fmt.Sprintf("%s row %d", plainly(p.List), p.Row)
	case p.Index < 0:
		return fmt.Sprintf("%s at byte %d", plainly(p.List), p.Offset)
	default:
		return fmt.Sprintf("%s[%d] at byte %d", plainly(p.List), p.Index, p.Offset)
	}
}

// plainly quotes a name of the file's that holds what could steer a terminal.
func plainly(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}
