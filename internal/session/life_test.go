package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/frame"
	"ramai/wire"
)

func TestPings(t *testing.T) {
	for _, v1 := range []bool{true, false} {
		st := newHarness(t, setting{})
		l := st.connect(Client{Protocol: protocolOf(v1), Room: "den"})
		l.heard()
		for range 10 { // a client that answers is alive
			st.advance(pingEvery)
			l.expectOf("PING", "PING")
			l.sendFrame(frame.Pong, nil)
		}
		st.advance(pongTimeout)
		if l.closed {
			t.Fatalf("v1 %t: closed after %v without a pong", v1, pongTimeout)
		}
		st.advance(2*pingEvery + overdueFor)
		got := l.heard()
		if !l.closed || got[len(got)-1] != "CLOSE 1008 no answer to pings" {
			t.Errorf("v1 %t: after the timeout closed %t, received %q", v1, l.closed, got)
		}
	}
}

// TestAnyByteCountsAsAlive: any byte counts as a sign of life, even if it arrives just before the timeout.
func TestAnyByteCountsAsAlive(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.v1()
	st.advance(pingEvery)
	st.clock = st.clock.Add(pongTimeout + pingEvery) // nothing was checked meanwhile
	l.send(wire.Ping{ID: "x"})
	l.receive(len(l.up))
	l.expectOf("pong CLOSE", "pong x")
}

// TestPeerThatDoesNotReadIsAlive: a peer with undelivered data does not read, but is not gone. The reactor decides about
// it.
func TestPeerThatDoesNotReadIsAlive(t *testing.T) {
	for name, c := range map[string]struct {
		unsent int
		blind  bool
		closed bool
	}{
		"undelivered": {1000, false, false}, "all delivered": {0, false, true}, "not known": {1000, true, true},
	} {
		st := newHarness(t, setting{})
		l := st.joined(wire.Lobby)
		l.unsent, l.blind = c.unsent, c.blind
		st.advance(time.Hour)
		if l.closed != c.closed {
			t.Errorf("%s: closed %t after an hour, want %t", name, l.closed, c.closed)
		}
	}
}

// TestPingsDoNotPileUp: while the client does not read, no further pings are queued.
func TestPingsDoNotPileUp(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.joined(wire.Lobby)
	l.unsent, l.blocked = 1000, true
	st.publishVaried(1)
	for range 1000 {
		st.advance(pingEvery)
		l.Wake()
		l.receive(0)
		l.s.turn()
	}
	if len(l.s.control) > 10 {
		t.Errorf("%d bytes wait", len(l.s.control))
	}
}

func TestSlowMessage(t *testing.T) {
	whole := frame.AppendMasked(nil, frame.Text, []byte(`{"type":"ping","id":"x"}`), [4]byte{1, 2, 3, 4})
	for name, c := range map[string]struct {
		parts  [][]byte
		pause  time.Duration
		closed bool
	}{
		"in time":              {[][]byte{whole[:9], whole[9:]}, messageTimeout, false},
		"too slow":             {[][]byte{whole[:9], whole[9:]}, messageTimeout + overdueFor + 2*time.Second, true},
		"a trickle":            {[][]byte{whole[:1], whole[1:2], whole[2:3], whole[3:4], whole[4:]}, 10 * time.Second, true},
		"only half a header":   {[][]byte{whole[:1], whole[1:]}, time.Hour, true},
		"endless fragments":    {[][]byte{{0x01, 0x80, 1, 2, 3, 4}, {0x00, 0x80, 1, 2, 3, 4}, {0x00, 0x80, 1, 2, 3, 4}, {0x80, 0x80, 1, 2, 3, 4}}, 15 * time.Second, true},
		"long after the last":  {[][]byte{whole, whole}, 5 * time.Minute, false},
		"each in two, quickly": {[][]byte{whole[:9], slices.Concat(whole[9:], whole[:9]), slices.Concat(whole[9:], whole[:9]), whole[9:]}, 20 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			st := newHarness(t, setting{})
			l := st.v1()
			for i, part := range c.parts {
				if i > 0 {
					st.advance(c.pause)
				}
				l.up = append(l.up, part...)
				st.settle()
			}
			got := l.heard()
			if l.closed != c.closed || c.closed && !strings.HasPrefix(got[len(got)-1], "CLOSE 1008") {
				t.Errorf("closed %t, want %t; received %q", l.closed, c.closed, got)
			}
		})
	}
}

