package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"ramai/wire"
)

// handler answers one WebSocket connection.
type handler func(ctx context.Context, c *websocket.Conn, r *http.Request)

// start serves h in memory until the test ends, with ramai.v1 if the client offers it and v1 is set.
func start(t *testing.T, v1 bool, h handler) *network {
	t.Helper()
	return startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		options := &websocket.AcceptOptions{}
		if v1 {
			options.Subprotocols = []string{wire.Protocol}
		}
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer c.CloseNow()
		h(r.Context(), c, r)
	})
}

func startHTTP(t *testing.T, h http.HandlerFunc) *network {
	n := newNetwork()
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			work.Add(1)
			defer work.Done()
			h(w, r.WithContext(ctx))
		}),
	}
	work.Go(func() { server.Serve(n) })
	t.Cleanup(func() {
		cancel()
		server.Close()
		work.Wait()
	})
	return n
}

func dial(t *testing.T, n *network, config Config) *Client {
	t.Helper()
	config.URL, config.DialContext = "http://chat.example", n.dial
	c, err := Dial(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// next returns the next event of type F and skips others.
func next[F wire.Frame](t *testing.T, c *Client) F {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour) // on the clock of the synctest bubble
	defer cancel()
	for {
		e, err := c.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := e.Frame.(F); ok {
			return f
		}
	}
}

// fakeHandler serves the fake server, one connection at a time. It calls fails before each outgoing frame; true cuts the
// connection.
func fakeHandler(s *fakeServer, fails func() bool) handler {
	var mu sync.Mutex
	return func(ctx context.Context, c *websocket.Conn, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		s.cut()
		s.connect()
		for {
			for name := range s.rooms {
				s.sendRoom(name)
			}
			for len(s.toClient) > 0 {
				if fails() {
					return
				}
				b := s.toClient[0]
				s.toClient = s.toClient[1:]
				if c.Write(ctx, websocket.MessageText, b) != nil {
					return
				}
			}
			_, b, err := c.Read(ctx)
			if err != nil {
				return
			}
			s.fromClient = append(s.fromClient, b)
			s.work()
		}
	}
}

func TestReconnectKeepsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frames := 0
		server := newFakeServer()
		n := start(t, true, fakeHandler(server, func() bool {
			frames++
			if frames%17 == 0 {
				server.refuseNext = 50 * time.Millisecond
			}
			return frames%23 == 0
		}))
		c := dial(t, n, Config{})
		const count = 200
		for i := range count {
			if _, err := c.Say(wire.Lobby, strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range count {
			if m := next[wire.Message](t, c); m.Text != strconv.Itoa(i) || m.N != uint64(i+1) {
				t.Fatalf("received %q as %d, want %d", m.Text, m.N, i)
			}
		}
		for c.Pending() > 0 {
			next[wire.Saved](t, c)
		}
	})
}

func TestJoinAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer()
		for i := range 9 {
			server.store("tea", "other", "o", strconv.Itoa(i))
		}
		c := dial(t, start(t, true, fakeHandler(server, func() bool { return false })), Config{Last: NoJoin})
		if err := c.JoinAfter("tea", wire.Position{HistoryID: server.historyID, N: 7}); err != nil {
			t.Fatal(err)
		}
		if m := next[wire.Message](t, c); m.N != 8 {
			t.Errorf("received number %d first", m.N)
		}
		for _, err := range []error{c.JoinAfter("tea", wire.Position{N: 7}), c.Join("tea", 501), c.Join("Tea", 0)} {
			if err == nil {
				t.Error("a bad join is accepted")
			}
		}
	})
}

func TestSlowUserMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer()
		text := strings.Repeat("x", 4000)
		const count = 1000
		for range count {
			server.store(wire.Lobby, "other", "o", text)
		}
		n := start(t, true, fakeHandler(server, func() bool { return false }))
		c := dial(t, n, Config{Last: 500})
		time.Sleep(time.Hour)
		c.mu.Lock()
		size := c.core.size
		c.mu.Unlock()
		if size < maxEvents || size > maxEvents+8000 {
			t.Errorf("%d bytes wait to be read, want about %d", size, maxEvents)
		}

		// A request is answered nevertheless.
		if _, err := c.History(t.Context(), wire.History{Room: wire.Lobby}); err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			e, err := c.Next(t.Context())
			for err == nil && e.Frame.Type() != "message" {
				if e.Frame.Type() == "disconnected" {
					t.Fatalf("cut: %v", e.Frame)
				}
				e, err = c.Next(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			if m := e.Frame.(wire.Message); m.N != uint64(count-500+i+1) {
				t.Fatalf("received number %d as event %d", m.N, i)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var status atomic.Int32
		status.Store(http.StatusConflict)
		n := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
			if s := int(status.Load()); s != 0 {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(s)
				fmt.Fprint(w, `{"code":"name_taken","reason":"somebody is zoe"}`)
				return
			}
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			c.Write(r.Context(), websocket.MessageText, []byte(wire.Greeting))
			c.Close(websocket.StatusServiceRestart, "back soon")
		})
		_, err := Dial(t.Context(), Config{URL: "http://chat.example", DialContext: n.dial})
		var refused *RefusedError
		if !errors.As(err, &refused) {
			t.Fatalf("error %v", err)
		}
		want := RefusedError{Status: 409, Code: wire.NameTaken, Reason: "somebody is zoe", RetryAfter: 7 * time.Second}
		if *refused != want {
			t.Fatalf("refused with %+v", refused)
		}

		status.Store(0)
		c := dial(t, n, Config{})
		if lost := next[Disconnected](t, c); lost.Err.Error() != "the server closed the connection: 1012 back soon" {
			t.Errorf("lost: %v", lost.Err)
		}
		for _, s := range []int32{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusConflict, http.StatusBadGateway} {
			status.Store(s)
			for {
				lost := next[Disconnected](t, c)
				if errors.As(lost.Err, &refused) && refused.Status == int(s) {
					if lost.Wait < 7*time.Second {
						t.Errorf("%d: retries after %v", s, lost.Wait)
					}
					break
				}
			}
		}
		status.Store(http.StatusForbidden)
		for err == nil || !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
			if err != nil && !errors.As(err, &refused) {
				t.Fatal(err)
			}
			_, err = c.Next(t.Context())
		}
		if _, err := c.Say(wire.Lobby, "hi"); !errors.As(err, &refused) {
			t.Errorf("Say after the end: %v", err)
		}
		n.Close()
		if _, err := Dial(t.Context(), Config{URL: "http://chat.example", DialContext: n.dial}); err == nil || errors.As(err, &refused) {
			t.Errorf("no server: %v", err)
		}
	})
}

