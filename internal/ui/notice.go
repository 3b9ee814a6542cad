package ui

import (
	_ "embed"
	"net/http"
	"strings"
)

//go:embed notice.html
var noticePage string

// notice answers in place of every page when the web app was not built. The
// status says that the page is missing, not that the server is broken.
func notice(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if p := r.URL.Path; strings.HasPrefix(p, "/api/") || strings.HasPrefix(p, "/assets/") {
		http.NotFound(w, r)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(noticePage)) // the client is gone: nobody is left to tell
	}
}
