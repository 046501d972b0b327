package page

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ramai/wire"
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
	mux.HandleFunc("/sw.js", p.ServiceWorker)
	mux.HandleFunc("/manifest.webmanifest", p.Manifest)
	mux.HandleFunc("/{$}", func(out http.ResponseWriter, r *http.Request) {
		p.Room(out, r, View{Room: "lobby", Origin: "http://x.test", Past: &wire.HistoryResponse{}, Newest: true})
	})
	return mux
}

// Everything that a browser fetches before it shows anything is small, and takes one request after the page.
func TestFirstLoad(t *testing.T) {
	p := New(nil)
	for _, language := range p.languages {
		t.Run(language, func(t *testing.T) { testFirstLoad(t, p, language) })
	}
}

func testFirstLoad(t *testing.T, p *Page, language string) {
	const limit = 60_000
	h := handler(p)
	body := get(h, "/", "Accept-Language", language).Body.String()
	total := get(h, "/", "Accept-Language", language, "Accept-Encoding", "gzip").Body.Len()
	names := regexp.MustCompile(p.base+`([^"]+)"`).FindAllStringSubmatch(body, -1)
	for _, name := range names {
		out := get(h, p.base+name[1], "Accept-Encoding", "br, gzip")
		if out.Code != http.StatusOK || !strings.Contains(out.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", name[1], out.Code, out.Header())
		}
		if !strings.HasSuffix(name[1], ".png") { // for when the page is installed or linked to
			total += out.Body.Len()
		}
	}
	t.Logf("%d bytes in %d files", total, len(names))
	if total > limit {
		t.Errorf("the first load is %d bytes, more than %d", total, limit)
	}
	if scripts := strings.Count(body, "<script type=\"module\""); scripts != 1 || strings.Contains(body, `rel="stylesheet"`) || !strings.Contains(body, p.base+script) {
		t.Errorf("the page has %d scripts, want %s alone", scripts, script)
	}
}

