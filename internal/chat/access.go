package chat

import (
	"net/netip"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// CanRead reports whether a sender may read a room now, from an address.
func (s *Service) CanRead(room, senderID string, addr netip.Addr) bool {
	return s.MayRead(&Actor{SenderID: senderID, Addr: netip.AddrPortFrom(addr, 0)}, room) == nil
}

// MayRead returns why an actor may not read a room now, or nil. The error says nothing about what is in the room.
func (s *Service) MayRead(a *Actor, room string) error {
	at := wire.TimeOf(s.cfg.Now())
	if refused := s.cfg.Store.RefusedReading(room, a.sender(), at); refused != nil {
		return refused
	}
	if refused := s.cfg.Store.RefusedAddress(room, a.sender(), at, func() (newest, former eventlog.Origin) {
		reader := *a // this may run beside the actor's goroutine
		o := s.originsOf(&reader)
		return o.newest, o.former
	}); refused != nil {
		return refused
	}
	return nil
}

// Role returns the role of an actor in a room now, and when it ends; 0: it has no end. A proof counts. It reads the store only for a
// guest with a proof.
func (s *Service) Role(a *Actor, room string) (wire.Role, wire.Time) {
	return s.roleOf(a.sender(), room)
}

func (s *Service) roleOf(senderID, room string) (wire.Role, wire.Time) {
	role, until := s.cfg.Store.Role(room, senderID, wire.TimeOf(s.cfg.Now()))
	if role == wire.RoleGuest && s.mayBeProved(senderID) {
		if lifted, err := eventlog.WithProof(s.cfg.Store, senderID, role); err == nil {
			role = lifted
		}
	}
	return role, until
}

// NotReadable is the reason for a client to leave a room that it could not read for a moment. It can join again.
var NotReadable = &wire.CodedError{Code: wire.NotAllowed, Rule: wire.RuleRole, Reason: "you could not read the room for a moment; join again"}
