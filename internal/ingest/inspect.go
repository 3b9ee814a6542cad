package ingest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// inspect refuses what not every database could store: bytes that are no UTF-8, NUL, half surrogates, deep nesting.
func inspect(raw []byte) error {
	if !utf8.Valid(raw) {
		return fmt.Errorf("the record holds bytes that are not UTF-8")
	}
	if bytes.IndexByte(raw, '\\') >= 0 {
		if err := inspectEscapes(raw); err != nil {
			return err
		}
	}
	if Deep(raw) {
		return fmt.Errorf("the record is nested more than %d levels deep", maxDepth)
	}
	return nil
}

func inspectEscapes(raw []byte) error {
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		i++
		if raw[i] != 'u' {
			continue
		}
		switch r := hex4(raw[i+1:]); {
		case r == 0:
			return fmt.Errorf("the record holds a NUL character, which not every database can store")
		case r >= 0xD800 && r < 0xDC00 && bytes.HasPrefix(raw[i+5:], []byte(`\u`)) && low(hex4(raw[i+7:])):
			i += 10
		case r >= 0xD800 && r < 0xE000:
			return fmt.Errorf("the record holds half of a surrogate pair, which is no character")
		default:
			i += 4
		}
	}
	return nil
}

// low says whether r is the second half of a surrogate pair.
func low(r int) bool { return r >= 0xDC00 && r < 0xE000 }

// hex4 reads the four digits after \u; negative if they are none.
func hex4(b []byte) int {
	if len(b) < 4 {
		return -1
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	if err != nil {
		return -1
	}
	return int(n)
}

// inspectNumbers refuses valid JSON with a number that not every database could keep as it is: one written with an exponent
// or a fraction that is too large for a double, or one that has more than maxDigits characters when written out, as
// PostgreSQL does. The error completes the sentence "FIELD ...".
func inspectNumbers(raw string) error {
	for i := 0; i < len(raw); {
		switch b := raw[i]; {
		case b == '"':
			i = textEnd(raw, i)
		case b == '-' || b >= '0' && b <= '9':
			end := i + 1
			for end < len(raw) && strings.IndexByte("0123456789.eE+-", raw[end]) >= 0 {
				end++
			}
			if unkeepable(raw[i:end]) {
				return fmt.Errorf("holds the number %s, which not every database can store", clip(raw[i:end], 40))
			}
			i = end
		default:
			i++
		}
	}
	return nil
}

// textEnd is the position behind the text of valid JSON that begins at i.
func textEnd(raw string, i int) int {
	for i++; i < len(raw) && raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// unkeepable judges the text of one number.
func unkeepable(number string) bool {
	if len(number) > maxDigits {
		return true
	}
	if !strings.ContainsAny(number, ".eE") {
		return false // whole numbers keep all their digits
	}
	if _, err := strconv.ParseFloat(number, 64); err != nil {
		return true
	}
	at := strings.IndexAny(number, "eE")
	if at < 0 {
		return false
	}
	shift, err := strconv.Atoi(number[at+1:])
	return err != nil || at+max(shift, -shift)+len("0.") > maxDigits
}

// Deep says that JSON text, which need not be valid, is nested deeper than a record may be. A format that looks into a
// record by recursion has to ask first.
func Deep(raw []byte) bool {
	return bytes.Count(raw, []byte("{"))+bytes.Count(raw, []byte("[")) > maxDepth && depth(raw) > maxDepth
}

// depth counts the levels of a record. An export puts the fields without column one level deeper, under extra; that
// level does not count, or what was as deep as allowed could not be imported again.
func depth(raw []byte) int {
	deepest, now, wrap, inText := 0, 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch b := raw[i]; {
		case inText && b == '\\':
			i++
		case b == '"':
			inText = !inText
		case inText:
		case b == '{' || b == '[':
			now++
			if now == 2 {
				wrap = wrapped(raw[:i])
			}
			deepest = max(deepest, now-wrap)
		case b == '}' || b == ']':
			now--
		}
	}
	return deepest
}

// wrapped is 1 if the value that follows this text is that of extra.
func wrapped(before []byte) int {
	before, colon := bytes.CutSuffix(bytes.TrimRight(before, " \t\r\n"), []byte(":"))
	if colon && bytes.HasSuffix(bytes.TrimRight(before, " \t\r\n"), []byte(`"extra"`)) {
		return 1
	}
	return 0
}
