package eventlogtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// judge decides about a held message of the room "den".
func judge(by, author, id string, v eventlog.Decision) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Judge, SenderID: by, Room: "den", ID: "j" + id, Body: eventlog.JudgeBody{SenderID: author, ID: id, Decision: v}}
}

// holding makes the room "den", as withRoles does, hold everything that guests post.
func holding(j *tested) {
	withRoles(j)
	j.saves(ruled(sender("owner"), "hold", wire.HoldKey, wire.TextValue(wire.HoldAll), 0))
}

// waiting returns the texts that wait in the room of the moderators.
func (j *tested) waiting() (texts []string) {
	for _, r := range j.all("~den") {
		if m, is, _ := r.Message(); is && m.As == wire.HeldMessage && !m.Gone {
			texts = append(texts, fmt.Sprintf("%s %s", m.ID, m.Text))
		}
	}
	return texts
}

// testHeld: a message that is held has no number. Repeating it changes nothing; what a moderator or its author decides holds for its id.
func testHeld(t *testing.T, j *tested) {
	holding(j)
	guest, moderator := sender("guest"), sender("moderator")
	j.apply(reserve(guest, "Gus"))
	before := j.Bounds("den")
	poll := say(guest, "den", "h4", "which?")
	poll.Body, poll.Re = eventlog.SayAs{As: wire.Poll, Options: []string{"tea", "rice"}}, 1
	j.expect(commands(say(guest, "den", "h1", "one"), say(guest, "den", "h2", "two"), say(guest, "den", "h3", "three"), poll, say(guest, "den", "h1", "one"), say(guest, "den", "h1", "other")),
		"held", "held", "held", "held", "held", "refused id_reused")
	if j.Bounds("den") != before {
		t.Fatalf("held messages have numbers: %v", j.Bounds("den"))
	}
	if got := strings.Join(j.waiting(), ", "); got != "h1 one, h2 two, h3 three, h4 which?" {
		t.Fatalf("waiting are %s", got)
	}
	j.apply(reserve(guest, "Gustav"))
	j.expect(commands(judge(sender("guest2"), guest, "h1", eventlog.Approved), judge(sender("trusted"), guest, "h1", eventlog.Rejected), judge(moderator, guest, "h1", eventlog.Withdrawn), judge(moderator, guest, "h9", eventlog.Approved)),
		"refused not_allowed", "refused not_allowed", "refused not_allowed", "refused gone")
	n := before.Last + 1
	j.expect(commands(judge(moderator, guest, "h1", eventlog.Approved), judge(moderator, guest, "h2", eventlog.Rejected), judge(guest, guest, "h3", eventlog.Withdrawn), judge(sender("owner"), guest, "h4", eventlog.Approved)),
		fmt.Sprint("saved ", n), "saved 0", "saved 0", fmt.Sprint("saved ", n+1))
	records := j.all("den")[before.Last:]
	if len(records) != 2 {
		t.Fatalf("approved are %+v", records)
	}
	first, second := j.message(records[0]), j.message(records[1])
	if first.Text != "one" || first.SenderID != guest || first.DisplayName != "Gus" || first.ID != "h1" || first.N != n {
		t.Errorf("the approved message is %+v", first)
	}
	if second.As != wire.Poll || len(second.Options) != 2 || second.Re != 1 || second.Text != "which?" {
		t.Errorf("the approved poll is %+v", second)
	}
	if len(j.waiting()) != 0 {
		t.Errorf("after the decisions %v wait", j.waiting())
	}
	for _, r := range j.all("~den") {
		for _, text := range []string{"one", "two", "three", "which?"} {
			if m, is, _ := r.Message(); is && strings.Contains(m.Text, text) {
				t.Errorf("record %d of the moderators' room has the text %q", r.N, text)
			}
		}
	}
	j.expect(commands(say(guest, "den", "h1", "one"), say(guest, "den", "h2", "two"), say(guest, "den", "h3", "three"), poll, say(guest, "den", "h1", "other")),
		fmt.Sprint("repeat ", n), "refused held", "refused gone", fmt.Sprint("repeat ", n+1), "refused id_reused")
	j.expect(commands(judge(moderator, guest, "h1", eventlog.Approved), judge(moderator, guest, "h1", eventlog.Rejected), judge(moderator, guest, "h2", eventlog.Rejected), judge(guest, guest, "h2", eventlog.Withdrawn)),
		fmt.Sprint("repeat ", n), "refused gone", "repeat 0", "refused gone")
	j.saves(ruled(sender("owner"), "free", wire.HoldKey, wire.Value{}, 0))
	j.expect(commands(say(guest, "den", "h2", "two")), "refused held")
	j.saves(ruled(sender("owner"), "hold2", wire.HoldKey, wire.TextValue(wire.HoldAll), 0))
	j.expect(commands(say(guest, "den", "h5", "five"), ruled(moderator, "ban", wire.PersonPrefix+guest, wire.TextValue(wire.Ban), 0), judge(moderator, guest, "h5", eventlog.Approved)),
		"held", fmt.Sprint("saved ", j.Bounds("den").Last+1), "refused not_allowed")
}

