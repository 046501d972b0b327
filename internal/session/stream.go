package session

import (
	"strconv"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/room"
	"ramai/wire"
)

// stream is an HTTP response that does not end: it sends the messages of one room, and reads nothing. Its status line
// and headers were sent before the session began.
//
// It has two forms. Each server-sent event (HTML Living Standard, section 9.2) carries a position as its id, which a
// browser sends back in Last-Event-ID when it reconnects. Lines carry the same content as JSON objects.
type stream struct{ *Session }

// usualRetry is how long a browser waits before it reconnects to an interrupted stream.
const usualRetry = 3 * time.Second

func (s stream) encoding() room.Encoding {
	if s.protocol == chat.Lines {
		return room.JSONLines
	}
	return room.Events
}

func (s stream) open(c *Client) {
	name, after, last := c.Room, c.After, c.Last
	s.paced(func() error {
		joined, n, err := s.join(name, after, last)
		if refused := chat.Refusal(err); refused != nil && chat.Wait(err) == 0 {
			s.env.refused(refused.Code)
			s.left(name, refused)
			return nil
		}
		if err != nil {
			return err
		}
		if s.protocol == chat.Events { // a browser remembers the last value, even one from a server that stopped
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

// left ends the response. A browser reconnects, and is refused.
func (s stream) left(name string, why *wire.CodedError) {
	s.event(wire.Position{}, wire.LeftBy(name, why))
	s.end(0, "")
}

func (s stream) role(name string, role wire.Role, until wire.Time) {
	s.event(wire.Position{}, wire.OwnRole{Room: name, Role: role, Until: until})
}

// event sends a frame for this client only. A client that has it has received everything up to the position at.
func (s stream) event(at wire.Position, f wire.Frame) {
	s.put(f.Type(), at, wire.Append(nil, f))
}

// put appends an event or a line to the control queue; see room.AppendEvent.
func (s stream) put(name string, at wire.Position, payload []byte) {
	if s.protocol == chat.Lines {
		s.control = append(append(s.control, payload...), '\n')
	} else {
		s.control = room.AppendEvent(s.control, name, at, payload)
	}
}

// received discards all input: a client sends nothing after its request.
func (s stream) received(b []byte) (int, error) { return len(b), nil }

func (s stream) reply(*reply) {}

func (s stream) presence(payload []byte) { s.put(wire.Presence{}.Type(), wire.Position{}, payload) }

func (s stream) typing([]byte) {}

func (s stream) judged(*eventlog.Judged) {}

func (s stream) renamed(string) {}

// epoch sends a line. The ids of events contain the epoch.
func (s stream) epoch(f wire.Epoch) {
	if s.protocol == chat.Lines {
		s.put(f.Type(), wire.Position{}, wire.Append(nil, f))
	}
}

func (s stream) gap(name string, from, to uint64) {
	s.event(s.env.Chat.Position(to), wire.Gap{Room: name, From: from, To: to})
}

// unreadable reports why nothing comes. The name of the event is the code and not "error", which browsers use for lost
// connections.
func (s stream) unreadable(room string, why *wire.CodedError) {
	s.env.refused(why.Code)
	s.put(string(why.Code), wire.Position{}, wire.Append(nil, wire.Request{Room: room}.Refused(why)))
}

// ended is like unreadable.
func (s stream) ended(why *wire.CodedError) {
	s.put(string(why.Code), wire.Position{}, wire.Append(nil, wire.ErrorOf(why)))
}

// ping sends something, because proxies count traffic: a JSON line, or a comment between events.
func (s stream) ping() (answered bool) {
	if s.protocol == chat.Lines {
		s.put("", wire.Position{}, wire.Append(nil, wire.Ping{}))
	} else {
		s.control = append(s.control, ":\n\n"...)
	}
	return false
}

// bye sends the time after which to reconnect; a browser does so by itself.
func (s stream) bye(retry time.Duration) {
	if s.protocol == chat.Lines {
		s.put("", wire.Position{}, wire.Append(nil, wire.Restarting{RetryAfterMS: retry.Milliseconds()}))
		return
	}
	s.writeRetry(retry)
	s.control = append(s.control, '\n')
}

// writeRetry appends the field that sets the reconnection time, before an event or by itself.
func (s stream) writeRetry(after time.Duration) {
	s.control = append(s.control, "retry: "...)
	s.control = strconv.AppendInt(s.control, after.Milliseconds(), 10)
	s.control = append(s.control, '\n')
}

// last appends nothing: the end of the response is the end.
func (s stream) last(uint16, string) {}
