package client

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/wire"
)

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
