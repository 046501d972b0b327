package fanout

import (
	"container/heap"
	"sync"
	"sync/atomic"
)

// MinBackfill is how many bytes of backfills a budget of any size leaves alone, so that somebody who is behind gets on.
const MinBackfill = 2 << 20

// A Budget bounds the memory of all that waits for sockets. Most of it can be read again from the journal, and is given
// up when there is no room for it: the segments of tapes, and backfills. The rest, which is reserved, cannot: half of the
// budget is for that at most, and who takes more asks Crowded first whether to go on with less.
type Budget struct {
	max           int64
	bufferBytes   atomic.Int64 // bytes of the segments of all tapes
	backfillBytes atomic.Int64 // bytes of all backfills
	reserved      atomic.Int64
	tick          atomic.Int64 // grows with each Trim; the measure of "recently"
	evicted       atomic.Int64 // backfills that were given up while somebody held them

	mu            sync.Mutex
	buffers       map[*Buffer]struct{}   // guarded by mu
	openBackfills map[*Backfill]struct{} // guarded by mu

	partials     map[Partial]int64 // guarded by mu: bytes
	partialBytes int64             // guarded by mu: the sum of held
}

// NewBudget returns a budget of max bytes.
func NewBudget(max int64) *Budget {
	return &Budget{max: max, buffers: make(map[*Buffer]struct{}), openBackfills: make(map[*Backfill]struct{}), partials: make(map[Partial]int64)}
}

// Usage is what a budget is used for, in bytes.
type Usage struct {
	Buffers, Backfills, Reserved int64
	Max                          int64
	Evicted                      int64 // backfills that were given up so far while somebody held them; a number, not bytes
}

// Usage returns what the budget is used for now.
func (b *Budget) Usage() Usage {
	return Usage{Buffers: b.bufferBytes.Load(), Backfills: b.backfillBytes.Load(), Reserved: b.reserved.Load(), Max: b.max, Evicted: b.evicted.Load()}
}

// Cached is what tapes and backfills take now, in bytes.
func (b *Budget) Cached() int64 { return b.bufferBytes.Load() + b.backfillBytes.Load() }

// Charge takes n bytes for something that is there already, whether or not there is room.
func (b *Budget) Charge(n int64) { b.reserved.Add(n) }

// Release returns n bytes that Charge took.
func (b *Budget) Release(n int64) { b.reserved.Add(-n) }

// Crowded tells whether half of the budget is reserved.
func (b *Budget) Crowded() bool { return b.reserved.Load() >= b.max/2 }

// available is how many bytes there are for tapes and backfills.
func (b *Budget) available() int64 { return max(b.max-b.reserved.Load(), b.max/2) }

func (b *Budget) add(t *Buffer) {
	b.mu.Lock()
	b.buffers[t] = struct{}{}
	b.mu.Unlock()
}

func (b *Budget) remove(t *Buffer) {
	b.mu.Lock()
	delete(b.buffers, t)
	b.mu.Unlock()
}

// Trim gives up segments and backfills until the rest fits the budget: first what is largest and has not been read for
// longest. Whoever adds something calls it, after each batch. As it looks at everything, it makes a little more room than
// it has to, so that the next need not.
func (b *Budget) Trim() {
	now := b.tick.Add(1)
	if b.Cached() <= b.available() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	idle := make(victimHeap, 0, len(b.buffers)+len(b.openBackfills))
	for t := range b.buffers {
		if s := t.oldest(); s != nil {
			idle = append(idle, victim{buffer: t, score: s.evictionScore(now)})
		}
	}
	for f := range b.openBackfills {
		if s := f.seg.Load(); s != nil {
			idle = append(idle, victim{backfill: f, score: s.evictionScore(now)})
		}
	}
	heap.Init(&idle)
	for enough := b.available() - b.available()/16; len(idle) > 0 && b.Cached() > enough; {
		v := idle[0]
		if v.buffer != nil {
			v.buffer.dropOldest()
			if s := v.buffer.oldest(); s != nil {
				idle[0].score = s.evictionScore(now)
				heap.Fix(&idle, 0)
				continue
			}
		} else if b.backfillBytes.Load()-v.backfill.cost >= MinBackfill && v.backfill.drop() {
			b.evicted.Add(1)
			delete(b.openBackfills, v.backfill)
		}
		heap.Pop(&idle)
	}
}

// victim is something that can be given up.
type victim struct {
	buffer   *Buffer // its oldest segment; nil: backfill
	backfill *Backfill
	score    int64
}

// victimHeap is a heap: what has the highest score goes first.
type victimHeap []victim

func (v victimHeap) Len() int           { return len(v) }
func (v victimHeap) Less(i, j int) bool { return v[i].score > v[j].score }
func (v victimHeap) Swap(i, j int)      { v[i], v[j] = v[j], v[i] }
func (v *victimHeap) Push(any)          {}
func (v *victimHeap) Pop() any {
	*v = (*v)[:len(*v)-1]
	return nil
}

// A Backfill is a segment beside the tapes: a part of the past that was read from the journal for readers who are behind
// what the tape holds. All who wait for the same share one. It counts in the budget once, until the last of them has
// released it or the budget has no room for it; then its readers read it anew.
type Backfill struct {
	budget  *Budget
	first   uint64
	last    uint64
	cost    int64
	seg     atomic.Pointer[Segment] // nil: given up, or released by all
	holders atomic.Int32
}

// Backfill puts s beside the tapes for so many holders, at least one.
func (b *Budget) Backfill(s *Segment, holders int) *Backfill {
	f := &Backfill{budget: b, first: s.First(), last: s.Last(), cost: s.cost()}
	f.holders.Store(int32(holders))
	s.lastRead.Store(b.tick.Load())
	f.seg.Store(s)
	b.backfillBytes.Add(f.cost)
	b.mu.Lock()
	b.openBackfills[f] = struct{}{}
	b.mu.Unlock()
	b.Trim()
	return f
}

// First is the number of the first frame.
func (f *Backfill) First() uint64 { return f.first }

// Last is the number of the last frame.
func (f *Backfill) Last() uint64 { return f.last }

// After returns the frames that follow number n, see [Segment.After]; n is below Last, and not below First()-1. It returns
// false if the segment was given up.
func (f *Backfill) After(n uint64, limit int) (Span, bool) {
	s := f.seg.Load()
	if s == nil {
		return Span{}, false
	}
	s.markRead(f.budget.tick.Load())
	return s.After(n, limit), true
}

// Release says that one of its holders needs it no more. Spans stay valid. A nil one is none.
func (f *Backfill) Release() {
	if f == nil || f.holders.Add(-1) > 0 {
		return
	}
	f.drop()
	f.budget.mu.Lock()
	delete(f.budget.openBackfills, f)
	f.budget.mu.Unlock()
}

// drop lets go of the segment. It returns whether it was still there.
func (f *Backfill) drop() bool {
	if f.seg.Swap(nil) == nil {
		return false
	}
	f.budget.backfillBytes.Add(-f.cost)
	return true
}
