package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/frame"
	"ramai/wire"
)

// TestPlainDisconnects: a fast sender disconnects from a server with the default limits. Everyone else in the room receives
// all of its messages, some at once, the rest as the rates allow.
func TestPlainDisconnects(t *testing.T) {
	const many = 100
	for name, leave := range map[string]func(*link){
		"without a close frame": func(*link) {},
		"with a close frame":    func(l *link) { l.sendFrame(frame.Close, []byte("\x03\xe8")) },
	} {
		t.Run(name, func(t *testing.T) {
			st := newHarness(t, setting{rate: 5, burst: 20})
			other, l := st.plain(Client{}), st.plain(Client{})
			var want []string
			for i := range many {
				want = append(want, fmt.Sprint("line ", i+1))
				l.sendText(want[i])
			}
			leave(l)
			l.disconnect()
			got := other.heard()
			if len(got) != 20 {
				t.Fatalf("%d lines were posted at once, want the burst of 20", len(got))
			}
			st.advance(15 * time.Second)
			if l.closed {
				t.Fatal("closed before everything was posted")
			}
			st.advance(5 * time.Second)
			if got = append(got, withoutPings(other.heard())...); !slices.Equal(got, want) {
				t.Errorf("%d of %d lines were received: %q", len(got), many, got)
			}
			if !l.closed {
				t.Error("not closed although everything was posted")
			}
		})
	}
}

// TestDisconnectedNotPresent: a client that has disconnected leaves its rooms at once, even if its messages are still being
// stored. They have its name, which nobody else can reserve meanwhile. Then the name is free.
func TestDisconnectedNotPresent(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	watcher := st.joined(wire.Lobby)
	l := st.connect(Client{Named: true})
	if err := st.env.Chat.ReserveName(l.s.actor(), &chat.NameRequest{Name: "Ada"}, chat.Reply{}); err != nil {
		t.Fatal(err)
	}
	st.advance(time.Second)
	watcher.expectOf("presence", "presence lobby 2 Ada")
	var want []string
	for i := range 60 {
		l.sendText(fmt.Sprint("line ", i+1))
		want = append(want, fmt.Sprintf("message lobby %d Ada: line %d", i+1, i+1))
	}
	st.settle()
	l.disconnect()
	st.advance(time.Second)
	if l.closed {
		t.Fatal("closed before everything was posted")
	}
	got := watcher.heard()
	if !slices.Contains(got, "presence lobby 1 ") {
		t.Errorf("a disconnected client is present: %q", got)
	}
	next := st.v1()
	next.send(wire.Name{Name: "Ada"})
	next.expectOf("error", `error name_taken`)
	st.advance(10 * time.Second)
	got = append(got, watcher.heard()...)
	if said := slices.DeleteFunc(got, func(s string) bool { return kind(s) != "message" }); !slices.Equal(said, want) {
		t.Errorf("%d of %d lines were received: %q", len(said), len(want), said)
	}
	if !l.closed || st.store.Name(l.s.sender()) != "" {
		t.Errorf("closed %t, the reserved name is %q", l.closed, st.store.Name(l.s.sender()))
	}
	next.send(wire.Name{Name: "Ada"})
	next.expectOf("name", "name Ada")
}

// withoutPings returns the received frames without pings.
func withoutPings(heard []string) []string {
	return slices.DeleteFunc(heard, func(s string) bool { return s == "PING" })
}

// TestCloseAfterEcho: a close frame is answered once the client has received the messages that it sent before, with both
// protocols. Nothing that it sends later is read.
func TestCloseAfterEcho(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	p, v := st.plain(Client{}), st.joined(wire.Lobby)
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprint("line ", i+1))
		p.sendText(want[i])
	}
	p.sendFrame(frame.Close, []byte("\x03\xe8"))
	p.sendText("after the close frame")
	st.advance(10 * time.Second)
	p.compare(withoutPings(p.heard()), append(want, "CLOSE 1000"))
	if !p.closed || p.err != nil {
		t.Errorf("closed %t, %v", p.closed, p.err)
	}
	v.heard()
	st.logPaused = true
	v.say("a", "one more")
	v.sendFrame(frame.Close, nil)
	if v.expectOf("saved CLOSE"); v.closed {
		t.Error("closed before the message is saved")
	}
	st.logPaused = false
	v.expectOf("saved CLOSE", "saved lobby a 31", "CLOSE 1005")
}

// TestCloseWhileBehind: a client that is far behind can close without receiving everything first.
func TestCloseWhileBehind(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.plain(Client{})
	l.blocked = true
	for range 20 {
		st.publishVaried(100)
		st.settle()
	}
	l.sendFrame(frame.Close, []byte("\x03\xe8"))
	st.settle()
	l.blocked = false
	if got := l.heard(); len(got) >= 2000 || !l.closed {
		t.Errorf("received %d before the end, closed %t", len(got), l.closed)
	}
}

// TestStopReportsUnsavedMessages: a stopping server warns a plain client whose messages were not all stored.
func TestStopReportsUnsavedMessages(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		st := newHarness(t, setting{rate: 5, burst: 1})
		l := st.plain(Client{})
		l.sendText("said")
		l.sendText("unconfirmed")
		l.expect("said")
		l.s.Quiet()
		if ordered { // the log stops before the message's turn
			st.sequencer.Close()
			st.advance(time.Second)
		}
		l.s.Leave(time.Second)
		l.expect("! the server is restarting and has not posted all of your messages; send again those that do not appear", "CLOSE 1012")
	}
}

// TestSessionYields: the frames of one client are not all processed at once: other clients get their turn in between.
func TestSessionYields(t *testing.T) {
	for name, c := range map[string]struct {
		deflate bool
		text    string
		most    int
	}{
		"many frames": {false, `{"type":"leave","room":"x"}`, workATurn + workAtOnce},
		"inflated":    {true, `{"type":"leave","room":"x","more":"` + strings.Repeat("x", 24_000) + `"}`, 5},
	} {
		t.Run(name, func(t *testing.T) {
			st := newHarness(t, setting{})
			l := st.connect(Client{Protocol: chat.V1, Deflate: c.deflate})
			st.settle()
			const many = 400
			for range many {
				l.sendText(c.text)
			}
			b, size := slices.Clone(l.up), len(l.up)/many
			l.up = nil
			for len(b) > 0 {
				l.ready = false
				used, err := l.s.Received(b)
				if err != nil {
					t.Fatal(err)
				}
				if used > c.most*size {
					t.Fatalf("%d frames of %d bytes at once, want at most %d", used/size, size, c.most)
				}
				if b = b[used:]; len(b) > 0 && !l.ready {
					t.Fatal("it does not ask to be called again")
				}
			}
		})
	}
}
