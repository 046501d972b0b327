package client

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ramai/wire"

	"github.com/coder/websocket"
)

func TestPlainProtocol(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := newCore()
	c.plain, c.room, c.name = true, "lobby", "zoe"
	c.connected()
	one, two, three := c.say("lobby", "same"), c.say("lobby", "same"), c.say("lobby", "")
	if got := sent(c, now); got != nil {
		t.Fatalf("sent %q before the welcome", got)
	}
	c.line(now, []byte("Hello there"))
	if got := heard(c); len(got) != 1 || got[0].(wire.Welcome).Text != "Hello there" {
		t.Fatalf("heard %v", got)
	}
	if got := sent(c, now); !slices.Equal(got, []string{"same", "same", ""}) {
		t.Fatalf("sent %q", got)
	}
	for _, l := range []string{"tom: same", "! same", "zoe: same", ""} {
		c.line(now, []byte(l))
	}
	want := []wire.Frame{Line{Text: "tom: same"}, Line{Text: "! same"}, Line{Text: "zoe: same", ID: one}, Line{ID: three}}
	if got := heard(c); !slices.Equal(got, want) {
		t.Fatalf("events %v\nwant   %v", got, want)
	}
	c.disconnected(now, errCut)
	four := c.say("lobby", "later")
	if _, got := events(c); len(got) != 1 || got[0].ID != two || got[0].State != Failed || !got[0].Unknown {
		t.Fatalf("states %v", got)
	}
	c.connected()
	c.line(now, []byte("Hello there"))
	if got := sent(c, now); !slices.Equal(got, []string{"later"}) {
		t.Fatalf("sent %q: an unconfirmed line must not be sent again, an unsent one must be", got)
	}
	heard(c)
	c.line(now, []byte("later"))
	if got := heard(c); !slices.Equal(got, []wire.Frame{Line{Text: "later", ID: four}}) {
		t.Fatalf("heard %v", got)
	}
}

func TestPlainNotice(t *testing.T) {
	c := newCore()
	c.plain, c.room = true, "lobby"
	c.connected()
	c.line(time.Time{}, []byte(wire.Greeting))
	c.say("lobby", "fine")
	bad := c.say("lobby", "be\all")
	sent(c, time.Time{})
	heard(c)
	c.line(time.Time{}, []byte("! no control characters"))
	got := heard(c)
	if len(got) != 1 || got[0].(wire.Refused).ID != bad || got[0].(wire.Refused).Reason != "no control characters" {
		t.Fatalf("heard %v", got)
	}
	c.line(time.Time{}, []byte("! somebody's text"))
	if got := heard(c); !slices.Equal(got, []wire.Frame{Line{Text: "! somebody's text"}}) {
		t.Fatalf("heard %v", got)
	}
}

func TestPlainWindowWithoutEchoes(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := newCore()
	c.plain, c.room = true, "lobby"
	c.connected()
	c.line(now, []byte(wire.Greeting))
	for range 100 {
		c.say("lobby", "x")
	}
	if got := len(sent(c, now)); got != plainMaxInFlight {
		t.Fatalf("sent %d lines at once", got)
	}
	if got := c.wake(now); !got.Equal(now.Add(echoTimeout)) {
		t.Fatalf("wakes at %v", got)
	}
	if got := len(sent(c, now.Add(echoTimeout))); got != 100-plainMaxInFlight {
		t.Errorf("sent %d more lines", got)
	}
}

func TestPlainQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queries := make(chan string, 10)
		n := start(t, true, func(ctx context.Context, c *websocket.Conn, r *http.Request) {
			queries <- r.URL.RawQuery + " " + r.Header.Get("Sec-WebSocket-Protocol")
			c.Write(ctx, websocket.MessageText, []byte(wire.Greeting))
		})
		c := dial(t, n, Config{Plain: true, Name: "zoë", Last: 5})
		if !c.Plain() {
			t.Error("not plain")
		}
		for _, want := range []string{"last=5&name=zo%C3%AB ", "name=zo%C3%AB "} {
			if got := <-queries; got != want {
				t.Errorf("the query is %q, want %q", got, want)
			}
		}
		for _, err := range []error{c.SetName("x"), c.Join("tea", 0), c.Leave(wire.Lobby)} {
			if !errors.Is(err, errPlain) {
				t.Errorf("error %v", err)
			}
		}
		if _, err := c.Say("tea", "x"); !errors.Is(err, errPlain) {
			t.Errorf("error %v", err)
		}
		if _, err := c.Who(t.Context(), wire.Who{Room: wire.Lobby}); !errors.Is(err, errPlain) {
			t.Errorf("error %v", err)
		}
	})
}

