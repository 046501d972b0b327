package eventlogtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ramai/internal/eventlog"
)

// testAnyFault makes a few clients post in any order, with a store that fails in any way. In the end all of their messages
// are stored once, in the order in which each client posted them.
func testAnyFault(t *testing.T, s suite) {
	rapid.Check(t, func(r *rapid.T) {
		store := s.fresh(t).Open()
		o := newHarness(r, store, s.newSequencer(), eventlog.Options{Batch: 4})
		var clients []*client
		for i := range 3 {
			c := &client{t: r, o: o, by: fmt.Sprint("client", i), fence: 1}
			c.replyTo.Deliver = c.deliver
			clients = append(clients, c)
		}
		r.Repeat(map[string]func(*rapid.T){
			"talk": func(r *rapid.T) { rapid.SampledFrom(clients).Draw(r, "client").post() },
			"step": func(r *rapid.T) { o.Step() },
			"fault": func(r *rapid.T) {
				o.store.Fail(rapid.SampledFrom([]Fault{None, RolledBack, Full, Lost, Unreported}).Draw(r, "fault"))
			},
			"reopen": func(r *rapid.T) { o.store.FailReopen(rapid.IntRange(1, 3).Draw(r, "times")) },
			"space":  func(r *rapid.T) { o.store.SetFree(eventlog.MinFree - rapid.Uint64Range(0, 1).Draw(r, "short")) },
		})
		o.store.SetFree(eventlog.MinFree)
		finish(r, o, clients)
		if err := store.Close(); err != nil {
			r.Fatalf("Close: %v", err)
		}
	})
}

// finish makes all clients resend until everything is saved, and compares.
func finish(t *rapid.T, o *harness, clients []*client) {
	for tries, waiting := 0, true; waiting; tries++ {
		waiting = false
		for _, c := range clients {
			if c.refused {
				c.post()
			}
			waiting = waiting || len(c.unsaved) > 0
		}
		o.clock = o.clock.Add(100 * time.Millisecond)
		o.Step()
		if tries > 1000 {
			t.Fatalf("it does not settle: client 0 waits for %v", clients[0].unsaved)
		}
	}
	total := 0
	said := map[string][]string{}
	for _, m := range (&tested{Store: o.store, t: t}).all("lobby") {
		said[m.SenderID] = append(said[m.SenderID], m.ID)
	}
	for _, c := range clients {
		if len(c.unsaved) > 0 || !slices.Equal(said[c.by], c.posted) {
			t.Fatalf("%s posted %v, stored %v, and %v was never answered", c.by, c.posted, said[c.by], c.unsaved)
		}
		total += len(c.posted)
	}
	o.t = t
	o.wantNumbers("lobby", uint64(total))
}

// client posts messages; after a refusal it posts the refused message and everything after it again.
type client struct {
	t       fatal
	o       *harness
	replyTo eventlog.ReplyTo
	by      string
	fence   uint64
	posted  []string
	unsaved []string
	refused bool // with this fence
}

func (c *client) post() {
	again := c.unsaved
	if c.refused {
		c.fence++
		c.refused = false
	} else {
		id := fmt.Sprint("m", len(c.posted))
		c.posted, c.unsaved = append(c.posted, id), append(c.unsaved, id)
		again = []string{id}
	}
	for _, id := range again {
		c.o.submitFrom(&c.replyTo, c.fence, say(c.by, "lobby", id, "x"))
	}
}

func (c *client) deliver(submission *eventlog.Submission, out *eventlog.Outcome) {
	switch {
	case out.Status == eventlog.Refused:
		if submission.Fence == c.fence {
			c.refused = true
		}
	case submission.Fence != c.fence:
		c.t.Fatalf("%s: %s of epoch %d is %s with fence %d", c.by, out.Command.ID, submission.Fence, summary(*out), c.fence)
	case len(c.unsaved) == 0 || c.unsaved[0] != out.Command.ID:
		c.t.Fatalf("%s: %s is %s, but %v are waiting", c.by, out.Command.ID, summary(*out), c.unsaved)
	default:
		c.unsaved = c.unsaved[1:]
	}
}
