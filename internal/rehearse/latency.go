package rehearse

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latencies records how long messages took from due to heard. It is split, so that the loops seldom meet.
type latencies struct {
	shards [16]shard
	next   atomic.Uint32
}

// shard counts waits in nanoseconds: each up to 2*fine by itself, and above that in steps of one part in fine.
type shard struct {
	mu     sync.Mutex
	counts [(longest - fineBits + 1) * fine]int64 // guarded by mu
}

const (
	fineBits = 8
	fine     = 1 << fineBits
	longest  = 40 // bits of the longest wait that is told from longer ones, 18 minutes
)

func newLatencies() *latencies { return new(latencies) }

// begin takes a shard until end.
func (w *latencies) begin() *shard {
	for {
		if s := &w.shards[w.next.Add(1)%uint32(len(w.shards))]; s.mu.TryLock() {
			return s
		}
	}
}

func (w *latencies) end(s *shard) { s.mu.Unlock() }

// record is called for every delivery, and so does no more than it must.
func (s *shard) record(ns int64) {
	v := uint64(min(max(ns, 0), 1<<longest-1))
	shift := max(0, bits.Len64(v)-fineBits-1)
	s.counts[shift*fine+int(v>>shift)]++
}

// all adds the shards up, in microseconds.
func (w *latencies) all() *hdrhistogram.Histogram {
	sum := hdrhistogram.New(1, 1<<longest/1000, 3)
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		for at, n := range s.counts {
			if n > 0 {
				shift := max(0, at/fine-1)
				_ = sum.RecordValues(max(1, int64(at-shift*fine)<<shift/1000), n) // none is beyond its end
			}
		}
		s.mu.Unlock()
	}
	return sum
}
