package eventlogtest

import (
	"fmt"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// testRulesOfActs: rules apply to edits and marks as to messages, a wait ends with its rule, and a proof lifts nobody but guests. The room
// of the moderators has none of these rules, and no decisions.
func testRulesOfActs(t *testing.T, j *tested) {
	withRoles(j)
	owner, moderator, guest, reader := sender("owner"), sender("moderator"), derived("guest"), derived("reader")
	j.apply(signIn("one", "guest", "session"), signIn("two", "reader", "other session"))
	j.saves(ruled(owner, "role1", wire.RolePrefix+guest, wire.TextValue("guest"), 0))
	j.saves(ruled(owner, "role2", wire.RolePrefix+reader, wire.TextValue("reader"), 0))
	j.saves(say(guest, "den", "mine", "mine"))
	mine := j.newestMessage("den")
	ids := 0
	try := func(c eventlog.Command) string {
		t.Helper()
		ids++
		c.Room = "den"
		if c.ID = fmt.Sprint("act", ids); c.Kind == eventlog.Mark {
			c.ID = ""
		}
		if o := j.apply(c)[0]; o.Err != nil {
			return o.Err.Rule
		}
		return ""
	}
	want := func(what string, c eventlog.Command, rule string) {
		t.Helper()
		if got := try(c); got != rule {
			t.Errorf("%s is refused by the rule %q, want %q", what, got, rule)
		}
	}
	linked := "https://example.org"
	edit := eventlog.Command{Kind: eventlog.Change, SenderID: guest, Body: eventlog.ChangeBody{Of: mine, Text: &linked, Link: true}}
	j.saves(ruled(owner, "links", wire.MayLinkKey, wire.TextValue("trusted"), 0))
	want("an edit with a link", edit, wire.MayLinkKey)
	j.saves(ruled(owner, "no-links", wire.MayLinkKey, wire.Value{}, 0))
	for _, hold := range []string{wire.HoldAll, wire.HoldLinks} {
		j.saves(ruled(owner, "hold-"+hold, wire.HoldKey, wire.TextValue(hold), 0))
		want("an edit that is held", edit, wire.HoldKey)
	}
	j.saves(ruled(owner, "no-hold", wire.HoldKey, wire.Value{}, 0))

	j.saves(ruled(owner, "known", wire.MaySayKey, wire.TextValue("known"), 0))
	want("a message of a guest with a proof", say(guest, "den", "", "x"), "")
	want("a message of a reader with a proof", say(reader, "den", "", "x"), wire.RuleRole)
	want("a message of a guest without one", say(sender("guest2"), "den", "", "x"), wire.MaySayKey)
	j.saves(ruled(owner, "anyone", wire.MaySayKey, wire.Value{}, 0))
	// A proof is no role: where everyone is a reader, a sender with a proof is one too.
	j.saves(ruled(owner, "readers", wire.EveryoneKey, wire.TextValue("reader"), 0))
	j.saves(ruled(owner, "know", wire.MayReactKey, wire.TextValue("known"), 0))
	want("a mark of a reader with a proof", markIn("den", reader, mine, "up", true), wire.RuleRole)
	j.saves(ruled(owner, "react", wire.MayReactKey, wire.Value{}, 0))

	j.saves(ruled(owner, "newcomers", wire.NewcomerKey, wire.NumberValue(60), 0))
	want("a mark of a newcomer", markIn("den", sender("guest2"), mine, "up", true), wire.NewcomerKey)
	j.saves(ruled(owner, "no-newcomers", wire.NewcomerKey, wire.Value{}, 0))

	end := j.at + 30_000
	j.saves(ruled(owner, "slow", wire.SlowKey, wire.NumberValue(3600), end))
	want("a message", say(guest, "den", "", "x"), "")
	if o := j.apply(say(guest, "den", "soon", "x"))[0]; o.Err == nil || o.Err.Until != end {
		t.Errorf("a second message is %s (%+v), want a wait until the rule ends at %v", summary(o), o.Err, end)
	}
	j.at = end
	want("a message after the rule", say(guest, "den", "", "x"), "")

	j.saves(ruled(owner, "owners", wire.MaySayKey, wire.TextValue("owner"), 0))
	j.saves(ruled(owner, "mute", wire.PersonPrefix+sender("moderator2"), wire.TextValue(wire.Mute), 0))
	if !j.saves(say(moderator, "~den", "m1", "among us")) || j.saves(say(sender("moderator2"), "~den", "m2", "x")) || j.saves(say(guest, "~den", "g1", "x")) {
		t.Error("among moderators, one cannot post, or a muted one or a guest can")
	}
	approve := eventlog.Command{Kind: eventlog.Judge, SenderID: owner, Room: "~den", ID: "j", Body: eventlog.JudgeBody{SenderID: guest, ID: "x", Decision: eventlog.Approved}}
	muted := eventlog.Command{Kind: eventlog.Judge, SenderID: sender("moderator2"), Room: "den", ID: "j", Body: eventlog.JudgeBody{SenderID: guest, ID: "x", Decision: eventlog.Approved}}
	anonymous := eventlog.Command{Kind: eventlog.Judge, SenderID: wire.SenderIDOf(""), Room: "den", ID: "j", Body: eventlog.JudgeBody{SenderID: wire.SenderIDOf(""), ID: "x", Decision: eventlog.Withdrawn}}
	j.expect(commands(approve, muted, anonymous), "refused bad_request", "refused not_allowed", "refused not_allowed")
}

// testRememberedDecisions: a deleted message is not reported, and what is remembered of decisions and reports lasts as long as ids do.
func testRememberedDecisions(t *testing.T, j *tested) {
	holding(j)
	guest, owner := sender("guest"), sender("owner")
	last := j.Bounds("den").Last
	j.expect(commands(say(guest, "den", "h1", "one")), "held")
	j.expect(commands(judge(owner, guest, "h1", eventlog.Rejected), say(owner, "den", "m", "mine")), "saved 0", fmt.Sprint("saved ", last+1))
	report := eventlog.Command{Kind: eventlog.Report, SenderID: guest, Room: "den", ID: "r", Body: eventlog.ReportBody{Of: last + 1}}
	j.apply(report)
	reports := len(j.all("~~den"))
	deleted := eventlog.Command{Kind: eventlog.Report, SenderID: guest, Room: "den", ID: "r", Body: eventlog.ReportBody{Of: 1}}
	gone := erase(owner, "gone", 1)
	gone.Room = "den"
	j.apply(gone)
	if o := j.apply(deleted)[0]; o.Err == nil || o.Err.Code != wire.Gone {
		t.Errorf("a report of a deleted message is %s", summary(o))
	}
	prune := func() {
		t.Helper()
		for table, keys := range map[eventlog.Table][]string{
			eventlog.HeldDecisions: {guest + "\x00h1"}, eventlog.Reports: {guest, fmt.Sprint(guest, "\x00", last+1)},
		} {
			j.apply(eventlog.Command{Kind: eventlog.PruneEntries, Room: "den", Body: eventlog.PruneEntriesBody{Table: table, Keys: keys}})
		}
	}
	j.at += wire.Time(wire.IDLife/time.Millisecond) - 1000
	prune()
	j.expect(commands(say(guest, "den", "h1", "one")), "refused held")
	if j.apply(report); len(j.all("~~den")) != reports {
		t.Error("a message is reported twice")
	}
}
