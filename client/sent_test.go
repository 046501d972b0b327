package client

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"ramai/wire"
)

// outline describes the states of messages in short.
func outline(states []Sent) (all []string) {
	for _, s := range states {
		line := fmt.Sprintf("%s %v", s.Text, s.State)
		if s.N > 0 {
			line += fmt.Sprintf(" %d", s.N)
		}
		if s.Reason != "" {
			line += ": " + s.Reason
		}
		if s.RetryAfter > 0 {
			line += fmt.Sprintf(" (again in %v)", s.RetryAfter)
		}
		if s.Unknown {
			line += " (unknown)"
		}
		all = append(all, line)
	}
	return all
}

// TestStates steps messages through their states, over ramai.v1.
func TestStates(t *testing.T) {
	now := time.Unix(1e9, 0)
	var c *core
	var ids map[string]string
	say := func(texts ...string) {
		for _, text := range texts {
			ids[text] = c.say("lobby", text)
		}
		sent(c, now)
	}
	get := func(frames ...wire.Frame) {
		for _, f := range frames {
			if err := c.received(now, wire.Append(nil, f)); err != nil {
				t.Fatal(err)
			}
		}
	}
	saved := func(text string, n uint64) { get(wire.Saved{Room: "lobby", ID: ids[text], N: n}) }
	echo := func(text string, n uint64) {
		get(wire.Message{Room: "lobby", N: n, SenderID: c.by, ID: ids[text], Text: text})
	}
	refused := func(text string, ms int64) {
		get(wire.Refused{Room: "lobby", ID: ids[text], Code: wire.Unavailable, Reason: "no", RetryAfterMS: ms})
	}
	held := func(text string) {
		if err := c.received(now, fmt.Appendf(nil, `{"type":"held","room":"lobby","id":%q}`, ids[text])); err != nil {
			t.Fatal(err)
		}
	}
	reconnect := func() {
		c.disconnected(now, errCut)
		c.connected()
		get(welcome(""), welcome(""), wire.Joined{Room: "lobby", HistoryID: "L"})
		sent(c, now)
	}
	for _, test := range []struct {
		name  string
		steps func()
		want  []string
		left  []string // in the outbox
	}{
		{"waiting", func() { c.say("lobby", "a") }, nil, []string{"a waiting"}},
		{"sending", func() { say("a") }, []string{"a sending"}, []string{"a sending"}},
		{"saved", func() { say("a"); saved("a", 1) }, []string{"a sending", "a saved 1"}, nil},
		{"saved by its echo", func() { say("a"); echo("a", 1); saved("a", 1) }, []string{"a sending", "a saved 1"}, nil},
		{"the echo after saved", func() { say("a"); saved("a", 1); echo("a", 1) }, []string{"a sending", "a saved 1"}, nil},
		{"saved twice", func() { say("a"); saved("a", 1); saved("a", 1) }, []string{"a sending", "a saved 1"}, nil},
		{"failed", func() { say("a"); refused("a", 0) }, []string{"a sending", "a failed: no"}, nil},
		{"refused for now", func() {
			say("a", "b")
			refused("a", 50)
			refused("b", 50) // only because a was
			now = now.Add(50 * time.Millisecond)
			sent(c, now)
			saved("a", 1)
			sent(c, now)
		}, []string{"a sending", "b sending", "a waiting: no (again in 50ms)", "b waiting", "a sending", "a saved 1", "b sending"}, []string{"b sending"}},
		{"reconnect", func() { say("a", "b"); saved("a", 1); reconnect(); saved("b", 2) },
			[]string{"a sending", "b sending", "a saved 1", "b waiting", "b sending", "b saved 2"}, nil},
		{"repeat", func() { say("a"); reconnect(); saved("a", 1); saved("a", 1) }, []string{"a sending", "a waiting", "a sending", "a saved 1"}, nil},
		{"give up", func() { say("a"); now = now.Add(retryFor + 1); reconnect() }, []string{"a sending", "a waiting",
			"a failed: the message was first sent more than six days ago; it may or may not have been saved (unknown)"}, nil},
		{"held", func() { say("a", "b"); held("a"); saved("b", 1) }, []string{"a sending", "b sending", "a held", "b saved 1"}, []string{"a held"}},
		{"approved", func() { say("a"); held("a"); held("a"); saved("a", 1) }, []string{"a sending", "a held", "a saved 1"}, nil},
		{"rejected", func() { say("a"); held("a"); refused("a", 0) }, []string{"a sending", "a held", "a failed: no"}, nil},
		{"held over a reconnect", func() {
			say("a")
			held("a")
			say("b")
			reconnect()
			held("a")
			saved("b", 1)
			saved("a", 2)
		},
			[]string{"a sending", "a held", "b sending", "b waiting", "a waiting", "a sending", "b sending", "a held", "b saved 1", "a saved 2"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, ids = opened(t, 0), map[string]string{}
			heard(c)
			test.steps()
			_, states := events(c)
			if got := outline(states); !slices.Equal(got, test.want) {
				t.Errorf("states %q\nwant   %q", got, test.want)
			}
			if got := outline(c.outbox.messages()); !slices.Equal(got, test.left) {
				t.Errorf("outbox %q, want %q", got, test.left)
			}
		})
	}
}

// TestPlainStates steps messages through their states over the plain protocol, where only an echo confirms one.
func TestPlainStates(t *testing.T) {
	c := newCore()
	c.plain, c.room = true, "lobby"
	c.connected()
	c.line(time.Time{}, []byte(wire.Greeting))
	for _, text := range []string{"a", "b\a", "c"} {
		c.say("lobby", text)
	}
	sent(c, time.Time{})
	c.say("lobby", "d")
	c.line(time.Time{}, []byte("a"))
	c.line(time.Time{}, []byte("! no bells"))
	c.disconnected(time.Time{}, errCut)
	_, states := events(c)
	want := []string{"a sending", "b\a sending", "c sending", "a saved", "b\a failed: no bells",
		"c failed: the connection broke before the message was confirmed; it may or may not have been saved (unknown)"}
	if got := outline(states); !slices.Equal(got, want) {
		t.Errorf("states %q\nwant   %q", got, want)
	}
	if got := outline(c.outbox.messages()); !slices.Equal(got, []string{"d waiting"}) {
		t.Errorf("outbox %q", got)
	}
}
