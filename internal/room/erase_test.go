package room

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// change replaces the text of record n in the store, and feeds the change. It returns a func that reports whether the reply
// was delivered.
func (st *harness) change(room string, n uint64, text string) (replied func() bool) {
	st.tb.Helper()
	st.rewrite(room, n, text)
	return st.feedChange(room, eventlog.Saved, st.store.rewritten[n])
}

// rewrite replaces the text of record n in the store, and feeds nothing.
func (st *harness) rewrite(room string, n uint64, text string) {
	if st.store.rewritten == nil {
		st.store.rewritten = map[uint64]eventlog.Record{}
	}
	st.store.rewritten[n] = eventlog.MessageRecord(&wire.Message{Room: room, N: n, At: wire.TimeOf(start), SenderID: "somebody", ID: fmt.Sprint(n), Text: text})
}

// feedChange feeds the outcome of a command that has rewritten records.
func (st *harness) feedChange(room string, status eventlog.Status, replaced ...eventlog.Record) (replied func() bool) {
	st.tb.Helper()
	return st.feed(eventlog.Change, room, status, replaced...)
}

// feed feeds the outcome of a command.
func (st *harness) feed(kind eventlog.Kind, room string, status eventlog.Status, replaced ...eventlog.Record) (replied func() bool) {
	st.tb.Helper()
	replies := 0
	to := &eventlog.ReplyTo{Deliver: func(s *eventlog.Submission, o *eventlog.Outcome) {
		if replies++; s.Ref != "ref" || o.Status != status || o.Command.Room != room {
			st.tb.Errorf("a reply with %+v and %+v", s, o)
		}
	}}
	c := eventlog.Command{Kind: kind, Room: room}
	st.Feed([]eventlog.Outcome{{Command: &c, Status: status, Replaced: replaced}}, []eventlog.Submission{{Command: c, ReplyTo: to, Ref: "ref"}})
	st.check()
	return func() bool {
		st.tb.Helper()
		if replies > 1 {
			st.tb.Errorf("%d replies", replies)
		}
		return replies == 1
	}
}

// pass makes a member that holds record n pass the erasures of its room.
func pass(s *Subscription, n uint64) bool {
	return s.PassErasures(func(from, to uint64) bool { return from <= n && n <= to })
}

// TestReplyWaitsForMembers: the reply to a change waits for every member to pass, once each, or to leave. Members that join
// later do not count.
func TestReplyWaitsForMembers(t *testing.T) {
	st := newHarness(t, 1<<20)
	members := []*countingMember{{by: "a"}, {by: "b"}, {by: "c"}}
	var subs []*Subscription
	for _, m := range members {
		subs = append(subs, st.Join("den", JSON, m))
	}
	elsewhere := &countingMember{}
	st.Join("other", JSON, elsewhere)
	st.publish("den", "one", "two")
	if replied := st.change("den", 7, "no such number"); replied() {
		t.Error("a reply before the members have passed")
	}
	for _, s := range subs {
		pass(s, 0)
	}
	replied := st.change("den", 1, "ONE")
	late := st.Join("den", Text, &countingMember{by: "d"})
	if members[0].interrupts != 2 || elsewhere.interrupts != 0 {
		t.Errorf("the members were interrupted %d times, those of another room %d times", members[0].interrupts, elsewhere.interrupts)
	}
	for range 3 {
		if pass(subs[0], 2); !pass(late, 1) {
			t.Error("a member that joined later holds erased bytes")
		}
	}
	if pass(subs[1], 1) {
		t.Error("a member passed that holds the erased record")
	}
	pass(subs[2], 0)
	if replied() {
		t.Error("a reply while a member holds the erased record")
	}
	again := st.change("den", 2, "TWO")
	subs[1].Leave()
	if !replied() || again() {
		t.Errorf("replies %v and %v, want the first", replied(), again())
	}
	pass(subs[0], 0)
	pass(subs[2], 0)
	late.Leave()
	if !again() {
		t.Error("no reply after all have passed or left")
	}
	if st.change("nobody is here", 1, "x")(); len(st.erasures.pending) > 0 {
		t.Errorf("pending: %v", st.erasures.pending)
	}
}

