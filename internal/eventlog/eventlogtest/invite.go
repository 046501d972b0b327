package eventlogtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// The senders of these tests, whose roles are set, have ids of the right length.
var (
	owner, moderator, reader, carla, dario = person("owner"), person("moderator"), person("reader"), person("carla"), person("dario")
)

// person returns a sender id that begins with a name.
func person(name string) string {
	return (name + strings.Repeat("_", wire.SenderIDLen))[:wire.SenderIDLen]
}

// anyInvite draws an invite of the operator.
func anyInvite(t *rapid.T) eventlog.Command {
	id := rapid.StringMatching("[a-c]").Draw(t, "invite")
	until := start + wire.Time(rapid.IntRange(1, 40).Draw(t, "hours of life"))*hour
	return eventlog.Command{
		Kind: eventlog.Invite, SenderID: eventlog.OperatorSender, Room: rapid.SampledFrom(someRooms).Draw(t, "room"), ID: id,
		Body: eventlog.InviteBody{Digest: eventlog.DigestOf(id), Role: wire.RoleGuest, Uses: rapid.IntRange(1, 2).Draw(t, "uses"), Until: until},
	}
}

func anyRedeem(t *rapid.T, by string) eventlog.Command {
	c := redeem(person(by), rapid.StringMatching("[a-c]").Draw(t, "invite"))
	c.Room = rapid.SampledFrom(someRooms).Draw(t, "room")
	return c
}

const den = "den" // a private room

// inDen sets a key of the private room.
func inDen(by, id, key, value string) eventlog.Command {
	c := set(by, id, key, value)
	c.Room = den
	return c
}

// invite makes an invite to the private room. life 0: it does not expire.
func (j *tested) invite(by, id string, role wire.Role, uses int, life time.Duration) eventlog.Command {
	body := eventlog.InviteBody{Digest: eventlog.DigestOf(id), Role: role, Uses: uses}
	if life > 0 {
		body.Until = j.at + wire.Time(life.Milliseconds())
	}
	return eventlog.Command{Kind: eventlog.Invite, SenderID: by, Room: den, ID: id, Body: body}
}

// redeem redeems the invite whose command had an id.
func redeem(by, id string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Redeem, SenderID: by, Room: den, Body: eventlog.RedeemBody{Invite: eventlog.DigestOf(id)}}
}

// redeemPassword redeems a password that matches a stored hash.
func redeemPassword(by, hash string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Redeem, SenderID: by, Room: den, Body: eventlog.RedeemBody{Password: eventlog.DigestOf(hash)}}
}

