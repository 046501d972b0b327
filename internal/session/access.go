package session

import (
	"ramai/internal/chat"
)

// checkAccess tells the client about rooms that it may no longer read, and about roles that have changed.
func (s *Session) checkAccess() {
	changed := false
	for _, p := range s.cursors {
		if !p.sub.AccessChanged() {
			continue
		}
		changed = true
		if p.sub.Lost() {
			s.lose(p)
		} else if role, until := s.env.Chat.Role(s.actor(), p.sub.Room()); role != p.role {
			p.role = role
			s.codec.role(p.sub.Room(), role, until)
		}
	}
	for _, p := range [...]*cursor{s.writing, s.rest()} {
		if p != nil && p.left && !p.unsubscribed && p.sub.Lost() { // the client has left the room, but is still sent bytes of it
			s.conn.Abort()
		}
	}
	if changed {
		s.account()
		s.conn.Wake()
	}
}

// rest returns the cursor whose rest begins the control queue; nil: none does.
func (s *Session) rest() *cursor {
	if s.held == nil {
		return nil
	}
	return s.held.rest
}

// lose ends the subscription to a room that the client may no longer read. If the socket is blocked, and bytes of the room
// wait for it, the connection is closed: they must not be handed over at some later time.
func (s *Session) lose(p *cursor) {
	if p == s.writing || p == s.rest() {
		s.conn.Abort()
	}
	why := chat.Refusal(s.env.Chat.MayRead(s.actor(), p.sub.Room()))
	if why == nil { // meanwhile the permission was given back; the client joins again
		why = chat.NotReadable
	}
	s.leaveRoom(p.sub.Room())
	if !s.closing {
		s.codec.left(p.sub.Room(), why)
	}
}
