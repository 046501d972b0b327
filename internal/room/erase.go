package room

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/wire"
)

// An erasure is the event that the former bytes of some records of a room must not be handed to a socket any more, because
// a command has rewritten the records. The reply to that command waits until every member of the room has passed the
// erasure, in its own turn, and every [Exposure] that it meets has ended. The feed does not wait.
//
// What was read from the store before an erasure may be handed over after it. So a reader notes a [Mark] before it reads,
// and registers what it has read under a lock that the erasure takes, too: either the reader sees the erasure and reads
// again, or the erasure sees what the reader has registered.
type erasure struct {
	room    string
	numbers []wire.Range // ascending
	seq     uint16       // in the room, see Room.erased
	waiting atomic.Int32 // members and exposures that may still hand over former bytes, and the feed until it is done
	replies []*lateReply // guarded by erasures.mu: wait for this erasure
}

// has reports whether f is true of any range of erased records.
func (e *erasure) has(f func(from, to uint64) bool) bool {
	for _, r := range e.numbers {
		if f(r.From, r.To) {
			return true
		}
	}
	return false
}

// rangesOf returns the numbers of records as ranges.
func rangesOf(records []eventlog.Record) (ranges []wire.Range) {
	for i := range records {
		n := records[i].N
		if k := len(ranges); k > 0 && ranges[k-1].To+1 == n {
			ranges[k-1].To = n
		} else {
			ranges = append(ranges, wire.Range{From: n, To: n})
		}
	}
	return ranges
}

// lateReply is a reply that waits for erasures.
type lateReply struct {
	deliver  func()
	erasures int // guarded by erasures.mu: how many it waits for
}

// A Mark is a moment, as a number of erased ranges of records.
type Mark uint64

// rememberedErasures is how many erased ranges a hub remembers. What was read before the oldest of them is read again.
const rememberedErasures = 1024

// erasures are the erasures of a hub.
type erasures struct {
	count atomic.Uint64 // erased ranges so far

	mu      sync.Mutex                // taken after a room's mu
	newest  [rememberedErasures]Range // guarded by mu: by count modulo the length
	exposed map[*Exposure]struct{}    // guarded by mu: has not ended
	pending []*erasure                // guarded by mu: something waits for it
}

// A Range is some records of a room: those with the numbers from From to To.
type Range struct {
	Room     string
	From, To uint64
}

func (r *Range) meets(room string, from, to uint64) bool {
	return r.Room == room && r.From <= to && from <= r.To
}

// Mark returns the present moment. It is noted before something is read from the store.
func (h *Hub) Mark() Mark { return Mark(h.erasures.count.Load()) }

