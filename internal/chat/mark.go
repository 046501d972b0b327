package chat

import (
	"maps"
	"slices"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// markCost is what a mark costs of a sender's rate, in messages.
const markCost = 0.25

// Mark is what Service.Mark does to a message.
type Mark struct {
	Room string
	Of   uint64 // number of the message
	Key  string // see wire.CheckMarkKey
	On   bool   // add the mark, or take it away

	admitted bool // all checks have passed; only the queue was full
}

// Mark adds a mark of the actor to a message, or takes it away. Repeated, it changes nothing. It costs a quarter of a
// message, and returns what Say returns.
func (s *Service) Mark(a *Actor, m *Mark, r Reply) error {
	if !m.admitted {
		if err := wire.CheckMarkKey(m.Key); err != nil {
			return err
		}
		if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), markCost); wait > 0 {
			return rateLimited(wait)
		}
		m.admitted = true
	}
	return s.submit(s.withOrigin(a, eventlog.Command{
		Kind: eventlog.Mark, SenderID: a.sender(), Room: m.Room, Body: eventlog.MarkBody{Of: m.Of, Key: m.Key, On: m.On},
	}), &r)
}

// mine returns the marks of a sender on messages, which are in ascending order.
func (s *Service) mine(room, senderID string, messages []wire.Message) (wire.Mine, error) {
	if senderID == "" || len(messages) == 0 || !s.cfg.Store.HasMarks(room) {
		return nil, nil
	}
	all, err := s.cfg.Store.Marks(room, senderID, messages[0].N, messages[len(messages)-1].N)
	if err != nil {
		return nil, err
	}
	mine := wire.Mine{}
	for i := range messages {
		if keys := all[messages[i].N]; len(keys) > 0 && !messages[i].Gone {
			mine[messages[i].N] = keys
		}
	}
	return mine, nil
}

// NewestMarks reads the marks of the actor on the newest messages of a room, of which a replay has the last ones, and calls
// done on another goroutine. If there are none, it returns false, and done is not called.
func (s *Service) NewestMarks(a *Actor, room string, done func(wire.Mine, error)) bool {
	if a.SenderID == "" || !s.cfg.Store.HasMarks(room) || s.MayRead(a, room) != nil {
		return false
	}
	sender, from := a.SenderID, s.cfg.Store.StartOf(room, wire.MaxLast)
	s.cfg.Hub.Go(a.Addr.Addr(), func() { done(s.cfg.Store.Marks(room, sender, from+1, eventlog.MaxNumber)) })
	return true
}

// ReplayedMarks returns the marks on messages after a number, without the oldest of them if they are more than
// wire.StateBytes.
func ReplayedMarks(all wire.Mine, after uint64) wire.Mine {
	mine, size := wire.Mine{}, 0
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(all))) {
		if n <= after {
			break
		}
		size += 24
		for _, key := range all[n] {
			size += len(key) + 3
		}
		if size > wire.StateBytes {
			break
		}
		mine[n] = all[n]
	}
	return mine
}
