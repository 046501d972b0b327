package eventlog

import (
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"ramai/wire"
)

// SetBody is the body of a Set, which sets a key of a room to a value; null unsets it. It adds a record that is sent to
// everyone in the room; clients that join later read the settings.
//
// Its id is remembered like that of a Say, and must differ from those of Says.
type SetBody struct {
	Key   string
	Value wire.Value
	Until wire.Time // of a rule: when it ends; 0: it does not

	AddressOf uint64 // with the key wire.AddressKey: number of the message whose origin is meant

	// Of a rule that is set to undo something: the number of the record that has set what it replaces, 0: nothing. The Set is refused if
	// that was replaced meanwhile. It sets nothing else: a preset does not set its rules, which are undone one by one.
	Replaces *uint64
}

func (SetBody) kind() Kind { return Set }

// encodedSet is how a SetBody is encoded, in a command and in a record.
type encodedSet struct {
	_     struct{} `cbor:",toarray"`
	Key   string
	Value cbor.RawMessage
}

// encodedSet4 is a SetBody with an end, which exists from RulesLevel on.
type encodedSet4 struct {
	_     struct{} `cbor:",toarray"`
	Key   string
	Value cbor.RawMessage
	Until int64
}

// encodedSet5 is a SetBody with the number of a message, which exists from HoldLevel on.
type encodedSet5 struct {
	_         struct{} `cbor:",toarray"`
	Key       string
	Value     cbor.RawMessage
	Until     int64
	AddressOf uint64
}

// encodedUndo5 is a SetBody that undoes something, which exists from HoldLevel on.
type encodedUndo5 struct {
	_         struct{} `cbor:",toarray"`
	Key       string
	Value     cbor.RawMessage
	Until     int64
	AddressOf uint64
	Replaces  uint64
}

func (b SetBody) encode() []byte {
	if b.Replaces != nil {
		return must(encoding.Marshal(encodedUndo5{Key: b.Key, Value: EncodeValue(b.Value), Until: int64(b.Until), AddressOf: b.AddressOf, Replaces: *b.Replaces}))
	}
	if b.AddressOf != 0 {
		return must(encoding.Marshal(encodedSet5{Key: b.Key, Value: EncodeValue(b.Value), Until: int64(b.Until), AddressOf: b.AddressOf}))
	}
	if b.Until != 0 {
		return must(encoding.Marshal(encodedSet4{Key: b.Key, Value: EncodeValue(b.Value), Until: int64(b.Until)}))
	}
	return must(encoding.Marshal(encodedSet{Key: b.Key, Value: EncodeValue(b.Value)}))
}

func decodeSetBody(data []byte) (body SetBody, err error) {
	var e encodedUndo5
	switch {
	case isArray(data, 5):
		err = decoding.Unmarshal(data, &e)
		body.Replaces = &e.Replaces
	case isArray(data, 4):
		var old encodedSet5
		err = decoding.Unmarshal(data, &old)
		e.Key, e.Value, e.Until, e.AddressOf = old.Key, old.Value, old.Until, old.AddressOf
	case isArray(data, 3):
		var old encodedSet4
		err = decoding.Unmarshal(data, &old)
		e.Key, e.Value, e.Until = old.Key, old.Value, old.Until
	default:
		var old encodedSet
		err = decoding.Unmarshal(data, &old)
		e.Key, e.Value = old.Key, old.Value
	}
	if err != nil {
		return body, err
	}
	body.Key, body.Until, body.AddressOf = e.Key, wire.Time(e.Until), e.AddressOf
	body.Value, err = DecodeValue(e.Value)
	return body, err
}

// sum returns the checksum of a setting. A password is hashed with another salt each time, so its value is left out.
func (b SetBody) sum() int64 {
	if b.Key == wire.PasswordKey {
		b.Value = wire.Value{}
	}
	b.Replaces = nil
	return TextSum("\x00set " + string(b.encode()))
}

