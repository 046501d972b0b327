package session

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/internal/frame"
	"ramai/wire"
)

// publishVaried posts n messages of many lengths in the lobby, each in its own batch.
func (st *harness) publishVaried(n int) {
	st.tb.Helper()
	head := st.store.Bounds(wire.Lobby).Last
	for i := range n {
		text := fmt.Sprint("number ", int(head)+i+1, strings.Repeat(" and on", int(head)+i%300))
		e := eventlog.Command{Kind: eventlog.Say, SenderID: "publisher", Room: wire.Lobby, Text: text[:min(len(text), 4000)], Once: true}
		if err := st.sequencer.Submit(eventlog.Submission{Command: e}, nil); err != nil {
			st.tb.Fatal(err)
		}
		if !st.stepLog() {
			st.tb.Fatal("the log did not store a command")
		}
	}
}

// bytesOf returns the encoded frames of the lobby's messages after number n.
func (st *harness) bytesOf(v1 bool, n uint64) []byte {
	st.tb.Helper()
	var b []byte
	for {
		messages, _, err := st.store.Store.Read(wire.Lobby, n, eventlog.MaxRead)
		if err != nil {
			st.tb.Fatal(err)
		}
		if len(messages) == 0 {
			return b
		}
		for i := range messages {
			m, _, err := messages[i].Message()
			if err != nil {
				st.tb.Fatal(err)
			}
			if v1 {
				b = frame.AppendText(b, wire.AppendMessage(nil, &m))
			} else {
				b = frame.AppendText(b, wire.AppendLine(nil, &m))
			}
			n = messages[i].N
		}
	}
}

// TestShortWrites: a reader receives exactly the frames of the messages, from the fan-out buffer or the log, however the
// bytes are split.
func TestShortWrites(t *testing.T) {
	for _, buffer := range []int64{1, 20 << 10, 4 << 20} {
		for _, v1 := range []bool{true, false} {
			rng := rand.New(rand.NewPCG(uint64(buffer), 1))
			st := newHarness(t, setting{buffer: buffer})
			l := st.plain(Client{})
			if v1 {
				l = st.joined(wire.Lobby)
			}
			l.raw = nil
			for st.store.Bounds(wire.Lobby).Last < 300 {
				st.publishVaried(rng.IntN(40))
				l.writeSize, l.max = 1+rng.IntN(300), 1+rng.IntN(5000)
				st.settle()
			}
			if want := st.bytesOf(v1, 0); !bytes.Equal(l.raw, want) {
				t.Errorf("buffer of %d bytes, v1 %t: received %d bytes, want %d, or the content differs", buffer, v1, len(l.raw), len(want))
			}
		}
	}
}

// TestCutFrameFinishedFirst: the rest of a frame that was cut precedes everything else, including answers and the goodbye.
func TestCutFrameFinishedFirst(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.joined(wire.Lobby)
	st.publishVaried(1)
	for !l.next() || l.unconfirmed == nil {
	}
	l.write(5)
	l.send(wire.Ping{ID: "x"}, wire.Leave{Room: wire.Lobby})
	l.receive(len(l.up))
	l.s.Force(0)
	l.writeSize = 7
	l.expect("message lobby 1 number 1", "pong x", "restarting 0", "CLOSE 1012")
}

// TestSlowReader: a blocked reader costs nothing and delays nobody, and receives exactly the same bytes when it continues.
func TestSlowReader(t *testing.T) {
	for _, v1 := range []bool{true, false} {
		st := newHarness(t, setting{buffer: 8 << 10})
		slow, fast := st.plain(Client{}), st.joined(wire.Lobby)
		if v1 {
			slow = st.joined(wire.Lobby)
		}
		slow.raw, fast.raw, slow.blocked = nil, nil, true
		for range 10 {
			st.publishVaried(50)
			if got := len(fast.heard()); got != 50 {
				t.Fatalf("the fast reader received %d of 50", got)
			}
			if s := slow.s; len(s.control) > 0 || s.mailbox.Load() != nil {
				t.Fatalf("the slow reader holds %d bytes of control frames, messages %v", len(s.control), s.mailbox.Load())
			}
		}
		slow.blocked, slow.writeSize = false, 1000
		st.settle()
		if want := st.bytesOf(v1, 0); !bytes.Equal(slow.raw, want) {
			t.Errorf("v1 %t: received %d bytes, want %d, or the content differs", v1, len(slow.raw), len(want))
		}
		if want := st.bytesOf(true, 0); !bytes.Equal(fast.raw, want) {
			t.Error("the fast reader received other bytes")
		}
	}
}