// testHeldAtOnce: a message can be held, approved and repeated in one batch, and withdrawn in one.
func testHeldAtOnce(t *testing.T, j *tested) {
	holding(j)
	guest, last := sender("guest"), j.Bounds("den").Last
	j.expect(commands(say(guest, "den", "h1", "one"), say(guest, "den", "h2", "two"), judge(sender("owner"), guest, "h1", eventlog.Approved), judge(guest, guest, "h2", eventlog.Withdrawn), judge(sender("owner"), guest, "h1", eventlog.Approved)),
		"held", "held", fmt.Sprint("saved ", last+1), "saved 0", fmt.Sprint("repeat ", last+1))
	if got := j.message(j.all("den")[last]); got.Text != "one" || len(j.waiting()) != 0 {
		t.Errorf("approved is %+v, and waiting are %v", got, j.waiting())
	}
	judged := map[string]uint64{}
	for i := range j.derived {
		if v := j.derived[i].Judged; v != nil {
			judged[v.ID] = v.N
		}
	}
	if len(judged) != 2 || judged["h1"] != last+1 || judged["h2"] != 0 {
		t.Errorf("the authors are told %v", judged)
	}
}

// testHeldRepeatAtOnce: a message that is repeated in the batch that approves it is posted once, whether or not the room still holds
// messages.
func testHeldRepeatAtOnce(t *testing.T, j *tested) {
	holding(j)
	guest, owner, last := sender("guest"), sender("owner"), j.Bounds("den").Last
	j.expect(commands(say(guest, "den", "h1", "one"), say(guest, "den", "h2", "two")), "held", "held")
	j.expect(commands(judge(owner, guest, "h1", eventlog.Approved), say(guest, "den", "h1", "one"), say(guest, "den", "h1", "other")),
		fmt.Sprint("saved ", last+1), fmt.Sprint("repeat ", last+1), "refused id_reused")
	j.expect(commands(ruled(owner, "free", wire.HoldKey, wire.Value{}, 0), judge(owner, guest, "h2", eventlog.Approved), say(guest, "den", "h2", "two")),
		fmt.Sprint("saved ", last+2), fmt.Sprint("saved ", last+3), fmt.Sprint("repeat ", last+3))
	if got := j.Bounds("den").Last; got != last+3 || len(j.waiting()) != 0 {
		t.Errorf("the newest number is %d, want %d, and %v wait", got, last+3, j.waiting())
	}
	j.expect(commands(say(guest, "den", "h1", "one"), say(guest, "den", "h2", "two")), fmt.Sprint("repeat ", last+1), fmt.Sprint("repeat ", last+3))
}

