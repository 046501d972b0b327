package session

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

// TestUnsavedNotDelivered: messages are received only after they are saved: until the commit is done nobody receives
// anything, including the sender.
func TestUnsavedNotDelivered(t *testing.T) {
	st := newHarness(t, setting{})
	a, b, p := st.joined(wire.Lobby), st.joined(wire.Lobby), st.plain(Client{})
	st.logPaused = true
	a.say("x", "soon")
	for _, l := range []*link{a, b, p} {
		l.expect()
	}
	late := st.connect(Client{Protocol: chat.V1})
	late.send(wire.Join{Room: wire.Lobby}, wire.History{Room: wire.Lobby})
	late.expect("welcome", "joined lobby 1-0 count 4", "page lobby empty more false")
	st.store.faults = []fault{lostInDoubt, committedInDoubt}
	st.store.reopens = 2
	for range 4 { // lost; Reopen fails twice; stored, with an unknown result
		if _, err := st.sequencer.Step(); err == nil {
			t.Fatal("the disk does not fail as it should")
		}
		for _, l := range []*link{a, b, p, late} {
			l.expect()
		}
	}
	st.logPaused = false
	a.expectOf("saved message", "saved lobby x 1", "message lobby 1 soon")
	b.expect("message lobby 1 soon")
	p.expect("soon")
	late.expect("message lobby 1 soon")
}

func TestSaveWithoutJoining(t *testing.T) {
	st := newHarness(t, setting{})
	a, b := st.v1(), st.joined("den")
	a.send(wire.Say{Room: "den", ID: "x", Text: "from outside"})
	a.expect("saved den x 1")
	b.expect("message den 1 from outside")
}

func TestRepeats(t *testing.T) {
	st := newHarness(t, setting{})
	a, b := st.connect(Client{Protocol: chat.V1}), st.joined(wire.Lobby)
	st.settle()
	session := a.frames[0].(wire.Welcome).Session
	a.say("x", "once")
	a.expect("welcome", "saved lobby x 1")
	a.say("x", "once")
	a.expect("saved lobby x 1")
	a.say("x", "with another text")
	a.expect("refused lobby x id_reused 0")
	a.say("y", "two")
	a.expect("saved lobby y 2") // a permanent refusal blocks nothing
	a.send(wire.Say{Room: "den", ID: "x", Text: "an id is unique within a room"})
	a.expect("saved den x 1")

	a.say("z", "three") // the answer is never read
	st.settle()
	a.end(nil)
	again := st.v1()
	again.send(wire.Hello{Session: session})
	again.say("z", "three")
	again.say("x", "once")
	again.expect("welcome", "saved lobby z 3", "saved lobby x 1")
	other := st.v1()
	other.say("x", "an id is unique within a sender")
	other.expect("saved lobby x 4")
	b.expect("message lobby 1 once", "message lobby 2 two", "message lobby 3 three", "message lobby 4 an id is unique within a sender")
}

func TestRepeatInOneBatch(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.joined(wire.Lobby)
	l.say("x", "once")
	l.say("x", "once")
	l.say("x", "twice")
	l.expectOf("message refused saved", "message lobby 1 once", "refused lobby x id_reused 0", "saved lobby x 1", "saved lobby x 1")
}

// TestRefusedKeepsTheOrder: if a batch is rolled back, everything in flight from a sender is refused until the first
// message arrives again.
func TestRefusedKeepsTheOrder(t *testing.T) {
	st := newHarness(t, setting{batch: 2})
	a, b := st.joined(wire.Lobby), st.joined(wire.Lobby)
	st.logPaused = true
	for _, id := range []string{"1", "2", "3", "4"} { // two batches
		a.say(id, id)
	}
	b.say("b", "not of this sender")
	st.settle()
	st.store.faults = []fault{rolledBack}
	st.logPaused = false
	a.expectOf("refused", "refused lobby 1 unavailable 1000", "refused lobby 2 unavailable 1000",
		"refused lobby 3 unavailable 1000", "refused lobby 4 unavailable 1000")
	a.say("5", "5")
	a.say("2", "2")
	a.send(wire.Say{Room: "den", ID: "1", Text: "another room's 1"})
	a.expectOf("refused", "refused lobby 5 unavailable 1000", "refused lobby 2 unavailable 1000", "refused den 1 unavailable 1000")
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		a.say(id, id)
	}
	a.expectOf("refused message", "message lobby 2 1", "message lobby 3 2", "message lobby 4 3", "message lobby 5 4", "message lobby 6 5")
	b.expectOf("message", "message lobby 1 not of this sender", "message lobby 2 1", "message lobby 3 2", "message lobby 4 3",
		"message lobby 5 4", "message lobby 6 5")
}