// TestSuspendedProcess: the timeout may pass while the process or its machine is suspended. Bytes that the client sent
// meanwhile are read before the client is closed, in whatever order and pieces the reactor delivers them.
func TestSuspendedProcess(t *testing.T) {
	whole := frame.AppendMasked(nil, frame.Text, []byte(`{"type":"ping","id":"x"}`), [4]byte{1, 2, 3, 4})
	for name, after := range map[string]time.Duration{
		"shorter than a message may take": messageTimeout - time.Second, "a second longer": messageTimeout + time.Second,
		"longer": messageTimeout + 3*time.Second, "an hour": time.Hour,
	} {
		for _, written := range []bool{true, false} {
			st := newHarness(t, setting{})
			l := st.v1()
			l.up = append(l.up, whole[:9]...)
			st.settle()
			st.suspend(after)
			if written {
				l.Wake()
				l.next()
			}
			for i := 9; i < len(whole); i++ {
				l.up = append(l.up, whole[i])
				st.settle()
			}
			if l.expectOf("pong CLOSE", "pong x"); l.closed {
				t.Errorf("%s, Next called first %t: closed", name, written)
			}
			l.send(wire.Ping{ID: "y"})
			st.advance(2 * overdueFor)
			l.expectOf("pong CLOSE", "pong y")
		}
	}
}

// TestPongAfterSuspend: the same for a pong, which may wait in the socket, too.
func TestPongAfterSuspend(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.v1()
	st.advance(pingEvery)
	for range 3 {
		st.suspend(pongTimeout + pingEvery)
		l.Wake()
		l.next()
		l.sendFrame(frame.Pong, nil)
		st.advance(pingEvery)
	}
	if l.closed {
		t.Errorf("closed: %q", l.heard())
	}
}

// TestFloodsWithoutReading: if a client sends requests but does not read answers, its requests are no longer read: the
// answers that wait for it are bounded.
func TestFloodsWithoutReading(t *testing.T) {
	for name, c := range map[string]struct {
		times int // enough for far more answers than may wait
		flood func(l *link)
	}{
		"pings":           {2000, func(l *link) { l.sendFrame(frame.Ping, make([]byte, 125)) }},
		"v1 pings":        {2000, func(l *link) { l.send(wire.Ping{ID: strings.Repeat("x", 64)}) }},
		"history":         {20, func(l *link) { l.send(wire.History{Room: wire.Lobby}) }},
		"who":             {5000, func(l *link) { l.send(wire.Who{Room: wire.Lobby}) }},
		"nonsense":        {2000, func(l *link) { l.sendText("{" + strings.Repeat("x", 1000)) }},
		"long room names": {60, func(l *link) { l.sendText(`{"type":"say","id":"a","room":"` + strings.Repeat("\u2028", 8000) + `"}`) }},
		"joins":           {2000, func(l *link) { l.send(wire.Join{Room: wire.Lobby}) }},
		"refused":         {1000, func(l *link) { l.say("x", strings.Repeat("x", 5000)) }},
		"saved":           {3000, func(l *link) { l.say("x", "x") }},
		"names":           {2000, func(l *link) { l.send(wire.Name{Name: "server"}) }},
	} {
		t.Run(name, func(t *testing.T) {
			st := newHarness(t, setting{})
			st.publishVaried(100)
			l := st.v1()
			l.blocked = true
			for range c.times {
				c.flood(l)
			}
			st.settle() // check bounds the control queue after each step
			if len(l.unread) == 0 {
				t.Error("everything was read although no answer was read")
			}
			l.blocked = false
			st.settle()
			if len(l.up)+len(l.unread) > 0 {
				t.Errorf("%d bytes were never read", len(l.up)+len(l.unread))
			}
		})
	}
}