func TestServerThatSelectsNothingIsPlain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, false, func(ctx context.Context, c *websocket.Conn, r *http.Request) {
			c.Write(ctx, websocket.MessageText, []byte(wire.Greeting))
			for {
				_, b, err := c.Read(ctx)
				if err != nil {
					return
				}
				c.Write(ctx, websocket.MessageText, b)
			}
		})
		c := dial(t, n, Config{})
		id, err := c.Say(wire.Lobby, "Hello!")
		if err != nil {
			t.Fatal(err)
		}
		if w := next[wire.Welcome](t, c); w.Text != wire.Greeting {
			t.Errorf("welcome %q", w.Text)
		}
		if l := next[Line](t, c); l != (Line{Text: "Hello!", ID: id}) {
			t.Errorf("heard %+v", l)
		}
	})
}

// Some servers accept any protocol that is offered, and speak their own. Such a server must not receive the session: it
// might pass it on to other clients.
func TestServerThatAcceptsAnyProtocolIsPlain(t *testing.T) {
	for name, greetsAtOnce := range map[string]bool{"it greets": true, "it waits": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var heard []string
				n := start(t, true, func(ctx context.Context, c *websocket.Conn, r *http.Request) {
					if !greetsAtOnce && c.Subprotocol() != "" {
						if _, b, err := c.Read(ctx); err == nil {
							t.Errorf("before its greeting, the server received %q", b)
						}
						return
					}
					c.Write(ctx, websocket.MessageText, []byte(wire.Greeting))
					for {
						_, b, err := c.Read(ctx)
						if err != nil {
							return
						}
						heard = append(heard, string(b))
						if string(b) == "Bye!" {
							c.CloseNow()
							return
						}
						c.Write(ctx, websocket.MessageText, b)
					}
				})
				c := dial(t, n, Config{Session: strings.Repeat("A", wire.SessionLen)})
				if !c.Plain() {
					t.Error("the client does not report that the server is plain")
				}
				if w := next[wire.Welcome](t, c); w.Text != wire.Greeting {
					t.Errorf("welcome %q", w.Text)
				}
				for _, text := range []string{"Hello!", "Bye!", "Again!"} {
					id, err := c.Say(wire.Lobby, text)
					if err != nil {
						t.Fatal(err)
					}
					if text == "Bye!" {
						next[Disconnected](t, c)
						next[wire.Welcome](t, c)
					} else if l := next[Line](t, c); l != (Line{Text: text, ID: id}) {
						t.Errorf("heard %+v", l)
					}
				}
				if want := []string{"Hello!", "Bye!", "Again!"}; !slices.Equal(heard, want) {
					t.Errorf("the server received %q, want %q", heard, want)
				}
			})
		})
	}
}

func TestServerThatForgetsTheProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		n := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
			options := &websocket.AcceptOptions{}
			if first {
				options.Subprotocols = []string{wire.Protocol}
			}
			first = false
			if c, err := websocket.Accept(w, r, options); err == nil {
				c.CloseNow()
			}
		})
		c := dial(t, n, Config{})
		next[Disconnected](t, c)
		if _, err := c.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "no longer speaks") {
			t.Errorf("error %v", err)
		}
	})
}

// TestPlainClosedRoom: a client of the plain protocol for which the room is closed does not connect again.
func TestPlainClosedRoom(t *testing.T) {
	var connected atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		connected.Add(1)
		for _, line := range []string{wire.Greeting, wire.NoticePrefix + "this room is private"} {
			_ = c.Write(r.Context(), websocket.MessageText, []byte(line))
		}
		_ = c.Close(wire.ClosePolicy, string(wire.NotAllowed))
	}))
	defer server.Close()
	c, err := Dial(t.Context(), Config{URL: server.URL, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var lines []string
	for {
		e, err := c.Next(ctx)
		if err != nil {
			if refused := (*RefusedError)(nil); !errors.As(err, &refused) || refused.Code != wire.NotAllowed {
				t.Errorf("it ends with %v", err)
			}
			break
		}
		if line, is := e.Frame.(Line); is {
			lines = append(lines, line.Text)
		}
		if _, lost := e.Frame.(Disconnected); lost {
			t.Fatal("it waits to connect again")
		}
	}
	if connected.Load() != 1 || !slices.Equal(lines, []string{wire.NoticePrefix + "this room is private"}) {
		t.Errorf("it connected %d times, and received %q", connected.Load(), lines)
	}
}