// TestHiddenRecords: records that an encoding hides are skipped without sending anything, wherever they are.
func TestHiddenRecords(t *testing.T) {
	shown := frame.AppendText(nil, []byte("shown"))
	for hidden, want := range map[string][]byte{
		"all": nil, "first": shown, "last": shown, "both": shown, "between": append(bytes.Clone(shown), shown...),
	} {
		st := newHarness(t, setting{})
		l := st.plain(Client{})
		l.raw = nil
		var frames []byte
		var ends []int
		for _, has := range map[string][]bool{
			"all": {false, false, false}, "first": {false, false, true}, "last": {true, false, false}, "both": {false, true, false}, "between": {true, false, true},
		}[hidden] {
			if has {
				frames = append(frames, shown...)
			}
			ends = append(ends, len(frames))
		}
		p := l.s.cursors[0]
		p.backfill = st.hub.Budget().Backfill(fanout.SegmentOf(p.n+1, frames, ends), 1)
		last := p.backfill.Last()
		l.Wake()
		st.settle()
		if p.n != last || p.backfill != nil || !bytes.Equal(l.raw, want) {
			t.Errorf("%s hidden: the position is %d of %d, it holds a backfill: %v, received %d bytes, want %d", hidden, p.n, last, p.backfill != nil, len(l.raw), len(want))
		}
	}
}

// TestOneBackfillAtATime: only one backfill is requested at a time, and it is released after use.
func TestOneBackfillAtATime(t *testing.T) {
	st := newHarness(t, setting{buffer: 1})
	st.publishVaried(2000)
	l := st.v1()
	st.jobsPaused = true
	l.send(wire.Join{Room: wire.Lobby, Last: new(500)})
	st.settle()
	jobs := len(st.jobs)
	for range 100 {
		l.Wake()
		st.publishVaried(1)
		st.settle()
	}
	if len(st.jobs) != jobs {
		t.Errorf("%d jobs, after %d", len(st.jobs), jobs)
	}
	st.jobsPaused = false
	st.settle()
	p := l.s.cursors[0]
	if p.n != 2100 || l.s.backfilling {
		t.Errorf("at %d, backfilling %t", p.n, l.s.backfilling)
	}
	st.publishVaried(1)
	st.settle()
	if p.backfill != nil {
		t.Error("a reader that has caught up holds a backfill")
	}
}

func TestBackfillRetried(t *testing.T) {
	st := newHarness(t, setting{buffer: 1})
	st.publishVaried(10)
	st.store.reads = 4 // one for prewarming the buffer, and three for backfills
	l := st.v1()
	l.send(wire.Join{Room: wire.Lobby})
	l.expect("joined lobby 1-10 count 1")
	st.advance(2 * time.Second)
	l.expectOf("message")
	st.advance(time.Second)
	if got := l.heard(); len(got) != 10 {
		t.Errorf("received %q, want all ten", got)
	}
	if l.s.cursors[0].again != 0 {
		t.Error("a retry is still scheduled")
	}
}

