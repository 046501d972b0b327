package fanout

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// frameOf returns the frame for number n. Lengths vary; some frames are empty, some larger than a segment.
func frameOf(n uint64) []byte {
	switch {
	case n%50 == 0:
		return nil
	case n%301 == 0:
		return bytes.Repeat([]byte{byte(n)}, maxSegment+7)
	}
	return bytes.Repeat([]byte(fmt.Sprintf("<%d>", n)), int(n%37)+1)
}

// drainBuffer reads everything after n with short writes of random length, as a session does.
func drainBuffer(t *testing.T, buf *Buffer, n uint64, rng *rand.Rand) []byte {
	t.Helper()
	var got []byte
	for {
		span, held := buf.After(n, 1+rng.IntN(2000))
		if !held {
			t.Fatalf("the buffer does not hold what follows %d", n)
		}
		b := span.Bytes()
		if n == buf.head.Load() {
			if len(b) != 0 {
				t.Fatalf("%d bytes follow the newest number", len(b))
			}
			return got
		}
		k := len(b)
		if k > 0 {
			k = rng.IntN(k) + 1
		}
		last, rest := span.Advance(k)
		if k == 0 { // only empty frames: there are no bytes, but the number advances
			last = span.Last()
		}
		got = append(append(got, b[:k]...), rest...)
		n = last
	}
}

func TestReadersGetEveryByteInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	buf := New(NewBudget(64<<20), 0)
	var want []byte
	starts := []int{0}
	for n := uint64(1); n <= 1000; n++ {
		buf.Append(frameOf(n))
		want = append(want, frameOf(n)...)
		starts = append(starts, len(want))
	}
	for _, n := range []uint64{0, 1, 49, 50, 299, 300, 301, 302, 998, 999, 1000} {
		if got := drainBuffer(t, buf, n, rng); !bytes.Equal(got, want[starts[n]:]) {
			t.Errorf("after %d: %d bytes differ from the %d appended", n, len(got), len(want)-starts[n])
		}
	}
}

func TestSpanHoldsWholeFrames(t *testing.T) {
	buf := New(NewBudget(1<<20), 10)
	for range 5 {
		buf.Append([]byte("12345"))
	}
	for limit, want := range map[int]int{1: 5, 5: 5, 9: 5, 10: 10, 14: 10, 24: 20, 25: 25, 1000: 25} {
		if span, _ := buf.After(10, limit); len(span.Bytes()) != want {
			t.Errorf("at most %d: %d bytes, want %d", limit, len(span.Bytes()), want)
		}
	}
	span, _ := buf.After(11, 1000)
	for k, want := range map[int]struct {
		n    uint64
		rest string
	}{0: {11, ""}, 1: {12, "2345"}, 5: {12, ""}, 6: {13, "2345"}, 19: {15, "5"}, 20: {15, ""}} {
		if n, rest := span.Advance(k); n != want.n || string(rest) != want.rest {
			t.Errorf("after %d bytes: at %d with %q left, want %d and %q", k, n, rest, want.n, want.rest)
		}
	}
}

func TestBudgetDropsUnreadSegments(t *testing.T) {
	b := NewBudget(40 << 10)
	read, unread := New(b, 0), New(b, 0)
	frame := make([]byte, 100)
	for n := uint64(1); n <= 2000; n++ {
		read.Append(frame)
		if n%4 == 0 {
			unread.Append(frame)
		}
		if _, held := read.After(n-1, 100); !held {
			t.Fatalf("the buffer no longer holds %d, which a reader at the head needs", n)
		}
		b.Trim()
		if b.Cached() > 40<<10 {
			t.Fatalf("%d bytes are in use, the budget is %d", b.Cached(), 40<<10)
		}
	}
	if _, held := read.After(1, 100); held {
		t.Error("number 2 is still held: nothing was dropped")
	}
	if _, held := read.After(2000, 100); !held {
		t.Error("the newest frame is not held")
	}
	read.Close()
	unread.Close()
	if b.Cached() != 0 {
		t.Errorf("%d bytes are in use after all buffers were closed", b.Cached())
	}
}

func TestPrepend(t *testing.T) {
	b := NewBudget(1 << 20)
	buf := New(b, 7)
	tail := NewSegment(4, 1000)
	for _, f := range []string{"four", "five", "six", "seven"} {
		tail.Add([]byte(f))
	}
	if _, held := buf.After(5, 100); held {
		t.Error("an empty buffer holds a frame")
	}
	if !buf.Prepend(tail) {
		t.Fatal("a segment that ends at the head was refused")
	}
	if buf.Prepend(tail) {
		t.Error("the same segment fits twice")
	}
	buf.Append([]byte("eight"))
	span, held := buf.After(5, 100)
	if !held || string(span.Bytes()) != "sixseveneight" {
		t.Errorf("after 5: %q, %v", span.Bytes(), held)
	}
	if span, _ := buf.After(7, 100); string(span.Bytes()) != "eight" {
		t.Errorf("after 7: %q", span.Bytes())
	}
	if _, held := buf.After(2, 100); held {
		t.Error("the buffer reports that it holds number 3")
	}
}

