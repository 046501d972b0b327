package room

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/tape"
	"ramai/wire"
)

const (
	typingLasts = 6 * time.Second // after the last word of it; clients repeat it every 3 s
	maxTyping   = 20              // senders shown as typing; with more it is a crowd
)

// Room is a room that has members.
type Room struct {
	hub   *Hub
	name  string
	state atomic.Pointer[State] // written by refresh

	mu      sync.Mutex            // for all below; taken after hub.mu, and never held while anybody waits
	head    uint64                // the newest number that came through the feed
	tapes   [encodings]*tape.Tape // nil without readers
	readers [encodings]int
	members []*Seat
	typing  map[string]time.Time // until when, by sender
	dirty   bool                 // somebody came or went since the last refresh
	owing   bool                 // somebody came who was not told the presence yet, though it may be the same again
	fresh   bool                 // messages came since the last wake
	queued  bool                 // the next tick looks at it
}

// State is what a room looks like now, as JSON objects of ramai.v1. A version is 0 while there is nothing to tell.
type State struct {
	Presence        []byte
	PresenceVersion uint32
	Typing          []byte
	TypingVersion   uint32
}

// retape starts the tapes anew after number n. Called with mu held.
func (r *Room) retape(n uint64) {
	for enc, t := range r.tapes {
		if t == nil {
			continue
		}
		t.Close()
		r.tapes[enc] = tape.New(r.hub.budget, n)
		for _, s := range r.members {
			if s.enc == Encoding(enc) {
				s.tape.Store(r.tapes[enc])
			}
		}
	}
}

// wake tells every member that there is something new.
func (r *Room) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh = false
	for _, s := range r.members {
		s.member.Wake()
	}
}

// watched tells whether anybody reads the state. Called with mu held.
func (r *Room) watched() bool {
	for enc, readers := range r.readers {
		if readers > 0 && Encoding(enc).Watches() {
			return true
		}
	}
	return false
}

// due has the next tick look at the room. Called with mu held.
func (r *Room) due() {
	if r.queued {
		return
	}
	r.queued = true
	c := &r.hub.changed
	c.Lock()
	c.rooms = append(c.rooms, r)
	c.Unlock()
}

// seats returns whether one of the senders is in the room and the presence names them; then it is dirty.
func (r *Room) seats(senders map[string]struct{}) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.members) > wire.MaxNamed {
		return false
	}
	for _, s := range r.members {
		if _, ok := senders[s.member.By()]; ok {
			r.dirty = true
			return true
		}
	}
	return false
}

// refresh makes the state anew and returns whether it differs from what was told before.
func (r *Room) refresh(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queued = false
	if !r.watched() { // who comes to watch makes it due again
		return false
	}
	old := r.state.Load()
	next := *old
	if r.dirty {
		p := wire.Presence{Room: r.name, Count: len(r.members)}
		if len(r.members) <= wire.MaxNamed {
			p.Names = r.names(wire.MaxNamed)
		}
		if b := wire.Append(nil, p); r.owing || !bytes.Equal(b, old.Presence) {
			next.Presence = b
			next.PresenceVersion++
		}
		r.dirty, r.owing = false, false
	}
	typing := r.typers(now)
	if len(r.typing) > 0 { // until they stop
		r.due()
	}
	if b := typing; !bytes.Equal(b, old.Typing) && (len(r.typing) > 0 || old.TypingVersion > 0) {
		next.Typing = b
		next.TypingVersion++
	}
	if next.PresenceVersion == old.PresenceVersion && next.TypingVersion == old.TypingVersion {
		return false
	}
	r.state.Store(&next)
	return true
}

// typers forgets who stopped typing and tells who has not. Called with mu held.
func (r *Room) typers(now time.Time) []byte {
	t := wire.Typing{Room: r.name, By: []wire.Sender{}}
	for by, until := range r.typing {
		if now.After(until) {
			delete(r.typing, by)
			continue
		}
		t.By = append(t.By, wire.Sender{By: by, From: r.hub.store.Name(by)})
	}
	slices.SortFunc(t.By, func(a, b wire.Sender) int { return bytes.Compare([]byte(a.By), []byte(b.By)) })
	return wire.Append(nil, t)
}

// names returns the names held by members, each once, sorted, at most so many. Called with mu held.
func (r *Room) names(most int) []string {
	names := []string{}
	for _, s := range r.members {
		if name := r.hub.store.Name(s.member.By()); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), most)]
}

// Seat is one member's place in one room. Its methods are for that member alone.
type Seat struct {
	room   *Room
	member Member
	tape   atomic.Pointer[tape.Tape] // written by Join, and when the room's tapes start anew
	before uint32                    // version of the presence when the seat was taken
	index  int32                     // in room.members; guarded by room.mu
	at     atomic.Uint32             // the lower half of the number that its member has got to, for Look
	enc    Encoding
}

// Room is the room's name.
func (s *Seat) Room() string { return s.room.name }

// Count is how many connections are in the room.
func (s *Seat) Count() int {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return len(s.room.members)
}

// After returns the frames that follow number n, see [tape.Tape.After]. False: ask for Refill.
func (s *Seat) After(n uint64, most int) (tape.Span, bool) {
	return s.tape.Load().After(n, most)
}

// Before is the version of the presence that does not count this member yet. A newer one comes with the next tick.
func (s *Seat) Before() uint32 { return s.before }

// State is what the room looks like now.
func (s *Seat) State() *State { return s.room.state.Load() }

// Refill reads what follows number n from the journal and gives it to done, on another goroutine.
func (s *Seat) Refill(n uint64, done func(Chunk, error)) {
	s.room.hub.refill(refillKey{room: s.room.name, enc: s.enc, after: n}, s.member.From().Addr(), done)
}

// Reached notes that the member has got to number n. Nothing but what Look tells depends on it.
func (s *Seat) Reached(n uint64) { s.at.Store(uint32(n)) }

// Leave gives the seat up.
func (s *Seat) Leave() { s.room.hub.leave(s) }
