package browser_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"ramai/server"
)

// noScript turns JavaScript off.
func noScript(b *tab) {
	command(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// Without JavaScript, a room can be read and written to, and a refusal keeps the text.
func TestNoScript(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	for i := range 60 {
		srv.post("lobby", "line "+strings.Repeat("i", i)+"<b>&amp;")
	}
	b := openPage(t, "about:blank", phone())
	noScript(b)
	b.run(chromedp.Navigate(srv.url("/")))
	shown := func() []string {
		return eval[[]string](b, "[...document.querySelectorAll('.m .text')].map((e) => e.textContent)")
	}
	if got := shown(); len(got) != 50 || got[49] != "line "+strings.Repeat("i", 59)+"<b>&amp;" {
		t.Fatalf("the page has %d messages: %q", len(got), got)
	}
	if !eval[bool](b, "(() => { const r = document.querySelector('.m:last-child').getBoundingClientRect(); return r.bottom > 0 && r.bottom < innerHeight })()") {
		t.Error("the newest message is not in view")
	}
	b.screenshot("no-script-phone")
	b.click(".older a")
	b.waitFor("document.querySelectorAll('.m').length === 10")
	b.insert("#name", "Sari")
	b.insert(".composer textarea", "Selamat pagi!")
	b.click(".send")
	b.waitForText(".m .text", "Selamat pagi!")
	b.waitForText(".m .name", "Sari")
	if at := eval[string](b, "location.href"); at != srv.url("/") {
		t.Errorf("after the post the page is at %s", at)
	}
	b.expectErrors("413")
	eval[bool](b, "(document.querySelector('.composer textarea').value = 'x'.repeat(4001), true)")
	b.click(".send")
	b.waitForText(".error-text", "4001")
	if n := eval[int](b, "document.querySelector('.composer textarea').value.length"); n != 4001 {
		t.Errorf("%d of 4001 characters of the refused text are kept", n)
	}
	b.screenshot("no-script-refused")
}

// Without JavaScript, a room in a page of another site keeps the name of its reader: the cookie of its form is one that browsers
// store for a frame.
func TestNoScriptEmbedded(t *testing.T) {
	t.Parallel()
	origin, show := otherOrigin(t)
	srv := startServer(t, func(c *server.Config) {
		c.AllowOrigins = []string{origin}
		c.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	target, err := url.Parse(srv.url(""))
	if err != nil {
		t.Fatal(err)
	}
	named := make(chan bool, 10) // whether a page that was served has the name
	front := httptest.NewTLSServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Accept-Encoding")
			r.SetXForwarded()
		},
		ModifyResponse: func(resp *http.Response) error {
			if resp.Request.URL.Path != "/r/lesson" || resp.StatusCode != http.StatusOK {
				return nil
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body = io.NopCloser(bytes.NewReader(b))
			named <- bytes.Contains(b, []byte(`value="Sari"`))
			return err
		},
	})
	t.Cleanup(front.Close)
	show(`<!doctype html><title>A lesson</title><iframe style="position:fixed;inset:0;width:100%;height:100%;border:0" src="` + front.URL + `/r/lesson?embed"></iframe>`)
	srv.post("lesson", "welcome")

	b := openPage(t, "about:blank", laptop())
	noScript(b)
	b.run(chromedp.Navigate(origin + "/"))
	b.waitFor("document.readyState === 'complete'")
	if <-named {
		t.Fatal("the first page has a name")
	}
	b.screenshot("no-script-embedded")
	size := eval[[]float64](b, "[innerWidth, innerHeight]")
	b.run(chromedp.MouseClickXY(size[0]/2, size[1]-35), chromedp.KeyEvent("Good morning"))
	b.press("Tab", shift)
	b.run(chromedp.KeyEvent("Sari"))
	b.press("Enter", 0)
	select {
	case ok := <-named:
		if !ok {
			t.Error("after the post, the page has lost the name")
		}
	case <-time.After(timeout):
		t.Error("the form was not sent")
	}
}

// A browser that is too old for the script gets the page as it was served, with the field for a name.
func TestTooOld(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.post("lobby", "hello")
	target, err := url.Parse(srv.url(""))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(resp *http.Response) error { // as a browser sees it that knows neither modules nor light-dark
		b, err := io.ReadAll(resp.Body)
		b = bytes.ReplaceAll(bytes.ReplaceAll(b, []byte(`type="module"`), []byte(`type="unknown"`)), []byte("light-dark("), []byte("unknown("))
		resp.Body = io.NopCloser(bytes.NewReader(b))
		resp.Header.Del("Content-Security-Policy") // which has the hash of the styles
		resp.Header.Del("Content-Length")
		return err
	}
	old := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		r.Header.Del("Accept-Encoding")
		r.Host = target.Host
		proxy.ServeHTTP(out, r)
	}))
	t.Cleanup(old.Close)
	b := openPage(t, old.URL, phone())
	b.waitForText(".m .text", "hello")
	b.waitFor("document.readyState === 'complete'")
	for _, part := range []string{"#name", ".banner.static", ".status a", ".byline time", ".send"} {
		if !eval[bool](b, "document.querySelector("+quote(part)+")?.checkVisibility() ?? false") {
			t.Errorf("%s is not shown", part)
		}
	}
	b.screenshot("too-old")
	b = openPage(t, "about:blank", phone()) // a new browser does not show them while it waits
	b.expectErrors("ERR_BLOCKED_BY_CLIENT")
	command(b, network.Enable, network.EnableParams{})
	command(b, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{{URLPattern: "*://*:*/page/*/page.js", Block: true}}})
	b.run(chromedp.Navigate(srv.url("/")))
	b.waitForText(".m .text", "hello")
	if eval[bool](b, "[...document.querySelectorAll('.static')].some((e) => e.checkVisibility())") {
		t.Error("what is only for old browsers is shown before the script runs")
	}
}

