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

// cursor is a client's position in one room.
type cursor struct {
	sub       *room.Subscription
	n         uint64           // everything up to n has been sent, or its rest is in control
	backfill  *fanout.Backfill // older frames being sent; nil: read from the fan-out buffer
	again     time.Duration    // no backfill is requested before this time
	presence  uint32           // version last sent
	typing    uint32           // version last sent
	errorSent bool             // the client knows that the next messages cannot be read
	left      bool             // the client has left, and nothing more is sent of the room
	role      wire.Role        // that the client knows

	unsubscribed bool // sub is left, too
}

// reach records that everything up to n has been sent.
func (p *cursor) reach(n uint64) {
	p.n = n
	p.sub.SetPosition(n)
}

// advance moves the cursor to number n, and releases a backfill that ends there.
func (p *cursor) advance(n uint64) {
	p.reach(n)
	if p.backfill != nil && n >= p.backfill.Last() {
		p.release()
	}
}

// leave releases the subscription and any backfill. It may be called more than once.
func (p *cursor) leave() {
	p.left = true
	p.release()
	if !p.unsubscribed {
		p.unsubscribed = true
		p.sub.Leave()
	}
}

// release releases the backfill, if there is one.
func (p *cursor) release() {
	p.backfill.Release()
	p.backfill = nil
}

// pull returns the next frames of the rooms, one room at a time in turn.
func (s *Session) pull(max int) []byte {
	for range s.cursors {
		s.next++
		p := s.cursors[int(s.next)%len(s.cursors)]
		for {
			span := s.after(p, max)
			if b := span.Bytes(); len(b) > 0 {
				if p.sub.Lost() { // the session is about to be interrupted
					break
				}
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
		if p.sub.Lost() {
			continue
		}
		if span, held := p.sub.After(p.n, 1); p.backfill != nil || !held || len(span.Bytes()) > 0 {
			return true
		}
	}
	return false
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
	p := &cursor{sub: j.Subscription, presence: j.Subscription.PresenceAtJoin(), role: j.Welcome.Role}
	p.reach(j.After)
	s.cursors = append(s.cursors, p)
	return j.Welcome, j.After, nil
}
