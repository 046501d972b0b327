package room

import "ramai/internal/eventlog"

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
