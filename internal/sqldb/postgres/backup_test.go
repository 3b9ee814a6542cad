package postgres

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/feedback-loop/feedback-loop/internal/fault"
	"github.com/feedback-loop/feedback-loop/internal/testkit"
)

// The data of a COPY ends at a line that is \. and nothing else, wherever the buffer ends.
func TestCopyData(t *testing.T) {
	for _, c := range []struct {
		text, data, behind string
		cut                bool
	}{
		{"1\ta\n2\tb\n\\.\nSELECT 1;\n", "1\ta\n2\tb\n", "SELECT 1;\n", false},
		{"\\.\n", "", "", false},
		{"\\N\n\\.\n", "\\N\n", "", false},
		{"1\t\\\\.\n\\.\n", "1\t\\\\.\n", "", false},
		{"0123456789abcdef\\.\nx\n\\.\n", "0123456789abcdef\\.\nx\n", "", false}, // the buffer ends before the \.
		{strings.Repeat("long ", 1000) + "\n\\.\nx", strings.Repeat("long ", 1000) + "\n", "x", false},
		{"1\ta\n2", "1\ta\n", "", true},
		{"", "", "", true},
		{"1\n\\.", "1\n", "", true},
	} {
		r := bufio.NewReaderSize(strings.NewReader(c.text), 16)
		d := &copyData{r: r, atStart: true}
		data, err := io.ReadAll(d)
		rest, _ := io.ReadAll(r) // of a string
		if string(data) != c.data || d.cut != c.cut || (err != nil) != c.cut || !c.cut && string(rest) != c.behind {
			t.Errorf("%.30q gives %.30q, then %.30q, cut %v, %v", c.text, data, rest, d.cut, err)
		}
	}
}

// The owner's policy goes to the new owner; others' stay as they are.
func TestMine(t *testing.T) {
	for line, want := range map[string]string{
		"CREATE POLICY owner ON metrics.metrics_bugs TO keeper USING (true) WITH CHECK (true);\n":           "CREATE POLICY owner ON metrics.metrics_bugs TO CURRENT_USER USING (true) WITH CHECK (true);\n",
		"CREATE POLICY owner ON metrics.metrics_bugs TO \"TO a USING\" USING (true) WITH CHECK (true);\n":   "CREATE POLICY owner ON metrics.metrics_bugs TO CURRENT_USER USING (true) WITH CHECK (true);\n",
		"CREATE POLICY readers ON metrics.metrics_bugs FOR SELECT TO keeper USING (organization_id = 1);\n": "CREATE POLICY readers ON metrics.metrics_bugs FOR SELECT TO keeper USING (organization_id = 1);\n",
		"CREATE POLICY owner ON metrics.metrics_bugs TO keeper USING (false) WITH CHECK (true);\n":          "CREATE POLICY owner ON metrics.metrics_bugs TO keeper USING (false) WITH CHECK (true);\n",
	} {
		if got := mine(line); got != want {
			t.Errorf("%q becomes %q", line, got)
		}
	}
}

// Of programs that are missing or older than the server it is said what to install, and how to do without.
func TestProgram(t *testing.T) {
	testkit.RequireCommand(t, "postgres", "pg_dump")
	for _, c := range []struct {
		name  string
		least int
		kind  fault.Kind
		want  string
	}{
		{"pg_dumb", 15, fault.NotFound, "pg_dumb is not in PATH"},
		{"pg_dump", 999, fault.Conflict, "an older program cannot read it"},
	} {
		_, err := program(t.Context(), c.name, c.least)
		if fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, part := range []string{c.want, "Install PostgreSQL's client programs", "or newer", "feedback-loop db copy"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v does not say %q", err, part)
			}
		}
	}
	if path, err := program(t.Context(), "pg_dump", 13); err != nil || !strings.HasSuffix(path, "/pg_dump") {
		t.Errorf("%s, %v", path, err)
	}
}