// erasedSince reports whether a record in one of the ranges may have been erased after a mark. The caller registers what
// was read under the same lock, see erasure.
func (x *erasures) erasedSince(since Mark, ranges ...Range) bool {
	if Mark(x.count.Load()) == since {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.erasedSinceLocked(since, ranges)
}

// erasedSinceLocked is erasedSince for a caller that holds mu.
func (x *erasures) erasedSinceLocked(since Mark, ranges []Range) bool {
	count := x.count.Load()
	if count-uint64(since) > rememberedErasures {
		return true
	}
	for i := uint64(since); i < count; i++ {
		e := &x.newest[i%rememberedErasures]
		for k := range ranges {
			if ranges[k].meets(e.Room, e.From, e.To) {
				return true
			}
		}
	}
	return false
}

// An Exposure is something that was made from stored records, and is handed to a socket over some time: a page, an HTTP
// response.
type Exposure struct {
	hub      *Hub
	senderID string // of the client that receives it
	addr     netip.Addr
	ranges   []Range
	abort    func()     // nil: it was called
	met      []*erasure // guarded by erasures.mu: wait for the end
}

// Expose registers what was read after a mark from records of some ranges, before the first byte of it is handed to a
// socket for a sender at an address. It returns false if one of the records was erased since the mark, or if the sender may not read one of
// the rooms: then it has to be read again, or refused. If one of them is erased later, or the sender loses the permission,
// abort is called once, which closes the connection; it must not block, and must not call Release before it
// returns. The caller calls Release when all bytes are handed over, or none will be any more.
func (h *Hub) Expose(since Mark, senderID string, addr netip.Addr, abort func(), ranges ...Range) (*Exposure, bool) {
	x := &h.erasures
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.erasedSinceLocked(since, ranges) || slices.ContainsFunc(ranges, func(r Range) bool { return !h.canRead(r.Room, senderID, addr) }) {
		return nil, false
	}
	e := &Exposure{hub: h, senderID: senderID, addr: addr, ranges: ranges, abort: abort}
	if x.exposed == nil {
		x.exposed = make(map[*Exposure]struct{})
	}
	x.exposed[e] = struct{}{}
	return e, true
}

// Release ends an exposure. Release of nil does nothing.
func (e *Exposure) Release() {
	if e == nil {
		return
	}
	x := &e.hub.erasures
	x.mu.Lock()
	delete(x.exposed, e)
	met := e.met
	e.met = nil
	x.mu.Unlock()
	for _, by := range met {
		x.pass(by)
	}
}

// pass records that one of those that an erasure waits for has passed it. The last one delivers the replies that wait.
func (x *erasures) pass(e *erasure) {
	if e.waiting.Add(-1) > 0 {
		return
	}
	var due []*lateReply
	x.mu.Lock()
	for i, p := range x.pending {
		if p == e {
			x.pending = append(x.pending[:i:i], x.pending[i+1:]...)
			break
		}
	}
	for _, l := range e.replies {
		if l.erasures--; l.erasures == 0 {
			due = append(due, l)
		}
	}
	x.mu.Unlock()
	for _, l := range due {
		l.deliver()
	}
}

// erase replaces the former records by those that a command has rewritten, and begins their erasure. Those in rewritten, too
// many to be in records, are dropped, and read again from the store. The caller passes the erasure when it has seen to the reply.
func (h *Hub) erase(room string, records []eventlog.Record, rewritten wire.Range) *erasure {
	x := &h.erasures
	e := &erasure{room: room, numbers: rangesOf(records)}
	if rewritten.To > 0 {
		e.numbers = append(e.numbers, rewritten)
	}
	e.waiting.Store(1)
	x.mu.Lock()
	for _, r := range e.numbers {
		x.newest[x.count.Load()%rememberedErasures] = Range{room, r.From, r.To}
		x.count.Add(1)
	}
	x.pending = append(x.pending, e)
	x.mu.Unlock()
	if r := h.room(room); r != nil {
		r.erase(e, records, rewritten)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for exposure := range x.exposed {
		exposure.meet(e)
	}
	return e
}

// meet makes e wait for an exposure of its records, and aborts that. Called with erasures.mu held.
func (x *Exposure) meet(e *erasure) {
	for i := range x.ranges {
		if !e.has(func(from, to uint64) bool { return x.ranges[i].meets(e.room, from, to) }) {
			continue
		}
		e.waiting.Add(1)
		x.met = append(x.met, e)
		if x.abort != nil {
			x.abort()
			x.abort = nil
		}
		return
	}
}

// delayReply makes the reply to a command wait for the pending erasures of the rooms in which it erases records. It returns false if
// there are none.
func (x *erasures) delayReply(s *eventlog.Submission, o *eventlog.Outcome) bool {
	submission, outcome := *s, *o // they are valid only now
	return x.delay(erasesIn(o.Command), func() { submission.ReplyTo.Deliver(&submission, &outcome) })
}

// delay calls deliver after the pending erasures of some rooms. It returns false if there are none.
func (x *erasures) delay(rooms []string, deliver func()) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	var l *lateReply
	for _, e := range x.pending {
		if !slices.Contains(rooms, e.room) {
			continue
		}
		if l == nil {
			l = &lateReply{deliver: deliver}
		}
		l.erasures++
		e.replies = append(e.replies, l)
	}
	return l != nil
}

// erase replaces the frames of records, and makes e wait for every member. If there are more of them, in rewritten, all frames are
// dropped: that is rare, and readers of the newest frames need none.
func (r *Room) erase(e *erasure, records []eventlog.Record, rewritten wire.Range) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rewritten.To > 0 {
		r.resetBuffers(r.newest)
		r.dropBackfills()
	}
	for i := range records {
		r.replace(&records[i])
	}
	r.erased++
	e.seq = r.erased
	e.waiting.Add(int32(len(r.members)))
	for len(r.erasing) > 0 && r.erasing[0].waiting.Load() == 0 {
		r.erasing = r.erasing[1:]
	}
	r.erasing = append(r.erasing, e)
	for _, s := range r.members {
		s.member.Interrupt()
	}
}

