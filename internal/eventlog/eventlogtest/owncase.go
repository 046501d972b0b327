package eventlogtest

import (
	"fmt"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// testOwnCase: somebody who has become a moderator decides nothing about themselves: they settle no report about their messages, also if
// these are not kept any more, and neither approve, reject nor restore these. Others do. An owner, above whom there is nobody, settles all.
func testOwnCase(t *testing.T, j *tested) {
	holding(j)
	guest, moderator, owner := sender("guest"), sender("moderator"), sender("owner")
	n := 0
	in := func(room string, c eventlog.Command) eventlog.Command {
		n++
		c.Room, c.ID = room, fmt.Sprint("own", n)
		return c
	}
	j.saves(ruled(owner, "free", wire.HoldKey, wire.Value{}, 0))
	j.apply(say(guest, "den", "g1", "spam"), say(guest, "den", "g2", "more"), say(guest, "den", "g3", "erased"))
	spam := j.Bounds("den").Last - 2
	report := func(by string, of uint64) (settled func(by string) eventlog.Command) {
		t.Helper()
		j.expect(commands(eventlog.Command{Kind: eventlog.Report, SenderID: by, Room: "den", ID: "r", Body: eventlog.ReportBody{Of: of}}), "done")
		of = j.Bounds("~den").Last
		return func(by string) eventlog.Command { return in("~den", erase(by, "", of)) }
	}
	first, second, third := report(sender("reader"), spam), report(sender("trusted"), spam), report(sender("reader2"), spam+1)
	erasure := in("den", eraseBy("", spam+2, spam+2, guest))
	erasure.SenderID = moderator
	erased := j.apply(erasure)[0].N
	j.saves(ruled(owner, "all", wire.HoldKey, wire.TextValue(wire.HoldAll), 0))
	j.expect(commands(say(guest, "den", "h1", "one"), say(guest, "den", "h2", "two"), say(guest, "den", "h3", "three")), "held", "held", "held")
	j.saves(ruled(owner, "promoted", wire.RolePrefix+guest, wire.TextValue("moderator"), 0))
	j.saves(ruled(owner, "demoted", wire.RolePrefix+moderator, wire.TextValue("guest"), 0))

	j.expect(commands(first(guest), judge(guest, guest, "h1", eventlog.Approved), judge(guest, guest, "h1", eventlog.Rejected), in("den", eventlog.Command{Kind: eventlog.Restore, SenderID: guest, Body: eventlog.RestoreBody{Erasure: erased}})),
		"refused not_allowed", "refused not_allowed", "refused not_allowed", "refused not_allowed")
	other := sender("moderator2")
	j.expect(commands(judge(other, guest, "h1", eventlog.Rejected)), "refused not_allowed") // nobody acts on those who are not lower
	for _, c := range []eventlog.Command{first(other), judge(other, guest, "h1", eventlog.Approved), judge(guest, guest, "h2", eventlog.Withdrawn), judge(owner, guest, "h3", eventlog.Rejected)} {
		if o := j.apply(c)[0]; o.Status != eventlog.Saved {
			t.Errorf("%v is %s", c.Body, summary(o))
		}
	}
	j.apply(eventlog.Command{Kind: eventlog.Trim, Room: "den", Body: eventlog.TrimBody{To: spam}})
	j.expect(commands(second(guest)), "refused not_allowed")
	j.saves(ruled(eventlog.OperatorSender, "owns", wire.RolePrefix+guest, wire.TextValue("owner"), 0))
	for _, c := range []eventlog.Command{second(guest), third(guest), in("den", eventlog.Command{Kind: eventlog.Restore, SenderID: guest, Body: eventlog.RestoreBody{Erasure: erased}})} {
		if o := j.apply(c)[0]; o.Status != eventlog.Saved {
			t.Errorf("an owner: %v is %s", c.Body, summary(o))
		}
	}
}
