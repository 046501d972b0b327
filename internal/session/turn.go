package session

import (
	"errors"
	"fmt"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/internal/names"
	"ramai/internal/room"
	"ramai/wire"
)

// turn takes in what has come from other goroutines, and does what is due. It begins every call of the Source.
func (s *Session) turn() {
	s.clock()
	if s.mailbox.Load() != nil {
		s.handleMessages(inOrder(s.mailbox.Swap(nil)))
	}
	if s.blocked() && !s.publisher.queueFull && s.now >= s.publisher.blockedUntil {
		s.publisher.blockedUntil = 0
		if s.publisher.blocked() {
			s.publisher.blocked = nil
		}
	}
	if s.conn.Gone() { // it is in no room any more, though what it sent may still have to be said
		for _, p := range s.cursors {
			p.leave()
		}
	}
	s.checkAlive()
}

// handleMessages takes in letters, the oldest first.
func (s *Session) handleMessages(l *message) {
	for ; l != nil; l = l.next {
		if l.reply != nil {
			s.publisher.inFlight--
			s.protocol.reply(l.reply)
		} else {
			l.do()
		}
	}
}

// inOrder turns a list of letters round, so that it begins with the oldest.
func inOrder(newest *message) (oldest *message) {
	for l := newest; l != nil; {
		l.next, oldest, l = oldest, l, l.next
	}
	return oldest
}

// blockUntil lets f wait until it returns true. It is tried when wait is over.
func (s *Session) blockUntil(wait time.Duration, f func() bool) {
	t := s.ensurePublisher()
	t.blocked, t.blockedUntil = f, s.now+wait
}

// retryAfter has what is stalled tried again after d.
func (s *Session) retryAfter(d time.Duration) { s.publisher.blockedUntil = s.now + d }

// checkAlive asks whether the client still lives.
func (s *Session) checkAlive() {
	if s.closing {
		return
	}
	if code, reason := s.overdue(); reason == "" {
		if s.publisher != nil {
			s.publisher.overdueSince = 0
		}
	} else if s.confirmedOverdue() {
		s.end(code, reason)
		return
	}
	if s.now < s.pingAt {
		return
	}
	s.pingAt = s.now + pingEvery
	s.renew()
	switch {
	case s.full():
		s.unanswered = 0 // we do not read: a pong could not be seen
	case len(s.control) == 0: // proxies count what passes, whether or not it is answered
		if s.protocol.ping() && s.unanswered == 0 {
			s.unanswered = s.now
		}
	}
}

// overdue says why the client is to be given up, as far as time tells; no reason: it is not.
func (s *Session) overdue() (code uint16, reason string) {
	switch {
	case s.partial != 0 && !s.full() && s.now-s.partial > messageTimeout:
		return wire.ClosePolicy, "a message did not end within 30 s of its beginning"
	case s.unanswered != 0 && s.now-s.unanswered > pongTimeout && !s.full():
		if n, known := s.conn.Undelivered(); !known || n == 0 {
			return wire.ClosePolicy, "no answer to pings"
		}
	}
	return 0, ""
}

// confirmedOverdue tells whether a client that is overdue may be given up: it was overdue some seconds ago, too. The time may
// have passed while this process was stopped, or its machine was; then what the client has sent meanwhile waits in the
// socket, or comes a moment later, and is read before the client is judged.
func (s *Session) confirmedOverdue() bool {
	t := s.ensurePublisher()
	if t.overdueSince == 0 || s.now-t.overdueSince > messageTimeout { // after another stop it is doubted anew
		t.overdueSince = s.now
	}
	return s.now-t.overdueSince >= overdueFor
}

// renew keeps a name that is not bound to a connection from running out while its holder is connected.
func (s *Session) renew() {
	if s.now < s.renewAt || s.inFlight() > 0 { // it may be giving the name up just now
		return
	}
	s.renewAt = s.now + eventlog.NameLeaseTime/4
	if name := s.env.Store.Name(s.sender()); name != "" && !s.nameBound {
		e := eventlog.Command{Kind: eventlog.ReserveName, SenderID: s.sender(), Body: eventlog.ReserveNameBody{Name: name, Key: names.Key(name)}}
		_ = s.env.Submit(eventlog.Submission{Command: e}, nil) // if there is no room, next time will do
	}
}

// end closes for a reason that is not in what was received.
func (s *Session) end(code uint16, reason string) {
	s.close(code, reason)
	s.conn.Finish()
}

// arm asks to be woken when something is due.
func (s *Session) arm() {
	due := s.pingAt
	sooner := func(t time.Duration) {
		if t > s.now && t < due { // what is past waits for something else
			due = t
		}
	}
	if s.publisher != nil {
		sooner(s.publisher.blockedUntil)
		if s.publisher.overdueSince != 0 {
			sooner(s.publisher.overdueSince + overdueFor)
		}
		sooner(s.publisher.pausedUntil)
	}
	if s.partial != 0 {
		sooner(s.partial + messageTimeout + time.Second)
	}
	for _, p := range s.cursors {
		sooner(p.again)
	}
	if s.armed > s.now && due >= s.armed {
		return // it is woken before that
	}
	s.armed = due
	s.conn.WakeAfter(due - s.now)
}

