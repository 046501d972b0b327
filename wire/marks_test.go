package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestCheckMarkKey(t *testing.T) {
	for _, key := range []string{
		Upvote, "0", "9", "10", "11", "👍", "❤️", "❤", "😂", "🎉", "😮", "❓", "👍🏽", "👩‍👩‍👧", "👩🏽‍💻", "🏳️‍🌈", "🇮🇩", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
		"1️⃣", "#⃣", "©", "\U0001faf6", "\U0001fc00",
	} {
		if bad := CheckMarkKey(key); bad != nil {
			t.Errorf("%q: %v", key, bad)
		}
	}
	for _, key := range []string{
		"", "12", "00", "01", "-1", "1.0", "UP", "down", "a", "é", "今", " ", "👍👍", "👍 ", " 👍", "👍a", "👍\u200d", "\u200d👍", "🇮", "🇮🇩🇮", "\ufe0f", "🏽", "1️", "⃣",
		"🏴\U000e0067", "👍\xff", "\xff", "\x00", "❤️\ufe0f", strings.Repeat("👩‍", 20) + "👩",
	} {
		if bad := CheckMarkKey(key); bad == nil || bad.Code != BadRequest || !strings.Contains(bad.Reason, "one emoji") {
			t.Errorf("%q: %v", key, bad)
		}
	}
	if bad := CheckMarkKey(strings.Repeat("👩‍", 8) + "👩"); bad != nil { // 60 bytes
		t.Error(bad)
	}
}

func TestOptionOf(t *testing.T) {
	for i, key := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"} {
		if got, ok := OptionOf(key); !ok || got != i {
			t.Errorf("%q: %d, %v", key, got, ok)
		}
	}
	for _, key := range []string{"", "12", "19", "20", "111", "up", "👍", "01", "x", "1x"} {
		if got, ok := OptionOf(key); ok {
			t.Errorf("%q: %d", key, got)
		}
	}
}

