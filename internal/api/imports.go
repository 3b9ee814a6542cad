package api

import (
	"context"
	"net/http"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/store"
)

type importsBody struct {
	Imports []ImportBody `json:"imports" nullable:"false" doc:"Imports, the newest first"`
	Next    *int64       `json:"next" doc:"Value of before for the next page; null on the last"`
}

// ImportBody is an import in a list; exported because the description leaves embedded private types out.
type ImportBody struct {
	ID         int64      `json:"id" doc:"Number of the import"`
	File       string     `json:"file" doc:"File as it was named; - = standard input"`
	Format     string     `json:"format" doc:"Format that was recognised"`
	Source     string     `json:"source" doc:"Source given to records that name none"`
	Repository string     `json:"repository" doc:"Repository given to records that name none"`
	Branch     string     `json:"branch" doc:"Branch given to records that name none"`
	Status     string     `json:"status" enum:"running,done,failed" doc:"How it stands; one that was killed stays running until its file is imported again"`
	StartedAt  time.Time  `json:"started_at" doc:"Start"`
	FinishedAt *time.Time `json:"finished_at" doc:"End; null while it runs"`
	Read       int64      `json:"read" doc:"Records that were read: inserted + duplicate + rejected"`
	Inserted   int64      `json:"inserted" doc:"Rows that were written"`
	Duplicate  int64      `json:"duplicate" doc:"Records that were there already"`
	Rejected   int64      `json:"rejected" doc:"Records that could not be used"`
	Error      string     `json:"error" doc:"Why it failed; empty otherwise"`
}

type importDetailBody struct {
	ImportBody
	Notes []string `json:"notes" nullable:"false" doc:"Deviations that were mapped"`
}

type rejectsBody struct {
	Rejects []rejectBody `json:"rejects" nullable:"false" doc:"Records that could not be used, in the order of the file"`
	Next    *int64       `json:"next" doc:"Value of after for the next page; null on the last"`
}

type rejectBody struct {
	ID       int64  `json:"id" doc:"Number of the reject"`
	Position string `json:"position" doc:"Where the record stands in the file"`
	Category string `json:"category" doc:"Category it was listed under"`
	Reason   string `json:"reason" doc:"Why it cannot be used"`
	Raw      string `json:"raw" doc:"Its text; at most the first 64 KiB, the table import_rejects has all of it"`
	RawBytes int    `json:"raw_bytes" doc:"Length of its whole text"`
}

type importsInput struct {
	Limit  int   `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Most imports of a page"`
	Before int64 `query:"before" minimum:"1" doc:"Only imports with a smaller id"`
}

type importInput struct {
	ID int64 `path:"id" minimum:"1" doc:"Number of the import"`
}

type rejectsInput struct {
	ID    int64 `path:"id" minimum:"1" doc:"Number of the import"`
	Limit int   `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"Most rejects of a page"`
	After int64 `query:"after" minimum:"0" doc:"Only rejects with a larger id"`
}

func (a *api) importRoutes() {
	absent := []int{http.StatusNotFound}
	get(a, "/api/v1/imports", "list-imports", "Imports", "Imports, the newest first", nil, a.imports)
	get(a, "/api/v1/imports/{id}", "get-import", "Imports", "One import", absent, a.oneImport)
	get(a, "/api/v1/imports/{id}/rejects", "list-rejects", "Imports", "What an import could not use", absent, a.rejects)
}

func (a *api) imports(ctx context.Context, in *importsInput) (importsBody, error) {
	runs, err := a.Imports.Runs(ctx, store.DefaultOrganization, in.Before, in.Limit+1)
	body := importsBody{Imports: []ImportBody{}}
	if len(runs) > in.Limit {
		runs = runs[:in.Limit]
		body.Next = &runs[in.Limit-1].ID
	}
	for i := range runs {
		body.Imports = append(body.Imports, run(&runs[i]))
	}
	return body, err
}

func (a *api) oneImport(ctx context.Context, in *importInput) (importDetailBody, error) {
	x, err := a.Imports.Run(ctx, store.DefaultOrganization, in.ID)
	return importDetailBody{run(&x), append([]string{}, x.Notes...)}, err
}

func (a *api) rejects(ctx context.Context, in *rejectsInput) (rejectsBody, error) {
	all, err := a.Imports.Rejects(ctx, store.DefaultOrganization, in.ID, in.After, in.Limit+1)
	body := rejectsBody{Rejects: []rejectBody{}}
	if len(all) > in.Limit {
		all = all[:in.Limit]
		body.Next = &all[in.Limit-1].ID
	}
	for _, r := range all {
		body.Rejects = append(body.Rejects, rejectBody{ID: r.ID, Position: r.Position, Category: r.Category, Reason: r.Reason,
			Raw: r.Raw, RawBytes: r.Size})
	}
	return body, err
}

func run(x *store.ListedRun) ImportBody {
	return ImportBody{ID: x.ID, File: x.File, Format: x.Format, Source: x.Source, Repository: x.Repository, Branch: x.Branch,
		Status: x.Status, StartedAt: x.Started, FinishedAt: x.Finished, Read: x.Counts.Read, Inserted: x.Counts.Inserted,
		Duplicate: x.Counts.Duplicate, Rejected: x.Counts.Rejected, Error: x.Error}
}
