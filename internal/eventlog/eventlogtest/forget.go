package eventlogtest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/wire"
)

// forgets returns the commands that erase everything of a sender, as far as it is found.
func (j *tested) forgets(by string, rooms ...string) (all []eventlog.Command) {
	j.t.Helper()
	for _, room := range append(rooms, "") {
		body := eventlog.ForgetBody{By: by}
		for _, table := range eventlog.Tables() {
			entries, err := j.Entries(table, room, "", "", eventlog.MaxEntries)
			if err != nil {
				j.t.Fatalf("Entries: %v", err)
			}
			for i := range entries {
				if entries[i].Names(by) {
					body.Entries = append(body.Entries, eventlog.EntryKey{Table: table, Key: []byte(entries[i].Key)})
				}
			}
		}
		if room != "" {
			mine, err := j.Marks(room, by, 0, eventlog.MaxNumber)
			if err != nil {
				j.t.Fatalf("Marks: %v", err)
			}
			for _, r := range j.all(room) {
				_, changed, err := eventlog.Forgotten(r, by)
				if err != nil {
					j.t.Fatalf("Forgotten: %v", err)
				}
				if changed || len(mine[r.N]) > 0 {
					body.Numbers = append(body.Numbers, r.N)
				}
			}
		}
		all = append(all, eventlog.Command{Kind: eventlog.Forget, Room: room, Body: body})
	}
	return all
}

// mentions returns where the store has a text.
func (j *tested) mentions(text string, rooms ...string) (where []string) {
	j.t.Helper()
	note := func(what string, x any) {
		if strings.Contains(fmt.Sprintf("%+v", x), text) {
			where = append(where, fmt.Sprintf("%s: %+v", what, x))
		}
	}
	for _, room := range append(rooms, "") {
		for _, table := range eventlog.Tables() {
			entries, err := j.Entries(table, room, "", "", eventlog.MaxEntries)
			if err != nil {
				j.t.Fatalf("Entries: %v", err)
			}
			for _, e := range entries {
				note("an entry", e)
			}
		}
		if room == "" {
			continue
		}
		for _, r := range j.all(room) {
			note("a record", r)
		}
		settings, _, _ := j.Settings(room, "", "", 1000)
		for _, s := range settings {
			note("a setting", s)
		}
	}
	for _, lease := range j.NameLeases() {
		note("a name", lease)
	}
	for _, r := range j.RegisteredNames() {
		note("a registration", r)
	}
	return where
}

// testForget: everything of a person is erased, and nothing of others.
func testForget(t *testing.T, j *tested) {
	if got := mustApply(j, eventlog.Command{Kind: eventlog.Forget, Body: eventlog.ForgetBody{By: derived("laptop")}}); len(got) != 0 {
		t.Errorf("below the level, a forget has the outcomes %v", got)
	}
	allowChanges(j)
	anna, bert := derived("laptop"), derived("bert")
	storePerson(j, anna, bert)
	canaries := []string{anna, "Annabel", "canary"}
	for _, canary := range canaries {
		if found := j.mentions(canary, personRooms...); len(found) == 0 {
			t.Fatalf("there is no %q before, so the test proves nothing", canary)
		}
	}
	before := map[string][]eventlog.Record{"lobby": j.all("lobby"), "den": j.all("den")}
	outcomes := j.apply(j.forgets(anna, personRooms...)...)
	if r := outcomes[0].Roles; r == nil || !slices.Contains(r.Senders, anna) {
		t.Errorf("the outcome changes the roles %+v, want that of %s", r, anna)
	}
	for _, o := range outcomes[:2] {
		if bounds := j.Bounds(o.Command.Room); !o.HasRecord() || o.Rewritten.From != 1 || o.Rewritten.To != bounds.Last {
			t.Errorf("in %s it has the record %v, and has rewritten %v, want 1 to %d", o.Command.Room, o.HasRecord(), o.Rewritten, bounds.Last)
		}
	}
	for _, canary := range canaries {
		for _, found := range j.mentions(canary, personRooms...) {
			if !strings.HasPrefix(found, "an entry: {Table:11") { // the erasure, which expires with the vault
				t.Errorf("%q is left in %s", canary, found)
			}
		}
	}
	if got := j.vault(); got != 0 {
		t.Errorf("the vault has %d messages", got)
	}
	checkForgottenRooms(t, j, before, bert)
	checkForgottenState(t, j, anna, bert)
	// The name is free, and nothing more is found.
	j.expect(commands(reserve(bert, "Annabel")), "done")
	for _, c := range j.forgets(anna, personRooms...) {
		if body := c.Body.(eventlog.ForgetBody); len(body.Numbers) > 0 || len(body.Entries) > 0 {
			t.Errorf("%+v is found again", body)
		}
		if o := mustApply(j, c)[0]; o.HasRecord() || o.Rewritten.To > 0 || len(o.Renamed) > 0 {
			t.Errorf("repeated, it has the outcome %+v", o)
		}
	}
	// The undo of an erasure does not bring anything back.
	j.expect(commands(restore("r1", 16)), "saved 20")
	j.steps(false)
	if found := j.mentions("canary", "lobby"); len(found) > 0 {
		t.Errorf("after the undo there is %s", found)
	}
}

