package chat

import (
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// TestRoleDoesNotAllocate: the role of a sender without a proof is found in memory, while others have proofs.
func TestRoleDoesNotAllocate(t *testing.T) {
	s := newServer(t, RateLimits{})
	s.Service.identities.proved[hashKey("somebody else")] = struct{}{}
	a := Actor{SenderID: wire.SenderIDOf("anna")}
	if n := testing.AllocsPerRun(100, func() { s.Role(&a, wire.Lobby) }); n > 0 {
		t.Errorf("it allocates %v times", n)
	}
	if role, _ := s.Role(&a, wire.Lobby); role != wire.RoleGuest {
		t.Errorf("the role is %v", role)
	}
	s.Feed([]eventlog.Outcome{{Command: &eventlog.Command{SenderID: a.SenderID, Body: eventlog.SignInBody{Kind: eventlog.SSHProof}}, Status: eventlog.Saved, SignedIn: a.SenderID}})
	if !s.mayBeProved(a.SenderID) {
		t.Error("the proof is not noticed")
	}
}
