package fanout

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// TestReplace: after Replace, readers get the new frame and everything else unchanged, from any number, and frames can
// still be appended. Spans returned earlier are unchanged. The budget counts the segments' size.
func TestReplace(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	b := NewBudget(64 << 20)
	buf := New(b, 0)
	frames := [][]byte{}
	check := func() {
		t.Helper()
		for _, n := range []int{0, len(frames) / 3, len(frames) - 1} {
			if got := drainBuffer(t, buf, uint64(n), rng); !bytes.Equal(got, bytes.Join(frames[n:], nil)) {
				t.Fatalf("after %d of %d: %d bytes, or different ones", n, len(frames), len(got))
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
		t.Errorf("%d bytes are in use after the buffer was closed", got)
	}
}

// TestReplaceInBackfill: Replace in a backfill changes what its readers get afterwards, from any number and with any limit.
func TestReplaceInBackfill(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	b := NewBudget(1 << 20)
	s := NewSegment(5, 1000)
	var frames [][]byte
	for n := uint64(5); n <= 20; n++ {
		f := []byte(fmt.Sprintf("<%d>", n))
		s.Add(f)
		frames = append(frames, f)
	}
	f := b.Backfill(s, 1)
	old, _ := f.After(5, 100)
	before := bytes.Clone(old.Bytes())
	for range 50 {
		n := rng.IntN(len(frames))
		frames[n] = bytes.Repeat([]byte("x"), rng.IntN(20))
		f.Replace(SegmentOf(uint64(n+5), frames[n], []int{len(frames[n])}))
		f.Replace(SegmentOf(4, []byte("four"), []int{4}))
		f.Replace(SegmentOf(21, []byte("none"), []int{4}))
		for from := range frames {
			var got []byte
			for n := uint64(from + 4); n < f.Last(); {
				span, held := f.After(n, 1+rng.IntN(30))
				if !held || span.Last() <= n {
					t.Fatalf("nothing follows %d", n)
				}
				if end, rest := span.Advance(len(span.Bytes())); len(span.Bytes()) > 0 && len(rest) > 0 || end > span.Last() {
					t.Fatalf("after %d: a span ends at %d, with %q left", n, end, rest)
				}
				got, n = append(got, span.Bytes()...), span.Last()
			}
			if want := bytes.Join(frames[from:], nil); !bytes.Equal(got, want) {
				t.Fatalf("from %d on: %q, want %q", from+5, got, want)
			}
		}
	}
	if !bytes.Equal(old.Bytes(), before) || !old.Has(6) || !old.Has(7) || old.Has(5) || old.Has(21) || (Span{}).Has(0) {
		t.Errorf("an earlier span has %q", old.Bytes())
	}
	if f.Released() {
		t.Error("a backfill was released while it is held")
	}
	f.Release()
	if got := b.Usage().Backfills; got != 0 || !f.Released() {
		t.Errorf("%d bytes are counted after the release", got)
	}
}

// TestReplaceRace reads, appends, replaces and evicts concurrently. A reader gets a whole frame for each number, and the
// new one if it reads after the replacement.
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
		t.Errorf("%d bytes are in use at the end", got)
	}
}
