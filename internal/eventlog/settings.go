package eventlog

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"ramai/wire"
)

// The settings of a room are what a Set changes: a topic, for example. They are held in memory, so that a client that joins
// is told those of the moment of its bounds, and so that questions and polls are found without reading messages.

// MaxSettings is how many settings a room can have.
const MaxSettings = 10_000

// A Setting is the value of one key of a room. It is never null: a key without a value has no setting.
type Setting struct {
	Key   string
	Value wire.Value
	N     uint64    // number of the record that has set it
	Until wire.Time // when it ends; 0: it does not
}

// settingKey is a key of a setting: a name, and the number that follows it, or 0. Settings are in the order of names, and
// those of one name in the order of numbers.
type settingKey struct {
	name string
	n    uint64
}

// parseSettingKey returns the parts of a key. The name of an unknown key is the whole of it.
func parseSettingKey(key string) settingKey {
	for _, name := range [...]string{wire.TopicKey, wire.PinKey, wire.StageKey} {
		if key == name {
			return settingKey{name: name}
		}
	}
	for _, name := range [...]string{wire.PollPrefix, wire.QuestionPrefix} {
		if n, ok := wire.KeyNumber(key, name); ok {
			return settingKey{name, n}
		}
	}
	return settingKey{name: key}
}

func (k settingKey) String() string {
	if k.n == 0 {
		return k.name
	}
	return k.name + strconv.FormatUint(k.n, 10)
}

func (k settingKey) compare(other settingKey) int {
	return cmp.Or(strings.Compare(k.name, other.name), cmp.Compare(k.n, other.n))
}

// storedSetting is a Setting as a State holds it.
type storedSetting struct {
	settingKey
	value wire.Value
	n     uint64
}

func (s *storedSetting) setting() Setting { return Setting{Key: s.String(), Value: s.value, N: s.n} }

// roomSettings are the settings of a room, in their order.
type roomSettings []storedSetting

// find returns where a key is, or would be.
func (r roomSettings) find(key settingKey) (int, bool) {
	return slices.BinarySearchFunc(r, key, func(s storedSetting, key settingKey) int { return s.compare(key) })
}

// numbered returns the settings of one name whose numbers are from from to to.
func (r roomSettings) numbered(name string, from, to uint64) roomSettings {
	begin, _ := r.find(settingKey{name, from})
	end, found := r.find(settingKey{name, to})
	if found {
		end++
	}
	return r[begin:max(begin, end)]
}

// settingsDelta is what a batch does to the settings of a room.
type settingsDelta struct {
	removed bool                          // those from before the batch are deleted
	count   int                           // settings that there are
	changed map[settingKey]*storedSetting // nil: deleted
}

// settingsOf returns what the batch does to the settings of a room, to be changed.
func (c *Delta) settingsOf(room string) *settingsDelta {
	d := c.settings[room]
	if d == nil {
		d = &settingsDelta{count: len(c.state.settings[room]), changed: map[settingKey]*storedSetting{}}
		c.settings[room] = d
	}
	return d
}

// settingCount returns how many settings a room has.
func (c *Delta) settingCount(room string) int {
	if d := c.settings[room]; d != nil {
		return d.count
	}
	return len(c.state.settings[room])
}

// setting returns a setting of a room, or nil.
func (c *Delta) setting(room string, key settingKey) *storedSetting {
	if d := c.settings[room]; d != nil {
		if s, ok := d.changed[key]; ok || d.removed {
			return s
		}
	}
	if all := c.state.settings[room]; len(all) > 0 {
		if i, found := all.find(key); found {
			return &all[i]
		}
	}
	return nil
}

// putSetting stores a setting that the record n has set. A null value deletes it.
func (c *Delta) putSetting(tx Tx, room string, key settingKey, value wire.Value, n uint64) error {
	if value.IsNull() {
		return c.deleteSetting(tx, room, key)
	}
	d := c.settingsOf(room)
	if c.setting(room, key) == nil {
		d.count++
	}
	s := &storedSetting{key, value, n}
	d.changed[key] = s
	return tx.PutSetting(room, s.setting())
}

func (c *Delta) deleteSetting(tx Tx, room string, key settingKey) error {
	if c.setting(room, key) == nil {
		return nil
	}
	d := c.settingsOf(room)
	d.count--
	d.changed[key] = nil
	return tx.DeleteSetting(room, key.String())
}

// FirstSetting returns the setting that a message has when it is posted, if it is a question or a poll.
func FirstSetting(m *wire.Message) (Setting, bool) {
	if as := (SayAs{As: m.As}); !as.hasStatus() {
		return Setting{}, false
	}
	return Setting{Key: settingKey{m.As + "/", m.N}.String(), Value: wire.TextValue(wire.Open), N: m.N}, true
}

