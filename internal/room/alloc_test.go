package room

import (
	"fmt"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

func testRecord() *eventlog.Record {
	r := eventlog.MessageRecord(&wire.Message{Room: "lobby", N: 1 << 40, At: 1_700_000_000_123, SenderID: "0123456789abcdef", DisplayName: "anna", ID: "id", Text: "a text\nof two lines"})
	return &r
}

// TestEncodingAllocatesNothing: encoding reuses its buffers.
func TestEncodingAllocatesNothing(t *testing.T) {
	r, h := testRecord(), newHarness(t, 0)
	for enc := range encodings {
		frames, scratch, _ := h.encode(enc, nil, r, nil)
		if n := testing.AllocsPerRun(100, func() { frames, scratch, _ = h.encode(enc, frames[:0], r, scratch) }); n != 0 {
			t.Errorf("encoding %d: %v allocations a message", enc, n)
		}
	}
}

func TestSubscriptionAllocatesNothing(t *testing.T) {
	st := newHarness(t, 1<<20)
	for enc := range encodings {
		sub := st.Join("den", enc, &countingMember{})
		defer sub.Leave()
		st.publish("den", "one", "two", "three")
		head := sub.room.newest
		if n := testing.AllocsPerRun(100, func() {
			span, held := sub.After(head-2, 1<<16)
			if !held || len(span.Bytes()) == 0 {
				t.Fatal("nothing was published")
			}
			span.Advance(len(span.Bytes()))
		}); n != 0 {
			t.Errorf("encoding %d: %v allocations a delivery", enc, n)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	r, h := testRecord(), newHarness(b, 0)
	for enc := range encodings {
		b.Run(fmt.Sprintf("encoding=%d", enc), func(b *testing.B) {
			var frames, scratch []byte
			b.ReportAllocs()
			for b.Loop() {
				frames, scratch, _ = h.encode(enc, frames[:0], r, scratch)
			}
		})
	}
}

// TestTickVisitsChangedRooms: a tick visits no room if nothing has changed, and after a rename only the rooms of that
// sender.
func TestTickVisitsChangedRooms(t *testing.T) {
	st := newHarness(t, 1<<20)
	for i := range 100 {
		st.Join(fmt.Sprint("room", i), JSON, &countingMember{by: fmt.Sprint("by", i)})
	}
	st.Tick(start)
	for second, want := range []int32{0, 1, 0, 1, 0} {
		switch second {
		case 1:
			st.Feed(st.apply(eventlog.Command{Kind: eventlog.ReserveName, SenderID: "by7", Body: eventlog.ReserveNameBody{Name: "ann", Key: "ann"}}), nil)
		case 3:
			st.Typing("room1", "by1", start) // looks up the name of the sender who types
			st.Join("room2", Text, &countingMember{}).Leave()
		case 4:
			st.Tick(start.Add(2 * typingLasts)) // the typing has expired
		}
		before := st.store.names.Load()
		st.Tick(start.Add(time.Duration(second) * time.Second / 10))
		if got := st.store.names.Load() - before; got != want {
			t.Errorf("second %d: %d names were looked up, want %d", second, got, want)
		}
	}
}

// BenchmarkIdleTick measures a tick in which nothing happens, with ten thousand rooms of one member each.
func BenchmarkIdleTick(b *testing.B) {
	st := newHarness(b, 1<<20)
	for i := range 10_000 {
		st.Join(fmt.Sprint("room", i), JSON, &countingMember{by: fmt.Sprint("by", i)})
	}
	st.Tick(start)
	b.ReportAllocs()
	for b.Loop() {
		st.Tick(start)
	}
}
