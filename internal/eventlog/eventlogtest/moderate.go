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

// eraseBy erases the messages of senders in the lobby, as the operator.
func eraseBy(id string, from, to uint64, by ...string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Erase, SenderID: eventlog.OperatorSender, Room: "lobby", ID: id, Body: eventlog.EraseBody{
		By: by, From: from, To: to, Count: 1, Asked: "by " + strings.Join(by, " "),
	}}
}

// restore undoes an erasure in the lobby.
func restore(id string, erasure uint64) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Restore, SenderID: eventlog.OperatorSender, Room: "lobby", ID: id, Body: eventlog.RestoreBody{Erasure: erasure}}
}

// steps applies the steps of all erasures until there are none.
func (j *tested) steps(expire bool) {
	j.t.Helper()
	for range 1000 {
		steps := j.ErasureSteps(j.at, expire)
		if len(steps) == 0 {
			return
		}
		j.apply(steps...)
	}
	j.t.Fatalf("the erasures do not end")
}

// texts returns the texts of the messages of the lobby, and the type of each other record.
func (j *tested) texts() (texts []string) {
	j.t.Helper()
	for _, f := range j.frames("lobby") {
		switch f := f.(type) {
		case wire.Message:
			if f.Gone {
				texts = append(texts, fmt.Sprint("gone ", f.Edited))
			} else {
				texts = append(texts, f.Text)
			}
		case wire.Changed:
			if f.Text != nil {
				texts = append(texts, "changed to "+*f.Text)
			} else {
				texts = append(texts, fmt.Sprint("changed ", []wire.Range(f.Of)))
			}
		case wire.Restored:
			texts = append(texts, fmt.Sprint("restored ", []wire.Range(f.Of)))
		default:
			texts = append(texts, f.Type())
		}
	}
	return texts
}

func (j *tested) wantTexts(want ...string) {
	j.t.Helper()
	if got := j.texts(); !slices.Equal(got, want) {
		j.t.Fatalf("the lobby has\n%q\nwant\n%q", got, want)
	}
}

func (j *tested) vault() int {
	j.t.Helper()
	entries, err := j.Entries(eventlog.Vault, "lobby", "", "", eventlog.MaxEntries)
	if err != nil {
		j.t.Fatalf("Entries: %v", err)
	}
	return len(entries)
}

func testErase(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(say("anna", "lobby", "1", "one"), say("bert", "lobby", "2", "spam"), say("carl", "lobby", "3", "more spam"), say("bert", "lobby", "4", "five"), say("bert", "lobby", "5", "later")),
		"saved 1", "saved 2", "saved 3", "saved 4", "saved 5")
	j.expect(commands(change("bert", "c1", 2, "edited spam")), "saved 6")
	outcomes := j.apply(eraseBy("e1", 2, 4, "bert"), eraseBy("e1", 2, 4, "bert"))
	if got := summarize(outcomes); got != "saved 7\nrepeat 7" {
		t.Fatalf("an erasure is %s", got)
	}
	if want := (wire.Range{From: 2, To: 7}); outcomes[0].Rewritten != want {
		t.Errorf("the erasure has rewritten %v, want %v", outcomes[0].Rewritten, want)
	}
	// Before the first step, the messages are hidden, and so is the text of the edit, which is above the range.
	hidden := []string{"one", "gone 7", "more spam", "gone 7", "later", "changed []", "changed [{2 4}]"}
	j.wantTexts(hidden...)
	before, _, err := j.ReadBefore("lobby", 5, 1)
	if err != nil || len(before) != 1 {
		t.Fatalf("ReadBefore: %v, %v", before, err)
	}
	if text, _ := before[0].SearchText(); text != "" {
		t.Errorf("ReadBefore returns the text %q of a hidden message", text)
	}
	j.expect(commands(change("bert", "c2", 4, "again"), say("anna", "lobby", "6", "yes")), "refused gone", "saved 8")
	j.steps(false)
	j.wantTexts(append(hidden, "yes", "changed [{2 2} {4 4}]")...)
	j.expect(commands(restore("r1", 7)), "saved 10")
	j.steps(false)
	j.wantTexts("one", "edited spam", "more spam", "five", "later", "changed []", "changed [{2 4}]", "yes", "changed [{2 2} {4 4}]", "restored []", "restored [{2 2} {4 4}]")
	// A restored message can be edited and erased again.
	j.expect(commands(change("bert", "c3", 2, "spam again"), eraseBy("e2", 1, 11, "bert")), "saved 12", "saved 13")
	j.steps(false)
	if got := j.texts()[:5]; !slices.Equal(got, []string{"one", "gone 13", "more spam", "gone 13", "gone 13"}) {
		t.Errorf("erased again, the lobby has %q", got)
	}
}

