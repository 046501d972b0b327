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
	const week = wire.Time(7 * 24 * time.Hour / time.Millisecond)
	key := func(letter string) eventlog.Command { return rotateAddressKeys(strings.Repeat(letter, 32)) }
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
	j.expect(commands(key("a"), key("b"), sayFrom(1, "anna", "lobby", "2", "x"), say("bert", "lobby", "3", "local"), sayFrom(2, "bert", "lobby", "4", "x")), "done", "done", "saved 2", "saved 3", "saved 4")
	want("a", " 2:1 4:2")
	j.expect(commands(sayFrom(9, "anna", "lobby", "2", "x")), "repeat 2") // the first one's counts
	begun := j.AddressKeys()[0].Since
	j.at = begun + week - 100
	j.expect(commands(key("b")), "done")
	want("a", " 2:1 4:2")
	j.at = begun + week
	j.expect(commands(key("b"), key("c"), sayFrom(3, "anna", "lobby", "5", "x")), "done", "done", "saved 5")
	prune()
	want("ab", " 2:1 4:2 5:3")
	j.at = j.AddressKeys()[1].Since + week
	j.expect(commands(key("c")), "done")
	prune()
	want("bc", " 5:3")
	j.at += 5 * week // the server was off
	j.expect(commands(key("d"), sayFrom(4, "anna", "lobby", "6", "x")), "done", "saved 6")
	prune()
	want("d", " 6:4")
	j.at -= 5 * week // the clock was ahead
	j.expect(commands(key("e")), "done")
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

