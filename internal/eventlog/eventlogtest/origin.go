package eventlogtest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

func rotateAddressKeys(secret string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.RotateAddressKeys, Body: eventlog.RotateAddressKeysBody{Secret: []byte(secret)}}
}

// sayFrom is say with an origin.
func sayFrom(origin byte, by, room, id, text string) eventlog.Command {
	c := say(by, room, id, text)
	c.Origin = eventlog.Origin{origin}
	return c
}

// origins returns the first bytes of the origins of a room's messages, by number.
func (j *tested) origins(room string) (origins string) {
	j.t.Helper()
	entries, err := j.Entries(eventlog.Origins, room, "", "", eventlog.MaxEntries)
	if err != nil {
		j.t.Fatalf("Entries: %v", err)
	}
	for i := range entries {
		o, err := eventlog.DecodeOrigin(&entries[i])
		if err != nil {
			j.t.Fatalf("%v", err)
		}
		origins += fmt.Sprint(" ", o.N, ":", o.Origin[0])
	}
	return origins
}

// addressKeys returns the first letters of the address keys.
func (j *tested) addressKeys() (keys string) {
	for _, k := range j.AddressKeys() {
		keys += k.Secret[:1]
	}
	return keys
}

// testOrigins: messages have origins while there is a key. Keys rotate after a week, and are destroyed after two, and then the
// origins go, too.
func testOrigins(t *testing.T, j *tested) {
	allowChanges(j)
	const week = 7 * day
	want := func(keys, origins string) {
		t.Helper()
		if got := j.addressKeys(); got != keys {
			t.Errorf("the keys are %q, want %q", got, keys)
		}
		if got := j.origins("lobby"); got != origins {
			t.Errorf("the origins are%s, want%s", got, origins)
		}
	}
	prune := func() {
		t.Helper()
		j.expect(commands(eventlog.Command{Kind: eventlog.PruneEntries, Room: "lobby", Body: eventlog.PruneEntriesBody{Table: eventlog.Origins}}), "done")
	}
	j.expect(commands(sayFrom(1, "anna", "lobby", "1", "without a key")), "saved 1")
	want("", "")
	j.expect(commands(addressKey("a"), addressKey("b"), sayFrom(1, "anna", "lobby", "2", "x"), say("bert", "lobby", "3", "local"), sayFrom(2, "bert", "lobby", "4", "x")), "done", "done", "saved 2", "saved 3", "saved 4")
	want("a", " 2:1 4:2")
	j.expect(commands(sayFrom(9, "anna", "lobby", "2", "x")), "repeat 2") // the first one's counts
	begun := j.AddressKeys()[0].Since
	j.at = begun + week - 100
	j.expect(commands(addressKey("b")), "done")
	want("a", " 2:1 4:2")
	j.at = begun + week
	j.expect(commands(addressKey("b"), addressKey("c"), sayFrom(3, "anna", "lobby", "5", "x")), "done", "done", "saved 5")
	prune()
	want("ab", " 2:1 4:2 5:3")
	j.at = j.AddressKeys()[1].Since + week
	j.expect(commands(addressKey("c")), "done")
	prune()
	want("bc", " 5:3")
	j.at += 5 * week // the server was off
	j.expect(commands(addressKey("d"), sayFrom(4, "anna", "lobby", "6", "x")), "done", "saved 6")
	prune()
	want("d", " 6:4")
	j.at -= 5 * week // the clock was ahead
	j.expect(commands(addressKey("e")), "done")
	prune()
	want("e", "")
	j.expect(commands(sayFrom(4, "anna", "den", "7", "x")), "saved 1")
	j.expect(commands(remove("den", 1)), "done")
	if got := j.origins("den"); got != "" {
		t.Errorf("a removed room has the origins%s", got)
	}
}

// addressRule imposes something on the address of a message in the room "den"; empty: nothing any more.
func addressRule(by, id, imposed string, of uint64, until wire.Time) eventlog.Command {
	v := wire.Value{}
	if imposed != "" {
		v = wire.TextValue(imposed)
	}
	c := ruled(by, id, wire.AddressKey, v, until)
	c.Body = eventlog.SetBody{Key: wire.AddressKey, Value: v, Until: until, AddressOf: of}
	return c
}

