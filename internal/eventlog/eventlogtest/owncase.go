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

// mayDecide reports whether a sender may decide about what another has done before that one got the present role: approve or reject a held
// message, settle a report about a message, or restore what was erased.
func (j *acting) mayDecide(verb, by, on, id string) bool {
	j.t.Helper()
	then, key := "guest", wire.RolePrefix+on
	if verb == "restore" {
		then = "moderator"
	}
	present := j.RulesAt("den", j.at)[key].Value
	if on != eventlog.OperatorSender {
		j.saves(ruled(eventlog.OperatorSender, id+"then", key, wire.TextValue(then), 0))
	}
	decide := map[string]func(by, on, id string) eventlog.Command{"approve": j.holdOne, "reject": j.holdOne, "settle": j.reportOne, "restore": j.eraseOne}[verb](by, on, id)
	if on != eventlog.OperatorSender {
		j.saves(ruled(eventlog.OperatorSender, id+"now", key, present, 0))
	}
	if body, is := decide.Body.(eventlog.JudgeBody); is {
		body.Decision = map[string]eventlog.Decision{"approve": eventlog.Approved, "reject": eventlog.Rejected}[verb]
		decide.Body = body
		defer func() { j.saves(judge(eventlog.OperatorSender, on, id, eventlog.Rejected)) }() // makes space
	}
	may := j.saves(decide)
	j.steps(false)
	return may
}

// holdOne lets a message of a sender wait, and returns the command that decides about it.
func (j *acting) holdOne(by, on, id string) eventlog.Command {
	j.saves(ruled(eventlog.OperatorSender, id+"hold", wire.HoldKey, wire.TextValue(wire.HoldAll), 0))
	j.apply(say(on, "den", id, "wait"))
	j.saves(ruled(eventlog.OperatorSender, id+"free", wire.HoldKey, wire.Value{}, 0))
	return judge(by, on, id, eventlog.Approved)
}

// reportOne lets a message of a sender be reported, and returns the command that settles the report.
func (j *acting) reportOne(by, on, id string) eventlog.Command {
	j.saves(say(on, "den", id, "spam"))
	reporter := sender("r" + id)
	j.saves(ruled(eventlog.OperatorSender, id+"reporter", wire.RolePrefix+reporter, wire.TextValue("reader"), 0))
	j.apply(eventlog.Command{Kind: eventlog.Report, SenderID: reporter, Room: "den", ID: "r", Body: eventlog.ReportBody{Of: j.newestMessage("den")}})
	report := j.derived[0]
	settle := erase(by, id+"settle", report.N)
	settle.Room = report.Command.Room
	return settle
}

// eraseOne lets a sender erase a message of a guest, and returns the command that undoes it.
func (j *acting) eraseOne(by, on, id string) eventlog.Command {
	spammer := sender("spammer")
	j.saves(ruled(eventlog.OperatorSender, id+"spammer", wire.RolePrefix+spammer, wire.TextValue("guest"), 0))
	j.saves(say(spammer, "den", id, "spam"))
	n := j.newestMessage("den")
	erasure := eraseBy(id+"erase", n, n, spammer)
	erasure.SenderID, erasure.Room = on, "den"
	n = j.apply(erasure)[0].N
	j.steps(false)
	return eventlog.Command{Kind: eventlog.Restore, SenderID: by, Room: "den", ID: id + "restore", Body: eventlog.RestoreBody{Erasure: n}}
}