// testEraseHeld: an erasure rejects the held messages that it names, and no others. That is recorded once, and undoing the erasure does not
// bring them back.
func testEraseHeld(t *testing.T, j *tested) {
	withRoles(j)
	guest, guest2, owner := sender("guest"), sender("guest2"), sender("owner")
	n := j.apply(say(guest, "den", "posted", "posted"))[0].N
	j.saves(ruled(owner, "hold", wire.HoldKey, wire.TextValue(wire.HoldAll), 0))
	j.expect(commands(say(guest, "den", "h1", "one"), say(guest, "den", "h2", "two"), say(guest2, "den", "h3", "three"), say(guest2, "den", "h4", "four"), say(sender("trusted"), "den", "h5", "five")),
		"held", "held", "held", "held", "held")
	erase := func(id string, by []string, held ...eventlog.HeldKey) eventlog.Command {
		return eventlog.Command{Kind: eventlog.Erase, SenderID: sender("moderator"), Room: "den", ID: id, Body: eventlog.EraseBody{By: by, From: n, To: n, Count: uint64(len(by)), Asked: "newcomers", Held: held}}
	}
	first := j.Bounds("den").Last + 1
	both := erase("e1", []string{guest}, eventlog.HeldKey{SenderID: guest, ID: "h2"}, eventlog.HeldKey{SenderID: guest2, ID: "h3"})
	j.expect(commands(both), fmt.Sprint("saved ", first))
	if got := strings.Join(j.waiting(), ", "); got != "h1 one, h4 four, h5 five" {
		t.Errorf("waiting are %s", got)
	}
	log := j.all("~den")
	reject, erased := j.message(log[len(log)-2]).Action, j.message(log[len(log)-1]).Action
	if reject == nil || reject.Do != wire.DoReject || reject.Count != 2 || reject.Reason != "newcomers" || erased == nil || erased.Do != wire.DoErase || erased.Erasure != first {
		t.Errorf("the log says %+v and %+v", reject, erased)
	}
	j.expect(commands(say(guest, "den", "h2", "two"), both), "refused held", fmt.Sprint("repeat ", first))

	only := erase("e2", nil, eventlog.HeldKey{SenderID: guest2, ID: "h3"}, eventlog.HeldKey{SenderID: guest2, ID: "h4"})
	j.expect(commands(only, only, erase("e3", nil, eventlog.HeldKey{SenderID: guest2, ID: "h4"})), fmt.Sprint("saved ", first+1), fmt.Sprint("repeat ", first+1), "refused gone")
	if j.Erasure("den", first) == nil || j.Erasure("den", first+1) != nil {
		t.Error("an erasure without messages is stored, or the one with a message is not")
	}
	j.expect(commands(erase("e4", nil, eventlog.HeldKey{SenderID: sender("trusted"), ID: "h5"})), fmt.Sprint("saved ", first+2))
	undo := eventlog.Command{Kind: eventlog.Restore, SenderID: owner, Room: "den", ID: "u1", Body: eventlog.RestoreBody{Erasure: first}}
	j.expect(commands(undo), fmt.Sprint("saved ", first+3))
	j.steps(false)
	if got := strings.Join(j.waiting(), ", "); got != "h1 one" || j.message(j.all("den")[n-1]).Text != "posted" {
		t.Errorf("after the erasure was undone, waiting are %s, and the message is %+v", got, j.message(j.all("den")[n-1]))
	}
	by := erase("e5", nil, eventlog.HeldKey{SenderID: guest, ID: "h1"})
	by.SenderID = sender("trusted")
	j.expect(commands(by), "refused not_allowed")
}