func TestHistory(t *testing.T) {
	st := newHarness(t, setting{})
	l, sender := st.v1(), st.plain(Client{Room: "r"})
	for range 700 {
		sender.sendText("")
	}
	st.settle()
	u := func(n uint64) *uint64 { return &n }
	n := func(n uint64) *wire.Position { return &wire.Position{N: n} }
	at := func(epoch string, n uint64) *wire.Position {
		return &wire.Position{HistoryID: st.store.HistoryID(), Epoch: epoch, N: n}
	}
	now := st.store.Epoch().Name
	for _, c := range []struct {
		ask  wire.History
		want string
	}{
		{wire.History{}, "page r 201-700 more true"}, // without a number: the newest
		{wire.History{Limit: 5}, "page r 696-700 more true"},
		{wire.History{Before: u(10)}, "page r 1-9 more false"},
		{wire.History{Before: u(10), Limit: 4}, "page r 6-9 more true"},
		{wire.History{Before: u(10), Limit: 9}, "page r 1-9 more false"},
		{wire.History{Before: u(1)}, "page r empty more false"},
		{wire.History{Before: u(0)}, "page r empty more false"},
		{wire.History{Before: u(1<<64 - 1), Limit: 1}, "page r 700-700 more true"},
		{wire.History{After: n(0)}, "page r 1-500 more true"},
		{wire.History{After: n(690)}, "page r 691-700 more false"},
		{wire.History{After: n(690), Limit: 10}, "page r 691-700 more false"},
		{wire.History{After: n(690), Limit: 9}, "page r 691-699 more true"},
		{wire.History{After: n(700)}, "page r empty more false"},
		{wire.History{After: n(1<<64 - 1)}, "page r empty more false"},
		{wire.History{After: at(now, 690)}, "page r 691-700 more false"}, // proved
		{wire.History{After: at("", 690)}, "page r 691-700 more false"},
		{wire.History{After: at("another", 690), Limit: 2}, "page r 699-700 reset more true"},
		{wire.History{After: at(now, 701), Limit: 2}, "page r 699-700 reset more true"},
		{wire.History{After: &wire.Position{HistoryID: "another", Epoch: now, N: 690}, Limit: 2}, "page r 699-700 reset more true"},
		{wire.History{After: &wire.Position{Epoch: now, N: 690}, Limit: 2}, "page r 699-700 reset more true"}, // of no log
		{wire.History{Room: "unknown", After: at("another", 1)}, "page unknown empty reset more false"},
		{wire.History{Room: "unknown"}, "page unknown empty more false"},
		{wire.History{Room: "unknown", After: n(7)}, "page unknown empty more false"},
	} {
		if c.ask.Room == "" {
			c.ask.Room = "r"
		}
		l.send(c.ask)
		l.expect(c.want)
	}
	st.trim("r", 650)
	l.send(wire.History{Room: "r"}, wire.History{Room: "r", After: n(3), Limit: 2})
	l.expect("page r 650-700 more false", "page r 650-651 more true")
	st.store.reads = 1
	l.send(wire.History{Room: "r", Limit: 1}, wire.History{Room: "r", Limit: 1})
	l.expect("error unavailable", "page r 700-700 more true")
}

// TestPageOf64KiB: a page ends at 64 KiB, on the side farther from the requested number.
func TestPageOf64KiB(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		said uint64
	}{
		"ascii": {strings.Repeat("x", 4000), 100}, "escaped": {strings.Repeat("\u2028", 1333), 100}, "short": {"x", 600},
		"quotes": {strings.Repeat(`"`, 300), 300},
	} {
		st := newHarness(t, setting{})
		sender := st.v1()
		for i := range c.said {
			sender.say(fmt.Sprint("a-rather-long-id-", i+1), c.text)
		}
		st.settle()
		pages := 0
		for _, back := range []bool{true, false} {
			l := st.v1()
			seen, at := uint64(0), uint64(0)
			for more := true; more; pages++ {
				ask := wire.History{Room: wire.Lobby, After: &wire.Position{N: at}}
				if back {
					ask = wire.History{Room: wire.Lobby}
					if at > 0 {
						ask.Before = &at
					}
				}
				l.raw = nil
				l.send(ask)
				st.settle()
				page := l.frames[len(l.frames)-1].(wire.Page)
				if len(l.raw) > wire.PageBytes+10 {
					t.Fatalf("%s: a page of %d bytes", name, len(l.raw))
				}
				more, seen = page.More, seen+uint64(len(page.Messages))
				if at = page.Messages[len(page.Messages)-1].N; back {
					at = page.Messages[0].N
				}
			}
			if seen != c.said {
				t.Errorf("%s, back %t: the pages have %d messages of %d", name, back, seen, c.said)
			}
		}
		if pages < 4 {
			t.Errorf("%s: %d pages", name, pages)
		}
	}
}

// TestOnePageAtATime: a client that requests a page is not read until it has the page, so pages do not pile up.
func TestOnePageAtATime(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.v1()
	st.jobsPaused = true
	for range 5 {
		l.send(wire.History{Room: wire.Lobby})
	}
	l.send(wire.Ping{ID: "end"})
	l.expect()
	if len(st.jobs) != 1 {
		t.Errorf("%d pages are read at once", len(st.jobs))
	}
	st.jobsPaused = false
	got := l.heard()
	if len(got) != 6 || got[5] != "pong end" {
		t.Errorf("heard %q", got)
	}
}