// from adds origins to a command.
func from(c eventlog.Command, origin, former byte) eventlog.Command {
	c.Origin, c.FormerOrigin = eventlog.Origin{origin}, eventlog.Origin{former}
	return c
}

// addressTest is the room "den" of withRoles with messages that have addresses.
type addressTest struct {
	*tested
	t          *testing.T
	guest, mod string
	begun      wire.Time // when the key of the addresses began
	until      wire.Time // when the rule ends that permits expects
	ids        int
}

// The messages of addressTest, by what is special about their senders and addresses.
const (
	spamMessage      = 15 // of a guest from address 1
	otherMessage     = 16 // of another guest from address 2
	localMessage     = 17 // of a guest without an address
	ownMessage       = 18 // of the moderator from address 3
	moderatorMessage = 19 // of another moderator from address 4
)

const day = wire.Time(24 * time.Hour / time.Millisecond)

// addressKey begins a key of addresses.
func addressKey(letter string) eventlog.Command { return rotateAddressKeys(strings.Repeat(letter, 32)) }

func withAddresses(t *testing.T, j *tested) *addressTest {
	t.Helper()
	withRoles(j)
	a := &addressTest{tested: j, t: t, guest: sender("guest"), mod: sender("moderator")}
	j.expect(commands(addressKey("a"), from(say(a.guest, "den", "1", "spam"), 1, 0), from(say(sender("guest2"), "den", "2", "hello"), 2, 0),
		say(a.guest, "den", "3", "local"), from(say(a.mod, "den", "4", "as a moderator"), 3, 0), from(say(sender("moderator2"), "den", "5", "too"), 4, 0)),
		"done", "saved 15", "saved 16", "saved 17", "saved 18", "saved 19")
	a.begun = j.AddressKeys()[0].Since
	return a
}

// id returns an id that is not used yet.
func (a *addressTest) id() string { a.ids++; return fmt.Sprint("n", a.ids) }

// say, delete and report are commands of the guest. report and delete come from address 1.
func (a *addressTest) say(origin, former byte) eventlog.Command {
	return from(say(a.guest, "den", a.id(), "x"), origin, former)
}

func (a *addressTest) delete() eventlog.Command {
	return from(eventlog.Command{Kind: eventlog.Change, SenderID: a.guest, Room: "den", ID: a.id(), Body: eventlog.ChangeBody{Of: spamMessage}}, 1, 0)
}

func (a *addressTest) report(of uint64) eventlog.Command {
	return from(eventlog.Command{Kind: eventlog.Report, SenderID: a.guest, Room: "den", ID: a.id(), Body: eventlog.ReportBody{Of: of}}, 1, 0)
}

// shows checks the rules about addresses that a sender is shown.
func (a *addressTest) shows(by, want string) {
	a.t.Helper()
	settings, _, _ := a.SettingsFor(by, a.at, "den", wire.AddressPrefix, "", 10)
	got := ""
	for _, s := range settings {
		got += fmt.Sprint(s.Key, " ", *s.Value.Text, " ", s.Until-a.at, ";")
	}
	if got != want {
		a.t.Errorf("%s sees %q, want %q", by, got, want)
	}
}

// permits applies a command, and checks which rule refuses it; empty: none.
func (a *addressTest) permits(what string, c eventlog.Command, rule string) {
	a.t.Helper()
	o := a.apply(c)[0]
	switch {
	case rule == "" && o.Status == eventlog.Refused:
		a.t.Errorf("%s is refused: %v", what, o.Err.Reason)
	case rule != "" && (o.Status != eventlog.Refused || o.Err.Rule != rule):
		a.t.Errorf("%s is %s, want the rule %q", what, summary(o), rule)
	case rule == wire.RuleAddress && (o.Err.Until != a.until || o.Err.Params[wire.ParamAction].Text == nil):
		a.t.Errorf("%s is refused until %v with %v, want %v", what, o.Err.Until, o.Err.Params, a.until)
	}
}

