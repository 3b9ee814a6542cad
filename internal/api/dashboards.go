package api

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/feedback-loop/feedback-loop/internal/dashboard"
	"github.com/feedback-loop/feedback-loop/internal/store"
)

type dashboardsBody struct {
	Dashboards []DashboardHead `json:"dashboards" nullable:"false" doc:"Every dashboard, in the order of the catalogue"`
}

// DashboardHead says what a dashboard is; exported because the description leaves embedded private types out.
type DashboardHead struct {
	ID          string `json:"id" doc:"Id in addresses"`
	Title       string `json:"title" doc:"Name for people"`
	Description string `json:"description" doc:"What it is for"`
}

type dashboardBody struct {
	DashboardHead
	RefreshSeconds int       `json:"refresh_seconds" doc:"How often an open page asks again; 0 = never"`
	Rows           []rowBody `json:"rows" nullable:"false" doc:"Lines of charts"`
}

type rowBody struct {
	Charts []chartBody `json:"charts" nullable:"false" doc:"Charts of the line; their widths add up to at most 12"`
}

type chartBody struct {
	ID          string        `json:"id" doc:"Id of the chart"`
	Title       string        `json:"title" doc:"Name for people"`
	Description string        `json:"description" doc:"What it shows"`
	Kind        string        `json:"kind" enum:"total,line,pie,bar,hbar" doc:"How it is drawn; bar is vertical, hbar horizontal"`
	Width       int           `json:"width" minimum:"1" maximum:"12" doc:"Columns of twelve"`
	Time        *string       `json:"time" doc:"Column of the data with the time; null when it is not over time"`
	Category    *string       `json:"category" doc:"Column of the data for the category axis"`
	Series      *string       `json:"series" doc:"Column of the data that splits lines or bars"`
	Measures    []measureBody `json:"measures" nullable:"false" doc:"Columns of the data with numbers"`
}

type measureBody struct {
	Name   string `json:"name" doc:"Column of the data"`
	Label  string `json:"label" doc:"Name for people"`
	Format string `json:"format" enum:"integer,decimal,percent,duration_ms,bytes" doc:"How to write it; a percent of 0.25 is 25 %"`
}

type dataBody struct {
	Chart      string       `json:"chart" doc:"Id of the chart"`
	Columns    []columnBody `json:"columns" nullable:"false" doc:"What the cells of each row are"`
	Rows       [][]any      `json:"rows" nullable:"false" doc:"One text or number per column; null where a number is unknown. Times without events have no row"`
	Grain      *string      `json:"grain" enum:"day,week,month" doc:"Width of the time buckets; a week is named by its Monday, a month by its first day"`
	From       *string      `json:"from" format:"date" doc:"First day; null without bounds"`
	To         *string      `json:"to" format:"date" doc:"Last day, inclusive; null without bounds"`
	Previous   [][]any      `json:"previous" doc:"Total over the equally long period before, null in it when there was none; null for other charts and without bounds"`
	Other      bool         `json:"other" doc:"The rows named Other sum up what is beyond the chart's limit"`
	ServedFrom string       `json:"served_from" doc:"Tables that were read"`
	Truncated  bool         `json:"truncated" doc:"There were more rows than anybody can draw"`
	QueryMS    float64      `json:"query_ms" doc:"Time that the database took, in milliseconds"`
}

type columnBody struct {
	Name   string `json:"name" doc:"Name of the column"`
	Label  string `json:"label" doc:"Name for people"`
	Type   string `json:"type" enum:"time,text,number" doc:"Type of its cells; a time is a day such as 2026-11-23"`
	Format string `json:"format" doc:"How to write a number; empty for others"`
}

type dashboardInput struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the dashboard"`
}

type dataInput struct {
	ID         string `path:"id" maxLength:"64" doc:"Id of the chart"`
	Range      string `query:"range" enum:"7d,30d,90d,1y,all" doc:"Days up to and including today (UTC); 30d if neither this nor from and to are given"`
	From       string `query:"from" format:"date" maxLength:"10" doc:"First day, with to instead of range"`
	To         string `query:"to" format:"date" maxLength:"10" doc:"Last day, inclusive"`
	Repository string `query:"repository" maxLength:"255" doc:"Only this repository; empty = unknown. Absent = all"`

	repository *string
}

// Resolve tells an empty repository from none, and refuses what no database could hold as the name of one.
func (in *dataInput) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	if u.Query().Has("repository") {
		in.repository = &in.Repository
	}
	if !utf8.ValidString(in.Repository) || strings.ContainsRune(in.Repository, 0) {
		return []error{&huma.ErrorDetail{Location: "query.repository", Message: "expected UTF-8 text without NUL", Value: strconv.QuoteToASCII(in.Repository)}}
	}
	return nil
}