// deleteStatus deletes the settings of the questions and polls with numbers from from to to, which are deleted. A number
// that is pinned, or on stage, stays there: clients show that the message is gone.
func (c *Delta) deleteStatus(tx Tx, room string, from, to uint64) error {
	if c.settingCount(room) == 0 {
		return nil
	}
	var keys []settingKey
	for _, name := range [...]string{wire.PollPrefix, wire.QuestionPrefix} {
		for _, s := range c.state.settings[room].numbered(name, from, to) {
			keys = append(keys, s.settingKey)
		}
	}
	if d := c.settings[room]; d != nil {
		for key := range d.changed {
			if key.n >= from && key.n <= to { // not the topic, the pins and the stage: they have no number
				keys = append(keys, key)
			}
		}
	}
	for _, key := range keys {
		if err := c.deleteSetting(tx, room, key); err != nil {
			return err
		}
	}
	return nil
}

// removeSettings notes that a room is deleted with its settings.
func (c *Delta) removeSettings(room string) {
	if c.settingCount(room) > 0 || c.settings[room] != nil {
		c.settings[room] = &settingsDelta{removed: true, changed: map[settingKey]*storedSetting{}}
	}
}

// commitSettings makes the settings of c part of the state. mu is held.
func (s *State) commitSettings(c *Delta) {
	for room, d := range c.settings {
		all := s.settings[room]
		if d.removed {
			all = nil
		}
		for key, changed := range d.changed {
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
	}
}

// loadSettings replaces all settings. mu is held.
func (s *State) loadSettings(all map[string][]Setting) {
	s.settings = make(map[string]roomSettings, len(all))
	for room, settings := range all {
		list := make(roomSettings, 0, len(settings))
		for _, one := range settings {
			list = append(list, storedSetting{parseSettingKey(one.Key), one.Value, one.N})
		}
		slices.SortFunc(list, func(a, b storedSetting) int { return a.compare(b.settingKey) })
		s.settings[room] = list
	}
}

// Settings returns the settings of a room whose keys begin with prefix and follow after, in the order of names and numbers:
// at most limit, and whether there are more. They are those of number n.
func (s *State) Settings(room, prefix, after string, limit int) (settings []wire.Setting, n uint64, more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := s.settings[room]
	begin := 0
	if after != "" {
		found := false
		if begin, found = all.find(parseSettingKey(after)); found {
			begin++
		}
	}
	for i := range all[begin:] {
		one := &all[begin+i]
		if !strings.HasPrefix(one.name, prefix) && !strings.HasPrefix(prefix, one.name) || !strings.HasPrefix(one.String(), prefix) {
			continue
		}
		if len(settings) == limit {
			return settings, s.bounds(room).Last, true
		}
		settings = append(settings, wire.Setting{Key: one.String(), Value: one.value})
	}
	return settings, s.bounds(room).Last, false
}

// Joined returns the bounds of a room and, of the same moment, the settings that a client needs when it joins: the topic, the
// pins and the stage, and then polls and questions that are not open, the newest first, as long as their JSON has no more
// than limit bytes.
func (s *State) Joined(room string, limit int) (Bounds, map[string]wire.Value) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all, bounds := s.settings[room], s.bounds(room)
	if len(all) == 0 {
		return bounds, nil
	}
	settings, size := map[string]wire.Value{}, 0
	add := func(one *storedSetting) bool {
		key := one.String()
		if size += len(key) + sizeOf(&one.value) + len(`"":,`); size > limit {
			return false
		}
		settings[key] = one.value
		return true
	}
	for _, name := range [...]string{wire.TopicKey, wire.PinKey, wire.StageKey} {
		if i, found := all.find(settingKey{name: name}); found && !add(&all[i]) {
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

// EncodeValue returns the CBOR of a value, in its deterministic form.
func EncodeValue(v wire.Value) []byte {
	switch {
	case v.Text != nil:
		return must(encoding.Marshal(*v.Text))
	case v.Number != nil:
		return must(encoding.Marshal(*v.Number))
	case v.Numbers != nil:
		return must(encoding.Marshal(v.Numbers))
	}
	return must(encoding.Marshal(nil))
}

// DecodeValue returns the value that b is the encoding of.
func DecodeValue(b []byte) (v wire.Value, err error) {
	if len(b) == 0 {
		return v, errors.New("the value is empty")
	}
	const text, number, array, simple = 3, 0, 4, 7 // major types of CBOR
	switch b[0] >> 5 {
	case text:
		err = decoding.Unmarshal(b, &v.Text)
	case number:
		err = decoding.Unmarshal(b, &v.Number)
	case array:
		err = decoding.Unmarshal(b, &v.Numbers)
	case simple:
	default:
		err = errors.New("the value is not a text, a number, numbers or null")
	}
	if err == nil && string(EncodeValue(v)) != string(b) {
		err = errNotDeterministic
	}
	if err != nil {
		return wire.Value{}, err
	}
	return v, nil
}
