package eventlog

import "ramai/wire"

// RefusedReading returns the rule because of which a sender may not read a room at a time, or nil. It says nothing else about
// the room.
func (s *State) RefusedReading(room, senderID string, at wire.Time) *wire.CodedError {
	if senderID == OperatorSender {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.rulesOf(room, at)
	if r.set == 0 {
		return nil
	}
	if refused := r.refusedPerson(senderID, actRead); refused != nil {
		return refused
	}
	role, given := r.role(senderID)
	return r.refusedRole(role, given, actRead)
}

// RuleEnd returns when the next rule of a room ends that says who may read it, or which role a sender has; 0: none does.
func (s *State) RuleEnd(room string, at wire.Time) (end wire.Time) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.rulesOf(room, at)
	for _, name := range [...]string{wire.EveryoneKey, wire.PersonPrefix, wire.RolePrefix} {
		r.each(name, func(rule *storedSetting) bool {
			if rule.until != 0 && !rule.isClaim() && (end == 0 || rule.until < end) {
				end = rule.until
			}
			return true
		})
	}
	return end
}

// RefusedAddress returns the rule because of which a client may not read a room at a time from its address, or nil. RefusedReading has
// returned nil. origins returns the origins of the client; it is called only if it matters.
func (s *State) RefusedAddress(room, senderID string, at wire.Time, origins func() (newest, former Origin)) *wire.CodedError {
	s.mu.RLock()
	banned := s.ruleSets[room]&addressRules != 0
	s.mu.RUnlock()
	if !banned || senderID == OperatorSender {
		return nil
	}
	newest, former := origins() // which may lock s.mu
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.rulesOf(room, at)
	role, _ := r.role(senderID)
	return r.refusedAddress(role, newest, former, actRead)
}
