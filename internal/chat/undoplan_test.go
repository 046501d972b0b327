package chat

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// The people of a room whose moderator's actions are undone.
const (
	undoOwner = "ownerownerownero"
	undoMod   = "moderatormoderat"
	undoOther = "othermoderatorot"
)

// undoTest is a server with a room "den" that has an owner and two moderators.
type undoTest struct {
	*server
	ids int
}

func newUndoTest(t *testing.T) *undoTest {
	u := &undoTest{server: newestLevel(t, RateLimits{})}
	u.do(eventlog.Command{Kind: eventlog.Say, SenderID: undoOwner, Text: "hello"})
	u.set(eventlog.OperatorSender, wire.RolePrefix+undoOwner, wire.TextValue("owner"), 0)
	for _, who := range []string{undoMod, undoOther} {
		u.set(undoOwner, wire.RolePrefix+who, wire.TextValue("moderator"), 0)
	}
	return u
}

// do applies a command in the room, and returns its outcome.
func (u *undoTest) do(c eventlog.Command) eventlog.Outcome {
	u.tb.Helper()
	u.ids++
	c.Room = "den"
	if c.Kind == eventlog.Trim {
		c.Room = "~den"
	} else if c.ID == "" {
		c.ID = fmt.Sprint("do", u.ids)
	}
	to, outcome := eventlog.ReplyOnce()
	if err := u.submit(eventlog.Submission{Command: c, ReplyTo: to}, nil); err != nil {
		u.tb.Fatal(err)
	}
	u.step()
	return *<-outcome
}

func (u *undoTest) set(by, key string, value wire.Value, until wire.Time) {
	u.tb.Helper()
	if o := u.do(eventlog.Command{Kind: eventlog.Set, SenderID: by, Body: eventlog.SetBody{Key: key, Value: value, Until: until}}); o.Err != nil {
		u.tb.Fatal(o.Err)
	}
}

// plan returns what undoes what the moderator did.
func (u *undoTest) plan() *undoPlan {
	u.tb.Helper()
	p := newUndoPlan(u.store, &wire.Moderate{Room: "den", ID: "u", UndoBy: &wire.ActionsOf{SenderID: undoMod}}, undoOwner, wire.TimeOf(u.clock))
	if err := p.make(context.Background()); err != nil {
		u.tb.Fatal(err)
	}
	return p
}

// take takes the steps of a plan, and returns the codes of refusals.
func (u *undoTest) take(p *undoPlan) (refused []string) {
	u.tb.Helper()
	for i := range p.steps {
		if o := u.do(undoCommand(undoOwner, &wire.Moderate{Room: "den", ID: "u"}, &p.steps[i])); o.Err != nil {
			refused = append(refused, p.steps[i].Key+" "+string(o.Err.Code))
		}
	}
	return refused
}