// check returns an error for a setting that there cannot be.
func (b SetBody) check() error {
	if err := wire.CheckSetting(b.Key, b.Value); err != nil { // not a nil *wire.CodedError in an error
		return err
	}
	if err := wire.CheckUntil(b.Key, b.Value, b.Until); err != nil {
		return err
	}
	if err := wire.CheckAddressOf(b.Key, b.AddressOf); err != nil {
		return err
	}
	if b.Replaces != nil && !wire.IsRule(b.Key) {
		return fmt.Errorf("the setting %.80q, which is no rule, replaces record %d", b.Key, *b.Replaces)
	}
	return nil
}

// OperatorSender is the sender of the operator's commands. No session has it: a session has wire.SessionLen characters.
var OperatorSender = wire.SenderIDOf("operator")

type setKind struct{ onDemand }

func (setKind) name() string { return "set" }

func (setKind) check(c *Command) error {
	body, err := bodyOf[SetBody](c)
	if err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return fmt.Errorf("a set command: %w", err)
	}
	return checkHead(c, hasSender|hasRoom|hasID)
}

func (setKind) encodeBody(c *Command) ([]byte, error) {
	body, err := bodyOf[SetBody](c)
	if err != nil {
		return nil, err
	}
	return body.encode(), nil
}

func (setKind) decodeBody(data []byte, c *Command) error {
	body, err := decodeSetBody(data)
	c.Body = body
	return err
}

func (setKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[SetBody](o.Command)
	if err != nil {
		return err
	}
	key := parseSettingKey(body.Key)
	refused, err := c.refusedSet(tx, o, key, &body)
	if err != nil {
		return err
	}
	if refused == nil {
		refused = c.number(o)
	}
	if done, err := c.repeated(tx, o, body.sum(), refused); done || err != nil {
		return err
	}
	if _, err := c.useName(tx, o); err != nil {
		return err
	}
	creates := c.creates(o.Command)
	if err := c.appendRecord(tx, o, encodeSet(body)); err != nil {
		return err
	}
	room := o.Command.Room
	c.addOther(room, o.N)
	if creates {
		if err := c.own(tx, o); err != nil {
			return err
		}
	}
	if wire.IsRule(body.Key) {
		if err := c.logRule(tx, o, key, &body); err != nil {
			return err
		}
		return c.applyRule(tx, o, key, &body)
	}
	wasHidden := key.name == wire.PollPrefix && c.pollStatus(room, key.n) == wire.Hidden
	if err := c.putSetting(tx, room, key, body.Value, o.N); err != nil {
		return err
	}
	if isHidden := key.name == wire.PollPrefix && c.pollStatus(room, key.n) == wire.Hidden; isHidden != wasHidden {
		return c.addPending(tx, room, key.n)
	}
	return nil
}

// refusedSet returns why a key cannot be set to a value.
func (c *Delta) refusedSet(tx Tx, o *Outcome, key settingKey, body *SetBody) (*wire.CodedError, error) {
	cmd, value := o.Command, body.Value
	if refused := refusedInBase(cmd.Room); refused != nil {
		return refused, nil
	}
	if refused := c.refusedRoom(cmd.Room); refused != nil {
		return refused, nil
	}
	act := actSet
	if wire.IsRule(body.Key) {
		act = actRule
	}
	if refused, err := c.permit(tx, cmd, act, false); refused != nil || err != nil {
		return refused, err
	}
	current := c.setting(cmd.Room, key)
	if current == nil && !value.IsNull() {
		if refused := c.settingsFull(cmd.Room, c.rankOf(cmd)); refused != nil {
			return refused, nil
		}
	}
	if act == actRule {
		refused := c.refusedRule(cmd, key, body)
		var err error
		if refused == nil && key.name == wire.AddressKey {
			refused, err = c.refusedAddressRule(tx, cmd, body)
		}
		if refused == nil && err == nil {
			refused, err = c.refusedReplacing(tx, cmd.Room, key, body)
		}
		return refused, err
	}
	author := ""
	for _, n := range c.named(key, value, current) {
		row, message, refused, err := c.message(tx, cmd.Room, n)
		switch {
		case refused != nil || err != nil:
			return refused, err
		case row.N == 0 || message.Gone:
			return &wire.CodedError{Code: wire.Gone, Reason: fmt.Sprintf("message %d was deleted", n)}, nil
		case key.n > 0 && message.As+"/" != key.name:
			return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("message %d is not a %s", n, key.name[:len(key.name)-1])}, nil
		}
		author = row.SenderID
	}
	return c.settable(cmd, key, author), nil
}

