package room

import (
	"time"

	"ramai/internal/tape"
)

// frozenAfter is how long a member has taken nothing that is called frozen.
const frozenAfter = 10 * time.Second

// A Watch looks at who is behind, now and then. It remembers those, to tell who has not moved since.
type Watch struct {
	behind map[*Seat]mark
}

// mark is how far somebody was who was behind, and since when.
type mark struct {
	at    uint32
	since time.Time
}

// Look calls each with the number of messages that each member is behind, 0 for most, and returns how many are frozen:
// behind, and where they were for 10 seconds of looking. A Watch is used by one goroutine at a time.
func (h *Hub) Look(w *Watch, now time.Time, each func(behind uint32)) (frozen int) {
	before := w.behind
	w.behind = make(map[*Seat]mark)
	for _, r := range h.all() {
		r.mu.Lock()
		for _, s := range r.members {
			at := s.at.Load()
			behind := uint32(r.head) - at
			if int32(behind) < 0 { // it has read from the journal what the feed is about to bring
				behind = 0
			}
			each(behind)
			if behind == 0 {
				continue
			}
			m, known := before[s]
			if !known || m.at != at {
				m = mark{at: at, since: now}
			}
			w.behind[s] = m
			if now.Sub(m.since) >= frozenAfter {
				frozen++
			}
		}
		r.mu.Unlock()
	}
	return frozen
}

// Stats are numbers of a hub as it is now.
type Stats struct {
	Rooms     int        // with members
	Memory    tape.Usage // of the budget of all that waits for sockets
	Refills   int64      // reads of the journal for readers, so far
	Refilling int        // those under way
}

// Stats returns the numbers as they are now.
func (h *Hub) Stats() Stats {
	h.mu.RLock()
	s := Stats{Rooms: len(h.rooms), Memory: h.budget.Usage()}
	h.mu.RUnlock()
	q := &h.refills
	q.mu.Lock()
	defer q.mu.Unlock()
	s.Refills, s.Refilling = q.begun, len(q.waiting)
	return s
}
