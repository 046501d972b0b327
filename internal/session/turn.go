package session

import (
	"errors"
	"slices"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/fanout"
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
	if !s.nameBound {
		s.env.Chat.RenewName(s.sender())
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
			s.protocol.unreadable(p.sub.Room(), s.env.Chat.Unreadable(p.sub.Room()))
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

// queueHasSpace is called by the sequencer when its queue has space again.
func (s *Session) queueHasSpace() { s.enqueue(func() { s.publisher.queueFull = false }) }

// reply is where the outcome of a command goes.
func (s *Session) replyWith(ref string) chat.Reply {
	p := s.ensurePublisher()
	return chat.Reply{To: &p.replyTo, Fence: p.fence, Ref: ref, Space: p.space}
}

// submitted notes what became of submitting a command. It returns false if the queue is full.
func (s *Session) submitted(err error) bool {
	p := s.ensurePublisher()
	switch err {
	case nil:
		p.inFlight++
	case eventlog.ErrBusy:
		p.queueFull = true
		return false
	default: // the server is stopping; the client repeats the command elsewhere
		p.lostToStop = true
	}
	return true
}

// paced calls f, and again as long as it returns that the client has to wait. Meanwhile nothing is read. f handles its own
// result, unless that is eventlog.ErrBusy or a refusal to wait for.
func (s *Session) paced(f func() error) {
	if wait, done := s.result(f()); !done {
		s.repeat(wait, f)
	}
}

// repeat calls f after wait, or if that is 0 when the queue has space, until it is done.
func (s *Session) repeat(wait time.Duration, f func() error) {
	s.blockUntil(wait, func() bool {
		wait, done := s.result(f())
		if wait > 0 {
			s.retryAfter(wait)
		}
		return done
	})
}

// result says whether something that returned err is done, or else after what time to repeat it, or, if that is 0, that it
// has to wait for space in the queue.
func (s *Session) result(err error) (wait time.Duration, done bool) {
	if err == eventlog.ErrBusy {
		s.ensurePublisher().queueFull = true
		return 0, false
	}
	wait = chat.Wait(err)
	return wait, wait == 0
}

func (s *Session) inRoom(name string) bool {
	return slices.ContainsFunc(s.cursors, func(p *cursor) bool { return p.sub.Room() == name })
}

// leaveRoom leaves a room, if the session is in it.
func (s *Session) leaveRoom(name string) {
	for i, p := range s.cursors {
		if p.sub.Room() == name {
			p.leave()
			s.cursors = append(s.cursors[:i:i], s.cursors[i+1:]...)
			return
		}
	}
}

// join subscribes to a room, at the newest last messages or after a position. A session that is in it starts over.
func (s *Session) join(name string, after *wire.Position, last int) (wire.Joined, uint64, error) {
	enc := s.protocol.encoding()
	if s.deflate {
		enc = enc.Deflated()
	}
	others := len(s.cursors)
	if s.inRoom(name) {
		others--
	}
	j, err := s.env.Chat.Join(s.actor(), chat.JoinRequest{
		Room: name, Encoding: enc, Member: s, After: after, Last: last, Joined: others, Admitted: func() { s.leaveRoom(name) },
	})
	if err != nil {
		return wire.Joined{}, 0, err
	}
	p := &cursor{sub: j.Subscription, presence: j.Subscription.PresenceAtJoin()}
	p.reach(j.After)
	s.cursors = append(s.cursors, p)
	return j.Welcome, j.After, nil
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