// testAddressRules: what is imposed on the address of a message applies to everyone there below trusted, in the order of the rules.
func testAddressRules(t *testing.T, j *tested) {
	withRoles(j)
	key := func(letter string) eventlog.Command { return rotateAddressKeys(strings.Repeat(letter, 32)) }
	guest, mod := sender("guest"), sender("moderator")
	j.expect(commands(key("a"), from(say(guest, "den", "1", "spam"), 1, 0), from(say(sender("guest2"), "den", "2", "hello"), 2, 0), say(guest, "den", "3", "local"),
		from(say(mod, "den", "4", "as a moderator"), 3, 0), from(say(sender("moderator2"), "den", "5", "too"), 4, 0)), "done", "saved 15", "saved 16", "saved 17", "saved 18", "saved 19")
	begun := j.AddressKeys()[0].Since
	const spam, local, own, other = 15, 17, 18, 19
	day := wire.Time((24 * time.Hour).Milliseconds())
	for id, c := range map[string]struct {
		command eventlog.Command
		want    string
	}{
		"a": {addressRule(sender("trusted"), "a", wire.Mute, spam, 0), "only moderators set address"},
		"b": {addressRule(mod, "b", wire.Mute, local, 0), "the address of message 17 is not known"},
		"c": {addressRule(mod, "c", wire.Mute, own, 0), "message 18 is your own"},
		"d": {addressRule(mod, "d", wire.Mute, other, 0), "has the role moderator, which is not lower than yours"},
		"e": {addressRule(mod, "e", wire.Mute, 999, 0), "there is no message 999"},
		"f": {addressRule(mod, "f", wire.Mute, 1+1, 0), "number 2 of the room den is not a message"},
		"g": {addressRule(mod, "g", wire.Mute, spam, j.at+8*day), "lasts that long at most"},
		"h": {addressRule(mod, "h", wire.Mute, spam, j.at-1), "is over"},
	} {
		o := j.apply(c.command)[0]
		if o.Status != eventlog.Refused || !strings.Contains(o.Err.Reason, c.want) {
			t.Errorf("%s: %v, want %q", id, summary(o), c.want)
			if o.Err != nil {
				t.Log(o.Err.Reason)
			}
		}
	}
	mute := j.apply(addressRule(mod, "mute", wire.Mute, spam, 0))
	if mute[0].Status != eventlog.Saved || mute[0].Roles != nil {
		t.Fatalf("muting an address: %+v", mute[0])
	}
	until := j.at + day
	shown := func(by string, want string) {
		t.Helper()
		settings, _, _ := j.SettingsFor(by, j.at, "den", wire.AddressPrefix, "", 10)
		got := ""
		for _, s := range settings {
			got += fmt.Sprint(s.Key, " ", *s.Value.Text, " ", s.Until-j.at, ";")
		}
		if got != want {
			t.Errorf("%s sees %q, want %q", by, got, want)
		}
	}
	shown(mod, fmt.Sprint("address/15 mute ", day, ";"))
	shown(guest, "")
	shown("0100000000000000", "") // that is the origin
	permitted := func(what string, c eventlog.Command, rule string) {
		t.Helper()
		o := j.apply(c)[0]
		switch {
		case rule == "" && o.Status == eventlog.Refused:
			t.Errorf("%s is refused: %v", what, o.Err.Reason)
		case rule != "" && (o.Status != eventlog.Refused || o.Err.Rule != rule):
			t.Errorf("%s is %s, want the rule %q", what, summary(o), rule)
		case rule == wire.RuleAddress && (o.Err.Until != until || o.Err.Params[wire.ParamAction].Text == nil):
			t.Errorf("%s is refused until %v with %v, want %v", what, o.Err.Until, o.Err.Params, until)
		}
	}
	ids := 0
	id := func() string { ids++; return fmt.Sprint("n", ids) }
	text := "changed"
	permitted("a message", from(say(guest, "den", id(), "x"), 1, 0), wire.RuleAddress)
	permitted("a message of somebody else there", from(say(sender("guest2"), "den", id(), "x"), 1, 0), wire.RuleAddress)
	permitted("one hashed with a new key", from(say(guest, "den", id(), "x"), 9, 1), wire.RuleAddress)
	permitted("one from elsewhere", from(say(guest, "den", id(), "x"), 2, 0), "")
	permitted("one without an origin", say(guest, "den", id(), "x"), "")
	permitted("one of a trusted sender", from(say(sender("trusted"), "den", id(), "x"), 1, 0), "")
	permitted("a mark", from(markIn("den", guest, 16, "up", true), 1, 0), wire.RuleAddress)
	edit := from(change(guest, id(), spam, text), 1, 0)
	edit.Room = "den"
	permitted("an edit", edit, wire.RuleAddress)
	deletion := from(eventlog.Command{Kind: eventlog.Change, SenderID: guest, Room: "den", ID: id(), Body: eventlog.ChangeBody{Of: spam}}, 1, 0)
	permitted("a deletion", deletion, "")
	report := func(of uint64) eventlog.Command {
		return from(eventlog.Command{Kind: eventlog.Report, SenderID: guest, Room: "den", ID: id(), Body: eventlog.ReportBody{Of: of}}, 1, 0)
	}
	permitted("a report", report(16), "")
	j.expect(commands(ruled(mod, "slow", wire.SlowKey, wire.NumberValue(3600), 0)), fmt.Sprint("saved ", j.Bounds("den").Last+1))
	permitted("a second message", from(say(guest, "den", id(), "x"), 2, 0), "")
	permitted("a second message", from(say(guest, "den", id(), "x"), 2, 0), wire.SlowKey)
	permitted("a second message from there", from(say(guest, "den", id(), "x"), 1, 0), wire.RuleAddress) // which comes before slow
	j.saves(ruled(mod, "locked", wire.LockKey, wire.TextValue(wire.LockOn), 0))
	permitted("one in a locked room", from(say(guest, "den", id(), "x"), 1, 0), wire.LockKey)
	j.saves(ruled(mod, "open", wire.LockKey, wire.Value{}, 0))
	j.saves(ruled(mod, "fast", wire.SlowKey, wire.Value{}, 0))

	// A ban takes the permission to read, as far as it is asked for the address.
	if refused := j.RefusedAddress("den", guest, j.at, func() (a, b eventlog.Origin) { return eventlog.Origin{1}, b }); refused != nil {
		t.Errorf("a muted address cannot read: %v", refused.Reason)
	}
	ban := j.apply(addressRule(mod, "ban", wire.Ban, spam, j.at+2*day))
	if ban[0].Status != eventlog.Saved || ban[0].Roles == nil || !ban[0].Roles.All {
		t.Fatalf("banning an address: %+v", ban[0])
	}
	until = j.at + 2*day
	deletion.ID = id()
	permitted("a deletion", deletion, wire.RuleAddress)
	permitted("a report", report(own), wire.RuleAddress)
	for by, refuses := range map[string]bool{guest: true, sender("guest2"): true, sender("trusted"): false, mod: false, eventlog.OperatorSender: false} {
		for _, origins := range [][2]eventlog.Origin{{{1}}, {{9}, {1}}, {{2}}, {}} {
			want := refuses && (origins[0] == eventlog.Origin{1} || origins[1] == eventlog.Origin{1})
			if refused := j.RefusedAddress("den", by, j.at, func() (a, b eventlog.Origin) { return origins[0], origins[1] }); (refused != nil) != want {
				t.Errorf("%s with the origins %x cannot read: %v, want %v", by, origins, refused, want)
			}
		}
	}
	shown(mod, fmt.Sprint("address/15 ban ", 2*day, ";"))
	unset := j.apply(addressRule(mod, "unset", "", spam, 0))
	if unset[0].Status != eventlog.Saved || unset[0].Roles == nil {
		t.Fatalf("unsetting it: %+v", unset[0])
	}
	shown(mod, "")
	permitted("a message", from(say(guest, "den", id(), "x"), 1, 0), "")

	// A rule ends with the key of its origin, and so by then.
	j.at = begun + 8*day
	j.expect(commands(key("b")), "done")
	j.at = begun + 13*day
	j.saves(addressRule(mod, "late", wire.Mute, 16, j.at+5*day))
	shown(mod, fmt.Sprint("address/16 mute ", begun+14*day-j.at, ";"))
	j.at = begun + 15*day
	j.expect(commands(key("c"), eventlog.Command{Kind: eventlog.PruneEntries, Room: "den", Body: eventlog.PruneEntriesBody{Table: eventlog.Origins}}), "done", "done")
	if o := j.apply(addressRule(mod, "forgotten", wire.Mute, 16, 0))[0]; o.Status != eventlog.Refused || o.Err.Code != wire.Gone {
		t.Errorf("a forgotten address: %s", summary(o))
	}
	for _, r := range j.EndedRules(j.at, 10) {
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
	j.apply(rotateAddressKeys(strings.Repeat("a", 32)))
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