func TestCheckSetting(t *testing.T) {
	numbers := func(n ...uint64) Value { return Value{Numbers: n} }
	many := make([]uint64, MaxPins+1)
	for i := range many {
		many[i] = uint64(i) + 1
	}
	for _, ok := range []Setting{
		{Key: TopicKey, Value: TextValue("Exam on Friday 📝")}, {Key: TopicKey, Value: TextValue(strings.Repeat("x", MaxTopic))}, {Key: TopicKey, Value: Value{}},
		{Key: PinKey, Value: numbers(1)}, {Key: PinKey, Value: numbers(3, 7, 1<<64-1)}, {Key: PinKey, Value: numbers(many[:MaxPins]...)}, {Key: PinKey, Value: Value{}},
		{Key: StageKey, Value: NumberValue(1)}, {Key: StageKey, Value: Value{}},
		{Key: "poll/7", Value: TextValue(Open)}, {Key: "poll/7", Value: TextValue(PollOver)}, {Key: "poll/18446744073709551615", Value: TextValue(Hidden)},
		{Key: "question/1", Value: TextValue(Open)}, {Key: "question/1", Value: TextValue(Answered)},
		{Key: EveryoneKey, Value: TextValue("none")}, {Key: EveryoneKey, Value: TextValue("guest")}, {Key: EveryoneKey, Value: Value{}},
		{Key: MaySayKey, Value: TextValue("moderator")}, {Key: MayReactKey, Value: TextValue("guest")}, {Key: MayLinkKey, Value: TextValue("owner")},
		{Key: SlowKey, Value: NumberValue(1)}, {Key: SlowKey, Value: NumberValue(MaxSlow)}, {Key: NewcomerKey, Value: NumberValue(MaxNewcomer)},
		{Key: HoldKey, Value: TextValue(HoldFirst)}, {Key: LockKey, Value: TextValue(LockOn)}, {Key: PresetKey, Value: TextValue(PresetClass)},
		{Key: "person/0123456789abcdef", Value: TextValue(Ban)}, {Key: "role/AZaz09_-AZaz09_-", Value: TextValue("owner")}, {Key: "role/0123456789abcdef", Value: Value{}},
	} {
		if bad := CheckSetting(ok.Key, ok.Value); bad != nil {
			t.Errorf("%s %+v: %v", ok.Key, ok.Value, bad)
		}
	}
	for _, test := range []struct {
		key    string
		v      Value
		reason string
	}{
		{TopicKey, TextValue(""), "must be a text, or null"}, {TopicKey, NumberValue(1), "must be a text"}, {TopicKey, numbers(1), "must be a text"},
		{TopicKey, TextValue(strings.Repeat("x", MaxTopic+1)), "301 bytes"}, {TopicKey, TextValue("a\nb"), "one line"}, {TopicKey, TextValue("a\tb"), "one line"},
		{TopicKey, TextValue("a\x1bb"), "U+001B"}, {TopicKey, TextValue("a\u2028b"), "one line"},
		{PinKey, Value{Numbers: []uint64{}}, "1 to 20 numbers"}, {PinKey, numbers(0), "from 1"}, {PinKey, numbers(2, 2), "ascending"}, {PinKey, numbers(2, 1), "ascending"},
		{PinKey, numbers(many...), "1 to 20"}, {PinKey, NumberValue(1), "array"}, {PinKey, TextValue("1"), "array"},
		{StageKey, NumberValue(0), "from 1"}, {StageKey, TextValue("1"), "number of a message"}, {StageKey, numbers(1), "number of a message"},
		{"poll/7", TextValue(Answered), `"open" or "closed" or "hidden"`}, {"poll/7", Value{}, `"open"`}, {"poll/7", NumberValue(1), `"open"`},
		{"question/7", TextValue(Hidden), `"open" or "answered"`}, {"question/7", Value{}, `"open"`},
		{"poll/0", TextValue(Open), "unknown key"}, {"poll/07", TextValue(Open), "unknown key"}, {"poll/", TextValue(Open), "unknown key"}, {"poll/x", TextValue(Open), "unknown key"},
		{"poll/18446744073709551616", TextValue(Open), "unknown key"}, {"poll/+1", TextValue(Open), "unknown key"}, {"poll/1_0", TextValue(Open), "unknown key"},
		{"", Value{}, "unknown key"}, {"Topic", Value{}, "unknown key"}, {"colour", TextValue("reader"), "unknown key"},
		{EveryoneKey, TextValue("known"), `"none" or "reader" or "guest"`}, {EveryoneKey, NumberValue(1), `"none"`}, {"everyone/", Value{}, "unknown key"},
		{MaySayKey, TextValue("reader"), `"guest" or "known"`}, {MayLinkKey, TextValue(""), `"guest"`}, {"may.shout", Value{}, "unknown key"},
		{SlowKey, NumberValue(0), "1 to 86400"}, {SlowKey, NumberValue(MaxSlow + 1), "1 to 86400"}, {SlowKey, TextValue("1"), "seconds"}, {NewcomerKey, NumberValue(MaxNewcomer + 1), "1 to 604800"},
		{HoldKey, TextValue("some"), `"first" or "links" or "all"`}, {LockKey, TextValue("off"), `"on"`}, {LockKey, numbers(1), `"on"`}, {PresetKey, TextValue("party"), `"class"`},
		{"person/0123456789abcdef", TextValue("kick"), `"ban" or "mute"`}, {"person/", Value{}, "16 characters"}, {"person/0123456789abcdeg.", Value{}, "16 characters"}, {"person/0123456789abcde.", TextValue(Ban), "16 characters"},
		{"role/0123456789abcdef", TextValue("none"), `"reader" or "guest"`}, {"role/0123456789abcdef", TextValue("god"), `"reader"`}, {"role/x", TextValue("owner"), "16 characters"}, {"role", Value{}, "unknown key"},
	} {
		if bad := CheckSetting(test.key, test.v); bad == nil || bad.Code != BadRequest && bad.Code != TooLong || !strings.Contains(bad.Reason, test.reason) {
			t.Errorf("%s %+v: %v, want %q", test.key, test.v, bad, test.reason)
		}
	}
}

