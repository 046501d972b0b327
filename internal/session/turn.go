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

// turn processes the mailbox and does what is due. It begins every call of the Source.
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
	if s.conn.Gone() { // it leaves its rooms now, though what it sent may still have to be stored
		for _, p := range s.cursors {
			p.leave()
		}
	}
	s.checkAlive()
}

// handleMessages processes messages, oldest first.
func (s *Session) handleMessages(l *message) {
	for ; l != nil; l = l.next {
		if l.reply != nil {
			s.publisher.inFlight--
			s.codec.reply(l.reply)
		} else {
			l.do()
		}
	}
}

// inOrder reverses a list of messages, so that it begins with the oldest.
func inOrder(newest *message) (oldest *message) {
	for l := newest; l != nil; {
		l.next, oldest, l = oldest, l, l.next
	}
	return oldest
}

// blockUntil calls f after wait, and again until it returns true.
func (s *Session) blockUntil(wait time.Duration, f func() bool) {
	t := s.ensurePublisher()
	t.blocked, t.blockedUntil = f, s.now+wait
}

// retryAfter postpones the next try of the blocked request by d.
func (s *Session) retryAfter(d time.Duration) { s.publisher.blockedUntil = s.now + d }

// checkAlive pings the client when a ping is due, and closes it if it is overdue.
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
		s.unanswered = 0 // nothing is read, so a pong could not be seen
	case len(s.control) == 0: // proxies count any traffic, answered or not
		if s.codec.ping() && s.unanswered == 0 {
			s.unanswered = s.now
		}
	}
}

// overdue returns why the client should be closed according to the clock; an empty reason if it should not.
func (s *Session) overdue() (code uint16, reason string) {
	switch {
	case s.partial != 0 && !s.full() && s.now-s.partial > messageTimeout:
		return wire.ClosePolicy, "a message took longer than 30 s to arrive"
	case s.unanswered != 0 && s.now-s.unanswered > pongTimeout && !s.full():
		if n, known := s.conn.Undelivered(); !known || n == 0 {
			return wire.ClosePolicy, "no answer to pings"
		}
	}
	return 0, ""
}

// confirmedOverdue reports whether a client that is overdue may be closed, because it was already overdue some seconds
// ago. The time may have passed while this process or its machine was suspended. In that case the client's data waits
// in the socket, or arrives a moment later, and has to be read before the client is closed.
func (s *Session) confirmedOverdue() bool {
	t := s.ensurePublisher()
	if t.overdueSince == 0 || s.now-t.overdueSince > messageTimeout { // after another suspension, start again
		t.overdueSince = s.now
	}
	return s.now-t.overdueSince >= overdueFor
}

// renew renews the lease of a name that is not bound to a connection, so that it does not expire while its holder is
// connected.
func (s *Session) renew() {
	if s.now < s.renewAt || s.inFlight() > 0 { // a request under way may be releasing the name
		return
	}
	s.renewAt = s.now + eventlog.NameLeaseTime/4
	if !s.nameBound {
		s.env.Chat.RenewName(s.sender())
	}
}

// end closes the connection for a reason other than its input.
func (s *Session) end(code uint16, reason string) {
	s.close(code, reason)
	s.conn.Finish()
}

// arm requests a wake-up at the next time that something is due.
func (s *Session) arm() {
	due := s.pingAt
	atMost := func(t time.Duration) {
		if t > s.now && t < due { // anything earlier waits for something else
			due = t
		}
	}
	if s.publisher != nil {
		atMost(s.publisher.blockedUntil)
		if s.publisher.overdueSince != 0 {
			atMost(s.publisher.overdueSince + overdueFor)
		}
		atMost(s.publisher.pausedUntil)
	}
	if s.partial != 0 {
		atMost(s.partial + messageTimeout + time.Second)
	}
	for _, p := range s.cursors {
		atMost(p.again)
	}
	if s.armed > s.now && due >= s.armed {
		return // an earlier wake-up is already requested
	}
	s.armed = due
	s.conn.WakeAfter(due - s.now)
}

