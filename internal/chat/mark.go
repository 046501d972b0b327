package chat

import (
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
	return s.submit(eventlog.Command{
		Kind: eventlog.Mark, SenderID: a.sender(), Room: m.Room, Body: eventlog.MarkBody{Of: m.Of, Key: m.Key, On: m.On},
	}, &r)
}
