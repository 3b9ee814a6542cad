package metric

import "slices"

// Type is the kind of value a column holds, in terms every engine can render.
type Type int

// The types. A Row holds string, int64, float64, bool or time.Time for them, or nil.
const (
	Text  Type = iota // characters, at most Column.Size of them where that is set
	Int               // 64-bit signed
	Float             // IEEE 754 double
	Bool              // true or false
	JSON              // any JSON value, as compact text
	List              // a JSON array of strings, as compact text
	Time              // an instant in UTC, microseconds
	Date              // a day in UTC, as text YYYY-MM-DD
	Key               // a UUID, as its 36-character text
)

// String names the type as the reference documentation shows it.
func (t Type) String() string {
	return [...]string{"text", "integer", "number", "boolean", "JSON", "list of text", "time (UTC)", "date", "UUID"}[t]
}

// Role says what the rollup does with a column.
type Role int

// The roles.
const (
	Attribute Role = iota // kept with the row, not aggregated
	Dimension             // rows are grouped by it
	Measure               // summed and counted where not null
)

// Column is one column of a table and, in a category, one field of its records. Everything that reads or writes the
// column follows from this value.
type Column struct {
	Name     string
	Type     Type
	Size     int      // most characters of a Text; 0 = as long as a string may be
	Required bool     // NOT NULL, and a record without it is rejected (unless Default is set)
	Default  any      // taken when the field is missing or null; also the column's DEFAULT
	Min, Max *float64 // bounds of an Int or Float, inclusive; nil = none
	Enum     []string // the only values of a Text, compared without case; stored as written here
	From     []string // where records have it: keys or dotted paths in order of preference; empty = Name
	Aliases  []string // keys seen in the wild whose meaning is certain; use of one is reported
	Role     Role
	As       string // name of the dimension in metrics_daily; empty = Name
	Unit     string // unit of a number: "ms", "bytes", "min", "s", "chars"
	Doc      string // one sentence for the reference
	Since    int    // schema version that introduced it; 0 = as old as its table
	Store    bool   // filled by the product, never by a record
}

// Paths gives the keys of a record that hold this column, the preferred one first.
func (c *Column) Paths() []string {
	if len(c.From) == 0 {
		return []string{c.Name}
	}
	return c.From
}

// Field is the key that the metrics JSON has for this column.
func (c *Column) Field() string { return c.Paths()[0] }

// Dimension is the name of the column in metrics_daily.
func (c *Column) Dimension() string {
	if c.As != "" {
		return c.As
	}
	return c.Name
}

// Index is a secondary index.
type Index struct {
	Name    string
	Columns []string
	Since   int // schema version that introduced it; 0 = as old as its table
}

// Table is a table of the metrics database: what DDL, bulk load and documentation are made from.
type Table struct {
	Name    string
	Doc     string
	Columns []Column
	// Identity is the primary key when AutoID is false, else an additional unique key (empty = none).
	Identity []string
	AutoID   bool // has a 64-bit column "id" that the engine numbers
	Indexes  []Index
	Since    int // schema version that introduced it, from 1
	// Monthly says that the table grows without end: an engine that can keeps it in parts, by the month of "timestamp".
	Monthly bool
	// Tenants says that each row belongs to the organisation in "organization_id", and that readers of one organisation
	// may see the table.
	Tenants bool
	// Operational tables hold what people manage, not what was measured; engines with schemas keep them in one of their own.
	Operational bool
	// Local tables say something about this very database; a copy of what is in it leaves them out.
	Local bool
}

// Position finds a column by name; -1 when there is none.
func (t *Table) Position(name string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
}

// Names lists the columns without id.
func (t *Table) Names() []string {
	names := make([]string, len(t.Columns))
	for i := range t.Columns {
		names[i] = t.Columns[i].Name
	}
	return names
}

// Types lists the types of the columns without id.
func (t *Table) Types() []Type {
	types := make([]Type, len(t.Columns))
	for i := range t.Columns {
		types[i] = t.Columns[i].Type
	}
	return types
}

// Row holds one value per column of its table, in order: nil, string, int64, float64, bool or time.Time.
type Row []any

func bound(f float64) *float64 { return &f }
