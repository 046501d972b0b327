package session

import (
	"bytes"

	"ramai/internal/fanout"
	"ramai/wire"
)

// Received implements reactor.Source.
func (s *Session) Received(b []byte) (used int, err error) {
	defer s.account()
	s.unanswered = 0
	s.turn()
	if len(b) == 0 {
		s.ensurePublisher().eof = true
		return 0, nil
	}
	return s.codec.received(b)
}

// full reports whether the client has to wait before more is read from it.
func (s *Session) full() bool {
	return s.blocked() || s.paused() || s.reading || s.inFlight() >= maxInFlight || len(s.control) > s.controlLimit() || s.stopPhase() != phaseRunning
}

// controlLimit is the size of the control queue, in bytes, above which requests wait. It is 0 if slow clients have used
// up the memory for unsent data.
func (s *Session) controlLimit() int {
	if s.env.Budget.Crowded() {
		return 0
	}
	return controlHighWater
}

// account charges the budget for growth of the control queue. It ends every call of the Source.
func (s *Session) account() {
	if held := cap(s.control); held > int(s.charged) || held == 0 && s.charged > 0 {
		s.charge(held)
	}
}

func (s *Session) charge(held int) {
	s.env.Budget.Charge(int64(held) - int64(s.charged))
	s.charged = uint32(held)
}

// smallMessage is the size in bytes up to which an unfinished message is not counted. Most messages are smaller.
const smallMessage = 4 << 10

// holdPartial records that the unfinished message takes n bytes.
func (s *Session) holdPartial(n int) {
	if n <= smallMessage {
		n = 0
	}
	if n > 0 || s.holdsPartial {
		s.holdsPartial = n > 0
		s.env.Budget.SetPartial(s, int64(n))
	}
}

// GiveUp implements fanout.Unfinished: there is no memory for the unfinished message. The client can send it again.
func (s *Session) GiveUp() {
	s.enqueue(func() {
		if s.holdsPartial {
			s.end(wire.CloseTryAgain, "too many clients send long messages slowly, and no memory is left for this one; send it again")
		}
	})
}

// close appends the end of the output to the control queue.
func (s *Session) close(code uint16, reason string) {
	if !s.closing {
		s.codec.last(code, reason)
		s.closing = true
	}
}

// Next implements reactor.Source.
func (s *Session) Next(max int) ([]byte, bool) {
	defer s.account()
	s.turn()
	for {
		if b := s.controlBytes(max); b != nil {
			return b, true
		}
		if s.closing {
			return nil, false
		}
		if s.closeReceived() && s.fullyAnswered() {
			s.close(s.publisher.closeCode, "")
			s.conn.Finish()
			continue
		}
		if s.stopPhase() < phaseForced && !s.conn.Gone() {
			if b := s.pull(max); b != nil {
				return b, true
			}
			if s.sendEpoch() {
				continue
			}
			s.sendState()
		}
		if len(s.control) > 0 { // a gap, or the state of a room
			continue
		}
		if s.stopPhase() < phaseLeaving || s.stopPhase() == phaseLeaving && !s.conn.Gone() && s.behind() {
			s.arm()
			if s.publisher != nil && s.publisher.eof && !s.closeReceived() && !s.reading && s.fullyAnswered() {
				s.conn.Finish()
			}
			return nil, false
		}
		s.codec.bye(s.reconnectAfter())
		s.close(wire.CloseRestart, "the server has stopped")
		s.conn.Finish()
	}
}

// closeReceived reports whether the client has sent a close frame.
func (s *Session) closeReceived() bool { return s.publisher != nil && s.publisher.closeReceived }

// fullyAnswered reports whether the outcome of everything that the client posted has been sent to it, as far as
// possible.
func (s *Session) fullyAnswered() bool {
	return !s.blocked() && s.inFlight() == 0 && (s.conn.Gone() || s.publisher == nil || s.publisher.lastSaid == 0 || s.cursors[0].n >= s.publisher.lastSaid)
}

// controlBytes returns the beginning of the control queue, at most max bytes.
func (s *Session) controlBytes(max int) []byte {
	if len(s.control) == 0 {
		return nil
	}
	return s.control[:min(len(s.control), max)]
}

// Wrote implements reactor.Source.
func (s *Session) Wrote(k int) {
	if p := s.writing; p != nil {
		n, rest := s.span.Advance(k)
		s.writing, s.span = nil, fanout.Span{}
		p.advance(n)
		if len(rest) > 0 {
			s.control = append(bytes.Clone(rest), s.control...)
			s.holdRest(p, n, len(rest))
			s.charge(cap(s.control))
		}
		s.unsubscribe(p)
		return
	}
	if s.held != nil {
		s.sent(k)
	}
	switch s.control = s.control[k:]; {
	case len(s.control) == 0:
		s.control = nil // an idle client holds no buffer
		s.account()
	case len(s.control) < int(s.charged)/2:
		s.control = bytes.Clone(s.control) // free what has been sent
		s.charge(cap(s.control))
	}
}

// Closed implements reactor.Source.
func (s *Session) Closed(err error) {
	s.release(err)
	why := "closed by the client"
	if err != nil {
		why = err.Error()
	}
	s.env.Clients.Closed(s.addrPort(), s.protocol, why)
}

// release frees what the session holds. It then calls Env.Closed, even after a panic, because a shutdown waits for the
// end of each session. The log entry comes later, since writing it may be slow.
func (s *Session) release(why error) {
	if s.env.Closed != nil {
		defer s.env.Closed(s, why)
	}
	if s.publisher != nil && s.publisher.forgetCode != nil {
		s.publisher.forgetCode()
	}
	for _, p := range s.cursors {
		p.leave()
	}
	s.cursors = nil
	s.handleMessages(inOrder(s.mailbox.Swap(ended))) // this releases backfills that were read for this client
	s.dropHeld()
	s.control = nil
	s.account()
	s.holdPartial(0)
	if s.nameBound {
		// The name is released here, after everything that the client sent is stored, and not when the peer is gone.
		// A stored message bears the name that its sender holds at that moment. If the name were released sooner, the
		// remaining messages would have no name, or the next holder's messages would appear under the same name, and
		// readers of the plain protocol could not tell the two apart. For a client within the rate limits nothing is
		// left to store, so its name is released at once.
		s.env.Chat.ReleaseBound(s.sender())
	}
}
