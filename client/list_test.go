package client

import (
	"net"
	"slices"
	"testing"

	"github.com/gobwas/ws"

	"ramai/internal/websockettest"
	"ramai/wire"
)

// serveFrames accepts the client that dials, as a server that greets it with the plain protocol.
func serveFrames(t *testing.T, ln net.Listener, upgrader ws.Upgrader) <-chan net.Conn {
	conns := make(chan net.Conn, 1)
	go func() {
		defer close(conns)
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		if _, err := upgrader.Upgrade(nc); err != nil {
			t.Error(err)
		}
		nc.Write(websockettest.Text(wire.Greeting).Bytes(false))
		conns <- nc
	}()
	return conns
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// TestList plays the cases of the Autobahn test suite to the client, as a server of the plain protocol does: each text is a
// line. The client checks a text when it is complete, and accepts messages of up to 1 MiB.
func TestList(t *testing.T) {
	for _, c := range websockettest.List(websockettest.Brief) {
		if c.Name == "7.5.1" {
			c.Code = 1000 // the library answers a close frame without a check of its reason
		}
		t.Run(c.Name, func(t *testing.T) {
			ln := listen(t)
			conns := serveFrames(t, ln, ws.Upgrader{})
			client, err := Dial(t.Context(), Config{URL: "ws://" + ln.Addr().String(), Plain: true})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			lines := make(chan []string, 1)
			go func() { lines <- untilDisconnected(t, client) }()
			limited := c.Lazy().Within(websockettest.Limits{Message: readLimit, Fragments: 1 << 20})
			limited.Filtered(t, <-conns, false, websockettest.Frame.IsControl)
			ln.Close()
			heard := <-lines
			if limited.Code != c.Code {
				return
			}
			var want []string
			for _, f := range c.Want {
				if !f.IsControl() {
					want = append(want, f.Payload)
				}
			}
			if !slices.Equal(heard, want) {
				t.Errorf("%d lines, want %d: %.100q", len(heard), len(want), heard)
			}
		})
	}
}

// untilDisconnected returns the lines that c receives on its first connection.
func untilDisconnected(t *testing.T, c *Client) (lines []string) {
	for {
		e, err := c.Next(t.Context())
		if err != nil {
			return lines
		}
		switch f := e.Frame.(type) {
		case Line:
			lines = append(lines, f.Text)
		case Disconnected:
			return lines
		}
	}
}

// TestDeflatedList: the client offers no extension, so it refuses a server that negotiates permessage-deflate as the cases of
// 12 and 13 do, and it refuses their messages.
func TestDeflatedList(t *testing.T) {
	for _, c := range websockettest.ListDeflated(websockettest.Brief) {
		t.Run(c.Name, func(t *testing.T) {
			ln := listen(t)
			conns := serveFrames(t, ln, ws.Upgrader{Header: ws.HandshakeHeaderString("Sec-WebSocket-Extensions: " + c.Answer + "\r\n")})
			hungUp := make(chan struct{})
			go func() { // at once, because the library reads what follows the handshake
				defer close(hungUp)
				(<-conns).Close()
			}()
			if client, err := Dial(t.Context(), Config{URL: "ws://" + ln.Addr().String(), Plain: true}); err == nil {
				client.Close()
				t.Error("the client accepts an extension that it did not offer")
			}
			<-hungUp
			conns = serveFrames(t, ln, ws.Upgrader{})
			client, err := Dial(t.Context(), Config{URL: "ws://" + ln.Addr().String(), Plain: true})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			limited := c.Case(true)
			limited.Want, limited.Code = nil, 1002
			limited.Send = limited.Send[:1]
			limited.Play(t, <-conns, false)
		})
	}
}