func TestCheckAs(t *testing.T) {
	twelve := strings.Split("a b c d e f g h i j k l", " ")
	for _, test := range []struct {
		as      string
		options []string
		reason  string // empty: accepted
	}{
		{"", nil, ""}, {Question, nil, ""}, {Notice, nil, ""}, {Poll, twelve[:2], ""}, {Poll, twelve, ""}, {Poll, []string{strings.Repeat("x", MaxOption), "👍"}, ""},
		{"dance", nil, `unknown "dance"`}, {"", twelve, "only a poll"}, {Question, []string{}, "only a poll"}, {Notice, twelve, "only a poll"},
		{Poll, nil, "2 to 12 options, not 0"}, {Poll, twelve[:1], "not 1"}, {Poll, append(twelve, "m"), "not 13"}, {Poll, []string{"a", ""}, "option 1 has 0 bytes"},
		{Poll, []string{strings.Repeat("x", MaxOption+1), "a"}, "option 0 has 81 bytes"}, {Poll, []string{"a", "a"}, "option 1 is the same"}, {Poll, []string{"a\n", "b"}, "one line"},
		{Poll, []string{"a\x00", "b"}, "U+0000"},
	} {
		bad := CheckAs(test.as, test.options)
		if (bad == nil) != (test.reason == "") || bad != nil && (bad.Code != BadRequest || !strings.Contains(bad.Reason, test.reason)) {
			t.Errorf("%s %q: %v, want %q", test.as, test.options, bad, test.reason)
		}
	}
}

// Values that are no setting's value are errors in both directions.
func TestValueIsStrict(t *testing.T) {
	for _, in := range []string{`{}`, `true`, `[[1]]`, `["1"]`, `[1.5]`, `-1`, `1.5`, `18446744073709551616`, `"\ud800"`} {
		if r, bad := ParseRequest([]byte(`{"type":"set","room":"lobby","id":"1","key":"pin","value":` + in + `}`)); bad == nil || bad.Code != BadRequest {
			t.Errorf("%s: %+v, %v", in, r, bad)
		}
		if in == `"\ud800"` { // clients show what they get
			continue
		}
		if f, err := ParseFrame([]byte(`{"type":"state","room":"lobby","n":1,"key":"pin","value":` + in + `}`)); err == nil {
			t.Errorf("%s: %+v", in, f)
		}
	}
}

func TestValueEqual(t *testing.T) {
	values := []Value{{}, TextValue(""), TextValue("a"), NumberValue(0), NumberValue(1), {Numbers: []uint64{}}, {Numbers: []uint64{1}}, {Numbers: []uint64{1, 2}}}
	for i, v := range values {
		for j, w := range values {
			if v.Equal(w) != (i == j) {
				t.Errorf("%+v equals %+v: %v", v, w, v.Equal(w))
			}
		}
		if copied := (Value{ptr2(v.Text), ptr2(v.Number), append([]uint64(nil), v.Numbers...)}); v.Numbers == nil && !v.Equal(copied) {
			t.Errorf("%+v differs from a copy", v)
		}
	}
}