func testEraseSteps(t *testing.T, j *tested) {
	allowChanges(j)
	var all []eventlog.Command
	for i := range 1200 {
		all = append(all, say([]string{"anna", "bert", "carl"}[i%3], "lobby", fmt.Sprint(i), fmt.Sprint("text ", i)))
	}
	j.apply(all...)
	before := j.all("lobby")
	j.expect(commands(eraseBy("e1", 1, 1200, "bert", "carl")), "saved 1201")
	erased := func(r *eventlog.Record) bool {
		m, is, err := r.Message()
		if err != nil {
			t.Fatal(err)
		}
		return is && m.Gone && m.Edited == 1201
	}
	check := func(when string) {
		t.Helper()
		for i, r := range j.all("lobby")[:1200] {
			if want := i%3 > 0; erased(&r) != want || !want && r != before[i] {
				t.Fatalf("%s, message %d is erased: %v, want %v: %+v", when, i+1, erased(&r), want, r)
			}
		}
	}
	check("before the first step")
	steps := j.ErasureSteps(j.at, false)
	if len(steps) != 1 {
		t.Fatalf("there are the steps %+v, want one", steps)
	}
	// Only one of two nodes that submit the same step takes it.
	outcomes := j.apply(steps[0], steps[0])
	if !outcomes[0].HasRecord() || outcomes[1].HasRecord() || outcomes[0].N != 1202 {
		t.Errorf("the same step twice has the outcomes %s", summarize(outcomes))
	}
	check("after the first step")
	j.steps(false)
	check("after all steps")
	if got := j.vault(); got != eventlog.MaxEntries {
		t.Errorf("the vault has %d messages, want %d or more", got, eventlog.MaxEntries)
	}
	var ranges []wire.Range
	for _, f := range j.frames("lobby")[1201:] {
		changed, is := f.(wire.Changed)
		if !is || changed.Erasure != 1201 || changed.Text != nil || changed.SenderID != "" {
			t.Fatalf("a step has the frame %+v", f)
		}
		ranges = append(ranges, changed.Of...)
	}
	want := 400
	for n := eventlog.EraseStepSize; n < 1200; n += eventlog.EraseStepSize {
		if n%3 == 2 { // a range that begins there is cut in two
			want++
		}
	}
	if len(ranges) != want || ranges[0] != (wire.Range{From: 2, To: 3}) {
		t.Errorf("the steps have %d ranges, want %d; the first is %v", len(ranges), want, ranges[0])
	}
	restored := 1201 + uint64(1200+eventlog.EraseStepSize-1)/eventlog.EraseStepSize + 1 // each step has a number
	j.expect(commands(restore("r1", 1201), restore("r2", 1201), restore("r1", 1201)),
		fmt.Sprint("saved ", restored), "refused gone", fmt.Sprint("repeat ", restored))
	step := j.apply(j.ErasureSteps(j.at, false)...)
	if want := (wire.Range{From: 1, To: restored + 1}); step[0].Rewritten != want {
		t.Errorf("a step has rewritten %v, want %v", step[0].Rewritten, want)
	}
	if rows := j.all("lobby"); rows[1] != before[1] || !erased(&rows[1199]) {
		t.Errorf("after a step, the second message is %+v, and the last %+v", rows[1], rows[1199])
	}
	j.steps(false)
	if got := j.all("lobby")[:1200]; !reflect.DeepEqual(got, before) {
		t.Errorf("the restored room differs from the one before")
	}
	if j.vault() > 0 || j.Erasure("lobby", 1201) != nil {
		t.Errorf("the vault has %d messages after the erasure was undone, and the erasure is %+v", j.vault(), j.Erasure("lobby", 1201))
	}
	j.expect(commands(restore("r3", 1201)), "refused gone")
}

