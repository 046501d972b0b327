package client

import (
	"maps"
	"strings"

	"ramai/wire"
)

// settings are the settings of a room, as far as they are known.
type settings struct {
	values   map[string]setting
	joinedAt uint64 // n of the newest joined. It has all settings, except that those of polls and questions may be left out
}

type setting struct {
	value wire.Value // null: it was unset
	n     uint64     // the number as of which it is known
}

// ofMessage reports whether a key is the status of a poll or a question.
func ofMessage(key string) bool {
	return strings.HasPrefix(key, wire.PollPrefix) || strings.HasPrefix(key, wire.QuestionPrefix)
}

// set notes a setting as of a number, unless a newer one is known.
func (s *settings) set(key string, v wire.Value, n uint64) {
	if old, ok := s.values[key]; ok && old.n >= n || !ok && !ofMessage(key) && n <= s.joinedAt {
		return
	}
	if s.values == nil {
		s.values = map[string]setting{}
	}
	s.values[key] = setting{v, n}
}

// joined notes all settings as of a number.
func (s *settings) joined(state map[string]wire.Value, n uint64) {
	maps.DeleteFunc(s.values, func(key string, old setting) bool { return !ofMessage(key) && old.n <= n })
	s.joinedAt = 0
	for key, v := range state {
		s.set(key, v, n)
	}
	s.joinedAt = n
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

// AddSettings adds a page of settings, as [Client.Settings] returns it.
func (r *Replica) AddSettings(f wire.Settings) {
	for _, s := range f.Settings {
		r.settings.set(s.Key, s.Value, f.N)
	}
}
