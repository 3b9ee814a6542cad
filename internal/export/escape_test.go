package export

import (
	"encoding/csv"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// unescape gives the source of a cell, as the documentation of Escape says.
func unescape(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && Escape(rest) != rest {
		return rest
	}
	return cell
}

// dangerous is a second opinion on what a spreadsheet evaluates: Unicode itself says which characters are forms of the
// plain ones, and everything that is no visible character is looked past.
func dangerous(cell string) bool {
	if strings.HasPrefix(cell, "'") {
		return false // text, whatever follows
	}
	for i, r := range cell {
		if strings.ContainsRune("\t\r\n", r) {
			return true
		}
		form := strings.ReplaceAll(norm.NFKC.String(string(r)), "−", "-")
		switch {
		case form == `"` || form == `'` || strings.TrimSpace(form) == "" || unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			continue
		case strings.ContainsAny(form[:1], "=+@"):
			return true
		case form[0] == '-':
			return !plainNumber(cell[i:])
		}
		return false
	}
	return false
}

// plainNumber reads digit by digit, so as to share nothing with the expression in the code.
func plainNumber(s string) bool {
	digits := func() bool {
		n := len(s)
		s = strings.TrimLeft(s, "0123456789")
		return len(s) < n
	}
	s = strings.TrimPrefix(s, "-")
	if !digits() {
		return false
	}
	if strings.HasPrefix(s, ".") {
		s = s[1:]
		if !digits() {
			return false
		}
	}
	if s != "" && strings.ContainsAny(s[:1], "eE") {
		s = s[1:]
		if s != "" && strings.ContainsAny(s[:1], "+-") {
			s = s[1:]
		}
		return digits() && s == ""
	}
	return s == ""
}

func TestEscape(t *testing.T) {
	for source, want := range map[string]string{
		"":                     "",
		"plain":                "plain",
		"a=b":                  "a=b",
		"=cmd|' /C calc'!A0":   "'=cmd|' /C calc'!A0",
		"+1":                   "'+1",
		"@SUM(1)":              "'@SUM(1)",
		"-":                    "'-",
		"-2+3":                 "'-2+3",
		"-5":                   "-5",
		"-1.5e+10":             "-1.5e+10",
		"-1.":                  "'-1.",
		"-.5":                  "'-.5",
		"-inf":                 "'-inf",
		"-0x1":                 "'-0x1",
		"-5 ":                  "'-5 ",
		"-5\n=1":               "'-5\n=1",
		"\t":                   "'\t",
		"\rx":                  "'\rx",
		"\nx":                  "'\nx",
		" =1":                  "' =1",
		"  \"=1":               "'  \"=1",
		"'=1":                  "''=1",
		"''=1":                 "'''=1",
		"'plain":               "'plain",
		"it's":                 "it's",
		"\u00a0=1":             "'\u00a0=1",
		"\u200b=1":             "'\u200b=1",
		"\ufeff=1":             "'\ufeff=1",
		"\x00=1":               "'\x00=1",
		"＝1":                   "'＝1",
		"＋1":                   "'＋1",
		"－1":                   "'－1",
		"＠x":                   "'＠x",
		"−1":                   "'−1",
		"—dash":                "—dash",
		`"=1"`:                 `'"=1"`,
		`{"a":"=1"}`:           `{"a":"=1"}`,
		`["=1"]`:               `["=1"]`,
		"%0A=1":                "%0A=1",
		"\xff=1":               "\xff=1",
		"=\xff":                "'=\xff",
		"http://example.com/=": "http://example.com/=",
	} {
		if got := Escape(source); got != want {
			t.Errorf("Escape(%q) = %q, want %q", source, got, want)
		}
	}
}

func holds(t *testing.T, source string) {
	t.Helper()
	cell := Escape(source)
	if dangerous(cell) {
		t.Errorf("%q goes out as %q, which is evaluated", source, cell)
	}
	if cell != source && !dangerous(source) && !dangerous(strings.TrimLeft(source, "'＇")) {
		t.Errorf("%q is escaped for no reason", source)
	}
	if got := unescape(cell); got != source {
		t.Errorf("%q goes out as %q and comes back as %q", source, cell, got)
	}
	if strings.Contains(source, "\r\n") {
		return // encoding/csv reads this as a line feed
	}
	line := string(append(append(quote([]byte("a,"), cell), ','), "z\r\n"...))
	cells, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil || len(cells) != 3 || cells[1] != cell {
		t.Errorf("%q is read back as %q (%v)", line, cells, err)
	}
}

func TestNoCellEvaluates(t *testing.T) {
	pieces := strings.Split(triggers, "")
	pieces = append(pieces, "'", `"`, "＇", "＂", " ", "\t", "\r", "\n", "\u00a0", "\u200b", "\u2028", "\ufeff", "\x00", "\x7f", ",", ";", "|",
		"1", "-5", ".", "e", "E+3", "a", "é", "日", `\.`, "{", "cmd()", "\xff", "A1", "!")
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		var s strings.Builder
		for range rnd.IntN(7) {
			s.WriteString(pieces[rnd.IntN(len(pieces))])
		}
		holds(t, s.String())
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "=1", " -5", "'=1", "''", "\ufeff＝x", "-1e5", "a\r\nb", `\.`, "\xff", `"`} {
		f.Add(s)
	}
	f.Fuzz(holds)
}
