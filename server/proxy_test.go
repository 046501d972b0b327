package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ramai/internal/proxytest"
	"ramai/server"
	"ramai/wire"
)

// TestBehindProxies: behind a proxy that is configured as in docs/PROXIES.md, every transport works, messages arrive
// immediately, and limits apply to the client's address.
func TestBehindProxies(t *testing.T) {
	for _, name := range []string{"haproxy", "caddy", "apache2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behind(t, name)
		})
	}
}

// TestBehindNginx: an idle client stays connected behind nginx for longer than the proxy's timeout, because the server
// pings once meanwhile.
func TestBehindNginx(t *testing.T) {
	t.Parallel()
	chat, over := behind(t, "nginx", "proxy_read_timeout 60s", "proxy_read_timeout 32s") // so that the test takes less time
	if testing.Short() {
		return
	}
	events := listenWith(t, over, "https://chat.example.org", "lobby", "?last=0")
	events.next()
	idle, done := context.WithTimeout(t.Context(), 36*time.Second)
	defer done()
	if _, b, err := chat.Read(idle); idle.Err() == nil {
		t.Fatalf("an idle connection: %q, %v", b, err)
	}
	postOver(t, over, "still here")
	events.expect("still here")
}

// behind starts a server with a proxy in front, and tries every transport. It returns a client, and a RoundTripper through
// the proxy.
func behind(t *testing.T, name string, change ...string) (*peer, http.RoundTripper) {
	t.Helper()
	var log proxytest.Buffer
	s := serve(t, func(c *server.Config) {
		c.AllowHosts = []string{proxytest.Host}
		c.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		c.Quiet, c.Logger = false, slog.New(slog.NewTextHandler(&log, nil))
	})
	address := proxytest.Start(t, name, strings.TrimPrefix(s.url, "ws://"), nil, change...)
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	over := &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return from.DialContext(ctx, "tcp", address) },
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	t.Cleanup(over.CloseIdleConnections)
	c, _, err := websocket.Dial(t.Context(), "wss://chat.example.org/", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: over}, HTTPHeader: http.Header{"Origin": {"https://chat.example.org"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	chat := &peer{t, c}
	chat.expect(wire.Greeting)
	events := listenWith(t, over, "https://chat.example.org", "lobby", "")
	if _, ok := events.next().(wire.Joined); !ok {
		t.Error("the stream does not start")
	}
	chat.say("at once")
	chat.expect("at once")
	events.expect("at once")
	postOver(t, over, "by POST")
	chat.expect("by POST")
	events.expect("by POST")
	if !strings.Contains(log.String(), "127.0.0.9:0") {
		t.Errorf("the log does not contain the addresses of the clients:\n%s", log.String())
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://chat.example.org/r/den", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := over.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), "ramai join https://chat.example.org/r/den\n") {
		t.Errorf("the page tells people to type %s (%v)", b, err)
	}
	return chat, over
}

// postOver posts a text in the lobby through a proxy.
func postOver(t *testing.T, over http.RoundTripper, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://chat.example.org/api/v1/rooms/lobby/messages", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := over.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("posting %q: %s", text, resp.Status)
	}
}
