package room

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/fanout"
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

	mu              sync.Mutex                // for all below; taken after hub.mu, and never held while anybody waits
	newest          uint64                    // the newest number that came through the feed
	buffers         [encodings]*fanout.Buffer // nil without readers
	readers         [encodings]int
	members         []*Subscription
	typing          map[string]time.Time // until when, by sender
	presenceChanged bool                 // somebody came or went since the last refresh
	newWatcher      bool                 // somebody came who was not told the presence yet, though it may be the same again
	wakePending     bool                 // messages came since the last wake
	scheduled       bool                 // the next tick looks at it
}

// State is what a room looks like now, as JSON objects of ramai.v1. A version is 0 while there is nothing to tell.
type State struct {
	Presence        []byte
	PresenceVersion uint32
	Typing          []byte
	TypingVersion   uint32
}

// resetBuffers starts the tapes anew after number n. Called with mu held.
func (r *Room) resetBuffers(n uint64) {
	for enc, t := range r.buffers {
		if t == nil {
			continue
		}
		t.Close()
		r.buffers[enc] = fanout.New(r.hub.budget, n)
		for _, s := range r.members {
			if s.enc == Encoding(enc) {
				s.buffer.Store(r.buffers[enc])
			}
		}
	}
}

// wake tells every member that there is something new.
func (r *Room) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakePending = false
	for _, s := range r.members {
		s.member.Wake()
	}
}

// hasWatchers tells whether anybody reads the state. Called with mu held.
func (r *Room) hasWatchers() bool {
	for enc, readers := range r.readers {
		if readers > 0 && Encoding(enc).ReceivesState() {
			return true
		}
	}
	return false
}

// scheduleRefresh has the next tick look at the room. Called with mu held.
func (r *Room) scheduleRefresh() {
	if r.scheduled {
		return
	}
	r.scheduled = true
	c := &r.hub.changed
	c.Lock()
	c.rooms = append(c.rooms, r)
	c.Unlock()
}

// markRenamed returns whether one of the senders is in the room and the presence names them; then it is dirty.
func (r *Room) markRenamed(senders map[string]struct{}) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.members) > wire.MaxNamed {
		return false
	}
	for _, s := range r.members {
		if _, ok := senders[s.member.SenderID()]; ok {
			r.presenceChanged = true
			return true
		}
	}
	return false
}

// refresh makes the state anew and returns whether it differs from what was told before.
func (r *Room) refresh(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scheduled = false
	if !r.hasWatchers() { // who comes to watch makes it due again
		return false
	}
	old := r.state.Load()
	next := *old
	if r.presenceChanged {
		p := wire.Presence{Room: r.name, Count: len(r.members)}
		if len(r.members) <= wire.MaxNamed {
			p.Names = r.names(wire.MaxNamed)
		}
		if b := wire.Append(nil, p); r.newWatcher || !bytes.Equal(b, old.Presence) {
			next.Presence = b
			next.PresenceVersion++
		}
		r.presenceChanged, r.newWatcher = false, false
	}
	typing := r.typingFrame(now)
	if len(r.typing) > 0 { // until they stop
		r.scheduleRefresh()
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

// typingFrame forgets who stopped typing and tells who has not. Called with mu held.
func (r *Room) typingFrame(now time.Time) []byte {
	t := wire.Typing{Room: r.name, By: []wire.Sender{}}
	for by, until := range r.typing {
		if now.After(until) {
			delete(r.typing, by)
			continue
		}
		t.By = append(t.By, wire.Sender{SenderID: by, DisplayName: r.hub.store.Name(by)})
	}
	slices.SortFunc(t.By, func(a, b wire.Sender) int { return bytes.Compare([]byte(a.SenderID), []byte(b.SenderID)) })
	return wire.Append(nil, t)
}

// names returns the names held by members, each once, sorted, at most so many. Called with mu held.
func (r *Room) names(limit int) []string {
	names := []string{}
	for _, s := range r.members {
		if name := r.hub.store.Name(s.member.SenderID()); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), limit)]
}

// Subscription is one member's place in one room. Its methods are for that member alone.
type Subscription struct {
	room           *Room
	member         Member
	buffer         atomic.Pointer[fanout.Buffer] // written by Join, and when the room's tapes start anew
	presenceAtJoin uint32                        // version of the presence when the seat was taken
	index          int32                         // in room.members; guarded by room.mu
	position       atomic.Uint32                 // the lower half of the number that its member has got to, for Look
	enc            Encoding
}

// Room is the room's name.
func (s *Subscription) Room() string { return s.room.name }

// Count is how many connections are in the room.
func (s *Subscription) Count() int {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return len(s.room.members)
}

// After returns the frames that follow number n, see [fanout.Buffer.After]. False: ask for Refill.
func (s *Subscription) After(n uint64, limit int) (fanout.Span, bool) {
	return s.buffer.Load().After(n, limit)
}

// PresenceAtJoin is the version of the presence that does not count this member yet. A newer one comes with the next tick.
func (s *Subscription) PresenceAtJoin() uint32 { return s.presenceAtJoin }

// State is what the room looks like now.
func (s *Subscription) State() *State { return s.room.state.Load() }

// Backfill reads what follows number n from the journal and gives it to done, on another goroutine.
func (s *Subscription) Backfill(n uint64, done func(BackfillResult, error)) {
	s.room.hub.backfill(backfillKey{room: s.room.name, enc: s.enc, after: n}, s.member.RemoteAddr().Addr(), done)
}

// SetPosition notes that the member has got to number n. Nothing but what Look tells depends on it.
func (s *Subscription) SetPosition(n uint64) { s.position.Store(uint32(n)) }

// Leave gives the seat up.
func (s *Subscription) Leave() { s.room.hub.leave(s) }
