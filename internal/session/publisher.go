package session

import (
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

// publisher is the part of a session that posts messages, or lets a request wait.
type publisher struct {
	replyTo       eventlog.ReplyTo
	fence         uint64 // of replyTo
	inFlight      int    // commands submitted and not yet answered
	actor         chat.Actor
	space         func()        // queueHasSpace
	blocked       func() bool   // retries an accepted request that has to wait; returns whether it is done
	blockedUntil  time.Duration // blocked is not tried before this time; 0: at any time
	queueFull     bool          // the sequencer's queue was full: blocked is not tried before space is called
	refusal       *fence        // of ramai.v1; nil: no fence stands
	overdueSince  time.Duration // since when the client has been overdue, see confirmedOverdue; 0: it is not
	eof           bool          // the client has closed its side, but may still read
	closeReceived bool          // the client has sent a close frame; it is answered once the outcome of everything it posted has been sent
	closeCode     uint16        // the code of that close frame; 0: none
	lastSaid      uint64        // on the plain protocol: the number of the last message stored for this client; 0: none
	lostToStop    bool          // the server is stopping, and has not stored everything that it accepted
	caughtUp      bool          // the join that is tried again is judged: this node has caught up
	naming        bool          // on ramai.v1: a name request has not been answered yet
	forgetCode    func()        // forgets the code with which this device wants to be linked; nil: there is none
	endAt         time.Duration // the client's session has ended, and the connection is closed then; 0: it has not
	pausedUntil   time.Duration // nothing is read before this time, after too much input
}

// ensurePublisher returns s.publisher, creating it if needed.
func (s *Session) ensurePublisher() *publisher {
	if s.publisher == nil {
		s.publisher = &publisher{
			fence: 1, replyTo: eventlog.ReplyTo{Deliver: s.deliver, Lost: func() { s.Force(0) }}, actor: s.newActor(), space: s.queueHasSpace,
		}
	}
	return s.publisher
}

// blocked reports whether an accepted request has to wait.
func (s *Session) blocked() bool { return s.publisher != nil && s.publisher.blocked != nil }

// paused reports whether reading has to wait, after too much input or for the answer to a name request.
func (s *Session) paused() bool {
	return s.publisher != nil && (s.now < s.publisher.pausedUntil || s.publisher.naming)
}

// inFlight is the number of commands submitted and not yet answered.
func (s *Session) inFlight() int {
	if s.publisher == nil {
		return 0
	}
	return s.publisher.inFlight
}

// blockUntil calls f after wait, and again until it returns true.
func (s *Session) blockUntil(wait time.Duration, f func() bool) {
	t := s.ensurePublisher()
	t.blocked, t.blockedUntil = f, s.now+wait
}

// retryAfter postpones the next try of the blocked request by d.
func (s *Session) retryAfter(d time.Duration) { s.publisher.blockedUntil = s.now + d }

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
