package eventlogtest

import (
	"fmt"
	"slices"

	"ramai/internal/eventlog"
)

// A writer is a client that writes messages, and repeats those that are not saved, on another node if necessary.
type writer struct {
	c            *cluster
	by           string
	node         *node
	reply        *eventlog.ReplyTo // of the connection
	fence        uint64
	written      []string
	unsaved      []string
	refused      bool // on this connection and with this fence
	disconnected bool // the connection is lost
}

func (w *writer) connect() {
	reply := new(eventlog.ReplyTo)
	reply.Deliver = func(s *eventlog.Submission, o *eventlog.Outcome) {
		if w.reply == reply {
			w.deliver(s, o)
		}
	}
	reply.Lost = func() { w.disconnected = w.disconnected || w.reply == reply }
	w.node, w.reply, w.fence, w.refused, w.disconnected = w.c.nodes[w.c.rng.IntN(len(w.c.nodes))], reply, 1, false, false
	w.submit(w.unsaved...)
}

func (w *writer) write() {
	id := fmt.Sprint("m", len(w.written))
	w.written, w.unsaved = append(w.written, id), append(w.unsaved, id)
	w.submit(id)
}

func (w *writer) submit(ids ...string) {
	for _, id := range ids {
		if err := w.node.Submit(eventlog.Submission{Command: say(w.by, "lobby", id, "x"), ReplyTo: w.reply, Fence: w.fence}, nil); err != nil {
			w.c.t.Fatalf("Submit(%s): %v", id, err)
		}
	}
}

// retry repeats what was refused, or not answered on a lost connection.
func (w *writer) retry() {
	switch {
	case w.disconnected:
		w.connect()
	case w.refused:
		w.fence++
		w.refused = false
		w.submit(w.unsaved...)
	}
}

func (w *writer) deliver(s *eventlog.Submission, o *eventlog.Outcome) {
	i := slices.Index(w.unsaved, s.ID)
	switch {
	case o.Status == eventlog.Refused:
		w.refused = w.refused || s.Fence == w.fence
	case i > 0:
		w.c.t.Fatalf("%s: %s is %s before %v", w.by, s.ID, summary(*o), w.unsaved[:i])
	case i == 0:
		w.unsaved = w.unsaved[1:]
	}
}
