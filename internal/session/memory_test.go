package session

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/internal/frame"
	"ramai/internal/room"
	"ramai/wire"
)

// fillRooms posts k texts of 1,000 bytes in each of eight rooms, and returns the rooms' names.
func (st *harness) fillRooms(k int) (rooms []string) {
	st.tb.Helper()
	for i := range 8 {
		rooms = append(rooms, fmt.Sprint("room", i))
		for n := range k {
			e := eventlog.Command{Kind: eventlog.Say, SenderID: "publisher", Room: rooms[i], Text: fmt.Sprintf("%-1000d", n), Once: true}
			if err := st.sequencer.Submit(eventlog.Submission{Command: e}, nil); err != nil {
				st.tb.Fatal(err)
			}
		}
		for st.stepLog() {
		}
	}
	return rooms
}

// TestBlockedReadersBounded: blocked clients that rejoin many rooms hold at most one backfill each, and all of them
// together no more than the budget, whatever else waits. When they continue they receive everything, and afterwards no
// memory is in use.
func TestBlockedReadersBounded(t *testing.T) {
	const max, texts, readers = 3 << 20, 80, 60
	st := newHarness(t, setting{buffer: max})
	rooms := st.fillRooms(texts)
	var links []*link
	for i := range readers {
		l := st.v1()
		l.window = 10<<10 + 500*i
		for _, name := range rooms {
			l.send(wire.Join{Room: name, After: &wire.Position{HistoryID: st.store.HistoryID(), N: uint64(i % 10)}})
		}
		links = append(links, l)
	}
	st.settle()
	held := 0
	for _, l := range links {
		parts := 0
		for _, p := range l.s.cursors {
			if p.backfill != nil {
				parts++
			}
		}
		if l.s.backfilling {
			parts++
		}
		if held += parts; parts > 1 {
			t.Fatalf("one connection holds backfills of %d rooms", parts)
		}
	}
	u := st.hub.Budget().Usage()
	if got := u.Buffers + u.Backfills + u.Reserved; got > max+max/20 || u.Backfills == 0 || u.Evicted == 0 || held < readers/2 {
		t.Errorf("%d blocked readers hold %d bytes of %d: %+v; %d hold something", readers, got, max, u, held)
	}
	for i, l := range links {
		if i%12 > 0 {
			continue
		}
		l.window, l.ready = 0, true
		st.settle()
		for _, name := range rooms {
			if got, want := l.numbers(name), uint64(i%10)+1; len(got) != texts-i%10 || got[0] != want {
				t.Errorf("reader %d received %d texts of %s, want %d, from %d on", i, len(got), name, texts-i%10, want)
			}
		}
	}
	for _, l := range links {
		l.end(nil)
	}
	st.settle()
	if u := st.hub.Budget().Usage(); u.Buffers+u.Backfills+u.Reserved != 0 {
		t.Errorf("after all have disconnected, this is left: %+v", u)
	}
}

// numbers returns the numbers of all messages of a room received since the last call of heard. They must be consecutive.
func (l *link) numbers(room string) (n []uint64) {
	l.st.tb.Helper()
	for _, f := range l.frames {
		if m, ok := f.(wire.Message); ok && m.Room == room {
			if len(n) > 0 && m.N != n[len(n)-1]+1 {
				l.st.tb.Fatalf("%s: received number %d after %d", room, m.N, n[len(n)-1])
			}
			n = append(n, m.N)
		}
	}
	return n
}

// TestBackfillReleasedAfterLeave: a backfill is released if its reader is gone when it arrives.
func TestBackfillReleasedAfterLeave(t *testing.T) {
	st := newHarness(t, setting{buffer: 1})
	rooms := st.fillRooms(10)
	for _, goes := range []func(*link){
		func(l *link) { l.end(nil) },
		func(l *link) { l.send(wire.Leave{Room: rooms[0]}) },
	} {
		for _, late := range []bool{false, true} {
			l := st.v1()
			st.jobsPaused = true
			l.send(wire.Join{Room: rooms[0], After: &wire.Position{HistoryID: st.store.HistoryID()}})
			st.settle()
			if !late { // read, but not processed
				for len(st.jobs) > 0 {
					st.runJob(0)
				}
			}
			goes(l)
			st.jobsPaused = false
			st.settle()
			if u := st.hub.Budget().Usage(); u.Backfills != 0 {
				t.Errorf("late %v: %d bytes are held without a reader", late, u.Backfills)
			}
			l.end(nil)
		}
	}
}

// TestOneBackfillWhileRejoining: a client that leaves and rejoins rooms all the time causes one backfill at a time.
func TestOneBackfillWhileRejoining(t *testing.T) {
	st := newHarness(t, setting{buffer: 1})
	room := st.fillRooms(10)[0]
	l := st.v1()
	st.jobsPaused = true
	for n := range uint64(5) {
		l.send(wire.Join{Room: room, After: &wire.Position{HistoryID: st.store.HistoryID(), N: n}})
		st.settle()
	}
	if _, n := st.hub.Backfills(); n != 1 {
		t.Errorf("%d backfills are read at once", n)
	}
	st.jobsPaused = false
	l.heard()
	if at := l.s.cursors[0].n; at != st.store.Bounds(room).Last {
		t.Errorf("at %d at the end", at)
	}
}

