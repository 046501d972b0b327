package room

import (
	"fmt"
	"testing"

	"ramai/wire"
)

func aMessage() *wire.Message {
	return &wire.Message{Room: "lobby", N: 1 << 40, At: 1_700_000_000_123, By: "0123456789abcdef", From: "anna", ID: "id", Text: "a text\nof two lines"}
}

// A message is encoded into buffers that are used again.
func TestEncodingAllocatesNothing(t *testing.T) {
	m, h := aMessage(), newStage(t, 0)
	for enc := range encodings {
		frames, scratch := h.encode(enc, nil, m, nil)
		if n := testing.AllocsPerRun(100, func() { frames, scratch = h.encode(enc, frames[:0], m, scratch) }); n != 0 {
			t.Errorf("encoding %d: %v allocations a message", enc, n)
		}
	}
}

func TestSeatAllocatesNothing(t *testing.T) {
	st := newStage(t, 1<<20)
	for enc := range encodings {
		seat := st.Join("den", enc, &guest{})
		defer seat.Leave()
		st.say("den", "one", "two", "three")
		head := seat.room.head
		if n := testing.AllocsPerRun(100, func() {
			span, held := seat.After(head-2, 1<<16)
			if !held || len(span.Bytes()) == 0 {
				t.Fatal("there is no news")
			}
			span.Taken(len(span.Bytes()))
		}); n != 0 {
			t.Errorf("encoding %d: %v allocations a delivery", enc, n)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	m, h := aMessage(), newStage(b, 0)
	for enc := range encodings {
		b.Run(fmt.Sprintf("encoding=%d", enc), func(b *testing.B) {
			var frames, scratch []byte
			b.ReportAllocs()
			for b.Loop() {
				frames, scratch = h.encode(enc, frames[:0], m, scratch)
			}
		})
	}
}