// TestRefusedTwice: messages in flight when the client starts again belong to the time before the refusal.
func TestRefusedTwice(t *testing.T) {
	st := newHarness(t, setting{batch: 1})
	l := st.joined(wire.Lobby)
	st.logPaused = true
	l.say("1", "1")
	l.say("2", "2")
	st.settle()
	st.store.faults = []fault{rolledBack, rolledBack}
	st.stepLog() // 1 is refused; 2 waits
	l.expect("refused lobby 1 unavailable 1000")
	l.say("1", "1")
	l.say("2", "2")
	st.settle()
	st.logPaused = false
	// The first 2 precedes the refusal. The second 1 meets the next fault, which also affects the second 2.
	l.expect("refused lobby 2 unavailable 1000", "refused lobby 1 unavailable 1000", "refused lobby 2 unavailable 1000")
	l.say("2", "2")
	l.expect("refused lobby 2 unavailable 1000")
	l.say("1", "1")
	l.say("2", "2")
	l.expectOf("message", "message lobby 1 1", "message lobby 2 2")
}

func TestRateLimitedKeepsTheOrder(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 3})
	l := st.joined(wire.Lobby) // costs one of three
	for _, id := range []string{"1", "2", "3", "4"} {
		l.say(id, id)
	}
	l.expectOf("message refused", "refused lobby 3 rate_limited 200", "refused lobby 4 rate_limited 200",
		"message lobby 1 1", "message lobby 2 2")
	l.say("4", "4")
	l.expect("refused lobby 4 rate_limited 200")
	st.advance(time.Second)
	l.say("4", "4")
	l.expectOf("refused", "refused lobby 4 rate_limited 200")
	l.say("3", "3")
	l.say("4", "4")
	l.expectOf("message", "message lobby 3 3", "message lobby 4 4")
}

// TestRefusalAfterLaterRateLimit: the log refuses 1 after 2 was refused by the rates and sent again: 2 must not overtake 1.
func TestRefusalAfterLaterRateLimit(t *testing.T) {
	st := newHarness(t, setting{rate: 10, burst: 2, batch: 1})
	l := st.joined(wire.Lobby)
	st.advance(time.Second)
	st.logPaused = true
	l.say("1", "1")
	l.say("2", "2")
	l.say("3", "3")
	l.expectOf("refused", "refused lobby 3 rate_limited 100")
	st.advance(time.Second)
	l.say("3", "3")
	st.settle()
	st.store.faults = []fault{success, rolledBack} // 2 fails
	st.logPaused = false
	l.expectOf("refused message", "refused lobby 2 unavailable 1000", "refused lobby 3 unavailable 1000", "message lobby 1 1")
	st.advance(time.Second)
	l.say("2", "2")
	l.say("3", "3")
	l.expectOf("refused message", "message lobby 2 2", "message lobby 3 3")
}

