package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"ramai/internal/frame"
	"ramai/internal/reactor"
	"ramai/internal/websockettest"
)

// exchange sends messages of many sizes and compares the echo.
func exchange(ctx context.Context, c *websocket.Conn) error {
	c.SetReadLimit(-1)
	for _, n := range []int{0, 1, 20, 125, 126, 600, 4096, 4097, 65535, 65536, 1 << 20} {
		said := bytes.Repeat([]byte("an echo "), n/8+1)[:n]
		go c.Write(ctx, websocket.MessageText, said)
		if _, onMessage, err := c.Read(ctx); err != nil || !bytes.Equal(onMessage, said) {
			return fmt.Errorf("%d bytes are echoed as %d: %v", n, len(onMessage), err)
		}
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

// TestDeflatedServer exchanges compressed messages with another library's client.
func TestDeflatedServer(t *testing.T) {
	eachPath(t, func(t *testing.T, r reactor.Reactor) {
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		defer cancel()
		address := start(t, r)
		for _, mode := range []websocket.CompressionMode{websocket.CompressionNoContextTakeover, websocket.CompressionContextTakeover} {
			c, resp, err := websocket.Dial(ctx, address, &websocket.DialOptions{CompressionMode: mode, CompressionThreshold: 10})
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
				t.Errorf("negotiated %q", got)
			}
			if err := exchange(ctx, c); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestDeflatedClient exchanges compressed messages with another library's server.
func TestDeflatedClient(t *testing.T) {
	eachPath(t, func(t *testing.T, r reactor.Reactor) {
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		defer cancel()
		ended := make(chan error, 1)
		s := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			c, err := websocket.Accept(w, req, &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: 10})
			if err != nil {
				ended <- err
				return
			}
			if got := w.Header().Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
				t.Errorf("negotiated %q", got)
			}
			ended <- exchange(ctx, c)
		})}
		ln := listen(t)
		go s.Serve(ln)
		defer s.Close()
		args := []string{"--dial", "ws://" + ln.Addr().String() + "/one", "--deflate", fmt.Sprintf("--portable=%v", isPortable(r))}
		if err := run(t.Context(), args, t.Output(), t.Output()); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestWindows requests each window size from the server.
func TestWindows(t *testing.T) {
	eachPath(t, func(t *testing.T, r reactor.Reactor) {
		address := start(t, r)
		for bits := frame.LeastBits; bits <= frame.MostBits; bits++ {
			want := wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true, ServerMaxWindowBits: wsflate.WindowBits(bits)}
			d := ws.Dialer{Extensions: []httphead.Option{want.Option()}}
			nc, _, hs, err := d.Dial(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			if len(hs.Extensions) != 1 || !hs.Extensions[0].Equal(want.Option()) {
				t.Errorf("the answer to %s is %v", want.Option(), hs.Extensions)
			}
			said := strings.Repeat("again and ", 2000)
			nc.Write(websockettest.Text(said).Bytes(true))
			p, err := websockettest.Read(nc, false)
			if err != nil || p.First != 0xc1 || len(p.Payload) > len(said)/5 {
				t.Errorf("window %d: %d bytes, %#x, %v", bits, len(p.Payload), p.First, err)
			}
			nc.Close()
		}
	})
}

// TestUnofferedAnswers: an answer that was not offered fails the handshake.
func TestUnofferedAnswers(t *testing.T) {
	parse := func(s string) []httphead.Option { o, _ := httphead.ParseOptions([]byte(s), nil); return o }
	const good = "permessage-deflate; server_no_context_takeover"
	for answer, want := range map[string]frame.Bits{
		"": 0, good: 15, good + "; client_no_context_takeover; client_max_window_bits=9": 9, good + "; server_max_window_bits=10": 15,
	} {
		if cfg, got, err := accepted(parse(answer)); err != nil || got != want || cfg.Deflate != (want != 0) {
			t.Errorf("%q: window %d, %v", answer, got, err)
		}
	}
	for _, answer := range []string{
		"permessage-deflate", good + "; client_max_window_bits", good + "; client_max_window_bits=7", good + "; more", good + ", " + good,
	} {
		if _, _, err := accepted(parse(answer)); err == nil {
			t.Errorf("%q was accepted", answer)
		}
	}
}