// testHeldOnce: a decision can be repeated, too, if the message cannot.
func testHeldOnce(t *testing.T, j *tested) {
	holding(j)
	guest, owner, n := sender("guest"), sender("owner"), j.Bounds("den").Last+1
	for _, id := range []string{"o1", "o2"} {
		c := say(guest, "den", id, "once")
		c.Once = true
		j.expect(commands(c), "held")
	}
	approve, reject := judge(owner, guest, "o1", eventlog.Approved), judge(owner, guest, "o2", eventlog.Rejected)
	j.expect(commands(approve, reject), fmt.Sprint("saved ", n), "saved 0")
	j.expect(commands(approve, reject), fmt.Sprint("repeat ", n), "repeat 0")
}

// testHeldLimits: a sender has at most 20 messages that wait, and a room 1000.
func testHeldLimits(t *testing.T, j *tested) {
	holding(j)
	j.saves(ruled(eventlog.OperatorSender, "guests", wire.EveryoneKey, wire.TextValue("guest"), 0))
	for i := range eventlog.MaxHeld / eventlog.MaxHeldBySame {
		by := sender(fmt.Sprint("g", i))
		var all []eventlog.Command
		for k := range eventlog.MaxHeldBySame {
			all = append(all, say(by, "den", fmt.Sprint(k), "x"))
		}
		for _, o := range j.apply(all...) {
			if o.Status != eventlog.OnHold {
				t.Fatalf("a message of %s is %s", by, summary(o))
			}
		}
		if i == 0 { // the room has space
			j.expect(commands(say(by, "den", "over", "x")), "refused not_allowed")
		}
	}
	for _, by := range []string{"g0", "late"} {
		o := j.apply(say(sender(by), "den", "over", "x"))[0]
		if o.Status != eventlog.Refused || o.Err.Rule != wire.HoldKey {
			t.Errorf("one more of %s is %s", by, summary(o))
		}
	}
	j.expect(commands(judge(sender("owner"), sender("g0"), "0", eventlog.Rejected), say(sender("late"), "den", "late", "x")), "saved 0", "held")
	j.expect(commands(say(sender("late"), "den", "late2", "x")), "refused not_allowed")
}

// testHeldReopened: the limits count what waits and not what was decided, also after the store was opened again.
func testHeldReopened(t *testing.T, location Location) {
	if !location.Persistent {
		t.Skip("this store is not persistent")
	}
	j := open(t, location)
	holding(j)
	j.saves(ruled(eventlog.OperatorSender, "guests", wire.EveryoneKey, wire.TextValue("guest"), 0))
	for i := range eventlog.MaxHeld / eventlog.MaxHeldBySame {
		var all []eventlog.Command
		for k := range eventlog.MaxHeldBySame {
			all = append(all, say(sender(fmt.Sprint("g", i)), "den", fmt.Sprint(k), "x"))
		}
		j.apply(all...)
	}
	j.expect(commands(judge(sender("owner"), sender("g0"), "0", eventlog.Rejected), judge(sender("owner"), sender("g1"), "0", eventlog.Rejected)), "saved 0", "saved 0")
	at := j.at
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, location)
	j.at = at
	late := sender("late")
	j.expect(commands(say(late, "den", "1", "x"), say(late, "den", "2", "x"), say(late, "den", "3", "x")), "held", "held", "refused not_allowed")
}

