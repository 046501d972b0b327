package eventlog

import (
	"maps"
	"slices"
	"strings"

	"ramai/wire"
)

// commitSettings makes the settings of c part of the state. mu is held.
func (s *State) commitSettings(c *Delta) {
	for room, d := range c.settings {
		all, rules := s.settings[room], s.ruleSets[room]|d.rules
		if d.removed {
			all, rules = nil, d.rules
		}
		if d.removed {
			maps.DeleteFunc(s.ends, func(key roomKey, _ wire.Time) bool { return key.room == room })
		}
		removesRules := false
		for key, changed := range d.changed {
			removesRules = removesRules || changed == nil && ruleOf(&key) != 0 || key.name == wire.RolePrefix
			if ruleOf(&key) != 0 || wire.IsRule(key.name) {
				s.noteEnd(room, key, changed)
			}
			i, found := all.find(key)
			switch {
			case changed == nil && found:
				all = slices.Delete(all, i, i+1)
			case changed != nil && found:
				all[i] = *changed
			case changed != nil:
				all = slices.Insert(all, i, *changed)
			}
		}
		if len(all) == 0 {
			delete(s.settings, room)
		} else {
			s.settings[room] = all
		}
		if removesRules {
			rules = all.ruleSet()
		}
		if rules == 0 {
			delete(s.ruleSets, room)
		} else {
			s.ruleSets[room] = rules
		}
	}
}

// loadSettings replaces all settings. mu is held.
func (s *State) loadSettings(all map[string][]Setting) {
	s.settings, s.ruleSets, s.owned = make(map[string]roomSettings, len(all)), map[string]ruleSet{}, map[string]int{}
	s.ends = map[roomKey]wire.Time{}
	for room, settings := range all {
		list := make(roomSettings, 0, len(settings))
		for _, one := range settings {
			stored := storedSetting{parseSettingKey(one.Key), one.Value, one.N, one.Until}
			if stored.owns() {
				s.owned[stored.subject]++
			}
			s.noteEnd(room, stored.settingKey, &stored)
			list = append(list, stored)
		}
		if rules := list.ruleSet(); rules != 0 {
			s.ruleSets[room] = rules
		}
		slices.SortFunc(list, func(a, b storedSetting) int { return a.compare(b.settingKey) })
		s.settings[room] = list
	}
}

// Settings returns the settings of a room whose keys begin with prefix and follow after, in the order of names, numbers and
// senders: at most limit, and whether there are more. They are those of number n. It also returns rules that are over and not
// deleted yet, and everything that is hidden from clients.
func (s *State) Settings(room, prefix, after string, limit int) (settings []wire.Setting, n uint64, more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.someSettings(room, prefix, after, limit, func(*storedSetting) bool { return true })
}

// SettingsFor is Settings without what is over at a time, and without what is hidden from a sender, see wire.HiddenKey:
// moderators see everything, and others what is about themselves.
func (s *State) SettingsFor(senderID string, at wire.Time, room, prefix, after string, limit int) (settings []wire.Setting, n uint64, more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := senderID == OperatorSender
	if !all {
		r := s.rulesOf(room, at)
		role, _ := r.role(senderID)
		all = role >= wire.RoleModerator
	}
	return s.someSettings(room, prefix, after, limit, func(one *storedSetting) bool {
		if one.over(at) {
			return false
		}
		if one.subject != "" {
			return all || one.name != wire.AddressPrefix && one.subject == senderID
		}
		_, hidden := wire.HiddenKey(one.name)
		return all || !hidden
	})
}

// RulesAt returns the rules of a room that are in force at a time, by the keys that clients know.
func (s *State) RulesAt(room string, at wire.Time) map[string]Setting {
	s.mu.RLock()
	defer s.mu.RUnlock()
	rules := map[string]Setting{}
	for i := range s.settings[room] {
		one := &s.settings[room][i]
		if n := one.recordAt(at); n != 0 && (one.name == wire.AddressPrefix || wire.IsRule(one.String())) {
			shown := one.shown()
			rules[shown.Key] = Setting{Key: shown.Key, Value: shown.Value, N: n, Until: shown.Until}
		}
	}
	return rules
}

