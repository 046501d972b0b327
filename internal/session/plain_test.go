package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/wire"
)

// TestPlainAsOriginal is the scenario of the original: everyone is greeted, and everyone receives each message, including
// its sender.
func TestPlainAsOriginal(t *testing.T) {
	st := newHarness(t, setting{})
	clients := []*link{st.connect(Client{}), st.connect(Client{}), st.connect(Client{})}
	for _, l := range clients {
		l.expect("Welcome to chat! Type a message")
	}
	clients[0].sendText("hello")
	clients[1].sendText("")
	clients[2].sendText("two\nlines\tand ünïcode ☺")
	for _, l := range clients {
		l.expect("hello", "", "two\nlines\tand ünïcode ☺")
	}
}

func TestPlainRooms(t *testing.T) {
	st := newHarness(t, setting{})
	lobby, other := st.plain(Client{}), st.plain(Client{Room: "den"})
	lobby.sendText("in the lobby")
	other.sendText("in the den")
	lobby.expect("in the lobby")
	other.expect("in the den")
}

func TestPlainAndV1ShareARoom(t *testing.T) {
	st := newHarness(t, setting{})
	p, v := st.plain(Client{}), st.joined(wire.Lobby)
	p.sendText("from the plain protocol")
	p.expect("from the plain protocol")
	v.expect("message lobby 1 from the plain protocol")
	v.say("a", "from v1")
	p.expect("from v1")
	v.expectOf("message", "message lobby 2 from v1")
}

func TestPlainLast(t *testing.T) {
	st := newHarness(t, setting{})
	first := st.plain(Client{})
	for i := range 5 {
		first.sendText(fmt.Sprint("old ", i+1))
	}
	first.heard()
	for last, want := range map[int][]string{
		0: nil, 2: {"old 4", "old 5"}, 5: {"old 1", "old 2", "old 3", "old 4", "old 5"}, 500: {"old 1", "old 2", "old 3", "old 4", "old 5"},
	} {
		l := st.connect(Client{Last: last})
		l.expect(append([]string{wire.Greeting}, want...)...)
		l.end(nil)
	}
}

// plainNamed connects a plain client with a name, reserved before the upgrade as the server does it.
func (st *harness) plainNamed(name string) *link {
	st.tb.Helper()
	secret, _ := wire.NewSession(st.random)
	e := eventlog.Command{Kind: eventlog.ReserveName, SenderID: wire.SenderIDOf(secret), Body: eventlog.ReserveNameBody{Name: name, Key: names.Key(name), Bound: true}}
	if err := st.sequencer.Submit(eventlog.Submission{Command: e}, nil); err != nil {
		st.tb.Fatal(err)
	}
	st.settle()
	return st.plain(Client{Session: secret, Named: true})
}

func TestPlainNameEndsWithTheConnection(t *testing.T) {
	st := newHarness(t, setting{})
	ann, v := st.plainNamed("ann"), st.joined(wire.Lobby)
	ann.sendText("hi")
	ann.expect("ann: hi")
	v.expect("message lobby 1 ann: hi")
	v.send(wire.Name{Name: "Ann"})
	v.expect("error name_taken")
	ann.end(nil)
	st.settle()
	v.send(wire.Name{Name: "Ann"})
	v.expect("name Ann")
}

func TestPlainNameReleasedWithFullQueue(t *testing.T) {
	st := newHarness(t, setting{queue: 2})
	ann := st.plainNamed("ann")
	v := st.v1()
	st.logPaused = true
	v.say("a", "1")
	v.say("b", "2")
	v.heard()
	ann.end(nil)
	st.logPaused = false
	v.expect("saved lobby a 1", "saved lobby b 2")
	v.send(wire.Name{Name: "ann"})
	v.expect("name ann")
}

func TestPlainNotices(t *testing.T) {
	st := newHarness(t, setting{})
	for name, c := range map[string]struct{ said, reason string }{
		"too long":          {strings.Repeat("x", 4001), "4001 bytes; at most 4000"},
		"control character": {"a\x1b[2J", "U+001B"},
		"C1":                {"a\u0085", "U+0085"},
		"DEL":               {"\x7f", "U+007F"},
		"carriage return":   {"a\rb", "U+000D"},
	} {
		l := st.plain(Client{})
		l.sendText(c.said)
		got := l.heard()
		if len(got) != 1 || !strings.HasPrefix(got[0], "! ") || !strings.Contains(got[0], c.reason) {
			t.Errorf("%s: received %q, want a notice about %q", name, got, c.reason)
		}
		l.sendText("still here")
		l.expect("still here")
		l.end(nil)
	}
	l := st.plain(Client{})
	l.sendText(strings.Repeat("x", 4000))
	if got := l.heard(); len(got) != 1 || len(got[0]) != 4000 {
		t.Errorf("4000 bytes are not posted: %.100q", got)
	}
}

// TestPlainOverRateReadLater: a plain client that is too fast is never refused: its messages are read later, in order, and
// none is lost.
func TestPlainOverRateReadLater(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	l := st.plain(Client{})
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprint("line ", i+1))
		l.sendText(want[i])
	}
	got := l.heard()
	if len(got) != 20 {
		t.Fatalf("%d lines were read at once, want the burst of 20", len(got))
	}
	st.advance(time.Second)
	if got = append(got, l.heard()...); len(got) != 25 {
		t.Fatalf("%d lines were read after a second, want 25", len(got))
	}
	st.advance(5 * time.Second)
	if got = append(got, l.heard()...); !slices.Equal(got, want) {
		t.Fatalf("received %q, want all 50 in order", got)
	}
}

// TestPlainPausedIsNotDead: while a client is not read because it was too fast, a missing pong does not count.
func TestPlainPausedIsNotDead(t *testing.T) {
	st := newHarness(t, setting{rate: 0.01, burst: 1})
	l := st.plain(Client{})
	for i := range 20 {
		l.sendText(fmt.Sprint(i))
	}
	st.advance(25 * time.Minute)
	if l.closed {
		t.Fatalf("closed: %q", l.heard())
	}
	if got := l.heard(); len(got) < 15 {
		t.Errorf("received %q in 25 minutes at one line in 100 s", got)
	}
}

// TestPlainAfterRefusal: a plain client is told about a failure of the disk once, and can continue to post.
func TestPlainAfterRefusal(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.plain(Client{})
	st.logPaused = true
	l.sendText("lost 1")
	l.sendText("lost 2")
	st.settle()
	st.store.faults = []fault{rolledBack}
	st.logPaused = false
	got := l.heard()
	if len(got) != 2 || !strings.HasPrefix(got[0], "! ") || !strings.HasPrefix(got[1], "! ") {
		t.Fatalf("received %q, want two notices", got)
	}
	l.sendText("kept")
	l.expect("kept")
}

func TestPlainGap(t *testing.T) {
	st := newHarness(t, setting{buffer: 1})
	old := st.plain(Client{})
	for i := range 10 {
		old.sendText(fmt.Sprint(i + 1))
	}
	old.heard()
	st.jobsPaused = true
	l := st.connect(Client{Last: 10})
	st.settle()
	st.trim(wire.Lobby, 8)
	st.jobsPaused = false
	l.expect(wire.Greeting, "! 7 messages were deleted", "8", "9", "10")
}
