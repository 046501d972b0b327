package fanout

import (
	"cmp"
	"container/heap"
	"slices"
	"sync"
	"sync/atomic"
)

// MinBackfill is the number of bytes of backfills that a budget of any size leaves alone, so that slow readers make
// progress.
const MinBackfill = 2 << 20

// A Budget bounds the memory of everything that waits for sockets. Cached memory, that is, buffer segments and
// backfills, can be read from the store again and is evicted when there is no room for it. Reserved memory cannot. At
// most half of the budget is meant for it: callers check Crowded before they reserve more.
type Budget struct {
	max           int64
	bufferBytes   atomic.Int64 // segments of all buffers
	backfillBytes atomic.Int64 // all backfills
	reserved      atomic.Int64
	tick          atomic.Int64 // grows with each Trim; orders the reads of segments
	evicted       atomic.Int64 // number of backfills evicted while somebody held them

	mu            sync.Mutex
	buffers       map[*Buffer]struct{}   // guarded by mu
	openBackfills map[*Backfill]struct{} // guarded by mu

	partials     map[Partial]int64 // guarded by mu: bytes of each
	partialBytes int64             // guarded by mu: sum over partials
}

// NewBudget returns a budget of max bytes.
func NewBudget(max int64) *Budget {
	return &Budget{max: max, buffers: make(map[*Buffer]struct{}), openBackfills: make(map[*Backfill]struct{}), partials: make(map[Partial]int64)}
}

// Usage reports how a budget is used, in bytes.
type Usage struct {
	Buffers, Backfills, Reserved int64
	Max                          int64
	Evicted                      int64 // number of backfills evicted so far while somebody held them
}

// Usage returns the current usage.
func (b *Budget) Usage() Usage {
	return Usage{Buffers: b.bufferBytes.Load(), Backfills: b.backfillBytes.Load(), Reserved: b.reserved.Load(), Max: b.max, Evicted: b.evicted.Load()}
}

// Cached returns the bytes of buffers and backfills.
func (b *Budget) Cached() int64 { return b.bufferBytes.Load() + b.backfillBytes.Load() }

// Charge reserves n bytes for memory that is in use already, whether or not there is room.
func (b *Budget) Charge(n int64) { b.reserved.Add(n) }

// Release returns n bytes reserved by Charge.
func (b *Budget) Release(n int64) { b.reserved.Add(-n) }

// Crowded reports whether half of the budget is reserved.
func (b *Budget) Crowded() bool { return b.reserved.Load() >= b.max/2 }

// available returns the bytes left for buffers and backfills.
func (b *Budget) available() int64 { return max(b.max-b.reserved.Load(), b.max/2) }

func (b *Budget) add(buf *Buffer) {
	b.mu.Lock()
	b.buffers[buf] = struct{}{}
	b.mu.Unlock()
}

func (b *Budget) remove(buf *Buffer) {
	b.mu.Lock()
	delete(b.buffers, buf)
	b.mu.Unlock()
}

// Trim evicts segments and backfills until the rest fits the budget. Large ones that have not been read for long go
// first. Callers call it once after each batch of additions. Since it visits everything, it frees a little more than it
// has to, so that the next call has nothing to do.
func (b *Budget) Trim() {
	now := b.tick.Add(1)
	if b.Cached() <= b.available() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	victims := make(victimHeap, 0, len(b.buffers)+len(b.openBackfills))
	for buf := range b.buffers {
		if s := buf.oldest(); s != nil {
			victims = append(victims, victim{buffer: buf, score: s.evictionScore(now)})
		}
	}
	for f := range b.openBackfills {
		if s := f.seg.Load(); s != nil {
			victims = append(victims, victim{backfill: f, cost: s.cost(), score: s.evictionScore(now)})
		}
	}
	heap.Init(&victims)
	for enough := b.available() - b.available()/16; len(victims) > 0 && b.Cached() > enough; {
		v := victims[0]
		if v.buffer != nil {
			v.buffer.dropOldest()
			if s := v.buffer.oldest(); s != nil {
				victims[0].score = s.evictionScore(now)
				heap.Fix(&victims, 0)
				continue
			}
		} else if b.backfillBytes.Load()-v.cost >= MinBackfill && v.backfill.drop() {
			b.evicted.Add(1)
			delete(b.openBackfills, v.backfill)
		}
		heap.Pop(&victims)
	}
}

// victim is something that can be evicted.
type victim struct {
	buffer   *Buffer // its oldest segment; nil: backfill
	backfill *Backfill
	cost     int64 // of the backfill
	score    int64
}

