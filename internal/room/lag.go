package room

import (
	"time"

	"ramai/internal/fanout"
)

// slowAfter is how long a member has taken nothing that is called frozen.
const slowAfter = 10 * time.Second

// A LagSampler looks at who is behind, now and then. It remembers those, to tell who has not moved since.
type LagSampler struct {
	behind map[*Subscription]watermark
	subs   []*Subscription // of one room at a time; reused
}

// watermark is how far somebody was who was behind, and since when.
type watermark struct {
	position uint32
	since    time.Time
}

// SampleLag calls each with the number of messages that each member is behind, 0 for most, and returns how many are frozen:
// behind, and where they were for 10 seconds of looking. A room is held only while its members are copied, so what is said
// there does not wait for the looking. A Watch is used by one goroutine at a time.
func (h *Hub) SampleLag(w *LagSampler, now time.Time, each func(behind uint32)) (slow int) {
	before := w.behind
	w.behind = make(map[*Subscription]watermark)
	for _, r := range h.allRooms() {
		r.mu.Lock()
		w.subs = append(w.subs[:0], r.members...)
		head := uint32(r.newest)
		r.mu.Unlock()
		for _, s := range w.subs {
			at := s.position.Load()
			behind := head - at
			if int32(behind) < 0 { // it has got what came since, or has read it from the journal before the feed brings it
				behind = 0
			}
			each(behind)
			if behind == 0 {
				continue
			}
			m, known := before[s]
			if !known || m.position != at {
				m = watermark{position: at, since: now}
			}
			w.behind[s] = m
			if now.Sub(m.since) >= slowAfter {
				slow++
			}
		}
	}
	clear(w.subs[:cap(w.subs)]) // who leaves is let go
	return slow
}

// Rooms returns how many rooms have members.
func (h *Hub) Rooms() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.rooms)
}

// Memory returns what the budget of all that waits for sockets is used for. It takes no lock.
func (h *Hub) Memory() fanout.Usage { return h.budget.Usage() }

// Backfills returns how many reads of the journal for readers have begun so far, and how many of them are under way.
func (h *Hub) Backfills() (started int64, running int) {
	q := &h.backfills
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.started, len(q.pending)
}
