package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	indexFile = "index.html"

	// The build names the files in assets/ after their content, so they can be
	// kept for ever; all others are asked for again, cheaply, by their ETag.
	cacheForEver = "public, max-age=31536000, immutable"
	cacheAsk     = "no-cache"
)

// site serves the files of a built web app.
type site struct {
	files fs.FS

	mu     sync.Mutex
	loaded map[string]*asset
}

func newSite(files fs.FS) *site {
	return &site{files: files, loaded: make(map[string]*asset)}
}

// ServeHTTP answers with a file, with the document for the pages of the app,
// and with 404 for all else. An unknown page gets the document too, which says
// in its own way that there is nothing.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if a := s.asset(name); a != nil && name != indexFile {
		a.serve(w, r, http.StatusOK)
		return
	}
	if looksLikeFile(name) || name == "api" || strings.HasPrefix(name, "api/") {
		w.Header().Set("Cache-Control", cacheAsk)
		http.NotFound(w, r)
		return
	}
	status := http.StatusOK
	if !isPage(name) {
		status = http.StatusNotFound
	}
	s.asset(indexFile).serve(w, r, status)
}

// isPage reports whether the app has a page at this path; web/src/app.tsx
// decides what is on it.
func isPage(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "", "dashboards", "imports":
		return true
	}
	return false
}

// looksLikeFile tells a missing file from a page. An id in the path of a page
// may contain a dot; only below assets/ and at the root a dot means a file.
func looksLikeFile(name string) bool {
	if strings.HasPrefix(name, "assets/") || name == "assets" {
		return true
	}
	return !strings.Contains(name, "/") && strings.Contains(name, ".")
}

// asset returns the file of that name, or nil when there is none. Files whose
// name begins with a dot are no part of the app.
func (s *site) asset(name string) *asset {
	if name == "" || strings.HasPrefix(path.Base(name), ".") || !fs.ValidPath(name) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.loaded[name]; ok {
		return a
	}
	body, err := fs.ReadFile(s.files, name)
	if err != nil {
		return nil // not remembered: a client could fill the memory with names
	}
	a := newAsset(name, body)
	s.loaded[name] = a
	return a
}

// asset is one file, ready to be sent.
type asset struct {
	name  string
	kind  string
	cache string
	tag   string // hash of the body, without quotes
	body  []byte
	zip   func() []byte // the body compressed, nil where that does not help
}

func newAsset(name string, body []byte) *asset {
	sum := sha256.Sum256(body)
	a := &asset{name: name, kind: contentType(name), cache: cacheAsk, tag: hex.EncodeToString(sum[:12]), body: body}
	if strings.HasPrefix(name, "assets/") {
		a.cache = cacheForEver
	}
	a.zip = sync.OnceValue(func() []byte { return compress(a.kind, body) })
	return a
}

// serve writes the file; http.ServeContent answers If-None-Match, ranges and
// HEAD. Those concern only the file itself, not the answer for a page that does
// not exist.
func (a *asset) serve(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", a.cache)
	h.Add("Vary", "Accept-Encoding")
	body, tag := a.body, a.tag
	if zipped := a.zip(); zipped != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body, tag = zipped, a.tag+"-gzip"
	}
	if status == http.StatusOK {
		h.Set("ETag", strconv.Quote(tag))
		http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(body))
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone: nobody is left to tell
	}
}

// contentType names the type of a file of the app. It does not ask the system,
// whose table differs from machine to machine.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".woff2":
		return "font/woff2"
	case ".md", ".txt":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// compress returns nil for what is compressed already or too small to gain.
func compress(kind string, body []byte) []byte {
	text := strings.HasPrefix(kind, "text/") || kind == "image/svg+xml" || kind == "application/json"
	if !text || len(body) < 512 {
		return nil
	}
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(body); err != nil || z.Close() != nil || buf.Len() >= len(body) {
		return nil
	}
	return buf.Bytes()
}

// acceptsGzip reads an Accept-Encoding header: gzip or * named, not with q=0.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "gzip" && name != "*" {
			continue
		}
		q := strings.TrimPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return q == "" || err == nil && weight > 0
	}
	return false
}
