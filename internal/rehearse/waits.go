package rehearse

import (
	"sync"
	"sync/atomic"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// waits records how long messages took from due to heard. It is split, so that the loops seldom meet.
type waits struct {
	shards [16]shard
	next   atomic.Uint32
}

type shard struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram // of microseconds
}

func newWaits() *waits {
	w := new(waits)
	for i := range w.shards {
		w.shards[i].h = hdrhistogram.New(1, 600e6, 3)
	}
	return w
}

// begin takes a shard until end.
func (w *waits) begin() *shard {
	for {
		if s := &w.shards[w.next.Add(1)%uint32(len(w.shards))]; s.mu.TryLock() {
			return s
		}
	}
}

func (w *waits) end(s *shard) { s.mu.Unlock() }

func (s *shard) record(ns int64) { _ = s.h.RecordValue(max(1, ns/1000)) } // beyond ten minutes nothing is measured

// all adds the shards up.
func (w *waits) all() *hdrhistogram.Histogram {
	sum := hdrhistogram.New(1, 600e6, 3)
	for i := range w.shards {
		w.shards[i].mu.Lock()
		sum.Merge(w.shards[i].h)
		w.shards[i].mu.Unlock()
	}
	return sum
}