// personRooms are the rooms in which storePerson stores something.
var personRooms = []string{"lobby", "den", "~lobby", "~den"}

// storePerson stores something of every kind for anna, whose name is Annabel, among messages of bert.
func storePerson(j *tested, anna, bert string) {
	j.t.Helper()
	operator := func(room, id, key string, value wire.Value) eventlog.Command {
		return eventlog.Command{Kind: eventlog.Set, SenderID: eventlog.OperatorSender, Room: room, ID: id, Body: eventlog.SetBody{Key: key, Value: value}}
	}
	named := say(anna, "lobby", "canary-id", "canary one")
	named.RegisterKey = names.Key("Annabel")
	poll := say(anna, "lobby", "p", "canary poll")
	poll.Body = eventlog.SayAs{As: wire.Poll, Options: []string{"canary yes", "no"}}
	j.apply(reserve(anna, "Annabel"), reserve(bert, "Bert"))
	j.apply(named, say(bert, "lobby", "b1", "honest"), poll)                               // 1 to 3
	j.apply(set(anna, "s1", "topic", `"canary topic"`), set(anna, "s2", "topic", `"Tea"`)) // 4, 5
	j.apply(change(anna, "e1", 1, "canary two"), erase(anna, "e2", 3))                     // 6, 7
	j.apply(markIn("lobby", anna, 2, "up", true), markIn("lobby", anna, 2, "❤️", true), markIn("lobby", bert, 2, "up", true), markIn("lobby", bert, 1, "up", true))
	j.at += 2000
	j.apply(tally("lobby")) // 8
	j.apply(operator("lobby", "s3", "role/"+anna, wire.TextValue("moderator")), operator("lobby", "s4", "person/"+anna, wire.TextValue("mute")),
		operator("lobby", "s5", "role/"+bert, wire.TextValue("trusted"))) // 9 to 11
	j.apply(say(anna, "den", "d1", "canary den"), say(bert, "den", "d2", "honest"), say(anna, "den", "d3", "canary den 3"))
	j.apply(eventlog.Command{Kind: eventlog.Set, SenderID: anna, Room: "den", ID: "d4", Body: eventlog.SetBody{Key: wire.SlowKey, Value: wire.NumberValue(1)}})
	j.at += 2000
	j.apply(say(bert, "den", "d5", "honest too"))
	invite := eventlog.InviteBody{Digest: eventlog.DigestOf("secret"), Role: wire.RoleTrusted, Uses: 5, Until: j.at + 1000000}
	j.apply(eventlog.Command{Kind: eventlog.Invite, SenderID: anna, Room: "den", ID: "i1", Body: invite})
	invite.Digest = eventlog.DigestOf("another")
	j.apply(eventlog.Command{Kind: eventlog.Invite, SenderID: eventlog.OperatorSender, Room: "lobby", ID: "i2", Body: invite})
	j.apply(operator("lobby", "s6", "role/"+anna, wire.Value{}))
	j.apply(eventlog.Command{Kind: eventlog.Redeem, SenderID: anna, Room: "lobby", Body: eventlog.RedeemBody{Invite: invite.Digest}}) // 13
	j.signsIn(signIn("canary subject", "laptop", "laptop 2"), anna)
	j.signsIn(newSession(anna, "phone"), anna)
	j.apply(say(anna, "lobby", "x1", "canary in the vault"), say(anna, "lobby", "x2", "canary spam")) // muted: refused
	j.apply(operator("lobby", "s7", "person/"+anna, wire.Value{}))
	j.apply(say(anna, "lobby", "x3", "canary in the vault"))
	j.apply(eraseBy("er1", 15, 15, anna))
	j.steps(false)
	if got := j.vault(); got != 1 {
		j.t.Fatalf("the vault has %d messages, want 1", got)
	}
}

