package eventlogtest

import (
	"fmt"
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// ruled sets a rule of the room "den".
func ruled(by, id, key string, value wire.Value, until wire.Time) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Set, SenderID: by, Room: "den", ID: id, Body: eventlog.SetBody{Key: key, Value: value, Until: until}}
}

// sender returns the sender with a name.
func sender(name string) string { return (name + "-aaaaaaaaaaaaaaaa")[:wire.SenderIDLen] }

// roles are the roles that a sender can be given, and those of the operator.
var roles = []string{"none", "reader", "guest", "trusted", "moderator", "owner", "operator"}

// withRoles makes the room "den" with two senders of each role, named after it and with a 2.
func withRoles(j *tested) {
	allowChanges(j)
	j.expect(commands(say(sender("owner"), "den", "first", "hello")), "saved 1")
	for i, role := range roles {
		if role == "operator" {
			continue
		}
		for _, name := range []string{role, role + "2"} {
			j.saves(ruled(eventlog.OperatorSender, fmt.Sprint("r", i, name), wire.RolePrefix+sender(name), roleValue(role), 0))
		}
	}
	j.saves(ruled(eventlog.OperatorSender, "everyone", wire.EveryoneKey, wire.TextValue("none"), 0))
}

// roleValue returns the value that gives a role; that of everyone is none.
func roleValue(role string) wire.Value {
	if role == "none" {
		return wire.Value{}
	}
	return wire.TextValue(role)
}

// saves applies a command, and reports whether it was saved.
func (j *tested) saves(c eventlog.Command) bool {
	j.t.Helper()
	j.at += 10
	b := eventlog.Batch{At: j.at, Node: eventlog.LocalNode, Commands: []eventlog.Command{c}}
	outcomes, err := j.Apply(&b, j.Position()+1)
	if err != nil {
		j.t.Fatalf("%v", err)
	}
	return outcomes[0].Status == eventlog.Saved
}

// whoMayAct says for every action and every role on whom it may act: "+" is allowed, "-" is refused. The columns are the roles of
// the other sender, from none to owner, the operator, and the sender itself.
const whoMayAct = `
	mute      none      ------- -
	mute      reader    ------- -
	mute      guest     ------- -
	mute      trusted   ------- -
	mute      moderator ++++---  -
	mute      owner     +++++--  -
	mute      operator  ++++++-  -
	unban     none      ------- -
	unban     reader    ------- -
	unban     guest     ------- -
	unban     trusted   ------- -
	unban     moderator ++++---  -
	unban     owner     +++++--  -
	unban     operator  ++++++-  -
	guest     none      ------- -
	guest     reader    ------- -
	guest     guest     ------- -
	guest     trusted   ------- +
	guest     moderator ++++---  +
	guest     owner     +++++--  +
	guest     operator  ++++++-  -
	trusted   none      ------- -
	trusted   reader    ------- -
	trusted   guest     ------- -
	trusted   trusted   ------- -
	trusted   moderator ++++---  +
	trusted   owner     +++++--  +
	trusted   operator  ++++++-  -
	moderator none      ------- -
	moderator reader    ------- -
	moderator guest     ------- -
	moderator trusted   ------- -
	moderator moderator -------  -
	moderator owner     +++++--  +
	moderator operator  ++++++-  -
	owner     none      ------- -
	owner     reader    ------- -
	owner     guest     ------- -
	owner     trusted   ------- -
	owner     moderator -------  -
	owner     owner     +++++--  -
	owner     operator  ++++++-  -
	take      none      ------- -
	take      reader    ------- -
	take      guest     ------- +
	take      trusted   ------- +
	take      moderator ++++---  +
	take      owner     +++++--  +
	take      operator  ++++++-  -
	delete    none      ------- -
	delete    reader    ------- +
	delete    guest     ------- +
	delete    trusted   ------- +
	delete    moderator ++++---  +
	delete    owner     +++++--  +
	delete    operator  +++++++  +
	edit      none      ------- -
	edit      reader    ------- -
	edit      guest     ------- +
	edit      trusted   ------- +
	edit      moderator -------  +
	edit      owner     -------  +
	edit      operator  +++++++  +
	approve   none      ------- -
	approve   reader    ------- -
	approve   guest     ------- -
	approve   trusted   ------- -
	approve   moderator --++++-  -
	approve   owner     --++++-  -
	approve   operator  --++++-  -
	reject    none      ------- -
	reject    reader    ------- -
	reject    guest     ------- -
	reject    trusted   ------- -
	reject    moderator ++++---  -
	reject    owner     +++++--  -
	reject    operator  ++++++-  -
	settle    none      ------- -
	settle    reader    ------- -
	settle    guest     ------- -
	settle    trusted   ------- -
	settle    moderator ++++++-  -
	settle    owner     +++++++  +
	settle    operator  +++++++  +
	restore   none      ------- -
	restore   reader    ------- -
	restore   guest     ------- -
	restore   trusted   ------- -
	restore   moderator ++++---  +
	restore   owner     +++++--  +
	restore   operator  +++++++  +`

