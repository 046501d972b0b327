package chat

import (
	"ramai/internal/eventlog"
	"ramai/wire"
)

// Judge approves or rejects a held message. It counts as a message, and returns what Say returns.
func (s *Service) Judge(a *Actor, m *wire.Moderate, r Reply) error {
	body := eventlog.JudgeBody{Decision: eventlog.Approved}
	of := m.Approve
	if of == nil {
		of, body.Decision = m.Reject, eventlog.Rejected
	}
	body.SenderID, body.ID = of.SenderID, of.ID
	return s.judge(a, m.Room, m.ID, body, r)
}

// Withdraw withdraws a message of the actor that waits for a moderator. id is that of the request, and held that of the message. It
// counts as a message, and returns what Say returns.
func (s *Service) Withdraw(a *Actor, room, id, held string, r Reply) error {
	return s.judge(a, room, id, eventlog.JudgeBody{SenderID: a.sender(), ID: held, Decision: eventlog.Withdrawn}, r)
}

func (s *Service) judge(a *Actor, room, id string, body eventlog.JudgeBody, r Reply) error {
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), 1); wait > 0 {
		return rateLimited(wait)
	}
	return s.submit(s.withOrigin(a, eventlog.Command{Kind: eventlog.Judge, SenderID: a.sender(), Room: room, ID: id, Body: body}), &r)
}

// Report reports a message to the moderators of its room. It counts as a message, and returns what Say returns.
func (s *Service) Report(a *Actor, f *wire.Report, r Reply) error {
	if err := wire.CheckText(f.Text, wire.MaxReport); err != nil {
		return err
	}
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), 1); wait > 0 {
		return rateLimited(wait)
	}
	return s.submit(s.withOrigin(a, eventlog.Command{
		Kind: eventlog.Report, SenderID: a.sender(), Room: f.Room, ID: f.ID, Body: eventlog.ReportBody{Of: f.Of, Text: f.Text},
	}), &r)
}
