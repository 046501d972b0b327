package eventlogtest

import (
	"fmt"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// testFloodOfReports: guests add a limited number of reports and withdrawn messages within a day to the room of the moderators, however
// many guests there are. Reports of people whom a moderator trusts are not displaced, and on the next day all can report again.
func testFloodOfReports(t *testing.T, j *tested) {
	holding(j)
	j.saves(ruled(eventlog.OperatorSender, "guests", wire.EveryoneKey, wire.TextValue("guest"), 0))
	j.saves(ruled(sender("owner"), "free", wire.HoldKey, wire.Value{}, 0))
	var said []eventlog.Command
	for i := range eventlog.MaxReports + 1 {
		said = append(said, say(sender("guest"), "den", fmt.Sprint("m", i), "x"))
	}
	first := j.apply(said...)[0].N
	report := func(by string, i int) eventlog.Command {
		return eventlog.Command{Kind: eventlog.Report, SenderID: by, Room: "den", ID: "r", Body: eventlog.ReportBody{Of: first + uint64(i)}}
	}
	before := len(j.all("~den"))
	for i := range eventlog.MaxReportsOfDay / eventlog.MaxReports {
		var all []eventlog.Command
		for k := range eventlog.MaxReports {
			all = append(all, report(sender(fmt.Sprint("g", i)), k))
		}
		for _, o := range j.apply(all...) {
			if o.Status == eventlog.Refused {
				t.Fatalf("a report of sender %d is %s", i, summary(o))
			}
		}
	}
	late, trusted := sender("late"), sender("trusted")
	o := j.apply(report(late, 0))[0]
	if o.Err == nil || o.Err.Rule != wire.RuleReports || o.Err.Until <= j.at || len(j.all("~den")) != before+eventlog.MaxReportsOfDay {
		t.Fatalf("one report more is %s: %+v, with %d records", summary(o), o.Err, len(j.all("~den"))-before)
	}
	j.expect(commands(report(trusted, 0), report(sender("g0"), 0)), "done", "done")

	j.saves(ruled(sender("owner"), "again", wire.HoldKey, wire.TextValue(wire.HoldAll), 0))
	before = len(j.all("~den"))
	for i := range eventlog.MaxWithdrawnOfDay / 20 {
		var all []eventlog.Command
		for k := range 20 {
			by, id := sender(fmt.Sprint("w", i)), fmt.Sprint(k)
			all = append(all, say(by, "den", id, "x"), judge(by, by, id, eventlog.Withdrawn))
		}
		for _, o := range j.apply(all...) {
			if o.Status == eventlog.Refused {
				t.Fatalf("withdrawing is %s", summary(o))
			}
		}
	}
	j.expect(commands(say(late, "den", "h", "wait"), judge(late, late, "h", eventlog.Withdrawn)), "held", "refused not_allowed")
	if got := len(j.all("~den")) - before; got != 2*eventlog.MaxWithdrawnOfDay+1 || len(j.waiting()) != 1 {
		t.Errorf("the room of the moderators has %d records more, and waiting are %v", got, j.waiting())
	}
	j.at += wire.Time(23 * time.Hour / time.Millisecond)
	prune := eventlog.Command{Kind: eventlog.PruneEntries, Room: "den", Body: eventlog.PruneEntriesBody{Table: eventlog.Reports, Keys: []string{"\x00day"}}}
	j.apply(prune)
	j.expect(commands(judge(late, late, "h", eventlog.Withdrawn)), "refused not_allowed")
	j.at += wire.Time(2 * time.Hour / time.Millisecond)
	j.expect(commands(report(late, 0), judge(late, late, "h", eventlog.Withdrawn)), "done", "saved 0")
}

// testFloodFromAnAddress: the guests behind one address report and withdraw a tenth of what a room allows within a day, and never more than is
// left for all others: somebody at another address always can. A new key of addresses changes nothing about that.
func testFloodFromAnAddress(t *testing.T, j *tested) {
	holding(j)
	j.saves(ruled(eventlog.OperatorSender, "guests", wire.EveryoneKey, wire.TextValue("guest"), 0))
	j.saves(ruled(sender("owner"), "free", wire.HoldKey, wire.Value{}, 0))
	n := j.apply(say(sender("guest"), "den", "m", "x"))[0].N
	j.saves(ruled(sender("owner"), "again", wire.HoldKey, wire.TextValue(wire.HoldAll), 0))
	senders := 0
	for what, most := range map[string]int{"report": eventlog.MaxReportsOfDay, "withdraw": eventlog.MaxWithdrawnOfDay} {
		// try returns whether somebody who was never here can do it from an address.
		try := func(origin, former byte) *eventlog.Outcome {
			senders++
			by := sender(fmt.Sprint("f", senders))
			c := eventlog.Command{Kind: eventlog.Report, SenderID: by, Room: "den", ID: "r", Body: eventlog.ReportBody{Of: n}}
			if what == "withdraw" {
				j.expect(commands(say(by, "den", "h", "wait")), "held")
				c = judge(by, by, "h", eventlog.Withdrawn)
			}
			o := j.apply(from(c, origin, former))[0]
			if what == "withdraw" && o.Status == eventlog.Refused { // it takes no space
				j.expect(commands(judge(eventlog.OperatorSender, by, "h", eventlog.Rejected)), "saved 0")
			}
			return &o
		}
		fill := func(origin byte, want int) {
			t.Helper()
			for i := range want {
				if o := try(origin, 0); o.Status == eventlog.Refused {
					t.Fatalf("%s %d from the address %d is %s: %v", what, i+1, origin, summary(*o), o.Err)
				}
			}
			if o := try(origin, 0); o.Err == nil || o.Err.Code != wire.NotAllowed || o.Err.Until <= j.at || (o.Err.Rule == wire.RuleReports) != (what == "report") {
				t.Fatalf("%s %d from the address %d is %s: %+v", what, want+1, origin, summary(*o), o.Err)
			}
		}
		share := most / eventlog.AddressShare
		fill(1, share)
		if o := try(2, 1); o.Err == nil { // the same address, hashed with a newer key
			t.Errorf("%s with a new key of addresses is %s", what, summary(*o))
		}
		for origin := byte(3); origin < 11; origin++ {
			fill(origin, share)
		}
		fill(11, share/2) // as many as are left
		fill(12, share/4)
		for range share { // of unknown addresses; the room has a limit
			if o := try(0, 0); o.Status == eventlog.Refused && (o.Err.Until <= j.at || try(13, 0).Status != eventlog.Refused) {
				t.Errorf("%s from an unknown address is %s: %+v", what, summary(*o), o.Err)
			}
		}
		prune := eventlog.PruneEntriesBody{Table: eventlog.Reports}
		for origin := range byte(14) {
			prune.Keys = append(prune.Keys, fmt.Sprintf("\x00day\x00%02x00000000000000", origin))
		}
		j.apply(eventlog.Command{Kind: eventlog.PruneEntries, Room: "den", Body: prune})
		fill(1, 0)
		j.at += day
		j.apply(eventlog.Command{Kind: eventlog.PruneEntries, Room: "den", Body: prune})
		for _, key := range prune.Keys {
			if _, kept, err := j.Entry(eventlog.Reports, "den", key); kept || err != nil {
				t.Errorf("the entry %q is kept for longer than a day: %v", key, err)
			}
		}
		fill(1, share)
	}
}
