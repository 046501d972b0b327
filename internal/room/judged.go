package room

import "ramai/internal/eventlog"

// sendDecisions announces what was decided about held messages to the connections of their authors in the room.
func (h *Hub) sendDecisions(outcomes []eventlog.Outcome) {
	for i := range outcomes {
		j := outcomes[i].Judged
		if j == nil {
			continue
		}
		r := h.room(j.Room)
		if r == nil {
			continue
		}
		r.mu.Lock()
		for s := r.people.present[keyOf(j.SenderID)].first; s != nil; s = s.next {
			s.member.Judged(j)
		}
		r.mu.Unlock()
	}
}