// testEraseAndDelete: what its author has deleted, before a moderator erased it or after, stays deleted when the erasure is
// undone.
func testEraseAndDelete(t *testing.T, j *tested) {
	allowChanges(j)
	j.apply(say("bert", "lobby", "1", "one"), say("bert", "lobby", "2", "two"), say("bert", "lobby", "3", "three"), say("bert", "lobby", "4", "four"))
	j.expect(commands(change("bert", "c1", 3, "third"), erase("bert", "c2", 1), eraseBy("e1", 1, 4, "bert"), erase("bert", "c3", 2)), "saved 5", "saved 6", "saved 7", "saved 8")
	j.steps(false)
	j.expect(commands(erase("anna", "c4", 3), change("bert", "c5", 3, "again"), erase("bert", "c6", 3)), "refused gone", "refused gone", "saved 10")
	if got := j.vault(); got != 1 {
		t.Errorf("the vault has %d messages, want the one that its author has not deleted", got)
	}
	j.expect(commands(restore("r1", 7)), "saved 11")
	j.steps(false)
	j.wantTexts("gone 6", "gone 8", "gone 10", "four", "changed []", "changed [{1 1}]", "changed [{1 4}]", "changed [{2 2}]", "changed [{3 4}]", "changed [{3 3}]", "restored []", "restored [{4 4}]")
	if got := j.vault(); got > 0 {
		t.Errorf("the vault has %d messages", got)
	}
}

// testEraseStatus: polls, questions, marks and counts of restored messages are those of before.
func testEraseStatus(t *testing.T, j *tested) {
	allowChanges(j)
	poll := say("bert", "lobby", "1", "Tea?")
	poll.Body = eventlog.SayAs{As: wire.Poll, Options: []string{"yes", "no"}}
	j.apply(poll, say("bert", "lobby", "2", "two"))
	j.apply(markIn("lobby", "anna", 1, "0", true), markIn("lobby", "anna", 2, "up", true), eventlog.Command{Kind: eventlog.Set, SenderID: "bert", Room: "lobby", ID: "s1", Body: eventlog.SetBody{Key: "poll/1", Value: wire.TextValue(wire.PollOver)}})
	j.at += 2000
	j.expect(commands(eraseBy("e1", 1, 2, "bert")), "saved 4")
	if got := mustApply(j, tally("lobby")); got[0].HasRecord() {
		t.Errorf("a tally of hidden messages has the record %+v", got[0].Record())
	}
	j.expect(commands(markIn("lobby", "carl", 2, "up", true)), "refused gone")
	j.steps(false)
	if settings, _, _ := j.Settings("lobby", "", "", 10); len(settings) > 0 {
		t.Errorf("after the erasure there are the settings %+v", settings)
	}
	j.expect(commands(restore("r1", 4)), "saved 6")
	j.steps(false)
	if settings, _, _ := j.Settings("lobby", "", "", 10); len(settings) != 1 || *settings[0].Value.Text != wire.PollOver {
		t.Errorf("after the restore there are the settings %+v", settings)
	}
	j.at += 2000
	j.apply(tally("lobby"))
	var counts []wire.Counts
	for _, f := range j.frames("lobby")[:2] {
		counts = append(counts, f.(wire.Message).Tally)
	}
	if want := []wire.Counts{{"0": 1}, {"up": 1}}; !reflect.DeepEqual(counts, want) {
		t.Errorf("the restored messages have the counts %v, want %v", counts, want)
	}
}

