package chat

import (
	"ramai/wire"
)

// CanRead reports whether a sender may read a room now.
func (s *Service) CanRead(room, senderID string) bool {
	return s.cfg.Store.CanRead(room, senderID, wire.TimeOf(s.cfg.Now()))
}

// MayRead returns why an actor may not read a room now, or nil. The error says nothing about what is in the room.
func (s *Service) MayRead(a *Actor, room string) error {
	if refused := s.cfg.Store.RefusedReading(room, a.sender(), wire.TimeOf(s.cfg.Now())); refused != nil {
		return refused
	}
	return nil
}

// Role returns the role of an actor in a room now, and when it ends; 0: it has no end.
func (s *Service) Role(a *Actor, room string) (wire.Role, wire.Time) {
	return s.cfg.Store.Role(room, a.sender(), wire.TimeOf(s.cfg.Now()))
}

// NotReadable is the reason for a client to leave a room that it could not read for a moment. It can join again.
var NotReadable = &wire.CodedError{Code: wire.NotAllowed, Rule: wire.RuleRole, Reason: "you could not read the room for a moment; join again"}
