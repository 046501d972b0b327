package eventlog

import (
	"fmt"
	"time"

	"ramai/wire"
)

// An action is what a sender is about to do in a room, as far as rules distinguish it.
type action uint8

const (
	actPost   action = iota // a message
	actEdit                 // the sender's own message, or an attempt to change another's
	actDelete               // a message
	actMark                 // adds or removes a mark
	actSet                  // a setting that is not a rule
	actRule                 // a rule
	actReport               // a message to the moderators
	actRead                 // everything else
)

// A rank orders the senders of a room: their roles, and the operator above them.
type rank uint8

const (
	moderatorRank = rank(wire.RoleModerator)
	ownerRank     = rank(wire.RoleOwner)
	operatorRank  = ownerRank + 1
)

// rank returns the rank of a sender in a room.
func (c *Delta) rank(room, senderID string) rank {
	if senderID == OperatorSender {
		return operatorRank
	}
	r := c.rulesOf(room)
	role, _ := r.role(senderID)
	return rank(role)
}

// rankOf returns the rank of a command's sender. The sender who makes a room is its owner.
func (c *Delta) rankOf(cmd *Command) rank {
	if c.creates(cmd) {
		return ownerRank
	}
	return c.rank(cmd.Room, cmd.SenderID)
}

// permit returns the rule of the room that refuses what a sender is about to do, the first in this order: what was imposed on
// the sender, the sender's role, a lock, the roles for posts, marks and links, what was imposed on the address, and the waiting times and held messages.
// link: the text has a link.
//
// It is the only place where rules are applied, so they are the same on every transport. In a room without rules it only
// finds that there are none.
func (c *Delta) permit(tx Tx, cmd *Command, act action, link bool) (*wire.CodedError, error) {
	if cmd.SenderID == OperatorSender {
		return nil, nil
	}
	r := c.rulesOf(cmd.Room)
	if r.set == 0 {
		return nil, nil
	}
	if refused := r.refusedPerson(cmd.SenderID, act); refused != nil {
		return refused, nil
	}
	role, given := r.role(cmd.SenderID)
	if refused := r.refusedRole(role, given, act); refused != nil {
		return refused, nil
	}
	if r.wants != wire.RoleNone {
		return nil, nil
	}
	if role >= wire.RoleModerator && r.set&(maySayRule|mayReactRule|mayLinkRule) == 0 {
		return nil, nil
	}
	if refused := r.refusedLock(role, act); refused != nil {
		return refused, nil
	}
	if refused, err := r.refusedMay(c, tx, cmd.SenderID, role, act, link); refused != nil || err != nil {
		return refused, err
	}
	if refused := r.refusedAddress(role, cmd.Origin, cmd.FormerOrigin, act); refused != nil {
		return refused, nil
	}
	if role >= wire.RoleModerator || r.set&(newcomerRule|slowRule|holdRule) == 0 {
		return nil, nil
	}
	return c.refusedForNow(tx, &r, cmd, act, link)
}

// ruled returns a refusal by a rule. s is the rule; nil if it is a default.
func ruled(rule string, s *storedSetting, params wire.Params, reason string) *wire.CodedError {
	e := &wire.CodedError{Code: wire.NotAllowed, Reason: reason, Rule: rule, Params: params}
	if s != nil && s.until != 0 && !s.isClaim() {
		e.Until = s.until
		e.Reason += fmt.Sprintf(", until %v", s.until)
	}
	return e
}

// roleTooLow refuses what is allowed from a role on.
func roleTooLow(want wire.Role, reason string) *wire.CodedError {
	return ruled(wire.RuleRole, nil, roleParam(want), reason)
}

func roleParam(role wire.Role) wire.Params {
	return wire.Params{wire.ParamRole: wire.TextValue(role.String())}
}

// refusedPerson applies what was imposed on a sender. A muted sender can still delete messages, and report others.
func (r *roomRules) refusedPerson(senderID string, act action) *wire.CodedError {
	s := r.person(senderID)
	if s == nil {
		return nil
	}
	imposed := *s.value.Text
	params := wire.Params{wire.ParamAction: s.value}
	switch {
	case imposed == wire.Ban:
		return ruled(wire.RulePerson, s, params, "you are banned from this room")
	case act == actDelete || act >= actReport:
		return nil
	}
	return ruled(wire.RulePerson, s, params, "you are muted in this room")
}

// refusedRole applies the lowest role for an action. given is the rule that gives the sender's role; nil: none.
func (r *roomRules) refusedRole(role wire.Role, given *storedSetting, act action) *wire.CodedError {
	want := wire.RoleGuest
	if act == actDelete || act >= actReport {
		want = wire.RoleReader
	}
	switch {
	case role >= want:
		return nil
	case r.wants == wire.RoleModerator:
		return roleTooLow(r.wants, "this is the room of the moderators of another room, and you are not one of them")
	case r.wants == wire.RoleOwner:
		return roleTooLow(r.wants, "this is the room of the owners of another room, and you are not one of them")
	case role == wire.RoleNone:
		return ruled(wire.RuleRole, given, roleParam(want), "this room is private, and you are not a member")
	}
	return ruled(wire.RuleRole, given, roleParam(want), "you can only read in this room")
}

