package fanout

import (
	"sort"
	"sync/atomic"
)

// Segment sizes in bytes. A buffer begins with a small segment and doubles from there, so a quiet room costs little and
// in a busy room one write carries a lot.
const (
	minSegment = 2 << 10
	maxSegment = 128 << 10
	perFrame   = 32 // bytes for each index entry; a segment is full when either is used up
)

// A Segment holds frames with consecutive numbers, end to end. A frame without bytes is one that its readers are not
// sent. Its bytes never change once Add has returned. One goroutine adds, any number may read.
type Segment struct {
	first    uint64   // number of the first frame
	buf      []byte   // written only beyond what count covers
	ends     []uint32 // ends[i] is where frame first+i ends in buf; written only beyond count
	count    atomic.Uint32
	lastRead atomic.Int64 // tick of the budget
}

// NewSegment returns an empty segment for about size bytes of frames, the first of which has the number first.
func NewSegment(first uint64, size int) *Segment {
	return &Segment{first: first, buf: make([]byte, size), ends: make([]uint32, size/perFrame+1)}
}

// SegmentOf returns a full segment of frames that lie end to end. Frame first+i ends at ends[i]. The segment keeps the
// slice frames.
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

// withFrame returns a copy of the segment in which frame n is another one. The copy has as much space left for Add. n is
// at least First() and at most Last(). No frame may be added meanwhile.
func (s *Segment) withFrame(n uint64, frame []byte) *Segment {
	i, count := uint32(n-s.first), s.count.Load()
	from, to, end := s.endOf(i), s.endOf(i+1), s.endOf(count)
	longer := len(frame) - int(to-from)
	c := &Segment{first: s.first, buf: make([]byte, len(s.buf)+longer), ends: make([]uint32, len(s.ends))}
	k := copy(c.buf, s.buf[:from])
	k += copy(c.buf[k:], frame)
	copy(c.buf[k:], s.buf[to:end])
	copy(c.ends, s.ends[:i])
	for j := i; j < count; j++ {
		c.ends[j] = uint32(int(s.ends[j]) + longer)
	}
	c.count.Store(count)
	c.lastRead.Store(s.lastRead.Load())
	return c
}

// First returns the number of the first frame.
func (s *Segment) First() uint64 { return s.first }

// Last returns the number of the newest frame, or First()-1 if there is none.
func (s *Segment) Last() uint64 { return s.first + uint64(s.count.Load()) - 1 }

// endOf returns where the first i frames end in buf.
func (s *Segment) endOf(i uint32) uint32 {
	if i == 0 {
		return 0
	}
	return s.ends[i-1]
}

// cost returns the bytes that the segment takes from the budget.
func (s *Segment) cost() int64 { return int64(cap(s.buf) + 4*cap(s.ends)) }

// markRead records a read at a tick of the budget.
func (s *Segment) markRead(now int64) {
	if s.lastRead.Load() != now { // readers share the cache line: store only a new value
		s.lastRead.Store(now)
	}
}

// evictionScore grows with the segment's size and with the time since the last read.
func (s *Segment) evictionScore(now int64) int64 { return (now - s.lastRead.Load()) * s.cost() }

// After returns the frames that follow number n: whole frames of at most limit bytes together, but at least one frame
// if there is any. The segment must hold frame n or n+1.
func (s *Segment) After(n uint64, limit int) Span {
	from, count := uint32(n+1-s.first), s.count.Load()
	to, start := count, s.endOf(from)
	if int(s.endOf(count)-start) > limit {
		more := sort.Search(int(count-from), func(i int) bool { return int(s.ends[from+uint32(i)]-start) > limit })
		to = from + uint32(max(more, 1))
	}
	return Span{seg: s, from: from, to: to}
}

// A Span is a range of a segment's frames. It keeps their bytes alive and unchanged, whatever happens to the buffer.
type Span struct {
	seg      *Segment
	from, to uint32 // frames seg.first+from to seg.first+to-1
}

// Bytes returns the frames, end to end.
func (p Span) Bytes() []byte {
	if p.seg == nil {
		return nil
	}
	return p.seg.buf[p.seg.endOf(p.from):p.seg.endOf(p.to):p.seg.endOf(p.to)]
}

// Has reports whether the span has frame n.
func (p Span) Has(n uint64) bool { return p.Meets(n, n) }

// Meets reports whether the span has one of the frames from from to to.
func (p Span) Meets(from, to uint64) bool {
	return p.seg != nil && to >= p.seg.first+uint64(p.from) && from < p.seg.first+uint64(p.to)
}

// Last returns the number of the last frame; 0 if there is none.
func (p Span) Last() uint64 {
	if p.from == p.to {
		return 0
	}
	return p.seg.first + uint64(p.to) - 1
}

// Advance returns the position of a reader that has sent the first k bytes: number n, with rest of frame n still to be
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
