package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"ramai/internal/chat"
	"ramai/wire"
)

// InvitePath makes an invite. POST: a wire.Invite as JSON, answered by an Invited.
const InvitePath = "/invites"

// Invited is the answer to InvitePath.
type Invited struct {
	wire.Invited
	Origin string // by which other machines reach the server, without a path; empty: unknown
}

// makeInvite makes an invite as the operator.
func (s *Server) makeInvite(out http.ResponseWriter, r *http.Request) {
	var ask wire.Invite
	err := json.NewDecoder(http.MaxBytesReader(out, r.Body, 4<<10)).Decode(&ask)
	if err == nil {
		err = checkInvite(&ask)
	}
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	secret, err := s.chat.NewID()
	var answer Invited
	if err == nil {
		answer.Invited, err = s.chat.Operator().Invite(r.Context(), ask, secret, time.Now())
	}
	switch refused := chat.Refusal(err); {
	case refused != nil && refused != chat.ErrUnknown:
		http.Error(out, refused.Reason, http.StatusConflict)
	case err != nil:
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
	default:
		if s.cfg.Origin != nil {
			answer.Origin = s.cfg.Origin()
		}
		out.Header().Set("Content-Type", "application/json")
		json.NewEncoder(out).Encode(answer)
	}
}

// checkInvite checks what ParseRequest checks in a request of a client.
func checkInvite(ask *wire.Invite) error {
	bad := wire.CheckRoom(ask.Room)
	if bad == nil {
		bad = wire.CheckID(ask.ID)
	}
	if bad != nil {
		return fmt.Errorf("invalid invite: %s", bad.Reason)
	}
	return nil
}
