package eventlog

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/fxamacker/cbor/v2"

	"ramai/wire"
)

// An AppendLog adds a record to the room of a room's moderators, or of its owners: a held message, a report, or an action that was
// taken. The record is that of a message, so all clients show and count it. Only other commands cause it, see derive.go; the
// room is made by the first one, and has the rules of the room to which it belongs. That one may not exist yet: the operator makes invites
// to rooms in which nobody has posted.
type logKind struct {
	onDemand
	noBody
	noRecords
}

func (logKind) name() string { return "log" }

func (logKind) check(*Command) error { return errors.New("a log command is only derived from others") }

func (logKind) decide(_ *Delta, _ Tx, o *Outcome) error {
	o.refuse(wire.BadRequest, "a log command is only derived from others")
	return nil
}

// logBody is the body of an AppendLog.
type logBody struct {
	message messageBody
	name    string // of the sender

	room, key string // of a held message: where it is held; empty: it is none
	n         uint64 // number of the record, once it is decided
}

func (*logBody) kind() Kind { return AppendLog }

func (b *logBody) decideDerived(c *Delta, tx Tx, o *Outcome) error {
	base, _ := wire.BaseRoom(o.Command.Room)
	if bounds, changed := c.allBounds[base]; changed && bounds == (Bounds{}) { // it was removed in the same batch, with what was recorded about it
		return nil
	}
	if refused := c.number(o); refused != nil {
		o.refuseWith(refused)
		return nil
	}
	o.DisplayName = b.name
	if err := c.appendRecord(tx, o, b.message.encode()); err != nil {
		return err
	}
	b.n = o.N
	return b.recorded(c, tx)
}

// counted reports whether a room is one for itself, and not the room of the moderators or owners of another.
func counted(room string) bool {
	_, wants := wire.BaseRoom(room)
	return wants == wire.RoleNone
}

// refusedInBase refuses in a room of moderators or owners what can only be done in the room to which it belongs.
func refusedInBase(room string) *wire.CodedError {
	base, wants := wire.BaseRoom(room)
	if wants == wire.RoleNone {
		return nil
	}
	return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("the rules of %s are those of %s; do this in %s", room, base, base)}
}

// logAction adds a record of what a command does in a room. What is deleted in the room of its moderators or owners, which have no
// moderators of their own, is in that room.
func (c *Delta) logAction(o *Outcome, action *wire.Action) {
	if c.state.level < HoldLevel || !counted(o.Command.Room) {
		return
	}
	c.logIn(wire.ModeratorsRoom(o.Command.Room), o, action)
}

// logIn adds a record of what a command does to a room of moderators or owners.
func (c *Delta) logIn(room string, o *Outcome, action *wire.Action) {
	sender := o.Command.SenderID
	c.derive(Command{
		Kind: AppendLog, SenderID: sender, Room: room, ID: c.derivedID(),
		Body: &logBody{message: messageBody{As: wire.ActionMessage, Action: action}, name: c.nameOf(sender)},
	})
}

// derivedID returns an id for the next derived command, which no other record of its sender has.
func (c *Delta) derivedID() string {
	return "log-" + strconv.FormatUint(c.position, 10) + "-" + strconv.Itoa(len(c.derived)+1)
}

// nameOf returns the name of a sender, or "".
func (c *Delta) nameOf(senderID string) string {
	if lease := c.lease(senderID); lease != nil {
		return lease.Name
	}
	return ""
}

// logRule adds a record of a rule that a Set sets, with what it replaces: everything that undoing it needs.
func (c *Delta) logRule(tx Tx, o *Outcome, key settingKey, body *SetBody) error {
	action := &wire.Action{Do: wire.DoSet, Key: body.Key, Value: body.Value, Until: body.Until, Of: body.AddressOf, SenderID: key.subject, DisplayName: c.nameOf(key.subject)}
	stored, err := c.storedKey(tx, o.Command.Room, key, body)
	if err != nil {
		return err
	}
	action.Before, action.BeforeUntil = c.inForce(o.Command.Room, stored)
	if key.name == wire.PasswordKey {
		action.Value, action.Before = withoutSecret(action.Value), withoutSecret(action.Before)
	}
	if key.name == wire.PresetKey && body.Replaces == nil {
		rules, _ := wire.PresetRules(body.Value)
		for _, r := range rules {
			change := wire.RuleChange{Key: r.Key, Value: r.Value}
			change.Before, change.BeforeUntil = c.inForce(o.Command.Room, parseSettingKey(r.Key))
			if !change.Value.IsNull() || !change.Before.IsNull() {
				action.Rules = append(action.Rules, change)
			}
		}
	}
	c.logAction(o, action)
	return nil
}

