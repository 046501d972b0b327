package client

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
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

// TestOldTextsAreNotSentAgain: a text that may have been saved is sent again while the server is certain to know its id,
// and not later. One that was never sent counts as new, however old it is.
func TestOldTextsAreNotSentAgain(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := opened(t, 0)
	old := c.say("lobby", "old")
	if got := sent(c, now); len(got) != 1 {
		t.Fatalf("sent %q", got)
	}
	again := func() (texts []string, failed []Sent) {
		c.disconnected(now, errCut)
		c.connected()
		feed(t, c, now, welcome(""), welcome(""))
		heard(c)
		for _, b := range sent(c, now) {
			if strings.Contains(b, `"say"`) {
				r, _ := wire.ParseRequest([]byte(b))
				texts = append(texts, r.Frame.(wire.Say).Text)
			}
		}
		_, states := events(c)
		for _, s := range states {
			if s.State == Failed {
				failed = append(failed, s)
			}
		}
		return texts, failed
	}
	now = now.Add(6 * 24 * time.Hour)
	if texts, failed := again(); !slices.Equal(texts, []string{"old"}) || len(failed) != 0 {
		t.Errorf("in time: sent %q, failed %v", texts, failed)
	}
	c.disconnected(now, errCut)
	fresh := c.say("lobby", "fresh")
	now = now.Add(time.Minute)
	texts, failed := again()
	if !slices.Equal(texts, []string{"fresh"}) || len(failed) != 1 || failed[0].ID != old || !failed[0].Unknown {
		t.Errorf("too late: sent %q, failed %v", texts, failed)
	}
	feed(t, c, now, wire.Saved{Room: "lobby", ID: fresh, N: 1})
	if got := len(c.outbox.says); got != 0 {
		t.Errorf("%d are left in the outbox", got)
	}
}

func TestRefusedMessagesResentInOrder(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := opened(t, 0)
	var ids []string
	for i := range 4 {
		ids = append(ids, c.say("lobby", strconv.Itoa(i)))
	}
	if got := sent(c, now); len(got) != 4 {
		t.Fatalf("sent %d says", len(got))
	}
	refuse := func(i int) wire.Refused {
		return wire.Refused{Room: "lobby", ID: ids[i], Code: wire.RateLimited, RetryAfterMS: 200}
	}
	final := wire.Refused{Room: "lobby", ID: ids[2], Code: wire.TooLong}
	got := feed(t, c, now, wire.Saved{Room: "lobby", ID: ids[0], N: 1}, refuse(1), final, refuse(3))
	if len(got) != 2 || !reflect.DeepEqual(got[1], wire.Frame(refuse(1))) {
		t.Fatalf("events %v, want the saved frame and the first refusal", got)
	}
	if got := sent(c, now.Add(199*time.Millisecond)); got != nil {
		t.Fatalf("sent %q too early", got)
	}
	now = now.Add(200 * time.Millisecond)
	var order []string
	for range 3 { // the window grows again, one by one
		for _, s := range sent(c, now) {
			r, _ := wire.ParseRequest([]byte(s))
			f := r.Frame
			order = append(order, f.(wire.Say).Text)
			if text := f.(wire.Say).Text; text == "2" {
				feed(t, c, now, final)
			} else {
				feed(t, c, now, wire.Saved{Room: "lobby", ID: f.(wire.Say).ID, N: 2})
			}
		}
	}
	if want := []string{"1", "2", "3"}; !slices.Equal(order, want) {
		t.Errorf("resent %q, want %q", order, want)
	}
	if n := len(c.outbox.says); n != 0 {
		t.Errorf("%d are not settled", n)
	}
}

func TestWindow(t *testing.T) {
	c := newCore()
	c.connected()
	w := welcome("")
	w.Limits = wire.Limits{Rate: 5, Burst: 20}
	feed(t, c, time.Time{}, w)
	for range 50 {
		c.say("lobby", "x")
	}
	if got := len(sent(c, time.Time{})); got != 20 {
		t.Errorf("%d in flight, want a burst of 20", got)
	}
}

func TestTextTooLargeForAFrame(t *testing.T) {
	c := newCore()
	c.connected()
	w := welcome("")
	w.Limits.Frame = 200
	feed(t, c, time.Time{}, w)
	c.say("lobby", strings.Repeat("x", 200))
	c.say("lobby", "short")
	if got := sent(c, time.Time{}); len(got) != 1 || !strings.Contains(got[0], "short") {
		t.Errorf("sent %q", got)
	}
	_, got := events(c)
	if len(got) != 2 || got[0].State != Failed || got[0].Code != wire.TooLong || got[1].State != Sending {
		t.Errorf("states %v", got)
	}
}