// rules returns the rules that are in force, without roles.
func (u *undoTest) rules() string {
	var lines []string
	all := u.store.RulesAt("den", wire.TimeOf(u.clock))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if s := all[key]; !strings.HasPrefix(key, wire.RolePrefix) {
			line := key + "=" + string(eventlog.EncodeValue(s.Value)[1:])
			if n := s.Value.Number; n != nil {
				line = fmt.Sprint(key, "=", *n)
			}
			if s.Until != 0 {
				line += fmt.Sprintf(" until +%v", s.Until.Std().Sub(u.clock))
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, ", ")
}

// TestUndoEnds: a rule gets its former end back, also after the record of the person who set it was deleted. A rule that would have ended
// meanwhile is unset.
func TestUndoEnds(t *testing.T) {
	u := newUndoTest(t)
	guest := wire.PersonPrefix + "guestguestguestg"
	u.set(undoOwner, guest, wire.TextValue(wire.Ban), wire.TimeOf(u.clock.Add(time.Hour)))
	u.set(undoOwner, wire.SlowKey, wire.NumberValue(5), wire.TimeOf(u.clock.Add(time.Minute)))
	u.set(undoOwner, wire.LockKey, wire.TextValue(wire.LockOn), 0)
	kept := u.store.Bounds("~den").Last
	u.set(undoMod, guest, wire.TextValue(wire.Ban), 0)
	u.set(undoMod, wire.SlowKey, wire.NumberValue(9), 0)
	u.set(undoMod, wire.LockKey, wire.TextValue(wire.LockOn), wire.TimeOf(u.clock.Add(time.Hour)))
	u.do(eventlog.Command{Kind: eventlog.Trim, Body: eventlog.TrimBody{To: kept}})
	u.clock = u.clock.Add(2 * time.Minute)
	if refused := u.take(u.plan()); len(refused) > 0 {
		t.Fatalf("refused are %q", refused)
	}
	if got, want := u.rules(), "lock=on, "+guest+"=ban until +58m0s"; got != want {
		t.Errorf("the rules are %s, want %s", got, want)
	}
}

// TestUndoPreset: undoing a preset undoes each of its rules, except one that somebody else has changed since. The room may have another owner by then.
func TestUndoPreset(t *testing.T) {
	u := newUndoTest(t)
	u.set(undoOwner, wire.SlowKey, wire.NumberValue(5), wire.TimeOf(u.clock.Add(time.Hour)))
	u.set(undoOwner, wire.HoldKey, wire.TextValue(wire.HoldFirst), 0)
	before := u.rules()
	u.set(undoOwner, wire.RolePrefix+undoMod, wire.TextValue("owner"), 0) // hands over the room
	u.set(undoMod, wire.PresetKey, wire.TextValue(wire.PresetStream), 0)
	u.set(undoMod, wire.RolePrefix+undoOwner, wire.TextValue("owner"), 0) // and takes it back
	if got, want := u.rules(), "may.link=moderator, newcomer=60, preset=stream, slow=10"; got != want {
		t.Fatalf("with the preset, the rules are %s, want %s", got, want)
	}
	u.set(undoOther, wire.NewcomerKey, wire.NumberValue(7), 0)
	p := u.plan()
	if len(p.steps) != 4 || p.restCount != 1 || !strings.Contains(p.rest[0].Reason, "owner") {
		t.Errorf("the plan has the steps %+v, and the rest %+v", p.steps, p.rest)
	}
	if refused := u.take(p); len(refused) > 0 {
		t.Fatalf("refused are %q", refused)
	}
	want := strings.Replace(before, "slow=", "newcomer=7, slow=", 1)
	if got := u.rules(); got != want {
		t.Errorf("the rules are %s, want %s", got, want)
	}
	if p := u.plan(); len(p.steps) != 0 {
		t.Errorf("undone, the plan still has the steps %+v", p.steps)
	}
}

// TestUndoReplaced: a step does not overwrite what was set after the plan was made, even to the same value.
func TestUndoReplaced(t *testing.T) {
	u := newUndoTest(t)
	u.set(undoMod, wire.SlowKey, wire.NumberValue(9), 0)
	u.set(undoMod, wire.LockKey, wire.TextValue(wire.LockOn), 0)
	u.set(undoMod, wire.HoldKey, wire.TextValue(wire.HoldAll), 0)
	u.set(undoMod, wire.HoldKey, wire.Value{}, 0)
	p := u.plan()
	u.set(undoOther, wire.SlowKey, wire.NumberValue(9), 0)
	refused := u.take(p)
	if got := strings.Join(refused, ", "); got != "slow not_allowed" {
		t.Errorf("refused are %s", got)
	}
	if got := u.rules(); got != "slow=9" {
		t.Errorf("the rules are %s", got)
	}
	for i := range p.steps { // repeated, a step is answered as before, and changes nothing
		if p.steps[i].Key == wire.LockKey {
			u.set(undoOther, wire.LockKey, wire.TextValue(wire.LockOn), 0)
			if o := u.do(undoCommand(undoOwner, &wire.Moderate{Room: "den", ID: "u"}, &p.steps[i])); o.Status != eventlog.Repeat {
				t.Errorf("repeating a step: %v %v", o.Status, o.Err)
			}
		}
	}
	if got := u.rules(); got != "lock=on, slow=9" {
		t.Errorf("the rules are %s", got)
	}
}

// TestUndoContinues: a request that has to stop, because the queue is full, says what it did and where to continue. Steps that are refused
// are not in the way of others.
func TestUndoContinues(t *testing.T) {
	u := newUndoTest(t)
	const people = 20
	for i := range people {
		u.set(undoMod, fmt.Sprintf("%s%016d", wire.PersonPrefix, i), wire.TextValue(wire.Mute), 0)
	}
	for i := people / 2; i < people; i++ { // those whom the owner must not unmute: they are owners
		u.set(eventlog.OperatorSender, fmt.Sprintf("%s%016d", wire.RolePrefix, i), wire.TextValue("owner"), 0)
	}
	a := Actor{SenderID: undoOwner, Addr: netip.MustParseAddrPort("192.0.2.1:1")}
	var all wire.Undone
	stops := 0
	for before := uint64(0); ; before = all.Next {
		answers := make(chan wire.Undone, 1)
		m := &wire.Moderate{Room: "den", ID: "u", To: u.store.Bounds("~den").Last, UndoBy: &wire.ActionsOf{SenderID: undoMod, Before: before}}
		err := u.UndoBy(&a, m, func(undone wire.Undone, err error) {
			if err != nil {
				undone = wire.Undone{Code: Refusal(err).Code, Next: before}
			}
			answers <- undone
		})
		if err != nil {
			t.Fatal(err)
		}
		var undone wire.Undone
		for answered := false; !answered; {
			select {
			case undone = <-answers:
				answered = true
			default:
				u.step()
			}
		}
		all.Add(undone)
		if undone.Code != "" {
			stops++
		} else if undone.Next == 0 {
			break
		}
	}
	if all.Count != people/2 || all.Failed != people/2 || len(all.Steps) != people/2 || stops == 0 {
		t.Errorf("undone are %d steps, and %d are refused, of which %d are told; it has stopped %d times", all.Count, all.Failed, len(all.Steps), stops)
	}
	if got := u.rules(); strings.Count(got, "mute") != people/2 {
		t.Errorf("the rules are %s", got)
	}
}

// TestUndoOwnRole: who gave up the role of moderator does not get it back. The owner is told.
func TestUndoOwnRole(t *testing.T) {
	u := newUndoTest(t)
	u.set(undoMod, wire.SlowKey, wire.NumberValue(9), 0)
	u.set(undoMod, wire.RolePrefix+undoMod, wire.Value{}, 0)
	p := u.plan()
	if p.restCount != 1 || p.rest[0].Reason == "" {
		t.Errorf("the rest is %+v", p.rest)
	}
	if refused := u.take(p); len(refused) > 0 {
		t.Fatalf("refused are %q", refused)
	}
	if role, _ := u.store.Role("den", undoMod, wire.TimeOf(u.clock)); role != wire.RoleGuest || u.rules() != "" {
		t.Errorf("the former moderator is %v, and the rules are %s", role, u.rules())
	}
}

// sayFrom posts from an address, and returns the number of the message.
func (u *undoTest) sayFrom(by string, from eventlog.Origin) uint64 {
	u.tb.Helper()
	if len(u.store.AddressKeys()) == 0 {
		secret := bytes.Repeat([]byte("x"), eventlog.AddressSecretBytes)
		to, outcome := eventlog.ReplyOnce()
		if err := u.submit(eventlog.Submission{
			Command: eventlog.Command{Kind: eventlog.RotateAddressKeys, Body: eventlog.RotateAddressKeysBody{Secret: secret}}, ReplyTo: to,
		}, nil); err != nil {
			u.tb.Fatal(err)
		}
		u.step()
		<-outcome
	}
	o := u.do(eventlog.Command{Kind: eventlog.Say, SenderID: by, Text: "hello", Origin: from})
	if o.Err != nil {
		u.tb.Fatal(o.Err)
	}
	return o.N
}

func (u *undoTest) setAddress(by string, of uint64, value wire.Value, until wire.Time) {
	u.tb.Helper()
	body := eventlog.SetBody{Key: wire.AddressKey, Value: value, Until: until, AddressOf: of}
	if o := u.do(eventlog.Command{Kind: eventlog.Set, SenderID: by, Body: body}); o.Err != nil {
		u.tb.Fatal(o.Err)
	}
}

// TestUndoAddress: a rule about an address is one, whichever of its messages was named, also if it ends earlier than the moderator wanted.
func TestUndoAddress(t *testing.T) {
	u := newUndoTest(t)
	a, b := u.sayFrom("guestguestguestg", eventlog.Origin{1}), u.sayFrom("guestguestguesth", eventlog.Origin{1})
	c := u.sayFrom("guestguestguesti", eventlog.Origin{2})
	late := u.clock.Add(eventlog.AddressKeyLife + 24*time.Hour)
	for _, test := range []struct {
		name string
		set  func()
		want string
	}{
		{"by two messages", func() {
			u.setAddress(undoMod, a, wire.TextValue(wire.Mute), 0)
			u.setAddress(undoMod, b, wire.TextValue(wire.Ban), 0)
		}, ""},
		{"lifted by another message", func() {
			u.setAddress(undoMod, a, wire.TextValue(wire.Mute), 0)
			u.setAddress(undoMod, b, wire.Value{}, 0)
		}, ""},
		{"changed by somebody else by another message", func() {
			u.setAddress(undoMod, a, wire.TextValue(wire.Mute), 0)
			u.setAddress(undoOther, b, wire.TextValue(wire.Mute), 0)
		}, fmt.Sprintf("address/%d=mute until +24h0m0s", b)},
		{"ends when the address is forgotten", func() {
			u.clock = late
			u.do(eventlog.Command{Kind: eventlog.Say, SenderID: undoOwner, Text: "later"})
			u.setAddress(undoMod, c, wire.TextValue(wire.Ban), wire.TimeOf(late.Add(wire.MaxAddressRuleTime)))
		}, ""},
	} {
		test.set()
		if refused := u.take(u.plan()); len(refused) > 0 {
			t.Fatalf("%s: refused are %q", test.name, refused)
		}
		if got := u.rules(); got != test.want {
			t.Errorf("%s: the rules are %s, want %s", test.name, got, test.want)
		}
	}
}
