package rehearse

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latencies records the time from due to received. It is sharded to reduce contention.
type latencies struct {
	shards [16]shard
	next   atomic.Uint32
}

// shard counts latencies in nanoseconds, exactly up to 2*fine and with a resolution of one part in fine above.
type shard struct {
	mu     sync.Mutex
	counts latencyCounts // guarded by mu
}

const (
	fineBits = 8
	fine     = 1 << fineBits
	longest  = 40 // bits of the largest latency recorded, 18 minutes
)

func newLatencies() *latencies { return new(latencies) }

// begin acquires a shard until end.
func (w *latencies) begin() *shard {
	for {
		if s := &w.shards[w.next.Add(1)%uint32(len(w.shards))]; s.mu.TryLock() {
			return s
		}
	}
}

func (w *latencies) end(s *shard) { s.mu.Unlock() }

// record is called for every delivery, so it does as little as possible.
func (s *shard) record(ns int64) {
	v := uint64(min(max(ns, 0), 1<<longest-1))
	shift := max(0, bits.Len64(v)-fineBits-1)
	s.counts[shift*fine+int(v>>shift)]++
}

// latencyCounts are the counts of all shards.
type latencyCounts [(longest - fineBits + 1) * fine]int64

func (w *latencies) counts() *latencyCounts {
	sum := new(latencyCounts)
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		for at, n := range s.counts {
			sum[at] += n
		}
		s.mu.Unlock()
	}
	return sum
}

// histogram returns the counts in microseconds.
func (c *latencyCounts) histogram() *hdrhistogram.Histogram {
	sum := hdrhistogram.New(1, 1<<longest/1000, 3)
	for at, n := range c {
		if n > 0 {
			shift := max(0, at/fine-1)
			_ = sum.RecordValues(max(1, int64(at-shift*fine)<<shift/1000), n) // no value is out of range
		}
	}
	return sum
}

// all returns the sum of all shards, in microseconds.
func (w *latencies) all() *hdrhistogram.Histogram { return w.counts().histogram() }
