package session

import (
	"strconv"
	"time"

	"ramai/internal/chat"
	"ramai/internal/room"
	"ramai/wire"
)

// stream is an HTTP answer that does not end: it tells what is said in one room, and takes nothing. Its head, the status
// line and what follows, was sent before the session began.
//
// It has two forms. Server-sent events (HTML Living Standard, section 9.2) each carry a position as their id, so that a
// browser that comes back says by itself, in Last-Event-ID, how far it has heard. Lines are the same as JSON objects.
type stream struct{ *Session }

// usualRetry is when a browser comes back to a stream that broke off.
const usualRetry = 3 * time.Second

func (s stream) encoding() room.Encoding {
	if s.transport == chat.Lines {
		return room.JSONLines
	}
	return room.Events
}

func (s stream) open(c *Client) {
	name, after, last := c.Room, c.After, c.Last
	s.paced(func() error {
		joined, n, err := s.join(name, after, last)
		if err != nil {
			return err
		}
		if s.transport == chat.Events { // a browser keeps the value that it got last, also from a server that stopped
			s.writeRetry(usualRetry)
		}
		at := s.env.Chat.Position(n)
		switch {
		case joined.Reset:
			s.event(at, wire.Reset(joined))
		case after != nil && after.Epoch != "": // the client has received nothing in this epoch yet
			s.event(*after, joined)
		default:
			s.event(at, joined)
		}
		return nil
	})
}

// event tells something that is for this client alone. Having it, the client has heard everything up to the position at.
func (s stream) event(at wire.Position, f wire.Frame) {
	s.put(f.Type(), at, wire.Append(nil, f))
}

// put puts an event or a line into the private buffer; see room.AppendEvent.
func (s stream) put(name string, at wire.Position, payload []byte) {
	if s.transport == chat.Lines {
		s.control = append(append(s.control, payload...), '\n')
	} else {
		s.control = room.AppendEvent(s.control, name, at, payload)
	}
}

// received throws away what comes: after its request a client has nothing to say.
func (s stream) received(b []byte) (int, error) { return len(b), nil }

func (s stream) reply(*reply) {}

func (s stream) presence(payload []byte) { s.put(wire.Presence{}.Type(), wire.Position{}, payload) }

func (s stream) typing([]byte) {}

func (s stream) renamed(string) {}

func (s stream) gap(name string, from, to uint64) {
	s.event(s.env.Chat.Position(to), wire.Gap{Room: name, From: from, To: to})
}

// unreadable tells why nothing comes. Of events its name is not that of the frame, error: a browser uses that one for a
// connection that is lost.
func (s stream) unreadable(room string, why *wire.CodedError) {
	s.env.refused(why.Code)
	s.put(string(why.Code), wire.Position{}, wire.Append(nil, wire.Request{Room: room}.Refused(why)))
}

// ping has something pass, for proxies count that. Of lines each is JSON; of events it is a comment.
func (s stream) ping() (answered bool) {
	if s.transport == chat.Lines {
		s.put("", wire.Position{}, wire.Append(nil, wire.Ping{}))
	} else {
		s.control = append(s.control, ":\n\n"...)
	}
	return false
}

// bye says when to come back; a browser does so by itself.
func (s stream) bye(retry time.Duration) {
	if s.transport == chat.Lines {
		s.put("", wire.Position{}, wire.Append(nil, wire.Restarting{RetryAfterMS: retry.Milliseconds()}))
		return
	}
	s.writeRetry(retry)
	s.control = append(s.control, '\n')
}

// writeRetry adds a line that says when to come back after a break, to an event or to nothing.
func (s stream) writeRetry(after time.Duration) {
	s.control = append(s.control, "retry: "...)
	s.control = strconv.AppendInt(s.control, after.Milliseconds(), 10)
	s.control = append(s.control, '\n')
}

// last adds nothing: that the answer ends is the end.
func (s stream) last(uint16, string) {}
