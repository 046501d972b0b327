package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"ramai/wire"
)

func TestSilentServerDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, true, func(ctx context.Context, c *websocket.Conn, _ *http.Request) {
			fakeHandler(newFakeServer(), func() bool { return false })(ctx, c, nil)
		})
		var dead atomic.Bool
		n.lossy = func(c net.Conn) net.Conn { return &discardWrites{Conn: c, dead: &dead} }
		c := dial(t, n, Config{})
		next[wire.Joined](t, c)

		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		// A server that answers pings may stay silent for any time.
		if e, err := c.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("after %v: %v, %v", time.Since(begin), e.Frame, err)
		}

		dead.Store(true)
		begin = time.Now()
		lost := next[Disconnected](t, c)
		if took := time.Since(begin); took < readTimeout-pingEvery || took > readTimeout {
			t.Errorf("disconnected after %v", took)
		}
		if !strings.Contains(lost.Err.Error(), "silent") {
			t.Errorf("disconnected because of %v", lost.Err)
		}
		dead.Store(false)
		next[wire.Welcome](t, c)
	})
}

func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, true, func(ctx context.Context, c *websocket.Conn, _ *http.Request) {
			fakeHandler(newFakeServer(), func() bool { return false })(ctx, c, nil)
		})
		var dead atomic.Bool
		n.lossy = func(c net.Conn) net.Conn { return &discardWrites{Conn: c, dead: &dead} }
		c := dial(t, n, Config{})
		next[wire.Joined](t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		c.Check() // a server that answers keeps its connection
		if e, err := c.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v, %v", e.Frame, err)
		}
		dead.Store(true)
		c.Check()
		begin := time.Now()
		next[Disconnected](t, c)
		if took := time.Since(begin); took > checkTimeout {
			t.Errorf("disconnected after %v", took)
		}
		c.Check() // there is no connection
		dead.Store(false)
		next[wire.Welcome](t, c)
	})
}

// TestCheckOutlastsBytesInFlight: bytes that the server sent before it fell silent do not extend the time limit of a check.
func TestCheckOutlastsBytesInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		w := &watched{Conn: near}
		defer w.Close()
		begin := time.Now()
		w.check()
		asked := w.pinging()
		go far.Write([]byte("in flight"))
		b := make([]byte, 99)
		if _, err := w.Read(b); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != checkTimeout {
			t.Errorf("silence was detected after %v, want %v", took, checkTimeout)
		}
		w.settle(asked)
		begin = time.Now()
		if _, err := w.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != readTimeout {
			t.Errorf("without a check silence was detected after %v, want %v", took, readTimeout)
		}
	})
}

// discardWrites is a connection to a peer that has disappeared without closing it.
type discardWrites struct {
	net.Conn
	dead *atomic.Bool
}

func (s *discardWrites) Write(b []byte) (int, error) {
	if s.dead.Load() {
		return len(b), nil
	}
	return s.Conn.Write(b)
}