// TestRefusedAlreadySaved: a refused message may also have been sent on an earlier connection, and stored from there: a
// client that has received its echo does not send it again. Other messages must not be refused forever.
func TestRefusedAlreadySaved(t *testing.T) {
	st := newHarness(t, setting{batch: 1})
	a := st.connect(Client{Protocol: chat.V1})
	st.settle()
	session := a.frames[0].(wire.Welcome).Session
	st.logPaused = true
	a.say("1", "1")
	st.settle()
	a.end(nil)
	b := st.connect(Client{Protocol: chat.V1})
	b.send(wire.Hello{Session: session}, wire.Join{Room: wire.Lobby})
	b.say("1", "1")
	st.settle()
	st.store.faults = []fault{success, rolledBack}
	st.logPaused = false
	b.expectOf("message refused", "message lobby 1 1", "refused lobby 1 unavailable 1000")
	for range 5 {
		st.advance(time.Second)
		b.say("2", "2")
	}
	b.heard()
	st.advance(3 * time.Second)
	b.say("2", "2")
	b.expect("CLOSE 1008")
	if !b.closed {
		t.Error("the connection is open")
	}
}

func TestFullQueueDelaysOnly(t *testing.T) {
	for _, v1 := range []bool{true, false} {
		st := newHarness(t, setting{queue: 3, batch: 2})
		st.settle() // the command of the start
		l := st.connect(Client{Protocol: protocolOf(v1), Room: wire.Lobby})
		if v1 {
			l.send(wire.Join{Room: wire.Lobby})
		}
		l.heard()
		var want []string
		st.logPaused = true
		for i := range 10 {
			if v1 {
				l.say(fmt.Sprint("id", i+1), fmt.Sprint(i+1))
				want = append(want, fmt.Sprintf("message lobby %d %d", i+1, i+1))
			} else {
				l.sendText(fmt.Sprint(i + 1))
				want = append(want, fmt.Sprint(i+1))
			}
		}
		l.expect()
		if len(l.unread) == 0 {
			t.Fatal("everything was read although the queue has space for 3")
		}
		st.logPaused = false
		got := slices.DeleteFunc(l.heard(), func(s string) bool { return len(s) > 5 && s[:5] == "saved" })
		if !slices.Equal(got, want) {
			t.Errorf("v1 %t: received %q, want %q", v1, got, want)
		}
	}
}

// TestFullQueueAskedOnce: a client that waits for space in the queue asks for it once, however often it is woken meanwhile.
func TestFullQueueAskedOnce(t *testing.T) {
	st := newHarness(t, setting{queue: 1})
	st.settle()
	l := st.joined(wire.Lobby)
	asked := 0
	submit := st.submit
	st.submit = func(e eventlog.Submission, room func()) error {
		asked++
		return submit(e, room)
	}
	st.logPaused = true
	l.say("1", "1")
	l.say("2", "2")
	st.settle()
	st.advance(time.Minute)
	for range 100 {
		l.Wake()
		st.settle()
	}
	if asked != 2 {
		t.Errorf("space in the queue was requested %d times, want 2", asked)
	}
	st.logPaused = false
	l.expectOf("message", "message lobby 1 1", "message lobby 2 2")
}

func TestInFlightIsBounded(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.joined(wire.Lobby)
	st.logPaused = true
	for i := range 2 * maxInFlight {
		l.say(fmt.Sprint(i), "x")
	}
	st.settle()
	if l.s.inFlight() != maxInFlight {
		t.Errorf("%d events in flight, want %d", l.s.inFlight(), maxInFlight)
	}
	st.logPaused = false
	st.settle()
	if got := st.store.Bounds(wire.Lobby).Last; got != 2*maxInFlight {
		t.Errorf("%d are stored, want %d", got, 2*maxInFlight)
	}
}

// TestNewRoomChargedOnce: a client that posts many messages in a new room creates one room.
func TestNewRoomChargedOnce(t *testing.T) {
	st := newHarness(t, setting{rate: 100, burst: 100})
	l := st.connect(Client{Protocol: chat.V1, Addr: remote})
	for i := range 50 {
		l.send(wire.Say{Room: "new", ID: fmt.Sprint(i), Text: "x"})
	}
	l.expectOf("refused")
	if got := st.store.Bounds("new").Last; got != 50 {
		t.Errorf("%d of 50 are stored", got)
	}
	for i := range roomsAMinute {
		l.send(wire.Say{Room: fmt.Sprint("new", i), ID: "a", Text: "x"})
	}
	l.expectOf("refused", "refused new9 a rate_limited 6000")
}
