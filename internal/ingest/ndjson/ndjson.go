// Package ndjson splits newline-delimited JSON: one record a line, with the key "category" naming its category. A line
// that cannot be read is rejected; the next one is read nevertheless.
package ndjson

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidwall/gjson"

	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Key is the field of a line that names its category.
const Key = "category"

// Format is newline-delimited JSON.
func Format() ingest.Format {
	return ingest.Format{Name: "ndjson", Sniff: sniff, Split: split}
}

// sniff demands that the first line is an object by itself that names its category.
func sniff(head []byte) bool {
	line, _, whole := bytes.Cut(bytes.TrimLeft(head, " \t\r\n"), []byte("\n"))
	line = bytes.TrimSpace(line)
	if !whole && len(head) >= ingest.SniffSize && len(line) > 0 {
		// The first line is longer than what is seen of it: its beginning has to do.
		return line[0] == '{' && gjson.GetBytes(line, Key).Type == gjson.String
	}
	return len(line) > 0 && line[0] == '{' && gjson.ValidBytes(line) && gjson.GetBytes(line, Key).Type == gjson.String
}

func split(ctx context.Context, in *ingest.Input, emit func(ingest.Item) error) error {
	var offset int64
	for n := int64(1); ; n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		line, size, err := readLine(in.Reader)
		if err != nil && !errors.Is(err, io.EOF) {
			return unreadable(err, n, offset)
		}
		offset += size
		if len(line) > 0 {
			if e := emit(item(line, n)); e != nil {
				return e
			}
		}
		if err != nil {
			return nil
		}
	}
}

func unreadable(err error, line, offset int64) error {
	e := &ingest.SyntaxError{Offset: offset, What: fmt.Sprintf("line %d cannot be read", line), Err: err, Remedy: ingest.Unreadable}
	if errors.Is(err, errTooLong) {
		e.Remedy = fmt.Sprintf("Lines may be at most %d MiB long; the lines before were imported and will be recognised.", ingest.MaxRecord>>20)
	}
	return e
}

func item(line []byte, n int64) ingest.Item {
	it := ingest.Item{Raw: line, Place: ingest.Place{Line: n}, Ignore: Key}
	switch {
	case ingest.Deep(line):
		it.Fault = "the line is nested too deep"
	case !gjson.ValidBytes(line):
		it.Fault = "the line is not valid JSON"
	case line[0] != '{':
		it.Fault = "the line is not an object"
	default:
		c := gjson.GetBytes(line, Key)
		if c.Type != gjson.String {
			it.Fault = `the line does not name its category, as in {"category": "bugs", ...}`
		}
		it.List = c.String()
		it.Category = metric.ByName(it.List)
	}
	return it
}

var errTooLong = errors.New("the line is too long")

// readLine gives the next line without white space around it, and how many bytes it took.
func readLine(r *bufio.Reader) (line []byte, size int64, err error) {
	for {
		part, err := r.ReadSlice('\n')
		size += int64(len(part))
		if size > ingest.MaxRecord {
			return nil, size, errTooLong
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSpace(line), size, err
		}
	}
}
