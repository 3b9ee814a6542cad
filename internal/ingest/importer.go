package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/rollup"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

// DefaultSource is the source of rows whose record and import name none: the original's collector, whose file and
// database are two copies of the same records.
const DefaultSource = "collector"

// Importer brings files into a database.
type Importer struct {
	DB      *sqldb.DB
	Formats []Format // tried in this order
	Now     func() time.Time

	recognised *Format // nil = by the first bytes of the file
}

// Options of one import.
type Options struct {
	Repository string         // for records that name none
	Branch     string         // for records that name none
	Source     string         // for records that name none; empty = DefaultSource
	Zone       *time.Location // of times without offset; nil = UTC
	DryRun     bool           // write nothing
	Progress   func(done, total int64)
}

// Report says what became of a file.
type Report struct {
	File   string `json:"file"`
	Format string `json:"format"`
	store.Counts
	Rejects []store.Reject `json:"rejects"`
	Omitted int64          `json:"rejects_omitted,omitempty"` // beyond MaxReported; all are in import_rejects
	Notes   []string       `json:"notes,omitempty"`
	Error   string         `json:"error,omitempty"`
}

// MaxReported is the number of rejects that a report lists; the database has all.
const MaxReported = 100_000

// Size of a batch, whichever is reached first. Boundaries depend on the file alone: an import that was killed and run
// again writes the same batches.
const (
	batchRecords = 6144
	batchBytes   = 4 << 20
)

// File imports one file; "-" is standard input. The report is never nil and its counts are what is in the database,
// also beside an error.
func (im *Importer) File(ctx context.Context, name string, o Options) (*Report, error) {
	return im.bring(ctx, name, o, func() (*source, error) { return openSource(ctx, name) })
}

// Stream imports what r gives, as File does with a file; the ledger calls it name. It may stop before the end of r.
func (im *Importer) Stream(ctx context.Context, name string, r io.Reader, o Options) (*Report, error) {
	return im.bring(ctx, name, o, func() (*source, error) { return newSource(ctx, name, r) })
}

// Records imports what the format emits from where it knows itself; the ledger calls that place name.
func (im *Importer) Records(ctx context.Context, name string, f Format, o Options) (*Report, error) {
	one := &Importer{DB: im.DB, Now: im.Now, recognised: &f}
	return one.bring(ctx, name, o, func() (*source, error) { return newSource(ctx, name, strings.NewReader("")) })
}

func (im *Importer) bring(ctx context.Context, name string, o Options, open func() (*source, error)) (*Report, error) {
	rep := &Report{File: name, Rejects: []store.Reject{}}
	src, err := open()
	if err == nil {
		err = im.source(ctx, rep, src, o)
		src.close()
	}
	if err = interrupted(ctx, err); err != nil {
		rep.Error = err.Error()
	}
	return rep, err
}

func (im *Importer) source(ctx context.Context, rep *Report, src *source, o Options) error {
	format, err := im.recognise(src)
	if err != nil { // the ledger has that too
		format = Format{Name: "unknown", Split: func(context.Context, *Input, func(Item) error) error { return err }}
	} else {
		rep.Format = format.Name
	}
	j := &job{im: im, o: o, src: src, format: format, rep: rep, now: im.Now().UTC().Truncate(time.Microsecond)}
	if o.DryRun {
		return im.DB.Try(ctx, func(tx *sqldb.Tx) error {
			return j.run(ctx, func(_ context.Context, f func(*sqldb.Tx) error) error { return f(tx) })
		})
	}
	return j.run(ctx, persistent(im.DB))
}

func (im *Importer) recognise(src *source) (Format, error) {
	if im.recognised != nil {
		return *im.recognised, nil
	}
	head, err := src.head()
	if err != nil {
		return Format{}, err
	}
	for _, f := range im.Formats {
		if f.Sniff(head) {
			return f, nil
		}
	}
	return Format{}, fault.New(fault.Invalid, "%s: the format is not known", src.Name).
		Try("Known are the metrics JSON, newline-delimited JSON, and the original's SQLite database.")
}

// job is the import of one file.
type job struct {
	im     *Importer
	o      Options
	src    *source
	format Format
	rep    *Report
	now    time.Time
	notes  []string
}

// transact runs a function in a transaction.
type transact func(ctx context.Context, f func(*sqldb.Tx) error) error

func (j *job) run(ctx context.Context, do transact) error {
	run := &store.Run{File: printable([]byte(j.src.Name)), Format: j.format.Name, Source: j.o.source(), Repository: j.o.Repository, Branch: j.o.Branch, Started: j.now}
	if err := do(ctx, run.Begin); err != nil {
		return err
	}
	failure := interrupted(ctx, j.copy(ctx, run, do))
	run.Notes = j.notes
	// What was written stays; it is closed also when the user has interrupted the import. The ledger knows better than
	// an import that lost the server in the middle of its last COMMIT.
	end := context.WithoutCancel(ctx)
	err := do(end, func(tx *sqldb.Tx) error {
		have, err := run.Ledger(tx)
		if err != nil {
			return err
		}
		run.Counts = have
		if err := rollup.Refresh(end, tx); err != nil {
			return err
		}
		return run.End(tx, j.im.Now(), message(failure))
	})
	j.rep.Counts, j.rep.Notes, j.rep.Omitted = run.Counts, run.Notes, run.Counts.Rejected-int64(len(j.rep.Rejects))
	if failure != nil {
		return failure
	}
	return err
}

