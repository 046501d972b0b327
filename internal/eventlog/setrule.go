package eventlog

import (
	"fmt"

	"ramai/wire"
)

// Rules are settings that only some may set: most need a moderator, and those that say who may do what the owner. Roles, bans
// and mutes are about one sender each. Nobody acts on somebody whose role is not lower, or gives a role that is not lower than
// the own one, or acts on themselves, except by giving up a role.

// refusedRule returns why a sender must not set a rule.
func (c *Delta) refusedRule(cmd *Command, key settingKey, body *SetBody) *wire.CodedError {
	if cmd.SenderID == anonymousSender {
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "rules can only be changed with a session; connect with one"}
	}
	if body.Until != 0 && body.Until <= c.at {
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("the time %v is over; it is %v, use one ahead", body.Until, c.at)}
	}
	rank := c.rankOf(cmd)
	switch key.name {
	case wire.PersonPrefix:
		return c.refusedPerson(cmd, key.subject, rank)
	case wire.RolePrefix:
		return c.refusedRole(cmd, key.subject, rank, body)
	case wire.EveryoneKey, wire.MaySayKey, wire.MayReactKey, wire.MayLinkKey, wire.PresetKey, wire.PasswordKey:
		if rank < ownerRank {
			return roleTooLow(wire.RoleOwner, fmt.Sprintf("only the owner sets %s", key))
		}
	default:
		if rank < moderatorRank {
			return roleTooLow(wire.RoleModerator, fmt.Sprintf("only moderators set %s", key))
		}
	}
	return nil
}

// refusedPerson returns why a sender must not ban or mute another, or end that.
func (c *Delta) refusedPerson(cmd *Command, subject string, rank rank) *wire.CodedError {
	switch {
	case rank < moderatorRank:
		return roleTooLow(wire.RoleModerator, "only moderators ban and mute")
	case subject == OperatorSender:
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "the operator of the server cannot be banned or muted"}
	case subject == cmd.SenderID:
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "you cannot ban or mute yourself; leave the room instead"}
	}
	return c.refusedEqual(cmd, subject, rank)
}

// refusedEqual refuses to act on a sender whose rank is not lower.
func (c *Delta) refusedEqual(cmd *Command, subject string, rank rank) *wire.CodedError {
	if other := c.rank(cmd.Room, subject); other >= rank {
		return &wire.CodedError{Code: wire.NotAllowed, Rule: wire.RuleRole, Reason: fmt.Sprintf("the sender %s has the role %v, which is not lower than yours", subject, wire.Role(other))}
	}
	return nil
}

// refusedRole returns why a sender must not give another a role, or take it.
func (c *Delta) refusedRole(cmd *Command, subject string, rank rank, body *SetBody) *wire.CodedError {
	given := wire.RoleNone // what is left if a role is taken may be more, but it gives nothing
	if !body.Value.IsNull() {
		given, _ = wire.ParseRole(*body.Value.Text)
	}
	switch {
	case subject == OperatorSender:
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "the operator of the server is above all roles"}
	case subject == anonymousSender:
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "clients without a session share a sender, which can have no role; give a role to a sender with a session"}
	case given == wire.RoleOwner && body.Until != 0:
		return &wire.CodedError{Code: wire.BadRequest, Reason: "the role of owner has no end; leave the time out"}
	case rank == operatorRank:
		return nil
	case subject == cmd.SenderID:
		return c.refusedOwnRole(cmd, rank, given)
	case rank < moderatorRank:
		return roleTooLow(wire.RoleModerator, "only moderators give and take roles")
	}
	if refused := c.refusedEqual(cmd, subject, rank); refused != nil {
		return refused
	}
	if given == wire.RoleOwner && rank == ownerRank { // hands over the room
		return nil
	}
	if given >= wire.Role(rank) {
		return roleTooLow(given+1, fmt.Sprintf("you can only give roles lower than your own, which is %v", wire.Role(rank)))
	}
	return nil
}

// refusedOwnRole returns why a sender must not give itself a role: only a lower one is allowed.
func (c *Delta) refusedOwnRole(cmd *Command, rank rank, given wire.Role) *wire.CodedError {
	r := c.rulesOf(cmd.Room)
	own := r.get(settingKey{name: wire.RolePrefix, subject: cmd.SenderID})
	after := given
	if given == wire.RoleNone { // the role is taken, and that of everyone is left
		after = wire.RoleGuest
		if s := r.get(settingKey{name: wire.EveryoneKey}); s != nil {
			after = s.role()
		}
	}
	if own == nil || after >= wire.Role(rank) {
		return &wire.CodedError{Code: wire.NotAllowed, Rule: wire.RuleRole, Reason: fmt.Sprintf("you have the role %v; nobody gives themselves another one that is not lower", wire.Role(rank))}
	}
	return nil
}

// storedKey returns the key under which a rule is stored: that of an address is its origin.
func (c *Delta) storedKey(tx Tx, room string, key settingKey, body *SetBody) (settingKey, error) {
	if key.name != wire.AddressKey {
		return key, nil
	}
	origin, _, err := OriginOf(tx, room, body.AddressOf)
	return settingKey{name: wire.AddressPrefix, subject: origin.Origin.subject()}, err
}

// refusedReplacing refuses to undo what was replaced meanwhile.
func (c *Delta) refusedReplacing(tx Tx, room string, key settingKey, body *SetBody) (*wire.CodedError, error) {
	if body.Replaces == nil {
		return nil, nil
	}
	stored, err := c.storedKey(tx, room, key, body)
	if err != nil {
		return nil, err
	}
	if s := c.setting(room, stored); s.recordAt(c.at) != *body.Replaces {
		return &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("%s was changed meanwhile, and stays as it is", key)}, nil
	}
	return nil, nil
}

// recordAt returns the number of the record that has set what is in force at a time; 0: nothing is.
func (s *storedSetting) recordAt(at wire.Time) uint64 {
	if s == nil || s.over(at) {
		return 0
	}
	return s.n
}

// applyRule stores a rule, and what it implies.
func (c *Delta) applyRule(tx Tx, o *Outcome, key settingKey, body *SetBody) error {
	switch key.name {
	case wire.PersonPrefix:
		o.changesRole(key.subject)
	case wire.RolePrefix:
		o.changesRole(key.subject)
		if err := c.handOver(tx, o, key, body); err != nil {
			return err
		}
	case wire.EveryoneKey:
		o.Roles = &Roles{All: true}
	case wire.AddressKey:
		return c.putAddressRule(tx, o, body)
	case wire.PresetKey:
		o.Roles = &Roles{All: true}
		if body.Replaces != nil {
			break
		}
		rules, ok := wire.PresetRules(body.Value)
		if !ok {
			return fmt.Errorf("there are no rules of the preset %v", body.Value)
		}
		for _, s := range rules {
			if err := c.putRule(tx, o, parseSettingKey(s.Key), s.Value, body.Until); err != nil {
				return err
			}
		}
	}
	return c.putRule(tx, o, key, body.Value, body.Until)
}

// handOver makes an owner who gives the role of owner to somebody else a moderator.
func (c *Delta) handOver(tx Tx, o *Outcome, key settingKey, body *SetBody) error {
	sender := o.Command.SenderID
	own := settingKey{name: wire.RolePrefix, subject: sender}
	if body.Value.IsNull() || *body.Value.Text != ownerText || key.subject == sender || !c.setting(o.Command.Room, own).owns() {
		return nil
	}
	o.changesRole(sender)
	return c.putRule(tx, o, own, wire.TextValue(wire.RoleModerator.String()), 0)
}
