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
		s.open(inOrder(s.mailbox.Swap(nil)))
	}
	if s.waits() && !s.publisher.crowded && s.now >= s.publisher.until {
		s.publisher.until = 0
		if s.publisher.stalled() {
			s.publisher.stalled = nil
		}
	}
	if s.conn.Gone() { // it is in no room any more, though what it sent may still have to be said
		for _, p := range s.cursors {
			p.leave()
		}
	}
	s.checkAlive()
}

// open takes in letters, the oldest first.
func (s *Session) open(l *message) {
	for ; l != nil; l = l.next {
		if l.reply != nil {
			s.publisher.flight--
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

// stall lets f wait until it returns true. It is tried when wait is over.
func (s *Session) stall(wait time.Duration, f func() bool) {
	t := s.talks()
	t.stalled, t.until = f, s.now+wait
}

// wait has what is stalled tried again after d.
func (s *Session) wait(d time.Duration) { s.publisher.until = s.now + d }

// checkAlive asks whether the client still lives.
func (s *Session) checkAlive() {
	if s.closing {
		return
	}
	if code, reason := s.overdue(); reason == "" {
		if s.publisher != nil {
			s.publisher.doubt = 0
		}
	} else if s.certain() {
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
	case s.partial != 0 && !s.full() && s.now-s.partial > messageTakes:
		return wire.ClosePolicy, "a message did not end within 30 s of its beginning"
	case s.unanswered != 0 && s.now-s.unanswered > pongWithin && !s.full():
		if n, known := s.conn.Undelivered(); !known || n == 0 {
			return wire.ClosePolicy, "no answer to pings"
		}
	}
	return 0, ""
}

// certain tells whether a client that is overdue may be given up: it was overdue some seconds ago, too. The time may
// have passed while this process was stopped, or its machine was; then what the client has sent meanwhile waits in the
// socket, or comes a moment later, and is read before the client is judged.
func (s *Session) certain() bool {
	t := s.talks()
	if t.doubt == 0 || s.now-t.doubt > messageTakes { // after another stop it is doubted anew
		t.doubt = s.now
	}
	return s.now-t.doubt >= judgeAfter
}

// renew keeps a name that is not bound to a connection from running out while its holder is connected.
func (s *Session) renew() {
	if s.now < s.renewAt || s.flight() > 0 { // it may be giving the name up just now
		return
	}
	s.renewAt = s.now + eventlog.NameLeaseTime/4
	if name := s.env.Store.Name(s.sender()); name != "" && !s.named {
		e := eventlog.Command{Kind: eventlog.ReserveName, SenderID: s.sender(), Name: name, Key: names.Key(name)}
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
		sooner(s.publisher.until)
		if s.publisher.doubt != 0 {
			sooner(s.publisher.doubt + judgeAfter)
		}
		sooner(s.publisher.paused)
	}
	if s.partial != 0 {
		sooner(s.partial + messageTakes + time.Second)
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
	if !held && s.now >= p.again && !s.refilling() {
		s.refill, p.again = true, 0
		p.sub.Backfill(p.n, func(c room.BackfillResult, err error) {
			if !s.later(func() { s.refilled(p, c, err) }) {
				c.Frames.Release()
			}
		})
	}
	return span
}

// refilling tells whether a part of the past of any room is held or asked for. Who leaves a room and enters it again waits
// for what was asked for before: leaving is cheap, and reading is not.
func (s *Session) refilling() bool {
	if s.refill {
		return true
	}
	for _, p := range s.cursors {
		if p.backfill != nil {
			return true
		}
	}
	return false
}

// refilled takes the past that was asked for. What is missing before it is gone, and the client is told.
func (s *Session) refilled(p *cursor, c room.BackfillResult, err error) {
	s.refill = false
	p.told = p.told && err != nil
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
		if damaged := errors.Is(err, eventlog.ErrDamaged); damaged && !p.told { // once, for it is tried again and again
			p.told = true
			s.protocol.unreadable(p.sub.Room(), Unreadable(s.env.Store, p.sub.Room()))
		} else if !damaged { // what is damaged the store has logged
			s.env.Logger.Error("the past of a room could not be read", "room", p.sub.Room(), "after", p.n, "err", err)
		}
		p.again = s.now + tryAgain
	case begin > p.n+1:
		s.protocol.gap(p.sub.Room(), p.n+1, begin-1)
		p.reach(begin - 1)
		p.backfill = c.Frames
	case c.Frames != nil:
		p.backfill = c.Frames
	default: // the tape has something that the journal does not show yet
		p.again = s.now + tryAgain
	}
}

// Unreadable is what a reader is told of a room that cannot be read.
func Unreadable(store eventlog.Store, name string) *wire.CodedError {
	err := &wire.CodedError{Code: wire.Unavailable, Reason: fmt.Sprintf("the messages of room %s cannot be read now; ask again", name), RetryAfter: tryAgain}
	if damage := store.Health().Of(name); damage != nil {
		err.Reason, err.RetryAfter = damage.Error(), tryDamaged
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
	if !s.protocol.encoding().Watches() {
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
func (s *Session) join(n uint64, seat *room.Subscription) {
	p := &cursor{sub: seat, presence: seat.Before()}
	p.reach(n)
	s.cursors = append(s.cursors, p)
}

// sub takes a sub in a room without standing anywhere yet.
func (s *Session) seat(name string) *room.Subscription {
	enc := s.protocol.encoding()
	if s.deflate {
		enc = enc.Deflated()
	}
	return s.env.Hub.Join(name, enc, s)
}

// submit submits a command to the log; ref is repeated in its answer. It returns false if the queue is full: then the
// session is woken when it is not.
func (s *Session) submit(e eventlog.Command, ref string) bool {
	t := s.talks()
	switch s.env.Submit(eventlog.Submission{Command: e, ReplyTo: &t.origin, Fence: t.epoch, Ref: ref}, s.vacant) {
	case nil:
		t.flight++
	case eventlog.ErrBusy:
		t.crowded = true
		return false
	default: // closed: the server stops, and the client will say it again elsewhere
		t.unsaid = true
	}
	return true
}

// vacant is called by the orderer when its queue has room again.
func (s *Session) vacant() { s.later(func() { s.publisher.crowded = false }) }

// hand submits e, as soon as there is room. It returns whether there was.
func (s *Session) hand(e eventlog.Command, ref string) bool {
	if s.submit(e, ref) {
		return true
	}
	s.stall(0, func() bool { return s.submit(e, ref) })
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
	s.stall(wait, func() bool {
		if wait := s.pay(p); wait > 0 {
			s.wait(wait)
			return false
		}
		return f()
	})
}

// pay takes p from the rates, or returns how long to wait.
func (s *Session) pay(p price) time.Duration {
	if p.room != "" && s.env.Store.Bounds(p.room).Empty() {
		if wait := s.env.Rates.TakeRoom(s.at(), s.addr, p.room); wait > 0 {
			return wait
		}
	}
	if p.work > 0 {
		return s.env.Rates.Work(s.at(), s.by, s.addr, p.work)
	}
	wait := s.env.Rates.Take(s.at(), s.sender(), s.addr, p.events)
	if wait == 0 && p.name && s.env.Store.Name(s.sender()) == "" {
		wait = s.env.Rates.TakeHold(s.at(), s.addr)
	}
	return wait
}

// resumed is what it takes to go on in a room after a position. Those who come back after a break do so all together,
// and to many rooms: for that it is no event.
var resumed = price{work: 4}

// entering is what it takes to enter a room after a position, or without one.
func entering(after *wire.Position) price {
	if after != nil {
		return resumed
	}
	return price{events: 1}
}

// pause stops reading for a while. That is not the client's time.
func (s *Session) pause(wait time.Duration) {
	t := s.talks()
	wait = max(wait, shortestPause)
	t.paused = s.now + wait
	if t.refuse != nil {
		t.refuse.until += wait
	}
}

// owning is the name that what is said now makes the sender's own, see eventlog.Command.Own. Where the address's share does
// not allow that, the sender goes on holding the name as one without a key does, and what it says later tries again. A
// claim that is on its way is not seen yet: clients of ours say nothing until they know their name.
func (s *Session) owning() string {
	if !s.keyed {
		return ""
	}
	key := s.env.Store.CanRegister(s.sender())
	if key == "" || key == s.talks().owned {
		return key
	}
	if s.env.Rates.TakeName(s.at(), s.addr) > 0 {
		return ""
	}
	s.publisher.owned = key
	return key
}

// stand says where a client begins in a room that asks for what follows after, or if that is nil for the newest last
// messages, and what it is told about it.
func stand(store eventlog.Store, seat *room.Subscription, after *wire.Position, last int) (wire.Joined, uint64) {
	head := store.Bounds(seat.Room())
	joined := wire.Joined{
		Room: seat.Room(), HistoryID: store.HistoryID(), Epoch: store.Epoch().Name, N: head.Last, First: head.First, Count: seat.Count(),
	}
	if after == nil {
		return joined, back(head, last)
	}
	joined.Reset = !store.Contains(seat.Room(), after)
	if joined.Reset {
		return joined, back(head, wire.DefaultJoin)
	}
	return joined, after.N
}

// back is where a reader begins who wants the newest last messages.
func back(h eventlog.Bounds, last int) uint64 {
	n := h.First - 1
	if h.Last > uint64(last) {
		n = max(n, h.Last-uint64(last))
	}
	return n
}
