package client

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/wire"
)

var errCut = errors.New("cut")

func newCore() *core {
	return &core{prefix: "id", jitter: func(max time.Duration) time.Duration { return max }}
}

// feed passes frames to the core and returns the events, without the raw bytes.
func feed(t *testing.T, c *core, now time.Time, frames ...wire.Frame) []wire.Frame {
	t.Helper()
	for _, f := range frames {
		if err := c.received(now, wire.Append(nil, f)); err != nil {
			t.Fatal(err)
		}
	}
	return heard(c)
}

// states returns the states of messages after frames of the server.
func states(t *testing.T, c *core, frames ...wire.Frame) []Sent {
	t.Helper()
	for _, f := range frames {
		if err := c.received(time.Time{}, wire.Append(nil, f)); err != nil {
			t.Fatal(err)
		}
	}
	_, states := events(c)
	return states
}

// heard returns the events so far, without states of messages.
func heard(c *core) []wire.Frame {
	frames, _ := events(c)
	return frames
}

// events returns the events so far: frames of the server, and states of messages.
func events(c *core) (frames []wire.Frame, states []Sent) {
	for {
		e, ok := c.pop()
		if !ok {
			return frames, states
		}
		if s, ok := e.Frame.(Sent); ok {
			states = append(states, s)
		} else {
			frames = append(frames, e.Frame)
		}
	}
}

// sent returns what the core sends now, as JSON texts.
func sent(c *core, now time.Time) []string {
	var out []string
	for {
		b, ok := c.next(now)
		if !ok {
			return out
		}
		if !c.open || c.attempt > 0 || string(b) != knowsHeld {
			out = append(out, string(b))
		}
	}
}

// knowsHeld is what a client without a session sends first when it has one, see TestKnowsHeld.
const knowsHeld = `{"type":"hello","session":"` + session + `","held":true}`

const session = "AAAAAAAAAAAAAAAAAAAAAA"

func welcome(name string) wire.Welcome {
	return wire.Welcome{Protocol: wire.Protocol, SenderID: wire.SenderIDOf(session), Session: session, Name: name, Text: wire.Greeting}
}

// opened returns a core on an open connection, in the lobby, at number n of log L.
func opened(t *testing.T, n uint64) *core {
	t.Helper()
	c := newCore()
	c.join(room{name: wire.Lobby})
	c.connected()
	feed(t, c, time.Time{}, welcome(""))
	sent(c, time.Time{})
	feed(t, c, time.Time{}, wire.Joined{Room: wire.Lobby, HistoryID: "L", N: n, First: 1})
	return c
}

func TestPosition(t *testing.T) {
	tests := []struct {
		name   string
		last   int
		joined wire.Joined
		want   uint64
	}{
		{"nothing old", 0, wire.Joined{N: 9, First: 1}, 9},
		{"some", 4, wire.Joined{N: 9, First: 1}, 5},
		{"more than the room has", 50, wire.Joined{N: 9, First: 1}, 0},
		{"more than is kept", 4, wire.Joined{N: 9, First: 8}, 7},
		{"nothing is kept", 4, wire.Joined{N: 9, First: 10}, 9},
		{"empty room", 50, wire.Joined{N: 0, First: 1}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCore()
			c.join(room{name: "r", last: test.last})
			c.connected()
			test.joined.Room, test.joined.HistoryID = "r", "L"
			feed(t, c, time.Time{}, welcome(""), test.joined)
			if got := c.rooms[0].n; got != test.want {
				t.Errorf("position %d, want %d", got, test.want)
			}
		})
	}
}

// TestLeftForGood: a room that the sender may no longer read is not joined again on the next connection, and what is still
// under way of it is dropped. Other rooms are not affected. The user may join it again.
func TestLeftForGood(t *testing.T) {
	c := opened(t, 3)
	c.join(room{name: "den", last: 5})
	sent(c, time.Time{})
	feed(t, c, time.Time{}, wire.Joined{Room: "den", HistoryID: "L", N: 1, First: 1, Role: wire.RoleGuest})
	role := wire.OwnRole{Room: "den", Role: wire.RoleModerator}
	left := wire.Left{Room: "den", Code: wire.NotAllowed, Rule: wire.RulePerson, Reason: "banned"}
	got := feed(t, c, time.Time{}, role, left, left, wire.Message{Room: "den", N: 2}, role, wire.Message{Room: wire.Lobby, N: 4})
	if want := []wire.Frame{role, left, wire.Message{Room: wire.Lobby, N: 4}}; !reflect.DeepEqual(got, want) {
		t.Errorf("events %+v, want %+v", got, want)
	}
	c.disconnected(time.Time{}, errCut)
	c.connected()
	feed(t, c, time.Time{}, welcome(""), welcome(""))
	if got := sent(c, time.Time{}); len(got) != 2 || !strings.Contains(got[1], `"join","room":"lobby"`) {
		t.Errorf("after reconnecting it sends %q, want a hello and a join of the lobby", got)
	}
	feed(t, c, time.Time{}, wire.Joined{Room: wire.Lobby, HistoryID: "L", N: 4, First: 1})
	c.join(room{name: "den"})
	if got := sent(c, time.Time{}); len(got) != 1 || !strings.Contains(got[0], `"join","room":"den"`) {
		t.Errorf("the user joins again, and it sends %q", got)
	}
	refused := wire.Error{Code: wire.NotAllowed, Rule: wire.RuleRole, Request: "join", Room: "den"}
	if got := feed(t, c, time.Time{}, refused); len(got) != 1 || c.find("den") != nil {
		t.Errorf("a rule refuses the join: events %+v, and the room is kept: %v", got, c.find("den") != nil)
	}
}

