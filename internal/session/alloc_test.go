package session

import (
	"fmt"
	"runtime"
	"testing"
	"weak"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// publish posts k texts of one length in the lobby. No session reads them yet.
func (st *harness) publish(k int) {
	for range k {
		e := eventlog.Command{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: wire.Lobby, ID: "id", Text: "of the usual length, fifty bytes or so, and a few", Once: true}
		if err := st.submit(eventlog.Submission{Command: e}, nil); err != nil {
			st.tb.Fatal(err)
		}
		st.stepLog()
	}
}

// subscriber returns a client of one protocol that has received a thousand messages, and the length of each further frame.
func (st *harness) subscriber(v1 bool) (*Session, int) {
	var l *link
	if v1 {
		l = st.joined(wire.Lobby)
	} else {
		l = st.plain(Client{})
	}
	st.publish(1000) // from here on, numbers have four digits
	st.settle()
	before := len(l.raw)
	st.publish(1)
	st.settle()
	return l.s, len(l.raw) - before
}

// deliver takes the next frame as the reactor does.
func (st *harness) deliver(s *Session, size int) {
	b, ok := s.Next(size)
	if !ok || len(b) != size {
		st.tb.Fatalf("%d bytes, %v; want the frame of one text, %d", len(b), ok, size)
	}
	s.Wrote(size)
}

// TestDeliveryAllocatesNothing: delivering a message allocates nothing.
func TestDeliveryAllocatesNothing(t *testing.T) {
	for _, v1 := range []bool{true, false} {
		st := newHarness(t, setting{})
		s, size := st.subscriber(v1)
		st.publish(102)
		if n := testing.AllocsPerRun(100, func() { st.deliver(s, size) }); n != 0 {
			t.Errorf("v1 %v: %v allocations a delivery", v1, n)
		}
	}
}

// batchOf delivers one outcome of a batch to s and returns the batch, weakly. It is not inlined, so that nothing of the
// batch is left on the caller's stack.
//
//go:noinline
func batchOf(s *Session) weak.Pointer[eventlog.Outcome] {
	outcomes := make([]eventlog.Outcome, 1000)
	origin := &s.ensurePublisher().replyTo
	outcomes[500].Command = &eventlog.Command{Kind: eventlog.Say, Room: wire.Lobby, ID: "x"}
	s.publisher.inFlight++
	origin.Deliver(&eventlog.Submission{Command: *outcomes[500].Command}, &outcomes[500])
	return weak.Make(&outcomes[0])
}

// TestUnreadOutcomeKeepsNoBatch: an outcome that waits for a blocked client does not keep its batch in memory.
func TestUnreadOutcomeKeepsNoBatch(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.v1()
	batch := batchOf(l.s)
	runtime.GC()
	if l.s.mailbox.Load() == nil {
		t.Error("the outcome is not waiting")
	}
	if batch.Value() != nil {
		t.Error("the batch is still in memory")
	}
	l.expect("saved lobby x 0")
}

func BenchmarkDelivery(b *testing.B) {
	for _, v1 := range []bool{true, false} {
		b.Run(fmt.Sprintf("v1=%v", v1), func(b *testing.B) {
			var st *harness
			var s *Session
			size, left := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				if left == 0 {
					b.StopTimer()
					st = newHarness(b, setting{})
					s, size = st.subscriber(v1)
					left = 8000 // numbers keep four digits
					st.publish(left)
					b.StartTimer()
				}
				st.deliver(s, size)
				left--
			}
		})
	}
}
