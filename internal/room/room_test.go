package room

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// read reads everything after n from the subscription's buffer alone.
func (st *harness) read(s *Subscription, n uint64) ([]byte, bool) {
	var b []byte
	for {
		span, held := s.After(n, 1000)
		if !held || len(span.Bytes()) == 0 {
			return b, held
		}
		b = append(b, span.Bytes()...)
		n, _ = span.Advance(len(span.Bytes()))
	}
}

func TestFeedGoesToEveryReaderOfTheRoom(t *testing.T) {
	st := newHarness(t, 1<<20)
	subs := map[string]*Subscription{}
	for name, enc := range map[string]Encoding{"v1": JSON, "v1 too": JSON, "plain": Text, "v1 deflated": DeflatedJSON, "plain deflated": DeflatedText} {
		subs[name] = st.Join("den", enc, &countingMember{by: name})
	}
	other := st.Join("other", JSON, &countingMember{})
	st.publish("den", "one", "", "two\nlines", longText)
	for name, s := range subs {
		got, held := st.read(s, 0)
		if want := st.bytesOf("den", s.enc, 0); !held || !bytes.Equal(got, want) {
			t.Errorf("%s reads %q, want %q", name, got, want)
		}
	}
	if got, _ := st.read(other, 0); len(got) > 0 {
		t.Errorf("a reader of another room reads %q", got)
	}
}

// TestFeedOfOtherOutcomes: only newly stored messages are published.
func TestFeedOfOtherOutcomes(t *testing.T) {
	st := newHarness(t, 1<<20)
	g := &countingMember{}
	s := st.Join("den", JSON, g)
	st.publish("den", "once")
	again := st.command("den", "once")
	again.ID = "1"
	reused := again
	reused.Text = "another text"
	outcomes := st.apply(again, reused, eventlog.Command{Kind: eventlog.ReserveName, SenderID: "x", Body: eventlog.ReserveNameBody{Name: "ann", Key: "ann"}})
	st.Feed(outcomes, nil)
	st.Feed(st.apply(eventlog.Command{Kind: eventlog.Start, Body: eventlog.StartBody{Node: eventlog.LocalNode, Nonce: "x"}}), nil)
	st.check()
	if got, _ := st.read(s, 1); len(got) > 0 || g.wakes != 1 {
		t.Errorf("read %q, woken %d times", got, g.wakes)
	}
}

// TestFeedOrder: Feed appends to the buffers first, so that a client that receives "saved" can read the message; then it
// delivers replies; then it wakes members, once per batch.
func TestFeedOrder(t *testing.T) {
	st := newHarness(t, 1<<20)
	var order []string
	g := &countingMember{woken: func() { order = append(order, "woken") }}
	s := st.Join("den", JSON, g)
	commands := []eventlog.Command{st.command("den", "1"), st.command("den", "2"), st.command("elsewhere", "3")}
	submissions := make([]eventlog.Submission, len(commands))
	for i := range submissions {
		submissions[i].ReplyTo = &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) {
			if span, held := s.After(1, 1000); !held || len(span.Bytes()) == 0 {
				t.Error("reply delivered before the message was in the buffer")
			}
			order = append(order, fmt.Sprint("replied ", o.Command.Text))
		}}
	}
	st.Feed(st.apply(commands...), submissions)
	st.check()
	if got := strings.Join(order, ", "); got != "replied 1, replied 2, replied 3, woken" {
		t.Error(got)
	}
}

// TestRoomOpenedBeforeTheFeed: if a room is opened between the commit and the feed, the message is part of its history and
// not published again.
func TestRoomOpenedBeforeTheFeed(t *testing.T) {
	st := newHarness(t, 1<<20)
	outcomes := st.apply(st.command("den", "1"), st.command("den", "2"))
	g := &countingMember{}
	s := st.Join("den", JSON, g)
	st.Feed(outcomes, nil)
	st.check()
	if g.wakes != 0 {
		t.Error("woken for an old message")
	}
	st.publish("den", "3")
	if got, held := st.read(s, 2); !held || !bytes.Equal(got, st.bytesOf("den", JSON, 2)) {
		t.Errorf("after 2 it reads %q", got)
	}
	st.runJobs()
	if got, held := st.read(s, 0); !held || !bytes.Equal(got, st.bytesOf("den", JSON, 0)) {
		t.Errorf("after prewarming it reads %q", got)
	}
}