// The form can only be sent from the page.
func TestFormOrigin(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	for _, c := range []struct {
		header, value string
		status        int
	}{
		{"Origin", "https://evil.test", http.StatusForbidden},
		{"Origin", "null", http.StatusForbidden},
		{"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"Content-Type", "text/plain", http.StatusUnsupportedMediaType},
		{"Origin", srv.url(""), http.StatusSeeOther},
	} {
		r, err := http.NewRequest(http.MethodPost, srv.url("/r/x"), strings.NewReader(url.Values{"id": {"one"}, "text": {"hello"}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(c.header, c.value)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s: %s: %s, want %d", c.header, c.value, resp.Status, c.status)
		}
		if cookie := resp.Header.Get("Set-Cookie"); c.status == http.StatusSeeOther && (!strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict")) {
			t.Errorf("the cookie is %q", cookie)
		}
	}
}

// The first paint has the messages and takes one request; the script takes them over, each once, and resumes after them.
func TestFirstPaint(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	for range 60 {
		srv.post("lobby", "before")
	}
	b := openPage(t, "about:blank", laptop())
	var requests []string
	idle := make(map[network.RequestID]bool) // what is loaded afterwards
	bytes := 0.0
	if err := chromedp.Listen(b.ctx, func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if strings.Contains(e.Request.URL, "/later.") {
				idle[e.RequestID] = true
				return
			}
			requests = append(requests, strings.TrimPrefix(e.Request.URL, srv.url("")))
		case *network.EventLoadingFinished:
			if !idle[e.RequestID] {
				bytes += e.EncodedDataLength
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	command(b, network.Enable, network.EnableParams{})
	b.run(chromedp.Navigate(srv.url("/")))
	b.ready()
	if first := eval[[]string](b, "performance.getEntriesByType('resource').filter((e) => e.renderBlockingStatus === 'blocking').map((e) => e.name)"); len(first) > 0 {
		t.Errorf("the first paint waits for %v", first)
	}
	srv.post("lobby", "after")
	b.waitForText(".m .text", "after")
	if got := b.messages(); len(got) != 51 {
		t.Errorf("the page shows %d messages, want 50 and one that arrived", len(got))
	}
	t.Logf("%.0f bytes, %d requests: %v", bytes, len(requests), requests)
	scripts := 0
	for _, r := range requests {
		if strings.Contains(r, "/api/") {
			t.Errorf("the page asked for %s", r)
		}
		if strings.HasSuffix(r, ".js") {
			scripts++
		}
	}
	if scripts > 2 || bytes > 60_000 { // one is the service worker
		t.Errorf("%d scripts, %.0f bytes; want one and the worker, and at most 60,000", scripts, bytes)
	}
}

// The page is painted once its message box is complete: nothing moves when it arrives in two pieces.
func TestPageInPieces(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	request, err := http.NewRequest(http.MethodGet, srv.url("/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html")
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, second := range []string{`<p class="typing`, "<textarea"} {
		before, after, found := strings.Cut(string(content), second)
		if !found {
			t.Fatalf("the page has no %s:\n%s", second, content)
		}
		slow := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				http.NotFound(out, r)
				return
			}
			out.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(out, before)
			out.(http.Flusher).Flush()
			time.Sleep(500 * time.Millisecond) // in which the browser would paint the first piece
			io.WriteString(out, second+after)
		}))
		b := openPage(t, "about:blank", phone())
		b.expectErrors("404") // the script
		b.recordShifts()
		b.run(chromedp.Navigate(slow.URL))
		b.frames(5)
		if shifts := eval[[]string](b, "shifts"); len(shifts) > 0 {
			t.Errorf("second piece from %s: the layout has shifted: %q", second, shifts)
		}
		slow.Close()
	}
}

// recordPlaces adds to an array of the next pages where the newest message ends, as often as that changes. The script draws new
// elements, so the browser does not count as a shift that they stand elsewhere.
func (b *tab) recordPlaces() {
	command(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		window.places = [];
		(function look() {
			const at = [...document.querySelectorAll(".m")].at(-1)?.getBoundingClientRect().bottom;
			if (at && !(Math.abs(at - places.at(-1)) < 2)) places.push(at);
			requestAnimationFrame(look);
		})();`})
}

// recordShifts adds what moves without the user to an array of the next pages.
func (b *tab) recordShifts() {
	command(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		window.shifts = [];
		new PerformanceObserver((list) => { for (const e of list.getEntries()) shifts.push(e.value + " " + e.sources.map((s) => (s.node?.className ?? s.node?.nodeName) + JSON.stringify([s.previousRect, s.currentRect])).join()); }).observe({ type: "layout-shift", buffered: true });`})
}

// With a slow connection, the first messages take no more round trips than the page itself, nothing moves when the script takes
// over, also where it asks for a name, and another visit needs one request.
func TestSlowNetwork(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	for _, device := range []struct {
		name string
		view action
	}{{"laptop", laptop()}, {"phone", phone()}} {
		b := openPage(t, "about:blank", device.view)
		command(b, network.Enable, network.EnableParams{})
		command(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{{Latency: 2000, DownloadThroughput: -1, UploadThroughput: -1}}})
		b.recordShifts()
		b.recordPlaces()
		for _, visit := range []string{"cold", "warm", "returning"} {
			if visit == "returning" {
				b.click(".name-form button[type=button]") // to be a guest
				b.waitFor("!document.querySelector('.name-form')")
			}
			b.run(chromedp.Navigate(srv.url("/?" + visit)))
			b.ready()
			b.waitForText(".log", "Then let us begin")
			b.frames(5)
			if asked := eval[bool](b, "document.querySelector('.name-form') !== null"); asked != (visit != "returning") {
				t.Errorf("%s, %s: the page asks for a name: %t", device.name, visit, asked)
			}
			// 0.1 is what people notice.
			if shift := eval[float64](b, "shifts.reduce((sum, s) => sum + parseFloat(s), 0)"); shift > 0.01 {
				t.Errorf("%s, %s: the layout has shifted by %.4f: %q", device.name, visit, shift, eval[[]string](b, "shifts"))
			}
			if places := eval[[]float64](b, "places"); len(places) > 1 {
				t.Errorf("%s, %s: the newest message has moved: it ended at %v", device.name, visit, places)
			}
			m := eval[struct {
				Paint  float64
				Before int
			}](b, `(() => {
				const paint = performance.getEntriesByName("first-contentful-paint")[0].startTime;
				return { paint, before: performance.getEntriesByType("resource").filter((e) => e.transferSize > 0 && e.responseEnd < paint).length };
			})()`)
			t.Logf("%s, %s: the first message is painted after %.1f times 2 s, and %d other requests", device.name, visit, m.Paint/2000, m.Before)
		}
	}
}

// A name that no room can have gets a page that offers one.
func TestWrongRoom(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, "about:blank", phone())
	b.expectErrors("404")
	b.run(chromedp.Navigate(srv.url("/r/Kelas%207A")))
	b.waitForText("h1", "Kelas 7A")
	b.screenshot("wrong-room")
	b.click("a.button")
	b.ready()
	if path := eval[string](b, "location.pathname"); path != "/r/kelas-7a" {
		t.Errorf("it leads to %s", path)
	}
}
