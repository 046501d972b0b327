package session

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/frame"
	"ramai/wire"
)

// workPerEvent is how many units of work a sender may cause for each command.
const workPerEvent = 32

var sharedAddr = netip.MustParseAddrPort("203.0.113.7:40000")

// TestManyClientsOfOneAddress: a school connects from one address: within seconds everyone has a name and can post in the
// room.
func TestManyClientsOfOneAddress(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	var clients []*link
	for i := range 60 {
		l := st.connect(Client{Protocol: chat.V1, Addr: sharedAddr})
		l.send(wire.Name{Name: fmt.Sprint("pupil ", i+2)}, wire.Join{Room: wire.Lobby})
		l.say("1", "here")
		clients = append(clients, l)
	}
	st.advance(3 * time.Second)
	for i, l := range clients {
		heard := strings.Join(l.heard(), "\n")
		for _, want := range []string{fmt.Sprint("name pupil ", i+2), "joined lobby", "saved lobby 1"} {
			if !strings.Contains(heard, want) {
				t.Fatalf("pupil %d has no %q after 3 s:\n%s", i, want, heard)
			}
		}
		if strings.Contains(heard, "refused") || strings.Contains(heard, "error") {
			t.Errorf("pupil %d got a refusal:\n%s", i, heard)
		}
	}
}

// TestManyResume: after a restart, 500 clients of one address rejoin eight rooms each within seconds, with both protocols
// that resume.
func TestManyResume(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	historyID := st.store.HistoryID()
	var links []*link
	for i := range 500 {
		if i%10 == 0 {
			l := st.connect(Client{Protocol: chat.Lines, Addr: sharedAddr, After: &wire.Position{HistoryID: historyID}})
			l.onBytes = func([]byte) {}
			links = append(links, l)
			continue
		}
		l := st.connect(Client{Protocol: chat.V1, Addr: sharedAddr})
		for r := range 8 {
			l.send(wire.Join{Room: fmt.Sprint("room", r), After: &wire.Position{HistoryID: historyID}})
		}
		links = append(links, l)
	}
	st.advance(5 * time.Second)
	for i, l := range links {
		want := 8
		if i%10 == 0 {
			want = 1
		}
		if got := len(l.s.cursors); got != want {
			t.Fatalf("after 5 s, client %d is in %d rooms, want %d", i, got, want)
		}
	}
}

// floods are frames that post nothing. Each costs as much work as a few ordinary frames.
var floods = map[string]func(l *link){
	"leave":       func(l *link) { l.send(wire.Leave{Room: "x"}) },
	"typing":      func(l *link) { l.send(wire.Typing{Room: "x"}) },
	"ping":        func(l *link) { l.send(wire.Ping{ID: "x"}) },
	"no JSON":     func(l *link) { l.sendText("{") },
	"no request":  func(l *link) { l.sendText(`{"type":"dance"}`) },
	"a bad text":  func(l *link) { l.say("1", "\x01") },
	"a long text": func(l *link) { l.say("1", strings.Repeat("x", 5000)) },
	"a late hello": func(l *link) {
		l.send(wire.Hello{Session: strings.Repeat("A", wire.SessionLen)})
	},
	"who":           func(l *link) { l.send(wire.Who{Room: "x"}) },
	"a bad name":    func(l *link) { l.send(wire.Name{Name: "!"}) },
	"control pings": func(l *link) { l.sendFrame(frame.Ping, []byte("x")) },
	"control pongs": func(l *link) { l.sendFrame(frame.Pong, nil) },
}

// TestEveryFrameIsCharged: frames that post nothing are limited, too: clients that send them endlessly are read slowly, but
// not closed.
func TestEveryFrameIsCharged(t *testing.T) {
	for _, v1 := range []bool{true, false} {
		for name, send := range floods {
			st := newHarness(t, setting{rate: 5, burst: 20})
			l := st.connect(Client{Protocol: protocolOf(v1), Addr: remote})
			const sent = 3000
			for range sent {
				send(l)
			}
			whole := len(l.up)
			st.settle()
			read := func() int { return sent * (whole - len(l.up) - len(l.unread)) / whole }
			if burst := 20 * workPerEvent; read() > burst+workAtOnce {
				t.Errorf("v1 %v, %s: %d are read at once", v1, name, read())
			}
			before := read()
			st.advance(10 * time.Second)
			if per := (read() - before) / 10; per > 5*workPerEvent+workAtOnce || per == 0 {
				t.Errorf("v1 %v, %s: %d a second are read", v1, name, per)
			}
			if l.closed || l.code != 0 {
				t.Errorf("v1 %v, %s: the connection is closed: %d", v1, name, l.code)
			}
		}
	}
}

// TestInflatedBytesAreCharged: compressed input is charged for its inflated size.
func TestInflatedBytesAreCharged(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	l := st.connect(Client{Protocol: chat.V1, Addr: remote, Deflate: true})
	text := `{"type":"` + strings.Repeat("x", 20_000) + `"}`
	for range 1000 {
		l.sendText(text)
	}
	st.advance(10 * time.Second)
	answers := 0
	for _, heard := range l.heard() {
		if strings.HasPrefix(heard, "error") {
			answers++
		}
	}
	units := 20*workPerEvent + 10*5*workPerEvent
	if most := units/(20_000/1024) + 2; answers > most || answers < most/2 {
		t.Errorf("%d of 1000 texts of 20 kB are processed in 10 s, want at most %d", answers, most)
	}
}

