package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of the settings of a room.
const (
	MaxTopic      = 300 // bytes of a topic
	MaxPins       = 20  // pinned messages
	MaxSettings   = 500 // settings in one answer to StateRequest
	MaxSettingKey = 128 // bytes of a key, and of a prefix of keys
)

// Keys of settings. The keys about one message are [PollPrefix] and [QuestionPrefix] followed by its number.
const (
	TopicKey       = "topic" // a text of one line
	PinKey         = "pin"   // ascending numbers of messages
	StageKey       = "stage" // number of the message that is shown on the projector
	PollPrefix     = "poll/"
	QuestionPrefix = "question/"
)

// Values of the settings of polls and questions.
const (
	Open     = "open"     // of polls and questions
	PollOver = "closed"   // of polls: no votes are accepted
	Hidden   = "hidden"   // of polls: votes are accepted, and no counts are sent
	Answered = "answered" // of questions
)

// A Value is the value of a setting: a text, a number, or numbers. The zero value is null, which unsets.
type Value struct {
	Text    *string
	Number  *uint64
	Numbers []uint64
}

// TextValue returns a text as a value.
func TextValue(s string) Value { return Value{Text: &s} }

// NumberValue returns a number as a value.
func NumberValue(n uint64) Value { return Value{Number: &n} }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.Text == nil && v.Number == nil && v.Numbers == nil }

// Equal reports whether v and w are the same value.
func (v Value) Equal(w Value) bool {
	return equalPointers(v.Text, w.Text) && equalPointers(v.Number, w.Number) && slices.Equal(v.Numbers, w.Numbers) && (v.Numbers == nil) == (w.Numbers == nil)
}

func equalPointers[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	switch {
	case v.Text != nil:
		return appendString(nil, *v.Text), nil
	case v.Number != nil:
		return strconv.AppendUint(nil, *v.Number, 10), nil
	case v.Numbers != nil:
		return json.Marshal(v.Numbers)
	}
	return []byte("null"), nil
}

// UnmarshalJSON implements json.Unmarshaler. Every other JSON value is an error.
func (v *Value) UnmarshalJSON(b []byte) error {
	got, bad := parseValue(jsontext.Value(b))
	if bad != nil {
		return errors.New(bad.Reason)
	}
	*v = got
	return nil
}

// parseValue parses the value of a setting.
func parseValue(j jsontext.Value) (v Value, bad *CodedError) {
	f := fields{{name: "value", value: j}}
	switch j.Kind() {
	case 'n':
	case '"':
		s, bad := f.string("value")
		if bad != nil {
			return v, bad
		}
		v.Text = &s
	case '0':
		v.Number, bad = f.number("value", math.MaxUint64)
	case '[':
		v.Numbers = []uint64{}
		if ParseJSON(j, &v.Numbers) != nil {
			return Value{}, &CodedError{Code: BadRequest, Reason: "an array as a value has whole numbers only"}
		}
	default:
		return v, wrongKind("a string, a number, an array of numbers, or null", j)
	}
	return v, bad
}

// A Setting is a part of the state of a room.
type Setting struct {
	Key   string `json:"key"`
	Value Value  `json:"value"`
	Until Time   `json:"until,omitempty"` // of a rule: it counts as unset from then on; 0: it has no end
}

// CheckSetting checks the key of a setting, and whether the value is one that the key can have. Null unsets any key. Whether
// the messages exist that a key or value names is decided when the setting is stored.
func CheckSetting(key string, v Value) *CodedError {
	switch {
	case key == TopicKey:
		return checkTopic(v)
	case key == PinKey:
		return checkPin(v)
	case key == StageKey:
		if v.IsNull() || v.Number != nil && *v.Number > 0 {
			return nil
		}
		return wrongValue(key, "the number of a message, from 1, or null")
	}
	if _, ok := KeyNumber(key, PollPrefix); ok {
		return checkWord(key, v, Open, PollOver, Hidden)
	}
	if _, ok := KeyNumber(key, QuestionPrefix); ok {
		return checkWord(key, v, Open, Answered)
	}
	if bad, isRule := checkRule(key, v); isRule {
		return bad
	}
	return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("unknown key %.40q; use %s, %s, %s, %sN or %sN, where N is the number of a message, %s, or %sBY or %sBY, where BY is a sender",
		key, TopicKey, PinKey, StageKey, PollPrefix, QuestionPrefix, strings.Join(ruleKeys, ", "), PersonPrefix, RolePrefix)}
}

