package page

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	out := httptest.NewRecorder()
	h.ServeHTTP(out, r)
	return out
}

func handler(p *Page) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/page/{version}/{file...}", func(out http.ResponseWriter, r *http.Request) {
		if !p.Part(out, r) {
			out.WriteHeader(http.StatusNotFound)
		}
	})
	mux.HandleFunc("/ramai.js", p.Library("ramai.js"))
	mux.HandleFunc("/{$}", func(out http.ResponseWriter, r *http.Request) { p.Room(out, r, "lobby", "http://x.test") })
	return mux
}

// What a browser has to fetch before it shows anything is small.
func TestFirstLoad(t *testing.T) {
	const limit = 60_000
	p := New(nil)
	h := handler(p)
	total := get(h, "/").Body.Len()
	for _, name := range append([]string{"app.js", "app.css", "icon.svg"}, p.modules...) {
		out := get(h, p.base+name, "Accept-Encoding", "br, gzip")
		if out.Code != http.StatusOK || out.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: %d %v", name, out.Code, out.Header())
		}
		if !strings.Contains(out.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s is not kept", name)
		}
		total += out.Body.Len()
	}
	t.Logf("%d bytes in %d files", total, len(p.modules)+4)
	if total > limit {
		t.Errorf("the first load is %d bytes, more than %d", total, limit)
	}
	for _, late := range []string{"vendor/qr.js", "vendor/emoji.js", "lang/id.js"} {
		if strings.Contains(strings.Join(p.modules, " "), late) {
			t.Errorf("%s is loaded before it is needed", late)
		}
	}
}

func TestParts(t *testing.T) {
	p := New(nil)
	h := handler(p)
	packed, plain := get(h, p.base+"app.js", "Accept-Encoding", "gzip"), get(h, p.base+"app.js")
	r, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != plain.Body.String() {
		t.Errorf("what is packed is not what is plain: %v", err)
	}
	if out := get(h, p.base+"app.js", "Accept-Encoding", "gzip;q=0, identity"); out.Header().Get("Content-Encoding") != "" {
		t.Error("packed for who does not take it")
	}
	for _, path := range []string{"/page/0000000000000000/app.js", p.base + "page.go", p.base + "../web.go", p.base + "", p.base + "index.html/"} {
		if out := get(h, path); out.Code == http.StatusOK || strings.Contains(out.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %s", path, out.Code, out.Header().Get("Cache-Control"))
		}
	}
}

// Who has a file is not sent it again; what is packed is another file than what is not.
func TestTags(t *testing.T) {
	h := handler(New(nil))
	tag, packed := get(h, "/ramai.js").Header().Get("ETag"), get(h, "/ramai.js", "Accept-Encoding", "gzip").Header().Get("ETag")
	if tag == "" || tag == packed {
		t.Fatalf("the tags are %s and %s", tag, packed)
	}
	for _, c := range []struct {
		known, accept string
		status        int
	}{
		{tag, "", 304},
		{packed, "", 200},
		{packed, "gzip", 304},
		{tag, "gzip", 200},
		{`"other", W/` + tag, "", 304},
		{`W/"a,b" , ` + tag + `,`, "", 304},
		{"*", "", 304},
		{`"*"`, "", 200},
		{strings.Trim(tag, `"`), "", 200},
		{`"other"`, "", 200},
	} {
		out := get(h, "/ramai.js", "If-None-Match", c.known, "Accept-Encoding", c.accept)
		if out.Code != c.status || (out.Body.Len() > 0) != (c.status == 200) || out.Header().Get("ETag") == "" {
			t.Errorf("who has %s and takes %q is sent %d, %d bytes, %v", c.known, c.accept, out.Code, out.Body.Len(), out.Header())
		}
	}
	for accept, want := range map[string]string{
		"gzip, deflate, br": "gzip", "gzip;q=0, *": "", "*;q=0.1": "gzip", "*;q=0": "", "": "", "GZIP ; Q=0.5": "gzip",
		"gzip;q=0.5, identity": "", "gzip;q=0.000": "", "br": "", "x-gzip": "gzip",
	} {
		if got := get(h, "/ramai.js", "Accept-Encoding", accept).Header().Get("Content-Encoding"); got != want {
			t.Errorf("who takes %q is sent %q, want %q", accept, got, want)
		}
	}
}

// The page is in nobody's frame, but for a room that is asked for and origins that are allowed.
func TestPolicies(t *testing.T) {
	h := handler(New([]string{"https://school.test"}))
	for _, c := range []struct{ path, ancestors, frame string }{
		{"/", "frame-ancestors 'none'", "DENY"},
		{"/?embed", "frame-ancestors 'self' https://school.test", ""},
		{"/ramai.js", "frame-ancestors 'none'", ""},
	} {
		header := get(h, c.path).Header()
		policy := header.Get("Content-Security-Policy")
		if !strings.HasSuffix(policy, c.ancestors) || header.Get("X-Frame-Options") != c.frame {
			t.Errorf("%s: %q, %q", c.path, policy, header.Get("X-Frame-Options"))
		}
		if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; ") {
			t.Errorf("%s: %q", c.path, policy)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q", c.path, name, got)
			}
		}
	}
	body := get(h, "/").Body.String()
	if strings.Contains(body, "<script>") || strings.Contains(body, "style=") || strings.Contains(body, " on") && strings.Contains(body, "onload") {
		t.Error("there is something inline")
	}
}