func TestReset(t *testing.T) {
	c := newCore()
	c.join(room{name: "r", historyID: "old", n: 7})
	c.connected()
	feed(t, c, time.Time{}, welcome(""))
	want := `{"type":"join","room":"r","after":{"log":"old","n":7}}`
	if got := sent(c, time.Time{}); !slices.Equal(got, []string{want}) {
		t.Fatalf("sent %q", got)
	}
	feed(t, c, time.Time{}, wire.Joined{Room: "r", HistoryID: "new", N: 60, First: 1, Reset: true})
	if r := c.rooms[0]; r.historyID != "new" || r.n != 10 {
		t.Errorf("position %s:%d, want new:10", r.historyID, r.n)
	}
}

func TestInvalidServer(t *testing.T) {
	tests := []struct {
		name  string
		frame wire.Frame
		want  string
	}{
		{"a number too early", wire.Message{Room: "lobby", N: 5}, "number 5 where 4 was next"},
		{"a gap too early", wire.Gap{Room: "lobby", From: 5, To: 9}, "gap from 5 where 4 was next"},
		{"a silent change of the log", wire.Joined{Room: "lobby", HistoryID: "M"}, "another log without"},
		{"no log", wire.Joined{Room: "lobby"}, "no log"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := opened(t, 3)
			err := c.received(time.Time{}, wire.Append(nil, test.frame))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if got := heard(c); len(got) != 0 {
				t.Errorf("events %v", got)
			}
			if c.rooms[0].n != 3 {
				t.Errorf("the position moved to %d", c.rooms[0].n)
			}
		})
	}
}

func TestGap(t *testing.T) {
	c := opened(t, 3)
	got := fmt.Sprint(feed(t, c, time.Time{}, wire.Gap{Room: "lobby", From: 2, To: 3}, wire.Gap{Room: "lobby", From: 3, To: 6},
		wire.Message{Room: "lobby", N: 6}, wire.Message{Room: "lobby", N: 7}))
	want := fmt.Sprint([]wire.Frame{wire.Gap{Room: "lobby", From: 3, To: 6}, wire.Message{Room: "lobby", N: 7}})
	if got != want {
		t.Errorf("events %s\nwant   %s", got, want)
	}
}

func TestNumbersOfUnknownFramesCount(t *testing.T) {
	c := opened(t, 3)
	for _, b := range []string{`{"type":"edited","room":"lobby","n":4,"of":2}`, `{"type":"edited","room":"lobby","n":4,"of":2}`, `{"type":"news"}`} {
		if err := c.received(time.Time{}, []byte(b)); err != nil {
			t.Fatal(err)
		}
	}
	got := fmt.Sprint(feed(t, c, time.Time{}, wire.Message{Room: "lobby", N: 5, Text: "hi"}))
	want := fmt.Sprint([]wire.Frame{wire.Unknown{Kind: "edited", Room: "lobby", N: 4}, wire.Unknown{Kind: "news"}, wire.Message{Room: "lobby", N: 5, Text: "hi"}})
	if got != want {
		t.Errorf("events %s\nwant   %s", got, want)
	}
}

func TestErrorsMatchRequests(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := opened(t, 0)
	c.setName("zoe")
	c.join(room{name: "tea"})
	var page wire.Frame
	var pageErr error
	c.asks = append(c.asks, &ask{frame: wire.History{Room: "tea"}, done: func(f wire.Frame, err error) { page, pageErr = f, err }})
	sent(c, now)
	got := feed(t, c, now, wire.Error{Code: wire.NameTaken, Reason: "taken"})
	if f, ok := got[0].(RequestFailed); !ok || f.Request != wire.Frame(wire.Name{Name: "zoe"}) {
		t.Fatalf("heard %#v", got)
	}

	// A request that can be retried is retried after the wait.
	sent(c, now)
	if got := feed(t, c, now, wire.Error{Code: wire.RateLimited, RetryAfterMS: 50}); got != nil {
		t.Fatalf("heard %v", got)
	}
	if got := sent(c, now); got != nil {
		t.Fatalf("sent %q at once", got)
	}
	if got := c.wake(now); !got.Equal(now.Add(50 * time.Millisecond)) {
		t.Fatalf("wakes at %v", got)
	}
	now = now.Add(50 * time.Millisecond)
	if got := sent(c, now); len(got) != 1 || !strings.Contains(got[0], `"tea"`) {
		t.Fatalf("sent %q", got)
	}
	feed(t, c, now, wire.Joined{Room: "tea", HistoryID: "L"})
	sent(c, now)
	feed(t, c, now, wire.Error{Code: wire.NotAllowed, Reason: "no"})
	if page != nil || pageErr == nil || pageErr.Error() != "not_allowed: no" {
		t.Fatalf("history got %v, %v", page, pageErr)
	}
	if got := feed(t, c, now, wire.Error{Code: wire.Internal, Reason: "oh"}); got[0].(RequestFailed).Request != nil {
		t.Fatalf("heard %#v", got)
	}
}

