package api

import (
	"context"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/store"
)

type statusBody struct {
	Version       string         `json:"version" doc:"Version of the program"`
	Engine        string         `json:"engine" doc:"Database engine"`
	SchemaVersion int            `json:"schema_version" doc:"Version of the database's schema"`
	Events        int64          `json:"events" doc:"Events of all categories"`
	First         *time.Time     `json:"first" doc:"Time of the first event; null when there are none"`
	Last          *time.Time     `json:"last" doc:"Time of the last event; null when there are none"`
	Categories    []categoryBody `json:"categories" nullable:"false" doc:"Every category, also those without events"`
}

type categoryBody struct {
	Name   string `json:"name" doc:"Key of the category in the metrics JSON"`
	Title  string `json:"title" doc:"Name for people"`
	Events int64  `json:"events" doc:"Number of events"`
}

type repositoriesBody struct {
	Repositories []repositoryBody `json:"repositories" nullable:"false" doc:"Repositories with events, by name"`
}

type repositoryBody struct {
	Name   string `json:"name" doc:"Name; empty for events whose repository is unknown"`
	Events int64  `json:"events" doc:"Number of events"`
}

func (a *api) overviewRoutes() {
	get(a, "/api/v1/status", "get-status", "Overview", "What the database holds", nil, a.status)
	get(a, "/api/v1/repositories", "list-repositories", "Overview", "Repositories that have events", nil, a.repositories)
}

func (a *api) status(ctx context.Context, _ *none) (statusBody, error) {
	s, err := a.Overview.Status(ctx, store.DefaultOrganization)
	if err != nil {
		return statusBody{}, err
	}
	body := statusBody{Version: a.Version, Engine: s.Engine, SchemaVersion: s.SchemaVersion, Events: s.Events,
		First: s.First, Last: s.Last, Categories: []categoryBody{}}
	for _, c := range s.Categories {
		body.Categories = append(body.Categories, categoryBody(c))
	}
	return body, nil
}

func (a *api) repositories(ctx context.Context, _ *none) (repositoriesBody, error) {
	all, err := a.Overview.Repositories(ctx, store.DefaultOrganization)
	body := repositoriesBody{Repositories: []repositoryBody{}}
	for _, r := range all {
		body.Repositories = append(body.Repositories, repositoryBody(r))
	}
	return body, err
}
