package chat

import (
	"slices"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Message is the argument of Say.
type Message struct {
	Room string
	ID   string // makes a retry recognizable, by sender and room
	Text string // normalized
	Re   uint64 // number of the message that it replies to; 0: none
	As   string // wire.Question, wire.Poll or wire.Notice; empty: only a text
	Once bool   // the server created ID and sends it only once: the log need not remember it

	Options []string // of a poll

	admitted bool // all checks have passed; only the queue was full
}

// Say posts a message. After nil it is in the queue, and its outcome goes to r. After eventlog.ErrBusy the message has been
// accepted, but the queue is full: once r.Space was called, call Say again with the same m, which is not counted twice.
// After a *wire.CodedError it was refused; if Wait is above 0, it may be posted later.
func (s *Service) Say(a *Actor, m *Message, r Reply) error {
	if !m.admitted {
		if err := wire.CheckText(m.Text, s.cfg.Limits.Text); err != nil {
			return err
		}
		if err := wire.CheckAs(m.As, m.Options); err != nil {
			return err
		}
		if err := s.countSay(a, m.Room); err != nil {
			return err
		}
		s.cfg.Log.Heard(a.Addr, m.Room, m.Text)
		m.admitted = true
	}
	rules := s.cfg.Store.Level() >= eventlog.RulesLevel
	return s.submit(s.withOrigin(a, eventlog.Command{
		Kind: eventlog.Say, SenderID: a.sender(), Room: m.Room, ID: m.ID, Text: m.Text, Re: m.Re, Once: m.Once, RegisterKey: s.registerKey(a), Body: m.body(),
		Link: rules && m.hasLink(), Transient: rules && a.Protocol == Plain,
	}), &r)
}

// hasLink reports whether the text or an option of a poll has a link.
func (m *Message) hasLink() bool {
	return wire.HasLink(m.Text) || slices.ContainsFunc(m.Options, wire.HasLink)
}

// body is the body of a message's command, nil if it is only a text.
func (m *Message) body() eventlog.Body {
	if m.As == "" {
		return nil
	}
	return eventlog.SayAs{As: m.As, Options: m.Options}
}

// countSay counts a message, and the room if the message creates it.
func (s *Service) countSay(a *Actor, room string) error {
	now := s.cfg.Now()
	if s.cfg.Store.Bounds(room).Empty() {
		if wait := s.rates.TakeRoom(now, a.Addr.Addr(), room); wait > 0 {
			return rateLimited(wait)
		}
	}
	if wait := s.rates.Take(now, a.SenderID, a.Addr.Addr(), 1); wait > 0 {
		return rateLimited(wait)
	}
	return nil
}

// registerKey returns the key of the name that a message registers for its sender, see eventlog.Command.RegisterKey. If the
// address has registered too many names, the sender keeps the name like one without a key, and later messages try again. A
// reservation that is still in the queue is not visible yet: our clients post nothing before their name is answered.
func (s *Service) registerKey(a *Actor) string {
	if !a.HasKey {
		return ""
	}
	key := s.cfg.Store.CanRegister(a.sender())
	if key == "" || key == a.paidKey {
		return key
	}
	if s.rates.TakeName(s.cfg.Now(), a.Addr.Addr()) > 0 {
		return ""
	}
	a.paidKey = key
	return key
}
