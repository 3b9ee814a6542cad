package move

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// digest sums up rows, in any order: the sum modulo 2^128 of the SHA-256 of each. It is the same on every engine,
// although they write JSON, UUIDs and the sign of zero in their own ways.
type digest struct {
	rows   int64
	hi, lo uint64
	buf    []byte
}

func (d *digest) add(types []metric.Type, row metric.Row) {
	d.buf = d.buf[:0]
	for i, t := range types {
		d.buf = appendValue(d.buf, t, row[i])
	}
	sum := sha256.Sum256(d.buf)
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, binary.BigEndian.Uint64(sum[8:]), 0)
	d.hi, _ = bits.Add64(d.hi, binary.BigEndian.Uint64(sum[:8]), carry)
	d.rows++
}

// String gives 32 hexadecimal digits.
func (d *digest) String() string { return fmt.Sprintf("%016x%016x", d.hi, d.lo) }

// appendValue writes a value so that the next one begins where it ends.
func appendValue(b []byte, t metric.Type, v any) []byte {
	switch v := v.(type) {
	case string:
		switch t {
		case metric.JSON, metric.List:
			return appendJSON(b, v)
		case metric.Key:
			v = strings.ToLower(v)
		}
		return appendText(append(b, 't'), v)
	case int64:
		return binary.AppendVarint(append(b, 'n'), v)
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'f'), math.Float64bits(v+0)) // no engine but some keep the sign of -0
	case bool:
		return strconv.AppendBool(b, v)
	case time.Time:
		return binary.AppendVarint(append(b, 'd'), v.UnixMicro())
	default:
		return append(b, '0')
	}
}

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendJSON writes JSON text as a value: keys sorted, the last of several equal ones, strings without escapes, numbers
// without exponent and trailing zeros. What is no JSON is written as it is.
func appendJSON(b []byte, text string) []byte {
	d := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true))
	out, err := appendNext(append(b, 'j'), d)
	if err == nil {
		if _, err = d.ReadToken(); errors.Is(err, io.EOF) {
			return out
		}
	}
	return appendText(append(b, 't'), text)
}

// appendNext writes the next value of the decoder.
func appendNext(b []byte, d *jsontext.Decoder) ([]byte, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch kind := token.Kind(); kind {
	case '{':
		return appendObject(b, d)
	case '[':
		b = append(b, '[')
		for d.PeekKind() != ']' {
			if b, err = appendNext(b, d); err != nil {
				return nil, err
			}
		}
		_, err = d.ReadToken()
		return append(b, ']'), err
	case '"':
		return appendText(append(b, '"'), token.String()), nil
	case '0':
		return appendText(append(b, '0'), decimal(token.String())), nil
	default:
		return append(b, byte(kind)), nil
	}
}

func appendObject(b []byte, d *jsontext.Decoder) ([]byte, error) {
	members := map[string][]byte{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if members[key], err = appendNext(nil, d); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	b = append(b, '{')
	for _, key := range slices.Sorted(maps.Keys(members)) {
		b = append(appendText(append(b, '"'), key), members[key]...)
	}
	return append(b, '}'), err
}

// decimal writes a JSON number as its digits and a power of ten, so that equal numbers are written alike.
func decimal(text string) string {
	number, negative := strings.CutPrefix(text, "-")
	mantissa, power, _ := strings.Cut(strings.ToLower(number), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	exponent, err := strconv.ParseInt(cmp.Or(power, "0"), 10, 32)
	if err != nil {
		return text // beyond what any engine computes with
	}
	all := whole + fraction
	digits := strings.TrimRight(all, "0")
	exponent += int64(len(all) - len(digits) - len(fraction))
	if digits = strings.TrimLeft(digits, "0"); digits == "" {
		return "0"
	}
	if negative {
		digits = "-" + digits
	}
	return digits + "e" + strconv.FormatInt(exponent, 10)
}
