package ingest

import (
	"bytes"
	"fmt"
	"strconv"
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