// TestFailedBackfillWithWarmBuffer: the fan-out buffer receives the messages that could not be read. The session must not
// ask to be woken forever.
func TestFailedBackfillWithWarmBuffer(t *testing.T) {
	st := newHarness(t, setting{})
	st.publishVaried(10)
	l := st.v1()
	st.jobsPaused = true
	l.send(wire.Join{Room: wire.Lobby})
	st.settle()
	if len(st.jobs) != 2 {
		t.Fatalf("%d jobs, want one of the buffer and one of the session", len(st.jobs))
	}
	st.store.reads = 1
	st.runJob(1)
	st.settle()
	st.runJob(0)
	st.jobsPaused = false
	st.advance(time.Minute)
	if got := l.heard(); len(got) < 11 {
		t.Errorf("heard %q", got)
	}
}

// TestGap: a gap is reported where messages are missing.
func TestGap(t *testing.T) {
	for name, c := range map[string]struct {
		said, first, after uint64
		want               string
	}{
		"the oldest are gone":    {20, 15, 3, "gap lobby 4-14"},
		"only what I have":       {20, 15, 14, ""},
		"one":                    {20, 15, 13, "gap lobby 14-14"},
		"everything is gone":     {20, 21, 3, "gap lobby 4-20"},
		"everything, and I have": {20, 21, 20, ""},
	} {
		t.Run(name, func(t *testing.T) {
			st := newHarness(t, setting{buffer: 1})
			st.publishVaried(int(c.said))
			st.trim(wire.Lobby, c.first)
			l := st.v1()
			l.send(wire.Join{Room: wire.Lobby, After: &wire.Position{HistoryID: st.store.HistoryID(), N: c.after}})
			want := []string{fmt.Sprintf("joined lobby %d-%d count 1", c.first, c.said)}
			if c.want != "" {
				want = append(want, c.want)
			}
			for n := max(c.after+1, c.first); n <= c.said; n++ {
				want = append(want, fmt.Sprintf("message lobby %d ", n))
			}
			got := l.heard()
			for i := range got {
				got[i], _, _ = strings.Cut(got[i], "number")
			}
			l.compare(got, want)
		})
	}
}

// TestGapWhileBlocked: retention overtakes a blocked reader.
func TestGapWhileBlocked(t *testing.T) {
	st := newHarness(t, setting{buffer: 1})
	l := st.joined(wire.Lobby)
	l.blocked = true
	st.publishVaried(10)
	st.settle() // Next has returned at most the first of them
	st.publishVaried(90)
	st.trim(wire.Lobby, 96)
	l.blocked = false
	st.settle()
	var n uint64
	gaps := 0
	for _, f := range l.frames {
		switch f := f.(type) {
		case wire.Gap:
			if gaps++; f.From != n+1 || f.To != 95 {
				t.Errorf("a gap of %d to %d after %d", f.From, f.To, n)
			}
			n = f.To
		case wire.Message:
			if f.N != n+1 {
				t.Errorf("%d follows %d", f.N, n)
			}
			n = f.N
		}
	}
	if n != 100 || gaps != 1 {
		t.Errorf("got to %d with %d gaps, want 100 with one", n, gaps)
	}
}

// TestLastAfterTrim: last counts from the newest stored messages.
func TestLastAfterTrim(t *testing.T) {
	st := newHarness(t, setting{})
	st.publishVaried(20)
	st.trim(wire.Lobby, 18)
	l := st.v1()
	l.send(wire.Join{Room: wire.Lobby, Last: new(10)})
	l.expectOf("joined gap", "joined lobby 18-20 count 1")
}

// TestBackfillDuringWrite: a backfill arrives while frames of the fan-out buffer are being written: they must not be mixed
// up.
func TestBackfillDuringWrite(t *testing.T) {
	st := newHarness(t, setting{})
	st.publishVaried(30)
	l := st.v1()
	st.jobsPaused = true
	l.send(wire.Join{Room: wire.Lobby, After: &wire.Position{HistoryID: st.store.HistoryID(), N: 10}})
	st.settle()
	st.runJob(0) // the fan-out buffer is prewarmed now
	l.ready = true
	for l.next() && l.unconfirmed == nil {
	}
	st.trim(wire.Lobby, 28)
	st.runJob(0) // the session learns of a gap up to 27
	l.send(wire.Ping{})
	l.receive(len(l.up))
	l.writeSize = 700
	st.jobsPaused = false
	st.settle()
	n := uint64(10)
	for _, f := range l.frames {
		if m, ok := f.(wire.Message); ok && m.N != n+1 {
			t.Fatalf("%d follows %d", m.N, n)
		} else if ok {
			n = m.N
		} else if g, ok := f.(wire.Gap); ok {
			if g.From != n+1 || g.To != 27 {
				t.Fatalf("a gap of %d to %d is reported after %d", g.From, g.To, n)
			}
			n = g.To
		}
	}
	if n != 30 {
		t.Errorf("got to %d of 30", n)
	}
}

