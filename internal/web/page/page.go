// Package page is the chat in a browser: files as they are in this folder, embedded, compressed once, and kept by
// browsers for ever under a name that changes with what is in them.
//
// There is no build step: app.js is where it begins, and README.md in this folder says what each file is for.
package page

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"ramai/internal/httpfield"
)

//go:embed *.js *.css *.html *.svg lang/*.js vendor/*.js vendor/LICENSES.txt
var files embed.FS

// static are the imports that a module cannot begin without, relative to it.
var static = regexp.MustCompile(`(?m)(?:from|^import) *"(\./[^"]+)"`)

// file is one as it is sent.
type file struct {
	kind     string // Content-Type
	plain    []byte
	deflated func() []byte // gzip, made when it is first asked for, so that a start does not wait for it
}

// Page is all of it.
type Page struct {
	files     map[string]*file // by path within this folder
	base      string           // the path they are under, with a slash at its end
	version   string           // of all of them: a hash
	modules   []string         // what app.js needs before anything is seen, and what those need, and so on
	languages string
	index     *template.Template
	ancestors string // who may have a room in a frame, as the policy says it
}

var read = sync.OnceValue(func() *Page {
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
		f := &file{
			kind:     cmp.Or(mime.TypeByExtension(path.Ext(name)), "text/plain; charset=utf-8"),
			plain:    b,
			deflated: sync.OnceValue(func() []byte { return deflate(b) }),
		}
		if path.Ext(name) == ".js" { // the system may have another opinion
			f.kind = "text/javascript; charset=utf-8"
		}
		p.files[name] = f
		if language, ok := strings.CutPrefix(name, "lang/"); ok {
			p.languages = strings.TrimSpace(p.languages + " " + strings.TrimSuffix(language, ".js"))
		}
		return nil
	})
	p.version = hex.EncodeToString(sum.Sum(nil)[:8])
	p.base = "/page/" + p.version + "/"
	p.need("app.js")
	p.index = template.Must(template.New("").Parse(string(p.files["index.html"].plain)))
	return p
})

func deflate(b []byte) []byte {
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	w.Write(b)
	w.Close()
	return packed.Bytes()
}

// need lists what a module imports, and what those import.
func (p *Page) need(name string) {
	for _, m := range static.FindAllSubmatch(p.files[name].plain, -1) {
		if imported := path.Join(path.Dir(name), string(m[1])); p.files[imported] != nil && !slices.Contains(p.modules, imported) {
			p.modules = append(p.modules, imported)
			p.need(imported)
		}
	}
}

// New returns the page. Pages of the origins may have it in a frame, where it is asked for with ?embed.
func New(origins []string) *Page {
	p := *read()
	p.ancestors = strings.Join(append([]string{"'self'"}, origins...), " ")
	return &p
}

// Policies that hold for the page and all its parts. Nothing inline runs, texts cannot become HTML (trusted types), and
// nothing comes from elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors "

func guard(out http.ResponseWriter, ancestors string) http.Header {
	h := out.Header()
	h.Set("Content-Security-Policy", policy+ancestors)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	return h
}

// Room answers with the page of a room, whose name has been checked. origin is the server as the browser knows it.
func (p *Page) Room(out http.ResponseWriter, r *http.Request, room, origin string) {
	ancestors := "'none'"
	if r.URL.Query().Has("embed") {
		ancestors = p.ancestors
	}
	h := guard(out, ancestors)
	if ancestors == "'none'" {
		h.Set("X-Frame-Options", "DENY")
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	p.index.Execute(out, map[string]any{ // an error is that of a client who is gone
		"Room": room, "Origin": origin, "Base": p.base, "Modules": p.modules, "Languages": p.languages,
	})
}

// Part answers GET /page/VERSION/FILE, and returns false if there is no such part.
func (p *Page) Part(out http.ResponseWriter, r *http.Request) bool {
	guard(out, "'none'")
	f := p.files[r.PathValue("file")]
	if f == nil || r.PathValue("version") != p.version {
		return false
	}
	out.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	f.send(out, r, p.version)
	return true
}

// Library answers with a module that pages elsewhere may use: ramai.js or embed.js.
func (p *Page) Library(name string) http.HandlerFunc {
	f := p.files[name]
	return func(out http.ResponseWriter, r *http.Request) {
		h := guard(out, "'none'")
		h.Set("Cache-Control", "no-cache")
		h.Set("Access-Control-Allow-Origin", "*") // it is the same for everybody, and public
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		f.send(out, r, p.version)
	}
}

// send answers with a file of a version, or says that the client has it.
func (f *file) send(out http.ResponseWriter, r *http.Request, version string) {
	h := out.Header()
	h.Add("Vary", "Accept-Encoding")
	packed := acceptsGzip(r)
	tag := `"` + version + `"`
	if packed {
		tag = `"` + version + `-gzip"` // other bytes
	}
	h.Set("ETag", tag)
	if has(r, tag) {
		out.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.kind)
	body := f.plain
	if packed {
		h.Set("Content-Encoding", "gzip")
		body = f.deflated()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	out.Write(body)
}

// has reports whether a client has what a tag stands for (RFC 9110, section 13.1.2).
func has(r *http.Request, tag string) bool {
	for _, known := range httpfield.List(r.Header.Values("If-None-Match")) {
		if known == "*" || strings.TrimPrefix(known, "W/") == tag {
			return true
		}
	}
	return false
}

// acceptsGzip reports whether a client takes gzip, and not rather what is not packed (RFC 9110, section 12.5.3).
func acceptsGzip(r *http.Request) bool {
	accept := r.Header.Values("Accept-Encoding")
	q, _ := httpfield.Quality(accept, "gzip", "x-gzip", "*")
	plain, _ := httpfield.Quality(accept, "identity")
	return q > 0 && q >= plain
}
