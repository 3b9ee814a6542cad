package app

import (
	"context"
	"io/fs"
	"log/slog"
	"net"
	"time"

	"github.com/feedback-loop/feedback-loop/internal/api"
	"github.com/feedback-loop/feedback-loop/internal/dashboard"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
	"github.com/feedback-loop/feedback-loop/internal/store"
	"github.com/feedback-loop/feedback-loop/internal/ui"
)

// grace is how long running requests may take to end when the server stops.
const grace = 10 * time.Second

// Listen opens the address to serve on; see api.Listen.
func Listen(ctx context.Context, addr string) (net.Listener, error) { return api.Listen(ctx, addr) }

// Server puts the pages and the API over an open database. The folders hold chart files beside the built-in ones.
func Server(db *sqldb.DB, log *slog.Logger, charts ...fs.FS) (*api.Server, error) {
	catalogue, err := dashboard.Load(charts...)
	if err != nil {
		return nil, err
	}
	if !ui.Built() {
		log.Warn("this program was built without its pages; the API works; make build builds both")
	}
	s := store.New(db)
	h, err := api.New(api.Options{Overview: s, Charts: s, Imports: s, Catalogue: catalogue, Pages: ui.Handler(),
		Log: log, Now: time.Now, Version: Version})
	if err != nil {
		return nil, err
	}
	return &api.Server{Handler: h, Log: log, Grace: grace}, nil
}
