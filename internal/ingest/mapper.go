package ingest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Limits of one record; beyond them it is rejected.
const (
	maxText   = 1 << 20
	maxDepth  = 64
	maxFields = 1000
	maxDigits = 1000 // of a number inside JSON, written without exponent
	maxNumber = 1e18 // sums of billions of them are numbers still
	// exportRoom is what an export may add to a record (its identity, columns that were taken out of others), so that
	// what was imported once can be imported again.
	exportRoom = 16 << 10
)

// mapper makes rows of records. It is used by one goroutine.
type mapper struct {
	zone    *time.Location
	repo    string
	branch  string
	source  string
	now     time.Time
	plans   map[*metric.Category]*plan
	notes   map[string]int64
	futures int64
	seen    []string // keys of the record that is being read
	scope   []byte   // buffer
}

// plan is what a mapper needs to know of a category: which key fills which column.
type plan struct {
	cat    *metric.Category
	keys   map[string]field
	nested []nested // columns that may be found inside a JSON column
	series []int    // columns of the cumulative counter
	at     positions
}

type field struct {
	column int
	rank   int  // among the keys of the column, 0 = preferred
	alias  bool // a deviation, to be reported
	rivals bool // other keys may hold the column too
}

type nested struct {
	column, within, rank int
	path                 string
}

// positions of the common columns.
type positions struct {
	timestamp, org, repository, branch, source, sourceID, eventKey, ingested, missing, extra, count int
}

func newPlan(c *metric.Category) *plan {
	p := &plan{cat: c, keys: map[string]field{}, at: positions{
		c.Position("timestamp"), c.Position("organization_id"), c.Position("repository"), c.Position("branch"), c.Position("source"),
		c.Position("source_id"), c.Position("event_key"), c.Position("ingested_at"), c.Position("timestamp_missing"),
		c.Position("extra"), c.Position("count")}}
	for _, name := range c.Series {
		p.series = append(p.series, c.Position(name))
	}
	cols := c.Layout().Columns
	for i := range cols {
		if cols[i].Name == "organization_id" {
			continue // never taken from a record
		}
		for rank, path := range cols[i].Paths() {
			if head, rest, ok := strings.Cut(path, "."); ok {
				p.nested = append(p.nested, nested{column: i, within: c.Position(head), rank: rank, path: rest})
			} else {
				p.keys[path] = field{column: i, rank: rank}
			}
		}
		for rank, key := range cols[i].Aliases {
			p.keys[key] = field{column: i, rank: len(cols[i].Paths()) + rank, alias: true}
		}
	}
	p.findRivals()
	return p
}

func (p *plan) findRivals() {
	holders := map[int]int{}
	for _, f := range p.keys {
		holders[f.column]++
	}
	for key, f := range p.keys {
		f.rivals = holders[f.column] > 1
		p.keys[key] = f
	}
}

// record is a row with its identity, ready to be written.
type record struct {
	plan    *plan
	row     metric.Row
	digest  digest
	series  uuid.UUID // its cumulative counter, if its category has them
	stored  bool      // a row of an export, with its identity: never a reading of a counter
	whole   bool      // such a row that has all of its record's count, not a difference
	ordinal int
}

// draft is a record while it is being read.
type draft struct {
	*record
	ranks  []int8  // rank of the key that filled each column, -1 = none
	rivals []rival // fields that compete for a column, in the order of the record
	extra  map[string]string
}

type rival struct {
	field
	key   string
	value gjson.Result
}

