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

// everyWay uses all that asks the server: what is older, search, saying over both ways, a stream.
func (b *tab) everyWay() {
	b.t.Helper()
	b.ready()
	b.until("document.querySelectorAll('.m').length > 10")
	eval[bool](b, "(location.hash = '#n3', true)") // of what was not sent at first
	b.until("document.querySelector('.m.target[data-n=\"3\"]')")
	b.press("k", ctrl)
	b.run(chromedp.SendKeys("dialog input[type=search]", "word"))
	b.press("Enter", 0)
	b.until("document.querySelector('.hits button')")
	b.click(".hits button")
	if eval[bool](b, "document.querySelector('.status').textContent.includes('over HTTP')") {
		b.t.Error("the gate lets no WebSocket through")
	}
	b.write("said on the page")
	b.sees(".log", "said on the page")
	heard := eval[string](b, `(async () => {
		const { connect } = await import("/ramai.js");
		const room = connect("/", { via: "http", last: 0 });
		const heard = new Promise((done) => room.on("message", (m) => done(m.text)));
		await new Promise((done) => room.on("joined", done));
		await room.say("said over HTTP").saved;
		try { return await heard; } finally { room.client.close(); }
	})()`)
	if heard != "said over HTTP" {
		b.t.Errorf("over HTTP there was heard %q", heard)
	}
}

// The page works behind a proxy that asks for a password, as docs/PROXIES.md has it set up.
func TestBehindPassword(t *testing.T) {
	h := serve(t, func(c *server.Config) {
		c.AllowHosts = []string{proxytest.Host}
		c.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	for i := range 300 {
		h.say("lobby", fmt.Sprint("word ", i))
	}
	address := proxytest.Start(t, "nginx", h.address, map[string]string{"password": "anna:{PLAIN}secret\n"},
		"    location / {\n", "    location / {\n        auth_basic \"ramai\";\n        auth_basic_user_file DIR/password;\n")
	at, _ := netip.ParseAddrPort(address)
	if resp, err := http.Get(fmt.Sprintf("http://%s/", h.address)); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("without the proxy: %v, %v", resp, err)
	}
	b := open(t, fmt.Sprintf("https://anna:secret@%s:%d/", proxytest.Host, at.Port()), laptop())
	b.expect("401") // the browser learns that it has to tell the password
	b.everyWay()
}

// A gate that knows people by a cookie lets the page work as long as it does; afterwards the page says what is wrong, and
// keeps what was written.
func TestBehindCookie(t *testing.T) {
	h := serve(t, nil)
	for i := range 300 {
		h.say("lobby", fmt.Sprint("word ", i))
	}
	target, _ := url.Parse(h.url(""))
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	var wanted atomic.Value
	wanted.Store("one")
	front := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			http.SetCookie(out, &http.Cookie{Name: "sso", Value: wanted.Load().(string), HttpOnly: true, SameSite: http.SameSiteLaxMode})
			out.Header().Set("Content-Type", "text/html")
			fmt.Fprint(out, `<!doctype html><link rel="icon" href="data:,"><p id="in">you are in`)
			return
		}
		if c, err := r.Cookie("sso"); err != nil || c.Value != wanted.Load() {
			http.Redirect(out, r, "/login", http.StatusFound)
			return
		}
		proxy.ServeHTTP(out, r)
	}))
	t.Cleanup(front.Close)
	t.Cleanup(func() { front.CloseClientConnections() })

	b := open(t, front.URL+"/", laptop())
	b.expect("WebSocket connection", "ERR_", "502", "Failed to load")
	b.sees("#in", "you are in")
	b.run(chromedp.Navigate(front.URL + "/"))
	b.everyWay()

	wanted.Store("another") // signed out, and the connection breaks
	h.stop()
	h.start()
	b.until("!document.querySelector('.status.live')")
	b.write("kept meanwhile")
	b.sees(".banner", "sign in")
	b.picture("gate")
	eval[bool](b, "fetch('/login').then((r) => r.ok)") // in another tab, say
	b.click(".banner button")
	b.ready()
	b.sees(".log ol:first-of-type", "kept meanwhile")
}
