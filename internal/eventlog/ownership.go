package eventlog

import (
	"time"

	"ramai/wire"
)

// The sender who makes a room owns it. For ClaimTime that is only a claim: if nobody else has posted by then, the next sender who
// posts owns the room instead. A claim is a role of owner with an end.

const (
	// ClaimTime is how long a room stays its creator's while nobody else posts.
	ClaimTime = 7 * 24 * time.Hour
	// MaxOwned is how many rooms a sender can have when it makes another one that it owns.
	MaxOwned = 8
)

// RulesLevel is the level from which rooms have rules and owners.
const RulesLevel = 4

// isClaim reports whether a setting is the claim of a room's creator.
func (s *storedSetting) isClaim() bool {
	return s.until != 0 && s.owns()
}

// owns reports whether a setting makes its subject an owner.
func (s *storedSetting) owns() bool {
	return s != nil && s.name == wire.RolePrefix && s.value.Text != nil && *s.value.Text == ownerText
}

var ownerText = wire.RoleOwner.String()

// canOwn reports whether the sender of a command owns the room that the command makes or takes over.
func (c *Delta) canOwn(cmd *Command) bool {
	return c.state.level >= RulesLevel && cmd.Room != wire.Lobby && cmd.SenderID != OperatorSender && cmd.SenderID != anonymousSender && !cmd.Transient &&
		latest(c.owned, c.state.owned, cmd.SenderID) < MaxOwned
}

// creates reports whether a command makes a room that its sender owns.
func (c *Delta) creates(cmd *Command) bool {
	_, known := c.bounds(cmd.Room)
	return !known && counted(cmd.Room) && c.canOwn(cmd)
}

// own makes the sender of a command the owner of a new room.
func (c *Delta) own(tx Tx, o *Outcome) error {
	o.changesRole(o.Command.SenderID)
	return c.putRule(tx, o, settingKey{name: wire.RolePrefix, subject: o.Command.SenderID}, wire.TextValue(ownerText), c.at+wire.Time(ClaimTime.Milliseconds()))
}

// settleClaim ends the claim to a room if somebody else posts in it: the creator owns the room for good, or, if that comes too
// late, the sender takes over the room.
func (c *Delta) settleClaim(tx Tx, o *Outcome) error {
	cmd := o.Command
	r := c.rulesOf(cmd.Room)
	if r.set&claimed == 0 || cmd.SenderID == OperatorSender {
		return nil
	}
	var claim *storedSetting
	r.each(wire.RolePrefix, func(s *storedSetting) bool {
		if s.isClaim() {
			claim = s
		}
		return claim == nil
	})
	switch {
	case claim == nil:
		return nil
	case claim.subject == cmd.SenderID:
		if claim.until > c.at {
			return nil
		}
		return c.own(tx, o) // nobody took it: the claim begins again
	case claim.until > c.at:
		return c.putRule(tx, o, claim.settingKey, claim.value, 0)
	case !c.canOwn(cmd):
		return nil
	}
	o.changesRole(claim.subject)
	if err := c.deleteSetting(tx, cmd.Room, claim.settingKey); err != nil {
		return err
	}
	return c.own(tx, o)
}

// putRule stores a rule that the record of a command sets. A null value deletes it.
func (c *Delta) putRule(tx Tx, o *Outcome, key settingKey, value wire.Value, until wire.Time) error {
	return c.putUntil(tx, o.Command.Room, key, value, o.N, until)
}

// countOwned notes that a setting changes from old to new, each of which may be nil.
func (c *Delta) countOwned(old, new *storedSetting) {
	if old.owns() {
		c.owned[old.subject] = latest(c.owned, c.state.owned, old.subject) - 1
	}
	if new.owns() {
		c.owned[new.subject] = latest(c.owned, c.state.owned, new.subject) + 1
	}
}