// TestRepeatWaits: a repeated change waits for everything the first attempt waits for, and for nothing if that is done. A
// mark that changes nothing does not wait: the next one would be answered first.
func TestRepeatWaits(t *testing.T) {
	st := newHarness(t, 1<<20)
	s := st.Join("den", JSON, &countingMember{})
	st.publish("den", "one")
	first := st.change("den", 1, "ONE")
	second := st.change("den", 1, "One")
	repeat, refused := st.feedChange("den", eventlog.Repeat), st.feedChange("den", eventlog.Refused)
	if first() || second() || repeat() || !refused() {
		t.Errorf("replies %v, %v, %v and %v, want only that to the refused one", first(), second(), repeat(), refused())
	}
	if !st.feed(eventlog.Mark, "den", eventlog.Repeat)() {
		t.Error("a mark waits for a change")
	}
	pass(s, 0)
	if !first() || !second() || !repeat() {
		t.Errorf("replies %v, %v and %v", first(), second(), repeat())
	}
	if !st.feedChange("den", eventlog.Repeat)() {
		t.Error("a repeat waits for nothing")
	}
}

// TestDecisionWaits: the answer to a decision about a held message, and to its repetition, waits for the members of the room of the
// moderators, where the message was, and so does what its author is told, if the message is not posted.
func TestDecisionWaits(t *testing.T) {
	st := newHarness(t, 1<<20)
	s := st.Join("~den", JSON, &countingMember{})
	author := &countingMember{by: "author"}
	st.Join("den", JSON, author)
	st.publish("~den", "held")
	st.rewrite("~den", 1, "")
	judge, closes := eventlog.Command{Kind: eventlog.Judge, Room: "den"}, eventlog.Command{Kind: eventlog.Change, Room: "~den"}
	replies := 0
	to := &eventlog.ReplyTo{Deliver: func(*eventlog.Submission, *eventlog.Outcome) { replies++ }}
	st.Feed(
		[]eventlog.Outcome{{Command: &judge, Status: eventlog.Saved}, {Command: &closes, Status: eventlog.Saved, Replaced: []eventlog.Record{st.store.rewritten[1]}, Judged: &eventlog.Judged{Room: "den", SenderID: "author", Err: &wire.CodedError{Code: wire.Gone}}}},
		[]eventlog.Submission{{Command: judge, ReplyTo: to}, {}},
	)
	st.Feed([]eventlog.Outcome{{Command: &closes, Status: eventlog.Saved, Judged: &eventlog.Judged{Room: "den", SenderID: "author", N: 7}}}, nil)
	if len(author.judged) != 1 {
		t.Errorf("the author is told %d decisions before the members have passed, want the approval", len(author.judged))
	}
	again := st.feed(eventlog.Judge, "den", eventlog.Repeat)
	if replies > 0 || again() {
		t.Error("a reply before the members have passed")
	}
	pass(s, 0)
	if replies != 1 || !again() {
		t.Errorf("%d replies, and that to the repetition was delivered (%v)", replies, again())
	}
	if len(author.judged) != 2 {
		t.Errorf("the author is told %d decisions, want 2", len(author.judged))
	}
}

// TestRejectionsWaitTogether: many rejections of one batch wait for the members as one, and arrive in order.
func TestRejectionsWaitTogether(t *testing.T) {
	st := newHarness(t, 1<<20)
	s := st.Join("~den", JSON, &countingMember{})
	author := &countingMember{by: "author"}
	st.Join("den", JSON, author)
	const rejected = 100
	var outcomes []eventlog.Outcome
	for i := range uint64(rejected) {
		st.publish("~den", "held")
		st.rewrite("~den", i+1, "")
		outcomes = append(outcomes, eventlog.Outcome{
			Command: &eventlog.Command{Kind: eventlog.Change, Room: "~den"}, Status: eventlog.Saved, Replaced: []eventlog.Record{st.store.rewritten[i+1]},
			Judged: &eventlog.Judged{Room: "den", SenderID: "author", At: wire.Time(i), Err: &wire.CodedError{Code: wire.Gone}},
		})
	}
	st.Feed(outcomes, nil)
	for _, e := range st.erasures.pending {
		if len(e.replies) != 1 {
			t.Fatalf("%d messages wait for an erasure, want one for all rejections", len(e.replies))
		}
	}
	if len(author.judged) > 0 {
		t.Errorf("the author is told %d rejections before the members have passed", len(author.judged))
	}
	pass(s, 0)
	if len(author.judged) != rejected {
		t.Fatalf("the author is told %d rejections, want %d", len(author.judged), rejected)
	}
	for i, j := range author.judged {
		if j.At != wire.Time(i) {
			t.Fatalf("rejection %d is that of message %d", i, j.At)
		}
	}
}

