// Package ui serves the web app that is built from web/ and embedded in the
// binary.
//
// The app is one HTML document; its pages are client-side routes, all of which
// answer with that document. A binary that was built without the app serves a
// page that says so.
package ui

import (
	"embed"
	"io/fs"
	"net/http"
)

// The folder holds only .gitkeep until the web app is built.
//
//go:embed all:dist
var dist embed.FS

// Built reports whether this binary contains the web app.
func Built() bool { return built(app()) }

// Handler serves the web app, or a notice where it was not built. It answers
// only GET and HEAD, and knows nothing below /api.
func Handler() http.Handler { return handler(app()) }

func handler(files fs.FS) http.Handler {
	if !built(files) {
		return readOnly(http.HandlerFunc(notice))
	}
	return readOnly(newSite(files))
}

func app() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // only an invalid path, and the path is ours
	}
	return files
}

func built(files fs.FS) bool {
	_, err := fs.Stat(files, indexFile)
	return err == nil
}

func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}