// checkForgottenRooms checks the rooms of storePerson after the person was erased: before are their former records.
func checkForgottenRooms(t *testing.T, j *tested, before map[string][]eventlog.Record, bert string) {
	t.Helper()
	for room, rows := range before {
		for i, r := range j.all(room)[:len(rows)] {
			if err := r.Check(); err != nil {
				t.Errorf("record %d of %s: %v", r.N, room, err)
			}
			if rows[i].SenderID == bert && r != rows[i] {
				t.Errorf("a record of somebody else was %+v, and is %+v", rows[i], r)
			}
			if r.At != rows[i].At {
				t.Errorf("the time of record %d of %s has changed", r.N, room)
			}
		}
	}
	for room, want := range map[string]string{"lobby": "[{From:1 To:1}]", "den": "[{From:1 To:1} {From:3 To:3}]"} {
		frames := j.frames(room)
		changed, is := frames[len(frames)-1].(wire.Changed)
		if got := fmt.Sprintf("%+v", []wire.Range(changed.Of)); !is || got != want || changed.SenderID != "" || changed.Text != nil {
			t.Errorf("the last frame of %s is %+v, want one of the messages %s", room, frames[len(frames)-1], want)
		}
		if m := frames[0].(wire.Message); !m.Gone || m.Edited != changed.N || m.SenderID != eventlog.ForgottenSender || m.DisplayName != "" {
			t.Errorf("the first message of %s is %+v", room, m)
		}
	}
	// The log of actions says what was done, without the person.
	kept := 0
	for _, r := range append(j.all("~lobby"), j.all("~den")...) {
		m, is, err := r.Message()
		if err != nil || !is || m.Action == nil || m.Gone {
			t.Errorf("the log has %+v (%v)", m, err)
			continue
		}
		if m.Action.Key == "role" || m.Action.Key == "person" {
			kept++
		}
	}
	if kept != 4 {
		t.Errorf("of 4 actions about the person, %d are kept", kept)
	}
}

// checkForgottenState checks what is known of people after the person of storePerson was erased.
func checkForgottenState(t *testing.T, j *tested, anna, bert string) {
	t.Helper()
	if mine, err := j.Marks("lobby", anna, 0, 100); err != nil || len(mine) > 0 {
		t.Errorf("the marks %v are left (%v)", mine, err)
	}
	j.at += 2000
	j.apply(tally("lobby"))
	if m := j.frames("lobby")[1].(wire.Message); !reflect.DeepEqual(m.Tally, wire.Counts{"up": 1}) {
		t.Errorf("the counts of another's message are %v", m.Tally)
	}
	j.wantSession("laptop", anna) // nothing is known of it
	if role, _ := j.Role("den", anna, j.at); role != wire.RoleGuest {
		t.Errorf("the role is %v", role)
	}
	j.wantSettings("lobby", "role/"+bert+` "trusted"`, `topic "Tea"`)
}

// testForgetOthers: a command that names what is not the sender's changes nothing.
func testForgetOthers(t *testing.T, j *tested) {
	allowChanges(j)
	bert := derived("bert")
	j.apply(reserve(bert, "Bert"), say(bert, "lobby", "1", "honest"), set(bert, "s", "topic", `"Tea"`), markIn("lobby", bert, 1, "up", true))
	j.signsIn(signIn("bert", "bert", "bert 2"), bert)
	before := viewOf(t, j.Store)
	digest := eventlog.SessionDigest("bert 2")
	j.apply(
		eventlog.Command{Kind: eventlog.Forget, Room: "lobby", Body: eventlog.ForgetBody{By: derived("anna"), Numbers: []uint64{1, 2, 7}}},
		eventlog.Command{Kind: eventlog.Forget, Body: eventlog.ForgetBody{By: derived("anna"), Entries: []eventlog.EntryKey{
			{Table: eventlog.Sessions, Key: digest[:]}, {Table: eventlog.SenderProofs, Key: []byte(bert)}, {Table: 200, Key: []byte("x")},
		}}},
	)
	after := viewOf(t, j.Store)
	before["the position"] = after["the position"]
	before.compare(t, "afterwards it is", after)
}

// aForget draws a Forget of a sender, with numbers and entries of anybody.
func aForget(t *rapid.T, by string) eventlog.Command {
	body := eventlog.ForgetBody{By: by}
	for n := range uint64(9) {
		if n > 0 && rapid.Bool().Draw(t, "number") {
			body.Numbers = append(body.Numbers, n)
		}
	}
	for _, key := range append(someSenders, derived("one"), derived("two")) {
		body.Entries = append(body.Entries, eventlog.EntryKey{Table: rapid.SampledFrom(eventlog.Tables()).Draw(t, "table"), Key: []byte(key)})
	}
	if rapid.IntRange(0, 3).Draw(t, "no room") == 0 {
		return eventlog.Command{Kind: eventlog.Forget, Body: eventlog.ForgetBody{By: by, Entries: body.Entries}}
	}
	return eventlog.Command{Kind: eventlog.Forget, Room: rapid.SampledFrom(someRooms).Draw(t, "room"), Body: body}
}