func TestNameSentFirst(t *testing.T) {
	c := newCore()
	c.setName("zoe")
	c.join(room{name: "lobby"})
	c.connected()
	c.say("lobby", "hi")
	feed(t, c, time.Time{}, welcome(""))
	if got := sent(c, time.Time{}); !slices.Equal(got, []string{`{"type":"name","name":"zoe"}`}) {
		t.Fatalf("sent %q", got)
	}
	feed(t, c, time.Time{}, wire.Name{Name: "zoe"})
	if got := sent(c, time.Time{}); !slices.Equal(got, []string{`{"type":"join","room":"lobby","last":0}`}) {
		t.Fatalf("sent %q", got)
	}
	feed(t, c, time.Time{}, wire.Joined{Room: "lobby", HistoryID: "L"})
	if got := sent(c, time.Time{}); len(got) != 1 || !strings.Contains(got[0], `"say"`) {
		t.Fatalf("sent %q", got)
	}

	// The next connection already has the name.
	c.disconnected(time.Time{}, errCut)
	c.connected()
	if got := sent(c, time.Time{}); !slices.Equal(got, []string{knowsHeld}) {
		t.Fatalf("sent %q", got)
	}
	heard(c)
	if got := feed(t, c, time.Time{}, wire.Welcome{Session: strings.Repeat("B", 22)}, welcome("zoe")); len(got) != 1 {
		t.Fatalf("events %v, want one welcome", got)
	}
	if got := sent(c, time.Time{}); len(got) != 2 || !strings.Contains(got[0], `"join"`) {
		t.Fatalf("sent %q", got)
	}
}

