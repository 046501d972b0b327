package fanout

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// After Replace, readers get the new frame and everything else unchanged, from any number, and later frames can still be
// appended. Spans returned before keep what they had. The budget counts what the segments take.
func TestReplace(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	b := NewBudget(64 << 20)
	buf := New(b, 0)
	frames := [][]byte{}
	check := func() {
		t.Helper()
		for _, n := range []int{0, len(frames) / 3, len(frames) - 1} {
			if got := drainBuffer(t, buf, uint64(n), rng); !bytes.Equal(got, bytes.Join(frames[n:], nil)) {
				t.Fatalf("after %d of %d: %d other bytes", n, len(frames), len(got))
			}
		}
		var cost int64
		for _, s := range *buf.segs.Load() {
			cost += s.cost()
		}
		if got := b.Usage().Buffers; got != cost {
			t.Fatalf("%d bytes are counted, want %d", got, cost)
		}
	}
	for range 200 {
		for range rng.IntN(10) + 1 {
			f := frameOf(uint64(len(frames) + 1))
			buf.Append(f)
			frames = append(frames, f)
		}
		n := rng.IntN(len(frames))
		span, _ := buf.After(uint64(n), 1)
		before := bytes.Clone(span.Bytes())
		changed := bytes.Repeat([]byte("x"), rng.IntN(5000)*rng.IntN(2))
		buf.Replace(uint64(n+1), changed)
		frames[n] = changed
		if !bytes.Equal(span.Bytes(), before) {
			t.Fatalf("a span of frame %d has changed", n+1)
		}
		check()
	}
	buf.Replace(0, []byte("none"))
	buf.Replace(uint64(len(frames)+1), []byte("none"))
	check()
	buf.dropOldest()
	buf.Replace(1, []byte("dropped"))
	buf.Close()
	buf.Replace(uint64(len(frames)), []byte("closed"))
	if got := b.Cached(); got != 0 {
		t.Errorf("%d bytes are spent after the buffer is closed", got)
	}
}

// Replace in a backfill changes what its readers get from then on. It does nothing to one that is gone.
func TestReplaceInBackfill(t *testing.T) {
	b := NewBudget(1 << 20)
	f := b.Backfill(SegmentOf(5, []byte("fivesixseven"), []int{4, 7, 12}), 1)
	old, _ := f.After(5, 100)
	f.Replace(6, []byte("another six"))
	f.Replace(4, []byte("four"))
	f.Replace(8, []byte("eight"))
	if span, _ := f.After(4, 100); string(span.Bytes()) != "fiveanother sixseven" {
		t.Errorf("the backfill has %q", span.Bytes())
	}
	if string(old.Bytes()) != "sixseven" || !old.Has(6) || !old.Has(7) || old.Has(5) || old.Has(8) || (Span{}).Has(0) {
		t.Errorf("an earlier span has %q", old.Bytes())
	}
	if got, want := b.Usage().Backfills, f.seg.Load().cost(); got != want {
		t.Errorf("%d bytes are counted, want %d", got, want)
	}
	if f.Released() {
		t.Error("a backfill that is held is released")
	}
	f.Release()
	f.Replace(6, []byte("six"))
	if got := b.Usage().Backfills; got != 0 || !f.Released() {
		t.Errorf("%d bytes are counted after the release", got)
	}
}

// Readers, an appender that also replaces, and evictions at once: each reader gets, of each number, a whole frame, and
// the new one if it reads after the replacement.
func TestReplaceRace(t *testing.T) {
	const frames = 500
	b := NewBudget(64 << 10)
	buf := New(b, 0)
	old := func(n uint64) []byte { return append(bytes.Repeat([]byte{'o', byte(n)}, int(n%50)+1), '\n') }
	changed := func(n uint64) []byte { return append(bytes.Repeat([]byte{'n', byte(n)}, int(n%80)+1), '\n') }
	var mu sync.Mutex
	replaced := uint64(0) // everything up to it is replaced
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for n := uint64(0); n < frames; {
				mu.Lock()
				surely := replaced
				mu.Unlock()
				span, held := buf.After(n, 1)
				if !held {
					n++ // evicted
					continue
				}
				if span.Last() == 0 {
					runtime.Gosched()
					continue
				}
				n = span.Last()
				switch got := span.Bytes(); {
				case bytes.Equal(got, changed(n)):
				case !bytes.Equal(got, old(n)):
					t.Errorf("frame %d is %q", n, got)
				case n <= surely:
					t.Errorf("frame %d is the old one after it was replaced", n)
				}
			}
		})
	}
	for n := uint64(1); n <= frames; n++ {
		buf.Append(old(n))
		if n%2 == 0 {
			for k := n - 1; k <= n; k++ {
				buf.Replace(k, changed(k))
			}
			mu.Lock()
			replaced = n
			mu.Unlock()
		}
		b.Trim()
	}
	readers.Wait()
	buf.Close()
	if got := b.Cached(); got != 0 {
		t.Errorf("%d bytes are spent after all", got)
	}
}