// TestGapInNumbers: if the store ever skips a number, readers continue from the store.
func TestGapInNumbers(t *testing.T) {
	st := newHarness(t, 1<<20)
	s := st.Join("den", JSON, &countingMember{})
	st.publish("den", "1")
	st.apply(st.command("den", "2")) // never fed
	st.publish("den", "3")
	if _, held := st.read(s, 1); held {
		t.Fatal("the buffer claims to hold what was never fed")
	}
	if got, held := st.read(s, 2); !held || !bytes.Equal(got, st.bytesOf("den", JSON, 2)) {
		t.Errorf("after the gap it reads %q", got)
	}
	s.Leave()
	st.check()
}

func TestLeaveReleasesBuffers(t *testing.T) {
	st := newHarness(t, 1<<20)
	st.publish("den", "old")
	var subs []*Subscription
	for i := range 9 {
		subs = append(subs, st.Join("den", Encoding(i)%encodings, &countingMember{by: fmt.Sprint(i)}))
		st.check()
	}
	st.publish("den", "new")
	for _, i := range []int{4, 0, 8, 1, 3, 7, 5, 2, 6} { // from the middle, from the ends, and all of one encoding first
		subs[i].Leave()
		st.check()
	}
	if len(st.rooms) != 0 || st.budget.Cached() != 0 {
		t.Errorf("%d rooms and %d bytes are left", len(st.rooms), st.budget.Cached())
	}
	st.runJobs() // prewarming of buffers that are closed by now
	if st.budget.Cached() != 0 {
		t.Errorf("%d bytes for closed buffers", st.budget.Cached())
	}
}

func TestPrewarm(t *testing.T) {
	st := newHarness(t, 1<<20)
	st.publish("den", strings.Split(strings.Repeat("x", 700), "")...)
	s := st.Join("den", JSON, &countingMember{})
	st.publish("den", "before prewarming")
	if _, held := st.read(s, 600); held {
		t.Fatal("a buffer that was not prewarmed holds old messages")
	}
	st.runJobs()
	if got, held := st.read(s, 200); !held || !bytes.Equal(got, st.bytesOf("den", JSON, 200)) {
		t.Errorf("of 501 messages the buffer holds %d bytes", len(got))
	}
	if _, held := st.read(s, 199); held {
		t.Error("the buffer holds more than was read")
	}
	s.Leave()

	st.store.broken = true
	s = st.Join("den", JSON, &countingMember{})
	st.runJobs()
	st.publish("den", "read all the same")
	if got, held := st.read(s, 701); !held || !bytes.Equal(got, st.bytesOf("den", JSON, 701)) {
		t.Errorf("a cold room reads %q", got)
	}
}

// TestPrewarmStaysWithinBudget: rooms that are opened one after the other without any new message stay within the budget.
func TestPrewarmStaysWithinBudget(t *testing.T) {
	const budget = 100 << 10
	st := newHarness(t, budget)
	for i := range 20 {
		room := fmt.Sprint("room", i)
		for range 10 {
			st.publish(room, strings.Repeat("x", 4000))
		}
		st.Join(room, JSON, &countingMember{})
		st.runJobs()
		if got := st.budget.Cached(); got > budget {
			t.Fatalf("%d rooms take %d bytes of %d", i+1, got, budget)
		}
	}
}

func TestBackfill(t *testing.T) {
	st := newHarness(t, 1)
	st.publish("den", strings.Split(strings.Repeat("x", 30), "")...)
	a, b, c := st.Join("den", JSON, &countingMember{}), st.Join("den", JSON, &countingMember{}), st.Join("den", Text, &countingMember{})
	st.runJobs()
	st.store.reads.Store(0)
	got := map[string]BackfillResult{}
	ask := func(name string, s *Subscription, n uint64) {
		s.Backfill(n, func(result BackfillResult, err error) {
			if err != nil {
				t.Error(err)
			}
			got[name] = result
		})
	}
	ask("a", a, 10)
	ask("b", b, 10)
	ask("of another place", b, 11)
	ask("of another encoding", c, 10)
	ask("of the newest", a, 30)
	st.runJobs()
	if n := st.store.reads.Load(); n != 4 || got["a"].Frames != got["b"].Frames {
		t.Errorf("%d reads, want 4: equal backfills share one", n)
	}
	for name, want := range map[string][]byte{
		"a": st.bytesOf("den", JSON, 10), "of another place": st.bytesOf("den", JSON, 11), "of another encoding": st.bytesOf("den", Text, 10),
	} {
		f := got[name].Frames
		if b := framesOf(got[name], f.First()-1); !bytes.Equal(b, want) || f.Last() != 30 || got[name].First != 1 {
			t.Errorf("%s: read up to %d, first %d: %q", name, f.Last(), got[name].First, b)
		}
	}
	if got["of the newest"].Frames != nil {
		t.Error("there is something after the newest")
	}

	ask("again", a, 10) // the first backfill has ended
	st.runJobs()
	if n := st.store.reads.Load(); n != 5 {
		t.Errorf("%d reads, want 5", n)
	}
	st.store.first = 21
	ask("gone", a, 10)
	st.runJobs()
	if result := got["gone"]; result.First != 21 || result.Frames.First() != 21 {
		t.Errorf("after retention: kept from %d, read from %d", result.First, result.Frames.First())
	}
	st.store.broken = true
	failed := 0
	for range 2 {
		a.Backfill(10, func(_ BackfillResult, err error) {
			if err != nil {
				failed++
			}
		})
	}
	st.runJobs()
	if failed != 2 {
		t.Errorf("%d of 2 callbacks got the error", failed)
	}
}