// KeyNumber returns the number of the message that a key is about, if it has the given prefix.
func KeyNumber(key, prefix string) (n uint64, ok bool) {
	digits, ok := strings.CutPrefix(key, prefix)
	if !ok || digits == "" || digits[0] == '0' {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

func wrongValue(key, want string) *CodedError {
	return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("the value of %s must be %s", key, want)}
}

func checkTopic(v Value) *CodedError {
	switch {
	case v.IsNull():
		return nil
	case v.Text == nil || *v.Text == "":
		return wrongValue(TopicKey, "a text, or null")
	case len(*v.Text) > MaxTopic:
		return &CodedError{Code: TooLong, Reason: fmt.Sprintf("the topic has %d bytes; at most %d are allowed", len(*v.Text), MaxTopic)}
	}
	return checkLine(*v.Text)
}

func checkPin(v Value) *CodedError {
	if v.IsNull() {
		return nil
	}
	right := len(v.Numbers) >= 1 && len(v.Numbers) <= MaxPins && v.Numbers[0] > 0
	for i := 1; right && i < len(v.Numbers); i++ {
		right = v.Numbers[i-1] < v.Numbers[i]
	}
	if !right {
		return wrongValue(PinKey, fmt.Sprintf("an array of 1 to %d numbers of messages, ascending and from 1, or null", MaxPins))
	}
	return nil
}

func checkWord(key string, v Value, words ...string) *CodedError {
	if v.Text != nil && slices.Contains(words, *v.Text) {
		return nil
	}
	return wrongValue(key, `"`+strings.Join(words, `" or "`)+`"`)
}

// checkLine checks a text of one line.
func checkLine(s string) *CodedError {
	if bad := CheckText(s, len(s)); bad != nil {
		return bad
	}
	if strings.ContainsAny(s, "\n\t\u2028\u2029") {
		return &CodedError{Code: BadRequest, Reason: "it must be one line, without tabs"}
	}
	return nil
}

// Set changes a setting of a room. Repeating the same ID in the same room never sets twice.
type Set struct {
	Room  string `json:"room"`
	ID    string `json:"id"`
	Key   string `json:"key"` // see CheckSetting
	Value Value  `json:"value"`
	Until Time   `json:"until,omitempty"` // of a rule, see Setting

	AddressOf uint64 `json:"address_of,omitempty"` // with AddressKey: number of a message that came from the address
}

// StateRequest ("state") asks for one page of the settings of a room.
type StateRequest struct {
	Room   string `json:"room"`
	Prefix string `json:"prefix,omitempty"` // only keys that begin with it
	After  string `json:"after,omitempty"`  // only keys after this one
	Limit  int    `json:"limit,omitempty"`  // 1 to MaxSettings; 0: MaxSettings
}

// State says that a setting of the room was changed. If the key is hidden, see [HiddenKey], it has only Room, N and At besides.
type State struct {
	Room        string `json:"room"`
	N           uint64 `json:"n"`
	At          Time   `json:"at"`
	Key         string `json:"key"`
	Value       Value  `json:"value"`           // null: unset
	Until       Time   `json:"until,omitempty"` // of a rule, see Setting
	SenderID    string `json:"by,omitempty"`    // with From and ID: the sender
	DisplayName string `json:"from,omitempty"`  // name of the sender at that time, or empty
	ID          string `json:"id,omitempty"`
}

// Settings answers StateRequest. The settings are in the order of their keys.
type Settings struct {
	Room     string    `json:"room"`
	N        uint64    `json:"n"` // newest number of the room when they were read
	Settings []Setting `json:"settings"`
	More     bool      `json:"more"`          // there are more after the last one
	Ref      string    `json:"ref,omitempty"` // of the request
}

var (
	_ = request(Set{}, parseSet)
	_ = request(StateRequest{}, parseStateRequest)
	_ = answer[State]()
	_ = answer[Settings]()
)

// Type implements Frame.
func (Set) Type() string { return "set" }

func (s Set) posted() (room, id string) { return s.Room, s.ID }

// Type implements Frame.
func (StateRequest) Type() string { return "state" }

// Type implements Frame.
func (State) Type() string { return "state" }

// Type implements Frame.
func (Settings) Type() string { return "settings" }

// parseSet parses the request.
func parseSet(f fields) (Frame, string, *CodedError) {
	var set Set
	var where string
	var bad *CodedError
	if set.Room, set.ID, where, bad = f.posted(); set.ID == "" {
		return nil, where, bad
	}
	if bad != nil {
		return set, where, bad
	}
	if set.Key, bad = f.string("key"); bad != nil {
		return set, "key", bad
	}
	if f.value("address_of") != nil {
		if set.AddressOf, bad = f.target("address_of"); bad != nil {
			return set, "address_of", bad
		}
	}
	if bad = CheckAddressOf(set.Key, set.AddressOf); bad != nil {
		return set, "", bad
	}
	raw := f.raw("value")
	if raw == nil && set.Key == AddressKey {
		raw = jsontext.Value(`"` + Mute + `"`)
	}
	if raw == nil { // a client that omits the value does not mean to unset the key
		return set, "value", &CodedError{Code: BadRequest, Reason: "it is missing; null unsets the key"}
	}
	if set.Value, bad = parseValue(raw); bad != nil {
		return set, "value", bad
	}
	if bad = CheckSetting(set.Key, set.Value); bad != nil {
		return set, "", bad
	}
	if f.value("until") == nil {
		return set, "", nil
	}
	if bad = CheckUntil(set.Key, set.Value, 1); bad != nil { // also if it is not a time
		return set, "until", bad
	}
	s, bad := f.string("until")
	if bad != nil {
		return set, "until", bad
	}
	if set.Until, bad = ParseUntil(s); bad != nil {
		return set, "until", bad
	}
	return set, "until", CheckUntil(set.Key, set.Value, set.Until)
}

// parseStateRequest parses the request.
func parseStateRequest(f fields) (Frame, string, *CodedError) {
	room, bad := f.room()
	if bad != nil {
		return nil, "room", bad
	}
	ask := StateRequest{Room: room}
	if ask.Prefix, bad = f.key("prefix"); bad != nil {
		return nil, "prefix", bad
	}
	if ask.After, bad = f.key("after"); bad != nil {
		return nil, "after", bad
	}
	limit, bad := f.number("limit", MaxSettings)
	if bad != nil {
		return nil, "limit", bad
	}
	if limit != nil {
		ask.Limit = int(*limit)
	}
	return ask, "", nil
}