// The modules can be joined: no name is declared by two of them, and all of them are in the result.
func TestModules(t *testing.T) {
	p := New(nil)
	p.files = maps.Clone(p.files)
	for _, part := range lazyParts { // not the joined file, which has its name
		laterSource, err := files.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		p.files[part] = newFile(part, comment.ReplaceAll(laterSource, nil))
	}
	first, parts := p.joinPage("app.js", lazyParts)
	source, rest := string(first), ""
	outside := regexp.MustCompile(`(?m)^(?:import|export) .*$`)
	if got := outside.FindAllString(source, -1); got != nil {
		t.Errorf("%s imports and exports %q, want nothing", script, got)
	}
	declared := make(map[string]string)
	modules := append(p.imports("app.js"), "app.js")
	loader := source
	for i, part := range parts {
		name, text := lazyParts[i], string(part)
		passed := regexp.MustCompile(`\(await import\("\./` + name + `"\)\)\.default\(\{ (.*) \}\)`).FindStringSubmatch(loader)
		if passed == nil {
			t.Fatalf("nothing passes anything to %s", name)
		}
		want := []string{"export default ({ " + passed[1] + " }) => {"}
		if got := outside.FindAllString(text, -1); !slices.Equal(got, want) {
			t.Errorf("%s imports and exports %q, want %q", name, got, want)
		}
		exports := exportLine.Find(p.files[name].plain)
		if result := "return " + strings.TrimPrefix(string(exports), "export ") + "};\n"; len(exports) == 0 || !strings.HasSuffix(text, result) {
			t.Errorf("%s does not end with %q", name, result)
		}
		for _, constant := range strings.Split(passed[1], ", ") {
			if regexp.MustCompile(`(?m)^let ` + constant + `\b`).MatchString(source + string(parts[0])) {
				t.Errorf("%s is passed to %s, and is not a constant", constant, name)
			}
			if !regexp.MustCompile(`(?m)^(?:(?:async )?(?:function|class) |const |const \{[^}]*\b|export default .*)` + regexp.QuoteMeta(constant) + `\b`).MatchString(loader) {
				t.Errorf("%s is passed to %s, and is not declared where that is loaded", constant, name)
			}
		}
		for _, module := range append(p.imports(name), name) {
			if !slices.Contains(modules, module) {
				modules = append(modules, module)
			}
		}
		rest += text
		loader = string(parts[0])
	}
	for _, module := range modules {
		text := string(p.files[module].plain)
		if isWrapped(module) {
			if strings.Count(source+rest, "const "+variable(module)+" = (() => {") != 1 {
				t.Errorf("%s is missing, or in both files", module)
			}
			continue
		}
		if strings.Contains(text, "export default") || regexp.MustCompile(`(?m)^import .* as |^import [^"]*$|^export \*|^export .* from `).MatchString(text) {
			t.Errorf("%s cannot be joined: see Page.join", module)
		}
		for _, m := range regexp.MustCompile(`(?m)^(?:export )?(?:async )?(?:const|let|function|class) (\w+)`).FindAllStringSubmatch(text, -1) {
			if other := declared[m[1]]; other != "" {
				t.Errorf("%s and %s declare %s at the top level", other, module, m[1])
			}
			declared[m[1]] = module
		}
	}
	for _, name := range []string{"App", "Log", "Model", "Client", "html", "t"} {
		if declared[name] == "" {
			t.Errorf("no module declares %s", name)
		}
	}
	for name, text := range map[string]string{"Settings": rest, "Search": rest, "Log": source, "html": source} {
		if in := strings.Count(source+rest, "\nfunction "+name+"(") + strings.Count(source+rest, "\nclass "+name+" ") + strings.Count(source+rest, "\nconst "+name+" "); in != 1 || !regexp.MustCompile(`(?m)^(?:function|class|const) `+name+`\b`).MatchString(text) {
			t.Errorf("%s is declared %d times, or in the wrong file", name, in)
		}
	}
	for _, late := range []string{"vendor/hooks.js", "vendor/qr.js", "vendor/emoji.js", "lang/en-later.js", "lang/en-moderation.js", "lang/id.js", "lang/id-later.js"} {
		if strings.Contains(source, "const "+variable(late)+" =") {
			t.Errorf("%s is loaded before it is needed", late)
		}
	}
	for i, part := range lazyParts {
		before := source
		if i > 0 {
			before += string(parts[0])
		}
		texts := "lang/en-" + part
		for _, m := range regexp.MustCompile(`(?m)^\t(\w+):`).FindAllStringSubmatch(string(p.files[texts].plain), -1) {
			if regexp.MustCompile(`\bt\.` + m[1] + `\b`).MatchString(before) {
				t.Errorf("%s has the text %s, which is shown before that is loaded: move it", texts, m[1])
			}
		}
	}
}

// The page can be installed: the manifest and what it names exist, and the worker is not cached.
func TestManifest(t *testing.T) {
	p := New(nil)
	h := handler(p)
	out := get(h, "/manifest.webmanifest")
	var manifest struct {
		Name, Display string
		StartURL      string `json:"start_url"`
		Icons         []struct{ Src, Sizes, Purpose string }
	}
	if err := json.Unmarshal(out.Body.Bytes(), &manifest); err != nil || out.Header().Get("Content-Type") != "application/manifest+json" {
		t.Fatalf("%v: %v", err, out.Header())
	}
	if manifest.Name != "ramai" || manifest.Display != "standalone" || manifest.StartURL != "/" {
		t.Errorf("the manifest is %+v", manifest)
	}
	maskable := false
	for _, icon := range manifest.Icons {
		maskable = maskable || icon.Purpose == "maskable"
		picture := get(h, icon.Src)
		if picture.Code != http.StatusOK {
			t.Errorf("%s: %d", icon.Src, picture.Code)
		}
		if config, err := png.DecodeConfig(picture.Body); strings.HasSuffix(icon.Src, ".png") && (err != nil || fmt.Sprintf("%dx%d", config.Width, config.Height) != icon.Sizes) {
			t.Errorf("%s is %dx%d, not %s (%v)", icon.Src, config.Width, config.Height, icon.Sizes, err)
		}
	}
	if !maskable {
		t.Error("no icon is maskable")
	}
	worker := get(h, "/sw.js")
	if worker.Code != http.StatusOK || worker.Header().Get("Cache-Control") != "no-cache" || strings.Contains(worker.Body.String(), `"fetch"`) {
		t.Errorf("the worker: %d, %v; it must not be cached or answer requests", worker.Code, worker.Header())
	}
	if body := get(h, "/").Body.String(); !strings.Contains(body, `property="og:title" content="lobby · ramai"`) || !strings.Contains(body, `content="http://x.test/page/`) {
		t.Errorf("the page does not describe itself for previews of links:\n%s", body)
	}
}