// TestUnreadAnswersBounded: if a client sends requests but does not read answers, it is no longer read once 64 KiB and one
// answer wait for it. When such clients use half of the memory, one waiting answer is enough.
func TestUnreadAnswersBounded(t *testing.T) {
	const max, answer = 1 << 20, 12 << 10
	st := newHarness(t, setting{buffer: max})
	for i := range 400 {
		by := fmt.Sprintf("by%014d", i)
		claim := eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: fmt.Sprintf("%024d", i), Key: by}}
		if err := st.sequencer.Submit(eventlog.Submission{Command: claim}, nil); err != nil {
			t.Fatal(err)
		}
		defer st.hub.Join("den", room.Text, idleMember(by)).Leave()
	}
	budget := st.hub.Budget()
	var links []*link
	for i := range 30 {
		l := st.v1()
		l.window = -1
		for range 20 {
			l.send(wire.Who{Room: "den"})
		}
		links = append(links, l)
		crowded := budget.Crowded()
		st.settle()
		if got := len(l.s.control); got == 0 || got > controlHighWater+answer || crowded && got > answer {
			t.Fatalf("%d bytes wait for the %dth client, crowded %v", got, i, crowded)
		}
		if len(l.unread) == 0 {
			t.Fatal("all requests were read")
		}
	}
	if got, most := budget.Usage().Reserved, int64(max/2+(controlHighWater+30*answer)*5/4); !budget.Crowded() || got > most {
		t.Errorf("%d bytes are reserved, want at most %d", got, most)
	}
	for _, l := range links {
		l.window, l.ready = 0, true
		if got := strings.Count(strings.Join(l.heard(), "\n"), "who den 400 "); got != 20 {
			t.Fatalf("it received %d of 20 answers", got)
		}
	}
	if got := budget.Usage().Reserved; got != 0 {
		t.Errorf("after everything was answered, %d bytes are reserved", got)
	}
}

// idleMember is a member that reads nothing.
type idleMember string

func (idleMember) Wake()                   {}
func (idleMember) Interrupt()              {}
func (idleMember) Judged(*eventlog.Judged) {}

func (idleMember) Marked(*eventlog.Outcome, *eventlog.ReplyTo) {}
func (n idleMember) SenderID() string                          { return string(n) }
func (idleMember) RemoteAddr() netip.AddrPort                  { return netip.AddrPort{} }

// TestEvictedBackfillReadAgain: an evicted backfill is read again, from the client's current position.
func TestEvictedBackfillReadAgain(t *testing.T) {
	st := newHarness(t, setting{buffer: 1})
	rooms := st.fillRooms(150)
	l := st.v1()
	l.window = 20 << 10
	l.send(wire.Join{Room: rooms[0], After: &wire.Position{HistoryID: st.store.HistoryID()}})
	st.settle()
	had := len(l.numbers(rooms[0]))
	budget := st.hub.Budget()
	for range 2 * fanout.MinBackfill / (64 << 10) { // others, which hold more than the budget
		s := fanout.NewSegment(1, 64<<10)
		s.Add(make([]byte, 64<<10))
		defer budget.Backfill(s, 1).Release()
	}
	p := l.s.cursors[0]
	if _, held := p.backfill.After(p.n, 1); held {
		t.Fatal("it was not evicted, so this test shows nothing")
	}
	l.window, l.ready = 0, true
	st.settle()
	if got := l.numbers(rooms[0]); len(got) != 150 || got[0] != 1 || had == 0 || had > 100 {
		t.Errorf("%d texts were received before it stopped, and %d in total, want 150", had, len(got))
	}
}

// TestUnfinishedMessagesAreBounded: clients that send endless messages use no more than the memory reserved for that: those
// with the longest messages are closed, and a client that completes its message gets it posted.
func TestUnfinishedMessagesAreBounded(t *testing.T) {
	st := newHarness(t, setting{buffer: 1}) // 1 MiB for all
	honest := st.plain(Client{})
	text := strings.Repeat("y", 4000)
	half := frame.AppendMasked(nil, frame.Text, []byte(text), [4]byte{1, 2, 3, 4})
	honest.up = append(honest.up, half[:len(half)-100]...)
	part := frame.AppendMasked(nil, frame.Text, []byte(strings.Repeat("x", 20_000)), [4]byte{1, 2, 3, 4})
	var all []*link
	for range 200 {
		l := st.plain(Client{})
		l.up = append(l.up, part[:len(part)-1]...)
		all = append(all, l)
		st.settle()
	}
	closed := 0
	for _, l := range all {
		if l.closed {
			closed++
		}
	}
	if reserved := st.hub.Budget().Usage().Reserved; reserved > fanout.MinPartial+64<<10 || closed == 0 || closed > 160 {
		t.Errorf("%d bytes are reserved, and %d of 200 clients were closed", reserved, closed)
	}
	honest.up = append(honest.up, half[len(half)-100:]...)
	honest.expect(text)
	for _, l := range all {
		l.disconnect()
	}
	st.advance(time.Second)
	if reserved := st.hub.Budget().Usage().Reserved; reserved != 0 {
		t.Errorf("%d bytes are reserved although all clients are gone", reserved)
	}
}
