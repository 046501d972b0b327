package eventlogtest

import (
	"fmt"
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// testClaimedRoles: a token's role is given until the token expires. It lifts no ban, lowers nothing, and replaces no role that is
// higher or equal.
func testClaimedRoles(t *testing.T, j *tested) {
	makeDen(j)
	claim := func(by string, role wire.Role, until wire.Time) eventlog.Command {
		return eventlog.Command{Kind: eventlog.Redeem, SenderID: by, Room: den, Body: eventlog.RedeemBody{Role: role, Until: until}}
	}
	anna := derived("anna")
	exp := j.at + 600_000
	for i, c := range []struct {
		everyone, before string // rules, in JSON; null: none
		until            wire.Time
		person           string
		claimed          wire.Role
		exp              wire.Time
		want             string // outcome
		after            wire.Role
		ends             wire.Time
	}{
		{`"none"`, "null", 0, "null", wire.RoleGuest, exp, "done", wire.RoleGuest, exp},
		{`"none"`, "null", 0, "null", wire.RoleModerator, exp, "done", wire.RoleModerator, exp},
		{`"guest"`, "null", 0, "null", wire.RoleTrusted, exp, "done", wire.RoleTrusted, exp},
		{`"guest"`, "null", 0, "null", wire.RoleGuest, exp, "repeat", wire.RoleGuest, 0},           // everyone has it
		{`"guest"`, "null", 0, "null", wire.RoleReader, exp, "repeat", wire.RoleGuest, 0},          // everyone has more
		{`"none"`, "null", 0, "null", wire.RoleGuest, j.at, "repeat", wire.RoleNone, 0},            // it has expired
		{`"none"`, `"reader"`, 0, "null", wire.RoleTrusted, exp, "done", wire.RoleTrusted, exp},    // over a lower one
		{`"none"`, `"trusted"`, 0, "null", wire.RoleTrusted, exp, "repeat", wire.RoleTrusted, 0},   // over an equal one
		{`"none"`, `"moderator"`, 0, "null", wire.RoleGuest, exp, "repeat", wire.RoleModerator, 0}, // over a higher one
		{`"none"`, `"trusted"`, exp - 1000, "null", wire.RoleTrusted, exp, "done", wire.RoleTrusted, exp},
		{`"none"`, `"trusted"`, exp + 1000, "null", wire.RoleTrusted, exp, "repeat", wire.RoleTrusted, exp + 1000},
		{`"none"`, `"moderator"`, exp - 1000, "null", wire.RoleTrusted, exp, "repeat", wire.RoleModerator, exp - 1000},
		{`"none"`, "null", 0, `"ban"`, wire.RoleModerator, exp, "not_allowed person", wire.RoleNone, 0},
		{`"none"`, "null", 0, `"mute"`, wire.RoleGuest, exp, "done", wire.RoleGuest, exp}, // which stays
	} {
		set := func(key, value string, until wire.Time) {
			s := inDen(owner, fmt.Sprint(i, key, "-x")[:8], key, value)
			s.ID = fmt.Sprintf("claim-%d-%.4s", i, key)
			body := s.Body.(eventlog.SetBody)
			body.Until = until
			s.Body = body
			j.wantOutcomes(s, "done")
		}
		set("everyone", c.everyone, 0)
		set("role/"+anna, c.before, c.until)
		set("person/"+anna, c.person, 0)
		j.wantOutcomes(claim(anna, c.claimed, c.exp), c.want)
		role, ends := j.Role(den, anna, j.at)
		if role != c.after || ends != c.ends {
			t.Errorf("case %d: the role is %v until %v, want %v until %v", i, role, ends, c.after, c.ends)
		}
		if c.want == "done" {
			j.wantOutcomes(claim(anna, c.claimed, c.exp), "repeat")
			if role, _ := j.Role(den, anna, c.exp); role >= c.claimed {
				t.Errorf("case %d: after the token has expired, the role is %v", i, role)
			}
		}
	}
	j.wantOutcomes(claim(owner, wire.RoleModerator, exp), "repeat")
	if role, _ := j.Role(den, owner, j.at); role != wire.RoleOwner {
		t.Errorf("the owner is %v", role)
	}
}

// testClaimsLogged: the room of the moderators records a claim of a token when it changes a role, and not for each token that renews it, also if the
// one before had expired.
func testClaimsLogged(t *testing.T, j *tested) {
	withRoles(j)
	guest, before := sender("guest"), len(j.actions("~den"))
	want := func(role wire.Role, lines ...string) {
		t.Helper()
		for range 2 { // the second one is a repeat
			j.apply(eventlog.Command{Kind: eventlog.Redeem, SenderID: guest, Room: "den", Body: eventlog.RedeemBody{Role: role, Until: j.at + hour}})
		}
		if got, _ := j.Role("den", guest, j.at); got != role {
			t.Fatalf("the role is %v, want %v", got, role)
		}
		all := j.actions("~den")
		if got := all[before:]; len(got) != len(lines) {
			t.Fatalf("recorded are %q, want %d", got, len(lines))
		}
		before = len(all)
		for i, line := range lines {
			if got := all[before-len(lines)+i]; !strings.HasPrefix(got, line) {
				t.Errorf("recorded is %q, want %q", got, line)
			}
		}
	}
	want(wire.RoleTrusted, "guest redeem =trusted until=")
	j.at += hour / 2
	want(wire.RoleTrusted)
	j.at += 2 * hour
	want(wire.RoleTrusted)
	want(wire.RoleModerator, "guest redeem =moderator until=")
	j.at += 2 * hour
	want(wire.RoleTrusted, "guest redeem =trusted until=")
	j.saves(ruled(sender("owner"), "taken", wire.RolePrefix+guest, wire.TextValue("guest"), 0))
	before = len(j.actions("~den"))
	want(wire.RoleTrusted, "guest redeem =trusted until=")
}
