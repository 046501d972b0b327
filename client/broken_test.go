package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"ramai/wire"
)

// failingConn is a connection whose Read and Write can be made to panic.
type failingConn struct {
	net.Conn
	reads, writes *atomic.Bool
}

func (c failingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.reads.Load() {
		panic("a panic of the test")
	}
	return n, err
}

func (c failingConn) Write(b []byte) (int, error) {
	if c.writes.Load() {
		panic("a panic of the test")
	}
	return c.Conn.Write(b)
}

// TestBroken: a panic in a goroutine of the client, whatever locks it holds, ends the client with an error that reports it.
func TestBroken(t *testing.T) {
	for _, c := range []struct {
		name   string
		breaks func(c *Client, reads, writes *atomic.Bool, server *websocket.Conn)
	}{
		{"on receiving", func(c *Client, _, _ *atomic.Bool, server *websocket.Conn) {
			c.do(func() error { c.core.rooms = []*room{nil}; return nil })
			server.Write(context.Background(), websocket.MessageText, wire.Append(nil, wire.Message{Room: wire.Lobby, N: 1}))
		}},
		{"on sending", func(c *Client, _, _ *atomic.Bool, _ *websocket.Conn) {
			c.do(func() error { c.core.asks = append(c.core.asks, nil); return nil })
		}},
		{"the wait", func(c *Client, _, _ *atomic.Bool, server *websocket.Conn) {
			c.do(func() error { c.core.jitter = nil; return nil })
			server.CloseNow()
		}},
		{"the reader", func(_ *Client, reads, _ *atomic.Bool, server *websocket.Conn) {
			reads.Store(true)
			server.Write(context.Background(), websocket.MessageText, []byte("x"))
		}},
		{"the writer", func(c *Client, _, writes *atomic.Bool, _ *websocket.Conn) {
			writes.Store(true)
			c.Say(wire.Lobby, "hello")
		}},
		{"the ping", func(_ *Client, _, writes *atomic.Bool, _ *websocket.Conn) {
			writes.Store(true)
			time.Sleep(pingEvery + time.Second)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				servers := make(chan *websocket.Conn, 1)
				n := start(t, true, func(ctx context.Context, s *websocket.Conn, _ *http.Request) {
					s.Write(ctx, websocket.MessageText, wire.Append(nil, wire.Welcome{Protocol: wire.Protocol, SenderID: "me", Session: strings.Repeat("s", 22),
						Limits: wire.Limits{Text: 4000, Frame: 64 << 10}}))
					servers <- s
					for {
						if _, _, err := s.Read(ctx); err != nil {
							return
						}
					}
				})
				var reads, writes atomic.Bool
				n.lossy = func(conn net.Conn) net.Conn { return failingConn{conn, &reads, &writes} }
				client := dial(t, n, Config{Last: NoJoin})
				if _, err := client.Next(t.Context()); err != nil {
					t.Fatal(err)
				}
				c.breaks(client, &reads, &writes, <-servers)
				for {
					if _, err := client.Next(t.Context()); err != nil {
						if !errors.As(err, new(*BrokenError)) || !strings.Contains(err.Error(), "the client broke: ") || !strings.Contains(err.Error(), "run.go") {
							t.Errorf("the client ended with %v", err)
						}
						break
					}
				}
				if _, err := client.Say(wire.Lobby, "more"); !errors.As(err, new(*BrokenError)) {
					t.Errorf("Say then returns the error %v", err)
				}
				client.Close()
			})
		})
	}
}
