package commands

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ramai/wire"
)

// Commands for the rules of a room.

// A Change is a setting that a command changes.
type Change struct {
	wire.Set
	Done string // what is so once it is saved
}

// ruleCommands returns the commands for rules, in the order in which they are listed.
func ruleCommands() []Command {
	const moderator, owner = wire.RoleModerator, wire.RoleOwner
	return []Command{
		{Name: "mute", Args: "PERSON [TIME]", Takes: []Kind{PersonArg, TimeArg}, Needs: moderator, Help: "let somebody read but not post, for example /mute budi 10m; /mute #150 address: everybody at the address of message 150", Run: person(wire.Mute)},
		{Name: "ban", Args: "PERSON [TIME]", Takes: []Kind{PersonArg, TimeArg}, Needs: moderator, Help: "keep somebody out of the room", Run: person(wire.Ban)},
		{Name: "unban", Also: []string{"unmute"}, Args: "PERSON", Takes: []Kind{PersonArg}, Needs: moderator, Help: "end a ban or a mute", Run: unban},
		{Name: "role", Args: "PERSON ROLE [TIME]", Takes: []Kind{PersonArg, RoleArg, TimeArg}, Needs: moderator, Help: "give a role: reader to owner; - takes it back", Run: role},
		{Name: "lock", Args: "[TIME]", Takes: []Kind{TimeArg}, Needs: moderator, Help: "let only moderators post", Run: lock},
		{Name: "open", Args: "[N]", Takes: []Kind{TextArg}, Needs: moderator, Help: "end the lock; with a number, open poll N again and show its votes", Run: open},
		{Name: "slow", Args: "TIME [TIME]", Takes: []Kind{TimeArg, TimeArg}, Needs: moderator, Help: "one message of each person every TIME; - ends it. The second time is for how long", Run: seconds(wire.SlowKey, wire.MaxSlow)},
		{Name: "newcomer", Args: "TIME [TIME]", Takes: []Kind{TimeArg, TimeArg}, Needs: moderator, Help: "newcomers post after TIME; - ends it", Run: seconds(wire.NewcomerKey, wire.MaxNewcomer)},
		{Name: "hold", Args: "WHAT [TIME]", Takes: []Kind{HoldArg, TimeArg}, Needs: moderator, Help: "let the first messages of a person, those with links, or all wait for a moderator: first, links, all; - ends it", Run: hold},
		{Name: "notice", Args: "TEXT", Takes: []Kind{TextArg}, Needs: moderator, Help: "post a notice, which stands out", Run: notice},
		{Name: "raid", Args: "[TIME]", Takes: []Kind{TimeArg}, Needs: moderator, Help: "stop a flood: lock the room for 10 minutes or TIME, and let first messages wait for a moderator", Run: raid},
		{Name: "preset", Args: "PRESET", Takes: []Kind{PresetArg}, Needs: owner, Help: "set several rules at once: class, stream, announcement, private; - unsets them", Run: preset},
		{Name: "everyone", Args: "ROLE", Takes: []Kind{EveryoneArg}, Needs: owner, Help: "the role of people without another one: none, reader, guest", Run: everyone},
		{Name: "may", Args: "WHAT ROLE", Takes: []Kind{MayArg, RoleArg}, Needs: owner, Help: "the lowest role that may say, react or link; - for everybody", Run: may},
		{Name: "rules", Help: "the rules of this room", Run: rules},
	}
}

// end parses the time for which a rule holds; empty: it has no end. It warns and reports false if the time is invalid.
func end(h Host, s string) (until wire.Time, ok bool) {
	if s = strings.TrimSpace(s); s == "" {
		return 0, true
	}
	d, isTime, err := ParseTime(s)
	switch {
	case !isTime:
		h.Warn(fmt.Sprintf("invalid time %.20s (want, for example, 10m, 2h or 1d)", s))
		return 0, false
	case err != nil:
		h.Warn(err.Error())
		return 0, false
	}
	return wire.TimeOf(h.Now().Add(d)), true
}