// refusedLock applies a lock. What is posted can be deleted.
func (r *roomRules) refusedLock(role wire.Role, act action) *wire.CodedError {
	if role >= wire.RoleModerator || act == actDelete || act == actReport {
		return nil
	}
	s := r.get(settingKey{name: wire.LockKey})
	if s == nil {
		return nil
	}
	return ruled(wire.LockKey, s, nil, "this room is locked, and only its moderators can post")
}

// refusedMay applies the lowest roles for posts, marks and links.
func (r *roomRules) refusedMay(c *Delta, tx Tx, senderID string, role wire.Role, act action, link bool) (*wire.CodedError, error) {
	posts := act == actPost || act == actEdit
	for _, rule := range [...]struct {
		applies bool
		key     string
		what    string
	}{
		{posts, wire.MaySayKey, "post"},
		{act == actMark, wire.MayReactKey, "mark messages"},
		{posts && link, wire.MayLinkKey, "post links"},
	} {
		if !rule.applies {
			continue
		}
		s := r.get(settingKey{name: rule.key})
		if s == nil || role >= s.role() {
			continue
		}
		if s.role() == wire.RoleKnown {
			if role, err := WithProof(tx, senderID, role); role >= wire.RoleKnown || err != nil {
				return nil, err
			}
		}
		return ruled(rule.key, s, roleParam(s.role()), fmt.Sprintf("only senders with the role %v or higher can %s in this room", s.role(), rule.what)), nil
	}
	return nil, nil
}

// WithProof returns the role of a sender whose proofs count: a proof lifts a guest to known, and nobody else. role is without them.
func WithProof(r EntryReader, senderID string, role wire.Role) (wire.Role, error) {
	if role != wire.RoleGuest {
		return role, nil
	}
	if _, found, err := r.Entry(SenderProofs, "", senderID); err != nil || !found {
		return role, err
	}
	return wire.RoleKnown, nil
}

// refusedForNow applies the rules that make senders below moderator wait: newcomer, slow and hold.
func (c *Delta) refusedForNow(tx Tx, r *roomRules, cmd *Command, act action, link bool) (*wire.CodedError, error) {
	h := senderHistory{c: c, tx: tx, room: cmd.Room, sender: cmd.SenderID}
	if act == actPost || act == actMark || act == actSet {
		if s := r.get(settingKey{name: wire.NewcomerKey}); s != nil {
			first, err := h.first()
			if err != nil {
				return nil, err
			}
			if until := first + seconds(s); first <= c.at && until > c.at {
				return wait(wire.NewcomerKey, s, until, fmt.Sprintf("new senders can post %d seconds after they first tried", *s.value.Number)), nil
			}
		}
	}
	if act == actPost {
		if s := r.get(settingKey{name: wire.SlowKey}); s != nil {
			last, err := h.last()
			if err != nil {
				return nil, err
			}
			if until := last + seconds(s); last != 0 && last <= c.at && until > c.at {
				return wait(wire.SlowKey, s, until, fmt.Sprintf("a sender can post once in %d seconds in this room", *s.value.Number)), nil
			}
		}
	}
	if act == actPost || act == actEdit {
		return c.refusedHold(&h, r, act, link)
	}
	return nil, nil
}

// refusedHold returns the refusal of a message that the room holds back.
func (c *Delta) refusedHold(h *senderHistory, r *roomRules, act action, link bool) (*wire.CodedError, error) {
	s := r.get(settingKey{name: wire.HoldKey})
	if s == nil {
		return nil, nil
	}
	held := "only moderators can post"
	switch *s.value.Text {
	case wire.HoldLinks:
		if !link {
			return nil, nil
		}
		held = "it has a link"
	case wire.HoldFirst:
		if act == actEdit {
			return nil, nil
		}
		if posted, err := h.hasPosted(); posted || err != nil {
			return nil, err
		}
		held = "it is the sender's first one"
	}
	reason := "this room does not accept such messages now: " + held
	if act == actPost && c.state.level >= HoldLevel {
		reason = "a moderator of the room decides whether the message is posted: " + held
	}
	refused := ruled(wire.HoldKey, s, wire.Params{wire.ParamHold: s.value}, reason)
	refused.Code = wire.Held
	return refused, nil
}

// seconds returns the value of a rule as a duration.
func seconds(s *storedSetting) wire.Time {
	return wire.Time(time.Duration(*s.value.Number) * time.Second / time.Millisecond)
}

// wait returns the refusal by a rule that does not apply any more at until, or when it ends.
func wait(rule string, s *storedSetting, until wire.Time, reason string) *wire.CodedError {
	if s.until != 0 {
		until = min(until, s.until)
	}
	return &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("%s; try again at %v", reason, until), Rule: rule, Params: wire.Params{wire.ParamSeconds: s.value}, Until: until}
}
