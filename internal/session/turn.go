package session

import (
	"time"

	"ramai/internal/eventlog"
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
	if s.publisher != nil && s.publisher.endAt != 0 && s.now >= s.publisher.endAt {
		s.endSession()
	}
	if s.conn.Gone() { // it leaves its rooms now, though what it sent may still have to be stored
		for _, p := range s.cursors {
			p.leave()
		}
	}
	s.checkAlive()
}

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
		atMost(s.publisher.endAt)
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
		if p.sub.Lost() { // after reading: the state may be newer
			continue
		}
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

// pause stops reading for a while. The deadline of a fence moves by the same time.
func (s *Session) pause(wait time.Duration) {
	t := s.ensurePublisher()
	wait = max(wait, shortestPause)
	t.pausedUntil = s.now + wait
	if t.refusal != nil {
		t.refusal.until += wait
	}
}