// set changes a setting, and says what is so then.
func set(h Host, key string, v wire.Value, until wire.Time) {
	if v.IsNull() {
		until = 0
	}
	if bad := wire.CheckSetting(key, v); bad != nil {
		h.Warn(bad.Reason)
		return
	}
	h.Set(Change{wire.Set{Key: key, Value: v, Until: until}, Describe(h, wire.Setting{Key: key, Value: v, Until: until})})
}

// splitTime splits args before a time at their end, unless all of them name somebody.
func splitTime(h Host, args string) (words, at string) {
	words, last := lastWord(args)
	if _, isTime, _ := ParseTime(last); !isTime || words == "" || len(find(h, args)) > 0 {
		return args, ""
	}
	return words, last
}

// person returns the command that bans or mutes somebody.
func person(action string) func(h Host, args string) {
	return func(h Host, args string) {
		words, at := splitTime(h, args)
		until, ok := end(h, at)
		if !ok {
			return
		}
		if n, is := addressOf(words); is {
			setAddress(h, n, wire.TextValue(action), until)
			return
		}
		withPerson(h, words, func(h Host, p Person) {
			set(h, wire.PersonPrefix+p.ID, wire.TextValue(action), until)
		})
	}
}

// addressOf returns the number of a message whose address is meant: "#150 address".
func addressOf(words string) (n uint64, is bool) {
	words, last := lastWord(words)
	digits, is := strings.CutPrefix(words, "#")
	if !is || last != wire.AddressKey {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	return n, err == nil && n > 0
}

// setAddress changes what is imposed on the address of a message. Without an end it lasts as long as the server says.
func setAddress(h Host, n uint64, v wire.Value, until wire.Time) {
	s := wire.Setting{Key: wire.AddressPrefix + strconv.FormatUint(n, 10), Value: v, Until: until}
	if until == 0 && !v.IsNull() {
		s.Until = wire.TimeOf(h.Now().Add(wire.AddressRuleTime))
	}
	h.Set(Change{wire.Set{Key: wire.AddressKey, Value: v, Until: until, AddressOf: n}, Describe(h, s)})
}

func unban(h Host, args string) {
	if n, is := addressOf(args); is {
		setAddress(h, n, wire.Value{}, 0)
		return
	}
	withPerson(h, args, func(h Host, p Person) { set(h, wire.PersonPrefix+p.ID, wire.Value{}, 0) })
}

func role(h Host, args string) {
	words, at := splitTime(h, args)
	words, name := lastWord(words)
	given, known := wire.ParseRole(strings.ToLower(name))
	switch {
	case words == "":
		h.Warn("the role is missing: /role " + args + " " + wire.RoleTrusted.String() + ", for example; /whois shows the one that somebody has")
		return
	case name != "-" && (!known || given == wire.RoleNone):
		h.Warn(fmt.Sprintf("invalid role %.20s (want %s, or - to take the role back; /ban keeps somebody out)", name, strings.Join(givenRoles(), ", ")))
		return
	}
	until, ok := end(h, at)
	if !ok {
		return
	}
	v := wire.Value{}
	if name != "-" {
		v = wire.TextValue(given.String())
	}
	withPerson(h, words, func(h Host, p Person) {
		do := func(h Host) { set(h, wire.RolePrefix+p.ID, v, until) }
		switch {
		case p.ID == h.SenderID():
			h.Confirm(Confirmation{Question: "Give up your role in " + h.Room() + "? You cannot take it back yourself.", Yes: "give it up", Do: do})
		case given == wire.RoleOwner:
			h.Confirm(Confirmation{Question: "Make " + p.Label() + " (" + p.ID + ") the owner of " + h.Room() + "? You become a moderator, and cannot undo it yourself.", Yes: "hand the room over", Do: do})
		default:
			do(h)
		}
	})
}

// givenRoles are the roles that can be given.
func givenRoles() (names []string) {
	for r := wire.RoleReader; r <= wire.RoleOwner; r++ {
		names = append(names, r.String())
	}
	return names
}

func lock(h Host, args string) {
	if until, ok := end(h, args); ok {
		set(h, wire.LockKey, wire.TextValue(wire.LockOn), until)
	}
}

func open(h Host, args string) {
	if args == "" {
		set(h, wire.LockKey, wire.Value{}, 0)
		return
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(args, "#"), 10, 63)
	if err != nil || n == 0 {
		h.Warn(fmt.Sprintf("invalid poll %.20s (want the number of its message)", args))
		return
	}
	set(h, wire.PollPrefix+strconv.FormatUint(n, 10), wire.TextValue(wire.Open), 0)
}

// seconds returns the command for a rule whose value is a time.
func seconds(key string, most uint64) func(h Host, args string) {
	return func(h Host, args string) {
		value, rest, _ := strings.Cut(args, " ")
		until, ok := end(h, rest)
		if !ok {
			return
		}
		if value == "-" {
			set(h, key, wire.Value{}, 0)
			return
		}
		d, isTime, err := ParseTime(value)
		if n, number := strconv.ParseUint(value, 10, 32); number == nil { // a number without a unit
			d, isTime, err = time.Duration(n)*time.Second, true, nil
		}
		if n := uint64(d / time.Second); !isTime || err != nil || n < 1 || n > most {
			h.Warn(fmt.Sprintf("invalid time %.20s (want 1s to %s, for example 10s or 5m, or - to end it)", value, Words(time.Duration(most)*time.Second)))
			return
		}
		set(h, key, wire.NumberValue(uint64(d/time.Second)), until)
	}
}

func hold(h Host, args string) {
	value, rest, _ := strings.Cut(args, " ")
	until, ok := end(h, rest)
	if !ok {
		return
	}
	if setWord(h, wire.HoldKey, value, until, holds) {
		return
	}
	h.Warn(fmt.Sprintf("invalid %.20s (want %s, or - to end it)", value, strings.Join(holds, ", ")))
}

// The words that settings can have.
var (
	holds     = []string{wire.HoldFirst, wire.HoldLinks, wire.HoldAll}
	presets   = []string{wire.PresetClass, wire.PresetStream, wire.PresetAnnouncement, wire.PresetPrivate}
	everyones = []string{wire.RoleNone.String(), wire.RoleReader.String(), wire.RoleGuest.String()}
)

// setWord changes a setting to one of some words, or unsets it if the word is -. It returns false if the word is neither.
func setWord(h Host, key, word string, until wire.Time, words []string) bool {
	if word == "-" {
		set(h, key, wire.Value{}, 0)
		return true
	}
	for _, w := range words {
		if strings.EqualFold(w, word) {
			set(h, key, wire.TextValue(w), until)
			return true
		}
	}
	return false
}

// raidTime is how long a raid locks the room.
const raidTime = "10m"

func raid(h Host, args string) {
	if args == "" {
		args = raidTime
	}
	until, ok := end(h, args)
	if !ok {
		return
	}
	set(h, wire.LockKey, wire.TextValue(wire.LockOn), until)
	set(h, wire.HoldKey, wire.TextValue(wire.HoldFirst), 0)
}

func preset(h Host, args string) {
	if !setWord(h, wire.PresetKey, args, 0, presets) {
		h.Warn(fmt.Sprintf("invalid preset %.20s (want %s, or - to unset its rules)", args, strings.Join(presets, ", ")))
	}
}

func everyone(h Host, args string) {
	if !setWord(h, wire.EveryoneKey, args, 0, everyones) {
		h.Warn(fmt.Sprintf("invalid role %.20s (want %s)", args, strings.Join(everyones, ", ")))
	}
}

func may(h Host, args string) {
	what, name, _ := strings.Cut(args, " ")
	key, known := mays[strings.ToLower(what)]
	name = strings.TrimSpace(name)
	switch {
	case !known || name == "":
		h.Warn("want, for example, /may link trusted: say, react or link, and the lowest role that may")
	case !setWord(h, key, name, 0, givenRoles()[1:]):
		h.Warn(fmt.Sprintf("invalid role %.20s (want %s, or - for everybody)", name, strings.Join(givenRoles()[1:], ", ")))
	}
}

// mays are the keys of what a role may do, by the words of the command.
var mays = map[string]string{"say": wire.MaySayKey, "react": wire.MayReactKey, "link": wire.MayLinkKey}

func notice(h Host, args string) {
	h.Say(wire.Say{Text: args, As: wire.Notice}, "/notice "+args)
}