// named returns the messages that a setting refers to. A message that is already pinned may be deleted by now; it stays pinned.
func (c *Delta) named(key settingKey, value wire.Value, current *storedSetting) (numbers []uint64) {
	switch {
	case key.n > 0:
		return []uint64{key.n}
	case value.Number != nil:
		return []uint64{*value.Number}
	}
	for _, n := range value.Numbers {
		if current == nil || !slices.Contains(current.value.Numbers, n) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// settable returns why a sender must not set a key that is not a rule. If the key has the number of a message, author has
// posted that.
func (c *Delta) settable(cmd *Command, key settingKey, author string) *wire.CodedError {
	if cmd.SenderID == anonymousSender {
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "settings can only be changed with a session; connect with one"}
	}
	if c.rankOf(cmd) >= moderatorRank {
		return nil
	}
	r := c.rulesOf(cmd.Room)
	switch {
	case key.n > 0 && cmd.SenderID != author:
		return roleTooLow(wire.RoleModerator, fmt.Sprintf("message %d is somebody else's; only its author and moderators can set %s", key.n, key))
	case key.n == 0 && r.governed():
		return roleTooLow(wire.RoleModerator, fmt.Sprintf("only moderators set the %s of this room", key))
	}
	return nil
}

// settingsFull refuses another setting of somebody with a rank if a room has too many.
func (c *Delta) settingsFull(room string, by rank) *wire.CodedError {
	most, whom := MaxSettings, ""
	if by < moderatorRank && c.state.level >= HoldLevel {
		most, whom = MaxSettings-ReservedSettings, " for people who do not moderate it"
	}
	if c.settingCount(room) < most {
		return nil
	}
	return &wire.CodedError{
		Code:   wire.NotAllowed,
		Reason: fmt.Sprintf("the room %s has %d questions, polls and other settings, which is the maximum%s; delete an old question or poll", room, most, whom),
	}
}

// setVersion is the version of the body of a set's record, which is followed by an encodedSet.
const setVersion = 1

func encodeSet(body SetBody) string {
	body.Replaces = nil // the room is told the value only
	return string(rune(setVersion)) + string(body.encode())
}

func decodeSet(body string) (set SetBody, err error) {
	if err := checkRecordVersion(body, setVersion); err != nil {
		return set, err
	}
	set, err = decodeSetBody([]byte(body[1:]))
	switch {
	case err != nil:
		return SetBody{}, err
	case encodeSet(set) != body:
		return SetBody{}, errNotDeterministic
	}
	if err := set.check(); err != nil {
		return SetBody{}, err
	}
	return set, nil
}

func (k setKind) records() recordKind { return k }

func (setKind) checkBody(body string) error {
	_, err := decodeSet(body)
	return err
}

func (setKind) frameType() string { return wire.State{}.Type() }

func (setKind) appendFrame(dst []byte, r *Record) ([]byte, error) {
	set, err := decodeSet(r.Body)
	if err != nil {
		return dst, err
	}
	return wire.Append(dst, wire.State{
		Room: r.Room, N: r.N, At: r.At, Key: set.Key, Value: set.Value, Until: set.Until, SenderID: r.SenderID, DisplayName: r.DisplayName, ID: r.ID,
	}), nil
}

// appendLine shows nothing: the plain protocol has messages only.
func (setKind) appendLine(dst []byte, r *Record) ([]byte, bool, error) {
	_, err := decodeSet(r.Body)
	return dst, false, err
}

func (setKind) message(r *Record) (wire.Message, bool, error) {
	_, err := decodeSet(r.Body)
	return wire.Message{}, false, err
}

func (setKind) searchText(r *Record) (string, error) {
	_, err := decodeSet(r.Body)
	return "", err
}
