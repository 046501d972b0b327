package eventlog

import (
	"ramai/wire"
)

// The rules of a room are settings, see wire.IsRule. A rule whose end is not after the time of the batch counts as unset,
// whether or not it was deleted already.

// A ruleSet says which rules a room may have. Most rooms have none of most, and a lookup then costs nothing.
type ruleSet uint16

const (
	personRules ruleSet = 1 << iota
	roleRules
	claimed // by its creator, see ownership.go
	everyoneRule
	lockRule
	maySayRule
	mayReactRule
	mayLinkRule
	slowRule
	newcomerRule
	holdRule
	restricted // the room of moderators or owners: it has the rules of its base room
	addressRules
)

// ruleOf returns the rule that a key belongs to; 0: none that is looked up.
func ruleOf(key *settingKey) ruleSet {
	switch key.name {
	case wire.PersonPrefix:
		return personRules
	case wire.RolePrefix:
		return roleRules
	case wire.AddressPrefix:
		return addressRules
	case wire.EveryoneKey:
		return everyoneRule
	case wire.LockKey:
		return lockRule
	case wire.MaySayKey:
		return maySayRule
	case wire.MayReactKey:
		return mayReactRule
	case wire.MayLinkKey:
		return mayLinkRule
	case wire.SlowKey:
		return slowRule
	case wire.NewcomerKey:
		return newcomerRule
	case wire.HoldKey:
		return holdRule
	}
	return 0
}

// rules returns the rules that a setting belongs to.
func (s *storedSetting) rules() ruleSet {
	if s.isClaim() {
		return roleRules | claimed
	}
	return ruleOf(&s.settingKey)
}

// over reports whether a setting counts as unset because of its end. A claim is no end: see ownership.go.
func (s *storedSetting) over(at wire.Time) bool { return s.until != 0 && s.until <= at && !s.isClaim() }

// ruleSet returns which rules the settings are.
func (r roomSettings) ruleSet() (set ruleSet) {
	for i := range r {
		set |= r[i].rules()
	}
	return set
}

// roomRules are the rules of a room at a time.
type roomRules struct {
	set    ruleSet
	wants  wire.Role      // of the room of moderators or owners: senders with lower roles have none there
	delta  *settingsDelta // may be nil
	stored roomSettings
	at     wire.Time
}

// rulesOf returns the rules of a room in this batch.
func (c *Delta) rulesOf(room string) roomRules {
	room, wants := wire.BaseRoom(room)
	r := roomRules{wants: wants, at: c.at}
	if len(c.settings) > 0 {
		r.delta = c.settings[room]
	}
	if r.delta == nil || !r.delta.removed {
		r.set = c.state.ruleSets[room]
	}
	if r.delta != nil {
		r.set |= r.delta.rules
	}
	if r.set != 0 {
		r.stored = c.state.settings[room]
	}
	return r.restrict()
}

// restrict notes that the rules are those of a room of moderators or owners, if they are.
func (r roomRules) restrict() roomRules {
	if r.wants != wire.RoleNone {
		r.set |= restricted
	}
	return r
}

// rulesOf returns the committed rules of a room. mu is held.
func (s *State) rulesOf(room string, at wire.Time) roomRules {
	room, wants := wire.BaseRoom(room)
	r := roomRules{set: s.ruleSets[room], wants: wants, at: at}
	if r.set != 0 {
		r.stored = s.settings[room]
	}
	return r.restrict()
}

// get returns a rule that is in force, or nil.
func (r *roomRules) get(key settingKey) *storedSetting {
	if s := r.find(key); s != nil && !s.over(r.at) {
		return s
	}
	return nil
}

// find returns a rule whether or not it is over, or nil.
func (r *roomRules) find(key settingKey) *storedSetting {
	if r.set&ruleOf(&key) == 0 {
		return nil
	}
	if r.delta != nil {
		if s, ok := r.delta.changed[key]; ok || r.delta.removed {
			return s
		}
	}
	if i, found := r.stored.find(key); found {
		return &r.stored[i]
	}
	return nil
}

// each calls f with each rule of a name that is in force, in no particular order, until f returns false.
func (r *roomRules) each(name string, f func(*storedSetting) bool) {
	if r.set&ruleOf(&settingKey{name: name}) == 0 {
		return
	}
	if r.delta != nil {
		for key, s := range r.delta.changed {
			if key.name == name && s != nil && !s.over(r.at) && !f(s) {
				return
			}
		}
		if r.delta.removed {
			return
		}
	}
	stored := r.stored.named(name)
	for i := range stored {
		s := &stored[i]
		if r.delta != nil {
			if _, ok := r.delta.changed[s.settingKey]; ok {
				continue
			}
		}
		if !s.over(r.at) && !f(s) {
			return
		}
	}
}

// person returns what was imposed on a sender, or nil.
func (r *roomRules) person(senderID string) *storedSetting {
	return r.get(settingKey{name: wire.PersonPrefix, subject: senderID})
}

// role returns the role of a sender, and the rule that gives it; nil: none does. A proof, which lifts a guest to known, is
// not taken into account.
func (r *roomRules) role(senderID string) (wire.Role, *storedSetting) {
	role, rule := r.baseRole(senderID)
	if role < r.wants {
		role = wire.RoleNone
	}
	return role, rule
}

// baseRole is role in the room to which a room of moderators or owners belongs.
func (r *roomRules) baseRole(senderID string) (wire.Role, *storedSetting) {
	if s := r.get(settingKey{name: wire.RolePrefix, subject: senderID}); s != nil {
		return s.role(), s
	}
	if s := r.get(settingKey{name: wire.EveryoneKey}); s != nil {
		return s.role(), s
	}
	return wire.RoleGuest, nil
}

// role returns the role that is the value of a rule.
func (s *storedSetting) role() wire.Role {
	role, _ := wire.ParseRole(*s.value.Text)
	return role
}

// governed reports whether a room has a moderator or an owner besides the operator. Others are open: everyone with a
// session sets their topic, for example.
func (r *roomRules) governed() (is bool) {
	r.each(wire.RolePrefix, func(s *storedSetting) bool {
		is = s.role() >= wire.RoleModerator
		return !is
	})
	return is
}

// Role returns the role of a sender in a room at a time, and when it ends; 0: it does not. The operator, who stands above all
// roles, is an owner. It does not know proofs, which lift a guest to known.
func (s *State) Role(room, senderID string, at wire.Time) (role wire.Role, until wire.Time) {
	if senderID == OperatorSender {
		return wire.RoleOwner, 0
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.rulesOf(room, at)
	role, rule := r.role(senderID)
	if rule != nil && !rule.isClaim() {
		until = rule.until
	}
	return role, until
}

// CanRead reports whether a sender may read a room at a time.
func (s *State) CanRead(room, senderID string, at wire.Time) bool {
	if senderID == OperatorSender {
		return true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.rulesOf(room, at)
	if r.set == 0 {
		return true
	}
	if p := r.person(senderID); p != nil && *p.value.Text == wire.Ban {
		return false
	}
	role, _ := r.role(senderID)
	return role >= wire.RoleReader
}