// fill reads the record; the error is the reason for its rejection.
func (m *mapper) fill(it Item) (*record, error) {
	if it.Fault != "" {
		return nil, fmt.Errorf("%s", it.Fault)
	}
	if it.Category == nil {
		return nil, fmt.Errorf("%q is no category; known are %s", clip(it.List, 60), strings.Join(metric.Names(), ", "))
	}
	if err := inspect(it.Raw); err != nil {
		return nil, err
	}
	p := m.plan(it.Category)
	n := len(p.cat.Layout().Columns)
	d := &draft{record: &record{plan: p, row: make(metric.Row, n)}, ranks: make([]int8, n)}
	for i := range d.ranks {
		d.ranks[i] = -1
	}
	if err := m.read(d, it); err != nil {
		return nil, err
	}
	if most := MaxRecord - exportRoom; len(it.Raw) > most && !d.stored {
		return nil, fmt.Errorf("the record is %d bytes long; at most %d are kept", len(it.Raw), most)
	}
	return d.record, m.complete(d)
}

func (m *mapper) plan(c *metric.Category) *plan {
	p := m.plans[c]
	if p == nil {
		p = newPlan(c)
		m.plans[c] = p
	}
	return p
}

// read takes every field of the record to its column, or to extra.
func (m *mapper) read(d *draft, it Item) (err error) {
	m.seen = m.seen[:0]
	gjson.ParseBytes(it.Raw).ForEach(func(k, v gjson.Result) bool {
		key := k.String()
		if err = m.note(key); err != nil {
			return false
		}
		if it.Ignore == "" || key != it.Ignore {
			err = m.take(d, key, v)
		}
		return err == nil
	})
	if err == nil {
		err = m.choose(d)
	}
	if err != nil {
		return err
	}
	at := d.plan.at
	if d.stored = d.row[at.eventKey] != nil && d.row[at.timestamp] != nil; d.stored {
		return d.keepExtra() // a row that was stored is taken as it stands
	}
	for _, n := range d.plan.nested {
		err = m.lift(d, n)
		if err != nil {
			return err
		}
	}
	m.noteAliases(d)
	return d.keepExtra()
}

// note remembers a key; a record may have it only once.
func (m *mapper) note(key string) error {
	if slices.Contains(m.seen, key) {
		return fmt.Errorf("the field %q occurs twice", clip(key, 60))
	}
	if len(m.seen) == maxFields {
		return fmt.Errorf("the record has more than %d fields", maxFields)
	}
	m.seen = append(m.seen, key)
	return nil
}

func (m *mapper) take(d *draft, key string, v gjson.Result) error {
	f, known := d.plan.keys[key]
	switch {
	case !known:
		return d.keep(key, v)
	case v.Type == gjson.Null:
		return nil
	case f.rivals:
		d.rivals = append(d.rivals, rival{f, key, v})
		return nil
	}
	return m.put(d, f, key, v)
}

func (m *mapper) put(d *draft, f field, key string, v gjson.Result) error {
	col := &d.plan.cat.Layout().Columns[f.column]
	val, err := m.convert(col, v)
	if err != nil {
		return fmt.Errorf("%s %w", key, err)
	}
	if len(col.Enum) > 0 && val != v.String() {
		m.notes[fmt.Sprintf("%s: %s written in another case or with blanks", d.plan.cat.Name, key)]++
	}
	d.row[f.column], d.ranks[f.column] = val, int8(f.rank)
	return nil
}

