package dashboard

import "fmt"

// parts gives the additive parts of a measure, as SQL over one row of the source: any grouping of them can be
// summed before value puts them together.
func (m *Measure) parts(s source, raw bool) []expr {
	switch {
	case m.Sum != "":
		return s.sum(m.Sum, raw)
	case m.Average != "":
		return s.sum(m.Average, raw)
	case len(m.Share) > 0:
		dim, of := sorted(m.Share)[0], s.total(occurrences, raw)
		e := s.dimension(dim, raw)
		part := expr{"CASE WHEN " + e.sql + " = ? THEN " + of.sql + " ELSE 0 END", append(e.args, m.Share[dim])}
		return []expr{part, of}
	}
	return []expr{s.total(m.Total, raw)}
}

// width is the number of parts.
func (m *Measure) width() int {
	if m.Total != "" {
		return 1
	}
	return 2
}

// value puts the summed parts together; first is the number of the first part. It is NULL where nothing is known.
func (m *Measure) value(first int) string {
	a, b := fmt.Sprintf("SUM(p%d)", first), fmt.Sprintf("SUM(p%d)", first+1)
	switch {
	case m.Total != "":
		return a
	case m.Sum != "":
		return "CASE WHEN " + b + " > 0 THEN " + a + " END"
	default:
		return "1.0 * " + a + " / NULLIF(" + b + ", 0)"
	}
}

// counts says whether the value is a whole number.
func (m *Measure) counts() bool { return m.Total != "" }

// additive says whether the values of groups can be added up.
func (m *Measure) additive() bool { return m.Total != "" || m.Sum != "" }

// complete fills name, label and format where the declaration leaves them out.
func (m *Measure) complete() {
	name, format := m.Total, Integer
	switch {
	case m.Sum != "":
		name, format = m.Sum+"_sum", Decimal
	case m.Average != "":
		name, format = m.Average+"_average", Decimal
	case len(m.Share) > 0:
		dim := sorted(m.Share)[0]
		name, format = dim+"_share", Percent
	}
	if m.Name == "" {
		m.Name = name
	}
	if m.Label == "" {
		m.Label = label(m.Name)
	}
	if m.Format == "" {
		m.Format = format
	}
}
