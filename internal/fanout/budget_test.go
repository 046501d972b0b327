package fanout

import (
	"sync"
	"testing"
)

// fullSegment returns a segment of size bytes that one frame fills.
func fullSegment(size int) *Segment {
	s := NewSegment(1, size)
	s.Add(make([]byte, size))
	return s
}

// readable reports whether a backfill is still there. It counts as a read.
func (f *Backfill) readable() bool {
	_, held := f.After(0, 1)
	return held
}

// When there is no room, the largest unread backfills are evicted first, and never so many that readers make no
// progress.
func TestBackfillEviction(t *testing.T) {
	const size = 100 << 10
	b := NewBudget(4 << 20)
	large, small, read := b.Backfill(fullSegment(2*size), 1), b.Backfill(fullSegment(size), 1), b.Backfill(fullSegment(3*size), 1)
	var more []*Backfill
	for len(more) < 100 && small.seg.Load() != nil {
		more = append(more, b.Backfill(fullSegment(size/2), 1))
		if !read.readable() {
			t.Fatal("what is read was given up")
		}
		if large.seg.Load() != nil && (small.seg.Load() == nil || more[0].seg.Load() == nil) {
			t.Fatal("one was given up that is smaller than another, and no older")
		}
		if got := b.Cached(); got > 4<<20 {
			t.Fatalf("%d bytes are spent", got)
		}
	}
	if large.seg.Load() != nil || len(more) == 100 {
		t.Error("the largest was not given up")
	}
	if span, held := large.After(0, 10); held || len(span.Bytes()) > 0 || large.First() != 1 || large.Last() != 1 {
		t.Error("what was given up can be read")
	}
	b.Charge(4 << 20) // half is left for cached memory
	b.Trim()
	if u := b.Usage(); u.Backfills > MinBackfill+size || u.Backfills < MinBackfill-3*size || u.Evicted == 0 {
		t.Errorf("beside what is reserved there are %+v", u)
	}
	b.Release(4 << 20)
	for _, f := range append(more, large, small, read) {
		f.Release()
	}
	if u := b.Usage(); u.Backfills != 0 || u.Reserved != 0 || len(b.openBackfills) != 0 {
		t.Errorf("at the end %+v, %d backfills open", u, len(b.openBackfills))
	}
}

// A budget of any size keeps some backfills, the newest among them.
func TestMinBackfill(t *testing.T) {
	b := NewBudget(1)
	for range 100 {
		f := b.Backfill(fullSegment(300<<10), 1)
		if !f.readable() {
			t.Fatal("it was given up before it was read")
		}
	}
	if got := b.Cached(); got > MinBackfill+400<<10 {
		t.Errorf("%d bytes are spent", got)
	}
}

// A shared backfill counts once, until the last holder has released it.
func TestSharedBackfill(t *testing.T) {
	b := NewBudget(1 << 20)
	f := b.Backfill(fullSegment(1000), 3)
	spent := b.Cached()
	f.Release()
	f.Release()
	if spent < 1000 || spent > 1200 || b.Cached() != spent || !f.readable() {
		t.Errorf("%d bytes for three holders, %d for one", spent, b.Cached())
	}
	f.Release()
	if b.Cached() != 0 || f.readable() {
		t.Errorf("%d bytes for none", b.Cached())
	}
	(*Backfill)(nil).Release()
}

// Half of the budget can be reserved, and buffers make room for it.
func TestChargeShrinksBuffers(t *testing.T) {
	b := NewBudget(1 << 20)
	buf := New(b, 0)
	for range 10_000 {
		buf.Append(make([]byte, 100))
		b.Trim()
	}
	for range 8 {
		if b.Crowded() {
			t.Fatal("half of the budget cannot be reserved")
		}
		b.Charge(64 << 10)
	}
	if !b.Crowded() {
		t.Error("more than half can be reserved")
	}
	b.Trim()
	if got := b.Cached(); got > 1<<19 || got < 1<<18 {
		t.Errorf("buffers take %d bytes beside the reserved ones", got)
	}
	b.Release(64 << 10)
	if b.Crowded() {
		t.Error("what was released cannot be reserved")
	}
	buf.Close()
}

// Buffers and backfills come and go while other goroutines trim.
func TestBudgetConcurrently(t *testing.T) {
	b := NewBudget(3 << 20)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				buf := New(b, 0)
				for range 300 {
					buf.Append(make([]byte, 500))
				}
				f := b.Backfill(fullSegment(200<<10), 2)
				f.readable()
				b.Trim()
				f.Release()
				buf.Close()
				f.Release()
			}
		})
	}
	all.Wait()
	if u := b.Usage(); u.Buffers != 0 || u.Backfills != 0 {
		t.Errorf("at the end %+v", u)
	}
}