// pull takes what the rooms have for this client: of one room at a time, in turn.
func (s *Session) pull(max int) []byte {
	for range s.cursors {
		s.next++
		p := s.cursors[int(s.next)%len(s.cursors)]
		span := s.after(p, max)
		if b := span.Bytes(); len(b) > 0 {
			s.writing, s.span = p, span
			return b[:min(len(b), max)] // a single frame may be longer
		}
	}
	return nil
}

// after returns the frames that follow a place, from the past that was read, or from the tape. If they are in neither,
// they are asked for, of one room at a time: what a client does not take costs memory for one part of the past.
func (s *Session) after(p *cursor, max int) fanout.Span {
	if p.backfill != nil {
		if span, held := p.backfill.After(p.n, max); held {
			return span
		}
		p.release() // memory was needed for others
	}
	span, held := p.sub.After(p.n, max)
	if !held && s.now >= p.again && !s.hasBackfill() {
		s.backfilling, p.again = true, 0
		p.sub.Backfill(p.n, func(c room.BackfillResult, err error) {
			if !s.enqueue(func() { s.backfilled(p, c, err) }) {
				c.Frames.Release()
			}
		})
	}
	return span
}

// hasBackfill tells whether a part of the past of any room is held or asked for. Who leaves a room and enters it again waits
// for what was asked for before: leaving is cheap, and reading is not.
func (s *Session) hasBackfill() bool {
	if s.backfilling {
		return true
	}
	for _, p := range s.cursors {
		if p.backfill != nil {
			return true
		}
	}
	return false
}

// backfilled takes the past that was asked for. What is missing before it is gone, and the client is told.
func (s *Session) backfilled(p *cursor, c room.BackfillResult, err error) {
	s.backfilling = false
	p.errorSent = p.errorSent && err != nil
	passed := c.Frames != nil && c.Frames.Last() <= p.n
	if p.left || p == s.writing || passed { // the tape holds it by now; if that ends too early, it is asked for again
		c.Frames.Release()
		return
	}
	begin := c.First
	if c.Frames != nil {
		begin = c.Frames.First() // not c.First: if retention came after the read, what was read is still the truth
	}
	switch {
	case err != nil:
		if damaged := errors.Is(err, eventlog.ErrDamaged); damaged && !p.errorSent { // once, for it is tried again and again
			p.errorSent = true
			s.protocol.unreadable(p.sub.Room(), Unreadable(s.env.Store, p.sub.Room()))
		} else if !damaged { // what is damaged the store has logged
			s.env.Logger.Error("the past of a room could not be read", "room", p.sub.Room(), "after", p.n, "err", err)
		}
		p.again = s.now + readRetry
	case begin > p.n+1:
		s.protocol.gap(p.sub.Room(), p.n+1, begin-1)
		p.reach(begin - 1)
		p.backfill = c.Frames
	case c.Frames != nil:
		p.backfill = c.Frames
	default: // the tape has something that the journal does not show yet
		p.again = s.now + readRetry
	}
}

// Unreadable is what a reader is told of a room that cannot be read.
func Unreadable(store eventlog.Store, name string) *wire.CodedError {
	err := &wire.CodedError{Code: wire.Unavailable, Reason: fmt.Sprintf("the messages of room %s cannot be read now; ask again", name), RetryAfter: readRetry}
	if damage := store.Health().Of(name); damage != nil {
		err.Reason, err.RetryAfter = damage.Error(), damagedRetry
	}
	return err
}

// behind tells whether there is something in the rooms that this client was not sent.
func (s *Session) behind() bool {
	for _, p := range s.cursors {
		if span, held := p.sub.After(p.n, 1); p.backfill != nil || !held || len(span.Bytes()) > 0 {
			return true
		}
	}
	return false
}

// sendState sends the state of rooms that has changed. It is called when everything said has been sent.
func (s *Session) sendState() {
	if !s.protocol.encoding().ReceivesState() {
		return
	}
	for _, p := range s.cursors {
		state := p.sub.State()
		if p.presence != state.PresenceVersion {
			p.presence = state.PresenceVersion
			s.protocol.presence(state.Presence)
		}
		if p.typing != state.TypingVersion {
			p.typing = state.TypingVersion
			s.protocol.typing(state.Typing)
		}
	}
}

// join takes a seat and stands at number n.
func (s *Session) addCursor(n uint64, sub *room.Subscription) {
	p := &cursor{sub: sub, presence: sub.PresenceAtJoin()}
	p.reach(n)
	s.cursors = append(s.cursors, p)
}

