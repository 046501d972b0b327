package fanout

import "testing"

type holder struct{ gaveUp int }

func (h *holder) GiveUp() { h.gaveUp++ }

// TestPartialMessages: the largest partial messages are dropped, and no more than necessary.
func TestPartialMessages(t *testing.T) {
	b := NewBudget(8 * (4 << 20)) // partial messages may take 4 MiB
	small, large, larger := new(holder), new(holder), new(holder)
	b.SetPartial(small, 1<<20)
	b.SetPartial(large, 1<<20)
	b.SetPartial(larger, 2<<20)
	if u := b.Usage(); u.Reserved != 4<<20 {
		t.Errorf("%d bytes are reserved, want those of all holders", u.Reserved)
	}
	b.SetPartial(large, 1<<20+1) // it grows, but larger is still the largest
	if small.gaveUp != 0 || large.gaveUp != 0 || larger.gaveUp != 1 {
		t.Errorf("GiveUp calls: %d, %d and %d; want one, of the largest", small.gaveUp, large.gaveUp, larger.gaveUp)
	}
	b.SetPartial(larger, 0) // it no longer counts
	if u := b.Usage(); u.Reserved != 2<<20+1 {
		t.Errorf("%d bytes are reserved, want those of two holders", u.Reserved)
	}
	b.SetPartial(large, 5<<20)
	if large.gaveUp != 1 || small.gaveUp != 0 {
		t.Errorf("GiveUp calls: %d and %d; want one, of the holder above the limit", large.gaveUp, small.gaveUp)
	}
	b.SetPartial(small, 0)
	if u := b.Usage(); u.Reserved != 0 || len(b.partials) != 0 || b.partialBytes != 0 {
		t.Errorf("%+v, %d holders and %d bytes are left", u, len(b.partials), b.partialBytes)
	}
	tiny := NewBudget(1)
	tiny.SetPartial(small, MinPartial)
	if small.gaveUp != 0 {
		t.Error("a small budget has no room for a partial message")
	}
}