// choose gives each contested column to its preferred key; the others are kept as fields without column. The order of
// the fields makes no difference.
func (m *mapper) choose(d *draft) error {
	for _, r := range d.rivals {
		beaten := slices.ContainsFunc(d.rivals, func(o rival) bool { return o.column == r.column && o.rank < r.rank })
		var err error
		if beaten {
			err = d.keep(r.key, r.value)
		} else {
			err = m.put(d, r.field, r.key, r.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// holder is the field that filled a column for which several compete; nil = none of them did.
func (d *draft) holder(column int) *rival {
	for i := range d.rivals {
		if r := &d.rivals[i]; r.column == column && int(d.ranks[column]) == r.rank {
			return r
		}
	}
	return nil
}

func (m *mapper) noteAliases(d *draft) {
	for i := range d.rivals {
		if r := &d.rivals[i]; r.alias && d.holder(r.column) == r {
			m.notes[fmt.Sprintf("%s: %s taken as %s", d.plan.cat.Name, r.key, d.plan.cat.Layout().Columns[r.column].Name)]++
		}
	}
}

// lift takes a value out of a JSON column where no better key had it. What has another type there is left alone.
func (m *mapper) lift(d *draft, n nested) error {
	if d.ranks[n.column] >= 0 && int(d.ranks[n.column]) <= n.rank || d.row[n.within] == nil {
		return nil
	}
	v := gjson.Get(d.row[n.within].(string), n.path)
	if !v.Exists() || v.Type == gjson.Null {
		return nil
	}
	val, err := m.convert(&d.plan.cat.Layout().Columns[n.column], v)
	if err != nil {
		return nil
	}
	if r := d.holder(n.column); r != nil {
		err = d.keep(r.key, r.value)
	}
	d.row[n.column], d.ranks[n.column] = val, int8(n.rank)
	return err
}

func (d *draft) keep(key string, v gjson.Result) error {
	if d.extra == nil {
		d.extra = map[string]string{}
	}
	text, err := jsonText(v.Raw)
	if err != nil {
		return fmt.Errorf("%s %w", clip(key, 60), err)
	}
	d.extra[key] = text
	return nil
}

// keepExtra writes the fields without column as one JSON object, sorted, so that order makes no difference.
func (d *draft) keepExtra() error {
	if len(d.extra) == 0 {
		return nil
	}
	if old, ok := d.row[d.plan.at.extra].(string); ok {
		d.mergeExtra(old)
	}
	b := []byte{'{'}
	for i, k := range slices.Sorted(maps.Keys(d.extra)) {
		name, err := json.Marshal(k)
		if err != nil {
			return err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, name...), ':'), d.extra[k]...)
	}
	d.row[d.plan.at.extra] = string(append(b, '}'))
	return nil
}

// mergeExtra adds what the record has under the key "extra" itself, as rows of an export do. What cannot be merged
// without loss stays under that key.
func (d *draft) mergeExtra(old string) {
	merged := maps.Clone(d.extra)
	fits := gjson.Parse(old).IsObject()
	if fits {
		gjson.Parse(old).ForEach(func(k, v gjson.Result) bool {
			_, has := merged[k.String()]
			merged[k.String()] = v.Raw
			fits = !has
			return fits
		})
	}
	if !fits {
		merged = d.extra
		merged["extra"] = old
	}
	d.extra = merged
}

// complete fills what the record does not have, and refuses it if that is not allowed.
func (m *mapper) complete(d *draft) error {
	p, row := d.plan, d.row
	if p.cat.Complete != nil {
		for _, note := range p.cat.Complete(p.cat, row) {
			m.notes[p.cat.Name+": "+note]++
		}
	}
	m.provenance(d)
	for i := range row {
		col := &p.cat.Layout().Columns[i]
		if row[i] != nil || !col.Required {
			continue
		}
		if col.Default == nil && !col.Store && i != p.at.timestamp {
			return fmt.Errorf("%s is missing", col.Field())
		}
		row[i] = col.Default
	}
	m.identify(d.record)
	return nil
}

func (m *mapper) provenance(d *draft) {
	p, row := d.plan, d.row
	if !d.stored {
		row[p.at.ingested], row[p.at.missing] = m.now, row[p.at.timestamp] == nil
		row[p.at.eventKey] = nil
	}
	if row[p.at.ingested] == nil {
		row[p.at.ingested] = m.now
	}
	row[p.at.org] = int64(1)
	fallback := func(at int, s string) {
		if row[at] == nil && s != "" {
			row[at] = s
		}
	}
	fallback(p.at.repository, m.repo)
	fallback(p.at.branch, m.branch)
	fallback(p.at.source, m.source)
	if t, ok := row[p.at.timestamp].(time.Time); ok && t.After(m.now.Add(24*time.Hour)) {
		m.futures++
	}
}
