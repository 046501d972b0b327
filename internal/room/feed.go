package room

import (
	"ramai/internal/eventlog"
	"ramai/wire"
)

// Feed implements eventlog.Feed. It appends outcomes to the buffers, and revokes permissions, in the order of the commands; then
// it delivers the replies, and then wakes the members. A
// reply waits for the erasures of its room, or of that of the moderators, if the command has rewritten records there, or repeats one that
// may have.
// Other replies are in the order of their commands: the newest answer to a mark says what the mark is.
func (h *Hub) Feed(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
	var r *Room
	for i := range outcomes {
		o := &outcomes[i]
		if (o.Command.Kind == eventlog.Trim || o.Command.Kind == eventlog.RemoveRoom) && o.Status == eventlog.Saved {
			h.trimBefore(o.Command.Room, o.N)
			if o.Command.Kind == eventlog.RemoveRoom { // its rules are gone
				h.regrant(o.Command.Room, nil)
			}
		}
		if len(o.Renamed) > 0 {
			h.noteRenamed(o.Renamed)
		}
		if o.Roles != nil { // before anything that is stored later is appended
			h.rolesChanged(o)
		}
		if len(o.Replaced) > 0 || o.Rewritten.To > 0 {
			h.erasing = append(h.erasing, h.erase(o.Command.Room, o.Replaced, o.Rewritten))
		}
		if !o.HasRecord() {
			continue
		}
		if end := h.ruleEnds.next.Load(); end != 0 && int64(o.At) >= end {
			h.endRules(o.At.Std())
		}
		if r == nil || r.name != o.Command.Room {
			if r = h.room(o.Command.Room); r == nil {
				continue
			}
		}
		h.record = o.Record()
		h.append(r, &h.record)
	}
	for i := range submissions {
		reply, o := submissions[i].ReplyTo, &outcomes[i]
		if reply == nil || mayErase(o) && h.erasures.delayReply(&submissions[i], o) {
			continue
		}
		reply.Deliver(&submissions[i], o)
	}
	h.sendMarks(outcomes, submissions)
	h.sendDecisions(outcomes)
	for i, e := range h.erasing {
		h.erasures.pass(e)
		h.erasing[i] = nil
	}
	h.erasing = h.erasing[:0]
	for i, r := range h.toWake {
		r.wake()
		h.toWake[i] = nil
	}
	h.toWake = h.toWake[:0]
	h.budget.Trim()
}

// mayErase reports whether the reply to a command has to wait for erasures: it has erased something, or repeats a command that did.
func mayErase(o *eventlog.Outcome) bool {
	switch {
	case len(o.Replaced) > 0 || o.Rewritten.To > 0:
		return true
	case o.Command.Kind == eventlog.Judge || o.Command.Kind == eventlog.Erase: // a command that it derives erases held messages
		return o.Status != eventlog.Refused
	}
	return o.Status == eventlog.Repeat && o.Command.Kind == eventlog.Change
}

// erasesIn returns the rooms in which a command erases records: held messages are in the room of the moderators.
func erasesIn(c *eventlog.Command) []string {
	switch c.Kind {
	case eventlog.Judge:
		return []string{wire.ModeratorsRoom(c.Room)}
	case eventlog.Erase: // it also rejects held messages
		return []string{c.Room, wire.ModeratorsRoom(c.Room)}
	}
	return []string{c.Room}
}

// append appends a record to the buffers of r.
func (h *Hub) append(r *Room, record *eventlog.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := record.N
	if n <= r.newest { // stored before the room was opened
		return
	}
	if n != r.newest+1 {
		// Cannot happen while the store numbers without gaps. The buffers start again, and readers continue from the
		// store.
		h.opt.Logger.Error("the event log skipped numbers", "room", r.name, "after", r.newest, "next", n)
		r.resetBuffers(n - 1)
	}
	r.newest = n
	for enc, buf := range r.buffers {
		if buf == nil {
			continue
		}
		var err error
		if h.frames, h.scratch, err = h.encode(Encoding(enc), h.frames[:0], record, h.scratch); err != nil {
			// Cannot happen while kinds decode what they encode. Readers get the error from the store.
			h.opt.Logger.Error("a record cannot be encoded", "room", r.name, "n", n, "err", err)
			r.resetBuffers(n)
			break
		}
		buf.Append(h.frames)
	}
	delete(r.typing, record.SenderID)
	h.exchange.stopTyping(r.name, record.SenderID)
	r.people.spoke(keyOf(record.SenderID))
	if !r.wakePending {
		r.wakePending = true
		h.toWake = append(h.toWake, r)
	}
}

// trimBefore deletes the messages below number first from the buffers of a room.
func (h *Hub) trimBefore(name string, first uint64) {
	r := h.room(name)
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, buf := range r.buffers {
		if buf != nil {
			buf.TrimBefore(first)
		}
	}
}

// sendDecisions announces what was decided about held messages. That one is not posted says that its text is gone, so it waits until no
// moderator is sent the text any more.
func (h *Hub) sendDecisions(outcomes []eventlog.Outcome) {
	var rejected map[string][]*eventlog.Judged // by room; an erasure rejects many, and they wait for the same
	for i := range outcomes {
		switch j := outcomes[i].Judged; {
		case j == nil:
		case j.Err == nil:
			h.sendDecision(j)
		default:
			if rejected == nil {
				rejected = make(map[string][]*eventlog.Judged)
			}
			rejected[j.Room] = append(rejected[j.Room], j)
		}
	}
	for room, all := range rejected {
		send := func() {
			for _, j := range all {
				h.sendDecision(j)
			}
		}
		if !h.erasures.delay([]string{wire.ModeratorsRoom(room)}, send) {
			send()
		}
	}
}

// sendDecision announces a decision to the connections of the author in the room.
func (h *Hub) sendDecision(j *eventlog.Judged) {
	r := h.room(j.Room)
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := r.people.present[keyOf(j.SenderID)].first; s != nil; s = s.next {
		s.member.Judged(j)
	}
}

// sendMarks announces changes of marks to the connections of their senders.
func (h *Hub) sendMarks(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
	for i := range outcomes {
		o := &outcomes[i]
		if o.Command.Kind != eventlog.Mark || o.Status != eventlog.Saved {
			continue
		}
		r := h.room(o.Command.Room)
		if r == nil {
			continue
		}
		var asked *eventlog.ReplyTo
		if len(submissions) > 0 {
			asked = submissions[i].ReplyTo
		}
		r.mu.Lock()
		for s := r.people.present[keyOf(o.Command.SenderID)].first; s != nil; s = s.next {
			s.member.Marked(o, asked)
		}
		r.mu.Unlock()
	}
}
