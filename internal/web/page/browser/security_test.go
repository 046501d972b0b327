package browser_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"ramai/server"
)

// hostile are texts that have been executed or have broken the layout elsewhere.
var hostile = []string{
	`<script>pwned = 1</script>`,
	`<img src=x onerror="pwned=1">`,
	`"><svg onload=pwned=1>`,
	`</div></li></ol><iframe src="javascript:parent.pwned=1"></iframe>`,
	"javascript:pwned=1 and JaVaScRiPt://example.org/%0apwned=1",
	"data:text/html,<script>opener.pwned=1</script>",
	`https://example.org/"onmouseover="pwned=1`,
	`https://example.org/'><script>pwned=1</script>`,
	"https://example.org/\u202egpj.exe and http://exam\u200bple.org/",
	"vbscript:pwned=1 file:///etc/passwd blob:https://x/y",
	"`<b>code</b>` ```\n<script>pwned = 1</script>\n```",
	"{{constructor.constructor('pwned=1')()}} ${pwned=1}",
	"@<b>anna</b> @anna\" onclick=\"pwned=1",
	"&lt;script&gt; &amp; &#x3c;b&#x3e;",
	"a" + strings.Repeat("\u0301", 1900),
	strings.Repeat("W", 3900),
	"\u202eright to left\u202c \u2066isolated",
	"__proto__ constructor toString",
}

// Texts are shown as they were posted, and nothing in them runs.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	var posted []string
	for _, text := range hostile {
		srv.post("lobby", text)
		posted = append(posted, text)
	}
	for _, name := range []string{`<img src=x onerror=pwned=1>`, `"><script>pwned=1</`, "javascript", "__proto__", "${pwned=1}"} {
		p := srv.dialAs("lobby", name)
		p.post("I am " + name)
		p.read(1)
		p.CloseNow()
		posted = append(posted, "I am "+name)
	}
	srv.post("lobby", "neighbour")
	posted = append(posted, "neighbour")

	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitForText(".log", "neighbour")
	b.takeName("anna")
	shown := eval[[]string](b, `[...document.querySelectorAll(".log .m")].map((m) => [...m.querySelectorAll(".text")].map((e) =>
		[...e.childNodes].map((c) => c.nodeName === "PRE" ? "`+"```\\n"+`" + c.textContent + "`+"\\n```"+`" : c.nodeName === "CODE" ? "`+"`"+`" + c.textContent + "`+"`"+`" : c.textContent).join("")).join(""))`)
	if !slices.Equal(shown, posted) {
		for i := range posted {
			if i >= len(shown) || shown[i] != posted[i] {
				t.Errorf("%q is shown as %q", posted[i], append(shown, make([]string, len(posted))...)[i])
			}
		}
	}
	if tags := eval[[]string](b, `[...new Set([...document.querySelectorAll(".log .m *")].map((e) => e.tagName))].sort()`); !isSubset(tags, []string{"A", "B", "BDI", "CODE", "DIV", "P", "PRE", "SPAN", "TIME", "BUTTON"}) {
		t.Errorf("the log has %v", tags)
	}
	for _, href := range eval[[]string](b, `[...document.querySelectorAll(".log .text a")].map((a) => a.getAttribute("href") + " " + a.rel + " " + a.target)`) {
		if !regexp.MustCompile(`^https?://[!-~]+ noopener noreferrer nofollow ugc _blank$`).MatchString(href) {
			t.Errorf("a link goes to %q", href)
		}
	}
	if attributes := eval[[]string](b, `[...document.querySelectorAll("#app *")].flatMap((e) => [...e.attributes]).map((a) => a.name).filter((n) => /^on|srcdoc/i.test(n))`); len(attributes) > 0 {
		t.Errorf("elements have the attributes %v", attributes)
	}
	if eval[bool](b, "'pwned' in window || Object.prototype.pwned !== undefined") {
		t.Error("a text was executed")
	}
	// Nothing is wider than the log, and stacked combining marks do not cover other messages.
	if wide := eval[float64](b, `Math.max(...[...document.querySelectorAll(".log .m")].map((e) => e.scrollWidth - e.clientWidth))`); wide > 1 {
		t.Errorf("a message is %v px wider than the log", wide)
	}
	if clip := eval[[]string](b, `[...new Set([...document.querySelectorAll(".log .text")].map((e) => getComputedStyle(e).overflowY))]`); !slices.Equal(clip, []string{"clip"}) {
		t.Errorf("texts overflow: %v", clip)
	}
	b.screenshot("hostile")

	for _, room := range []string{"/r/<script>", "/r/..%2fx", "/r/" + strings.Repeat("a", 65), "/r/A"} {
		resp, err := http.Get(srv.url(room))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", room, resp.Status)
		}
	}
}

