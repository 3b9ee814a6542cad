package ui

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

var script = strings.Repeat("export const answer = 42;\n", 100)

func builtApp() fs.FS {
	return fstest.MapFS{
		".gitkeep":                 {},
		"index.html":               {Data: []byte("<!doctype html><title>app</title>" + strings.Repeat(" ", 600))},
		"favicon.svg":              {Data: []byte("<svg/>")},
		"theme.js":                 {Data: []byte("1")},
		"assets/index-abc.js":      {Data: []byte(script)},
		"assets/index-abc.css":     {Data: []byte("body{}")},
		"assets/inter-abc.woff2":   {Data: bytes.Repeat([]byte("f"), 2000)},
		"assets/.hidden":           {Data: []byte("secret")},
		"licenses.md":              {Data: []byte("# Licences")},
		"dashboards/README.hidden": {Data: []byte("x")},
	}
}

func ask(t *testing.T, files fs.FS, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler(files).ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPages(t *testing.T) {
	for path, want := range map[string]int{
		"/":                          200,
		"/dashboards":                200,
		"/dashboards/code-quality":   200,
		"/dashboards/v1.2":           200,
		"/imports":                   200,
		"/imports/17":                200,
		"/index.html":                404,
		"/nowhere":                   404,
		"/dashboardsX":               404,
		"/%2e%2e/%2e%2e/etc/passwd":  404,
		"/imports/../../etc/hosts":   404,
		"/dashboards/..%2f..%2fetc/": 404,
	} {
		t.Run(path, func(t *testing.T) {
			res := ask(t, builtApp(), "GET", path)
			if res.StatusCode != want {
				t.Errorf("status %d, want %d", res.StatusCode, want)
			}
			if want == 200 && !strings.Contains(body(t, res), "<title>app</title>") {
				t.Error("the answer is not the document")
			}
			if got := res.Header.Get("Cache-Control"); got != "no-cache" {
				t.Errorf("Cache-Control %q, want no-cache", got)
			}
		})
	}
}

// An address that leads nowhere still shows a page: the app's own.
func TestUnknownPageShowsTheApp(t *testing.T) {
	res := ask(t, builtApp(), "GET", "/nowhere/at/all")
	if res.StatusCode != 404 || !strings.Contains(body(t, res), "<title>app</title>") {
		t.Errorf("status %d, want the document with 404", res.StatusCode)
	}
	if res.Header.Get("ETag") != "" {
		t.Error("a page that does not exist has an ETag")
	}
}

func TestFiles(t *testing.T) {
	for _, c := range []struct {
		path, kind, cache string
	}{
		{"/assets/index-abc.js", "text/javascript; charset=utf-8", cacheForEver},
		{"/assets/index-abc.css", "text/css; charset=utf-8", cacheForEver},
		{"/assets/inter-abc.woff2", "font/woff2", cacheForEver},
		{"/favicon.svg", "image/svg+xml", cacheAsk},
		{"/theme.js", "text/javascript; charset=utf-8", cacheAsk},
		{"/licenses.md", "text/plain; charset=utf-8", cacheAsk},
	} {
		t.Run(c.path, func(t *testing.T) {
			res := ask(t, builtApp(), "GET", c.path)
			if res.StatusCode != 200 {
				t.Fatalf("status %d", res.StatusCode)
			}
			if got := res.Header.Get("Content-Type"); got != c.kind {
				t.Errorf("Content-Type %q, want %q", got, c.kind)
			}
			if got := res.Header.Get("Cache-Control"); got != c.cache {
				t.Errorf("Cache-Control %q, want %q", got, c.cache)
			}
		})
	}
}

func TestNotAFile(t *testing.T) {
	for _, path := range []string{
		"/assets/index-old.js", "/assets/", "/assets", "/assets/.hidden", "/.gitkeep", "/robots.txt",
		"/api", "/api/v1/nothing",
	} {
		t.Run(path, func(t *testing.T) {
			res := ask(t, builtApp(), "GET", path)
			if res.StatusCode != 404 {
				t.Errorf("status %d, want 404", res.StatusCode)
			}
			if strings.Contains(body(t, res), "<title>") {
				t.Error("the answer is the document")
			}
		})
	}
}

func TestETag(t *testing.T) {
	first := ask(t, builtApp(), "GET", "/")
	tag := first.Header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	if res := ask(t, builtApp(), "GET", "/imports", "If-None-Match", tag); res.StatusCode != 304 {
		t.Errorf("status %d for the same document, want 304", res.StatusCode)
	}
	changed := fstest.MapFS{"index.html": {Data: []byte("newer")}}
	if res := ask(t, changed, "GET", "/", "If-None-Match", tag); res.StatusCode != 200 {
		t.Errorf("status %d for a newer document, want 200", res.StatusCode)
	}
}

func TestGzip(t *testing.T) {
	plain := ask(t, builtApp(), "GET", "/assets/index-abc.js")
	if got := body(t, plain); got != script || plain.Header.Get("Content-Encoding") != "" {
		t.Errorf("without Accept-Encoding: %d bytes, encoding %q", len(got), plain.Header.Get("Content-Encoding"))
	}
	zipped := ask(t, builtApp(), "GET", "/assets/index-abc.js", "Accept-Encoding", "br, gzip;q=0.5")
	if got := zipped.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding %q, want gzip", got)
	}
	z, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != script {
		t.Errorf("unpacked %d bytes (%v), want %d", len(got), err, len(script))
	}
	if plain.Header.Get("ETag") == zipped.Header.Get("ETag") {
		t.Error("both representations have the same ETag")
	}
	if got := zipped.Header.Get("Vary"); got != "Accept-Encoding" {
		t.Errorf("Vary %q", got)
	}
}