// TestChangedTextIsRead: after a change, readers get the new text from the buffers, in every encoding, and from backfills
// that they hold.
func TestChangedTextIsRead(t *testing.T) {
	st := newHarness(t, 1<<20)
	subs := make([]*Subscription, encodings)
	for enc := range encodings {
		subs[enc] = st.Join("den", enc, &countingMember{by: fmt.Sprint(enc)})
	}
	st.publish("den", "one", longText, "three", longText+longText)
	held := make([]BackfillResult, encodings)
	for enc, s := range subs {
		s.Backfill(0, func(c BackfillResult, _ error) { held[enc] = c })
	}
	st.runJobs()
	check := func() {
		t.Helper()
		for enc, s := range subs {
			want := st.bytesOf("den", Encoding(enc), 0)
			if got, _ := st.read(s, 0); !bytes.Equal(got, want) {
				t.Errorf("encoding %d: the buffer has %q, want %q", enc, got, want)
			}
			var got []byte
			for n := uint64(0); n < held[enc].Frames.Last(); {
				span, _ := held[enc].Frames.After(n, 1)
				got, n = append(got, span.Bytes()...), span.Last()
			}
			if !bytes.Equal(got, want) {
				t.Errorf("encoding %d: the backfill has %q, want %q", enc, got, want)
			}
		}
	}
	check()
	for i, text := range []string{"ONE", longText + "!", "", strings.ToUpper(longText)} {
		st.change("den", uint64(i+1), text)
		check()
		if got := st.bytesOf("den", JSON, 0); text != "" && !bytes.Contains(got, []byte(text)) {
			t.Fatalf("the store has %q", got)
		}
	}
	for enc, s := range subs {
		held[enc].Frames.Release()
		s.Leave()
	}
	if u := st.Budget().Usage(); u.Buffers+u.Backfills != 0 {
		t.Errorf("in the end %+v", u)
	}
}

// TestErasedWhileRead: a record that is erased between a read and the hand-over is read again. So a prewarmed buffer and a
// backfill never have the former text. Erasures elsewhere cause no second read.
func TestErasedWhileRead(t *testing.T) {
	for _, c := range []struct {
		what       string
		erased     func(*harness)
		reads      int32
		formerText bool
	}{
		{"erased", func(st *harness) { st.change("den", 2, "TWO") }, 2, false},
		{"another number", func(st *harness) { st.change("den", 9, "NINE") }, 1, true},
		{"another room", func(st *harness) { st.change("other", 2, "TWO"); delete(st.store.rewritten, 2) }, 1, true},
		{"too many to remember", func(st *harness) {
			for range rememberedErasures + 1 {
				st.change("other", 9, "NINE")
			}
		}, 2, true},
	} {
		for _, prewarmed := range []bool{true, false} {
			st := newHarness(t, 1<<20)
			st.publish("den", "one", "two", "three")
			var s *Subscription
			var got []byte
			if st.store.reads.Store(0); prewarmed {
				s = st.Join("den", JSON, &countingMember{})
				st.store.afterRead = func() { c.erased(st) }
				st.runJobs()
				got, _ = st.read(s, 0)
			} else {
				s = st.Join("den", JSON, &countingMember{})
				st.jobs = nil // not prewarmed
				s.Backfill(0, func(c BackfillResult, err error) {
					got = slices.Clone(framesOf(c, 0))
					c.Frames.Release()
				})
				st.store.afterRead = func() { c.erased(st) }
				st.runJobs()
			}
			if reads := st.store.reads.Load(); reads != c.reads || bytes.Contains(got, []byte("two")) != c.formerText || len(got) == 0 {
				t.Errorf("%s, prewarmed %v: %d reads, want %d; the reader gets %q", c.what, prewarmed, reads, c.reads, got)
			}
			if pass(s, 0); len(st.erasures.pending) > 0 {
				t.Errorf("%s: %d erasures are pending", c.what, len(st.erasures.pending))
			}
			s.Leave()
		}
	}
}