// testRefusedAddressRules: only moderators set rules about addresses, and only about known addresses of lower roles.
func testRefusedAddressRules(t *testing.T, j *tested) {
	a := withAddresses(t, j)
	for id, c := range map[string]struct {
		command eventlog.Command
		want    string
	}{
		"a": {addressRule(sender("trusted"), "a", wire.Mute, spamMessage, 0), "only moderators set address"},
		"b": {addressRule(a.mod, "b", wire.Mute, localMessage, 0), "the address of message 17 is not known"},
		"c": {addressRule(a.mod, "c", wire.Mute, ownMessage, 0), "message 18 is your own"},
		"d": {addressRule(a.mod, "d", wire.Mute, moderatorMessage, 0), "has the role moderator, which is not lower than yours"},
		"e": {addressRule(a.mod, "e", wire.Mute, 999, 0), "there is no message 999"},
		"f": {addressRule(a.mod, "f", wire.Mute, 1+1, 0), "number 2 of the room den is not a message"},
		"g": {addressRule(a.mod, "g", wire.Mute, spamMessage, j.at+8*day), "lasts that long at most"},
		"h": {addressRule(a.mod, "h", wire.Mute, spamMessage, j.at-1), "is over"},
	} {
		o := j.apply(c.command)[0]
		if o.Status != eventlog.Refused || !strings.Contains(o.Err.Reason, c.want) {
			t.Errorf("%s: %v (%v), want %q", id, summary(o), o.Err, c.want)
		}
	}
}

// testMutedAddress: a mute of the address of a message applies to everyone there below trusted, in the order of the rules.
func testMutedAddress(t *testing.T, j *tested) {
	a := withAddresses(t, j)
	mute := j.apply(addressRule(a.mod, "mute", wire.Mute, spamMessage, 0))
	if mute[0].Status != eventlog.Saved || mute[0].Roles != nil {
		t.Fatalf("muting an address: %+v", mute[0])
	}
	a.until = j.at + day
	a.shows(a.mod, fmt.Sprint("address/15 mute ", day, ";"))
	a.shows(a.guest, "")
	a.shows("0100000000000000", "") // that is the origin
	a.permits("a message", a.say(1, 0), wire.RuleAddress)
	a.permits("a message of somebody else there", from(say(sender("guest2"), "den", a.id(), "x"), 1, 0), wire.RuleAddress)
	a.permits("one hashed with a new key", a.say(9, 1), wire.RuleAddress)
	a.permits("one from elsewhere", a.say(2, 0), "")
	a.permits("one without an origin", say(a.guest, "den", a.id(), "x"), "")
	a.permits("one of a trusted sender", from(say(sender("trusted"), "den", a.id(), "x"), 1, 0), "")
	a.permits("a mark", from(markIn("den", a.guest, otherMessage, "up", true), 1, 0), wire.RuleAddress)
	edit := from(change(a.guest, a.id(), spamMessage, "changed"), 1, 0)
	edit.Room = "den"
	a.permits("an edit", edit, wire.RuleAddress)
	a.permits("a deletion", a.delete(), "")
	a.permits("a report", a.report(otherMessage), "")
	j.expect(commands(ruled(a.mod, "slow", wire.SlowKey, wire.NumberValue(3600), 0)), fmt.Sprint("saved ", j.Bounds("den").Last+1))
	a.permits("a message in a slow room", a.say(2, 0), "")
	a.permits("a second message", a.say(2, 0), wire.SlowKey)
	a.permits("a second message from there", a.say(1, 0), wire.RuleAddress) // which comes before slow
	j.saves(ruled(a.mod, "locked", wire.LockKey, wire.TextValue(wire.LockOn), 0))
	a.permits("one in a locked room", a.say(1, 0), wire.LockKey)
	if refused := j.RefusedAddress("den", a.guest, j.at, func() (x, y eventlog.Origin) { return eventlog.Origin{1}, y }); refused != nil {
		t.Errorf("a muted address cannot read: %v", refused.Reason)
	}
}