// testHeldOrigin: an approved message has the origin with which it was held, and the key of that time.
func testHeldOrigin(t *testing.T, j *tested) {
	holding(j)
	guest, owner := sender("guest"), sender("owner")
	j.apply(rotateAddressKeys(strings.Repeat("a", eventlog.AddressSecretBytes)))
	old := j.AddressKeys()[0].Since
	j.expect(commands(sayFrom(1, guest, "den", "h1", "one"), sayFrom(1, guest, "den", "h2", "two")), "held", "held")
	since := func(n uint64) wire.Time {
		o, _, err := eventlog.OriginOf(j, "den", n)
		if err != nil {
			t.Fatal(err)
		}
		return o.Since
	}
	n := j.Bounds("den").Last + 1
	j.at += wire.Time(eventlog.AddressKeyLife / time.Millisecond)
	j.apply(rotateAddressKeys(strings.Repeat("b", eventlog.AddressSecretBytes)))
	j.expect(commands(judge(owner, guest, "h1", eventlog.Approved)), fmt.Sprint("saved ", n))
	if got := since(n); got != old || len(j.AddressKeys()) != 2 {
		t.Errorf("the key of the origin is used since %v, want %v", got, old)
	}
	j.at += wire.Time(eventlog.AddressKeyLife / time.Millisecond)
	j.apply(rotateAddressKeys(strings.Repeat("c", eventlog.AddressSecretBytes)))
	j.expect(commands(judge(owner, guest, "h2", eventlog.Approved)), fmt.Sprint("saved ", n+1))
	if got := since(n + 1); got != 0 {
		t.Errorf("an origin of a destroyed key is stored with the key of %v", got)
	}
}

// testNoOrphans: what was done in a room adds nothing to the room of its moderators if the room is removed in the same batch. A room in
// which a message was just approved is not removed. An invite to a room that does not exist yet is recorded.
func testNoOrphans(t *testing.T, j *tested) {
	allowChanges(j)
	invite := eventlog.Command{Kind: eventlog.Invite, SenderID: eventlog.OperatorSender, Room: "nowhere", ID: "i", Body: eventlog.InviteBody{
		Digest: eventlog.DigestOf("0123456789abcdefABCDEF"), Role: wire.RoleGuest, Uses: 1, Until: j.at + 1000,
	}}
	remove := func(last uint64) eventlog.Command {
		return eventlog.Command{Kind: eventlog.RemoveRoom, Room: "den", Body: eventlog.RemoveRoomBody{Last: last}}
	}
	wantRooms := func(want string) {
		t.Helper()
		if got := strings.Join(slices.Sorted(maps.Keys(j.AllBounds())), " "); got != want {
			t.Fatalf("the rooms are %q, want %q", got, want)
		}
	}
	wantRooms("")
	owner, guest := sender("o"), sender("g")
	n := j.apply(say(owner, "den", "1", "one"))[0].N
	report := eventlog.Command{Kind: eventlog.Report, SenderID: guest, Room: "den", ID: "r", Body: eventlog.ReportBody{Of: n}}
	j.expect(commands(report, remove(n)), "done", "done")
	wantRooms("")

	n = j.apply(say(owner, "den", "2", "two"))[0].N + 1
	j.expect(commands(ruled(owner, "hold", wire.HoldKey, wire.TextValue(wire.HoldAll), 0), say(guest, "den", "h1", "x"), remove(n)), fmt.Sprint("saved ", n), "held", "done")
	wantRooms("")

	n = j.apply(say(owner, "den", "3", "three"))[0].N + 1
	j.expect(commands(ruled(owner, "hold2", wire.HoldKey, wire.TextValue(wire.HoldAll), 0), say(guest, "den", "h2", "x")), fmt.Sprint("saved ", n), "held")
	j.expect(commands(judge(owner, guest, "h2", eventlog.Approved), remove(n)), fmt.Sprint("saved ", n+1), "refused not_allowed")
	wantRooms("den ~den")
	j.expect(commands(remove(n+1)), "done")
	wantRooms("")

	j.expect(commands(invite), "done")
	wantRooms("~nowhere")
	if got := strings.Join(j.actions("~nowhere"), ", "); got != fmt.Sprintf("operator invite =guest until=%d count=1", j.at+1000) {
		t.Errorf("recorded are %s", got)
	}
	j.expect(commands(say(owner, "nowhere", "1", "one"), eventlog.Command{Kind: eventlog.RemoveRoom, Room: "nowhere", Body: eventlog.RemoveRoomBody{Last: 1}}), "saved 1", "done")
	wantRooms("")
}

