package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ramai/wire"
)

func TestPresence(t *testing.T) {
	st := newHarness(t, setting{})
	a, b := st.joined(wire.Lobby), st.joined(wire.Lobby)
	p := st.plain(Client{})
	st.advance(time.Second)
	a.expect("presence lobby 3 ")
	st.advance(time.Minute)
	a.expectOf("presence") // nothing has changed
	p.end(nil)
	for range 20 { // many changes within a second
		b.send(wire.Name{Name: "ann"}, wire.Name{Name: "bob"})
		st.joined(wire.Lobby).end(nil)
	}
	b.heard()
	a.expect()
	st.advance(time.Second)
	a.expect("presence lobby 2 bob")
	b.expectOf("presence", "presence lobby 2 bob")
}

// TestPresenceOnJoin: each arrival is announced once, to the new member as well.
func TestPresenceOnJoin(t *testing.T) {
	st := newHarness(t, setting{})
	a := st.joined(wire.Lobby)
	st.advance(time.Second)
	b := st.v1()
	b.send(wire.Join{Room: wire.Lobby})
	b.expect("joined lobby 1-0 count 2")
	st.advance(time.Second)
	b.expect("presence lobby 2 ")
	// One member leaves as another joins: nothing changes for a, but c has not been told yet.
	a.heard()
	b.end(nil)
	c := st.joined(wire.Lobby)
	st.advance(time.Second)
	c.expectOf("presence", "presence lobby 2 ")
	// The same connection joins again.
	c.send(wire.Join{Room: wire.Lobby})
	st.advance(time.Second)
	c.expectOf("presence", "presence lobby 2 ")
}

// TestOnlyTheNewestPresence: presence is state: a client that did not read gets only the newest, after all messages.
func TestOnlyTheNewestPresence(t *testing.T) {
	st := newHarness(t, setting{})
	a, b := st.joined(wire.Lobby), st.joined(wire.Lobby)
	st.advance(time.Second)
	a.heard()
	a.blocked = true
	st.publishVaried(1)
	for i := range 10 {
		b.send(wire.Name{Name: fmt.Sprint("name", i)})
		st.advance(time.Second)
		st.publishVaried(2)
	}
	a.blocked, a.writeSize = false, 100
	got := a.heard()
	if len(got) != 22 || !strings.HasPrefix(got[20], "message lobby 21") || got[21] != "presence lobby 2 name9" {
		t.Errorf("heard %q", got)
	}
}

func TestPresenceOfManyMembers(t *testing.T) {
	st := newHarness(t, setting{})
	a := st.joined(wire.Lobby)
	a.send(wire.Name{Name: "ann"})
	crowd := make([]*link, wire.MaxNamed)
	for i := range crowd {
		crowd[i] = st.connect(Client{})
	}
	st.advance(time.Second)
	a.expectOf("presence", "presence lobby 201 ")
	crowd[0].end(nil)
	st.advance(time.Second)
	a.expectOf("presence", "presence lobby 200 ann")
	st.connect(Client{})
	st.advance(time.Second)
	a.expectOf("presence", "presence lobby 201 ")
	a.send(wire.Who{Room: wire.Lobby})
	a.expectOf("who", "who lobby 201 ann")
}

func TestTyping(t *testing.T) {
	st := newHarness(t, setting{})
	a, b := st.joined(wire.Lobby), st.joined(wire.Lobby)
	a.send(wire.Name{Name: "ann"})
	b.send(wire.Name{Name: "bob"})
	p := st.plain(Client{})
	a.send(wire.Typing{Room: wire.Lobby})
	b.heard()
	st.advance(time.Second)
	b.expectOf("typing", "typing lobby ann")
	st.advance(2 * time.Second)
	b.send(wire.Typing{Room: wire.Lobby})
	st.advance(time.Second)
	a.expectOf("typing", "typing lobby ann", "typing lobby ann,bob")
	a.say("x", "said it")
	st.advance(time.Second)
	b.expectOf("typing", "typing lobby ann,bob", "typing lobby bob")
	st.advance(10 * time.Second) // bob has stopped typing
	b.expectOf("typing", "typing lobby ")
	p.expect("ann: said it")
}

// TestTypingRateLimited: typing is sent at most every 3 s, so it does not last longer.
func TestTypingRateLimited(t *testing.T) {
	st := newHarness(t, setting{})
	a, b := st.joined(wire.Lobby), st.joined("den", wire.Lobby)
	a.send(wire.Typing{Room: wire.Lobby}, wire.Typing{Room: "den"})
	st.advance(time.Second)
	if got := b.heard(); len(got) != 3 {
		t.Errorf("received %q, want the presence of two rooms and the typing of one", got)
	}
}

// TestTypingOfManyMembers: at most twenty typing members are shown; those shown can continue.
func TestTypingOfManyMembers(t *testing.T) {
	st := newHarness(t, setting{})
	a := st.joined(wire.Lobby)
	typing := make([]*link, 30)
	for i := range typing {
		typing[i] = st.v1()
		typing[i].send(wire.Name{Name: fmt.Sprint("typist", i)})
	}
	for range 4 {
		for _, l := range typing {
			l.send(wire.Typing{Room: wire.Lobby})
		}
		st.advance(4 * time.Second)
	}
	var now wire.Typing
	for _, f := range a.frames {
		if f, ok := f.(wire.Typing); ok {
			now = f
		}
	}
	if len(now.By) != 20 {
		t.Errorf("%d are shown as typing, want 20", len(now.By))
	}
}
