package fanout

import (
	"sort"
	"sync/atomic"
)

// Bounds of a segment, in bytes. A tape begins with a small one and doubles: a quiet room costs little, and in a busy
// one a single write takes much.
const (
	minSegment = 2 << 10
	maxSegment = 128 << 10
	perFrame   = 32 // a segment has an index entry for so many bytes; it is full when either is used up
)

// A Segment is a run of frames with consecutive numbers, end to end. Its bytes never change once Add has returned;
// one goroutine adds, any number read.
type Segment struct {
	first    uint64   // the number of the first frame
	buf      []byte   // written only past what count says
	ends     []uint32 // ends[i] is where frame first+i ends in buf; written only past count
	count    atomic.Uint32
	lastRead atomic.Int64 // the budget's tick at which it was last read
}

// NewSegment returns an empty segment whose first frame will have the number first, for about size bytes of frames.
func NewSegment(first uint64, size int) *Segment {
	return &Segment{first: first, buf: make([]byte, size), ends: make([]uint32, size/perFrame+1)}
}

// SegmentOf makes a full segment out of frames that lie end to end: frame first+i ends at ends[i]. It keeps frames.
func SegmentOf(first uint64, frames []byte, ends []int) *Segment {
	s := &Segment{first: first, buf: frames, ends: make([]uint32, len(ends))}
	for i, end := range ends {
		s.ends[i] = uint32(end)
	}
	s.count.Store(uint32(len(ends)))
	return s
}

// Add appends the next frame and makes it visible. It returns false, and changes nothing, if the segment is full.
func (s *Segment) Add(frame []byte) bool {
	i := s.count.Load()
	start := s.endOf(i)
	if int(i) == len(s.ends) || len(s.buf)-int(start) < len(frame) {
		return false
	}
	copy(s.buf[start:], frame)
	s.ends[i] = start + uint32(len(frame))
	s.count.Store(i + 1)
	return true
}

// First is the number of the first frame.
func (s *Segment) First() uint64 { return s.first }

// Last is the number of the newest frame; First()-1 while there is none.
func (s *Segment) Last() uint64 { return s.first + uint64(s.count.Load()) - 1 }

// endOf is where the first i frames endOf.
func (s *Segment) endOf(i uint32) uint32 {
	if i == 0 {
		return 0
	}
	return s.ends[i-1]
}

// cost is what the segment takes of the budget, in bytes.
func (s *Segment) cost() int64 { return int64(cap(s.buf) + 4*cap(s.ends)) }

// markRead notes that it is markRead at a tick of the budget.
func (s *Segment) markRead(now int64) {
	if s.lastRead.Load() != now { // a store only where it changes: readers share the line
		s.lastRead.Store(now)
	}
}

// evictionScore grows with what the segment takes and with how long nobody has read it.
func (s *Segment) evictionScore(now int64) int64 { return (now - s.lastRead.Load()) * s.cost() }

// After returns the frames that follow number n, of which the segment must hold n or n+1: whole frames of at most most
// bytes together, but at least one if there is any.
func (s *Segment) After(n uint64, limit int) Span {
	from, count := uint32(n+1-s.first), s.count.Load()
	to, start := count, s.endOf(from)
	if int(s.endOf(count)-start) > limit {
		more := sort.Search(int(count-from), func(i int) bool { return int(s.ends[from+uint32(i)]-start) > limit })
		to = from + uint32(max(more, 1))
	}
	return Span{seg: s, from: from, to: to}
}

// A Span is some of a segment's frames. It keeps their bytes alive and unchanged, whatever happens to the tape.
type Span struct {
	seg      *Segment
	from, to uint32 // frames seg.first+from up to, and not including, seg.first+to
}

// Bytes are the frames, end to end.
func (p Span) Bytes() []byte {
	if p.seg == nil {
		return nil
	}
	return p.seg.buf[p.seg.endOf(p.from):p.seg.endOf(p.to):p.seg.endOf(p.to)]
}

// Advance tells where a reader stands that took the first k bytes: at number n, with the rest of frame n still to be
// sent.
func (p Span) Advance(k int) (n uint64, rest []byte) {
	stop := p.seg.endOf(p.from) + uint32(k)
	i := uint32(sort.Search(int(p.to-p.from), func(i int) bool { return p.seg.ends[p.from+uint32(i)] >= stop }))
	if k == 0 {
		return p.seg.first + uint64(p.from) - 1, nil
	}
	end := p.seg.ends[p.from+i]
	return p.seg.first + uint64(p.from+i), p.seg.buf[stop:end:end]
}