// testHeldExpires: nobody decides, and after 7 days the message is rejected.
func testHeldExpires(t *testing.T, j *tested) {
	holding(j)
	guest := sender("guest")
	j.expect(commands(say(guest, "den", "h1", "one")), "held")
	prune := func(table eventlog.Table) eventlog.Command {
		return eventlog.Command{Kind: eventlog.PruneEntries, Room: "den", Body: eventlog.PruneEntriesBody{Table: table, Keys: []string{guest + "\x00h1"}}}
	}
	j.apply(prune(eventlog.Held))
	if len(j.waiting()) != 1 {
		t.Fatal("the message expires at once")
	}
	j.at += wire.Time(eventlog.HeldLife / time.Millisecond)
	j.apply(prune(eventlog.Held))
	if len(j.waiting()) != 0 || len(j.derived) != 1 || j.derived[0].Judged == nil || j.derived[0].Judged.Err.Params[wire.ParamWhy].Text == nil {
		t.Fatalf("after 7 days %v wait, and derived is %+v", j.waiting(), j.derived)
	}
	j.expect(commands(say(guest, "den", "h1", "one")), "refused held")
	j.at += wire.Time(wire.IDLife / time.Millisecond)
	j.apply(prune(eventlog.HeldDecisions))
	j.expect(commands(say(guest, "den", "h1", "one")), "held")
}

// testReports: a message is reported once by a sender, to those who stand above its author.
func testReports(t *testing.T, j *tested) {
	withRoles(j)
	guest, reader := sender("guest"), sender("reader")
	last := j.Bounds("den").Last
	j.apply(say(guest, "den", "g", "spam"), say(sender("moderator"), "den", "m", "hm"))
	report := func(by string, of uint64) eventlog.Command {
		return eventlog.Command{Kind: eventlog.Report, SenderID: by, Room: "den", ID: "r", Body: eventlog.ReportBody{Of: of, Text: "look"}}
	}
	moderators, owners := len(j.all("~den")), len(j.all("~~den"))
	j.expect(commands(report(reader, last+1), report(reader, last+1), report(reader, last+2), report(sender("none"), last+1), report(reader, 900), report(wire.SenderIDOf(""), last+1)),
		"done", "done", "done", "refused not_allowed", "refused bad_request", "refused not_allowed")
	if got := j.all("~den"); len(got) != moderators+1 {
		t.Fatalf("the moderators have %d records more", len(got)-moderators)
	} else if m := j.message(got[moderators]); m.As != wire.ReportMessage || m.Of != last+1 || m.Text != "look" || m.SenderID != reader {
		t.Errorf("the report is %+v", m)
	}
	if got := j.all("~~den"); len(got) != owners+1 || j.message(got[owners]).Of != last+2 {
		t.Errorf("the owners have %+v", got)
	}
	for i := range eventlog.MaxReports + 1 {
		j.apply(say(guest, "den", fmt.Sprint("x", i), "x"))
	}
	for i := range eventlog.MaxReports - 2 {
		j.expect(commands(report(reader, last+3+uint64(i))), "done")
	}
	o := j.apply(report(reader, last+3+eventlog.MaxReports))[0]
	if o.Status != eventlog.Refused || o.Err.Rule != wire.RuleReports || o.Err.Until == 0 {
		t.Errorf("report %d is %s", eventlog.MaxReports+1, summary(o))
	}
	j.at += wire.Time(eventlog.ReportWindow / time.Millisecond)
	j.expect(commands(report(reader, last+3+eventlog.MaxReports)), "done")
	j.saves(ruled(sender("owner"), "mute", wire.PersonPrefix+sender("guest2"), wire.TextValue(wire.Mute), 0))
	j.saves(ruled(sender("owner"), "ban", wire.PersonPrefix+sender("trusted2"), wire.TextValue(wire.Ban), 0))
	j.expect(commands(report(sender("guest2"), last+1), report(sender("trusted2"), last+1)), "done", "refused not_allowed")
}