const defaultRange = "30d"

func (a *api) dashboardRoutes() {
	get(a, "/api/v1/dashboards", "list-dashboards", "Dashboards", "Dashboards there are", nil, a.dashboards)
	get(a, "/api/v1/dashboards/{id}", "get-dashboard", "Dashboards", "A dashboard with its charts",
		[]int{http.StatusNotFound}, a.dashboard)
	get(a, "/api/v1/charts/{id}/data", "get-chart-data", "Dashboards", "The data of a chart", []int{http.StatusNotFound}, a.data)
}

func head(d *dashboard.Dashboard) DashboardHead {
	return DashboardHead{ID: d.ID, Title: d.Title, Description: d.Description}
}

func (a *api) dashboards(context.Context, *none) (dashboardsBody, error) {
	body := dashboardsBody{Dashboards: []DashboardHead{}}
	for _, d := range a.Catalogue.Dashboards() {
		body.Dashboards = append(body.Dashboards, head(d))
	}
	return body, nil
}

func (a *api) dashboard(_ context.Context, in *dashboardInput) (dashboardBody, error) {
	d, err := a.Catalogue.Dashboard(in.ID)
	if err != nil {
		return dashboardBody{}, err
	}
	body := dashboardBody{DashboardHead: head(d), RefreshSeconds: d.RefreshSeconds, Rows: []rowBody{}}
	for _, r := range d.Rows {
		row := rowBody{Charts: []chartBody{}}
		for _, p := range r.Charts {
			x, err := a.Catalogue.Chart(p.Chart)
			if err != nil {
				return body, err
			}
			row.Charts = append(row.Charts, chart(x, p.Width))
		}
		body.Rows = append(body.Rows, row)
	}
	return body, nil
}

func chart(x *dashboard.Chart, width int) chartBody {
	body := chartBody{ID: x.ID, Title: x.Title, Description: x.Description, Kind: string(x.Kind), Width: width,
		Time: optional(x.TimeColumn()), Category: optional(x.Category), Series: optional(x.Series), Measures: []measureBody{}}
	for _, m := range x.Measures {
		body.Measures = append(body.Measures, measureBody{Name: m.Name, Label: m.Label, Format: string(m.Format)})
	}
	return body
}

// optional gives null for what is not there.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (a *api) data(ctx context.Context, in *dataInput) (dataBody, error) {
	x, err := a.Catalogue.Chart(in.ID)
	if err != nil {
		return dataBody{}, err
	}
	if in.Range == "" && in.From == "" && in.To == "" {
		in.Range = defaultRange
	}
	w, err := dashboard.ParseWindow(in.Range, in.From, in.To, a.Now())
	if err != nil {
		return dataBody{}, unusable(err)
	}
	q := dashboard.Query{Organization: store.DefaultOrganization, Window: w, Repository: in.repository}
	start := time.Now()
	data, err := a.Charts.Chart(ctx, x, q)
	if err != nil {
		return dataBody{}, err
	}
	body := dataBody{Chart: x.ID, Rows: data.Rows, Grain: optional(string(data.Grain)), Other: data.Other,
		ServedFrom: data.ServedFrom, Truncated: data.Truncated}
	if x.Kind == dashboard.Total {
		zeroCounts(data)
		if body.Previous, err = a.previous(ctx, x, q); err != nil {
			return dataBody{}, err
		}
	}
	if w.Bounded() {
		body.From, body.To = day(w.From), day(w.To)
	}
	for _, c := range data.Columns {
		body.Columns = append(body.Columns, columnBody{Name: c.Name, Label: c.Label, Type: string(c.Type), Format: string(c.Format)})
	}
	body.QueryMS = math.Round(float64(time.Since(start).Microseconds())/10) / 100
	return body, nil
}

// previous asks for the same total over the period before; nil when the window has no bounds.
func (a *api) previous(ctx context.Context, x *dashboard.Chart, q dashboard.Query) ([][]any, error) {
	if !q.Window.Bounded() {
		return nil, nil
	}
	q.Window = q.Window.Previous()
	data, err := a.Charts.Chart(ctx, x, q)
	if err != nil {
		return nil, err
	}
	return data.Rows, nil
}

// zeroCounts makes an unknown count of a total 0: where there are no events, none were counted.
func zeroCounts(data *dashboard.Data) {
	for _, row := range data.Rows {
		for i, c := range data.Columns {
			if c.Whole && row[i] == nil {
				row[i] = 0
			}
		}
	}
}

func day(t time.Time) *string {
	s := t.Format(time.DateOnly)
	return &s
}
