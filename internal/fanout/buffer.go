// Package fanout keeps the newest messages of a room as the bytes that its readers are sent: the fan-out buffer.
//
// A [Buffer] holds complete frames of one encoding, end to end, in immutable segments with an index by number. All
// readers of an encoding get the same frames, so sending is one write of everything from the reader's number to the
// newest, and a reader costs one number. Readers take no lock. Frames evicted from a buffer are encoded again from the
// store, byte for byte, as a [Segment] of their own.
//
// All buffers share one [Budget] with everything else that waits for sockets. The package knows nothing about rooms,
// messages or protocols: a frame is bytes with a number.
package fanout

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// A Buffer holds the newest frames of one room in one encoding. Its numbers have no gaps.
type Buffer struct {
	budget *Budget
	head   atomic.Uint64              // newest number, whether or not its bytes are still held
	first  atomic.Uint64              // frames below are deleted, even if their bytes are still held
	segs   atomic.Pointer[[]*Segment] // ascending, without gaps; the slice is replaced, never changed

	mu     sync.Mutex // serializes changes of segs
	closed bool       // guarded by mu
}

// New returns an empty buffer whose next number is head+1.
func New(budget *Budget, head uint64) *Buffer {
	b := &Buffer{budget: budget}
	b.head.Store(head)
	b.segs.Store(&[]*Segment{})
	budget.add(b)
	return b
}

// Append adds the frame that follows the newest one. It is called by one goroutine at a time.
func (b *Buffer) Append(frame []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	segs, n := *b.segs.Load(), b.head.Load()+1
	if len(segs) == 0 || !segs[len(segs)-1].Add(frame) {
		size := minSegment
		if len(segs) > 0 {
			size = min(2*len(segs[len(segs)-1].buf), maxSegment)
		}
		s := NewSegment(n, max(size, len(frame)))
		s.Add(frame)
		s.lastRead.Store(b.budget.tick.Load())
		b.setSegments(append(slices.Clip(slices.Clone(segs)), s), s.cost())
	}
	b.head.Store(n)
}

// Prepend puts s before the oldest frame. It returns false if s does not end where the buffer begins.
func (b *Buffer) Prepend(s *Segment) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	segs := *b.segs.Load()
	begin := b.head.Load() + 1
	if len(segs) > 0 {
		begin = segs[0].first
	}
	if b.closed || s.Last()+1 != begin {
		return false
	}
	s.lastRead.Store(b.budget.tick.Load())
	b.setSegments(append([]*Segment{s}, segs...), s.cost())
	return true
}

// Replace puts another frame in place of frame n, if the buffer holds that. Only the segment with the frame is copied.
// Spans that were returned before keep the old frame. Append must not be called meanwhile.
func (b *Buffer) Replace(n uint64, frame []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	segs := *b.segs.Load()
	i := sort.Search(len(segs), func(i int) bool { return segs[i].first > n }) - 1
	if i < 0 || n > segs[i].Last() {
		return
	}
	changed := segs[i].withFrame(n, frame)
	segs = slices.Clone(segs)
	before := segs[i].cost()
	segs[i] = changed
	b.setSegments(segs, changed.cost()-before)
}

// setSegments replaces the segments. Called with mu held.
func (b *Buffer) setSegments(segs []*Segment, cost int64) {
	b.segs.Store(&segs)
	b.budget.bufferBytes.Add(cost)
}

// After returns the frames that follow number n, as [Segment.After] does. The span is empty if n is the newest number.
// It returns false if the buffer no longer has frame n+1: read it from the store.
func (b *Buffer) After(n uint64, max int) (Span, bool) {
	if n >= b.head.Load() {
		return Span{}, true
	}
	if n+1 < b.first.Load() {
		return Span{}, false
	}
	segs := *b.segs.Load()
	i := len(segs) - 1
	if i >= 0 && n+1 < segs[i].first {
		i = sort.Search(len(segs), func(i int) bool { return segs[i].first > n+1 }) - 1
	}
	if i < 0 || n+1 > segs[i].Last() { // below the first, or all segments were dropped
		return Span{}, false
	}
	s := segs[i]
	s.markRead(b.budget.tick.Load())
	return s.After(n, max), true
}

// TrimBefore deletes the frames below number first. Spans that readers hold stay valid.
func (b *Buffer) TrimBefore(first uint64) {
	b.first.Store(first)
	for {
		segs := *b.segs.Load()
		if len(segs) == 0 || segs[0].Last() >= first {
			return
		}
		b.dropOldest()
	}
}

// Close returns the buffer's memory to the budget. Spans stay valid.
func (b *Buffer) Close() {
	b.budget.remove(b) // before mu is locked: Trim holds the budget's lock while it takes those of buffers
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	for _, s := range *b.segs.Load() {
		b.budget.bufferBytes.Add(-s.cost())
	}
	b.segs.Store(&[]*Segment{})
}

// oldest returns the segment that is dropped next, or nil.
func (b *Buffer) oldest() *Segment {
	segs := *b.segs.Load()
	if len(segs) == 0 {
		return nil
	}
	return segs[0]
}

// dropOldest drops the oldest segment.
func (b *Buffer) dropOldest() {
	b.mu.Lock()
	defer b.mu.Unlock()
	segs := *b.segs.Load()
	if len(segs) == 0 {
		return
	}
	b.setSegments(slices.Clone(segs[1:]), -segs[0].cost())
}
