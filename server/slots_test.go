package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ramai/server"
	"ramai/wire"
)

// from returns a dialer that uses an address of this machine.
func from(address string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: 30 * time.Second}
}

// dialFrom dials a WebSocket from an address of this machine.
func dialFrom(t *testing.T, url, address string, header http.Header, protocols ...string) (*peer, *http.Response, error) {
	t.Helper()
	over := &http.Transport{DialContext: func(ctx context.Context, network, at string) (net.Conn, error) {
		return from(address).DialContext(ctx, network, at)
	}}
	t.Cleanup(over.CloseIdleConnections)
	c, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPClient: &http.Client{Transport: over}, HTTPHeader: header, Subprotocols: protocols})
	if err != nil {
		return nil, resp, err
	}
	t.Cleanup(func() { c.CloseNow() })
	return &peer{t, c}, resp, nil
}

// ended waits for the other end to close a connection, and returns what it received before that.
func ended(t *testing.T, nc net.Conn) (received string) {
	t.Helper()
	nc.SetReadDeadline(time.Now().Add(30 * time.Second))
	b, err := io.ReadAll(nc)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Error("a connection too many stays open")
	}
	return string(b)
}

// TestAddressShare: silent connections of one address use only its share, over all listeners together, and others can
// connect.
func TestAddressShare(t *testing.T) {
	const slots, share, more = 200, 20, 64
	s := serve(t, func(c *server.Config) { c.MaxConns, c.MaxConnsPerAddress = slots, share })
	address := strings.TrimPrefix(s.url, "ws://")
	silent := func() net.Conn {
		nc, err := from("127.0.0.2").Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return nc
	}
	for range share + more {
		silent()
	}
	for range 2 * slots { // more than the limit of all connections
		if received := ended(t, silent()); !strings.HasPrefix(received, "HTTP/1.1 503 ") || !strings.Contains(received, "\r\nRetry-After: 5\r\n") {
			t.Fatalf("a connection too many receives %q", received)
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader([]byte(ended(t, silent())))), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.HasPrefix(string(body), `{"code":"unavailable",`) || !json.Valid(body) {
		t.Errorf("the answer is not HTTP: %q, %v", body, err)
	}
	honest, _, err := dialFrom(t, s.url, "127.0.0.3", nil)
	if err != nil {
		t.Fatal(err)
	}
	honest.expect(wire.Greeting)
	honest.say("here")
	honest.expect("here")
}

// TestShareExceeded: when sessions have used up the share of an address, the next one is told, and gets a slot that is
// freed.
func TestShareExceeded(t *testing.T) {
	s := serve(t, func(c *server.Config) { c.MaxConns, c.MaxConnsPerAddress = 50, 3 })
	first, _, err := dialFrom(t, s.url, "127.0.0.2", nil)
	if err != nil {
		t.Fatal(err)
	}
	first.expect(wire.Greeting)
	if _, _, err := dialFrom(t, s.url, "127.0.0.2", nil, wire.Protocol); err != nil {
		t.Fatal(err)
	}
	over := &http.Transport{DialContext: func(ctx context.Context, network, at string) (net.Conn, error) {
		return from("127.0.0.2").DialContext(ctx, network, at)
	}}
	defer over.CloseIdleConnections()
	get := func(path string) *http.Response {
		t.Helper()
		resp, err := (&http.Client{Transport: over}).Get(strings.Replace(s.url, "ws:", "http:", 1) + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	const stream = "/api/v1/rooms/lobby/stream"
	if resp := get(stream); resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	for _, refused := range []*http.Response{get(stream), func() *http.Response {
		_, resp, _ := dialFrom(t, s.url, "127.0.0.2", nil)
		return resp
	}()} {
		if refused == nil || refused.StatusCode != http.StatusTooManyRequests || refused.Header.Get("Retry-After") == "" {
			t.Errorf("the fourth of three: %v, want 429 with Retry-After", refused)
		}
	}
	if resp := get("/healthz"); resp.StatusCode != http.StatusOK {
		t.Errorf("a request that needs no slot: %s", resp.Status)
	}
	first.Close(websocket.StatusNormalClosure, "")
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, _, err := dialFrom(t, s.url, "127.0.0.2", nil); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestShareBehindProxy: behind a trusted proxy, each client has the share of its own address, and the proxy is not limited.
func TestShareBehindProxy(t *testing.T) {
	s := serve(t, func(c *server.Config) {
		c.MaxConns, c.MaxConnsPerAddress = 300, 2
		c.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}
	})
	address := strings.TrimPrefix(s.url, "ws://")
	for range 100 { // a proxy keeps them open
		nc, err := from("127.0.0.9").Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	for client := range 4 {
		header := http.Header{"X-Forwarded-For": {fmt.Sprintf("192.0.2.%d", client)}}
		for range 2 {
			c, _, err := dialFrom(t, s.url, "127.0.0.9", header)
			if err != nil {
				t.Fatal(err)
			}
			c.expect(wire.Greeting)
		}
		if _, resp, err := dialFrom(t, s.url, "127.0.0.9", header); err == nil || resp == nil || resp.StatusCode != http.StatusTooManyRequests {
			t.Errorf("the third of two of one client: %v, %v", resp, err)
		}
	}
}
