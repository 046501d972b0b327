package wire

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Keys of the rules of a room, which are settings. A rule can have an end, see [Setting].
const (
	EveryoneKey  = "everyone"  // role of a sender without another role: none, reader or guest; unset: guest
	MaySayKey    = "may.say"   // lowest role that posts
	MayReactKey  = "may.react" // lowest role that marks messages
	MayLinkKey   = "may.link"  // lowest role that posts links
	SlowKey      = "slow"      // seconds between two messages of a sender
	NewcomerKey  = "newcomer"  // seconds that a new sender waits before posting
	HoldKey      = "hold"      // which messages are not accepted
	LockKey      = "lock"      // only moderators post
	PresetKey    = "preset"    // sets several rules at once
	PasswordKey  = "password"  // a text that gives who types it the role guest; its value is never shown
	PersonPrefix = "person/"   // and a sender: bans or mutes that sender
	RolePrefix   = "role/"     // and a sender: the role of that sender

	// AddressKey mutes or bans the address that a message came from, which Set.AddressOf names. A page of settings shows it as
	// AddressPrefix and the number of the message. Nobody is shown an address.
	AddressKey    = "address"
	AddressPrefix = "address/"
)

// Values of rules.
const (
	LockOn = "on" // of LockKey

	Ban  = "ban"  // of a person: may not read
	Mute = "mute" // of a person: may not post

	HoldFirst = "first" // the first messages of a sender
	HoldLinks = "links" // messages with links
	HoldAll   = "all"   // all messages

	PresetClass        = "class"
	PresetStream       = "stream"
	PresetAnnouncement = "announcement"
	PresetPrivate      = "private"
)

// Highest values of rules, in seconds.
const (
	MaxSlow     = 24 * 60 * 60
	MaxNewcomer = 7 * 24 * 60 * 60
)

// How long a rule about an address lasts.
const (
	AddressRuleTime    = 24 * time.Hour // unless Set.Until says
	MaxAddressRuleTime = 7 * 24 * time.Hour
)

// ruleKeys are the keys of rules that have no subject.
var ruleKeys = []string{EveryoneKey, MaySayKey, MayReactKey, MayLinkKey, SlowKey, NewcomerKey, HoldKey, LockKey, PresetKey, PasswordKey, AddressKey}

// IsRule reports whether a key is that of a rule.
func IsRule(key string) bool {
	return slices.Contains(ruleKeys, key) || strings.HasPrefix(key, PersonPrefix) || strings.HasPrefix(key, RolePrefix)
}

// Subject returns the sender that a rule is about, if it is about one.
func Subject(key string) (senderID string, ok bool) {
	if senderID, ok = strings.CutPrefix(key, PersonPrefix); !ok {
		senderID, ok = strings.CutPrefix(key, RolePrefix)
	}
	return senderID, ok
}

// HiddenKey returns how a key is shown to everyone in the room, without its subject, if its value is hidden from them.
// Moderators read those settings with StateRequest; others read only what is about themselves.
func HiddenKey(key string) (shown string, hidden bool) {
	for _, prefix := range [...]string{PersonPrefix, RolePrefix, AddressPrefix} {
		if shown = prefix[:len(prefix)-1]; strings.HasPrefix(key, prefix) || key == shown {
			return shown, true
		}
	}
	return key, key == HoldKey || key == PasswordKey
}

// checkRule checks the value of a rule. It returns false if the key is not that of a rule.
func checkRule(key string, v Value) (bad *CodedError, isRule bool) {
	if senderID, ok := Subject(key); ok {
		if len(senderID) != SenderIDLen || !only(senderID, idByte) {
			return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("invalid key %.40q (want %s or %s and the %d characters of a sender, as in the field by of its messages)", key, PersonPrefix, RolePrefix, SenderIDLen)}, true
		}
	} else if !IsRule(key) {
		return nil, false
	}
	if v.IsNull() {
		return nil, true
	}
	switch key {
	case EveryoneKey:
		return checkWord(key, v, roleNames[RoleNone], roleNames[RoleReader], roleNames[RoleGuest]), true
	case MaySayKey, MayReactKey, MayLinkKey:
		return checkWord(key, v, roleNames[RoleGuest:]...), true
	case SlowKey:
		return checkSeconds(key, v, MaxSlow), true
	case NewcomerKey:
		return checkSeconds(key, v, MaxNewcomer), true
	case HoldKey:
		return checkWord(key, v, HoldFirst, HoldLinks, HoldAll), true
	case LockKey:
		return checkWord(key, v, LockOn), true
	case PasswordKey:
		return checkPasswordValue(v), true
	case AddressKey:
		return checkWord(key, v, Ban, Mute), true
	case PresetKey:
		return checkWord(key, v, PresetClass, PresetStream, PresetAnnouncement, PresetPrivate), true
	}
	if strings.HasPrefix(key, PersonPrefix) {
		return checkWord(key, v, Ban, Mute), true
	}
	return checkWord(key, v, roleNames[RoleReader:]...), true
}

func checkSeconds(key string, v Value, limit uint64) *CodedError {
	if v.Number != nil && *v.Number >= 1 && *v.Number <= limit {
		return nil
	}
	return wrongValue(key, fmt.Sprintf("a number of seconds, 1 to %d, or null", limit))
}

// CheckAddressOf checks whether a setting has the number of a message if, and only if, it needs one.
func CheckAddressOf(key string, n uint64) *CodedError {
	switch {
	case key == AddressKey && n == 0:
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("%s needs address_of, the number of a message; its address is meant, which nobody is shown", key)}
	case key != AddressKey && n != 0:
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("address_of belongs to the key %s; leave it out with %.40q", AddressKey, key)}
	}
	return nil
}

// ParseUntil parses the end of a rule, an RFC 3339 time. It is never 0.
func ParseUntil(s string) (Time, *CodedError) {
	t, bad := ParseTime(s)
	if bad == nil && t == 0 {
		t = -1 // 1970 is over, and 0 means that there is no end
	}
	return t, bad
}

// CheckUntil checks whether a setting can have an end; 0: it has none.
func CheckUntil(key string, v Value, until Time) *CodedError {
	switch {
	case until == 0:
	case !IsRule(key):
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("%s has no end; leave the time out", key)}
	case v.IsNull():
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("null unsets %s at once; leave the time out", key)}
	case until < 0:
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("the time %v is over; use one ahead", until)}
	}
	return nil
}
