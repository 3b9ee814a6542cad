package originaldb

import (
	"context"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/ingest"
	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Kept are the original exporter's tables where they are no file: a server keeps them.
type Kept interface {
	// Tables gives their names.
	Tables(ctx context.Context) ([]string, error)
	// Count gives the number of rows of one.
	Count(ctx context.Context, table string) (int64, error)
	// Rows gives the rows of one in the order they were written, each as a JSON object with its size in bytes; nil if
	// it is larger than most.
	Rows(ctx context.Context, table string, most int, each func(id int64, size int, object []byte) error) error
}

// FromServer reads kept tables as Format reads a file: a row becomes the same record. It tells progress, which may be nil,
// in rows.
func FromServer(k Kept, progress func(done, total int64)) ingest.Format {
	return ingest.Format{Name: "original-db", Snapshots: true, Split: func(ctx context.Context, in *ingest.Input, emit func(ingest.Item) error) error {
		r := &keptReader{kept: k, in: in, emit: emit, progress: progress}
		return r.read(ctx)
	}}
}

type keptReader struct {
	kept        Kept
	in          *ingest.Input
	emit        func(ingest.Item) error
	progress    func(done, total int64)
	done, total int64
}

func (r *keptReader) read(ctx context.Context) error {
	names, err := r.kept.Tables(ctx)
	if err != nil {
		return err
	}
	count := map[string]int64{}
	for _, name := range names {
		if count[name], err = r.kept.Count(ctx, name); err != nil {
			return err
		}
	}
	var cats []*metric.Category
	for _, cat := range metric.Catalogue() {
		if slices.Contains(names, cat.Table) {
			cats = append(cats, cat)
			r.total += count[cat.Table]
		}
	}
	for _, cat := range cats {
		before := r.done
		if err := r.table(ctx, cat); err != nil {
			return err
		}
		if read := r.done - before; read != count[cat.Table] {
			return fault.New(fault.Unavailable, "%s has %d rows, and %d were read", cat.Table, count[cat.Table], read).
				Try("If somebody is writing to it, let that end; then run this again.")
		}
	}
	for _, t := range derived() {
		passedOver(r.in, t, count[t.Name])
	}
	return nil
}

func (r *keptReader) table(ctx context.Context, cat *metric.Category) error {
	return r.kept.Rows(ctx, cat.Table, ingest.MaxRecord, func(id int64, size int, object []byte) error {
		it := ingest.Item{Category: cat, List: cat.Name, Raw: record(object), Place: ingest.Place{List: cat.Table, Row: id}}
		if object == nil {
			it.Fault = fmt.Sprintf("the row is %d bytes long; at most %d are read", size, ingest.MaxRecord)
		}
		if r.done++; r.progress != nil {
			r.progress(r.done, r.total)
		}
		return r.emit(it)
	})
}

// record leaves out of a row what is no part of the record that it was in the metrics JSON: the row's number, and NULL.
func record(object []byte) []byte {
	b := []byte{'{'}
	gjson.ParseBytes(object).ForEach(func(k, v gjson.Result) bool {
		if k.Str == "id" || k.Str == "organization_id" || v.Type == gjson.Null {
			return true
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, k.Raw...), ':'), v.Raw...)
		return true
	})
	return append(b, '}')
}