// testEraseExpires: after VaultLife an erasure cannot be undone, and nothing of it is stored. A final erasure stores nothing to
// begin with, and deletes what others have stored.
func testEraseExpires(t *testing.T, j *tested) {
	allowChanges(j)
	for i := range 3 {
		j.apply(say("bert", "lobby", fmt.Sprint("b", i), "spam"), say("carl", "lobby", fmt.Sprint("c", i), "spam"))
	}
	j.expect(commands(eraseBy("e1", 1, 6, "bert")), "saved 7")
	j.steps(true)
	j.at += wire.Time(eventlog.VaultLife / time.Millisecond)
	if steps := j.ErasureSteps(j.at, false); len(steps) > 0 {
		t.Errorf("with an unsteady clock there are the steps %+v", steps)
	}
	j.expect(commands(restore("r1", 7)), "refused gone")
	j.steps(true)
	if j.vault() > 0 || j.Erasure("lobby", 7) != nil {
		t.Errorf("the vault has %d messages, and the erasure is %+v", j.vault(), j.Erasure("lobby", 7))
	}
	j.expect(commands(eraseBy("e2", 1, 6, "carl")), "saved 9")
	j.steps(false)
	final := eraseBy("e3", 1, 6, "carl")
	body := final.Body.(eventlog.EraseBody)
	body.Final = true
	final.Body = body
	j.expect(commands(final, restore("r2", 11)), "saved 11", "refused gone")
	j.steps(false)
	if got := j.vault(); got > 0 {
		t.Errorf("after a final erasure the vault has %d messages", got)
	}
	// Trimmed messages leave the vault.
	j.apply(say("bert", "lobby", "d", "spam"))
	j.expect(commands(eraseBy("e4", 12, 12, "bert")), "saved 13")
	j.steps(false)
	if got := j.vault(); got != 1 {
		t.Fatalf("the vault has %d messages, want 1", got)
	}
	j.apply(trim("lobby", 12))
	if got := j.vault(); got > 0 {
		t.Errorf("after a trim the vault has %d messages", got)
	}
}

func testRefusedErase(t *testing.T, j *tested) {
	j.expect(commands(say("bert", "lobby", "1", "one")), "saved 1")
	if got := mustApply(j, eraseBy("e1", 1, 1, "bert")); len(got) != 0 {
		t.Errorf("below the level, an erasure has the outcomes %v", got)
	}
	allowChanges(j)
	mine := eraseBy("e2", 1, 1, "bert")
	mine.SenderID = "anna"
	j.expect(commands(mine, eraseBy("e3", 1, 2, "bert"), eraseBy("e4", 1, 1), restore("r1", 1)), "refused not_allowed", "refused bad_request", "refused gone", "refused gone")
	j.wantTexts("one")
}

