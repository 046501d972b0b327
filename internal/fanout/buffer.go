// Package tape keeps the recent past of a room as the very bytes that go to its readers.
//
// A [Buffer] holds complete frames of one encoding, end to end, in immutable segments, with an index from numbers to
// places. Frames are the same for every reader, so sending is one write of everything from the reader's number to the
// newest; a reader costs its number and nothing else. Readers take no lock. What leaves a tape for want of space is
// made again from the journal, byte for byte, as a [Segment] of its own.
//
// All tapes share a [Budget], and with them what else waits for sockets. The package knows no chat: a frame is bytes with a number.
package fanout

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// A Buffer is the recent past of one room in one encoding. Its numbers have no holes.
type Buffer struct {
	budget *Budget
	head   atomic.Uint64              // the newest number, whether or not its bytes are still held
	first  atomic.Uint64              // what is below is gone, even where its bytes are still held
	segs   atomic.Pointer[[]*Segment] // ascending and without holes; the slice is replaced, never changed

	mu     sync.Mutex // serialises who changes segs
	closed bool       // guarded by mu
}

// New returns an empty tape that goes on after number head.
func New(budget *Budget, head uint64) *Buffer {
	t := &Buffer{budget: budget}
	t.head.Store(head)
	t.segs.Store(&[]*Segment{})
	budget.add(t)
	return t
}

// Append adds the frame with the number that follows the newest. Called by one goroutine at a time.
func (t *Buffer) Append(frame []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	segs, n := *t.segs.Load(), t.head.Load()+1
	if len(segs) == 0 || !segs[len(segs)-1].Add(frame) {
		size := minSegment
		if len(segs) > 0 {
			size = min(2*len(segs[len(segs)-1].buf), maxSegment)
		}
		s := NewSegment(n, max(size, len(frame)))
		s.Add(frame)
		s.lastRead.Store(t.budget.tick.Load())
		t.setSegments(append(slices.Clip(slices.Clone(segs)), s), s.cost())
	}
	t.head.Store(n)
}

// Prepend puts s before the oldest frame, so that the tape reaches further back. It returns false if s does not end
// where the tape begins.
func (t *Buffer) Prepend(s *Segment) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	segs := *t.segs.Load()
	begin := t.head.Load() + 1
	if len(segs) > 0 {
		begin = segs[0].first
	}
	if t.closed || s.Last()+1 != begin {
		return false
	}
	s.lastRead.Store(t.budget.tick.Load())
	t.setSegments(append([]*Segment{s}, segs...), s.cost())
	return true
}

// setSegments is called with mu held.
func (t *Buffer) setSegments(segs []*Segment, cost int64) {
	t.segs.Store(&segs)
	t.budget.bufferBytes.Add(cost)
}

// After returns the frames that follow number n, see [Segment.After]. The span is empty if n is the newest. It returns
// false if the tape does not reach back to n+1: then they come from the journal, or are gone.
func (t *Buffer) After(n uint64, max int) (Span, bool) {
	if n >= t.head.Load() {
		return Span{}, true
	}
	if n+1 < t.first.Load() {
		return Span{}, false
	}
	segs := *t.segs.Load()
	i := len(segs) - 1
	if i >= 0 && n+1 < segs[i].first {
		i = sort.Search(len(segs), func(i int) bool { return segs[i].first > n+1 }) - 1
	}
	if i < 0 || n+1 > segs[i].Last() { // below the first, or everything was dropped
		return Span{}, false
	}
	s := segs[i]
	s.markRead(t.budget.tick.Load())
	return s.After(n, max), true
}

// TrimBefore lets go of what is below number first. Spans that readers have stay valid.
func (t *Buffer) TrimBefore(first uint64) {
	t.first.Store(first)
	for {
		segs := *t.segs.Load()
		if len(segs) == 0 || segs[0].Last() >= first {
			return
		}
		t.dropOldest()
	}
}

// Close gives back what the tape takes of the budget. Spans stay valid.
func (t *Buffer) Close() {
	t.budget.remove(t) // before the lock: Trim holds the budget's and takes the tapes' in turn
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	for _, s := range *t.segs.Load() {
		t.budget.bufferBytes.Add(-s.cost())
	}
	t.segs.Store(&[]*Segment{})
}

// oldest returns the segment that is dropped next; nil: there is none.
func (t *Buffer) oldest() *Segment {
	segs := *t.segs.Load()
	if len(segs) == 0 {
		return nil
	}
	return segs[0]
}

// dropOldest lets go of the oldest segment.
func (t *Buffer) dropOldest() {
	t.mu.Lock()
	defer t.mu.Unlock()
	segs := *t.segs.Load()
	if len(segs) == 0 {
		return
	}
	t.setSegments(slices.Clone(segs[1:]), -segs[0].cost())
}
