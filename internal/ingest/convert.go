package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"github.com/feedback-loop/feedback-loop/internal/metric"
)

// convert reads a value as the column has it; the error completes the sentence "FIELD ...".
func (m *mapper) convert(c *metric.Column, v gjson.Result) (any, error) {
	switch c.Type {
	case metric.Int:
		return integer(c, v)
	case metric.Float:
		return number(c, v)
	case metric.Bool:
		if v.Type != gjson.True && v.Type != gjson.False {
			return nil, wrongType("true or false", v)
		}
		return v.Bool(), nil
	case metric.JSON:
		return jsonText(v.Raw)
	case metric.List:
		return list(v)
	}
	if v.Type != gjson.String {
		return nil, wrongType("a text", v)
	}
	switch c.Type {
	case metric.Time:
		return ParseTime(v.String(), m.zone)
	case metric.Key:
		id, err := uuid.Parse(v.String())
		if err != nil {
			return nil, fmt.Errorf("is no UUID")
		}
		return id.String(), nil
	default:
		return text(c, v)
	}
}

func text(c *metric.Column, v gjson.Result) (any, error) {
	s := v.String()
	switch {
	case len(s) > maxText:
		return nil, fmt.Errorf("is %d bytes long; at most %d are kept", len(s), maxText)
	case c.Size > 0 && len(s) > c.Size && utf8.RuneCountInString(s) > c.Size:
		return nil, fmt.Errorf("is %d characters long; at most %d are allowed", utf8.RuneCountInString(s), c.Size)
	case c.Required && c.Default == nil && strings.TrimSpace(s) == "":
		return nil, fmt.Errorf("is blank")
	case len(c.Enum) == 0:
		return s, nil
	}
	for _, e := range c.Enum {
		if strings.EqualFold(e, strings.TrimSpace(s)) {
			return e, nil
		}
	}
	return nil, fmt.Errorf("is %q; expected one of %s", clip(s, 60), strings.Join(c.Enum, ", "))
}

func integer(c *metric.Column, v gjson.Result) (any, error) {
	if v.Type != gjson.Number {
		return nil, wrongType("a whole number", v)
	}
	n, err := strconv.ParseInt(v.Raw, 10, 64)
	if err != nil {
		f, e := strconv.ParseFloat(v.Raw, 64)
		switch {
		case e == nil && f != math.Trunc(f):
			return nil, fmt.Errorf("is %s; expected a whole number", clip(v.Raw, 40))
		case e != nil || math.Abs(f) >= 1<<53 || strings.TrimLeft(v.Raw, "-0123456789") == "":
			return nil, fmt.Errorf("is %s, which is out of range", clip(v.Raw, 40))
		}
		n = int64(f)
	}
	return n, within(c, float64(n), v.Raw)
}

func number(c *metric.Column, v gjson.Result) (any, error) {
	if v.Type != gjson.Number {
		return nil, wrongType("a number", v)
	}
	f, err := strconv.ParseFloat(v.Raw, 64)
	if err != nil || math.Abs(f) > maxNumber {
		return nil, fmt.Errorf("is %s, which is out of range", clip(v.Raw, 40))
	}
	if f == 0 {
		f = 0 // without the sign of -0, which not every database keeps
	}
	return f, within(c, f, v.Raw)
}

func within(c *metric.Column, f float64, raw string) error {
	switch {
	case c.Min != nil && f < *c.Min:
		return fmt.Errorf("is %s; it must be at least %s", clip(raw, 40), plain(*c.Min))
	case c.Max != nil && f > *c.Max:
		return fmt.Errorf("is %s; it must be at most %s", clip(raw, 40), plain(*c.Max))
	}
	return nil
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func list(v gjson.Result) (any, error) {
	items := []string{}
	add := func(e gjson.Result) error {
		if e.Type != gjson.String {
			return fmt.Errorf("has an element that is %s; expected texts", kind(e))
		}
		if strings.TrimSpace(e.String()) == "" {
			return fmt.Errorf("has an element that is blank")
		}
		if utf8.RuneCountInString(e.String()) > 255 {
			return fmt.Errorf("has an element of more than 255 characters")
		}
		items = append(items, e.String())
		return nil
	}
	var err error
	switch {
	case v.Type == gjson.String:
		err = add(v)
	case v.IsArray():
		v.ForEach(func(_, e gjson.Result) bool {
			err = add(e)
			return err == nil
		})
	default:
		err = wrongType("a list of texts", v)
	}
	if err != nil {
		return nil, err
	}
	return marshalPlain(items)
}

// marshalPlain writes JSON without the escaping that is meant for HTML.
func marshalPlain(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// jsonText is a value as a JSON column keeps it: without blanks between its parts.
func jsonText(raw string) (string, error) {
	if err := inspectNumbers(raw); err != nil {
		return "", err
	}
	if !strings.ContainsAny(raw, " \t\r\n") {
		return raw, nil
	}
	var b bytes.Buffer
	err := json.Compact(&b, []byte(raw))
	return b.String(), err
}

func wrongType(want string, v gjson.Result) error {
	return fmt.Errorf("is %s; expected %s", kind(v), want)
}

func kind(v gjson.Result) string {
	switch {
	case v.IsArray():
		return "a list"
	case v.IsObject():
		return "an object"
	case v.Type == gjson.String:
		return "the text " + strconv.Quote(clip(v.String(), 40))
	default:
		return clip(v.Raw, 40)
	}
}