// pull returns the next frames of the rooms, one room at a time in turn.
func (s *Session) pull(max int) []byte {
	for range s.cursors {
		s.next++
		p := s.cursors[int(s.next)%len(s.cursors)]
		for {
			span := s.after(p, max)
			if b := span.Bytes(); len(b) > 0 {
				if s.newEpoch() {
					return nil // the epoch is announced first: the span may have messages of it
				}
				s.writing, s.span = p, span
				return b[:min(len(b), max)] // a single frame may be longer
			}
			if span.Last() == 0 {
				break
			}
			p.advance(span.Last()) // the encoding hides these records
		}
	}
	return nil
}

// after returns the frames that follow a cursor, from its backfill or from the fan-out buffer. If neither has them, it
// requests a backfill, for one room at a time: a slow client costs the memory of one backfill.
func (s *Session) after(p *cursor, max int) fanout.Span {
	if p.backfill != nil {
		if span, held := p.backfill.After(p.n, max); held {
			return span
		}
		p.release() // its memory was needed for others
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

// hasBackfill reports whether a backfill of any room is held or requested. A client that leaves a room and joins it
// again waits for the earlier request: leaving is cheap, reading is not.
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

// backfilled receives a backfill. Messages missing before it have been deleted, and the client is told about the gap.
func (s *Session) backfilled(p *cursor, c room.BackfillResult, err error) {
	s.backfilling = false
	p.errorSent = p.errorSent && err != nil
	passed := c.Frames != nil && c.Frames.Last() <= p.n
	if p.left || p == s.writing || passed { // the fan-out buffer has it by now; if it does not, another backfill is requested
		c.Frames.Release()
		return
	}
	begin := c.First
	if c.Frames != nil {
		begin = c.Frames.First() // not c.First: what was read stays valid if retention deleted it afterwards
	}
	switch {
	case err != nil:
		if damaged := errors.Is(err, eventlog.ErrDamaged); damaged && !p.errorSent { // report it once, although the read is retried
			p.errorSent = true
			s.codec.unreadable(p.sub.Room(), s.env.Chat.Unreadable(p.sub.Room()))
		} else if !damaged { // the store has logged damage already
			s.env.Logger.Error("could not read the history of a room", "room", p.sub.Room(), "after", p.n, "err", err)
		}
		p.again = s.now + readRetry
	case begin > p.n+1:
		s.codec.gap(p.sub.Room(), p.n+1, begin-1)
		p.reach(begin - 1)
		p.backfill = c.Frames
	case c.Frames != nil:
		p.backfill = c.Frames
	default: // the fan-out buffer has something that the store does not show yet
		p.again = s.now + readRetry
	}
}

// behind reports whether the rooms have anything that was not sent to this client.
func (s *Session) behind() bool {
	for _, p := range s.cursors {
		if span, held := p.sub.After(p.n, 1); p.backfill != nil || !held || len(span.Bytes()) > 0 {
			return true
		}
	}
	return false
}

// newEpoch reports whether an epoch has begun that the client does not know of.
func (s *Session) newEpoch() bool { return s.epoch != uint32(s.env.Chat.Epoch().Number) }

// sendEpoch sends the newest epoch, if the client does not know it, and returns whether that was so. In a cluster, any node
// that starts begins an epoch. A client that resumes after a message has to name an epoch that is not older than the message.
func (s *Session) sendEpoch() bool {
	epoch := s.env.Chat.Epoch()
	if s.epoch == uint32(epoch.Number) {
		return false
	}
	s.epoch = uint32(epoch.Number)
	if len(s.cursors) > 0 { // otherwise the next joined has it
		s.codec.epoch(wire.Epoch{HistoryID: s.env.Chat.Position(0).HistoryID, Epoch: epoch.Name})
	}
	return true
}

// sendState sends the changed state of rooms. It is called when all messages have been sent.
func (s *Session) sendState() {
	if !s.codec.encoding().ReceivesState() {
		return
	}
	for _, p := range s.cursors {
		state := p.sub.State()
		if p.presence != state.PresenceVersion {
			p.presence = state.PresenceVersion
			s.codec.presence(state.Presence)
		}
		if p.typing != state.TypingVersion {
			p.typing = state.TypingVersion
			s.codec.typing(state.Typing)
		}
	}
}

// queueHasSpace is called by the sequencer when its queue has space again.
func (s *Session) queueHasSpace() { s.enqueue(func() { s.publisher.queueFull = false }) }

// replyWith returns the reply address of a command.
func (s *Session) replyWith(ref string) chat.Reply {
	p := s.ensurePublisher()
	return chat.Reply{To: &p.replyTo, Fence: p.fence, Ref: ref, Space: p.space}
}

// submitted records the result of submitting a command. It returns false if the queue is full.
func (s *Session) submitted(err error) bool {
	p := s.ensurePublisher()
	switch err {
	case nil:
		p.inFlight++
	case eventlog.ErrBusy:
		p.queueFull = true
		return false
	default: // the server is stopping; the client sends the command again to the next one
		p.lostToStop = true
	}
	return true
}

// paced calls f, and repeats it as long as its error asks the client to wait. Nothing is read meanwhile. f handles all
// results except eventlog.ErrBusy, chat.ErrBehind and refusals with a waiting time.
func (s *Session) paced(f func() error) {
	if wait, done := s.attempt(f); !done {
		s.repeat(wait, f)
	}
}

// attempt calls f, and reports whether that is done, see result. If this node is behind the client, f is tried again later.
func (s *Session) attempt(f func() error) (wait time.Duration, done bool) {
	err := f()
	if err == chat.ErrBehind {
		s.catchUp(f)
		return 0, true
	}
	return s.result(err)
}

// catchUp tries f, which joins a room, again when this node has caught up. If it cannot, the client is asked to reconnect.
// Nothing is read meanwhile.
func (s *Session) catchUp(f func() error) {
	s.reading = true
	s.env.Chat.CatchUp(func(err error) {
		s.enqueue(func() {
			s.reading = false
			if refused := chat.Refusal(err); refused != nil {
				s.env.refused(refused.Code)
				s.end(wire.CloseTryAgain, refused.Reason)
				return
			}
			p := s.ensurePublisher()
			p.caughtUp = true
			s.paced(f)
			p.caughtUp = false
		})
	})
}

// repeat calls f after wait until it is done; a wait of 0 means until the queue has space.
func (s *Session) repeat(wait time.Duration, f func() error) {
	s.blockUntil(wait, func() bool {
		wait, done := s.attempt(f)
		if wait > 0 {
			s.retryAfter(wait)
		}
		return done
	})
}

// result reports whether a call that returned err is done. If not, it is repeated after wait; a wait of 0 means when
// the queue has space.
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
			p.left = true
			p.release()
			s.cursors = append(s.cursors[:i:i], s.cursors[i+1:]...)
			s.unsubscribe(p)
			return
		}
	}
}

// join subscribes to a room, at the newest last messages or after a position. A session that is in it starts over.
func (s *Session) join(name string, after *wire.Position, last int) (wire.Joined, uint64, error) {
	enc := s.codec.encoding()
	if s.deflate {
		enc = enc.Deflated()
	}
	others := len(s.cursors)
	if s.inRoom(name) {
		others--
	}
	j, err := s.env.Chat.Join(s.actor(), chat.JoinRequest{
		Room: name, Encoding: enc, Member: s, After: after, Judge: s.publisher != nil && s.publisher.caughtUp, Last: last, Joined: others, Admitted: func() { s.leaveRoom(name) },
	})
	if err != nil {
		return wire.Joined{}, 0, err
	}
	p := &cursor{sub: j.Subscription, presence: j.Subscription.PresenceAtJoin()}
	p.reach(j.After)
	s.cursors = append(s.cursors, p)
	return j.Welcome, j.After, nil
}

// pause stops reading for a while. The deadline of a fence moves by the same time.
func (s *Session) pause(wait time.Duration) {
	t := s.ensurePublisher()
	wait = max(wait, shortestPause)
	t.pausedUntil = s.now + wait
	if t.refusal != nil {
		t.refusal.until += wait
	}
}