// TestCompressedBytesAreCharged: input that inflates to little is charged for the time it takes, even if it turns out to be
// invalid.
func TestCompressedBytesAreCharged(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	l := st.connect(Client{Protocol: chat.V1, Addr: remote, Deflate: true})
	empty := bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), 4000) // stored blocks
	for range 100 {
		l.sendFrame(frame.Text|frame.Deflated, append(empty, 0))
	}
	st.settle()
	per := inflating * len(empty) / 1024
	answers := len(l.heard()) - 1 // except the welcome
	if most := 20*workPerEvent/per + 2; answers > most || answers < most/2 {
		t.Errorf("%d texts of %d compressed bytes are processed, want at most %d", answers, len(empty), most)
	}
	st = newHarness(t, setting{rate: 5, burst: 20})
	for range 30 { // as many as have work left
		l := st.connect(Client{Protocol: chat.V1, Addr: remote, Deflate: true, Session: strings.Repeat("A", wire.SessionLen)})
		l.sendFrame(frame.Text|frame.Deflated, append(empty, 0xff))
		st.settle()
		if l.closed == (len(l.up)+len(l.unread) > 0) {
			t.Fatalf("closed %t, with %d bytes unread", l.closed, len(l.up)+len(l.unread))
		}
	}
	if len(st.links) < 10 {
		t.Errorf("only %d of 30 wait", len(st.links))
	}
}

// TestFloodDoesNotDelayOthers: a flood from many connections of one address delays no other client, at that address or
// elsewhere.
func TestFloodDoesNotDelayOthers(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	for range 100 {
		l := st.connect(Client{Protocol: chat.V1, Addr: sharedAddr})
		for range 2000 {
			l.send(wire.Ping{})
		}
	}
	st.advance(5 * time.Second)
	for _, addr := range []netip.AddrPort{sharedAddr, remote} {
		l := st.connect(Client{Protocol: chat.V1, Addr: addr})
		for i := range 20 {
			l.send(wire.Ping{ID: "end"})
			l.expectOf("pong", "pong end")
			st.advance(100 * time.Millisecond)
			if t.Failed() {
				t.Fatalf("ping %d from %v", i, addr)
			}
		}
	}
}

// TestClientWithinRateNotPaused: a client within the rate of commands is never paused, whatever else it does.
func TestClientWithinRateNotPaused(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	l := st.connect(Client{Protocol: chat.V1, Addr: remote})
	for r := range 8 {
		l.send(wire.Join{Room: fmt.Sprint("room", r), After: &wire.Position{HistoryID: st.store.HistoryID(), N: 0}})
	}
	for i := range 100 {
		l.send(wire.Typing{Room: "room1"}, wire.Ping{ID: "1"}, wire.History{Room: "room1"})
		l.sendFrame(frame.Pong, nil)
		for k := range 3 {
			l.send(wire.Say{Room: "room1", ID: fmt.Sprint(i, "-", k), Text: strings.Repeat("\"", 4000)})
		}
		st.settle()
		if l.s.publisher.pausedUntil != 0 {
			t.Fatalf("after %d rounds it is paused", i)
		}
		st.advance(time.Second)
	}
}

// TestPlainHistoryRateLimited: connecting a plain client is not charged as a command, but its history is.
func TestPlainHistoryRateLimited(t *testing.T) {
	st := newHarness(t, setting{rate: 1, burst: 1})
	for range 5 {
		st.plain(Client{Addr: remote})
	}
	by := "AAAAAAAAAAAAAAAAAAAAAA" // one sender
	first := st.connect(Client{Last: 10, Addr: remote, Session: by})
	second := st.connect(Client{Last: 10, Addr: remote, Session: by})
	second.sendText("hello")
	first.expect(wire.Greeting)
	second.expect(wire.Greeting)
	if len(first.s.cursors) != 1 || len(second.s.cursors) != 0 {
		t.Fatalf("the first is in %d rooms and the second in %d", len(first.s.cursors), len(second.s.cursors))
	}
	st.advance(time.Second)
	if len(second.s.cursors) != 1 {
		t.Error("a second later the second is not in the room")
	}
	st.advance(time.Second)
	second.expect("hello")
	first.expect("hello")
}

// TestFenceDeadlineStopsWhilePaused: while reading is paused, the deadline of a fence does not run.
func TestFenceDeadlineStopsWhilePaused(t *testing.T) {
	st := newHarness(t, setting{rate: 1, burst: 1})
	l := st.connect(Client{Protocol: chat.V1, Addr: remote})
	l.say("1", "one")
	l.say("2", "two") // refused, to be sent again within 6 s
	for range 400 {   // more than one second's worth each
		l.send(wire.Ping{ID: strings.Repeat("x", 60)})
	}
	l.say("3", "behind it")
	l.say("2", "two")
	st.advance(2 * time.Minute)
	l.expectOf("saved refused CLOSE", "saved lobby 1 1", "refused lobby 2 rate_limited 1000", "refused lobby 3 rate_limited 1000",
		"saved lobby 2 2")
}
