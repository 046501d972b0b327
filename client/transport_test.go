package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
)

// proxyOf starts a proxy that opens tunnels but does not forward requests. It counts the tunnels.
func proxyOf(t *testing.T, status int) (*url.URL, *atomic.Int64) {
	var tunnels atomic.Int64
	handler := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic YW5uYTpzZWNyZXQ=" {
			t.Errorf("the proxy received %s %s with %v", r.Method, r.URL, r.Header)
			out.WriteHeader(http.StatusBadRequest)
			return
		}
		tunnels.Add(1)
		if status != http.StatusOK {
			out.WriteHeader(status)
			return
		}
		there, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		here, _, err := http.NewResponseController(out).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() {
			defer here.Close()
			io.Copy(here, there)
		}()
		io.Copy(there, here)
		there.Close()
	})
	proxy := httptest.NewServer(handler)
	t.Cleanup(proxy.Close)
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("anna", "secret")
	return u, &tunnels
}

// TestProxy: a WebSocket uses a tunnel through a proxy, with and without TLS.
func TestProxy(t *testing.T) {
	greeter := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(out, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		c.Write(r.Context(), websocket.MessageText, []byte("hello"))
		c.Close(websocket.StatusNormalClosure, "")
	})
	plain, secure := httptest.NewServer(greeter), httptest.NewTLSServer(greeter)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	config := secure.Client().Transport.(*http.Transport).TLSClientConfig
	for _, address := range []string{plain.URL, strings.Replace(plain.URL, "http", "ws", 1), secure.URL, strings.Replace(secure.URL, "http", "ws", 1)} {
		proxy, tunnels := proxyOf(t, http.StatusOK)
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		d := dialer{url: u, tls: config, dial: new(net.Dialer).DialContext, proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
				t.Errorf("the proxy of %s was looked up", r.URL)
			}
			return proxy, nil
		}}
		l, err := d.open(t.Context(), 0)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		if _, b, err := l.Read(t.Context()); string(b) != "hello" || tunnels.Load() != 1 {
			t.Errorf("%s: %q, %v, after %d tunnels", address, b, err, tunnels.Load())
		}
		l.CloseNow()

		proxy, _ = proxyOf(t, http.StatusForbidden)
		if _, err := d.open(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s, and the proxy refuses: %v", address, err)
		}
	}
}

// TestProxyHangs: waiting for a proxy that does not answer ends when the caller's context ends.
func TestProxyHangs(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d := dialer{url: &url.URL{Scheme: "ws", Host: "chat.example"}, dial: new(net.Dialer).DialContext, proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: ln.Addr().String()})}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := ln.Accept(); err == nil {
			defer c.Close()
			c.Read(make([]byte, 1))
			cancel()
			io.Copy(io.Discard, c)
		}
	}()
	if _, err := d.open(ctx, 0); err == nil {
		t.Error("connected without an answer")
	}
}

// TestRedirects: a redirect to another server is not followed, because the session must not be sent there. A redirect
// within a server is.
func TestRedirects(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	var to atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			out.Header().Set("Content-Type", "text/html")
			io.WriteString(out, "<!doctype html>sign in")
			return
		}
		http.Redirect(out, r, to.Load().(string), http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	config := Config{URL: server.URL, Session: strings.Repeat("A", 22)}
	for _, c := range []struct{ to, says string }{
		{other.URL, other.URL},
		{strings.Replace(other.URL, "127.0.0.1", "localhost", 1), "another server"},
		{strings.Replace(server.URL, "127.0.0.1", "localhost", 1), "another server"},
		{strings.Replace(other.URL, "http", "https", 1), "another server"}, // another port
		{"/login", "A proxy in front"},
	} {
		to.Store(c.to)
		refused := new(RefusedError)
		_, dialed := Dial(t.Context(), config)
		if !errors.As(dialed, &refused) || !strings.Contains(dialed.Error(), c.says) {
			t.Errorf("connecting, redirected to %s: %v", c.to, dialed)
		}
		if _, err := Find(t.Context(), config, Search{Words: "a"}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("searching, redirected to %s: %v", c.to, err)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("the other server received %d requests", n)
	}
	for _, c := range []struct {
		from, to string
		follows  bool
	}{
		{"http://chat.example/", "https://chat.example/", true},
		{"http://chat.example:2000/", "https://CHAT.example:2000/r/x", true},
		{"https://chat.example/", "http://chat.example/", false},
		{"http://chat.example/", "https://chat.example:8443/", false},
		{"http://chat.example/", "https://chat.example.evil.example/", false},
	} {
		from, to := &http.Request{}, &http.Request{}
		from.URL, _ = url.Parse(c.from)
		to.URL, _ = url.Parse(c.to)
		if got := checkRedirect(to, []*http.Request{from}) == nil; got != c.follows {
			t.Errorf("from %s to %s: followed %v", c.from, c.to, got)
		}
	}
}
