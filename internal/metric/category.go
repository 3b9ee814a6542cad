package metric

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Category is one kind of event: its table, the key it has in the metrics JSON, what may be counted in it. DDL,
// validation, decoding, bulk insert, rollup, reference documentation and sample data are made from this value.
type Category struct {
	Name    string // key in the metrics JSON and metric_type in the rollups: "bugs"
	Title   string // for people: "Bugs"
	Doc     string
	Columns []Column // its own columns; the common ones (see Provenance) follow in the table
	Table   string
	Indexes []Index
	// Series are the columns that make one cumulative counter in the original's files: a record seen again has its
	// count raised and its timestamp replaced. Empty = every record is an event of its own.
	Series []string
	// Links is the column whose list elements become rows of a table of their own; nil = none.
	Links *Links
	// Complete fills values that follow from others, before validation; it returns a note for each deviation it mapped.
	Complete func(c *Category, r Row) []string
	// Rate says how often its sample events happen in a scene, relative to others; nil = always alike.
	Rate func(s Scene) float64
	// Share is the category's part of generated sample events, in thousandths.
	Share int
	// Sample makes the fields of one generated event, keyed by column name.
	Sample func(s Scene) map[string]any

	table *Table
}

// Links makes one row per element of a list column, so that no query has to unpack JSON.
type Links struct {
	Table  string
	Doc    string
	Column string   // the List column
	As     string   // name of the element's column
	Copy   []string // columns of the event repeated in each row
	Name   string   // metric_type in the rollups

	table *Table
}

// Layout is the category's table: its own columns, then the common ones.
func (c *Category) Layout() *Table { return c.table }

// Layout is the table of the links.
func (l *Links) Layout() *Table { return l.table }

// Position finds a column of the category's table; -1 when there is none.
func (c *Category) Position(name string) int { return c.table.Position(name) }

// Counted says whether records carry a number of occurrences.
func (c *Category) Counted() bool { return c.table.Position("count") >= 0 }

// build derives the tables; it is called once by the catalogue.
func (c *Category) build() *Category {
	c.table = &Table{Name: c.Table, Doc: c.Doc, AutoID: true, Identity: identity(), Indexes: c.Indexes, Since: 1, Monthly: true, Tenants: true}
	c.table.Columns = append(append([]Column{}, c.Columns...), Provenance()...)
	if l := c.Links; l != nil {
		l.table = l.build(c.table)
	}
	return c
}

func (l *Links) build(event *Table) *Table {
	cols := []Column{
		{Name: l.As, Type: Text, Size: 255, Required: true, Role: Dimension, Doc: "One element of " + l.Column + "."},
	}
	for _, name := range append(append([]string{}, l.Copy...), "timestamp", "organization_id", "repository", "event_key") {
		col := event.Columns[event.Position(name)]
		if name == "event_key" {
			col.Doc = "event_key of the row in " + event.Name + "."
		}
		cols = append(cols, col)
	}
	return &Table{Name: l.Table, Doc: l.Doc, Columns: cols, AutoID: true, Since: 1, Monthly: true, Tenants: true,
		Identity: append(identity(), l.As),
		Indexes:  []Index{{Name: "idx_" + l.Table + "_" + l.As, Columns: []string{l.As, "timestamp"}}}}
}

// identity is the unique key of every event table. Repository and time stand in it so that the same table can be
// partitioned by month and distributed by repository; they stand first so that new rows append to the index.
func identity() []string { return []string{"repository", "timestamp", "event_key"} }

// Provenance lists the columns that every event table has beside its own: when, where from, under which identity.
func Provenance() []Column {
	return []Column{
		{Name: "timestamp", Type: Time, Required: true, Doc: "When it happened."},
		{Name: "organization_id", Type: Int, Required: true, Default: int64(1), Store: true,
			Doc: "Organisation that owns the row; 1 is the default organisation."},
		{Name: "repository", Type: Text, Size: 255, Required: true, Default: "", Doc: "Repository it belongs to; empty = unknown."},
		{Name: "branch", Type: Text, Size: 255, Doc: "Branch, where known."},
		{Name: "commit_sha", Type: Text, Size: 64, Doc: "Commit, where known."},
		{Name: "run_id", Type: Text, Size: 255, Doc: "CI run or test run, where known."},
		{Name: "source", Type: Text, Size: 100, Required: true, Default: "", Doc: "Where the row came from: the collector or a vendor."},
		{Name: "source_id", Type: Text, Size: 255, Doc: "The vendor's own id of the event."},
		{Name: "source_url", Type: Text, Size: 2000, Doc: "The vendor's page of the event."},
		{Name: "event_key", Type: Key, Required: true, Store: true,
			Doc: "Identity: UUIDv5 over organisation, repository, source and content, so that an import repeated is a no-op."},
		{Name: "ingested_at", Type: Time, Required: true, Store: true, Doc: "When the import wrote the row."},
		{Name: "timestamp_missing", Type: Bool, Required: true, Default: false,
			Doc: "The record had no timestamp and took the time of its import."},
		{Name: "extra", Type: JSON, Doc: "Fields of the record that no column has, kept as they were."},
	}
}

// MaxCount is the largest count a record may have; sums of millions of them stay within 64 bits.
const MaxCount = 1_000_000_000_000

func countColumn() Column {
	return Column{Name: "count", Type: Int, Required: true, Default: int64(1), Min: bound(1), Max: bound(MaxCount),
		Doc: "Occurrences the row stands for."}
}

func patternColumn(name string, required bool, doc string) Column {
	return Column{Name: name, Type: Text, Size: 255, Required: required, Role: Dimension, As: "pattern", Doc: doc}
}

// Rows makes the link rows of an event: one per distinct element of its list.
func (l *Links) Rows(c *Category, event Row) ([]Row, error) {
	text, _ := event[c.Position(l.Column)].(string)
	if text == "" {
		return nil, nil
	}
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return nil, fmt.Errorf("%s: %w", l.Column, err)
	}
	var rows []Row
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		row := make(Row, len(l.table.Columns))
		row[0] = name
		for j := 1; j < len(row); j++ {
			row[j] = event[c.Position(l.table.Columns[j].Name)]
		}
		rows = append(rows, row)
	}
	return rows, nil
}
