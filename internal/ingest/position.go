package ingest

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

// Unreadable is the remedy for a file whose bytes could not be had to their end.
const Unreadable = "If it is packed, it may be damaged: make it again. What stands before was imported and will be recognised if it is the same."

// SyntaxError is what a format returns when a file cannot be read on from some place.
type SyntaxError struct {
	Offset  int64  // bytes of the unpacked content
	Pointer string // JSON pointer of the value, if known
	What    string // "not valid JSON"
	Remedy  string
	Err     error // the decoder's own words; may be nil
}

// Error gives place and cause.
func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("%s at byte %d", e.What, e.Offset)
	if e.Pointer != "" {
		s += " in " + plainly(e.Pointer)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the decoder's error.
func (e *SyntaxError) Unwrap() error { return e.Err }

// fault names the file, and line and column where the file can be read once more.
func (e *SyntaxError) fault(in *Input) error {
	name := in.Name
	if line, col, ok := lineColumn(in.Path, e.Offset); ok {
		name = fmt.Sprintf("%s:%d:%d", in.Name, line, col)
	}
	return fault.New(fault.Invalid, "%s", name).Because(e).Try("%s", e.Remedy)
}

// lineColumn counts lines up to an offset of the content, both from 1. A byte order mark is no part of the content.
func lineColumn(path string, offset int64) (line, col int64, ok bool) {
	if path == "" {
		return 0, 0, false
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, false
	}
	defer f.Close()
	line, col = 1, 1
	buf := make([]byte, 64<<10)
	if n, _ := io.ReadFull(f, buf[:len(mark)]); !bytes.Equal(buf[:n], []byte(mark)) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return 0, 0, false
		}
	}
	r := io.LimitReader(f, offset)
	for {
		n, err := r.Read(buf)
		if k := bytes.Count(buf[:n], []byte("\n")); k > 0 {
			line += int64(k)
			col = int64(n - bytes.LastIndexByte(buf[:n], '\n'))
		} else {
			col += int64(n)
		}
		if err != nil {
			return line, col, err == io.EOF
		}
	}
}
