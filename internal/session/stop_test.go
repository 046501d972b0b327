package session

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/wire"
)

// TestStop: when a server stops, nothing more is read, pending messages are sent, then the goodbye.
func TestStop(t *testing.T) {
	st := newHarness(t, setting{buffer: 1})
	a, b, slow, p := st.joined(wire.Lobby), st.joined(wire.Lobby), st.joined(wire.Lobby), st.plain(Client{})
	slow.blocked = true
	st.publishVaried(100)
	st.settle()
	for _, l := range []*link{a, b, p} {
		l.heard()
	}
	st.logPaused = true
	a.say("x", "the last word")
	st.settle()
	for _, l := range append([]*link(nil), st.links...) {
		l.s.Quiet()
	}
	b.say("y", "too late")
	st.settle()
	st.sequencer.Close()
	st.logPaused = false
	a.expectOf("saved message", "saved lobby x 101", "message lobby 101 the last word")
	b.expectOf("saved refused message", "message lobby 101 the last word")
	for _, l := range append([]*link(nil), st.links...) {
		l.s.Leave(250 * time.Millisecond)
	}
	a.expect("restarting 250", "CLOSE 1012")
	p.expect("the last word", "CLOSE 1012")
	if slow.closed {
		t.Fatal("closed before everything was sent")
	}
	slow.blocked = false
	got := slow.heard()
	if len(got) != 103 || !strings.HasPrefix(got[100], "message lobby 101") || got[101] != "restarting 250" || !slow.closed {
		t.Errorf("the slow reader received %d frames, the last one %q", len(got), got[len(got)-1])
	}
}

// TestForce: a blocked client gets the goodbye after everything that was sent before; the cut frame is completed.
func TestForce(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.joined(wire.Lobby)
	st.publishVaried(50)
	for !l.next() || l.unconfirmed == nil {
	}
	l.write(100)
	l.s.Leave(time.Second)
	l.s.Force(2 * time.Second)
	got := l.heard()
	if k := len(got); k != 3 && k != 4 || got[k-2] != "restarting 2000" || !strings.HasPrefix(got[k-1], "CLOSE 1012") || !l.closed {
		t.Errorf("heard %q", got)
	}
}

// TestForceAtOnce: a session starts while the server is stopping.
func TestForceAtOnce(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.connect(Client{Protocol: chat.V1})
	l.s.Force(250 * time.Millisecond)
	l.send(wire.Ping{})
	l.expect("welcome", "restarting 250", "CLOSE 1012")
}

func TestClosedReleasesEverything(t *testing.T) {
	st := newHarness(t, setting{})
	st.publishVaried(10)
	st.jobsPaused = true
	l := st.joined("a", "b", wire.Lobby)
	l.send(wire.History{Room: wire.Lobby}, wire.Join{Room: "c"})
	st.settle()
	l.end(nil)
	for _, name := range []string{"a", "b", "c", wire.Lobby} {
		if w := st.hub.Who(wire.Who{Room: name}); w.Count != 0 {
			t.Errorf("%d are still in room %s", w.Count, name)
		}
	}
	st.jobsPaused = false
	st.publishVaried(1)
	st.settle() // late outcomes are discarded
	if l.s.cursors != nil {
		t.Error("it still has cursors")
	}
}

// watcher is a log handler that signals each line.
type watcher struct {
	slog.Handler
	line func()
}

func (w watcher) Enabled(context.Context, slog.Level) bool { return true }

func (w watcher) Handle(context.Context, slog.Record) error {
	w.line()
	return nil
}

// TestClosedCallback: the server is notified of the end of a session after the session has released everything, and before
// anything is logged, which may be slow.
func TestClosedCallback(t *testing.T) {
	st := newHarness(t, setting{})
	l, called := st.joined(wire.Lobby), 0
	st.env.Closed = func(s *Session, _ error) {
		if called++; s != l.s || st.hub.Who(wire.Who{Room: wire.Lobby}).Count != 0 {
			t.Error("called for another session, or too early")
		}
	}
	st.env.Clients = chat.NewClientLog(slog.New(watcher{slog.DiscardHandler, func() {
		if called != 1 {
			t.Error("logged before the callback")
		}
	}}), st.now, false)
	l.end(nil)
	if called != 1 {
		t.Errorf("called %d times", called)
	}
}

// TestClosedCallbackAfterPanic: the server is notified even if releasing fails: its stop waits for each session.
func TestClosedCallbackAfterPanic(t *testing.T) {
	st := newHarness(t, setting{})
	l, called := st.joined(wire.Lobby), 0
	st.env.Closed = func(*Session, error) { called++ }
	l.s.cursors = append(l.s.cursors, &cursor{}) // without a subscription
	func() {
		defer func() {
			if recover() == nil {
				t.Error("there was no panic")
			}
		}()
		l.s.Closed(nil)
	}()
	if called != 1 {
		t.Errorf("called %d times", called)
	}
}

// TestNameIsRenewed: a name does not expire while its holder is connected, and is not renewed for a client that has
// released it.
func TestNameIsRenewed(t *testing.T) {
	st := newHarness(t, setting{})
	a, b := st.v1(), st.v1()
	a.send(wire.Name{Name: "ann"})
	a.expect("name ann")
	st.tick = st.clock.AddDate(1, 0, 0) // the rooms do not matter here
	for range 30 * 12 {
		a.send(wire.Ping{})
		b.send(wire.Ping{})
		st.advance(5 * time.Minute)
	}
	a.heard()
	b.heard()
	b.send(wire.Name{Name: "ann"})
	b.expect("error name_taken")
	for range 3 { // a releases it just when it would be renewed
		a.send(wire.Ping{})
		st.advance(5 * time.Minute)
		st.logPaused = true
		a.s.renewAt = 0
		a.send(wire.Name{})
		st.advance(5 * time.Minute)
		st.logPaused = false
		a.expectOf("name", "name ")
		if got := st.store.Name(a.s.SenderID()); got != "" {
			t.Fatalf("the released name is back: %q", got)
		}
		a.send(wire.Name{Name: "ann"})
		a.expectOf("name", "name ann")
	}
}
