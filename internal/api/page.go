package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed page.html
var pageText string

// The documentation page is rendered once from the description: no script, nothing loaded from elsewhere.

type pageData struct {
	Title, Version, Description string
	Operations                  []pageOperation
	Schemas                     []pageSchema
}

type pageOperation struct {
	ID, Method, Path, Summary, Tag string
	Parameters                     []pageField
	Responses                      []pageResponse
}

type pageField struct {
	Name, In, Type, Doc string
	Required            bool
}

type pageResponse struct {
	Status, Doc string
	Schema      template.HTML
}

type pageSchema struct {
	Name   string
	Fields []pageField
	Types  []template.HTML // of the fields
}

func (a *api) page() ([]byte, error) {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, err
	}
	doc := a.huma.OpenAPI()
	data := pageData{Title: doc.Info.Title, Version: doc.Info.Version, Description: doc.Info.Description}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		if op := doc.Paths[path].Get; op != nil {
			data.Operations = append(data.Operations, operation(op))
		}
	}
	schemas := doc.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		data.Schemas = append(data.Schemas, schema(name, schemas[name]))
	}
	var b bytes.Buffer
	err = t.Execute(&b, data)
	return b.Bytes(), err
}

func operation(op *huma.Operation) pageOperation {
	out := pageOperation{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Tag: strings.Join(op.Tags, ", ")}
	for _, p := range op.Parameters {
		out.Parameters = append(out.Parameters, pageField{Name: p.Name, In: p.In, Type: limits(p.Schema), Doc: p.Description, Required: p.Required})
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		r := op.Responses[status]
		out.Responses = append(out.Responses, pageResponse{Status: status, Doc: r.Description, Schema: content(r)})
	}
	return out
}

func content(r *huma.Response) template.HTML {
	for _, kind := range slices.Sorted(maps.Keys(r.Content)) {
		if s := r.Content[kind].Schema; s != nil {
			return typeOf(s)
		}
	}
	return ""
}

func schema(name string, s *huma.Schema) pageSchema {
	out := pageSchema{Name: name}
	for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[field]
		out.Fields = append(out.Fields, pageField{Name: field, Doc: p.Description, Required: slices.Contains(s.Required, field)})
		out.Types = append(out.Types, typeOf(p))
	}
	return out
}

// typeOf shows a type; names of other schemas become links to them.
func typeOf(s *huma.Schema) template.HTML {
	switch {
	case s == nil:
		return "any"
	case s.Ref != "":
		name := template.HTMLEscapeString(s.Ref[strings.LastIndex(s.Ref, "/")+1:])
		return template.HTML(`<a href="#schema-` + name + `">` + name + `</a>`) // the name is escaped
	case s.Items != nil:
		return "list of " + typeOf(s.Items) + template.HTML(orNull(s))
	}
	return template.HTML(template.HTMLEscapeString(limits(s)))
}

func orNull(s *huma.Schema) string {
	if s.Nullable {
		return " or null"
	}
	return ""
}

// limits shows a plain type with what it may be.
func limits(s *huma.Schema) string {
	text := s.Type
	if text == "" {
		text = "any"
	}
	if s.Format != "" {
		text += " (" + s.Format + ")"
	}
	if len(s.Enum) > 0 {
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = fmt.Sprint(v)
		}
		text += ": " + strings.Join(values, ", ")
	}
	for _, l := range []struct {
		what  string
		value *float64
	}{{", at least ", s.Minimum}, {", at most ", s.Maximum}} {
		if l.value != nil {
			text += l.what + fmt.Sprint(*l.value)
		}
	}
	if s.MaxLength != nil {
		text += fmt.Sprintf(", at most %d characters", *s.MaxLength)
	}
	if s.Default != nil {
		text += ", default " + plainJSON(s.Default)
	}
	return text + orNull(s)
}

func plainJSON(v any) string {
	if raw, ok := v.(json.RawMessage); ok {
		return string(raw)
	}
	return fmt.Sprint(v)
}
