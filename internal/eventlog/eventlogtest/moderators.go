package eventlogtest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// message returns a record as a message.
func (j *tested) message(r eventlog.Record) wire.Message {
	j.t.Helper()
	m, is, err := r.Message()
	if err != nil || !is {
		j.t.Fatalf("record %d of %s is not a message (%v)", r.N, r.Room, err)
	}
	return m
}

// actions returns the actions that a room of moderators records, one line each.
func (j *tested) actions(room string) (lines []string) {
	j.t.Helper()
	for _, r := range j.all(room) {
		if m, is, _ := r.Message(); is && m.Action != nil {
			a := *m.Action
			who := m.SenderID[:strings.IndexByte(m.SenderID+"-", '-')]
			if m.SenderID == eventlog.OperatorSender {
				who = "operator"
			}
			line := who + " " + a.Do
			for _, part := range []struct{ name, value string }{{"", a.Key}, {"=", valueText(a.Value)}, {"before=", valueText(a.Before)}, {"by=", a.SenderID}, {"from=", a.DisplayName}, {"", a.Reason}} {
				if part.value != "" {
					line += " " + part.name + part.value
				}
			}
			for _, part := range []struct {
				name  string
				value uint64
			}{{"until=", uint64(a.Until)}, {"of=", a.Of}, {"count=", a.Count}, {"erasure=", a.Erasure}} {
				if part.value != 0 {
					line += fmt.Sprint(" ", part.name, part.value)
				}
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func valueText(v wire.Value) string {
	switch {
	case v.Text != nil:
		return *v.Text
	case v.Number != nil:
		return fmt.Sprint(*v.Number)
	}
	return ""
}

// testDerived: the outcomes of derived commands follow those of the batch, and their records have the numbers after those of
// the batch. A batch that is applied again has the same outcomes, and a command that is repeated or refused derives nothing.
func testDerived(t *testing.T, j *tested) {
	withRoles(j)
	before := len(j.all("~den"))
	rule := ruled(sender("owner"), "s1", wire.SlowKey, wire.NumberValue(5), 0)
	muted := ruled(sender("moderator"), "s2", wire.PersonPrefix+sender("guest"), wire.TextValue(wire.Mute), 0)
	j.expect(commands(rule, say(sender("moderator"), "~den", "m1", "hello"), muted), "saved "+fmt.Sprint(j.Bounds("den").Last+1), "saved "+fmt.Sprint(before+1), "saved "+fmt.Sprint(j.Bounds("den").Last+2))
	if got := summarizeRecords(j.derived); got != fmt.Sprintf("~den %d\n~den %d", before+2, before+3) {
		t.Fatalf("derived outcomes:\n%s", got)
	}
	for i := range j.derived {
		if stored := j.all("~den")[before+1+i]; stored != j.derived[i].Record() {
			t.Errorf("the outcome has %+v, and stored is %+v", j.derived[i].Record(), stored)
		}
	}
	again, err := j.Apply(j.batch(rule), j.Position())
	if err != nil || len(again) != 5 || !reflect.DeepEqual(again[3:], j.derived) {
		t.Errorf("the acknowledgement was lost, and now the outcomes are\n%s (%v)", summarize(again), err)
	}
	j.expect(commands(rule, ruled(sender("guest2"), "s3", wire.SlowKey, wire.NumberValue(6), 0)), fmt.Sprint("repeat ", j.Bounds("den").Last-1), "refused not_allowed")
	if len(j.derived) != 0 || len(j.all("~den")) != before+3 {
		t.Errorf("commands that change nothing have derived\n%s", summarizeRecords(j.derived))
	}
	j.expect(commands(eventlog.Command{Kind: eventlog.AppendLog, SenderID: sender("owner"), Room: "~den", ID: "x"}), "refused bad_request")
}

func summarizeRecords(outcomes []eventlog.Outcome) string {
	lines := make([]string, len(outcomes))
	for i := range outcomes {
		r := outcomes[i].Record()
		lines[i] = fmt.Sprint(r.Room, " ", r.N)
	}
	return strings.Join(lines, "\n")
}

// testModeratorsRoom: the rooms of moderators and owners have the rules of their room, and nothing that belongs there.
func testModeratorsRoom(t *testing.T, j *tested) {
	if got := mustApply(j, say(eventlog.OperatorSender, "~lobby", "early", "x")); len(got) != 0 {
		t.Errorf("below the level, a message in a room of moderators has the outcomes %v", got)
	}
	withRoles(j)
	for _, role := range roles {
		by := sender(role)
		if role == "operator" {
			by = eventlog.OperatorSender
		}
		for room, wants := range map[string]string{"~den": "moderator owner operator", "~~den": "owner operator"} {
			may := strings.Contains(wants, role)
			if got := j.CanRead(room, by, j.at); got != may {
				t.Errorf("%s may read %s: %v", role, room, got)
			}
			if refused := j.RefusedReading(room, by, j.at); (refused == nil) != may {
				t.Errorf("reading %s is refused for %s: %v", room, role, refused)
			}
			if got := j.saves(say(by, room, "talk"+role, "hello")); got != may {
				t.Errorf("%s posts in %s: %v", role, room, got)
			}
			if got, _ := j.Role(room, by, j.at); (got > wire.RoleNone) != may {
				t.Errorf("the role of %s in %s is %v", role, room, got)
			}
		}
	}
	owner := sender("owner")
	in := func(c eventlog.Command) eventlog.Command {
		c.Room = "~den"
		return c
	}
	j.expect(commands(
		in(ruled(owner, "x1", wire.SlowKey, wire.NumberValue(5), 0)), in(ruled(owner, "x2", wire.TopicKey, wire.TextValue("x"), 0)), in(ask(owner, "x3", "question", "?")),
		in(ask(owner, "x4", "poll", "?", "a", "b")), in(eraseBy("x5", 1, 1, sender("moderator"))), in(invite(owner, "x6", "secret", wire.RoleGuest, 1, j.at+hour)),
		say(eventlog.OperatorSender, "~nowhere", "x7", "x"), change(owner, "x8", 1, "x"),
	), "refused bad_request", "refused bad_request", "refused bad_request", "refused bad_request", "refused bad_request", "refused bad_request", "refused not_allowed", "refused bad_request")
	log := j.all("~den")[0]
	del := erase(eventlog.OperatorSender, "x9", log.N)
	del.Room = "~den"
	j.expect(commands(del), "refused not_allowed")
	for _, room := range []string{"~den", "~~den"} { // what is deleted there is recorded in no other room
		j.saves(say(owner, room, "talk", "hello"))
		del := erase(eventlog.OperatorSender, "del", j.Bounds(room).Last)
		del.Room = room
		if o := j.apply(del)[0]; o.Status != eventlog.Saved || len(j.derived) > 0 {
			t.Errorf("deleting a message of %s is %s, and derives\n%s", room, summary(o), summarizeRecords(j.derived))
		}
	}
	j.saves(ruled(eventlog.OperatorSender, "ban", wire.PersonPrefix+sender("moderator"), wire.TextValue(wire.Ban), 0))
	if j.CanRead("~den", sender("moderator"), j.at) {
		t.Error("a moderator who is banned reads the room of the moderators")
	}
	j.apply(limitRooms(1)) // only "den" counts
	j.expect(commands(say("anna", "other", "a", "x"), remove("den", j.Bounds("den").Last), say("anna", "other", "a", "x")), "refused not_allowed", "done", "saved 1")
	for _, room := range []string{"~den", "~~den"} {
		if !j.Bounds(room).Empty() || len(j.all(room)) > 0 {
			t.Errorf("%s is left when its room was removed", room)
		}
	}
	if got := summarizeRecords(j.derived); got != "~den 0\n~~den 0" && len(j.derived) != 2 {
		t.Errorf("removing derives\n%s", got)
	}
}

// testActions: everything that a moderator does is recorded once, and no secret is.
func testActions(t *testing.T, j *tested) {
	withRoles(j)
	owner, moderator, guest := sender("owner"), sender("moderator"), sender("guest")
	begin := len(j.actions("~den"))
	j.apply(reserve(guest, "Gus"))
	j.saves(say(guest, "den", "g1", "spam"))
	spam := j.Bounds("den").Last
	del := erase(moderator, "d1", spam)
	del.Room = "den"
	until := j.at + hour
	for _, c := range []eventlog.Command{
		ruled(moderator, "a1", wire.SlowKey, wire.NumberValue(5), until),
		ruled(moderator, "a2", wire.SlowKey, wire.NumberValue(7), 0),
		ruled(moderator, "a3", wire.PersonPrefix+guest, wire.TextValue(wire.Mute), until),
		ruled(moderator, "a4", wire.PersonPrefix+guest, wire.Value{}, 0),
		ruled(owner, "a5", wire.PasswordKey, wire.TextValue("$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"), 0),
		ruled(owner, "a6", wire.PresetKey, wire.TextValue(wire.PresetClass), 0),
		ruled(owner, "a7", wire.TopicKey, wire.TextValue("no rule"), 0),
		del,
		invite(owner, "i1", "secret", wire.RoleTrusted, 3, until),
		redeem(guest, "secret"),
	} {
		if c.Kind == eventlog.Invite || c.Kind == eventlog.Redeem {
			c.Room = "den"
		}
		if !j.saves(c) {
			t.Fatalf("%v %s was refused", c.Kind, c.ID)
		}
	}
	j.saves(say(guest, "den", "g2", "more spam"))
	n := j.Bounds("den").Last
	erasure := eraseBy("e1", n, n, guest)
	erasure.Room = "den"
	j.saves(erasure)
	undo := eventlog.Command{Kind: eventlog.Restore, SenderID: eventlog.OperatorSender, Room: "den", ID: "u1", Body: eventlog.RestoreBody{Erasure: n + 1}}
	j.saves(undo)
	want := []string{
		fmt.Sprintf("moderator set slow =5 until=%d", until), "moderator set slow =7 before=5",
		fmt.Sprintf("moderator set person/%s =mute by=%s from=Gus until=%d", guest, guest, until), fmt.Sprintf("moderator set person/%s before=mute by=%s from=Gus", guest, guest),
		"owner set password =set", "owner set preset =class", fmt.Sprintf("moderator delete by=%s from=Gus of=%d", guest, spam),
		fmt.Sprintf("owner invite =trusted until=%d count=3", until), "guest redeem =trusted by=" + owner,
		fmt.Sprintf("operator erase by=%s from=Gus by %s count=1 erasure=%d", guest, guest, n+1), fmt.Sprintf("operator undo erasure=%d", n+1),
	}
	if got := j.actions("~den")[begin:]; !reflect.DeepEqual(got, want) {
		t.Errorf("the actions are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, r := range j.all("~den") {
		if strings.Contains(r.Body, "argon2id") || strings.Contains(r.Body, eventlog.DigestOf("secret")) {
			t.Errorf("the record %d has a secret: %q", r.N, r.Body)
		}
	}
}

// invite makes an invite to the room "den" with a secret.
func invite(by, id, secret string, role wire.Role, uses int, until wire.Time) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Invite, SenderID: by, Room: "den", ID: id, Body: eventlog.InviteBody{Digest: eventlog.DigestOf(secret), Role: role, Uses: uses, Until: until}}
}
