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

// readable reports whether a backfill has not been evicted. The call counts as a read.
func (f *Backfill) readable() bool {
	_, held := f.After(0, 1)
	return held
}

// TestBackfillEviction: when the budget is exceeded, the largest unread backfills are evicted first, and never so many that
// readers make no progress.
func TestBackfillEviction(t *testing.T) {
	const size = 100 << 10
	b := NewBudget(4 << 20)
	large, small, read := b.Backfill(fullSegment(2*size), 1), b.Backfill(fullSegment(size), 1), b.Backfill(fullSegment(3*size), 1)
	var more []*Backfill
	for len(more) < 100 && small.seg.Load() != nil {
		more = append(more, b.Backfill(fullSegment(size/2), 1))
		if !read.readable() {
			t.Fatal("a backfill was evicted after it was read")
		}
		if large.seg.Load() != nil && (small.seg.Load() == nil || more[0].seg.Load() == nil) {
			t.Fatal("a backfill was evicted though another is larger and no newer")
		}
		if got := b.Cached(); got > 4<<20 {
			t.Fatalf("%d bytes are in use", got)
		}
	}
	if large.seg.Load() != nil || len(more) == 100 {
		t.Error("the largest backfill was not evicted")
	}
	if span, held := large.After(0, 10); held || len(span.Bytes()) > 0 || large.First() != 1 || large.Last() != 1 {
		t.Error("an evicted backfill can be read")
	}
	b.Charge(4 << 20) // half is left for cached memory
	b.Trim()
	if u := b.Usage(); u.Backfills > MinBackfill+size || u.Backfills < MinBackfill-3*size || u.Evicted == 0 {
		t.Errorf("with half of the budget reserved, the usage is %+v", u)
	}
	b.Release(4 << 20)
	for _, f := range append(more, large, small, read) {
		f.Release()
	}
	if u := b.Usage(); u.Backfills != 0 || u.Reserved != 0 || len(b.openBackfills) != 0 {
		t.Errorf("at the end: %+v, %d backfills open", u, len(b.openBackfills))
	}
}

// TestMinBackfill: a budget of any size keeps some backfills, including the newest.
func TestMinBackfill(t *testing.T) {
	b := NewBudget(1)
	for range 100 {
		f := b.Backfill(fullSegment(300<<10), 1)
		if !f.readable() {
			t.Fatal("the backfill was evicted before it was read")
		}
	}
	if got := b.Cached(); got > MinBackfill+400<<10 {
		t.Errorf("%d bytes are in use", got)
	}
}

// TestSharedBackfill: a shared backfill counts once, until its last holder has released it.
func TestSharedBackfill(t *testing.T) {
	b := NewBudget(1 << 20)
	f := b.Backfill(fullSegment(1000), 3)
	spent := b.Cached()
	f.Release()
	f.Release()
	if spent < 1000 || spent > 1200 || b.Cached() != spent || !f.readable() {
		t.Errorf("three holders use %d bytes, one uses %d", spent, b.Cached())
	}
	f.Release()
	if b.Cached() != 0 || f.readable() {
		t.Errorf("%d bytes are in use without a holder", b.Cached())
	}
	(*Backfill)(nil).Release()
}

// TestChargeShrinksBuffers: half of the budget can be reserved; buffers shrink to make room.
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
		t.Errorf("buffers use %d bytes besides the reserved ones", got)
	}
	b.Release(64 << 10)
	if b.Crowded() {
		t.Error("released bytes cannot be reserved again")
	}
	buf.Close()
}

// TestBudgetConcurrently opens and closes buffers and backfills while other goroutines trim.
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
		t.Errorf("at the end: %+v", u)
	}
}