func TestBadFramesEndTheConnection(t *testing.T) {
	tests := []struct {
		name string
		kind websocket.MessageType
		b    string
		want string
	}{
		{"binary", websocket.MessageBinary, "x", "binary"},
		{"no JSON", websocket.MessageText, "hello", "invalid frame"},
		{"too large", websocket.MessageText, `{"type":"welcome","text":"` + strings.Repeat("x", readLimit) + `"}`, "limited"},
		{"bad session", websocket.MessageText, `{"type":"welcome","session":"short"}`, "session"},
		{"hello is refused", websocket.MessageText, `{"type":"error","reason":"go away"}`, "go away"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, true, func(ctx context.Context, c *websocket.Conn, r *http.Request) {
					if test.name == "no JSON" { // as the first frame it means a plain server
						c.Write(ctx, websocket.MessageText, wire.Append(nil, welcome("")))
					}
					c.Write(ctx, test.kind, []byte(test.b))
					c.Read(ctx)
				})
				c := dial(t, n, Config{})
				for range 2 { // and retries continue
					if lost := next[Disconnected](t, c); !strings.Contains(lost.Err.Error(), test.want) {
						t.Errorf("disconnected because of %v, want %q", lost.Err, test.want)
					}
				}
			})
		})
	}
}

func TestRequestsAcrossReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connections := 0
		n := start(t, true, func(ctx context.Context, c *websocket.Conn, r *http.Request) {
			connections++
			c.Write(ctx, websocket.MessageText, wire.Append(nil, welcome("")))
			for {
				_, b, err := c.Read(ctx)
				if err != nil {
					return
				}
				request, bad := wire.ParseRequest(b)
				if bad != nil {
					t.Error(bad)
				}
				var answer wire.Frame
				switch f := request.Frame.(type) {
				case wire.Hello:
					answer = welcome("")
				case wire.Who:
					answer = wire.Who{Room: f.Room, Count: connections}
				case wire.History:
					answer = wire.Page{Room: f.Room, HistoryID: "L", Messages: []wire.Message{{Room: f.Room, N: 1}}}
				}
				if connections == 1 {
					return // cut instead of answered
				}
				c.Write(ctx, websocket.MessageText, wire.Append(nil, answer))
			}
		})
		c := dial(t, n, Config{Last: NoJoin})
		if who, err := c.Who(t.Context(), wire.Who{Room: "tea"}); err != nil || who.Count != 2 {
			t.Errorf("who: %+v, %v", who, err)
		}
		if page, err := c.History(t.Context(), wire.History{Room: "tea"}); err != nil || len(page.Messages) != 1 {
			t.Errorf("history: %+v, %v", page, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Who(ctx, wire.Who{Room: "tea"}); !errors.Is(err, context.Canceled) {
			t.Errorf("who after cancel: %v", err)
		}
	})
}

func TestCloseWithHangingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, true, func(ctx context.Context, c *websocket.Conn, r *http.Request) {
			<-ctx.Done()
		})
		c := dial(t, n, Config{})
		begin := time.Now()
		c.Close()
		if took := time.Since(begin); took > closeWait {
			t.Errorf("took %v", took)
		}
		if _, err := c.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Next: %v", err)
		}
		if _, err := c.Say(wire.Lobby, "x"); !errors.Is(err, ErrClosed) {
			t.Errorf("Say: %v", err)
		}
		c.Close()
	})
}

func TestCloseWhileDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, true, func(context.Context, *websocket.Conn, *http.Request) {})
		c := dial(t, n, Config{})
		n.Close()
		next[Disconnected](t, c)
		next[Disconnected](t, c)
		c.Close()
	})
}

func TestConfig(t *testing.T) {
	bad := []Config{
		{URL: "127.0.0.1:2000"}, {URL: "ftp://x"}, {URL: "http://"}, {URL: "http://x/chat"}, {URL: "http://x/r/Tea"},
		{URL: "http://x/?name=zoe"}, {URL: "http://x", Session: "short"}, {URL: "http://x", Last: 501}, {URL: "http://x", Last: -2},
		{URL: "http://\x00"}, {URL: "http://x/#2"}, {URL: "http://x/#n2x"}, {URL: "http://x/r/tea/n2"}, {URL: "http://x/r/"}, {URL: "http://x/r/tea//"},
	}
	for _, config := range bad {
		if _, err := newClient(config); err == nil {
			t.Errorf("%+v is accepted", config)
		}
	}
	for address, want := range map[string]string{"ws://x": "lobby", "wss://x/": "lobby", "https://x/r/tea": "tea", "http://x/r/tea/": "tea", "http://x/#n2": "lobby", "http://x/r/tea#n2": "tea"} {
		if room, err := Room(address); err != nil || room != want {
			t.Errorf("Room(%q) = %q, %v", address, room, err)
		}
	}
}
