package server_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ramai/server"
	"ramai/wire"
)

func TestCrowded(t *testing.T) {
	web := start(t, func(c *server.Config) { c.MaxConns = 2 })
	first, second := dial(t, web.URL), dial(t, web.URL)
	second.expect(wire.Greeting)
	_, r, err := websocket.Dial(t.Context(), web.URL, nil)
	if err == nil || r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("the third of two: %v, want HTTP 503 with Retry-After", err)
	}
	first.Close(websocket.StatusNormalClosure, "")
	third := dialUntil(t, web.URL)
	third.expect(wire.Greeting)
	third.say("in")
	third.expect("in")
	second.expect("in")
}

// TestConnectionLimit: sessions and other connections share one limit of descriptors.
func TestConnectionLimit(t *testing.T) {
	const most = 70 // 64 more are accepted in order to be refused
	s := serve(t, func(c *server.Config) { c.MaxConns = most })
	address := strings.TrimPrefix(s.url, "ws://")
	for range most {
		dial(t, s.url).expect(wire.Greeting)
	}
	idle := make([]net.Conn, 64)
	for i := range idle {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		idle[i] = nc
	}
	// Connections are accepted in the order in which they were made: when one more is refused, all others are accepted.
	more, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer more.Close()
	if received := ended(t, more); !strings.HasPrefix(received, "HTTP/1.1 503 ") {
		t.Errorf("one connection too many receives %q", received)
	}
	last := idle[len(idle)-1]
	last.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(last, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if got, err := bufio.NewReader(last).ReadString('\n'); got != "HTTP/1.1 200 OK\r\n" {
		t.Errorf("the last connection within the limit: %q, %v", got, err)
	}
}

func TestMoreConnectionsThanDescriptors(t *testing.T) {
	cfg := server.Defaults()
	cfg.InMemory, cfg.MaxConns = true, 1<<30
	if _, err := server.New(cfg); err == nil || !strings.Contains(err.Error(), "--max-connections") {
		t.Errorf("%v", err)
	}
	if _, err := cfg.Check(); err == nil {
		t.Error("not found by the check")
	}
}

// TestDescriptorsForSSH: SSH connections have their own descriptors, which others cannot use.
func TestDescriptorsForSSH(t *testing.T) {
	served := func(ssh bool) (n int) {
		t.Helper()
		cfg := server.Defaults()
		cfg.InMemory, cfg.SSH = true, ssh
		found, err := cfg.Check()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscanf(found[len(found)-1], "up to %d connections", &n); err != nil {
			t.Fatal(found)
		}
		return n
	}
	without := served(false)
	if got, want := served(true), without-min(1000, without/4); got != want {
		t.Errorf("with SSH %d other connections are served, want %d of %d", got, want, without)
	}
}

// TestLimitsAreSettable: every configurable limit applies, and clients are told about it.
func TestLimitsAreSettable(t *testing.T) {
	web := start(t, func(c *server.Config) {
		c.MaxText, c.MaxRoomsPerClient, c.MaxRooms = 10, 2, 3
	})
	plain := dial(t, web.URL)
	plain.expect(wire.Greeting)
	plain.say("0123456789")
	plain.expect("0123456789")
	plain.say("0123456789x")
	if got := plain.receive(); !strings.HasPrefix(got, "! ") || !strings.Contains(got, "at most 10") {
		t.Errorf("a text too long is answered by %q", got)
	}
	if resp, body := call(t, http.MethodPost, web.URL+"/api/v1/rooms/lobby/messages", "0123456789x"); resp.StatusCode != 413 {
		t.Errorf("a text too long, posted: %d %s", resp.StatusCode, body)
	}
	v1 := dial(t, web.URL, wire.Protocol)
	greeting := v1.receive()
	welcome, err := wire.ParseFrame([]byte(greeting))
	if err != nil {
		t.Fatal(err)
	}
	limits := welcome.(wire.Welcome).Limits
	if limits.Text != 10 || limits.Rooms != 2 {
		t.Errorf("the welcome has %s", greeting)
	}
	for _, room := range []string{"a", "b"} {
		v1.say(`{"type":"join","room":"` + room + `"}`)
		v1.until(`"type":"joined"`)
	}
	v1.say(`{"type":"join","room":"c"}`)
	if got := v1.until(`"type":"error"`); !strings.Contains(got, "2 rooms") {
		t.Errorf("a third room: %s", got)
	}
	// The longest request is that of the longest text with each byte escaped, and not longer.
	v1.say(`{"type":"say","id":"a","room":"a","text":"` + strings.Repeat(`\u0078`, 10) + `","more":"` + strings.Repeat("x", limits.Frame-150) + `"}`)
	v1.until(`"type":"saved"`)
	v1.say(`{"type":"ping","ref":"` + strings.Repeat("x", limits.Frame) + `"}`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		if _, _, err := v1.Read(ctx); err != nil {
			if websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
				t.Errorf("a frame too long: %v", err)
			}
			break
		}
	}
}

// until reads frames until one contains want.
func (p *peer) until(want string) string {
	p.t.Helper()
	for {
		if got := p.receive(); strings.Contains(got, want) {
			return got
		}
	}
}

// TestCrowdedAtOnce: however many clients connect at once, the number of sessions stays within the limit, and the others
// are told.
func TestCrowdedAtOnce(t *testing.T) {
	const most, come = 20, 80
	s := serve(t, func(c *server.Config) { c.MaxConns = most })
	var in, received, other atomic.Int32
	var coming sync.WaitGroup
	for range come {
		coming.Go(func() {
			c, r, err := websocket.Dial(t.Context(), s.url+"?name="+rand.Text()[:8], nil)
			switch {
			case err == nil:
				in.Add(1)
				defer c.CloseNow()
				c.Read(t.Context())
				<-t.Context().Done()
			case r != nil && r.StatusCode == http.StatusServiceUnavailable:
				received.Add(1)
			default:
				other.Add(1)
			}
		})
	}
	t.Cleanup(coming.Wait) // once their context has ended
	for end := time.Now().Add(20 * time.Second); in.Load()+received.Load()+other.Load() < come; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			break
		}
	}
	if in.Load() != most || received.Load() != come-most {
		t.Errorf("%d are connected, %d were refused, %d received something else", in.Load(), received.Load(), other.Load())
	}
}
