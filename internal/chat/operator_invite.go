package chat

import (
	"context"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Invite makes an invite as the operator. secret is a new session secret, see wire.NewSession. A *wire.CodedError refuses it.
func (o *Operator) Invite(ctx context.Context, ask wire.Invite, secret string, now time.Time) (wire.Invited, error) {
	if err := completeInvite(&ask, now); err != nil {
		return wire.Invited{}, err
	}
	invited, body := fromSecret(ask, secret)
	_, err := o.post(ctx, eventlog.Command{Kind: eventlog.Invite, SenderID: eventlog.OperatorSender, Room: ask.Room, ID: ask.ID, Body: body})
	return invited, err
}
