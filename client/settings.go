package client

import (
	"maps"
	"slices"
	"strings"

	"ramai/wire"
)

// settings are the settings of a room, as far as they are known.
type settings struct {
	values   map[string]setting
	joinedAt uint64 // n of the newest joined. It has all settings, except that those of polls and questions may be left out
	stale    bool   // settings may have changed in a gap after that, or the ends of rules are not known
}

type setting struct {
	value wire.Value // null: it was unset
	until wire.Time  // the end of a rule; 0: it has none
	n     uint64     // the number as of which it is known
}

// ofMessage reports whether a key is the status of a poll or a question.
func ofMessage(key string) bool {
	return strings.HasPrefix(key, wire.PollPrefix) || strings.HasPrefix(key, wire.QuestionPrefix)
}

// set notes a setting as of a number, unless a newer one is known.
func (s *settings) set(key string, v wire.Value, until wire.Time, n uint64) {
	old, ok := s.values[key]
	if ok && old.n == n && old.until == 0 && old.value.Equal(v) {
		old.until = until // joined has no ends
		s.values[key] = old
	}
	if ok && old.n >= n || !ok && !ofMessage(key) && n <= s.joinedAt {
		return
	}
	if s.values == nil {
		s.values = map[string]setting{}
	}
	s.values[key] = setting{v, until, n}
}

// joined notes all settings as of a number.
func (s *settings) joined(state map[string]wire.Value, n uint64) {
	maps.DeleteFunc(s.values, func(key string, old setting) bool { return !ofMessage(key) && old.n <= n })
	s.joinedAt = 0
	rules := false
	for key, v := range state {
		s.set(key, v, 0, n)
		rules = rules || wire.IsRule(key)
	}
	s.joinedAt, s.stale = n, rules
}

// dropBelow drops the status of polls and questions that the server has deleted.
func (s *settings) dropBelow(first uint64) {
	maps.DeleteFunc(s.values, func(key string, _ setting) bool {
		return ofMessage(key) && keyNumber(key) < first
	})
}

// keyNumber returns the number of the message whose status a key has; 0: it has none.
func keyNumber(key string) uint64 {
	n, ok := wire.KeyNumber(key, wire.PollPrefix)
	if !ok {
		n, _ = wire.KeyNumber(key, wire.QuestionPrefix)
	}
	return n
}

// StaleSettings reports whether settings may have changed in a gap, or have ends that are not known: load all of them with
// [Client.Settings].
func (r *Replica) StaleSettings() bool { return r.settings.stale }

// AddSettings adds a page of settings that was asked for, as [Client.Settings] returns it.
func (r *Replica) AddSettings(ask wire.StateRequest, page wire.Settings) {
	last := ask.After
	for _, s := range page.Settings {
		r.settings.set(s.Key, s.Value, s.Until, page.N)
		last = s.Key
	}
	for key := range r.settings.values { // what the page leaves out is unset
		listed := slices.ContainsFunc(page.Settings, func(s wire.Setting) bool { return s.Key == key })
		if !listed && strings.HasPrefix(key, ask.Prefix) && key > ask.After && (key <= last || !page.More) {
			r.settings.set(key, wire.Value{}, 0, page.N)
		}
	}
	if ask.Prefix == "" && !page.More {
		r.settings.stale = false
	}
}
