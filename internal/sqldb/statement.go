package sqldb

import (
	"fmt"
	"strings"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// Statement is SQL under construction: constant text of ours, with every value as a parameter.
type Statement struct {
	g    Grammar
	sql  strings.Builder
	args []any
}

// NewStatement starts a statement in an engine's grammar; see Add.
func NewStatement(g Grammar, sql string, args ...any) *Statement {
	return (&Statement{g: g}).Add(sql, args...)
}

// Add appends text in which each ? stands for the next of the values. The text must be constant and hold no ? in
// literals; a wrong number of values is a programmer's error and panics.
func (s *Statement) Add(sql string, args ...any) *Statement {
	parts := strings.Split(sql, "?")
	if len(parts)-1 != len(args) {
		panic(fmt.Sprintf("sqldb: %d values for %q", len(args), sql))
	}
	for i, p := range parts {
		s.sql.WriteString(p)
		if i < len(args) {
			s.args = append(s.args, s.g.Encode(args[i]))
			s.sql.WriteString(s.g.Placeholder(len(s.args)))
		}
	}
	return s
}

// String is the SQL with the engine's placeholders; values are not in it.
func (s *Statement) String() string { return s.sql.String() }

// Args are the values in the order of the placeholders, as the driver takes them.
func (s *Statement) Args() []any { return s.args }

// Define writes the definition of a column, whose type and default an engine has written.
func Define(c *metric.Column, columnType string, literal func(any) string) string {
	def := c.Name + " " + columnType
	if c.Required {
		def += " NOT NULL"
	}
	if c.Default != nil {
		def += " DEFAULT " + literal(c.Default)
	}
	return def
}