// outcome describes an outcome with the rule and the reason of its refusal.
func outcome(o eventlog.Outcome) string {
	switch o.Status {
	case eventlog.Saved:
		return "done"
	case eventlog.Repeat:
		return "repeat"
	}
	why := ""
	if v := o.Err.Params[wire.ParamWhy]; v.Text != nil {
		why = " " + *v.Text
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s%s", o.Err.Code, o.Err.Rule, why))
}

// wantOutcomes applies commands one by one.
func (j *tested) wantOutcomes(steps ...any) {
	j.t.Helper()
	for i := 0; i < len(steps); i += 2 {
		c, _ := steps[i].(eventlog.Command)
		if got := outcome(j.apply(c)[0]); got != steps[i+1] {
			j.t.Fatalf("step %d, %v of %s, is %q, want %q", i/2, c.Kind, c.SenderID, got, steps[i+1])
		}
	}
}

func (j *tested) wantRole(by string, want wire.Role) {
	j.t.Helper()
	if got, _ := j.Role(den, by, j.at); got != want {
		j.t.Fatalf("%s has the role %v, want %v", by, got, want)
	}
}

// makeDen makes the private room, with an owner, a moderator and a reader.
func makeDen(j *tested) {
	j.t.Helper()
	allowChanges(j)
	first := say(owner, den, "1", "welcome")
	j.wantOutcomes(first, "done",
		inDen(owner, "everyone", "everyone", `"none"`), "done",
		inDen(owner, "m", "role/"+moderator, `"moderator"`), "done",
		inDen(owner, "r", "role/"+reader, `"reader"`), "done")
	j.wantRole(owner, wire.RoleOwner)
	j.wantRole(carla, wire.RoleNone)
}

func testInvites(t *testing.T, j *tested) {
	makeDen(j)
	last := j.Bounds(den).Last
	j.wantOutcomes(j.invite(moderator, "guests", wire.RoleGuest, 2, time.Hour), "done")
	if got := j.Bounds(den).Last; got != last {
		t.Fatalf("an invite has the number %d, want none", got)
	}
	outcomes := j.apply(redeem(carla, "guests"))
	if o := outcomes[0]; o.N != last+1 || o.Roles == nil || !slices.Equal(o.Roles.Senders, []string{carla}) {
		t.Fatalf("redeemed, the outcome is %+v", o)
	}
	j.wantRole(carla, wire.RoleGuest)
	j.wantOutcomes(redeem(carla, "guests"), "repeat", // counts once
		redeem(moderator, "guests"), "repeat", // lowers nobody, and is not counted
		redeem(dario, "guests"), "done",
		redeem(person("eve"), "guests"), "not_allowed invite used_up",
		redeem(carla, "guests"), "repeat")
	j.wantRole(moderator, wire.RoleModerator)
	// A record of a role shows neither the sender nor the role.
	rows := j.all(den)
	frame, err := rows[len(rows)-1].AppendFrame(nil)
	if err != nil || strings.Contains(string(frame), dario) || strings.Contains(string(frame), "guest") || !strings.Contains(string(frame), `"key":"role"`) {
		t.Fatalf("the frame of a redemption is %s (%v)", frame, err)
	}
	// What a moderator takes is not given back by the same invite, but by another one.
	j.wantOutcomes(inDen(moderator, "out", "role/"+carla, `null`), "done", redeem(carla, "guests"), "not_allowed invite redeemed")
	j.wantRole(carla, wire.RoleNone)
	j.wantOutcomes(j.invite(owner, "again", wire.RoleTrusted, 1, time.Hour), "done", redeem(carla, "again"), "done")
	j.wantRole(carla, wire.RoleTrusted)
	// An invite raises a role that has an end, too.
	ends := inDen(owner, "ends", "role/"+reader, `"guest"`)
	body, _ := ends.Body.(eventlog.SetBody)
	body.Until = j.at + hour
	ends.Body = body
	j.wantOutcomes(ends, "done", j.invite(owner, "longer", wire.RoleGuest, 1, time.Hour), "done", redeem(reader, "longer"), "done")
	j.at += 2 * hour
	j.wantRole(reader, wire.RoleGuest)
}

func testRefusedInvites(t *testing.T, j *tested) {
	for _, c := range []eventlog.Command{j.invite(owner, "1", wire.RoleGuest, 1, time.Hour), redeem(owner, "1")} {
		if got := mustApply(j, c); len(got) != 0 {
			t.Errorf("below the level, a %v has the outcomes %v", c.Kind, got)
		}
	}
	makeDen(j)
	j.wantOutcomes(
		j.invite(reader, "a", wire.RoleModerator, 1, time.Hour), "not_allowed role",
		j.invite(reader, "a", wire.RoleReader, 1, time.Hour), "not_allowed role",
		j.invite(carla, "a", wire.RoleReader, 1, time.Hour), "not_allowed role",
		j.invite(moderator, "a", wire.RoleModerator, 1, time.Hour), "not_allowed role",
		j.invite(moderator, "a", wire.RoleOwner, 1, 0), "not_allowed role",
		j.invite(wire.SenderIDOf(""), "a", wire.RoleReader, 1, time.Hour), "not_allowed role",
		redeem(carla, "a"), "not_allowed invite unknown",
		redeem(wire.SenderIDOf(""), "a"), "not_allowed")
	past := j.invite(owner, "past", wire.RoleGuest, 1, time.Hour)
	j.at += 2 * hour
	j.wantOutcomes(past, "bad_request")
	// Another room.
	j.wantOutcomes(j.invite(owner, "here", wire.RoleGuest, 9, time.Hour), "done")
	elsewhere := redeem(carla, "here")
	elsewhere.Room = "lobby"
	j.wantOutcomes(elsewhere, "not_allowed invite unknown")
	// Neither an invite nor a password lifts a ban. A mute does not matter.
	j.wantOutcomes(inDen(moderator, "ban", "person/"+carla, `"ban"`), "done", redeem(carla, "here"), "not_allowed person",
		redeemPassword(carla, "x"), "not_allowed person",
		inDen(moderator, "mute", "person/"+carla, `"mute"`), "done", redeem(carla, "here"), "done")
	// The creator may not give the role any more.
	j.wantOutcomes(j.invite(moderator, "mine", wire.RoleTrusted, 9, time.Hour), "done",
		inDen(owner, "down", "role/"+moderator, `"guest"`), "done", redeem(dario, "mine"), "not_allowed invite void",
		inDen(owner, "up", "role/"+moderator, `"moderator"`), "done", redeem(dario, "mine"), "done",
		inDen(owner, "banned", "person/"+moderator, `"ban"`), "done", redeem(person("eve"), "mine"), "not_allowed invite void")
	j.wantRole(dario, wire.RoleTrusted)
	// Expired, and then pruned.
	j.at += hour
	j.wantOutcomes(redeem(person("eve"), "here"), "not_allowed invite expired", redeem(dario, "mine"), "repeat")
	prune := func(table eventlog.Table) eventlog.Command {
		entries, err := j.Entries(table, den, "", "", eventlog.MaxEntries)
		if err != nil || len(entries) == 0 {
			t.Fatalf("the entries of table %d are %v (%v)", table, entries, err)
		}
		var keys []string
		for _, e := range entries {
			keys = append(keys, e.Key)
		}
		return eventlog.Command{Kind: eventlog.PruneEntries, Room: den, Body: eventlog.PruneEntriesBody{Table: table, Keys: keys}}
	}
	j.wantOutcomes(prune(eventlog.Invites), "done", prune(eventlog.Redemptions), "done", redeem(person("eve"), "here"), "not_allowed invite unknown")
	for _, table := range []eventlog.Table{eventlog.Invites, eventlog.Redemptions} {
		if entries, err := j.Entries(table, den, "", "", eventlog.MaxEntries); err != nil || len(entries) > 0 {
			t.Errorf("after everything has expired, table %d has %v (%v)", table, entries, err)
		}
	}
}

// testRecovery: an owner has one invite with the role owner; its redeemer owns the room.
func testRecovery(t *testing.T, j *tested) {
	makeDen(j)
	j.wantOutcomes(j.invite(owner, "code", wire.RoleOwner, 1, 0), "done", j.invite(owner, "newer", wire.RoleOwner, 1, 0), "done",
		redeem(carla, "code"), "not_allowed invite unknown",
		redeem(owner, "newer"), "repeat")
	j.at += 400 * 24 * hour
	j.wantOutcomes(redeem(carla, "newer"), "done", redeem(dario, "newer"), "not_allowed invite used_up")
	j.wantRole(carla, wire.RoleOwner)
	j.wantRole(owner, wire.RoleModerator)
	// The operator can give the ownership of a room that nobody can recover.
	j.wantOutcomes(j.invite(eventlog.OperatorSender, "operator", wire.RoleOwner, 1, 0), "done", redeem(dario, "operator"), "done")
	j.wantRole(dario, wire.RoleOwner)
	j.wantRole(carla, wire.RoleOwner)
}

func testInviteRepeated(t *testing.T, j *tested) {
	makeDen(j)
	first := j.invite(owner, "same", wire.RoleGuest, 9, time.Hour)
	again := first
	body, _ := again.Body.(eventlog.InviteBody)
	body.Digest = eventlog.DigestOf("drawn again")
	again.Body = body
	others := first // the same id, of somebody else
	others.SenderID = moderator
	body.Digest = eventlog.DigestOf("of the moderator")
	others.Body = body
	j.wantOutcomes(first, "done", again, "done", others, "done", redeem(carla, "same"), "not_allowed invite unknown", redeem(carla, "drawn again"), "done", redeem(dario, "of the moderator"), "done")
}

func testMostInvites(t *testing.T, j *tested) {
	makeDen(j)
	var all []eventlog.Command
	for i := range wire.MaxInvites {
		all = append(all, j.invite(owner, fmt.Sprint("i", i), wire.RoleGuest, 1, time.Hour+time.Duration(i)*time.Minute))
	}
	for len(all) > 0 {
		part := all[:min(100, len(all))]
		all = all[len(part):]
		for _, o := range j.apply(part...) {
			if got := outcome(o); got != "done" {
				t.Fatalf("invite %s is %q", o.Command.ID, got)
			}
		}
	}
	j.wantOutcomes(j.invite(moderator, "more", wire.RoleGuest, 1, time.Hour), "not_allowed invite", redeem(carla, "i7"), "done",
		j.invite(moderator, "more", wire.RoleGuest, 1, time.Hour), "done", // one is used up
		j.invite(moderator, "even more", wire.RoleGuest, 1, time.Hour), "not_allowed invite")
	j.at += hour + 1
	j.wantOutcomes(j.invite(moderator, "even more", wire.RoleGuest, 1, time.Hour), "done") // some have expired
}

func testPasswords(t *testing.T, j *tested) {
	makeDen(j)
	const hash, other = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$a2V5", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$b3RoZXI"
	j.wantOutcomes(redeemPassword(carla, hash), "not_allowed password",
		inDen(moderator, "p", "password", `"`+hash+`"`), "not_allowed role",
		inDen(owner, "p", "password", `"`+hash+`"`), "done",
		inDen(owner, "p", "password", `"`+other+`"`), "repeat", // hashed again, with another salt
		redeemPassword(carla, other), "not_allowed password",
		redeemPassword(carla, hash), "done", redeemPassword(carla, hash), "repeat",
		redeemPassword(reader, hash), "done", redeemPassword(owner, hash), "repeat")
	j.wantRole(carla, wire.RoleGuest)
	j.wantRole(reader, wire.RoleGuest)
	j.wantRole(owner, wire.RoleOwner)
	for _, r := range j.all(den) {
		if frame, err := r.AppendFrame(nil); err != nil || strings.Contains(string(frame), "argon2id") {
			t.Errorf("the frame of record %d is %s (%v)", r.N, frame, err)
		}
	}
	j.wantOutcomes(inDen(owner, "q", "password", `"`+other+`"`), "done", redeemPassword(dario, hash), "not_allowed password", redeemPassword(dario, other), "done",
		inDen(owner, "r2", "password", `null`), "done", redeemPassword(person("eve"), other), "not_allowed password")
}

// testInvitesReopened: invites are there after the store was closed, with their uses; none of a removed room are.
func testInvitesReopened(t *testing.T, location Location) {
	if !location.Persistent {
		t.Skip("this store keeps nothing")
	}
	j := open(t, location)
	makeDen(j)
	j.wantOutcomes(j.invite(owner, "guests", wire.RoleGuest, 2, time.Hour), "done", redeem(carla, "guests"), "done")
	want := viewOf(t, j.Store)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j.Store = location.Open()
	want.compare(t, "opened again it has", viewOf(t, j.Store))
	j.wantOutcomes(redeem(carla, "guests"), "repeat", redeem(dario, "guests"), "done", redeem(person("eve"), "guests"), "not_allowed invite used_up")
	j.wantOutcomes(eventlog.Command{Kind: eventlog.RemoveRoom, Room: den, Body: eventlog.RemoveRoomBody{Last: j.Bounds(den).Last}}, "done")
	for _, table := range []eventlog.Table{eventlog.Invites, eventlog.Redemptions} {
		if entries, err := j.Entries(table, den, "", "", eventlog.MaxEntries); err != nil || len(entries) > 0 {
			t.Errorf("a removed room has %v in table %d (%v)", entries, table, err)
		}
	}
}