// TestExposure: an exposure of an erased record is aborted once, and the reply waits for its end. An exposure of other
// records is not affected, and records read before an erasure cannot be exposed.
func TestExposure(t *testing.T) {
	st := newHarness(t, 1<<20)
	since := st.Mark()
	aborts := [3]int{}
	var exposed []*Exposure
	for i, ranges := range [][]Range{{{"den", 1, 4}}, {{"den", 6, 9}, {"other", 5, 5}}, {{"other", 5, 5}, {"den", 5, 5}}} {
		e, ok := st.Expose(since, "", netip.Addr{}, func() { aborts[i]++ }, ranges...)
		if !ok {
			t.Fatal("nothing was erased, but it has to be read again")
		}
		exposed = append(exposed, e)
	}
	st.publish("den", "1", "2", "3", "4", "5", "6")
	first, second := st.change("den", 5, "five"), st.change("den", 5, "FIVE")
	if aborts != [3]int{0, 0, 1} || first() || second() {
		t.Errorf("aborted %v, replies %v and %v", aborts, first(), second())
	}
	if _, ok := st.Expose(since, "", netip.Addr{}, nil, Range{"den", 1, 5}); ok {
		t.Error("a record was erased, and data read before that is exposed")
	}
	if e, ok := st.Expose(st.Mark(), "", netip.Addr{}, nil, Range{"den", 1, 5}); !ok {
		t.Error("nothing was erased since the mark")
	} else {
		e.Release()
	}
	exposed[2].Release()
	exposed[2].Release()
	if !first() || !second() {
		t.Errorf("replies %v and %v after the end", first(), second())
	}
	exposed[0].Release()
	exposed[1].Release()
	(*Exposure)(nil).Release()
	if len(st.erasures.exposed)+len(st.erasures.pending) > 0 {
		t.Errorf("left: %d exposures, %d erasures", len(st.erasures.exposed), len(st.erasures.pending))
	}
}

// TestBackfillsForgotten: a room forgets backfills that nobody holds.
func TestBackfillsForgotten(t *testing.T) {
	st := newHarness(t, 1<<20)
	st.publish("den", "one", "two")
	s := st.Join("den", JSON, &countingMember{})
	for range 1000 {
		s.Backfill(0, func(c BackfillResult, _ error) { c.Frames.Release() })
		st.runJobs()
	}
	if got := cap(s.room.backfills); got > 4 {
		t.Errorf("the room keeps %d backfills", got)
	}
}

// BenchmarkErase measures an edit in a room with many members, and for comparison a message.
func BenchmarkErase(b *testing.B) {
	for _, kind := range []string{"message", "edit"} {
		b.Run(kind, func(b *testing.B) {
			st := newHarness(b, 64<<20)
			var subs []*Subscription
			for range 10_000 {
				subs = append(subs, st.Join("den", JSON, &countingMember{}))
			}
			st.Feed(st.apply(st.command("den", "one")), nil)
			record := eventlog.MessageRecord(&wire.Message{Room: "den", N: 1, Text: "changed"})
			n := uint64(1)
			for b.Loop() {
				outcomes := st.apply(st.command("den", "a text of usual length, with some words"))
				if kind == "edit" {
					outcomes[0].Replaced = []eventlog.Record{record}
				}
				st.Feed(outcomes, nil)
				for _, s := range subs {
					if kind == "edit" {
						pass(s, 0)
					}
					s.After(n, 64<<10)
				}
				n++
			}
		})
	}
}