// TestNextBounded: a frame longer than one write of the reactor is sent in parts.
func TestNextBounded(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.joined(wire.Lobby)
	l.max = 10
	l.say("x", strings.Repeat("long ", 500))
	l.expectOf("message", "message lobby 1 "+strings.Repeat("long ", 500))
}

// TestRoomsReadInTurn: a busy room does not delay a quiet one.
func TestRoomsReadInTurn(t *testing.T) {
	st := newHarness(t, setting{})
	l, sender := st.joined("a", "b"), st.v1()
	l.max, l.blocked = 1, true // one frame at a time
	for i := range 20 {
		sender.send(wire.Say{Room: "a", ID: fmt.Sprint(i), Text: "x"})
	}
	sender.send(wire.Say{Room: "b", ID: "b", Text: "y"})
	st.settle()
	l.blocked = false
	got := l.heard()
	if i := slices.Index(got, "message b 1 y"); i < 0 || i > 2 {
		t.Errorf("received %q: room b's message is number %d", got, i)
	}
}

// TestPagesWhileTrimming: retention right after a page was read does not change the bounds in the page, so that it has no
// unexplained hole.
func TestPagesWhileTrimming(t *testing.T) {
	st := newHarness(t, setting{})
	st.publishVaried(40)
	first, zero, twenty := uint64(1), wire.Position{}, uint64(20)
	for _, ask := range []wire.History{{After: &zero}, {Before: &twenty}, {}, {After: &zero, Limit: 3}} {
		was := first
		st.store.afterRead = func() {
			first += 2
			st.trim(wire.Lobby, first)
		}
		ask.Room = wire.Lobby
		var page wire.Page
		err := st.env.Chat.History(new(chat.Actor), ask, func(p wire.Page, err error) {
			if page = p; err != nil {
				t.Error(err)
			}
		})
		st.settle()
		if err != nil || page.First != was || page.Messages[0].N != was || first != was+2 {
			t.Errorf("%+v: a page from %d says that %d is first, want %d; %v", ask, page.Messages[0].N, page.First, was, err)
		}
		if k := len(page.Messages); page.More != (ask.After != nil && page.Messages[k-1].N < 40) {
			t.Errorf("%+v: a page from %d to %d says more %t", ask, page.Messages[0].N, page.Messages[k-1].N, page.More)
		}
	}
}

// TestReadsChargedToAddress: reads are charged to the address of the client: pages, backfills, and a fan-out buffer created
// for it.
func TestReadsChargedToAddress(t *testing.T) {
	st := newHarness(t, setting{buffer: 1})
	st.publishVaried(3)
	st.settle()
	st.jobNetworks = nil
	l := st.connect(Client{Protocol: chat.V1, Addr: netip.MustParseAddrPort("[2001:db8::7]:40000")})
	l.sendText(`{"type":"join","room":"lobby","last":3}`)
	l.sendText(`{"type":"history","room":"lobby"}`)
	st.settle()
	if len(l.heard()) == 0 || len(st.jobNetworks) < 3 {
		t.Fatalf("%d reads, want three", len(st.jobNetworks))
	}
	for _, from := range st.jobNetworks {
		if from != netip.MustParsePrefix("2001:db8::/64") {
			t.Errorf("a read is charged to %v", from)
		}
	}
}
