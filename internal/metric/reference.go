package metric

import (
	"fmt"
	"strconv"
	"strings"
)

// Reference renders docs/metrics.md: every table of the metrics database and how records become its rows.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceIntro)
	for _, c := range Catalogue() {
		fmt.Fprintf(&b, "| %s | `%s` | `%s` | %s |\n", c.Title, c.Name, c.Table, escapeCell(c.Doc))
	}
	for _, c := range Catalogue() {
		writeCategory(&b, c)
	}
	b.WriteString(referenceCommon)
	writeColumns(&b, Provenance(), true)
	b.WriteString("\n# Rollups\n\nWritten together with the rows they are made from.\n")
	for _, t := range []*Table{Daily(), Totals(), Monthly(), Summary(), Effectiveness()} {
		writeTable(&b, t)
	}
	b.WriteString("\n# Imports\n\nThe ledger: what was read, what became of it, and the memory that makes a repeated import a no-op.\n")
	for _, t := range ledger() {
		writeTable(&b, t)
	}
	b.WriteString("\n# What people manage\n\nTables that dashboards join with the events.\n")
	for _, t := range operational() {
		writeTable(&b, t)
	}
	return b.String()
}

const referenceIntro = `<!-- Generated from internal/metric by: go test ./internal/metric -run TestReference -update -->

# Metrics

What the metrics database holds, and which keys of the metrics JSON become which columns. The file is one object; each
category below is a key of it and holds a list of records. A missing or null category is an empty list, a lone record a list of
one. Keys that no column takes are kept in ` + "`extra`" + `. A record without a required field is rejected, unless the
column has a default. Dotted fields lie in an object inside the record; of several fields the first that is there is taken.

JSON columns are text in SQLite, as it was written but for blanks. In PostgreSQL they are ` + "`jsonb`" + `, which orders the members of an
object, keeps the last of several with one name, and writes numbers without exponent. A record is rejected if a number in
such a column is too large for a double or, written without exponent, longer than 1000 characters.

Every event table has a numbered ` + "`id`" + `, its own columns as listed, then the [common columns](#common-columns).

| Category | JSON key | Table | Purpose |
|---|---|---|---|
`

const referenceCommon = `
## Common columns

Every event table has these after its own. The options of an import give repository, branch and source to records that
name none; a missing time becomes the time of the import and is marked.

`

func writeCategory(b *strings.Builder, c *Category) {
	fmt.Fprintf(b, "\n## %s\n\n%s JSON key `%s`, table `%s`.\n\n", c.Title, c.Doc, c.Name, c.Table)
	writeColumns(b, c.Columns, true)
	b.WriteString("\n")
	writeRoles(b, newAggregate(c.Name, c.table))
	writeKeys(b, c.table)
	if len(c.Series) > 0 {
		fmt.Fprintf(b, "- Counter: records with the same %s are one cumulative counter of a file that lists it once. An import adds "+
			"what the count rose by since the last one as a new row; after a fall the whole count is new. A file that lists it more "+
			"than once is a log of events.\n", codes(c.Series, " and "))
	} else {
		b.WriteString("- Every record is an event of its own.\n")
	}
	if l := c.Links; l != nil {
		fmt.Fprintf(b, "\n### Table %s\n\n%s Rollup name `%s`.\n\n", l.Table, l.Doc, l.Name)
		writeColumns(b, l.table.Columns, false)
		b.WriteString("\n")
		writeRoles(b, newAggregate(l.Name, l.table))
		writeKeys(b, l.table)
	}
}

func writeTable(b *strings.Builder, t *Table) {
	fmt.Fprintf(b, "\n## Table %s\n\n%s\n\n", t.Name, t.Doc)
	writeColumns(b, t.Columns, false)
	if len(t.Identity)+len(t.Indexes) > 0 {
		b.WriteString("\n")
	}
	writeKeys(b, t)
}

// writeColumns makes the table of columns; fields says whether records fill them.
func writeColumns(b *strings.Builder, cols []Column, fields bool) {
	head, rule := "| Column | Type | Required | Default | Values | Unit |", "|---|---|---|---|---|---|"
	if fields {
		head, rule = head+" JSON field |", rule+"---|"
	}
	b.WriteString(head + " Meaning |\n" + rule + "---|\n")
	for i := range cols {
		c := &cols[i]
		cells := []string{code(c.Name), typeText(c), yes(c.Required), defaultText(c.Default), valuesText(c), c.Unit}
		if fields {
			cells = append(cells, fieldText(c))
		}
		b.WriteString("| " + strings.Join(append(cells, escapeCell(c.Doc)), " | ") + " |\n")
	}
}

// writeRoles says what the rollup groups by and adds up, under the names it has there.
func writeRoles(b *strings.Builder, a *Aggregate) {
	list := func(title string, all []Folded) {
		var names []string
		for _, f := range all {
			name := code(f.Name)
			if source := a.Table.Columns[f.Source].Name; source != f.Name {
				name += " (from " + code(source) + ")"
			}
			names = append(names, name)
		}
		if names != nil {
			fmt.Fprintf(b, "- %s: %s\n", title, strings.Join(names, ", "))
		}
	}
	list("Dimensions", a.Dimensions)
	list("Measures", a.Measures)
}

func writeKeys(b *strings.Builder, t *Table) {
	if len(t.Identity) > 0 {
		title := "Primary key"
		if t.AutoID {
			title = "Unique"
		}
		fmt.Fprintf(b, "- %s: %s\n", title, codes(t.Identity, ", "))
	}
	for _, x := range t.Indexes {
		fmt.Fprintf(b, "- Index %s: %s\n", code(x.Name), codes(x.Columns, ", "))
	}
}

func typeText(c *Column) string {
	if c.Size > 0 {
		return fmt.Sprintf("%s (%d)", c.Type, c.Size)
	}
	return c.Type.String()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func defaultText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return code(strconv.Quote(v))
	default:
		return code(fmt.Sprint(v))
	}
}

// valuesText gives what a column is limited to.
func valuesText(c *Column) string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	switch {
	case c.Enum != nil:
		return codes(c.Enum, ", ")
	case c.Min != nil && c.Max != nil:
		return number(*c.Min) + " to " + number(*c.Max)
	case c.Min != nil:
		return "at least " + number(*c.Min)
	case c.Max != nil:
		return "at most " + number(*c.Max)
	}
	return ""
}

func fieldText(c *Column) string {
	if c.Store {
		return "(filled by the import)"
	}
	s := codes(c.Paths(), ", ")
	if len(c.Aliases) > 0 {
		s += "; also " + codes(c.Aliases, ", ")
	}
	return s
}

func code(s string) string { return "`" + s + "`" }

func codes(list []string, between string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = code(s)
	}
	return strings.Join(quoted, between)
}

// escapeCell keeps a text from ending its cell of a Markdown table.
func escapeCell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}