// testBannedAddress: a ban takes the permission to read, as far as it is asked for the address.
func testBannedAddress(t *testing.T, j *tested) {
	a := withAddresses(t, j)
	ban := j.apply(addressRule(a.mod, "ban", wire.Ban, spamMessage, j.at+2*day))
	if ban[0].Status != eventlog.Saved || ban[0].Roles == nil || !ban[0].Roles.All {
		t.Fatalf("banning an address: %+v", ban[0])
	}
	a.until = j.at + 2*day
	a.permits("a deletion", a.delete(), wire.RuleAddress)
	a.permits("a report", a.report(ownMessage), wire.RuleAddress)
	for by, refuses := range map[string]bool{a.guest: true, sender("guest2"): true, sender("trusted"): false, a.mod: false, eventlog.OperatorSender: false} {
		for _, origins := range [][2]eventlog.Origin{{{1}}, {{9}, {1}}, {{2}}, {}} {
			want := refuses && (origins[0] == eventlog.Origin{1} || origins[1] == eventlog.Origin{1})
			if refused := j.RefusedAddress("den", by, j.at, func() (x, y eventlog.Origin) { return origins[0], origins[1] }); (refused != nil) != want {
				t.Errorf("%s with the origins %x cannot read: %v, want %v", by, origins, refused, want)
			}
		}
	}
	a.shows(a.mod, fmt.Sprint("address/15 ban ", 2*day, ";"))
	unset := j.apply(addressRule(a.mod, "unset", "", spamMessage, 0))
	if unset[0].Status != eventlog.Saved || unset[0].Roles == nil {
		t.Fatalf("unsetting it: %+v", unset[0])
	}
	a.shows(a.mod, "")
	a.permits("a message", a.say(1, 0), "")
}

// testAddressRuleEnds: a rule about an address ends when the key of its origin does. No frame says what it was about.
func testAddressRuleEnds(t *testing.T, j *tested) {
	a := withAddresses(t, j)
	j.saves(addressRule(a.mod, "early", wire.Mute, spamMessage, 0))
	j.at = a.begun + 8*day
	j.expect(commands(addressKey("b")), "done")
	j.at = a.begun + 13*day
	j.saves(addressRule(a.mod, "late", wire.Mute, otherMessage, j.at+5*day))
	a.shows(a.mod, fmt.Sprint("address/16 mute ", a.begun+14*day-j.at, ";"))
	j.at = a.begun + 15*day
	j.expect(commands(addressKey("c"), eventlog.Command{Kind: eventlog.PruneEntries, Room: "den", Body: eventlog.PruneEntriesBody{Table: eventlog.Origins}}), "done", "done")
	if o := j.apply(addressRule(a.mod, "forgotten", wire.Mute, otherMessage, 0))[0]; o.Status != eventlog.Refused || o.Err.Code != wire.Gone {
		t.Errorf("a forgotten address: %s", summary(o))
	}
	ended := j.EndedRules(j.at, 10)
	if len(ended) != 2 {
		t.Errorf("the rules %v have ended, want 2", ended)
	}
	for _, r := range ended {
		j.expect(commands(eventlog.Command{Kind: eventlog.PruneEntries, Room: r.Room, Body: eventlog.PruneEntriesBody{Keys: []string{r.Key}}}), "done")
	}
	if ended := j.EndedRules(j.at, 10); len(ended) > 0 {
		t.Errorf("pruned, there are the rules %v", ended)
	}
	if settings, _, _ := j.Settings("den", wire.AddressPrefix, "", 10); len(settings) > 0 {
		t.Errorf("pruned, there are the settings %v", settings)
	}
	for _, f := range j.frames("den") {
		if s, is := f.(wire.State); is && s.Key == wire.AddressKey && !reflect.DeepEqual(s, wire.State{Room: "den", N: s.N, At: s.At, Key: wire.AddressKey}) {
			t.Errorf("the frame of a rule is %+v", s)
		}
	}
}

// testAddressPages: moderators page through rules about addresses.
func testAddressPages(t *testing.T, j *tested) {
	withRoles(j)
	j.apply(addressKey("a"))
	var want []string
	for i := range 7 {
		o := j.apply(from(say(sender("guest"), "den", fmt.Sprint("s", i), "x"), byte(200-i), 0))
		j.saves(addressRule(sender("owner"), fmt.Sprint("m", i), wire.Mute, o[0].N, 0))
		want = append(want, fmt.Sprint(wire.AddressPrefix, o[0].N))
	}
	var got []string
	for after := ""; ; {
		page, _, more := j.SettingsFor(sender("moderator"), j.at, "den", wire.AddressPrefix, after, 2)
		for _, s := range page {
			got = append(got, s.Key)
			after = s.Key
		}
		if !more {
			break
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the pages have %v, want %v", got, want)
	}
}
