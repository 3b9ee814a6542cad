// Package metricsjson splits the original's metrics file: one JSON object with a list of records per category. It is
// read as a stream; memory holds one record at a time. Several objects one after the other are read as one file.
package metricsjson

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Format is the metrics JSON.
func Format() ingest.Format {
	return ingest.Format{Name: "metrics-json", Sniff: sniff, Split: split}
}

// sniff takes everything that could be JSON; what is wrong with it is better said by the decoder.
func sniff(head []byte) bool {
	return !bytes.HasPrefix(head, []byte("SQLite format 3"))
}

type splitter struct {
	ctx   context.Context
	in    *ingest.Input
	emit  func(ingest.Item) error
	limit *limiter
	dec   *jsontext.Decoder
	known int // categories met
	roots int
}

func split(ctx context.Context, in *ingest.Input, emit func(ingest.Item) error) error {
	l := &limiter{r: in.Reader}
	s := &splitter{ctx: ctx, in: in, emit: emit, limit: l,
		dec: jsontext.NewDecoder(l, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	for {
		s.allow()
		switch k := s.dec.PeekKind(); k {
		case '{':
			if err := s.root(); err != nil {
				return err
			}
			s.roots++
		case 0:
			_, err := s.dec.ReadToken()
			if errors.Is(err, io.EOF) {
				return s.end()
			}
			return s.broken(err)
		default:
			return fault.New(fault.Invalid, "%s: the root is %s; expected an object", in.Name, kindName(k)).
				Try(`The file should look like {"bugs": [...], "test_failures": [...]}.`)
		}
	}
}

func (s *splitter) end() error {
	switch {
	case s.roots == 0:
		return fault.New(fault.Invalid, "%s is empty", s.in.Name).Try("Was it written to the end? Nothing was imported.")
	default:
		return nil
	}
}

func (s *splitter) root() error {
	if err := s.token(); err != nil {
		return err
	}
	met := 0
	for s.dec.PeekKind() == '"' {
		s.allow()
		t, err := s.dec.ReadToken()
		if err != nil {
			return s.broken(err)
		}
		name := t.String()
		met++
		if err := s.category(name); err != nil {
			return err
		}
	}
	if err := s.token(); err != nil {
		return err
	}
	if met > 0 && s.known == 0 {
		return fault.New(fault.Invalid, "%s: the object has none of the categories as keys", s.in.Name).
			Try(`It should look like {"bugs": [...], "test_failures": [...]}.`)
	}
	return nil
}

func (s *splitter) category(name string) error {
	cat := metric.ByName(name)
	if cat != nil {
		s.known++
	}
	switch k := s.dec.PeekKind(); {
	case k == 'n':
		return s.token()
	case k == '[':
		return s.list(cat, name)
	case cat == nil && k != 0:
		s.in.Note(fmt.Sprintf("the key %q is no category and was passed over", clip(name)))
		_, err := s.value()
		return err
	default:
		return s.record(cat, name, -1)
	}
}

func (s *splitter) list(cat *metric.Category, name string) error {
	if err := s.token(); err != nil {
		return err
	}
	for i := int64(0); s.dec.PeekKind() != ']'; i++ {
		if err := s.ctx.Err(); err != nil {
			return context.Cause(s.ctx)
		}
		if err := s.record(cat, name, i); err != nil {
			return err
		}
	}
	return s.token()
}

// record emits the next value; index is negative for a lone record that should stand in a list.
func (s *splitter) record(cat *metric.Category, name string, index int64) error {
	raw, err := s.value()
	if err != nil {
		return err
	}
	it := ingest.Item{Category: cat, List: name, Raw: raw,
		Place: ingest.Place{List: clip(name), Index: index, Offset: s.dec.InputOffset() - int64(len(raw))}}
	if k := jsontext.Value(raw).Kind(); k != '{' {
		it.Fault = "a record must be an object; this is " + kindName(k)
	}
	return s.emit(it)
}

func (s *splitter) value() ([]byte, error) {
	s.allow()
	v, err := s.dec.ReadValue()
	if err != nil {
		return nil, s.broken(err)
	}
	return v, nil
}

func (s *splitter) token() error {
	if _, err := s.dec.ReadToken(); err != nil {
		return s.broken(err)
	}
	return nil
}

// allow lets the decoder read one more record, however far ahead it has read.
func (s *splitter) allow() { s.limit.until = s.dec.InputOffset() + ingest.MaxRecord }

// broken says where the file stops being usable, and that what stands before it is kept.
func (s *splitter) broken(err error) error {
	at, where := s.dec.InputOffset(), string(s.dec.StackPointer())
	se, syntax := errors.AsType[*jsontext.SyntacticError](err)
	if syntax {
		at, where, err = se.ByteOffset, string(se.JSONPointer), se.Err
	}
	e := &ingest.SyntaxError{Offset: at, Pointer: clip(where), What: "not valid JSON", Err: err,
		Remedy: "Repair it there and import it again; the records before it were imported and will be recognised."}
	switch {
	case errors.Is(err, errTooLarge):
		e.What, e.Err = fmt.Sprintf("a record is larger than %d MiB", ingest.MaxRecord>>20), nil
		e.Remedy = "Shorten it and import the file again; the records before it were imported and will be recognised."
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.What, e.Err = "the file ends in the middle of the JSON text", nil
		e.Remedy = "It was probably cut off; import the whole file again: the records before were imported and will be recognised."
	case !syntax:
		e.What, e.Remedy = "the file cannot be read", ingest.Unreadable
	}
	return e
}

var errTooLarge = errors.New("record too large")

// limiter stops reading when a single record asks for more than its due, so that no value is buffered without bound.
type limiter struct {
	r     io.Reader
	read  int64
	until int64
}

// Read implements io.Reader.
func (l *limiter) Read(p []byte) (int, error) {
	if l.read >= l.until {
		return 0, errTooLarge
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.until-l.read)])
	l.read += int64(n)
	return n, err
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a text"
	case '0':
		return "a number"
	case 'n':
		return "null"
	default:
		return "true or false"
	}
}

func clip(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "..."
}
