package chat

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Invite makes an invite, and calls done with it, once, on any goroutine. If it returns an error, done is not called. It counts as a
// message.
func (s *Service) Invite(a *Actor, ask wire.Invite, done func(wire.Invited, error)) error {
	invited, body, err := s.newInvite(a, ask)
	if err != nil {
		return err
	}
	command := eventlog.Command{Kind: eventlog.Invite, SenderID: a.sender(), Room: ask.Room, ID: ask.ID, Body: body}
	s.decided(command, func(err error) {
		if err != nil {
			invited = wire.Invited{}
		}
		done(invited, err)
	})
	return nil
}

// newInvite returns an invite with a random secret, which the log knows only by its digest.
func (s *Service) newInvite(a *Actor, ask wire.Invite) (invited wire.Invited, body eventlog.InviteBody, err error) {
	now := s.cfg.Now()
	if err := completeInvite(&ask, now); err != nil {
		return invited, body, err
	}
	if wait := s.rates.Take(now, a.SenderID, a.Addr.Addr(), 1); wait > 0 {
		return invited, body, rateLimited(wait)
	}
	secret, err := s.NewID()
	if err != nil {
		return invited, body, err
	}
	invited, body = fromSecret(ask, secret)
	return invited, body, nil
}

// completeInvite sets what a request for an invite leaves to the server, and checks the rest.
func completeInvite(ask *wire.Invite, now time.Time) error {
	at := wire.TimeOf(now)
	switch {
	case ask.Role < wire.RoleReader || ask.Role > wire.RoleOwner:
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("an invite gives a role from %v to %v, not %v", wire.RoleReader, wire.RoleOwner, ask.Role)}
	case ask.Uses < 0 || ask.Uses > wire.MaxUses:
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("an invite has 1 to %d uses, not %d", wire.MaxUses, ask.Uses)}
	case ask.Until != 0 && ask.Until <= at:
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("the time %v is over; use one ahead", ask.Until)}
	case ask.Until > wire.TimeOf(now.Add(wire.MaxInviteLife)):
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("the time %v is more than %d days ahead", ask.Until, wire.MaxInviteLife/(24*time.Hour))}
	case ask.Role == wire.RoleOwner && (ask.Uses > 1 || ask.Until != 0):
		return &wire.CodedError{Code: wire.BadRequest, Reason: "an invite with the role owner recovers the room: it has one use and does not expire; leave both out"}
	}
	switch {
	case ask.Role == wire.RoleOwner:
		ask.Uses = 1
		return nil
	case ask.Uses == 0:
		ask.Uses = wire.DefaultUses
	}
	if ask.Until == 0 {
		ask.Until = wire.TimeOf(now.Add(wire.DefaultLife))
	}
	return nil
}

// fromSecret returns an invite with a secret, and the body of its command.
func fromSecret(ask wire.Invite, secret string) (wire.Invited, eventlog.InviteBody) {
	return wire.Invited{Room: ask.Room, ID: ask.ID, Invite: secret, Role: ask.Role, Uses: ask.Uses, Until: ask.Until},
		eventlog.InviteBody{Digest: eventlog.DigestOf(secret), Role: ask.Role, Uses: ask.Uses, Until: ask.Until}
}

// Redeem gives the actor the role of an invite, or that of the room's password, and calls done with the role that the actor has
// then, once, on any goroutine. If it returns an error, done is not called. It counts as a message. Only wrong invites and
// passwords are limited further, see guesses.
func (s *Service) Redeem(a *Actor, ask wire.Redeem, done func(wire.OwnRole, error)) error {
	if err := s.countRedeem(a, &ask); err != nil {
		return err
	}
	r := &redemption{s, ask.Room, a.sender(), a.Addr.Addr(), done}
	if ask.Invite != "" {
		r.submit(eventlog.RedeemBody{Invite: eventlog.DigestOf(ask.Invite)})
		return nil
	}
	err := s.hasher.start(a.Addr.Addr(), func() {
		hash := s.passwordOf(ask.Room)
		switch ok, err := matchesPassword(ask.Password, orNoPassword(hash)); {
		case err != nil:
			s.cfg.Logger.Error("the stored password of a room cannot be used; set it again", "room", ask.Room, "err", err)
			r.end(&wire.CodedError{Code: wire.Internal, Reason: "the stored password of the room cannot be used; ask a moderator for an invite"})
		case !ok || hash == "":
			r.end(wrongPassword(ask.Room))
		default:
			r.submit(eventlog.RedeemBody{Password: eventlog.DigestOf(hash)})
		}
	})
	if err != nil {
		r.giveBack()
	}
	return err
}

