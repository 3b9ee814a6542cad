// Package metric is the metric catalogue: one file per category of event, each declaring one value from which the
// tables, the validation, the decoding, the bulk insert, the rollups, the reference documentation and the sample
// data follow.
//
// It knows no database and no file format.
package metric

import "sync"

// SchemaVersion is the version of the schema that this catalogue describes. Raise it together with the Since of
// what is new.
const SchemaVersion = 2

// Catalogue gives every category, in the order of the metrics JSON. The values are shared: do not change them.
func Catalogue() []*Category { return catalogue() }

var catalogue = sync.OnceValue(func() []*Category {
	all := []*Category{bug(), testFailure(), codeReview(), performance(), deployment(), codeGeneration(), llmCall()}
	for _, c := range all {
		c.build()
	}
	return all
})

// Names lists the categories' names, for messages.
func Names() []string {
	var names []string
	for _, c := range Catalogue() {
		names = append(names, c.Name)
	}
	return names
}

// ByName finds a category by its key in the metrics JSON; nil when there is none.
func ByName(name string) *Category {
	for _, c := range Catalogue() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Tables lists every table: events, links, rollups, the import ledger, and what people manage.
func Tables() []*Table { return tables() }

var tables = sync.OnceValue(func() []*Table {
	var all []*Table
	for _, c := range Catalogue() {
		all = append(all, c.table)
		if c.Links != nil {
			all = append(all, c.Links.table)
		}
	}
	all = append(all, Daily(), Totals(), Monthly(), Summary(), Effectiveness())
	return append(append(all, ledger()...), operational()...)
})
