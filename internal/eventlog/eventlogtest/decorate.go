package eventlogtest

import (
	"errors"
	"fmt"
	"slices"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// decorate edits, deletes, marks, counts or moderates messages of a room, posts a poll there, or sets something. Nobody waits for it.
// First the level is raised to that of the older program.
func (c *cluster) decorate(n *node) {
	c.decorated++
	id := fmt.Sprint("d", c.decorated)
	of := 1 + c.rng.Uint64N(n.store.Bounds("cellar").Last+1)
	by := []string{"plain", "anna", "bert"}[c.rng.IntN(3)]
	var cmd eventlog.Command
	switch k := c.rng.IntN(24); {
	case n.store.Level() < older.Level():
		cmd = raiseLevel(older.Level())
	case n.store.Limits().EditWindow == 0:
		cmd = eventlog.Command{Kind: eventlog.Configure, Body: eventlog.ConfigureBody{Limits: eventlog.Limits{EditWindow: eventlog.MaxEditWindow}}}
	case k < 2:
		cmd = change(by, id, of, "edited")
	case k < 3:
		cmd = erase(by, id, of)
	case k < 6:
		cmd = markIn("", by, of, []string{"up", "👍", "0", "1"}[c.rng.IntN(4)], c.rng.IntN(4) > 0)
	case k < 8:
		cmd = tally("")
	case k < 9:
		cmd = ask(by, id, "poll", "which?", "one", "two")
	case k < 11: // derives a record in the room of the moderators
		cmd = set(eventlog.OperatorSender, id, "role/"+sender(by), []string{`"moderator"`, `"reader"`}[c.rng.IntN(2)])
	case k < 19:
		c.moderate(n, id)
		return
	case k < 22:
		cmd = c.erasing(n, id)
	default:
		cmd = set(by, id, []string{"topic", fmt.Sprint("poll/", of)}[c.rng.IntN(2)], []string{`"open"`, `"closed"`, `"hidden"`}[c.rng.IntN(3)])
	}
	if cmd.Kind != eventlog.Level && cmd.Kind != eventlog.Configure {
		cmd.Room = "cellar"
	}
	if err := n.Submit(eventlog.Submission{Command: cmd}, nil); err != nil && !errors.Is(err, eventlog.ErrBusy) {
		c.t.Fatalf("Submit(%+v): %v", cmd, err)
	}
}

// A heldPost is a message that the room "cellar" may hold, and what the moderators and its author were told about it.
type heldPost struct {
	by, id  string
	decided map[eventlog.Decision]bool // decisions that were saved, or repeated
	judged  string                     // what its author was told; empty: nothing
}

func (p *heldPost) say() eventlog.Command { return say(p.by, "cellar", p.id, "hold "+p.id) }

// heldSenders post what may be held. Their roles are that of everyone.
var heldSenders = []string{sender("gus"), sender("hal")}

// A request is a command about a held message. It is submitted until it is answered, on any node, like that of a client.
type request struct {
	cmd      eventlog.Command
	post     *heldPost
	answered bool
}

// submit submits a request to a node.
func (r *request) submit(n *node) {
	reply := &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) {
		if o.Status == eventlog.Refused && o.Err.Code == wire.Unavailable {
			return
		}
		r.answered = true
		if body, is := r.cmd.Body.(eventlog.JudgeBody); is && o.Status != eventlog.Refused {
			r.post.decided[body.Decision] = true
		}
		if len(r.post.decided) > 1 {
			n.c.t.Fatalf("the held message %s has the decisions %v", r.post.id, r.post.decided)
		}
	}}
	if err := n.Submit(eventlog.Submission{Command: r.cmd, ReplyTo: reply}, nil); err != nil && !errors.Is(err, eventlog.ErrBusy) {
		n.c.t.Fatalf("Submit(%+v): %v", r.cmd, err)
	}
}

// unanswered returns the requests that are to be submitted again.
func (c *cluster) unanswered() []*request {
	c.requests = slices.DeleteFunc(c.requests, func(r *request) bool { return r.answered })
	return c.requests
}

// moderate holds messages of a room and decides about them. Several decisions about the same message are made on all nodes.
func (c *cluster) moderate(n *node, id string) {
	if waiting := c.unanswered(); len(waiting) > 0 && c.rng.IntN(2) == 0 {
		waiting[c.rng.IntN(len(waiting))].submit(n)
		return
	}
	r := &request{}
	if len(c.held) == 0 || c.rng.IntN(2) == 0 {
		r.post = &heldPost{by: heldSenders[c.rng.IntN(len(heldSenders))], id: id, decided: map[eventlog.Decision]bool{}}
		r.cmd = r.post.say()
		c.held = append(c.held, r.post)
	} else {
		r.post = c.held[max(0, len(c.held)-1-c.rng.IntN(3))]
		body := eventlog.JudgeBody{SenderID: r.post.by, ID: r.post.id, Decision: eventlog.Approved + eventlog.Decision(c.rng.IntN(3))}
		r.cmd = eventlog.Command{Kind: eventlog.Judge, SenderID: eventlog.OperatorSender, Room: "cellar", ID: id, Body: body}
		if body.Decision == eventlog.Withdrawn {
			r.cmd.SenderID = r.post.by
		}
	}
	c.requests = append(c.requests, r)
	r.submit(n)
}