func ptr2[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func TestBadMarksAndSettings(t *testing.T) {
	for in, want := range map[string]string{
		`"mark","room":"lobby","of":1,"key":"👍"`:                                                 `the field "on" of mark: it is missing; it is true or false`,
		`"mark","room":"lobby","of":1,"key":"👍","on":null`:                                       `the field "on" of mark: it is missing; it is true or false`,
		`"mark","room":"lobby","of":1,"key":"👍","on":1`:                                          `the field "on" of mark: it must be true or false, not a number`,
		`"mark","room":"lobby","of":0,"key":"👍","on":true`:                                       `the field "of" of mark: it must be the number of a message, from 1`,
		`"mark","room":"lobby","key":"👍","on":true`:                                              `the field "of" of mark: it must be the number of a message, from 1`,
		`"mark","room":"LOBBY","of":1,"key":"👍","on":true`:                                       `the field "room" of mark: a room name has`,
		`"mark","room":"lobby","of":1,"on":true`:                                                 `the field "key" of mark: invalid key ""`,
		`"mark","room":"lobby","of":1,"key":1,"on":true`:                                         `the field "key" of mark: it must be a string, not a number`,
		`"set","room":"lobby","id":"1","key":"topic"`:                                            `the field "value" of set: it is missing; null unsets the key`,
		`"set","room":"lobby","id":"1","key":"topic","value":"x","until":"x"`:                    `the field "until" of set: topic has no end; leave the time out`,
		`"set","room":"lobby","id":"1","key":"slow","value":5,"until":"x"`:                       `the field "until" of set: invalid time "x"`,
		`"set","room":"lobby","id":"1","key":"slow","value":5,"until":"1970-01-01T00:00:00Z"`:    `the field "until" of set: the time 1969-12-31T23:59:59.999Z is over; use one ahead`,
		`"set","room":"lobby","id":"1","key":"slow","value":null,"until":"2026-01-31T09:00:00Z"`: `the field "until" of set: null unsets slow at once; leave the time out`,
		`"set","room":"lobby","id":"1","value":"x"`:                                              `set: unknown key ""; use topic`,
		`"set","room":"lobby","id":"1","key":"poll/1","value":null`:                              `set: the value of poll/1 must be "open" or "closed" or "hidden"`,
		`"set","room":"lobby","key":"topic","value":"x"`:                                         `the field "id" of set: an id has`,
		`"state","room":"lobby","limit":501`:                                                     `the field "limit" of state: it must be a whole number from 0 to 500`,
		`"state","room":"lobby","prefix":"` + strings.Repeat("x", 129) + `"`:                     `the field "prefix" of state: it has 129 bytes`,
		`"state","room":"lobby","after":7`:                                                       `the field "after" of state: it must be a string`,
		`"state"`:                                                                                `the field "room" of state: a room name has`,
		`"say","room":"lobby","id":"1","text":"x","as":"dance"`:                                  `say: unknown "dance"`,
		`"say","room":"lobby","id":"1","text":"x","as":"poll","options":["a",null]`:              `say: option 1 has 0 bytes`,
		`"say","room":"lobby","id":"1","text":"x","as":"poll","options":"a"`:                     `the field "options" of say: it must be an array of strings, not a string`,
		`"say","room":"lobby","id":"1","text":"x","as":"poll","options":[1]`:                     `the field "options" of say: it must be an array of strings in valid Unicode`,
		`"say","room":"lobby","id":"1","text":"x","as":7`:                                        `the field "as" of say: it must be a string, not a number`,
		`"history","room":"lobby","as":"notice"`:                                                 `history: unknown as "notice"; use question or poll`,
		`"history","room":"lobby","as":"poll","after":7`:                                         `history: use as with before, or alone`,
	} {
		r, bad := ParseRequest([]byte(`{"type":` + in + `}`))
		if bad == nil || bad.Code != BadRequest || !strings.HasPrefix(bad.Reason, want) {
			t.Errorf("%s: %v, want %q", in, bad, want)
			continue
		}
		answer := r.Refused(bad)
		if strings.Contains(in, `"id":"1"`) != (answer.Type() == "refused") {
			t.Errorf("%s is answered by %+v", in, answer)
		}
	}
	r, _ := ParseRequest([]byte(`{"type":"mark","room":"lobby","of":1,"key":"👍","on":true,"ref":"r"}`))
	if got, want := r.Refused(&CodedError{Code: Gone, Reason: "no"}), (Error{Code: Gone, Reason: "no", Request: "mark", Room: "lobby", Ref: "r"}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Equal frames have equal bytes: messages, keys and settings are in order.
func TestCountsAreInOrder(t *testing.T) {
	for want, f := range map[string]Frame{
		`{"type":"tally","room":"lobby","n":12,"at":"1970-01-01T00:00:00.005Z","of":{"9":{},"10":{"up":1,"❤️":2,"👍":3}}}`:                                      Tally{Room: "lobby", N: 12, At: 5, Of: map[uint64]Counts{10: {"👍": 3, "up": 1, "❤️": 2}, 9: {}}},
		`{"type":"tally","room":"","n":0,"at":"1970-01-01T00:00:00.000Z","of":{}}`:                                                                             Tally{},
		`{"type":"settings","room":"lobby","n":0,"settings":[],"more":false}`:                                                                                  Settings{Room: "lobby"},
		`{"type":"state","room":"lobby","n":3,"at":"1970-01-01T00:00:00.000Z","key":"pin","value":null}`:                                                       State{Room: "lobby", N: 3, Key: "pin"},
		`{"type":"page","room":"","log":"","epoch":"","first":0,"head":0,"messages":[],"more":false,"as":"poll","mine":{"9":["0"],"10":["up","👍"]},"ref":"r"}`: Page{As: Poll, Mine: Mine{10: {"up", "👍"}, 9: {"0"}}, Ref: "r"},
	} {
		for range 5 { // the order of a map varies
			if got := string(Append(nil, f)); got != want {
				t.Fatalf("%s, want\n%s", got, want)
			}
		}
	}
}

func TestSetUntil(t *testing.T) {
	r, bad := ParseRequest([]byte(`{"type":"set","room":"lobby","id":"1","key":"lock","value":"on","until":"2026-01-31T09:00:00+01:00"}`))
	if set, ok := r.Frame.(Set); bad != nil || !ok || set.Until.String() != "2026-01-31T08:00:00.000Z" {
		t.Errorf("%+v, %v", r.Frame, bad)
	}
	r, bad = ParseRequest([]byte(`{"type":"set","room":"lobby","id":"1","key":"lock","value":"on","until":null}`))
	if set, ok := r.Frame.(Set); bad != nil || !ok || set.Until != 0 {
		t.Errorf("%+v, %v", r.Frame, bad)
	}
}

// Frames are the same for everyone in the room, so they must not say whom a rule is about.
func TestHiddenSettings(t *testing.T) {
	s := State{Room: "lobby", N: 7, At: 5, Value: TextValue("secret"), Until: 9, SenderID: "secret-sender", DisplayName: "secret-name", ID: "secret-id"}
	for key, shown := range map[string]string{
		"person/0123456789abcdef": "person", "role/0123456789abcdef": "role", HoldKey: HoldKey,
	} {
		s.Key = key
		if got, want := string(Append(nil, s)), `{"type":"state","room":"lobby","n":7,"at":"1970-01-01T00:00:00.005Z","key":"`+shown+`"}`; got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
		if f, err := ParseFrame(Append(nil, s)); err != nil || f.(State).Key != shown {
			t.Errorf("%s: %+v, %v", key, f, err)
		}
		if _, hidden := HiddenKey(shown); !hidden {
			t.Errorf("a client does not know that %s is hidden", shown)
		}
	}
	for _, key := range []string{TopicKey, EveryoneKey, MaySayKey, SlowKey, NewcomerKey, LockKey, PresetKey} {
		if shown, hidden := HiddenKey(key); hidden || shown != key {
			t.Errorf("%s is hidden, as %s", key, shown)
		}
	}
}

func TestRoles(t *testing.T) {
	for r := RoleNone; r <= RoleOwner; r++ {
		var again Role
		if got, ok := ParseRole(r.String()); !ok || got != r {
			t.Errorf("%v: %v, %v", r, got, ok)
		}
		b, err := json.Marshal(r)
		if err != nil || json.Unmarshal(b, &again) != nil || again != r {
			t.Errorf("%v: %s, %v, %v", r, b, err, again)
		}
	}
	for _, s := range []string{"", "Owner", "god", "role_7"} {
		if r, ok := ParseRole(s); ok || r != RoleNone {
			t.Errorf("%q: %v", s, r)
		}
	}
	if _, err := json.Marshal(RoleOwner + 1); err == nil {
		t.Error("a role that does not exist was encoded")
	}
}
