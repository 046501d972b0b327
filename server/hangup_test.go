package server_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	wsframe "ramai/internal/frame"
	"ramai/server"
	"ramai/wire"
)

// TestFastSendersDisconnect: plain clients send faster than the rates allow, and disconnect at once: with and without a
// close frame, with and without having read everything. All their messages are posted, in their order.
func TestFastSendersDisconnect(t *testing.T) {
	t.Parallel()
	const senders, lines = 25, 100
	overReactors(t, func(t *testing.T, kind server.IOMode) {
		s := serve(t, func(c *server.Config) { c.IO, c.Rate, c.Burst = kind, 100, 20 })
		other := dial(t, s.url)
		other.expect(wire.Greeting)
		var sending sync.WaitGroup
		for i := range senders {
			for _, how := range []string{"gone", "closing", "closed"} {
				sending.Go(func() {
					if err := postAndDisconnect(s.url, how, fmt.Sprintf("%s %d:", how, i), lines); err != nil {
						t.Errorf("%s %d: %v", how, i, err)
					}
				})
			}
		}
		received := make(map[string]int)
		for range 3 * senders * lines {
			who, line, _ := strings.Cut(other.receive(), ":")
			if received[who]++; line != fmt.Sprint(received[who]) {
				t.Fatalf("%s: received line %s, want %d", who, line, received[who])
			}
		}
		sending.Wait()
	})
}

// postAndDisconnect posts lines in one write and ends the connection: without a close frame (gone), right after one
// (closing), or when that is answered (closed); in the last case the echo of all lines precedes the answer.
func postAndDisconnect(url, how, who string, lines int) error {
	nc, early, _, err := ws.Dial(context.Background(), url)
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	var b []byte
	for i := range lines {
		b = wsframe.AppendMasked(b, wsframe.Text, fmt.Append(nil, who, i+1), [4]byte{1, 2, 3, 4})
	}
	if how != "gone" {
		b = wsframe.AppendMasked(b, wsframe.Close, []byte("\x03\xe8"), [4]byte{1, 2, 3, 4})
	}
	if _, err := nc.Write(b); err != nil || how != "closed" {
		return err
	}
	var from io.Reader = nc
	if early != nil {
		from = early
	}
	for mine := 0; ; {
		h, err := ws.ReadHeader(from)
		if err != nil {
			return err
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(from, payload); err != nil {
			return err
		}
		switch {
		case h.OpCode == ws.OpClose && mine == lines:
			return nil
		case h.OpCode == ws.OpClose:
			return fmt.Errorf("closed after the echo of %d lines of %d", mine, lines)
		case strings.HasPrefix(string(payload), who):
			mine++
		}
	}
}
