package session

import (
	"errors"
	"fmt"

	"ramai/wire"
)

// maxControl bounds the control queue: requests are read up to controlHighWater, and the largest answer to the last
// one is a page, or the echo of a room's name that filled a frame. The rest of a cut frame may precede them.
const maxControl = controlHighWater + 2*wire.PageBytes + 4<<10 + 32<<10

// check verifies the invariants of the session.
func (s *Session) check() error {
	switch {
	case s.inFlight() < 0:
		return fmt.Errorf("%d events in flight", s.inFlight())
	case s.inFlight() > maxInFlight:
		return fmt.Errorf("%d events in flight, more than %d", s.inFlight(), maxInFlight)
	case s.publisher != nil && s.publisher.blockedUntil != 0 && s.publisher.blocked == nil:
		return errors.New("a retry is scheduled, but nothing waits for it")
	case len(s.control) > maxControl:
		return fmt.Errorf("%d bytes wait in the control queue", len(s.control))
	case s.control != nil && len(s.control) == 0:
		return errors.New("an empty control queue holds memory")
	case len(s.cursors) > s.env.Chat.Limits().Rooms:
		return fmt.Errorf("in %d rooms", len(s.cursors))
	}
	if err := s.checkHeld(); err != nil {
		return err
	}
	rooms := map[string]bool{}
	for _, p := range s.cursors {
		name := p.sub.Room()
		switch {
		case rooms[name]:
			return fmt.Errorf("room %s is joined twice", name)
		case p.left && !s.conn.Gone():
			return fmt.Errorf("room %s was left, but is still joined", name)
		case p.backfill != nil && s.backfilling:
			return fmt.Errorf("room %s: another backfill was requested while one is held", name)
		case p.backfill != nil && p.n+1 < p.backfill.First():
			return fmt.Errorf("room %s: at %d, but the backfill begins at %d", name, p.n, p.backfill.First())
		}
		rooms[name] = true
	}
	return nil
}

// checkHeld verifies the records about exposed parts of the control queue.
func (s *Session) checkHeld() error {
	h := s.held
	if h == nil {
		return nil
	}
	if h.rest == nil && len(h.pages) == 0 {
		return errors.New("an empty list of held parts takes memory")
	}
	end := 0
	if h.rest != nil {
		end = h.left
	}
	for _, p := range h.pages {
		if p.end < end {
			return fmt.Errorf("a page ends after %d bytes, before what precedes it", p.end)
		}
		end = p.end
	}
	if end > len(s.control) {
		return fmt.Errorf("%d bytes are held of %d in the control queue", end, len(s.control))
	}
	return nil
}

func (l *link) check() {
	if err := l.s.check(); err != nil {
		l.st.tb.Fatalf("invariant of the session violated: %v", err)
	}
}
