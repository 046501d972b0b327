// Package page serves the chat for browsers. The files of this folder are embedded, and compressed once. Browsers may cache
// them indefinitely, because their URL contains a hash of their content.
//
// There is no build step: the modules are joined without their comments when the server starts, see join.go. app.js is the
// entry point; README.md says what each file is for.
package page

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"ramai/internal/httpfield"
)

//go:embed *.js *.css *.html *.svg *.png lang/*.js ramai/*.js vendor/*.js vendor/LICENSES.txt
var files embed.FS

// comment matches comments: lines that are nothing else, types, and comments behind a statement that contain no quotes. They
// are a fifth of what browsers would load. Nothing in a template literal may look like one.
var comment = regexp.MustCompile(`(?m)^[ \t]*(?://.*|/\*\*(?:[^*]|\*+[^*/])*\*+/[ \t]*)\n|/\*\* @(?:[^*]|\*+[^*/])*\*+/ ?|[ \t]+// [^"'\x60\n]*$`)

// indentation matches space at the start of a line. It has no meaning in the templates of the page.
var indentation = regexp.MustCompile(`(?m)^[ \t]+`)

// styleComment matches comments of style sheets.
var styleComment = regexp.MustCompile(`/\*(?:[^*]|\*+[^*/])*\*+/\n?`)

// styleSpace matches space that style sheets do not need, except after a colon.
var styleSpace = regexp.MustCompile(`[ \t\n]*([{};,\n])[ \t\n]*`)

const script = "page.js" // the page's modules as one file

// lazyParts are the files with what the first view does not need. The first one is loaded once the page is idle, and the others
// when they are needed.
var lazyParts = []string{"later.js", "moderation.js"}

// file is a file in the encodings that are served.
type file struct {
	contentType string
	plain       []byte
	gzipped     func() []byte // compressed at the first request, so that the server starts without delay
}

// Page holds all files.
type Page struct {
	files     map[string]*file // by path within this folder
	base      string           // URL path of the files, with a trailing slash
	version   string           // hash of all files
	languages []string
	style     string // app.css, which is part of each page: the first paint takes one request
	index     *template.Template
	notices   *template.Template
	ancestors string // origins that may frame a room, as in the frame-ancestors directive
}

var load = sync.OnceValue(func() *Page {
	p := &Page{files: make(map[string]*file)}
	sum := sha256.New()
	fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum.Write([]byte(name))
		sum.Write(b)
		switch {
		case path.Ext(name) == ".js" && path.Dir(name) != "vendor":
			b = comment.ReplaceAll(b, nil)
		case path.Ext(name) == ".css":
			b = bytes.ReplaceAll(styleSpace.ReplaceAll(styleComment.ReplaceAll(b, nil), []byte("$1")), []byte(": "), []byte(":"))
		}
		p.files[name] = newFile(name, b)
		if language, ok := strings.CutPrefix(name, "lang/"); ok && !strings.Contains(language, "-") {
			p.languages = append(p.languages, strings.TrimSuffix(language, ".js"))
		}
		return nil
	})
	first, parts := p.joinPage("app.js", lazyParts)
	p.files[script] = newFile(script, indentation.ReplaceAll(first, nil))
	sum.Write(first) // they also depend on how they are joined
	for i, part := range parts {
		p.files[lazyParts[i]] = newFile(lazyParts[i], indentation.ReplaceAll(part, nil))
		sum.Write(part)
	}
	p.version = hex.EncodeToString(sum.Sum(nil)[:8])
	p.base = "/page/" + p.version + "/"
	p.style = string(p.files["app.css"].plain)
	p.index = template.Must(template.New("").Funcs(template.FuncMap{"initials": initials}).Parse(string(p.files["index.html"].plain)))
	p.notices = template.Must(template.New("").Parse(string(p.files["notice.html"].plain)))
	return p
})

func newFile(name string, content []byte) *file {
	f := &file{
		contentType: cmp.Or(mime.TypeByExtension(path.Ext(name)), "text/plain; charset=utf-8"),
		plain:       content,
		gzipped:     sync.OnceValue(func() []byte { return compress(content) }),
	}
	switch path.Ext(name) { // the system's MIME table may differ
	case ".js":
		f.contentType = "text/javascript; charset=utf-8"
	case ".webmanifest":
		f.contentType = "application/manifest+json"
	}
	return f
}

