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

// MaxSettings is how many settings a room can have. Only moderators add the last ones, so that a flood of questions, or of people with a
// password, does not prevent them from locking the room.
const (
	MaxSettings      = 10_000
	ReservedSettings = 1000
)

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