// TestNameLost: a name that the server takes away is not the answer to a request for a name.
func TestNameLost(t *testing.T) {
	c := opened(t, 0)
	c.setName("zoe")
	sent(c, time.Time{})
	if got := feed(t, c, time.Time{}, wire.Name{}); len(got) != 1 {
		t.Fatalf("heard %v", got)
	}
	if !c.saysWait() {
		t.Error("messages do not wait for the name")
	}
	feed(t, c, time.Time{}, wire.Name{Name: "Zoe"})
	if c.saysWait() || c.name != "Zoe" {
		t.Errorf("the name is %q", c.name)
	}
	c.setName("")
	sent(c, time.Time{})
	if feed(t, c, time.Time{}, wire.Name{}); c.saysWait() {
		t.Error("releasing a name is not answered")
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

// TestEndedSession: after a session has ended, the client continues with the one that the server offers.
func TestEndedSession(t *testing.T) {
	c := newCore()
	c.session = strings.Repeat("A", wire.SessionLen)
	c.connected()
	offered := welcome("")
	offered.Session = strings.Repeat("B", wire.SessionLen)
	feed(t, c, time.Time{}, welcome(""), wire.Error{Code: wire.NotAllowed, Reason: "it has ended", Request: "hello"}, offered)
	if c.session != offered.Session || !c.open {
		t.Errorf("the session is %q, open %v, want the one that was offered", c.session, c.open)
	}
}

// TestSignOut: signing out succeeds when the session has ended, is not repeated on the next connection, and the end of a session does
// not fail a request that waits.
func TestSignOut(t *testing.T) {
	ended := wire.Error{Code: wire.NotAllowed, Reason: "it has ended", Request: "hello"}
	var err error
	request := func(c *core, f wire.Frame) *int {
		calls := 0
		c.asks = append(c.asks, &ask{frame: f, done: func(_ wire.Frame, failed error) { err = failed; calls++ }})
		if _, ok := c.nextAsk(time.Time{}); !ok {
			t.Fatalf("%T is not sent", f)
		}
		return &calls
	}
	c := opened(t, 0)
	calls := request(c, wire.SignOut{})
	if feed(t, c, time.Time{}, ended); *calls != 1 || err != nil || len(c.asks) != 0 {
		t.Errorf("signed out: %d calls, %v", *calls, err)
	}
	c = opened(t, 0)
	calls = request(c, wire.SignOut{All: true})
	if c.disconnected(time.Time{}, errCut); *calls != 1 || err == nil || len(c.asks) != 0 {
		t.Errorf("the connection broke: %d calls, %v, %d requests left", *calls, err, len(c.asks))
	}
	c = opened(t, 0)
	calls = request(c, wire.History{Room: wire.Lobby})
	frames := feed(t, c, time.Time{}, ended)
	if *calls != 0 || len(c.asks) != 1 || len(frames) != 1 {
		t.Errorf("a history request when the session ends: %d calls, %d requests left, events %v", *calls, len(c.asks), frames)
	}
}

// TestLink: a code is asked for and confirmed; what a user has to know about it is not tried again in silence, and a confirmation is sent
// once.
func TestLink(t *testing.T) {
	var answer wire.Frame
	var err error
	ask := func(c *core, f wire.Frame) {
		answer, err = nil, nil
		c.asks = append(c.asks, &ask{frame: f, done: func(f wire.Frame, failed error) { answer, err = f, failed }})
		if _, ok := c.nextAsk(time.Time{}); !ok {
			t.Fatalf("%v is not sent", f)
		}
	}
	c := opened(t, 0)
	ask(c, wire.Link{Name: "phone"})
	if feed(t, c, time.Time{}, wire.LinkCode{Code: "ABCD2345"}); answer != wire.Frame(wire.LinkCode{Code: "ABCD2345"}) {
		t.Errorf("the code is %v, %v", answer, err)
	}
	ask(c, wire.Link{Code: "ABCD2345"})
	if feed(t, c, time.Time{}, wire.Linking{Code: "ABCD2345", Name: "phone"}); answer == nil {
		t.Errorf("the device is %v, %v", answer, err)
	}
	for _, f := range []wire.Frame{wire.Link{Code: "ABCD2345"}, wire.Redeem{Room: "lobby", Password: "secret"}, wire.SignOut{}} {
		ask(c, f)
		feed(t, c, time.Time{}, wire.Error{Code: wire.RateLimited, Reason: "too many", RetryAfterMS: 60_000})
		if coded := (*wire.CodedError)(nil); !errors.As(err, &coded) || coded.RetryAfter != time.Minute {
			t.Errorf("%T: rate limited: %v", f, err)
		}
		ask(c, f)
		feed(t, c, time.Time{}, wire.Error{Code: wire.RateLimited, Reason: "too many", RetryAfterMS: 200})
		if err != nil || len(c.asks) != 1 || !c.askWake().Equal(time.Time{}.Add(200*time.Millisecond)) {
			t.Errorf("%T: a short wait: %v, %d requests", f, err, len(c.asks))
		}
		c.asks = nil
	}
	ask(c, wire.History{Room: wire.Lobby})
	if feed(t, c, time.Time{}, wire.Error{Code: wire.RateLimited, Reason: "too many", RetryAfterMS: 60_000}); err != nil || len(c.asks) != 1 {
		t.Errorf("history: rate limited: %v", err)
	}
	c.asks = nil
	ask(c, wire.Link{Code: "ABCD2345", Confirm: true})
	if c.disconnected(time.Time{}, errCut); err == nil || len(c.asks) != 0 {
		t.Errorf("the connection broke: %v, %d requests left", err, len(c.asks))
	}
}

// TestLinked: a device that another one has linked continues as that sender, under its name and with its session.
func TestLinked(t *testing.T) {
	c := opened(t, 0)
	c.name, c.named = "phone", true
	linked := wire.Welcome{Protocol: wire.Protocol, SenderID: "other", Session: strings.Repeat("B", wire.SessionLen), Name: "anna"}
	if frames := feed(t, c, time.Time{}, linked); len(frames) != 1 || c.by != "other" {
		t.Errorf("the events are %v, the sender is %s", frames, c.by)
	}
	c.disconnected(time.Time{}, errCut)
	c.connected()
	feed(t, c, time.Time{}, welcome(""))
	if got := sent(c, time.Time{}); len(got) != 1 || !strings.Contains(got[0], linked.Session) {
		t.Errorf("after the break it sends %s", got)
	}
	feed(t, c, time.Time{}, linked)
	for _, f := range sent(c, time.Time{}) {
		if strings.Contains(f, `"name"`) {
			t.Errorf("it asks for the former name: %s", f)
		}
	}
	linked.Session = "short"
	if c.received(time.Time{}, wire.Append(nil, linked)) == nil {
		t.Error("an invalid session is taken")
	}
}

// TestKnowsHeld: the server learns that the client understands held messages, also when it connects for the first time. The answer
// changes nothing.
func TestKnowsHeld(t *testing.T) {
	c := newCore()
	c.connected()
	feed(t, c, time.Time{}, welcome("anna"))
	if b, ok := c.next(time.Time{}); !ok || string(b) != knowsHeld {
		t.Fatalf("first it sends %q", b)
	}
	if got := feed(t, c, time.Time{}, welcome("anna")); len(got) != 0 {
		t.Errorf("the answer is shown as %v", got)
	}
	c.disconnected(time.Time{}, nil)
	c.connected()
	if got := sent(c, time.Time{}); !slices.Equal(got, []string{knowsHeld}) {
		t.Errorf("with a session it sends %q", got)
	}
}
