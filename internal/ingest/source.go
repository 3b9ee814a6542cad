package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

// mark is the byte order mark of UTF-8.
const mark = "\xef\xbb\xbf"

// Stdin is the name that stands for standard input.
const Stdin = "-"

// source is an open file, unpacked if it was gzipped.
type source struct {
	Input
	file    *os.File // nil = opened by somebody else
	counter *counter
	size    int64 // of the file as it lies on the disk; 0 = unknown
}

// counter counts the bytes of the file, packed if it is packed.
type counter struct {
	r io.Reader
	n atomic.Int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// patient reads from what may not answer for long, such as a pipe, and gives up when the context ends. What it was
// waiting for then is lost.
type patient struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	type answer struct {
		b   []byte
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		own := make([]byte, len(b)) // b belongs to the caller again when the context has ended
		n, err := p.r.Read(own)
		answers <- answer{own[:n], err}
	}()
	select {
	case a := <-answers:
		return copy(b, a.b), a.err
	case <-p.ctx.Done():
		return 0, context.Cause(p.ctx)
	}
}

func openSource(ctx context.Context, name string) (*source, error) {
	s := &source{Input: Input{Name: name}, file: os.Stdin}
	if name != Stdin {
		if err := s.open(name); err != nil {
			return nil, err
		}
	}
	s.counter = &counter{r: s.file}
	if s.size == 0 {
		s.counter.r = &patient{ctx, s.file}
	}
	s.Reader = bufio.NewReaderSize(s.counter, SniffSize)
	if err := s.unpack(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// newSource reads from what somebody else opened and closes.
func newSource(ctx context.Context, name string, r io.Reader) (*source, error) {
	s := &source{Input: Input{Name: name}, counter: &counter{r: &patient{ctx, r}}}
	s.Reader = bufio.NewReaderSize(s.counter, SniffSize)
	return s, s.unpack()
}

func (s *source) open(name string) error {
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "there is no file %q", name).Try("Check the name; - stands for standard input.")
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "%s may not be read", name).Because(err).Try("Check its permissions.")
	case err != nil:
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err // the name is said already
		}
		return fault.New(fault.Invalid, "%q cannot be read", name).Because(err).Try("Check the name.")
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fault.New(fault.Invalid, "%s is a folder", name).Try("Name the files in it, for example %s/*.json.", name)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.file, s.Path = f, name
	if info.Mode().IsRegular() {
		s.size = info.Size()
	} else {
		s.Path = "" // cannot be read a second time
	}
	return nil
}

// unpack looks through gzip, and past a byte order mark.
func (s *source) unpack() error {
	head, err := s.Reader.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "%s cannot be read", s.Name).Because(err).Try("Check where it comes from.")
	}
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(s.Reader)
		if err != nil {
			return fault.New(fault.Invalid, "%s is not a whole gzip file", s.Name).Because(err).Try("It may be cut off; make it again.")
		}
		s.Reader, s.Path = bufio.NewReaderSize(z, SniffSize), ""
		head, _ = s.Reader.Peek(3) // a fault shows up when the format reads on
	}
	if bytes.HasPrefix(head, []byte(mark)) {
		_, err = s.Reader.Discard(len(mark))
		return err
	}
	return nil
}

// head gives the beginning of the content without consuming it.
func (s *source) head() ([]byte, error) {
	head, err := s.Reader.Peek(SniffSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "%s cannot be read", s.Name).Because(err).
			Try("If it is packed, it may be cut off; make it again.")
	}
	switch {
	case len(head) < SniffSize && len(bytes.TrimSpace(head)) == 0:
		return nil, fault.New(fault.Invalid, "%s is empty", s.Name).Try("Was it written to its end? Nothing was imported.")
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return nil, fault.New(fault.Invalid, "%s is UTF-16 text", s.Name).Try("Save it as UTF-8 and import it again.")
	}
	return head, nil
}

func (s *source) read() int64 { return s.counter.n.Load() }

func (s *source) close() {
	if s.file != nil && s.file != os.Stdin {
		s.file.Close() // only read from
	}
}