func TestParts(t *testing.T) {
	p := New(nil)
	h := handler(p)
	zipped, plain := get(h, p.base+"app.js", "Accept-Encoding", "gzip"), get(h, p.base+"app.js")
	r, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != plain.Body.String() {
		t.Errorf("the gzip encoding differs from the file: %v", err)
	}
	if out := get(h, p.base+"app.js", "Accept-Encoding", "gzip;q=0, identity"); out.Header().Get("Content-Encoding") != "" {
		t.Error("gzip was sent to a client that does not accept it")
	}
	for _, path := range []string{"/page/0000000000000000/app.js", p.base + "page.go", p.base + "../web.go", p.base + "", p.base + "index.html/"} {
		if out := get(h, path); out.Code == http.StatusOK || strings.Contains(out.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %s", path, out.Code, out.Header().Get("Cache-Control"))
		}
	}
}

// A client that has a file gets 304. Encodings have different tags.
func TestTags(t *testing.T) {
	h := handler(New(nil))
	tag, zipped := get(h, "/ramai.js").Header().Get("ETag"), get(h, "/ramai.js", "Accept-Encoding", "gzip").Header().Get("ETag")
	if tag == "" || tag == zipped {
		t.Fatalf("the tags are %s and %s", tag, zipped)
	}
	for _, c := range []struct {
		known, accept string
		status        int
	}{
		{tag, "", 304},
		{zipped, "", 200},
		{zipped, "gzip", 304},
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
			t.Errorf("If-None-Match %s, Accept-Encoding %q: %d, %d bytes, %v", c.known, c.accept, out.Code, out.Body.Len(), out.Header())
		}
	}
	for accept, want := range map[string]string{
		"gzip, deflate, br": "gzip", "gzip;q=0, *": "", "*;q=0.1": "gzip", "*;q=0": "", "": "", "GZIP ; Q=0.5": "gzip",
		"gzip;q=0.5, identity": "", "gzip;q=0.000": "", "br": "", "x-gzip": "gzip",
	} {
		if got := get(h, "/ramai.js", "Accept-Encoding", accept).Header().Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: sent as %q, want %q", accept, got, want)
		}
	}
}

// Only a room with ?embed can be framed, and only by allowed origins.
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
		if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self'") {
			t.Errorf("%s: %q", c.path, policy)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": map[bool]string{true: "same-origin", false: "no-referrer"}[strings.HasPrefix(c.path, "/?") || c.path == "/"], "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q", c.path, name, got)
			}
		}
	}
	out := get(h, "/")
	body := out.Body.String()
	for _, style := range regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllStringSubmatch(body, -1) {
		if !strings.Contains(out.Header().Get("Content-Security-Policy"), styleHash(style[1])) {
			t.Errorf("the policy does not allow the style %.60q", style[1])
		}
	}
	if strings.Contains(body, "<script>") || strings.Contains(body, "style=") || strings.Contains(body, " on") && strings.Contains(body, "onload") {
		t.Error("the page has inline scripts or styles")
	}
}

// ramai.js is one file with one export, whatever modules it is written in.
func TestLibrary(t *testing.T) {
	p := New(nil)
	body := get(handler(p), "/ramai.js").Body.String()
	if !strings.HasPrefix(body, "// ramai.js: ") {
		t.Errorf("it begins with %.60q", body)
	}
	if got := regexp.MustCompile(`(?m)^(?:import|export)\b.*$`).FindAllString(body, -1); len(got) != 1 || got[0] != "export function connect(url, options = {}) {" {
		t.Errorf("its imports and exports are %q, want connect alone", got)
	}
	declared := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^(?:export )?(?:async )?(?:const|let|function|class) (\w+)`).FindAllStringSubmatch(body, -1) {
		if declared[m[1]] {
			t.Errorf("two modules declare %s", m[1])
		}
		declared[m[1]] = true
	}
	for _, module := range p.imports("ramai.js") {
		source, err := files.ReadFile(module)
		if text := string(source); err != nil || strings.Contains(text, "export default") || regexp.MustCompile(`(?m)^import .* as |^import [^"]*$`).MatchString(text) {
			t.Errorf("%s cannot be joined: see Page.join", module)
		}
		if !strings.HasPrefix(module, "ramai/") {
			t.Errorf("the library imports %s of the page", module)
		}
	}
	if !declared["Room"] || !declared["Outbox"] || !declared["SocketConnection"] || !declared["HTTPConnection"] {
		t.Errorf("it declares only %v", declared)
	}
}