// testEraseReopened: an erasure goes on after the store was closed in the middle of it, and so does its undoing.
func testEraseReopened(t *testing.T, location Location) {
	if !location.Persistent {
		t.Skip("the store loses everything when it is closed")
	}
	j := &tested{Store: location.Open(), t: t, at: start}
	allowChanges(j)
	var all []eventlog.Command
	for i := range 1100 {
		all = append(all, say("bert", "lobby", fmt.Sprint(i), fmt.Sprint("text ", i)))
	}
	j.apply(all...)
	before := j.all("lobby")
	reopen := func() {
		t.Helper()
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = &tested{Store: location.Open(), t: t, at: start}
	}
	gone := func() (count int) {
		t.Helper()
		for _, r := range j.all("lobby")[:1100] {
			if m, _, _ := r.Message(); m.Gone {
				count++
			}
		}
		return count
	}
	j.expect(commands(eraseBy("e1", 1, 1100, "bert")), "saved 1101")
	for j.Erasure("lobby", 1101).Phase == eventlog.Erasing {
		reopen()
		if got := gone(); got != 1100 {
			t.Fatalf("after the store was opened, %d messages are gone, want 1100", got)
		}
		j.apply(j.ErasureSteps(j.at, false)...)
	}
	j.apply(restore("r1", 1101))
	for j.Erasure("lobby", 1101) != nil {
		reopen()
		j.apply(j.ErasureSteps(j.at, false)...)
	}
	reopen()
	if got := j.all("lobby")[:1100]; !reflect.DeepEqual(got, before) {
		t.Errorf("%d restored messages are gone", gone())
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// testEraseRoles: moderators erase what senders with lower roles have posted lately, and owners more. Each undoes the own erasures, and
// those of lower roles.
func testEraseRoles(t *testing.T, j *tested) {
	allowChanges(j)
	role := func(id, by string, role wire.Role) eventlog.Command {
		return eventlog.Command{Kind: eventlog.Set, SenderID: eventlog.OperatorSender, Room: "lobby", ID: id, Body: eventlog.SetBody{Key: wire.RolePrefix + by, Value: wire.TextValue(role.String())}}
	}
	const owner, one, other, guest = "ownerownerownero", "moderatormoderat", "othermoderatorot", "guestguestguestg"
	j.apply(role("r1", owner, wire.RoleOwner), role("r2", one, wire.RoleModerator), role("r3", other, wire.RoleModerator))
	j.apply(say(guest, "lobby", "g1", "old"))
	j.at += wire.Time(25 * time.Hour / time.Millisecond)
	j.expect(commands(say(guest, "lobby", "g2", "spam"), say(one, "lobby", "o1", "moderator")), "saved 5", "saved 6")
	n := 0
	as := func(sender string, c eventlog.Command) eventlog.Command {
		n++
		c.SenderID, c.ID = sender, fmt.Sprint("as", n)
		return c
	}
	many := eraseBy("", 5, 5, guest)
	body := many.Body.(eventlog.EraseBody)
	body.Count = eventlog.ModeratorErases + 1
	many.Body = body
	for _, c := range []struct {
		what    string
		command eventlog.Command
		want    string
	}{
		{"a guest", as(guest, eraseBy("", 5, 5, guest)), "refused not_allowed"},
		{"a moderator, old messages", as(one, eraseBy("", 4, 5, guest)), "refused not_allowed"},
		{"a moderator, many messages", as(one, many), "refused not_allowed"},
		{"a moderator, of another", as(other, eraseBy("", 5, 6, guest, one)), "refused not_allowed"},
		{"a moderator, of the owner", as(one, eraseBy("", 5, 6, owner)), "refused not_allowed"},
		{"a moderator", as(one, eraseBy("", 5, 5, guest)), "saved 7"},
		{"the undoing of a guest", as(guest, restore("", 7)), "refused not_allowed"},
		{"the undoing of another moderator", as(other, restore("", 7)), "refused not_allowed"},
		{"the undoing of the owner", as(owner, restore("", 7)), "saved 9"},
	} {
		j.steps(false)
		if got := summarize(j.apply(c.command)); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
	j.steps(false)
	if got := j.texts()[3:6]; !slices.Equal(got, []string{"old", "spam", "moderator"}) {
		t.Errorf("after all is undone, the lobby has %q", got)
	}
	j.apply(as(owner, eraseBy("", 1, 6, guest, one)))
	j.steps(false)
	if got := j.texts()[3:6]; slices.ContainsFunc(got, func(s string) bool { return !strings.HasPrefix(s, "gone") }) {
		t.Errorf("after the owner has erased all, the lobby has %q", got)
	}
}

// testEraseRanges: an erasure that names ranges erases and restores the messages of its senders in them, and no others.
func testEraseRanges(t *testing.T, j *tested) {
	allowChanges(j)
	for i := range 6 {
		j.apply(say([]string{"anna", "bert"}[i%2], "lobby", fmt.Sprint(i), fmt.Sprint("text ", i+1)))
	}
	c := eraseBy("e", 1, 6, "bert")
	body := c.Body.(eventlog.EraseBody)
	body.Of = [][2]uint64{{1, 2}, {6, 6}}
	c.Body = body
	j.expect(commands(c), "saved 7")
	want := []string{"text 1", "gone 7", "text 3", "text 4", "text 5", "gone 7", "changed [{1 2} {6 6}]"}
	j.wantTexts(want...) // hidden
	j.steps(false)
	j.wantTexts(append(want, "changed [{2 2} {6 6}]")...)
	j.expect(commands(restore("r", 7)), "saved 9")
	j.steps(false)
	j.wantTexts("text 1", "text 2", "text 3", "text 4", "text 5", "text 6", "changed [{1 2} {6 6}]", "changed [{2 2} {6 6}]", "restored []", "restored [{2 2} {6 6}]")
}
