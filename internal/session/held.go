package session

import (
	"ramai/internal/room"
	"ramai/wire"
)

// held describes the bytes in the control queue that were made from stored records. If such a record is erased, they must
// not be sent any more. Everything else that a session sends from records is a span of a fan-out buffer or a backfill,
// which it obtains in one turn and usually writes in the same turn.
type held struct {
	rest  *cursor // of the frame whose rest begins the queue; nil: none does
	n     uint64  // its number
	left  int     // bytes of it
	pages []heldPage
}

// heldPage is a page in the control queue.
type heldPage struct {
	exposure *room.Exposure
	end      int // bytes of the queue up to its end
}

// holdRest records that the queue begins with the rest of frame n of a cursor's room, which was put before its former
// content.
func (s *Session) holdRest(p *cursor, n uint64, size int) {
	h := s.ensureHeld()
	h.rest, h.n, h.left = p, n, size
	for i := range h.pages {
		h.pages[i].end += size
	}
}

func (s *Session) ensureHeld() *held {
	if s.held == nil {
		s.held = new(held)
	}
	return s.held
}

// sendExposed puts a frame with ascending messages of a room, which were read after a mark, in the control queue. It returns false
// if one of them was erased since, or if the client may not read the room any more: then they have to be read again. If one is
// erased while the frame is in the queue, or the permission is lost, the connection is closed.
func (s *Session) sendExposed(of string, messages []wire.Message, since room.Mark, send func()) bool {
	read := room.Range{Room: of, From: 1} // without messages: nothing
	if k := len(messages); k > 0 {
		read.From, read.To = messages[0].N, messages[k-1].N
	}
	exposure, ok := s.env.Chat.Expose(since, s.actor(), s.conn.Abort, read)
	if !ok {
		return false
	}
	send()
	h := s.ensureHeld()
	h.pages = append(h.pages, heldPage{exposure, len(s.control)})
	return true
}

// sent records that the first k bytes of the control queue were written.
func (s *Session) sent(k int) {
	h := s.held
	if h.rest != nil {
		if h.left -= k; h.left <= 0 {
			rest := h.rest
			h.rest = nil
			s.unsubscribe(rest)
		}
	}
	for i := range h.pages {
		h.pages[i].end -= k
	}
	for len(h.pages) > 0 && h.pages[0].end <= 0 {
		h.pages[0].exposure.Release()
		h.pages = h.pages[1:]
	}
	if h.rest == nil && len(h.pages) == 0 {
		s.held = nil
	}
}

// dropHeld releases everything when the connection has ended.
func (s *Session) dropHeld() {
	writing, h := s.writing, s.held
	s.writing, s.held = nil, nil
	if writing != nil {
		writing.leave()
	}
	if h == nil {
		return
	}
	if h.rest != nil {
		h.rest.leave()
	}
	for _, p := range h.pages {
		p.exposure.Release()
	}
}

// unsubscribe ends the subscription of a cursor that the client has left, unless bytes of its room are still to be written:
// only a member learns that they are erased.
func (s *Session) unsubscribe(p *cursor) {
	if p.left && p != s.writing && (s.held == nil || p != s.held.rest) {
		p.leave()
	}
}

// Interrupted implements reactor.Interrupter: the permissions of the client have changed, or records of a room were erased. If
// bytes of them were partly handed to the
// socket, or are being written, the connection is closed, and the client resumes. Everything else that the session holds
// was already replaced, or closes the connection by itself.
func (s *Session) Interrupted() {
	s.checkAccess()
	passed := true
	for _, p := range s.cursors {
		passed = s.passErasures(p) && passed
	}
	if p := s.writing; p != nil && p.left {
		passed = s.passErasures(p) && passed
	}
	if s.held != nil && s.held.rest != nil && s.held.rest.left && s.held.rest != s.writing {
		passed = s.passErasures(s.held.rest) && passed
	}
	if !passed {
		s.conn.Abort()
	}
}

// passErasures passes the erasures of a cursor's room. It returns false if bytes of an erased record are being sent.
func (s *Session) passErasures(p *cursor) bool {
	return p.unsubscribed || p.sub.PassErasures(func(from, to uint64) bool {
		return p == s.writing && s.span.Meets(from, to) || s.held != nil && p == s.held.rest && from <= s.held.n && s.held.n <= to
	})
}
