package room

import (
	"time"

	"ramai/internal/fanout"
)

// slowAfter is how long a member makes no progress before it counts as a slow consumer.
const slowAfter = 10 * time.Second

// A LagSampler samples how far members are behind. It remembers the ones that are, to find those that make no progress.
// It is used by one goroutine at a time.
type LagSampler struct {
	behind map[*Subscription]watermark
	subs   []*Subscription // members of one room at a time; reused
}

// watermark is the position of a member that is behind, and since when it has been there.
type watermark struct {
	position uint32
	since    time.Time
}

// SampleLag calls each with the number of messages that a member is behind, once for every member, and returns the
// number of slow consumers: members that are behind and have made no progress for slowAfter. A room is locked only
// while its members are copied.
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
			if int32(behind) < 0 { // it has read newer messages, maybe from the store before the feed brings them
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
	clear(w.subs[:cap(w.subs)]) // keep no member that has left
	return slow
}

// Rooms returns the number of rooms that have members here.
func (h *Hub) Rooms() (n int) {
	for _, r := range h.allRooms() {
		r.mu.Lock()
		if len(r.members) > 0 {
			n++
		}
		r.mu.Unlock()
	}
	return n
}

// Memory returns the usage of the budget. It takes no lock.
func (h *Hub) Memory() fanout.Usage { return h.budget.Usage() }

// Backfills returns how many backfills have been started so far, and how many are running.
func (h *Hub) Backfills() (started int64, running int) {
	q := &h.backfills
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.started, len(q.pending)
}
