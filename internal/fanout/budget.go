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
	max       int64
	tapes     atomic.Int64 // bytes of the segments of all tapes
	backfills atomic.Int64 // bytes of all backfills
	reserved  atomic.Int64
	tick      atomic.Int64 // grows with each Trim; the measure of "recently"
	evicted   atomic.Int64 // backfills that were given up while somebody held them

	mu   sync.Mutex
	open map[*Buffer]struct{}   // guarded by mu
	lent map[*Backfill]struct{} // guarded by mu

	held       map[Unfinished]int64 // guarded by mu: bytes
	unfinished int64                // guarded by mu: the sum of held
}

// NewBudget returns a budget of max bytes.
func NewBudget(max int64) *Budget {
	return &Budget{max: max, open: make(map[*Buffer]struct{}), lent: make(map[*Backfill]struct{}), held: make(map[Unfinished]int64)}
}

// Usage is what a budget is used for, in bytes.
type Usage struct {
	Buffers, Backfills, Reserved int64
	Max                          int64
	Evicted                      int64 // backfills that were given up so far while somebody held them; a number, not bytes
}

// Usage returns what the budget is used for now.
func (b *Budget) Usage() Usage {
	return Usage{Buffers: b.tapes.Load(), Backfills: b.backfills.Load(), Reserved: b.reserved.Load(), Max: b.max, Evicted: b.evicted.Load()}
}

// Spent is what tapes and backfills take now, in bytes.
func (b *Budget) Spent() int64 { return b.tapes.Load() + b.backfills.Load() }

// Charge takes n bytes for something that is there already, whether or not there is room.
func (b *Budget) Charge(n int64) { b.reserved.Add(n) }

// Release returns n bytes that Charge took.
func (b *Budget) Release(n int64) { b.reserved.Add(-n) }

// Crowded tells whether half of the budget is reserved.
func (b *Budget) Crowded() bool { return b.reserved.Load() >= b.max/2 }

// room is how many bytes there are for tapes and backfills.
func (b *Budget) room() int64 { return max(b.max-b.reserved.Load(), b.max/2) }

func (b *Budget) add(t *Buffer) {
	b.mu.Lock()
	b.open[t] = struct{}{}
	b.mu.Unlock()
}

func (b *Budget) remove(t *Buffer) {
	b.mu.Lock()
	delete(b.open, t)
	b.mu.Unlock()
}

// Trim gives up segments and backfills until the rest fits the budget: first what is largest and has not been read for
// longest. Whoever adds something calls it, after each batch. As it looks at everything, it makes a little more room than
// it has to, so that the next need not.
func (b *Budget) Trim() {
	now := b.tick.Add(1)
	if b.Spent() <= b.room() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	idle := make(victims, 0, len(b.open)+len(b.lent))
	for t := range b.open {
		if s := t.oldest(); s != nil {
			idle = append(idle, victim{tape: t, score: s.idle(now)})
		}
	}
	for f := range b.lent {
		if s := f.seg.Load(); s != nil {
			idle = append(idle, victim{backfill: f, score: s.idle(now)})
		}
	}
	heap.Init(&idle)
	for enough := b.room() - b.room()/16; len(idle) > 0 && b.Spent() > enough; {
		v := idle[0]
		if v.tape != nil {
			v.tape.drop()
			if s := v.tape.oldest(); s != nil {
				idle[0].score = s.idle(now)
				heap.Fix(&idle, 0)
				continue
			}
		} else if b.backfills.Load()-v.backfill.cost >= MinBackfill && v.backfill.end() {
			b.evicted.Add(1)
			delete(b.lent, v.backfill)
		}
		heap.Pop(&idle)
	}
}

// victim is something that can be given up.
type victim struct {
	tape     *Buffer // its oldest segment; nil: backfill
	backfill *Backfill
	score    int64
}

// victims is a heap: what has the highest score goes first.
type victims []victim

func (v victims) Len() int           { return len(v) }
func (v victims) Less(i, j int) bool { return v[i].score > v[j].score }
func (v victims) Swap(i, j int)      { v[i], v[j] = v[j], v[i] }
func (v *victims) Push(any)          {}
func (v *victims) Pop() any {
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
	s.used.Store(b.tick.Load())
	f.seg.Store(s)
	b.backfills.Add(f.cost)
	b.mu.Lock()
	b.lent[f] = struct{}{}
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
func (f *Backfill) After(n uint64, most int) (Span, bool) {
	s := f.seg.Load()
	if s == nil {
		return Span{}, false
	}
	s.read(f.budget.tick.Load())
	return s.After(n, most), true
}

// Release says that one of its holders needs it no more. Spans stay valid. A nil one is none.
func (f *Backfill) Release() {
	if f == nil || f.holders.Add(-1) > 0 {
		return
	}
	f.end()
	f.budget.mu.Lock()
	delete(f.budget.lent, f)
	f.budget.mu.Unlock()
}

// end lets go of the segment. It returns whether it was still there.
func (f *Backfill) end() bool {
	if f.seg.Swap(nil) == nil {
		return false
	}
	f.budget.backfills.Add(-f.cost)
	return true
}
