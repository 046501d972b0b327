package eventlog

import (
	"fmt"
	"strconv"
	"strings"

	"ramai/wire"
)

// A rule about an address is a setting whose subject is the origin of a message. Its value is what is imposed and the number of that
// message, which is all that clients are shown of it.

// addressValue is the stored value of a rule about the address of a message.
func addressValue(imposed string, of uint64) wire.Value {
	return wire.TextValue(imposed + " " + strconv.FormatUint(of, 10))
}

// address returns what a rule about an address imposes, and the message that it was set for.
func (s *storedSetting) address() (imposed, of string) {
	imposed, of, _ = strings.Cut(*s.value.Text, " ")
	return imposed, of
}

// bansAddress reports whether a setting, which may be nil, bans an address.
func (s *storedSetting) bansAddress() bool {
	if s == nil {
		return false
	}
	imposed, _ := s.address()
	return imposed == wire.Ban
}

// shownAddress returns a rule about an address as clients see it.
func (s *storedSetting) shownAddress() wire.Setting {
	imposed, of := s.address()
	return wire.Setting{Key: wire.AddressPrefix + of, Value: wire.TextValue(imposed), Until: s.until}
}

// CheckStoredSetting returns an error for a key or a value that no stored setting has.
func CheckStoredSetting(key string, v wire.Value) error {
	k := parseSettingKey(key)
	if k.name != wire.AddressPrefix {
		if err := wire.CheckSetting(key, v); err != nil { // not a nil *wire.CodedError in an error
			return err
		}
		return nil
	}
	s := storedSetting{settingKey: k, value: v}
	if v.Text == nil {
		return fmt.Errorf("the setting %.80q has the value %v", key, v)
	}
	imposed, of := s.address()
	if _, ok := wire.KeyNumber(of, ""); !ok || imposed != wire.Mute && imposed != wire.Ban || len(k.subject) != len(Origin{}.subject()) {
		return fmt.Errorf("the setting %.80q has the value %.80q", key, *v.Text)
	}
	return nil
}

// refusedAddress applies what was imposed on the address of a sender with a role. A muted one can still delete messages, and report
// others.
func (r *roomRules) refusedAddress(role wire.Role, origin, former Origin, act action) *wire.CodedError {
	if role >= wire.RoleTrusted || r.set&addressRules == 0 || origin.IsZero() {
		return nil
	}
	for _, o := range [...]Origin{origin, former} {
		s := r.get(settingKey{name: wire.AddressPrefix, subject: o.subject()})
		if s == nil || o.IsZero() {
			continue
		}
		imposed, _ := s.address()
		params := wire.Params{wire.ParamAction: wire.TextValue(imposed)}
		switch {
		case imposed == wire.Ban:
			return ruled(wire.RuleAddress, s, params, "your network is banned from this room")
		case act != actDelete && act < actReport:
			return ruled(wire.RuleAddress, s, params, "your network is muted in this room")
		}
	}
	return nil
}

// refusedAddressRule returns why a moderator must not impose something on the address of a message.
func (c *Delta) refusedAddressRule(tx Tx, cmd *Command, body *SetBody) (*wire.CodedError, error) {
	if body.Until > c.at+wire.Time(wire.MaxAddressRuleTime.Milliseconds()) {
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("the time %v is more than %s ahead; a rule about an address lasts that long at most", body.Until, wire.MaxAddressRuleTime)}, nil
	}
	row, _, refused, err := c.message(tx, cmd.Room, body.AddressOf)
	if refused != nil || err != nil {
		return refused, err
	}
	if row.N != 0 {
		if row.SenderID == cmd.SenderID {
			return &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("message %d is your own; nobody mutes or bans their own address", body.AddressOf)}, nil
		}
		if refused := c.refusedEqual(cmd, row.SenderID, c.rankOf(cmd)); refused != nil {
			return refused, nil
		}
	}
	_, known, err := OriginOf(tx, cmd.Room, body.AddressOf)
	if err != nil || known {
		return nil, err
	}
	return OriginUnknown(body.AddressOf), nil
}

// OriginUnknown refuses what needs the origin of a message that has none.
func OriginUnknown(n uint64) *wire.CodedError {
	return &wire.CodedError{Code: wire.Gone, Reason: fmt.Sprintf("the address of message %d is not known; it is forgotten after %s at most, and that of a client on the server's own machine, or of a proxy, never is", n, OriginLife)}
}

// putAddressRule stores what is imposed on the address of a message. It ends before the key of the origin is destroyed.
func (c *Delta) putAddressRule(tx Tx, o *Outcome, body *SetBody) error {
	origin, known, err := OriginOf(tx, o.Command.Room, body.AddressOf)
	if err != nil || !known {
		return err
	}
	key := settingKey{name: wire.AddressPrefix, subject: origin.Origin.subject()}
	if c.setting(o.Command.Room, key).bansAddress() || !body.Value.IsNull() && *body.Value.Text == wire.Ban {
		o.Roles = &Roles{All: true} // those who read from this address
	}
	if body.Value.IsNull() {
		return c.putRule(tx, o, key, body.Value, 0)
	}
	until := body.Until
	if until == 0 {
		until = c.at + wire.Time(wire.AddressRuleTime.Milliseconds())
	}
	return c.putRule(tx, o, key, addressValue(*body.Value.Text, body.AddressOf), min(until, origin.Since+originLife))
}