func TestConcurrentReaders(t *testing.T) {
	const last = 5000
	b := NewBudget(1 << 30)
	buf := New(b, 0)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for n := uint64(0); n < last; {
				span, held := buf.After(n, 4096)
				if !held {
					t.Errorf("number %d left a buffer that never shrinks", n+1)
					return
				}
				for len(span.Bytes()) > 0 && n < span.Last() {
					n++
				}
			}
		})
	}
	for n := uint64(1); n <= last; n++ {
		buf.Append([]byte("some frame"))
		b.Trim()
	}
	readers.Wait()
}

func TestNoAllocationsToRead(t *testing.T) {
	buf := New(NewBudget(1<<20), 0)
	for range 100 {
		buf.Append([]byte("some frame"))
	}
	sent := 0
	if allocs := testing.AllocsPerRun(100, func() {
		span, _ := buf.After(3, 300)
		sent += len(span.Bytes())
		n, _ := span.Advance(15)
		sent += int(n)
	}); allocs != 0 {
		t.Errorf("%v allocations per delivery", allocs)
	}
}

// TestFewAllocationsToAppend: Append allocates only segments, which are large.
func TestFewAllocationsToAppend(t *testing.T) {
	const frames = 10_000
	frame := make([]byte, 130)
	if allocs := testing.AllocsPerRun(5, func() {
		b := NewBudget(4 * maxSegment) // less than all frames need
		buf := New(b, 0)
		for range frames {
			buf.Append(frame)
			b.Trim()
		}
	}); allocs > frames/50 {
		t.Errorf("%v allocations for %d frames", allocs, frames)
	}
}

// FuzzBuffer compares a buffer with a plain slice under any sequence of appends, reads and trims.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{1, 9, 200, 3, 77, 255, 0, 0, 14})
	f.Fuzz(func(t *testing.T, script []byte) {
		b := NewBudget(3 * minSegment)
		buf := New(b, 0)
		defer buf.Close()
		frames := [][]byte{nil}
		var n uint64
		for _, op := range script {
			switch op % 4 {
			case 0, 1:
				frame := bytes.Repeat([]byte{op}, int(op)*int(op)/16)
				frames = append(frames, frame)
				buf.Append(frame)
			case 2:
				b.Trim()
			case 3:
				span, held := buf.After(n, int(op)*16)
				if !held {
					n++ // as if it had been read from the store
					continue
				}
				k := len(span.Bytes()) * int(op) / 256
				if n == buf.head.Load() {
					if k != 0 {
						t.Fatal("bytes after the head")
					}
					continue
				}
				at, rest := span.Advance(k)
				got := append(bytes.Clone(span.Bytes()[:k]), rest...)
				if want := bytes.Join(frames[n+1:at+1], nil); !bytes.Equal(got, want) {
					t.Fatalf("numbers %d to %d: %d bytes, want %d", n+1, at, len(got), len(want))
				}
				n = at
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	budget := NewBudget(1 << 20)
	buf := New(budget, 0)
	frame := make([]byte, 130)
	b.ReportAllocs()
	for b.Loop() {
		buf.Append(frame)
		budget.Trim()
	}
}

func BenchmarkNext(b *testing.B) {
	buf := New(NewBudget(1<<20), 0)
	for range 1000 {
		buf.Append(make([]byte, 130))
	}
	b.ReportAllocs()
	for b.Loop() {
		span, _ := buf.After(900, 64<<10)
		span.Advance(len(span.Bytes()))
	}
}

// TestTrimBefore: trimmed frames cannot be read, even if their segment remains because later frames are in it.
func TestTrimBefore(t *testing.T) {
	budget := NewBudget(1 << 20)
	buf := New(budget, 0)
	frame := make([]byte, 100)
	for range 200 {
		buf.Append(frame)
	}
	held, _ := buf.After(50, 1000)
	spent := budget.Cached()
	buf.TrimBefore(100)
	if budget.Cached() >= spent {
		t.Errorf("trimming half frees nothing of %d bytes", spent)
	}
	for n := range uint64(200) {
		span, ok := buf.After(n, 100)
		if ok != (n >= 99) || ok && (len(span.Bytes()) != 100 || span.Last() != n+1) {
			t.Fatalf("after %d: %v, %d bytes", n, ok, len(span.Bytes()))
		}
	}
	if len(held.Bytes()) != 1000 {
		t.Errorf("a span held by a reader has %d bytes now", len(held.Bytes()))
	}
	buf.TrimBefore(201)
	buf.Append(frame)
	if span, ok := buf.After(200, 100); !ok || span.Last() != 201 {
		t.Errorf("after everything was trimmed, a new frame can be read: %v", ok)
	}
	buf.Close()
}
