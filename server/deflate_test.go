package server_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"ramai/wire"
)

const deflateAnswer = "permessage-deflate;server_no_context_takeover;client_no_context_takeover"

// counted is a connection that counts the bytes it reads.
type counted struct {
	net.Conn
	read *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	return n, err
}

// dialDeflate connects a client that offers permessage-deflate, and returns a counter of the bytes that it reads.
func dialDeflate(t *testing.T, url string, mode websocket.CompressionMode, protocols ...string) (*peer, *atomic.Int64) {
	t.Helper()
	read := new(atomic.Int64)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return counted{c, read}, err
	}}
	c, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{
		Subprotocols: protocols, CompressionMode: mode, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	if got := strings.ReplaceAll(resp.Header.Get("Sec-WebSocket-Extensions"), " ", ""); got != deflateAnswer {
		t.Fatalf("the offer is answered with %q", got)
	}
	return &peer{t, c}, read
}

// TestDeflate: a client of another library sends and receives compressed messages, with both protocols. A client without
// compression receives the same messages.
func TestDeflate(t *testing.T) {
	var texts []string
	for i, n := range []int{100, 600, 4000} {
		texts = append(texts, strings.Repeat(fmt.Sprint("number ", i, " and on, "), n)[:n])
	}
	for name, mode := range map[string]websocket.CompressionMode{
		"no context takeover": websocket.CompressionNoContextTakeover, "context takeover": websocket.CompressionContextTakeover,
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil)
			plain := dial(t, s.url)
			plain.expect(wire.Greeting)
			old, read := dialDeflate(t, s.url, mode)
			old.expect(wire.Greeting)
			v1, _ := dialDeflate(t, s.url, mode, wire.Protocol)
			frame[wire.Welcome](v1)
			v1.say(`{"type":"join","room":"lobby"}`)
			frame[wire.Joined](v1)
			read.Store(0)
			for i, text := range texts {
				old.say(text)
				old.expect(text)
				plain.expect(text)
				if m := frame[wire.Message](v1); m.Text != text {
					t.Errorf("v1 receives %.100q, want %.100q", m.Text, text)
				}
				v1.say(fmt.Sprintf(`{"type":"say","room":"lobby","id":"%d","text":"%s"}`, i, text))
				if m := frame[wire.Message](v1); m.Text != text || m.N != uint64(2*i+2) {
					t.Errorf("v1 receives %.100q as number %d", m.Text, m.N)
				}
				old.expect(text)
				plain.expect(text)
			}
			if n := read.Load(); n < 200 || n > 800 {
				t.Errorf("9,400 bytes, of which 200 are in texts too short for compression, were received as %d", n)
			}
			again, _ := dialDeflate(t, s.url+"/?last=6", mode)
			again.expect(wire.Greeting, texts[0], texts[0], texts[1], texts[1], texts[2], texts[2])
			resumed, _ := dialDeflate(t, s.url, mode, wire.Protocol)
			resumed.say(`{"type":"join","room":"lobby","last":3}`)
			for n := uint64(4); n <= 6; n++ {
				if m := frame[wire.Message](resumed); m.N != n || m.Text != texts[(n-1)/2] {
					t.Errorf("after resuming, number %d is %.100q, want %d", m.N, m.Text, n)
				}
			}
			old.say(strings.Repeat("x", 70<<10))
			if _, _, err := old.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
				t.Errorf("a message that inflates to 70 KiB: %v", err)
			}
		})
	}
}

// TestOffers: package frame decides which offers are acceptable; here the first acceptable one is answered, over all lines
// of the header, and a declined offer does not fail the handshake.
func TestOffers(t *testing.T) {
	s := serve(t, nil)
	tests := []struct {
		lines  []string
		status int
		want   string
	}{
		{nil, 101, ""},
		{[]string{"permessage-deflate; client_max_window_bits"}, 101, deflateAnswer}, // the offer of browsers
		{[]string{"x-other", "permessage-deflate; server_max_window_bits=9, permessage-deflate, permessage-deflate"}, 101, deflateAnswer},
		{[]string{"permessage-deflate; unknown", "permessage-deflate; server_max_window_bits=15"}, 101, deflateAnswer + ";server_max_window_bits=15"},
		{[]string{"permessage-deflate; unknown", "x-other"}, 101, ""},
		{[]string{"permessage-deflate; ="}, 400, ""},
	}
	for _, tt := range tests {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http"+strings.TrimPrefix(s.url, "ws"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {base64.StdEncoding.EncodeToString(make([]byte, 16))}, "Sec-Websocket-Extensions": tt.lines,
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		got := strings.ReplaceAll(strings.Join(resp.Header.Values("Sec-Websocket-Extensions"), ","), " ", "")
		if resp.StatusCode != tt.status || got != tt.want {
			t.Errorf("%q is answered with %d and %q, want %d and %q", tt.lines, resp.StatusCode, got, tt.status, tt.want)
		}
	}
}
