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

// read takes everything after n from a seat, from its tape alone.
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
		t.Errorf("another room hears %q", got)
	}
}

// Only what was stored for the first time is heard.
func TestFeedOfOtherOutcomes(t *testing.T) {
	st := newHarness(t, 1<<20)
	g := &countingMember{}
	s := st.Join("den", JSON, g)
	st.publish("den", "once")
	again := st.command("den", "once")
	again.ID = "1"
	reused := again
	reused.Text = "another text"
	outcomes := st.apply(again, reused, eventlog.Command{Kind: eventlog.ReserveName, SenderID: "x", Name: "ann", Key: "ann"}, eventlog.Command{Kind: eventlog.Restart})
	st.Feed(outcomes, nil)
	st.check()
	if got, _ := st.read(s, 1); len(got) > 0 || g.wakes != 1 {
		t.Errorf("heard %q, woken %d times", got, g.wakes)
	}
}

// The order of Feed: first the tapes, so that whoever is told "saved" could hear it; then who asked; then all are
// woken, once a batch.
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
				t.Error("told before it was on the tape")
			}
			order = append(order, fmt.Sprint("told ", o.Command.Text))
		}}
	}
	st.Feed(st.apply(commands...), submissions)
	st.check()
	if got := strings.Join(order, ", "); got != "told 1, told 2, told 3, woken" {
		t.Error(got)
	}
}

// A room that is opened between the commit and the feed has the message in its past, and not as news too.
func TestRoomOpenedBeforeTheFeed(t *testing.T) {
	st := newHarness(t, 1<<20)
	outcomes := st.apply(st.command("den", "1"), st.command("den", "2"))
	g := &countingMember{}
	s := st.Join("den", JSON, g)
	st.Feed(outcomes, nil)
	st.check()
	if g.wakes != 0 {
		t.Error("woken for what is no news")
	}
	st.publish("den", "3")
	if got, held := st.read(s, 2); !held || !bytes.Equal(got, st.bytesOf("den", JSON, 2)) {
		t.Errorf("after 2 it reads %q", got)
	}
	st.runJobs()
	if got, held := st.read(s, 0); !held || !bytes.Equal(got, st.bytesOf("den", JSON, 0)) {
		t.Errorf("when warm it reads %q", got)
	}
}

// Should the journal ever leave a number out, readers go on from the journal.
func TestGapInNumbers(t *testing.T) {
	st := newHarness(t, 1<<20)
	s := st.Join("den", JSON, &countingMember{})
	st.publish("den", "1")
	st.apply(st.command("den", "2")) // never fed
	st.publish("den", "3")
	if _, held := st.read(s, 1); held {
		t.Fatal("the tape claims to hold what was never fed")
	}
	if got, held := st.read(s, 2); !held || !bytes.Equal(got, st.bytesOf("den", JSON, 2)) {
		t.Errorf("after the hole it reads %q", got)
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
	for _, i := range []int{4, 0, 8, 1, 3, 7, 5, 2, 6} { // from the middle, the ends, and one encoding first
		subs[i].Leave()
		st.check()
	}
	if len(st.rooms) != 0 || st.budget.Cached() != 0 {
		t.Errorf("%d rooms and %d bytes are left", len(st.rooms), st.budget.Cached())
	}
	st.runJobs() // the warming of tapes that are closed by now
	if st.budget.Cached() != 0 {
		t.Errorf("%d bytes for tapes that are closed", st.budget.Cached())
	}
}

func TestPrewarm(t *testing.T) {
	st := newHarness(t, 1<<20)
	st.publish("den", strings.Split(strings.Repeat("x", 700), "")...)
	s := st.Join("den", JSON, &countingMember{})
	st.publish("den", "while it is cold")
	if _, held := st.read(s, 600); held {
		t.Fatal("a cold tape holds the past")
	}
	st.runJobs()
	if got, held := st.read(s, 200); !held || !bytes.Equal(got, st.bytesOf("den", JSON, 200)) {
		t.Errorf("of 501 messages the tape holds %d bytes", len(got))
	}
	if _, held := st.read(s, 199); held {
		t.Error("more is held than was read")
	}
	s.Leave()

	st.store.broken = true
	s = st.Join("den", JSON, &countingMember{})
	st.runJobs()
	st.publish("den", "heard all the same")
	if got, held := st.read(s, 701); !held || !bytes.Equal(got, st.bytesOf("den", JSON, 701)) {
		t.Errorf("a cold room reads %q", got)
	}
}

// Rooms that are opened one after the other, with nothing said, keep to the budget too.
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
		t.Errorf("%d reads, want 4: who asks for the same shares it", n)
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

	ask("again", a, 10) // the first is done with
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
		t.Errorf("%d of 2 were told of the failure", failed)
	}
}

func TestRoomState(t *testing.T) {
	st := newHarness(t, 1<<20)
	plain := st.Join("den", Text, &countingMember{})
	st.Tick(start) // nobody there who could be told
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
		t.Error("nothing has changed, and it is told")
	}
	plain.Leave()
	later := st.Join("den", JSON, &countingMember{})
	if later.PresenceAtJoin() != v {
		t.Errorf("who comes later has seen version %d, want %d", later.PresenceAtJoin(), v)
	}
	st.Tick(start)
	if s.State().PresenceVersion != v+1 {
		t.Error("the count is the same, but one has not been told it")
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

// Both forms of ramai.v1 share the room's state: who comes to the one does not make those in the other hear it anew.
func TestStateIsSharedByEncodings(t *testing.T) {
	st := newHarness(t, 1<<20)
	first := st.Join("den", DeflatedJSON, &countingMember{})
	st.Tick(start)
	if v := first.State().PresenceVersion; v != 1 {
		t.Fatalf("one who reads deflated is told version %d, want 1", v)
	}
	second := st.Join("den", JSON, &countingMember{})
	if v := second.PresenceAtJoin(); v != 1 {
		t.Errorf("who comes to the other form has seen version %d, want 1", v)
	}
	st.Tick(start)
	first.Leave()
	st.Tick(start)
	third := st.Join("den", DeflatedJSON, &countingMember{})
	if v := third.PresenceAtJoin(); v != 3 {
		t.Errorf("who comes back to a form has seen version %d, want 3", v)
	}
}

func TestWhoLimit(t *testing.T) {
	st := newHarness(t, 1<<20)
	for i := range wire.MaxWho + 7 {
		by := fmt.Sprintf("by%04d", i)
		st.Feed(st.apply(eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Name: "n" + by, Key: by}), nil)
		st.Join("den", Text, &countingMember{by: by})
	}
	w := st.Who("den")
	if w.Count != wire.MaxWho+7 || len(w.Names) != wire.MaxWho || w.Names[0] != "nby0000" {
		t.Errorf("%d, %d names from %s", w.Count, len(w.Names), w.Names[0])
	}
}
