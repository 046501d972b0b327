package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"ramai/internal/proxytest"
	"ramai/server"
)

// useEverything makes each kind of request: history, search, posting over a WebSocket and over HTTP, a stream.
func (b *tab) useEverything() {
	b.t.Helper()
	b.ready()
	b.waitFor("document.querySelectorAll('.m').length > 10")
	eval[bool](b, "(location.hash = '#n3', true)") // not among the messages loaded first
	b.waitFor("document.querySelector('.m.target[data-n=\"3\"]')")
	b.press("k", ctrl)
	b.run(chromedp.SendKeys("dialog input[type=search]", "word"))
	b.press("Enter", 0)
	b.waitFor("document.querySelector('.hits button')")
	b.click(".hits button")
	if eval[bool](b, "document.querySelector('.status').textContent.includes('over HTTP')") {
		b.t.Error("the WebSocket did not get through the proxy")
	}
	b.send("posted on the page")
	b.waitForText(".log", "posted on the page")
	received := eval[string](b, `(async () => {
		const { connect } = await import("/ramai.js");
		const room = connect("/", { via: "http", last: 0 });
		const received = new Promise((done) => room.on("message", (m) => done(m.text)));
		await new Promise((done) => room.on("joined", done));
		await room.say("posted over HTTP").saved;
		try { return await received; } finally { room.client.close(); }
	})()`)
	if received != "posted over HTTP" {
		b.t.Errorf("over HTTP, received %q", received)
	}
}

// The page works behind a proxy that asks for a password, set up as in docs/PROXIES.md.
func TestBehindPassword(t *testing.T) {
	t.Parallel()
	srv := startServer(t, func(c *server.Config) {
		c.AllowHosts = []string{proxytest.Host}
		c.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	for i := range 300 {
		srv.post("lobby", fmt.Sprint("word ", i))
	}
	address := proxytest.Start(t, "nginx", srv.address, map[string]string{"password": "anna:{PLAIN}secret\n"},
		"    location / {\n", "    location / {\n        auth_basic \"ramai\";\n        auth_basic_user_file DIR/password;\n")
	at, _ := netip.ParseAddrPort(address)
	resp, err := http.Get(fmt.Sprintf("http://%s/", srv.address))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("without the proxy: %v, %v", resp, err)
	}
	resp.Body.Close()
	b := openPage(t, fmt.Sprintf("https://anna:secret@%s:%d/", proxytest.Host, at.Port()), laptop())
	b.expectErrors("401") // the first response, which asks for the password
	b.useEverything()
}

// The page works behind a proxy that sets a cookie. When the proxy stops accepting the cookie, the page says so and keeps what
// was written.
func TestBehindCookie(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	for i := range 300 {
		srv.post("lobby", fmt.Sprint("word ", i))
	}
	target, _ := url.Parse(srv.url(""))
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	var cookie atomic.Value
	cookie.Store("one")
	front := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			http.SetCookie(out, &http.Cookie{Name: "sso", Value: cookie.Load().(string), HttpOnly: true, SameSite: http.SameSiteLaxMode})
			out.Header().Set("Content-Type", "text/html")
			fmt.Fprint(out, `<!doctype html><link rel="icon" href="data:,"><p id="in">you are in`)
			return
		}
		if c, err := r.Cookie("sso"); err != nil || c.Value != cookie.Load() {
			http.Redirect(out, r, "/login", http.StatusFound)
			return
		}
		proxy.ServeHTTP(out, r)
	}))
	t.Cleanup(front.Close)
	t.Cleanup(func() { front.CloseClientConnections() })

	b := openPage(t, front.URL+"/", laptop())
	b.expectErrors("WebSocket connection", "ERR_", "502", "Failed to load")
	b.waitForText("#in", "you are in")
	b.run(chromedp.Navigate(front.URL + "/"))
	b.useEverything()

	cookie.Store("another") // the session at the proxy ends, and the connection breaks
	srv.stop()
	srv.start()
	b.waitFor("!document.querySelector('.status.live')")
	b.send("kept meanwhile")
	b.waitForText(".banner", "sign-in page")
	b.screenshot("gate")
	eval[bool](b, "fetch('/login').then((r) => r.ok)") // as in another tab
	b.click(".banner button")
	b.ready()
	b.waitForText(".log ol:first-of-type", "kept meanwhile")
}