// erasing returns a command that lets a room hold messages, erases some of it or undoes that, or reports one.
func (c *cluster) erasing(n *node, id string) eventlog.Command {
	by, last := heldSenders[c.rng.IntN(len(heldSenders))], n.store.Bounds("cellar").Last
	if steps := n.store.ErasureSteps(wire.TimeOf(c.clock), false); len(steps) > 0 && c.rng.IntN(2) == 0 {
		return steps[0]
	}
	erasure := c.erasure(n)
	switch k := c.rng.IntN(8); {
	case k < 2 || last == 0:
		return set(eventlog.OperatorSender, id, wire.HoldKey, []string{`"all"`, `"all"`, `null`}[c.rng.IntN(3)])
	case k < 4 || k < 7 && erasure == 0:
		from := 1 + c.rng.Uint64N(last)
		return eraseBy(id, from, min(last, from+c.rng.Uint64N(8)), [][]string{{by}, {"anna", "plain"}, {"plain"}}[c.rng.IntN(3)]...)
	case k < 7:
		return restore(id, erasure)
	}
	return eventlog.Command{Kind: eventlog.Report, SenderID: by, ID: id, Body: eventlog.ReportBody{Of: 1 + c.rng.Uint64N(last+1)}}
}

// erasure returns the newest erasure in the room "cellar"; 0: there is none.
func (c *cluster) erasure(n *node) uint64 {
	number := n.store.Bounds("cellar").Last
	for number > 0 && n.store.Erasure("cellar", number) == nil {
		number--
	}
	return number
}

// noteJudged compares what the author of a held message is told by a node with what it was told by others.
func (c *cluster) noteJudged(name string, j *eventlog.Judged) {
	got := fmt.Sprint(j.N, " ", j.Err)
	for _, p := range c.held {
		if p.by != j.SenderID || p.id != j.ID {
			continue
		}
		if p.judged != "" && p.judged != got {
			c.t.Fatalf("%s tells the author of %s %q, and another node %q", name, p.id, got, p.judged)
		}
		p.judged = got
	}
}

// compareHeld checks that each message is posted, waits or is refused, as its author and the moderators were told. It repeats all.
func (c *cluster) compareHeld() (decisions map[eventlog.Decision]int) {
	j := &tested{Store: c.nodes[0].store, t: c.t, at: wire.TimeOf(c.clock)}
	posted, waits := map[string][]uint64{}, map[string]int{}
	for _, r := range j.all("cellar") {
		if _, is, _ := r.Message(); is {
			posted[r.SenderID+r.ID] = append(posted[r.SenderID+r.ID], r.N)
		}
	}
	for _, r := range j.all("~cellar") {
		if m, is, _ := r.Message(); is && m.As == wire.HeldMessage && !m.Gone {
			waits[r.SenderID+r.ID]++
		}
	}
	decisions = map[eventlog.Decision]int{}
	for _, p := range c.held {
		numbers, waiting := posted[p.by+p.id], waits[p.by+p.id]
		outcomes, err := j.Apply(newer.NewBatch(eventlog.Batch{At: j.at, Node: eventlog.LocalNode, Commands: commands(p.say())}), j.Position()+1)
		if err != nil {
			c.t.Fatalf("Apply: %v", err)
		}
		o := outcomes[0]
		ok := false
		switch o.Status {
		case eventlog.Repeat:
			ok = len(numbers) == 1 && numbers[0] == o.N && waiting == 0 && !p.decided[eventlog.Rejected] && !p.decided[eventlog.Withdrawn]
		case eventlog.Refused:
			ok = len(numbers) == 0 && waiting == 0 && !p.decided[eventlog.Approved]
		case eventlog.OnHold: // it waits, or never arrived
			ok = len(numbers) == 0 && waiting <= 1 && len(p.decided) == 0
		case eventlog.Saved: // it never arrived
			ok = len(numbers) == 0 && waiting == 0 && len(p.decided) == 0
		}
		if !ok {
			c.t.Fatalf("the message %s of %s has the decisions %v, is posted under the numbers %v, waits %d times, and repeated it is %s", p.id, p.by, p.decided, numbers, waiting, summary(o))
		}
		for decision := range p.decided {
			decisions[decision]++
		}
	}
	return decisions
}