// replace replaces the frame of a record wherever the room has it. Called with mu held.
func (r *Room) replace(record *eventlog.Record) {
	h := r.hub
	if record.N > r.newest { // it will come through the feed
		return
	}
	var frames [encodings]*fanout.Segment
	for enc := range encodings {
		if r.readers[enc] == 0 {
			continue
		}
		frame, _, err := h.encode(enc, nil, record, nil)
		if err != nil {
			// Cannot happen, see Hub.append. Readers get the error from the store.
			h.opt.Logger.Error("a record cannot be encoded", "room", r.name, "n", record.N, "err", err)
			r.resetBuffers(r.newest)
			r.dropBackfills()
			return
		}
		r.buffers[enc].Replace(record.N, frame)
		frames[enc] = fanout.SegmentOf(record.N, frame, []int{len(frame)})
	}
	for _, b := range r.backfills {
		if s := frames[b.enc]; s != nil {
			b.frames.Replace(s)
		}
	}
}

// openBackfill is a backfill that members of a room may hold.
type openBackfill struct {
	enc    Encoding
	frames *fanout.Backfill
}

// register adds a backfill to those whose frames are replaced. It returns false if one of its records was erased since it
// was read.
func (h *Hub) register(key backfillKey, frames *fanout.Backfill, since Mark) bool {
	r := h.room(key.room)
	if r == nil { // all members that asked for it have left
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if h.erasures.erasedSince(since, Range{key.room, frames.First(), frames.Last()}) {
		return false
	}
	if len(r.backfills) == cap(r.backfills) {
		r.pruneBackfills()
	}
	r.backfills = append(r.backfills, openBackfill{key.enc, frames})
	return true
}

// pruneBackfills forgets backfills that nobody holds. Called with mu held.
func (r *Room) pruneBackfills() {
	open := r.backfills[:0]
	for _, b := range r.backfills {
		if !b.frames.Released() {
			open = append(open, b)
		}
	}
	clear(r.backfills[len(open):])
	if r.backfills = open; len(open) == 0 {
		r.backfills = nil
	}
}

// dropBackfills evicts all backfills, so that their readers read again. Called with mu held.
func (r *Room) dropBackfills() {
	for _, b := range r.backfills {
		b.frames.Evict()
	}
	r.backfills = nil
}

// PassErasures records that the member has passed all erasures of its room: it is in its turn, and hands over none of the
// former bytes afterwards. If holds is true of a range of erased records, the member cannot pass, and PassErasures returns
// false: the member has to end its connection, and Leave passes for it.
func (s *Subscription) PassErasures(holds func(from, to uint64) bool) bool {
	r := s.room
	r.mu.Lock()
	passed := r.unpassed(s)
	for _, e := range passed {
		if e.has(holds) {
			r.mu.Unlock()
			return false
		}
	}
	s.passed = r.erased
	r.mu.Unlock()
	for _, e := range passed {
		r.hub.erasures.pass(e)
	}
	return true
}

// unpassed returns the erasures that a member has not passed. Called with mu held.
func (r *Room) unpassed(s *Subscription) []*erasure {
	i := len(r.erasing)
	for i > 0 && int16(r.erasing[i-1].seq-s.passed) > 0 {
		i--
	}
	return r.erasing[i:len(r.erasing):len(r.erasing)]
}