func TestGzipNotForFontsAndCrumbs(t *testing.T) {
	for _, path := range []string{"/assets/inter-abc.woff2", "/favicon.svg"} {
		res := ask(t, builtApp(), "GET", path, "Accept-Encoding", "gzip")
		if got := res.Header.Get("Content-Encoding"); got != "" {
			t.Errorf("%s: Content-Encoding %q, want none", path, got)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "deflate, gzip": true, "*": true, "br": false,
		"gzip;q=0": false, "gzip; q=0.0": false, "gzip; q=0.1": true, "gzip;q=x": false, "x-gzip": false,
	} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("acceptsGzip(%q) = %v, want %v", header, got, want)
		}
	}
}

func TestMethods(t *testing.T) {
	head := ask(t, builtApp(), "HEAD", "/")
	if head.StatusCode != 200 || body(t, head) != "" || head.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD: status %d, length %q", head.StatusCode, head.Header.Get("Content-Length"))
	}
	for _, files := range []fs.FS{builtApp(), fstest.MapFS{}} {
		post := ask(t, files, "POST", "/")
		if post.StatusCode != 405 || post.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST: status %d, Allow %q", post.StatusCode, post.Header.Get("Allow"))
		}
	}
}

// A fresh clone has only .gitkeep: the program has to say what is missing and
// how to get it.
func TestNotBuilt(t *testing.T) {
	files := fstest.MapFS{".gitkeep": {}}
	for _, path := range []string{"/", "/dashboards/code-quality", "/imports/3"} {
		res := ask(t, files, "GET", path)
		if res.StatusCode != 404 || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: status %d, %q", path, res.StatusCode, res.Header.Get("Content-Type"))
		}
		text := body(t, res)
		for _, want := range []string{"make build", "npm --prefix web ci", "/api/docs"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the notice lacks %q", path, want)
			}
		}
		if got := res.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q, want no-store", path, got)
		}
	}
	if res := ask(t, files, "GET", "/api/v1/nothing"); strings.Contains(body(t, res), "<html") {
		t.Error("the notice answers for the API")
	}
}

func TestEmbedded(t *testing.T) {
	res := httptest.NewRecorder()
	Handler().ServeHTTP(res, httptest.NewRequest("GET", "/", nil))
	want := map[bool]string{true: `<div id="app">`, false: "make build"}[Built()]
	if !strings.Contains(res.Body.String(), want) {
		t.Errorf("built %v, but the page lacks %q", Built(), want)
	}
}