func TestRoomState(t *testing.T) {
	st := newHarness(t, 1<<20)
	plain := st.Join("den", Text, &countingMember{by: "p"})
	st.Tick(start) // nobody to send it to
	g := &countingMember{}
	s := st.Join("den", JSON, g)
	if s.State().PresenceVersion != 0 || s.PresenceAtJoin() != 0 || s.Count() != 2 {
		t.Errorf("at first %+v", *s.State())
	}
	st.Tick(start)
	v := s.State().PresenceVersion
	if v != 1 || g.wakes != 1 || !bytes.Contains(s.State().Presence, []byte(`"count":2`)) || s.State().TypingVersion != 0 {
		t.Errorf("after a tick %+v, woken %d times", *s.State(), g.wakes)
	}
	st.Tick(start)
	if s.State().PresenceVersion != v || g.wakes != 1 {
		t.Error("an unchanged state was announced")
	}
	plain.Leave()
	later := st.Join("den", JSON, &countingMember{by: "l"})
	if later.PresenceAtJoin() != v {
		t.Errorf("a later member has version %d at join, want %d", later.PresenceAtJoin(), v)
	}
	st.Tick(start)
	if s.State().PresenceVersion != v+1 {
		t.Error("a new member was not sent an unchanged presence")
	}
	st.Typing("den", "x", start)
	st.Typing("nowhere", "x", start)
	st.Tick(start.Add(typingLasts))
	if s.State().TypingVersion != 1 || !bytes.Contains(s.State().Typing, []byte(`"by":"x"`)) {
		t.Errorf("typing: %s", s.State().Typing)
	}
	st.Tick(start.Add(typingLasts + time.Millisecond))
	if s.State().TypingVersion != 2 || bytes.Contains(s.State().Typing, []byte(`"by":"x"`)) {
		t.Errorf("after %v typing: %s", typingLasts, s.State().Typing)
	}
}

// TestStateIsSharedByEncodings: both encodings of ramai.v1 share the room's state: joining with one does not resend it to
// readers of the other.
func TestStateIsSharedByEncodings(t *testing.T) {
	st := newHarness(t, 1<<20)
	first := st.Join("den", DeflatedJSON, &countingMember{by: "a"})
	st.Tick(start)
	if v := first.State().PresenceVersion; v != 1 {
		t.Fatalf("a reader of the deflated encoding has version %d, want 1", v)
	}
	second := st.Join("den", JSON, &countingMember{})
	if v := second.PresenceAtJoin(); v != 1 {
		t.Errorf("a member that joins with the other encoding has version %d at join, want 1", v)
	}
	st.Tick(start)
	first.Leave()
	st.Tick(start)
	third := st.Join("den", DeflatedJSON, &countingMember{by: "c"})
	if v := third.PresenceAtJoin(); v != 3 {
		t.Errorf("a member that joins again has version %d at join, want 3", v)
	}
}

func TestWhoLimit(t *testing.T) {
	st := newHarness(t, 1<<20)
	for i := range wire.MaxWho + 7 {
		by := fmt.Sprintf("by%04d", i)
		st.Feed(st.apply(eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: "n" + by, Key: by}}), nil)
		st.Join("den", Text, &countingMember{by: by})
	}
	w := st.Who(wire.Who{Room: "den"})
	if w.Count != wire.MaxWho+7 || w.Matching != wire.MaxWho+7 || len(w.Names) != wire.MaxWho || w.Names[0] != "nby0000" {
		t.Errorf("%d, %d names from %s", w.Count, len(w.Names), w.Names[0])
	}
}