// someSettings returns the settings that Settings returns, as far as they are visible. mu is held.
func (s *State) someSettings(room, prefix, after string, limit int, visible func(*storedSetting) bool) (settings []wire.Setting, n uint64, more bool) {
	all := s.settings[room]
	begin := 0
	if after != "" {
		begin = all.after(after)
	}
	for i := range all[begin:] {
		one := &all[begin+i]
		if !strings.HasPrefix(one.name, prefix) && !strings.HasPrefix(prefix, one.name) || !visible(one) {
			continue
		}
		shown := one.shown()
		if !strings.HasPrefix(shown.Key, prefix) {
			continue
		}
		if len(settings) == limit {
			return settings, s.bounds(room).Last, true
		}
		settings = append(settings, shown)
	}
	return settings, s.bounds(room).Last, false
}

// joinedKeys are the settings that a client needs when it joins, in the order of their importance.
var joinedKeys = [...]string{
	wire.TopicKey, wire.PinKey, wire.StageKey,
	wire.EveryoneKey, wire.LockKey, wire.MaySayKey, wire.MayReactKey, wire.MayLinkKey, wire.SlowKey, wire.NewcomerKey, wire.PresetKey,
}

// Joined returns the bounds of a room and, of the same moment, the settings that a client needs when it joins: the topic, the
// pins, the stage, and the public rules that are not over at a time, and then polls and questions that are not open, the
// newest first, as long as their JSON has no more than limit bytes.
func (s *State) Joined(room string, limit int, at wire.Time) (Bounds, map[string]wire.Value) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all, bounds := s.settings[room], s.bounds(room)
	if len(all) == 0 {
		return bounds, nil
	}
	var settings map[string]wire.Value
	size := 0
	add := func(one *storedSetting) bool {
		key := one.String()
		if size += len(key) + sizeOf(&one.value) + len(`"":,`); size > limit {
			return false
		}
		if settings == nil {
			settings = map[string]wire.Value{}
		}
		settings[key] = one.value
		return true
	}
	for _, name := range joinedKeys {
		if i, found := all.find(settingKey{name: name}); found && !all[i].over(at) && !add(&all[i]) {
			return bounds, settings
		}
	}
	polls, questions := all.numbered(wire.PollPrefix, 0, MaxNumber), all.numbered(wire.QuestionPrefix, 0, MaxNumber)
	for len(polls)+len(questions) > 0 {
		from := &polls
		if k := len(questions); k > 0 && (len(polls) == 0 || questions[k-1].settingKey.n > polls[len(polls)-1].settingKey.n) {
			from = &questions
		}
		newest := &(*from)[len(*from)-1]
		*from = (*from)[:len(*from)-1]
		if text := newest.value.Text; (text == nil || *text != wire.Open) && !add(newest) {
			break
		}
	}
	return bounds, settings
}

// sizeOf returns how many bytes of JSON a value has, at most.
func sizeOf(v *wire.Value) int {
	const longestNumber = 20
	switch {
	case v.Text != nil:
		return 2 + 2*len(*v.Text) // quotes are escaped, and U+2028 has six bytes in place of three
	case v.Number != nil:
		return longestNumber
	}
	return 2 + (longestNumber+1)*len(v.Numbers)
}

// Asked returns the numbers of a room's questions or polls (as) below before, ascending: the newest ones, at most limit, and
// whether there are older ones.
func (s *State) Asked(room, as string, before uint64, limit int) (numbers []uint64, more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if before == 0 {
		return nil, false
	}
	asked := s.settings[room].numbered(as+"/", 0, before-1)
	if more = len(asked) > limit; more {
		asked = asked[len(asked)-limit:]
	}
	for i := range asked {
		numbers = append(numbers, asked[i].settingKey.n)
	}
	return numbers, more
}