// A refusal is shown in the language of the page; what has no text in it is shown as the server says it.
func TestReasons(t *testing.T) {
	p := New(nil)
	for _, code := range wire.Codes() {
		for _, c := range []struct{ language, want string }{{"en", "as the server says it"}, {"id", indonesian.Reasons[code]}} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept-Language", c.language)
			out := httptest.NewRecorder()
			p.Room(out, r, View{Room: "lobby", Error: &wire.CodedError{Code: code, Reason: "as the server says it"}})
			if body := out.Body.String(); c.want == "" || !strings.Contains(body, `role="alert">`+c.want) {
				t.Errorf("%s in %s: want %q in\n%s", code, c.language, c.want, regexp.MustCompile(`role="alert">.*`).FindString(body))
			}
		}
	}
}

// The page has the same initials before the script runs as after it (tools/page/text.test.mjs).
func TestInitials(t *testing.T) {
	for name, want := range map[string]string{"anna": "A", "Budi Satu": "BS", "小雨": "小", "guest ab12": "GA", "maría del río": "MR", "x_y": "XY", "🎉": "🎉", "(:": "(", "": ""} {
		if got := initials(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// The page shows edits, deletions and replies before the script runs.
func TestServedChanges(t *testing.T) {
	past := &wire.HistoryResponse{More: true, Messages: []wire.Message{
		{N: 10, SenderID: "aaaa1", Text: "the  <original>\n" + strings.Repeat("long ", 100), Edited: 14},
		{N: 11, SenderID: "aaaa1", Edited: 15, Gone: true},
		{N: 12, SenderID: "aaaa1", Text: "first reply", Re: 10},
		{N: 13, SenderID: "bbbb2", Text: "second reply", Re: 3},
		{N: 16, SenderID: "bbbb2", Text: "third reply", Re: 11},
	}}
	out := httptest.NewRecorder()
	New(nil).Room(out, httptest.NewRequest(http.MethodGet, "/r/tea", nil), View{Room: "tea", Past: past})
	body := regexp.MustCompile(`<svg.*?</svg>`).ReplaceAllString(out.Body.String(), "")
	for _, want := range []string{
		`long  <span class="edited">(edited)</span></div>`,
		`<li class="m gone-message" id="n11"><p class="tombstone">Message deleted</p></li>`,
		`<li class="m head" id="n12">`,
		`<a class="quoted" href="#n10"><bdi class="who">guest aaaa</bdi> <span class="what" dir="auto">the &lt;original&gt; long long`,
		`long long…</span></a><div class="text" dir="auto">first reply</div>`,
		`<a class="quoted" href="/r/tea?before=4#n3"><span class="what none">Reply to an earlier message</span></a>`,
		`<a class="quoted" href="#n11"><span class="what none">Message deleted</span></a>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(body[strings.Index(body, "<ol>"):])
	}
}

// The page shows polls, notices and reactions before the script runs.
func TestServedPolls(t *testing.T) {
	past := &wire.HistoryResponse{Messages: []wire.Message{
		{N: 1, SenderID: "aaaa1", Text: "When?", As: wire.Poll, Options: []string{"<Monday>", "Friday"}, Tally: wire.Counts{"1": 3, "🎉": 2, "up": 1}},
		{N: 2, SenderID: "aaaa1", Text: "down at noon", As: wire.Notice},
	}}
	out := httptest.NewRecorder()
	New(nil).Room(out, httptest.NewRequest(http.MethodGet, "/", nil), View{Room: wire.Lobby, Past: past})
	for _, want := range []string{
		`<li class="m head as-poll" id="n1">`,
		`<li dir="auto">&lt;Monday&gt;</li><li dir="auto">Friday (3)</li></ul><p class="note static">🎉` + "\u00a02</p>",
		`<li class="m as-notice" id="n2">`,
	} {
		if body := out.Body.String(); !strings.Contains(body, want) {
			t.Errorf("the page lacks %s\n%s", want, body[strings.Index(body, "<ol>"):])
		}
	}
}