func TestBackoff(t *testing.T) {
	c := newCore() // its jitter always yields the longest wait
	now := time.Unix(1e9, 0)
	disconnect := func(connectedFor time.Duration) time.Duration {
		c.connected()
		feed(t, c, now, welcome(""))
		if c.greetings > 0 {
			feed(t, c, now, welcome(""))
		}
		now = now.Add(connectedFor)
		return c.disconnected(now, errCut)
	}
	want := []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000}
	for i, w := range want {
		if got := c.disconnected(now, errCut); got != w*time.Millisecond {
			t.Errorf("attempt %d waits %v, want %v", i, got, w*time.Millisecond)
		}
	}
	if got := disconnect(time.Second); got != maxWait {
		t.Errorf("after a connection that broke at once: %v", got)
	}
	if got := disconnect(10 * time.Second); got != firstWait {
		t.Errorf("after a good connection: %v", got)
	}
	c.connected()
	feed(t, c, now, welcome(""), welcome(""), wire.Restarting{RetryAfterMS: 1234})
	if got := c.disconnected(now, errCut); got != 1234*time.Millisecond {
		t.Errorf("after restarting: %v", got)
	}
	if got := c.disconnected(now, &RefusedError{Status: 503, RetryAfter: time.Minute}); got < time.Minute || got > time.Minute+maxWait {
		t.Errorf("after Retry-After: %v", got)
	}
	for _, ms := range []int64{-1, 1 << 62} {
		if got := retryAfter(ms); got < 0 || got > maxRetry {
			t.Errorf("retryAfter(%d) is %v", ms, got)
		}
	}
}

func TestLeaveAndJoinAgain(t *testing.T) {
	c := opened(t, 3)
	c.leave("lobby")
	if got := feed(t, c, time.Time{}, wire.Message{Room: "lobby", N: 4}); got != nil {
		t.Errorf("received %v after leaving", got)
	}
	c.join(room{name: "lobby", last: 1})
	if got := feed(t, c, time.Time{}, wire.Message{Room: "lobby", N: 5}); got != nil {
		t.Errorf("received %v before joined", got)
	}
	if got := sent(c, time.Time{}); !slices.Equal(got, []string{`{"type":"leave","room":"lobby"}`, `{"type":"join","room":"lobby","last":1}`}) {
		t.Errorf("sent %q", got)
	}
	if got := feed(t, c, time.Time{}, wire.Joined{Room: "lobby", HistoryID: "L", N: 6, First: 1}, wire.Message{Room: "lobby", N: 6}); len(got) != 2 {
		t.Errorf("heard %v", got)
	}
}

func TestRoomStateOnlyWhenJoined(t *testing.T) {
	c := opened(t, 3)
	got := feed(t, c, time.Time{}, wire.Presence{Room: "tea", Count: 2}, wire.Typing{Room: "tea"}, wire.Presence{Room: "lobby", Count: 3},
		wire.Typing{Room: "lobby"}, wire.Pong{}, wire.Page{Room: "lobby"})
	want := fmt.Sprint([]wire.Frame{wire.Presence{Room: "lobby", Count: 3}, wire.Typing{Room: "lobby"}})
	if fmt.Sprint(got) != want {
		t.Errorf("events %v, want %s", got, want)
	}
}

// TestTyping: typing is reported no more often than the server forwards it, and only in rooms that are joined.
func TestTyping(t *testing.T) {
	c, now := newCore(), time.Unix(1000, 0)
	c.join(room{name: "lobby"})
	c.connected()
	c.typing(now, "lobby") // before there is a connection
	feed(t, c, now, welcome(""), wire.Joined{Room: "lobby", HistoryID: "l"})
	sent(c, now)
	const typing = `{"type":"typing","room":"lobby"}`
	for _, want := range []struct {
		after time.Duration
		room  string
		sent  []string
	}{
		{0, "tea", nil},
		{0, "lobby", []string{typing}},
		{typingEvery - 1, "lobby", nil},
		{typingEvery, "lobby", []string{typing}},
	} {
		c.typing(now.Add(want.after), want.room)
		if got := sent(c, now.Add(want.after)); !slices.Equal(got, want.sent) {
			t.Errorf("after %v in %s, sent %q, want %q", want.after, want.room, got, want.sent)
		}
	}
	c.disconnected(now, errCut)
	c.typing(now.Add(time.Hour), "lobby")
	if got := sent(c, now); got != nil {
		t.Errorf("without a connection, sent %q", got)
	}
	c.plain = true
	c.connected()
	c.typing(now.Add(time.Hour), "lobby")
	if got := sent(c, now); got != nil {
		t.Errorf("with the plain protocol, sent %q", got)
	}
}