func isSubset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

// otherOrigin serves one page at another site.
func otherOrigin(t *testing.T) (origin string, show func(page string)) {
	t.Helper()
	body := ""
	s := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/" {
			fmt.Fprint(out, body)
		}
	}))
	t.Cleanup(s.Close)
	// Another host name makes it another site; another port would not.
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return "http://localhost:" + port, func(page string) { body = page }
}

// codeBlock returns a code block of a document, with the test's server in place of the example's.
func (srv *testServer) codeBlock(path, kind string, i int) string {
	srv.t.Helper()
	b, err := os.ReadFile("../../../../" + path)
	if err != nil {
		srv.t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllSubmatch(b, -1)
	return strings.ReplaceAll(string(blocks[i][1]), "https://chat.example.org", srv.url(""))
}

// The example of the documentation works on a page of another site.
func TestLibrary(t *testing.T) {
	t.Parallel()
	origin, show := otherOrigin(t)
	srv := startServer(t, func(c *server.Config) { c.AllowOrigins = []string{origin} })
	srv.post("lobby", "was there before")
	page := srv.codeBlock("docs/PAGE.md", "html", 0)
	if lines := strings.Count(page, "\n"); lines > 12 {
		t.Errorf("the example has %d lines", lines)
	}
	show(page)
	b := openPage(t, origin+"/")
	b.waitForText("li", "was there before")
	b.run(chromedp.SendKeys("input", "from a page of my own"), chromedp.Click("button"))
	b.waitForText("li", "from a page of my own")
	srv.stop()
	b.expectErrors("ERR_CONNECTION_REFUSED", "WebSocket connection")
	b.run(chromedp.SendKeys("input", "meanwhile"), chromedp.Click("button"))
	srv.start()
	b.waitForText("li", "meanwhile")
}

// A page of another site can embed a room only if the server allows its origin.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	origin, show := otherOrigin(t)
	allowed := false
	srv := startServer(t, func(c *server.Config) {
		if allowed {
			c.AllowOrigins = []string{origin}
		}
	})
	page := "<!doctype html><title>A lesson</title><h1>A lesson</h1>" + srv.codeBlock("docs/PAGE.md", "html", 1)
	show(page)
	b := openPage(t, origin+"/", laptop())
	b.expectErrors("403", "ERR_BLOCKED_BY_RESPONSE", "frame-ancestors")
	b.waitFor("performance.getEntriesByType('resource').some((e) => e.initiatorType === 'iframe')")
	for _, c := range []struct{ referer, says string }{{origin + "/", "--allow-origin " + origin}, {"", "cannot be shown here"}} {
		r, err := http.NewRequest(http.MethodGet, srv.url("/r/lesson?embed"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Accept": "text/html", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe", "Referer": c.referer} {
			r.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusForbidden || !strings.Contains(string(body), c.says) || strings.Contains(string(body), "<form") {
			t.Errorf("a frame of a page at %q gets %s: %s; want 403 with %q (%v)", c.referer, resp.Status, body, c.says, err)
		}
	}
	b.frames(30) // so that the picture has the frame
	b.screenshot("embed-refused")

	srv.stop()
	allowed = true
	srv.start()
	c := openPage(t, origin+"/", laptop())
	for i := range 12 {
		srv.post("lesson", fmt.Sprint("welcome ", i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.url("/api/v1/rooms/lesson/stream?last=0"), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"count":2`) { // the frame and this stream
			c.screenshot("embedded")
			return
		}
	}
	t.Errorf("the frame has not joined the room: %v", lines.Err())
}

// Where WebSockets are blocked, the page uses HTTP.
func TestWithoutSocket(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	front, refuse := blockWebSockets(t, srv)
	srv.post("lobby", "before")
	b := openPage(t, front+"/", laptop())
	b.expectErrors("WebSocket connection", "429")
	b.ready()
	b.waitForText(".status", "over HTTP")
	b.waitForText(".log", "before")
	srv.post("lobby", "while it listens")
	b.waitForText(".log", "while it listens")
	for i := range 5 {
		b.send(fmt.Sprint("posted over HTTP ", i))
	}
	b.waitForText(".log ol:first-of-type", "posted over HTTP 4")
	b.waitFor("!document.querySelector('.sent')")
	var own []string
	for _, text := range b.messages() {
		if rest, ok := strings.CutPrefix(text, "posted over HTTP "); ok {
			own = append(own, rest)
		}
	}
	if !slices.Equal(own, []string{"0", "1", "2", "3", "4"}) {
		t.Errorf("posted: %v", own)
	}
	b.click(".me button")
	b.waitForText(".name-form", "WebSocket")
	b.screenshot("without-socket")

	// All rooms of an earlier visit work, also in a second tab, although a browser has few connections.
	rooms := []string{"lobby", "one", "two", "three", "four", "five", "six", "seven"}
	for _, room := range rooms {
		srv.post(room, "posted in "+room)
	}
	eval[bool](b, "(localStorage.setItem('ramai.rooms', "+quote(quote(rooms))+"), true)")
	b.run(chromedp.Reload())
	b.ready()
	second := b.openTab(front + "/r/two")
	second.expectErrors("WebSocket connection", "429")
	for _, room := range rooms {
		srv.post(room, "news of "+room)
	}
	refuse("four")
	for _, room := range rooms[1:] {
		if room == "two" { // the second tab reads it, for both
			continue
		}
		b.waitFor("[...document.querySelectorAll('.rooms li')].some((li) => li.querySelector('a').textContent === " + quote(room) + " && li.querySelector('.count'))")
	}
	second.ready()
	second.waitForText(".log", "news of two")
	for _, room := range []string{"two", "three", "four", "seven", "lobby"} {
		eval[bool](b, "([...document.querySelectorAll('.rooms a')].find((a) => a.textContent === "+quote(room)+").click(), true)")
		b.waitForText(".log", "news of "+room)
		b.ready()
		srv.post(room, "arrives at once in "+room)
		b.waitForText(".log", "arrives at once in "+room)
	}
	b.click(".rooms .current .icon")
	b.waitForText("h1", "one")
	b.ready()
	b.waitForText(".log", "news of one")
	b.screenshot("without-socket-rooms")
}

// blockWebSockets starts a proxy that refuses WebSockets. refuse makes it refuse the next stream of a room with 429.
func blockWebSockets(t *testing.T, srv *testServer) (address string, refuse func(room string)) {
	target, _ := url.Parse(srv.url(""))
	var refused atomic.Value
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	front := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			http.Error(out, "no upgrades here", http.StatusBadRequest)
			return
		}
		if room, _ := refused.Load().(string); room != "" && strings.HasSuffix(r.URL.Path, "/"+room+"/stream") && refused.CompareAndSwap(room, "") {
			out.Header().Set("Retry-After", "1")
			out.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(out, `{"code":"rate_limited","reason":"too fast"}`)
			return
		}
		proxy.ServeHTTP(out, r)
	}))
	t.Cleanup(front.Close)
	t.Cleanup(func() { front.CloseClientConnections() })
	return front.URL, func(room string) { refused.Store(room) }
}