func orNoPassword(hash string) string {
	if hash == "" {
		return noPassword
	}
	return hash
}

// wrongPassword does not say whether the room has a password.
func wrongPassword(room string) *wire.CodedError {
	return &wire.CodedError{Code: wire.NotAllowed, Rule: wire.RulePassword, Reason: fmt.Sprintf("this is not the password of the room %s, or it has none; check it, or ask for an invite", room)}
}

// countRedeem checks a request for a role, and counts it as an attempt.
func (s *Service) countRedeem(a *Actor, ask *wire.Redeem) (err error) {
	if a.SenderID == "" {
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "only a client with a session can have a role; connect with one"}
	}
	if ask.Invite == "" {
		if ask.Password, err = normalizePassword(ask.Password); err != nil {
			return err
		}
	}
	now := s.cfg.Now()
	if wait := s.rates.Take(now, a.SenderID, a.Addr.Addr(), 1); wait > 0 {
		return rateLimited(wait)
	}
	if wait := s.guesses.take(now, a.SenderID, a.Addr.Addr()); wait > 0 {
		return &wire.CodedError{Code: wire.RateLimited, Reason: "too many wrong passwords or invites; wait, then try again", RetryAfter: wait}
	}
	return nil
}

// A redemption is a Redeem under way, whose attempt is counted.
type redemption struct {
	*Service
	room, senderID string
	addr           netip.Addr
	done           func(wire.OwnRole, error)
}

func (r *redemption) submit(body eventlog.RedeemBody) {
	command := eventlog.Command{Kind: eventlog.Redeem, SenderID: r.senderID, Room: r.room, Body: body}
	r.decided(command, func(err error) {
		if err != nil {
			r.end(err)
			return
		}
		r.giveBack()
		role, until := r.roleOf(r.senderID, r.room)
		r.done(wire.OwnRole{Room: r.room, Role: role, Until: until}, nil)
	})
}

// end refuses the redemption. Only a wrong password, and an invite that the log does not know, count as an attempt.
func (r *redemption) end(err error) {
	if !isWrong(Refusal(err)) {
		r.giveBack()
	}
	r.done(wire.OwnRole{}, err)
}

func isWrong(refused *wire.CodedError) bool {
	switch {
	case refused == nil:
		return false
	case refused.Rule == wire.RuleInvite:
		why := refused.Params[wire.ParamWhy].Text
		return why != nil && *why == wire.InviteUnknown
	}
	return refused.Rule == wire.RulePassword
}

func (r *redemption) giveBack() { r.guesses.giveBack(r.cfg.Now(), r.senderID, r.addr) }

// decided submits a command, and calls done when it was decided, once, on any goroutine. A refusal is an error.
func (s *Service) decided(c eventlog.Command, done func(error)) {
	to := &eventlog.ReplyTo{
		Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) {
			if o.Status == eventlog.Refused {
				done(o.Err)
				return
			}
			done(nil)
		},
		Lost: func() { done(ErrUnknown) },
	}
	switch err := s.submit(c, &Reply{To: to, Fence: 1}); {
	case errors.Is(err, eventlog.ErrBusy), errors.Is(err, eventlog.ErrClosed):
		done(errUnavailable)
	case err != nil:
		done(err)
	}
}
