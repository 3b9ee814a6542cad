package export

import (
	"regexp"
	"strings"
	"unicode"
)

// Escape makes text safe for a spreadsheet: what would be evaluated there gets an apostrophe before it. That is text
// which begins with =, +, -, @ or one of their full-width and small forms, also after blanks and quotes, and text
// which begins with a tab or a line break. A plain negative number stays as it is.
//
// The source can be had back: remove the apostrophe from a cell if what follows it is text that Escape would escape.
func Escape(s string) string {
	if evaluated(s) {
		return "'" + s
	}
	return s
}

// triggers begin a formula. Spreadsheets in East Asian locales take the full-width forms for the plain ones; the
// others are what Unicode holds to be the same characters.
const triggers = "=+-@" + "＝＋－＠" + "﹦﹢﹣﹫" + "⁼⁺⁻" + "₌₊₋" + "−"

// quotes may stand before a formula: some spreadsheets drop them. An apostrophe among them makes escaping reversible.
const quotes = `'"` + "＇＂"

var negative = regexp.MustCompile(`^-[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

func evaluated(s string) bool {
	s = strings.TrimLeftFunc(s, skipped)
	if s == "" {
		return false
	}
	if strings.ContainsRune("\t\r\n", rune(s[0])) {
		return true
	}
	return strings.IndexAny(s, triggers) == 0 && !negative.MatchString(s)
}

// skipped says that a spreadsheet may look past a character at the beginning: blanks, also invisible ones, and quotes.
func skipped(r rune) bool {
	if r == '\t' || r == '\r' || r == '\n' {
		return false
	}
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Cc, r) || strings.ContainsRune(quotes, r)
}