// victimHeap is a heap with the highest score first.
type victimHeap []victim

func (v victimHeap) Len() int           { return len(v) }
func (v victimHeap) Less(i, j int) bool { return v[i].score > v[j].score }
func (v victimHeap) Swap(i, j int)      { v[i], v[j] = v[j], v[i] }
func (v *victimHeap) Push(any)          {}
func (v *victimHeap) Pop() any {
	*v = (*v)[:len(*v)-1]
	return nil
}

// A Backfill is a segment outside of the buffers: older frames that were read from the store for readers that are
// behind the buffer. Readers that wait for the same frames share one. It counts in the budget once, until all holders
// have released it or the budget evicts it. After an eviction its readers read the frames again.
type Backfill struct {
	budget   *Budget
	first    uint64
	last     uint64
	seg      atomic.Pointer[Segment]    // nil: evicted, or released by all holders
	replaced atomic.Pointer[[]*Segment] // frames in place of those of seg, ascending, each a segment of its own; nil: none
	holders  atomic.Int32
}

// Backfill makes a backfill of s for the given number of holders, at least one.
func (b *Budget) Backfill(s *Segment, holders int) *Backfill {
	f := &Backfill{budget: b, first: s.First(), last: s.Last()}
	f.holders.Store(int32(holders))
	s.lastRead.Store(b.tick.Load())
	f.seg.Store(s)
	b.backfillBytes.Add(s.cost())
	b.mu.Lock()
	b.openBackfills[f] = struct{}{}
	b.mu.Unlock()
	b.Trim()
	return f
}

// First returns the number of the first frame.
func (f *Backfill) First() uint64 { return f.first }

// Last returns the number of the last frame.
func (f *Backfill) Last() uint64 { return f.last }

// After returns the frames that follow number n, as [Segment.After] does. n is at least First()-1 and less than Last().
// It returns false if the segment was evicted.
func (f *Backfill) After(n uint64, limit int) (Span, bool) {
	s := f.seg.Load()
	if s == nil {
		return Span{}, false
	}
	s.markRead(f.budget.tick.Load())
	return f.withReplaced(s.After(n, limit)), true
}

// Released reports whether the frames are gone: all holders have released them, or the budget has evicted them.
func (f *Backfill) Released() bool { return f.seg.Load() == nil }

// Replace puts a frame, the only one of s, in place of the one with its number, if the backfill has that. Nothing is
// copied, so many backfills can share s. Spans that were returned before keep the old frame. It is called by one goroutine
// at a time.
func (f *Backfill) Replace(s *Segment) {
	if s.first < f.first || s.first > f.last {
		return
	}
	var before []*Segment
	if p := f.replaced.Load(); p != nil {
		before = *p
	}
	i, known := slices.BinarySearchFunc(before, s.first, func(r *Segment, n uint64) int { return cmp.Compare(r.first, n) })
	after := slices.Clone(before)
	if known {
		after[i] = s
	} else {
		after = slices.Insert(after, i, s)
	}
	f.replaced.Store(&after)
}

// withReplaced returns the part of span that ends before the first replaced frame, or that frame alone if it is the first.
func (f *Backfill) withReplaced(span Span) Span {
	p := f.replaced.Load()
	if p == nil || span.from == span.to {
		return span
	}
	begin := span.seg.first + uint64(span.from)
	i, _ := slices.BinarySearchFunc(*p, begin, func(r *Segment, n uint64) int { return cmp.Compare(r.first, n) })
	switch {
	case i == len(*p) || !span.Has((*p)[i].first):
	case (*p)[i].first == begin:
		return Span{seg: (*p)[i], to: 1}
	default:
		span.to = uint32((*p)[i].first - span.seg.first)
	}
	return span
}

// Evict removes the frames. Readers read them again.
func (f *Backfill) Evict() { f.drop() }

// Release is called once by each holder when it is done. Spans stay valid. Release of nil does nothing.
func (f *Backfill) Release() {
	if f == nil || f.holders.Add(-1) > 0 {
		return
	}
	f.drop()
	f.budget.mu.Lock()
	delete(f.budget.openBackfills, f)
	f.budget.mu.Unlock()
}

// drop removes the segment and reports whether it was still there.
func (f *Backfill) drop() bool {
	s := f.seg.Swap(nil)
	if s == nil {
		return false
	}
	f.budget.backfillBytes.Add(-s.cost())
	return true
}
