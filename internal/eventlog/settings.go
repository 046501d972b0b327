package eventlog

import (
	"cmp"
	"errors"
	"maps"
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

// settingKey is a key of a setting: a name, and the number or the sender that follows it, if any. Settings are in the order
// of names, and those of one name in the order of numbers and senders.
type settingKey struct {
	name    string
	n       uint64
	subject string
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
			return settingKey{name: name, n: n}
		}
	}
	for _, name := range [...]string{wire.PersonPrefix, wire.RolePrefix, wire.AddressPrefix} {
		if subject, ok := strings.CutPrefix(key, name); ok {
			return settingKey{name: name, subject: subject}
		}
	}
	return settingKey{name: key}
}

func (k settingKey) String() string {
	if k.n == 0 {
		return k.name + k.subject
	}
	return k.name + strconv.FormatUint(k.n, 10)
}

func (k settingKey) compare(other settingKey) int {
	return cmp.Or(strings.Compare(k.name, other.name), cmp.Compare(k.n, other.n), strings.Compare(k.subject, other.subject))
}

// storedSetting is a Setting as a State holds it.
type storedSetting struct {
	settingKey
	value wire.Value
	n     uint64
	until wire.Time // 0: it does not end
}

func (s *storedSetting) setting() Setting {
	return Setting{Key: s.String(), Value: s.value, N: s.n, Until: s.until}
}

// shown returns the setting as clients see it.
func (s *storedSetting) shown() wire.Setting {
	if s.name == wire.AddressPrefix {
		return s.shownAddress()
	}
	w := wire.Setting{Key: s.String(), Value: s.value, Until: s.until}
	if s.isClaim() {
		w.Until = 0
	}
	return w
}

// roomSettings are the settings of a room, in their order.
type roomSettings []storedSetting

// find returns where a key is, or would be.
func (r roomSettings) find(key settingKey) (int, bool) {
	return slices.BinarySearchFunc(r, key, func(s storedSetting, key settingKey) int { return s.compare(key) })
}

// numbered returns the settings of one name whose numbers are from from to to.
func (r roomSettings) numbered(name string, from, to uint64) roomSettings {
	begin, _ := r.find(settingKey{name: name, n: from})
	end, found := r.find(settingKey{name: name, n: to})
	if found {
		end++
	}
	return r[begin:max(begin, end)]
}

// after returns where the settings begin that follow a key that clients know.
func (r roomSettings) after(key string) int {
	parsed := parseSettingKey(key)
	if parsed.name == wire.AddressPrefix { // they are not in the order of what is shown
		addresses := r.named(parsed.name)
		begin, _ := r.find(settingKey{name: parsed.name})
		for i := range addresses {
			if addresses[i].shown().Key == key {
				return begin + i + 1
			}
		}
		return begin // it was unset meanwhile: begin again with these
	}
	begin, found := r.find(parsed)
	if found {
		begin++
	}
	return begin
}

// named returns the settings of one name.
func (r roomSettings) named(name string) roomSettings {
	begin, _ := r.find(settingKey{name: name})
	end := begin
	for end < len(r) && r[end].name == name {
		end++
	}
	return r[begin:end]
}

// settingsDelta is what a batch does to the settings of a room.
type settingsDelta struct {
	removed bool                          // those from before the batch are deleted
	count   int                           // settings that there are
	changed map[settingKey]*storedSetting // nil: deleted
	rules   ruleSet                       // that it sets
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
	return c.putUntil(tx, room, key, value, n, 0)
}

// putUntil stores a setting with an end.
func (c *Delta) putUntil(tx Tx, room string, key settingKey, value wire.Value, n uint64, until wire.Time) error {
	if value.IsNull() {
		return c.deleteSetting(tx, room, key)
	}
	d, old := c.settingsOf(room), c.setting(room, key)
	if old == nil {
		d.count++
	}
	s := &storedSetting{key, value, n, until}
	c.countOwned(old, s)
	d.changed[key] = s
	d.rules |= s.rules()
	return tx.PutSetting(room, s.setting())
}

func (c *Delta) deleteSetting(tx Tx, room string, key settingKey) error {
	old := c.setting(room, key)
	if old == nil {
		return nil
	}
	c.countOwned(old, nil)
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
	return Setting{Key: settingKey{name: m.As + "/", n: m.N}.String(), Value: wire.TextValue(wire.Open), N: m.N}, true
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
		r := c.rulesOf(room)
		r.each(wire.RolePrefix, func(s *storedSetting) bool {
			c.countOwned(s, nil)
			return true
		})
		c.settings[room] = &settingsDelta{removed: true, changed: map[settingKey]*storedSetting{}}
	}
}

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