func compress(b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// New returns the page. Pages of the origins may frame a room whose URL has the parameter embed.
func New(origins []string) *Page {
	p := *load()
	p.ancestors = strings.Join(append([]string{"'self'"}, origins...), " ")
	return &p
}

// policy holds for the page and all its files: no inline scripts, no HTML made from text (trusted types), and nothing
// from other hosts. The one trusted type is the URL of the service worker.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types worker; frame-ancestors "

// setPolicies sets the security headers, and returns all headers.
func setPolicies(out http.ResponseWriter, ancestors string) http.Header {
	h := out.Header()
	h.Set("Content-Security-Policy", policy+ancestors)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	return h
}

// Description says in search results and previews of links what a page is.
const Description = "A chat room. Open the link to read and write along. No account needed."

// Part answers GET /page/VERSION/FILE. It returns false, without an answer, if there is no such file.
func (p *Page) Part(out http.ResponseWriter, r *http.Request) bool {
	setPolicies(out, "'none'")
	f := p.files[r.PathValue("file")]
	if f == nil || r.PathValue("version") != p.version {
		return false
	}
	out.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	f.send(out, r, p.version)
	return true
}

// ServiceWorker answers GET /sw.js.
func (p *Page) ServiceWorker(out http.ResponseWriter, r *http.Request) {
	h := setPolicies(out, "'none'")
	h.Set("Cache-Control", "no-cache")
	p.files["sw.js"].send(out, r, p.version)
}

// Manifest answers GET /manifest.webmanifest, which browsers read to install the page as an application.
func (p *Page) Manifest(out http.ResponseWriter, r *http.Request) {
	h := setPolicies(out, "'none'")
	h.Set("Cache-Control", "no-cache")
	p.manifest().send(out, r, p.version)
}

// manifest is made from the URLs of the icons.
func (p *Page) manifest() *file {
	type icon struct {
		Src     string `json:"src"`
		Sizes   string `json:"sizes"`
		Type    string `json:"type"`
		Purpose string `json:"purpose,omitempty"`
	}
	b, _ := json.Marshal(map[string]any{
		"name": "ramai", "short_name": "ramai", "description": Description, "id": "/", "start_url": "/", "scope": "/",
		"display": "standalone", "background_color": "#fdfcfa", "theme_color": "#0f766e",
		"icons": []icon{
			{p.base + "icon.svg", "any", "image/svg+xml", ""},
			{p.base + "icon-192.png", "192x192", "image/png", "any"},
			{p.base + "icon-512.png", "512x512", "image/png", "any"},
			{p.base + "icon-512.png", "512x512", "image/png", "maskable"},
		},
	})
	return newFile("manifest.webmanifest", b)
}

// Library answers with a module that pages of any site may import: ramai.js or embed.js. It is one file, see join.
func (p *Page) Library(name string) http.HandlerFunc {
	f := newFile(name, p.join(name))
	return func(out http.ResponseWriter, r *http.Request) {
		h := setPolicies(out, "'none'")
		h.Set("Cache-Control", "no-cache")
		h.Set("Access-Control-Allow-Origin", "*") // public, and the same for everyone
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		f.send(out, r, p.version)
	}
}

// send answers with a file, or with 304 if the client has this version.
func (f *file) send(out http.ResponseWriter, r *http.Request, version string) {
	h := out.Header()
	h.Add("Vary", "Accept-Encoding")
	zip := prefersGzip(r)
	tag := `"` + version + `"`
	if zip {
		tag = `"` + version + `-gzip"` // an ETag identifies bytes
	}
	h.Set("ETag", tag)
	if hasTag(r, tag) {
		out.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	body := f.plain
	if zip {
		h.Set("Content-Encoding", "gzip")
		body = f.gzipped()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	out.Write(body)
}

// hasTag reports whether a request's If-None-Match has a tag (RFC 9110, section 13.1.2).
func hasTag(r *http.Request, tag string) bool {
	for _, known := range httpfield.List(r.Header.Values("If-None-Match")) {
		if known == "*" || strings.TrimPrefix(known, "W/") == tag {
			return true
		}
	}
	return false
}

// prefersGzip reports whether a client accepts gzip and does not prefer no encoding (RFC 9110, section 12.5.3).
func prefersGzip(r *http.Request) bool {
	accept := r.Header.Values("Accept-Encoding")
	q, _ := httpfield.Quality(accept, "gzip", "x-gzip", "*")
	plain, _ := httpfield.Quality(accept, "identity")
	return q > 0 && q >= plain
}