// inForce returns the value of a rule as clients see it, and when it ends; null: it is not in force.
func (c *Delta) inForce(room string, key settingKey) (wire.Value, wire.Time) {
	s := c.setting(room, key)
	if s == nil || s.over(c.at) {
		return wire.Value{}, 0
	}
	shown := s.shown()
	return shown.Value, shown.Until
}

// withoutSecret returns what is shown of a password.
func withoutSecret(v wire.Value) wire.Value {
	if v.IsNull() {
		return v
	}
	return wire.TextValue(wire.PasswordSet)
}

// A loggedBody is what is encoded for a message of a room of moderators or owners that no client has posted.
type loggedBody struct {
	_       struct{} `cbor:",toarray"`
	Of      uint64
	Action  *storedAction
	Author  string // see messageBody
	Message messageBody
}

// storedAction is a wire.Action as it is stored.
type storedAction struct {
	_           struct{} `cbor:",toarray"`
	Do          string
	Key         string
	Value       cbor.RawMessage
	Before      cbor.RawMessage
	Until       int64
	Of          uint64
	SenderID    string
	DisplayName string
	Count       uint64
	Erasure     uint64
	Reason      string
	BeforeUntil int64
	Rules       []storedRuleChange
}

// storedRuleChange is a wire.RuleChange as it is stored.
type storedRuleChange struct {
	_           struct{} `cbor:",toarray"`
	Key         string
	Value       cbor.RawMessage
	Before      cbor.RawMessage
	BeforeUntil int64
}

func storeAction(a *wire.Action) *storedAction {
	if a == nil {
		return nil
	}
	s := &storedAction{
		Do: a.Do, Key: a.Key, Value: EncodeValue(a.Value), Before: EncodeValue(a.Before), Until: int64(a.Until), Of: a.Of, SenderID: a.SenderID, DisplayName: a.DisplayName,
		Count: a.Count, Erasure: a.Erasure, Reason: a.Reason, BeforeUntil: int64(a.BeforeUntil),
	}
	for _, r := range a.Rules {
		s.Rules = append(s.Rules, storedRuleChange{Key: r.Key, Value: EncodeValue(r.Value), Before: EncodeValue(r.Before), BeforeUntil: int64(r.BeforeUntil)})
	}
	return s
}

func (s *storedAction) action() (*wire.Action, error) {
	if s == nil {
		return nil, nil
	}
	a := &wire.Action{
		Do: s.Do, Key: s.Key, Until: wire.Time(s.Until), Of: s.Of, SenderID: s.SenderID, DisplayName: s.DisplayName, Count: s.Count, Erasure: s.Erasure, Reason: s.Reason,
		BeforeUntil: wire.Time(s.BeforeUntil),
	}
	var err, err2 error
	a.Value, err = DecodeValue(s.Value)
	a.Before, err2 = DecodeValue(s.Before)
	for _, r := range s.Rules {
		change := wire.RuleChange{Key: r.Key, BeforeUntil: wire.Time(r.BeforeUntil)}
		var err3, err4 error
		change.Value, err3 = DecodeValue(r.Value)
		change.Before, err4 = DecodeValue(r.Before)
		err = errors.Join(err, err3, err4)
		a.Rules = append(a.Rules, change)
	}
	return a, errors.Join(err, err2)
}

// maxRuleChanges is how many rules an action has changed, at most.
const maxRuleChanges = 16

// isLogged reports whether a message has a form that no client can post.
func (m *messageBody) isLogged() bool {
	return m.As == wire.HeldMessage || m.As == wire.ReportMessage || m.As == wire.ActionMessage
}

// checkLogged checks a message that isLogged.
func (m *messageBody) checkLogged() error {
	if (m.As == wire.ActionMessage) != (m.Action != nil) || m.As != wire.HeldMessage && len(m.Options) > 0 {
		return fmt.Errorf("the message of the form %q has an action (%v) and %d options", m.As, m.Action != nil, len(m.Options))
	}
	if m.Author != "" {
		if err := wire.CheckID(m.Author); err != nil || m.As != wire.ReportMessage {
			return fmt.Errorf("the message of the form %q is about a message of %.80q", m.As, m.Author)
		}
	}
	if m.Action == nil {
		return nil
	}
	if len(m.Action.Rules) > maxRuleChanges {
		return fmt.Errorf("the action %.80q has changed %d rules, at most %d are allowed", m.Action.Do, len(m.Action.Rules), maxRuleChanges)
	}
	for _, r := range m.Action.Rules {
		if err := checkString(AppendLog, "key", r.Key, maxName, false); err != nil {
			return err
		}
	}
	for _, s := range []string{m.Action.Do, m.Action.Key, m.Action.SenderID, m.Action.DisplayName, m.Action.Reason} {
		if err := checkString(AppendLog, "text", s, maxName, false); err != nil {
			return err
		}
	}
	return nil
}
