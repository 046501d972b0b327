package browser_test

import (
	"bufio"
	"context"
	"fmt"
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

// hostile are texts that have become more than texts elsewhere.
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

// Whatever is said is read as it was said, and does nothing.
func TestNothingOfATextRuns(t *testing.T) {
	h := serve(t, nil)
	var said []string
	for _, text := range hostile {
		h.say("lobby", text)
		said = append(said, text)
	}
	for _, name := range []string{`<img src=x onerror=pwned=1>`, `"><script>pwned=1</`, "javascript", "__proto__", "${pwned=1}"} {
		p := h.dialName("lobby", name)
		p.say("I am " + name)
		p.hear(1)
		p.CloseNow()
		said = append(said, "I am "+name)
	}
	h.say("lobby", "neighbour")
	said = append(said, "neighbour")

	b := open(t, h.url("/"), laptop()).ready()
	b.sees(".log", "neighbour")
	b.named("anna")
	shown := eval[[]string](b, `[...document.querySelectorAll(".log .m")].map((m) => [...m.querySelectorAll(".text")].map((e) =>
		[...e.childNodes].map((c) => c.nodeName === "PRE" ? "`+"```\\n"+`" + c.textContent + "`+"\\n```"+`" : c.nodeName === "CODE" ? "`+"`"+`" + c.textContent + "`+"`"+`" : c.textContent).join("")).join(""))`)
	if !slices.Equal(shown, said) {
		for i := range said {
			if i >= len(shown) || shown[i] != said[i] {
				t.Errorf("%q is shown as %q", said[i], append(shown, make([]string, len(said))...)[i])
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
		t.Errorf("there are attributes %v", attributes)
	}
	if eval[bool](b, "'pwned' in window || Object.prototype.pwned !== undefined") {
		t.Error("something ran")
	}
	// Nothing is wider than the log, and marks that pile up do not cover other messages.
	if wide := eval[float64](b, `Math.max(...[...document.querySelectorAll(".log .m")].map((e) => e.scrollWidth - e.clientWidth))`); wide > 1 {
		t.Errorf("something sticks out by %v px", wide)
	}
	if clip := eval[[]string](b, `[...new Set([...document.querySelectorAll(".log .text")].map((e) => getComputedStyle(e).overflowY))]`); !slices.Equal(clip, []string{"clip"}) {
		t.Errorf("texts overflow: %v", clip)
	}
	b.picture("hostile")

	for _, room := range []string{"/r/<script>", "/r/..%2fx", "/r/" + strings.Repeat("a", 65), "/r/A"} {
		resp, err := http.Get(h.url(room))
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

// elsewhere serves one page under an origin of its own.
func elsewhere(t *testing.T) (origin string, show func(page string)) {
	t.Helper()
	body := ""
	s := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/" {
			fmt.Fprint(out, body)
		}
	}))
	t.Cleanup(s.Close)
	// Another name, so that it is another site, not only another port.
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return "http://localhost:" + port, func(page string) { body = page }
}

// document returns a code block of a document, its server being the one of the test.
func (h *house) document(path, kind string, i int) string {
	h.t.Helper()
	b, err := os.ReadFile("../../../../" + path)
	if err != nil {
		h.t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllSubmatch(b, -1)
	return strings.ReplaceAll(string(blocks[i][1]), "https://chat.example.org", h.url(""))
}

// The example of the library, on a page elsewhere.
func TestLibrary(t *testing.T) {
	origin, show := elsewhere(t)
	h := serve(t, func(c *server.Config) { c.AllowOrigins = []string{origin} })
	h.say("lobby", "was there before")
	page := h.document("docs/PAGE.md", "html", 0)
	if lines := strings.Count(page, "\n"); lines > 12 {
		t.Errorf("the example has %d lines", lines)
	}
	show(page)
	b := open(t, origin+"/")
	b.sees("li", "was there before")
	b.run(chromedp.SendKeys("input", "from a page of one's own"), chromedp.Click("button"))
	b.sees("li", "from a page of one's own")
	h.stop()
	b.expect("ERR_CONNECTION_REFUSED", "WebSocket connection")
	b.run(chromedp.SendKeys("input", "meanwhile"), chromedp.Click("button"))
	h.start()
	b.sees("li", "meanwhile")
}

// A room in another page: only where the server's operator allows it.
func TestEmbedded(t *testing.T) {
	origin, show := elsewhere(t)
	allowed := false
	h := serve(t, func(c *server.Config) {
		if allowed {
			c.AllowOrigins = []string{origin}
		}
	})
	page := "<!doctype html><title>A lesson</title><h1>A lesson</h1>" + h.document("docs/PAGE.md", "html", 1)
	show(page)
	b := open(t, origin+"/", laptop())
	b.expect("frame-ancestors", "ERR_BLOCKED_BY_RESPONSE")
	b.until("document.querySelector('ramai-room')")
	b.until("new Promise((r) => setTimeout(() => r(true), 500))")
	b.mu.Lock()
	refused := slices.ContainsFunc(b.wrong, func(w string) bool { return strings.Contains(w, "frame-ancestors") })
	b.mu.Unlock()
	if !refused {
		t.Error("a page that is not allowed has the room in a frame")
	}

	h.stop()
	allowed = true
	h.start()
	c := open(t, origin+"/", laptop())
	for i := range 12 {
		h.say("lesson", fmt.Sprint("welcome ", i))
	}
	for range 3 { // a frame of another site is drawn late in a browser without a window
		c.until("new Promise((r) => setTimeout(() => r(true), 500))")
		c.picture("embedded")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url("/api/v1/rooms/lesson/stream?last=0"), nil)
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
		if strings.Contains(lines.Text(), `"count":2`) { // the frame, and who asks
			return
		}
	}
	t.Errorf("the room in the frame is not there: %v", lines.Err())
}

// Where no WebSocket comes through, the page goes on over HTTP.
func TestWithoutSocket(t *testing.T) {
	h := serve(t, nil)
	front, refuse := withoutSockets(t, h)
	h.say("lobby", "before")
	b := open(t, front+"/", laptop())
	b.expect("WebSocket connection", "429")
	b.ready()
	b.sees(".status", "over HTTP")
	b.sees(".log", "before")
	h.say("lobby", "while it listens")
	b.sees(".log", "while it listens")
	for i := range 5 {
		b.write(fmt.Sprint("said over HTTP ", i))
	}
	b.sees(".log ol:first-of-type", "said over HTTP 4")
	b.until("!document.querySelector('.sent')")
	var own []string
	for _, text := range b.texts() {
		if rest, ok := strings.CutPrefix(text, "said over HTTP "); ok {
			own = append(own, rest)
		}
	}
	if !slices.Equal(own, []string{"0", "1", "2", "3", "4"}) {
		t.Errorf("said: %v", own)
	}
	b.click(".me button")
	b.sees(".name-form", "WebSocket")
	b.picture("without-socket")

	// The rooms of an earlier visit are all there, though a browser has few connections; in a second tab too.
	rooms := []string{"lobby", "one", "two", "three", "four", "five", "six", "seven"}
	for _, room := range rooms {
		h.say(room, "said in "+room)
	}
	eval[bool](b, "(localStorage.setItem('ramai.rooms', "+js(js(rooms))+"), true)")
	b.run(chromedp.Reload())
	b.ready()
	second := b.another(front + "/r/two")
	second.expect("WebSocket connection", "429")
	for _, room := range rooms {
		h.say(room, "news of "+room)
	}
	refuse("four")
	for _, room := range rooms[1:] {
		b.until("[...document.querySelectorAll('.rooms li')].some((li) => li.querySelector('a').textContent === " + js(room) + " && li.querySelector('.count'))")
	}
	second.ready()
	second.sees(".log", "news of two")
	for _, room := range []string{"three", "four", "seven", "lobby"} {
		eval[bool](b, "([...document.querySelectorAll('.rooms a')].find((a) => a.textContent === "+js(room)+").click(), true)")
		b.sees(".log", "news of "+room)
		b.ready()
		h.say(room, "heard at once in "+room)
		b.sees(".log", "heard at once in "+room)
	}
	b.click(".rooms .current .icon")
	b.sees("h1", "one")
	b.ready()
	b.sees(".log", "news of one")
	b.picture("without-socket-rooms")
}

// withoutSockets is a way to a server that lets no WebSocket through. refuse has the next stream of a room refused as one
// too many.
func withoutSockets(t *testing.T, h *house) (address string, refuse func(room string)) {
	target, _ := url.Parse(h.url(""))
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
