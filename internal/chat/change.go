package chat

import (
	"ramai/internal/eventlog"
	"ramai/wire"
)

// Change is what Service.Change does to a message.
type Change struct {
	Room string
	ID   string  // makes a retry recognizable, by sender and room
	Of   uint64  // number of the message
	Text *string // normalized; nil deletes the message

	admitted bool // all checks have passed; only the queue was full
}

// Change edits or deletes a message of the actor. It counts as a message, and returns what Say returns.
func (s *Service) Change(a *Actor, c *Change, r Reply) error {
	if !c.admitted {
		if c.Text != nil {
			if err := wire.CheckText(*c.Text, s.cfg.Limits.Text); err != nil {
				return err
			}
		}
		if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), 1); wait > 0 {
			return rateLimited(wait)
		}
		if c.Text != nil {
			s.cfg.Log.Heard(a.Addr, c.Room, *c.Text)
		}
		c.admitted = true
	}
	link := c.Text != nil && s.cfg.Store.Level() >= eventlog.RulesLevel && wire.HasLink(*c.Text)
	return s.submit(s.withOrigin(a, eventlog.Command{
		Kind: eventlog.Change, SenderID: a.sender(), Room: c.Room, ID: c.ID, Body: eventlog.ChangeBody{Of: c.Of, Text: c.Text, Link: link},
	}), &r)
}