// sub takes a sub in a room without standing anywhere yet.
func (s *Session) subscribe(name string) *room.Subscription {
	enc := s.protocol.encoding()
	if s.deflate {
		enc = enc.Deflated()
	}
	return s.env.Hub.Join(name, enc, s)
}

// submit submits a command to the log; ref is repeated in its answer. It returns false if the queue is full: then the
// session is woken when it is not.
func (s *Session) submit(e eventlog.Command, ref string) bool {
	t := s.ensurePublisher()
	switch s.env.Submit(eventlog.Submission{Command: e, ReplyTo: &t.replyTo, Fence: t.fence, Ref: ref}, s.queueHasSpace) {
	case nil:
		t.inFlight++
	case eventlog.ErrBusy:
		t.queueFull = true
		return false
	default: // closed: the server stops, and the client will say it again elsewhere
		t.lostToStop = true
	}
	return true
}

// queueHasSpace is called by the orderer when its queue has room again.
func (s *Session) queueHasSpace() { s.enqueue(func() { s.publisher.queueFull = false }) }

// submitOrWait submits e, as soon as there is room. It returns whether there was.
func (s *Session) submitOrWait(e eventlog.Command, ref string) bool {
	if s.submit(e, ref) {
		return true
	}
	s.blockUntil(0, func() bool { return s.submit(e, ref) })
	return false
}

// price is what something takes of the rates.
type price struct {
	events int
	work   int
	room   string // that something is said in, which may make it; empty: no room is made
	name   bool   // the sender comes to hold a name
}

// paced does f as soon as the rates allow it; until then nothing is read. f returns false if it has stalled something
// itself.
func (s *Session) paced(p price, f func() bool) {
	wait := s.pay(p)
	if wait == 0 {
		f()
		return
	}
	s.blockUntil(wait, func() bool {
		if wait := s.pay(p); wait > 0 {
			s.retryAfter(wait)
			return false
		}
		return f()
	})
}

// pay takes p from the rates, or returns how long to wait.
func (s *Session) pay(p price) time.Duration {
	if p.room != "" && s.env.Store.Bounds(p.room).Empty() {
		if wait := s.env.Rates.TakeRoom(s.wallTime(), s.addr, p.room); wait > 0 {
			return wait
		}
	}
	if p.work > 0 {
		return s.env.Rates.Work(s.wallTime(), s.senderID, s.addr, p.work)
	}
	wait := s.env.Rates.Take(s.wallTime(), s.sender(), s.addr, p.events)
	if wait == 0 && p.name && s.env.Store.Name(s.sender()) == "" {
		wait = s.env.Rates.TakeHold(s.wallTime(), s.addr)
	}
	return wait
}

// resumePrice is what it takes to go on in a room after a position. Those who come back after a break do so all together,
// and to many rooms: for that it is no event.
var resumePrice = price{work: 4}

// joinPrice is what it takes to enter a room after a position, or without one.
func joinPrice(after *wire.Position) price {
	if after != nil {
		return resumePrice
	}
	return price{events: 1}
}

// pause stops reading for a while. That is not the client's time.
func (s *Session) pause(wait time.Duration) {
	t := s.ensurePublisher()
	wait = max(wait, shortestPause)
	t.pausedUntil = s.now + wait
	if t.refusal != nil {
		t.refusal.until += wait
	}
}

// registerKey is the name that what is said now makes the sender's own, see eventlog.Command.Own. Where the address's share does
// not allow that, the sender goes on holding the name as one without a key does, and what it says later tries again. A
// claim that is on its way is not seen yet: clients of ours say nothing until they know their name.
func (s *Session) registerKey() string {
	if !s.hasKey {
		return ""
	}
	key := s.env.Store.CanRegister(s.sender())
	if key == "" || key == s.ensurePublisher().paidKey {
		return key
	}
	if s.env.Rates.TakeName(s.wallTime(), s.addr) > 0 {
		return ""
	}
	s.publisher.paidKey = key
	return key
}

// startPosition says where a client begins in a room that asks for what follows after, or if that is nil for the newest last
// messages, and what it is told about it.
func startPosition(store eventlog.Store, seat *room.Subscription, after *wire.Position, last int) (wire.Joined, uint64) {
	head := store.Bounds(seat.Room())
	joined := wire.Joined{
		Room: seat.Room(), HistoryID: store.HistoryID(), Epoch: store.Epoch().Name, N: head.Last, First: head.First, Count: seat.Count(),
	}
	if after == nil {
		return joined, newestFrom(head, last)
	}
	joined.Reset = !store.Contains(seat.Room(), after)
	if joined.Reset {
		return joined, newestFrom(head, wire.DefaultJoin)
	}
	return joined, after.N
}

// newestFrom is where a reader begins who wants the newest last messages.
func newestFrom(h eventlog.Bounds, last int) uint64 {
	n := h.First - 1
	if h.Last > uint64(last) {
		n = max(n, h.Last-uint64(last))
	}
	return n
}