// testWhoMayAct tries every action of whoMayAct.
func testWhoMayAct(t *testing.T, j *tested) {
	withRoles(j)
	a := acting{tested: j}
	rows := 0
	for line := range strings.Lines(whoMayAct) {
		cell := strings.Fields(line)
		if len(cell) == 0 {
			continue
		}
		if len(cell) != 4 || len(cell[2]) != len(roles) || len(cell[3]) != 1 {
			t.Fatalf("the row %q has empty cells", line)
		}
		rows++
		verb, role, others, self := cell[0], cell[1], cell[2], cell[3]
		for k, want := range others + self {
			other := "itself"
			if k < len(roles) {
				other = roles[k]
			}
			if got := a.mayAct(verb, role, other); got != (want == '+') {
				t.Errorf("%s %ss %s: %v", role, verb, other, got)
			}
		}
	}
	if want := 13 * len(roles); rows != want {
		t.Fatalf("the table has %d rows, want %d", rows, want)
	}
}

// acting tries actions; it numbers them.
type acting struct {
	*tested
	used int
}

// mayAct reports whether a sender of one role may act on one of another role, and then restores all roles.
func (j *acting) mayAct(verb, role, other string) bool {
	j.t.Helper()
	by, on := sender(role), sender(other+"2")
	if role == "operator" {
		by = eventlog.OperatorSender
	}
	switch other {
	case "itself":
		on = by
	case "operator":
		on = eventlog.OperatorSender
	}
	j.used++
	id := fmt.Sprint("act", j.used)
	defer func() {
		j.used++
		for _, name := range []string{role, role + "2", other, other + "2"} {
			if base := strings.TrimSuffix(name, "2"); base != "operator" && base != "itself" {
				j.saves(ruled(eventlog.OperatorSender, fmt.Sprint("restore", j.used, name), wire.RolePrefix+sender(name), roleValue(base), 0))
				j.saves(ruled(eventlog.OperatorSender, fmt.Sprint("unmute", j.used, name), wire.PersonPrefix+sender(name), wire.Value{}, 0))
			}
		}
	}()
	switch verb {
	case "approve", "reject", "settle", "restore":
		return j.mayDecide(verb, by, on, id)
	case "mute":
		return j.saves(ruled(by, id, wire.PersonPrefix+on, wire.TextValue(wire.Mute), 0))
	case "unban":
		return j.saves(ruled(by, id, wire.PersonPrefix+on, wire.Value{}, 0))
	case "take":
		return j.saves(ruled(by, id, wire.RolePrefix+on, wire.Value{}, 0))
	case "delete", "edit":
		if !j.saves(say(on, "den", id+"said", "text")) { // the sender cannot post now, but could
			j.saves(ruled(eventlog.OperatorSender, id+"lift", wire.RolePrefix+on, wire.TextValue("guest"), 0))
			j.saves(say(on, "den", id+"said", "text"))
			j.saves(ruled(eventlog.OperatorSender, id+"drop", wire.RolePrefix+on, roleValue(strings.Replace(other, "itself", role, 1)), 0))
		}
		body := eventlog.ChangeBody{Of: j.newestMessage("den")}
		if text := "edited"; verb == "edit" {
			body.Text = &text
		}
		return j.saves(eventlog.Command{Kind: eventlog.Change, SenderID: by, Room: "den", ID: id, Body: body})
	}
	return j.saves(ruled(by, id, wire.RolePrefix+on, wire.TextValue(verb), 0))
}

// newestMessage returns the number of the newest message of a room.
func (j *tested) newestMessage(room string) uint64 {
	j.t.Helper()
	records, _, err := j.ReadBefore(room, eventlog.MaxNumber, 20)
	if err != nil {
		j.t.Fatalf("%v", err)
	}
	for i := len(records) - 1; i >= 0; i-- {
		if records[i].Kind == eventlog.Say {
			return records[i].N
		}
	}
	j.t.Fatalf("there is no message")
	return 0
}