// interrupted says what it means that the context has ended.
func interrupted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return fault.New(fault.Unavailable, "the import was interrupted").Because(context.Cause(ctx)).
		Try("What it wrote is kept and will be recognised: run it again to complete it.")
}

// message is what import_runs keeps of a failure.
func message(err error) string {
	if err == nil {
		return ""
	}
	return printable([]byte(err.Error()))
}

func (o Options) source() string {
	if o.Source == "" {
		return DefaultSource
	}
	return o.Source
}

// copy reads on one goroutine and writes on this one.
func (j *job) copy(ctx context.Context, run *store.Run, do transact) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &reader{job: j, out: make(chan *batch), mapper: j.newMapper()}
	go r.read(ctx)
	w := newWriter(run, j.format.Snapshots, j.now)
	var failure error
	for b := range r.out {
		if failure != nil {
			continue // the reader is about to notice that it was stopped
		}
		before := run.Counts
		if failure = w.persist(ctx, do, b); failure != nil {
			run.Counts = before
			stop(failure)
			continue
		}
		j.report(b)
	}
	j.notes = append(append(j.notes, r.mapper.remarks()...), w.remarks()...)
	if failure != nil {
		return failure
	}
	if se, ok := errors.AsType[*SyntaxError](r.err); ok {
		return se.fault(&j.src.Input)
	}
	return r.err
}

func (j *job) report(b *batch) {
	for _, r := range b.rejects {
		if len(j.rep.Rejects) == MaxReported {
			break
		}
		r.Raw = "" // the database has it; here it would make the memory grow with the file
		j.rep.Rejects = append(j.rep.Rejects, r)
	}
	if j.o.Progress != nil {
		j.o.Progress(b.read, j.src.size)
	}
}

func (j *job) newMapper() *mapper {
	zone := j.o.Zone
	if zone == nil {
		zone = time.UTC
	}
	return &mapper{zone: zone, repo: j.o.Repository, branch: j.o.Branch, source: j.o.source(), now: j.now,
		plans: map[*metric.Category]*plan{}, notes: map[string]int64{}}
}

// remarks lists the deviations that were mapped, with the number of records.
func (m *mapper) remarks() []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m.notes)) {
		out = append(out, fmt.Sprintf("%s (%d records)", k, m.notes[k]))
	}
	if m.futures > 0 {
		out = append(out, fmt.Sprintf("%d records are dated more than a day in the future; they were kept as they are", m.futures))
	}
	return out
}

// reader splits the file, makes rows, and sends full batches.
type reader struct {
	*job
	mapper *mapper
	out    chan *batch
	err    error // set before out is closed
	full   int   // bytes of the records in the batch
	unsaid int   // remarks beyond maxNotes
	batch  *batch
}

func (r *reader) read(ctx context.Context) {
	defer close(r.out)
	r.batch = &batch{}
	r.src.Note = r.note
	err := r.format.Split(ctx, &r.src.Input, func(it Item) error {
		r.add(it)
		if len(r.batch.records)+len(r.batch.rejects) < batchRecords && r.full < batchBytes {
			return nil
		}
		return r.send(ctx)
	})
	if e := r.send(ctx); err == nil {
		err = e
	}
	if r.unsaid > 0 {
		r.notes = append(r.notes, fmt.Sprintf("%d more remarks of this kind", r.unsaid))
	}
	r.err = err
}

// maxNotes bounds the remarks of a format; the rest is counted.
const maxNotes = 100

func (r *reader) note(s string) {
	switch {
	case slices.Contains(r.notes, s):
	case len(r.notes) < maxNotes:
		r.notes = append(r.notes, s)
	default:
		r.unsaid++
	}
}

// maxList is what import_rejects keeps of the name that a record is listed under.
const maxList = 90

func (r *reader) add(it Item) {
	r.full += len(it.Raw)
	rec, err := r.mapper.fill(it)
	if err == nil {
		r.batch.records = append(r.batch.records, rec)
		return
	}
	r.batch.rejects = append(r.batch.rejects, store.Reject{Position: it.Place.String(), Category: printable([]byte(clip(it.List, maxList))),
		Reason: err.Error(), Raw: printable(it.Raw)})
}

func (r *reader) send(ctx context.Context) error {
	b := r.batch
	if len(b.records)+len(b.rejects) == 0 {
		return nil
	}
	b.read = r.src.read()
	r.batch, r.full = &batch{records: make([]*record, 0, len(b.records))}, 0
	select {
	case r.out <- b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// printable keeps text as it is and writes bytes that no database takes as text, NUL and what is not UTF-8, as \xNN.
func printable(b []byte) string {
	if utf8.Valid(b) && !slices.Contains(b, 0) {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == 0 || r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&s, `\x%02x`, b[0])
		} else {
			s.Write(b[:n])
		}
		b = b[n:]
	}
	return s.String()
}