// testRules: the first rule that applies refuses, with its parameters and the time from which it does not.
func testRules(t *testing.T, j *tested) {
	allowChanges(j)
	ann, bob, cid := sender("ann"), sender("bob"), sender("cid")
	j.expect(commands(say(ann, "den", "1", "hello"), say(bob, "den", "1", "hello")), "saved 1", "saved 2")
	ids := 1
	set := func(by, key string, value wire.Value, until wire.Time) {
		t.Helper()
		if ids++; !j.saves(ruled(by, fmt.Sprint("s", ids), key, value, until)) {
			t.Fatalf("%s is not set", key)
		}
	}
	try := func(c eventlog.Command) *wire.CodedError {
		t.Helper()
		ids++
		if c.Kind != eventlog.Mark {
			c.ID = fmt.Sprint("t", ids)
		}
		b := eventlog.Batch{At: j.at, Node: eventlog.LocalNode, Commands: []eventlog.Command{c}}
		outcomes, err := j.Apply(&b, j.Position()+1)
		if err != nil {
			t.Fatal(err)
		}
		return outcomes[0].Err
	}
	want := func(c eventlog.Command, rule string, until wire.Time) {
		t.Helper()
		switch err := try(c); {
		case rule == "" && err != nil:
			t.Errorf("refused: %+v", err)
		case rule != "" && (err == nil || err.Rule != rule || err.Until != until || err.RetryAfter != 0 || (err.Code == wire.Held) != (rule == wire.HoldKey)):
			t.Errorf("refused with %+v, want the rule %s until %v", err, rule, until)
		}
	}
	text := say(bob, "den", "", "x")
	link := text
	link.Link = true
	end := j.at + wire.Time(10*hour)
	set(ann, wire.HoldKey, wire.TextValue(wire.HoldAll), end)
	want(text, wire.HoldKey, end)
	set(ann, wire.HoldKey, wire.TextValue(wire.HoldLinks), end)
	want(text, "", 0)
	want(link, wire.HoldKey, end)
	set(ann, wire.SlowKey, wire.NumberValue(60), 0)
	want(text, wire.SlowKey, j.at-20+60_000+10)
	set(ann, wire.SlowKey, wire.Value{}, 0)
	set(ann, wire.HoldKey, wire.Value{}, 0)
	set(ann, wire.NewcomerKey, wire.NumberValue(60), 0)
	first := j.at
	fromNew := say(cid, "den", "", "x")
	want(fromNew, wire.NewcomerKey, first+60_000)
	j.at += 30_000
	want(fromNew, wire.NewcomerKey, first+60_000)
	j.at += 30_000
	want(fromNew, "", 0)
	want(text, "", 0) // has posted before
	set(ann, wire.MayLinkKey, wire.TextValue("trusted"), end)
	want(link, wire.MayLinkKey, end)
	set(ann, wire.MaySayKey, wire.TextValue("known"), 0)
	want(text, wire.MaySayKey, 0)
	set(ann, wire.LockKey, wire.TextValue(wire.LockOn), end)
	want(text, wire.LockKey, end)
	want(say(ann, "den", "", "x"), "", 0)
	set(ann, wire.EveryoneKey, wire.TextValue("reader"), 0)
	want(text, wire.RuleRole, 0)
	set(ann, wire.PersonPrefix+bob, wire.TextValue(wire.Ban), end)
	want(text, wire.RulePerson, end)
	if j.CanRead("den", bob, j.at) || !j.CanRead("den", bob, end) || !j.CanRead("den", cid, j.at) {
		t.Error("a banned sender can read, or another cannot")
	}
	if ended := j.EndedRules(end, 10); len(ended) != 3 {
		t.Errorf("%v end, want a ban, a lock and links", ended)
	}
	j.at = end
	j.expect(commands(eventlog.Command{Kind: eventlog.PruneEntries, Room: "den", Body: eventlog.PruneEntriesBody{Keys: []string{wire.LockKey, wire.MayLinkKey, wire.PersonPrefix + bob, wire.EveryoneKey, wire.RolePrefix + ann}}}), "done")
	if ended := j.EndedRules(end, 10); len(ended) != 0 {
		t.Errorf("%v are not deleted", ended)
	}
	want(text, wire.RuleRole, 0)
	if role, _ := j.Role("den", ann, j.at); role != wire.RoleOwner {
		t.Errorf("the creator is %v", role)
	}
}

// testClaims: a room in which only its creator posts becomes free after a week.
func testClaims(t *testing.T, j *tested) {
	allowChanges(j)
	ann, bob, cid := sender("ann"), sender("bob"), sender("cid")
	owner := func(room string, want ...string) {
		t.Helper()
		for _, by := range []string{ann, bob, cid} {
			role, _ := j.Role(room, by, j.at)
			if got := role == wire.RoleOwner; got != strings.Contains(strings.Join(want, " "), by) {
				t.Errorf("%s owns %s: %v", by, room, got)
			}
		}
	}
	j.expect(commands(say(ann, "kept", "1", "x"), say(ann, "free", "1", "x"), say(ann, wire.Lobby, "1", "x")), "saved 1", "saved 1", "saved 1")
	owner("kept", ann)
	owner("free", ann)
	owner(wire.Lobby)
	j.expect(commands(say(bob, "kept", "1", "x")), "saved 2")
	j.at += wire.Time(eventlog.ClaimTime.Milliseconds())
	j.expect(commands(say(cid, "kept", "1", "x"), say(cid, "free", "1", "x")), "saved 3", "saved 2")
	owner("kept", ann)
	owner("free", cid)
	passing := say(bob, "passing", "1", "x")
	passing.Transient = true
	j.expect(commands(passing), "saved 1")
	owner("passing")
	for i := range eventlog.MaxOwned + 1 {
		j.expect(commands(say(bob, fmt.Sprint("room", i), "1", "x")), "saved 1")
	}
	owner("room7", bob)
	owner("room8")
}
