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
	typingLasts = 6 * time.Second // after the latest typing frame; clients repeat it every 3 s
	maxTyping   = 20              // senders shown as typing
)

// Room is a room that has members, here or on other servers of the cluster.
type Room struct {
	hub   *Hub
	name  string
	state atomic.Pointer[State] // written by refresh

	mu              sync.Mutex                // guards the fields below; taken after hub.mu, and never held while anything blocks
	newest          uint64                    // newest number that came through the feed
	buffers         [encodings]*fanout.Buffer // nil without readers
	readers         [encodings]int
	members         []*Subscription
	people          people
	typing          map[string]time.Time // by sender: until when
	presenceChanged bool                 // members have joined or left since the last refresh
	newWatcher      bool                 // a member has joined that has not been sent the presence, even if that is unchanged
	wakePending     bool                 // messages were appended since the last wake
	scheduled       bool                 // the next tick visits this room
	erased          uint16               // number of erasures so far; it may wrap around, because few are pending
	erasing         []*erasure           // the newest ones, as long as a member has not passed the first
	backfills       []openBackfill       // frames that members may hold
}

// State is the presence and typing of a room, as JSON objects of ramai.v1. Version 0 means that there is nothing to
// send.
type State struct {
	Presence        []byte
	PresenceVersion uint32
	Typing          []byte
	TypingVersion   uint32
}

// resetBuffers replaces the buffers by empty ones that continue after number n. Called with mu held.
func (r *Room) resetBuffers(n uint64) {
	for enc, buf := range r.buffers {
		if buf == nil {
			continue
		}
		buf.Close()
		r.buffers[enc] = fanout.New(r.hub.budget, n)
		for _, s := range r.members {
			if s.enc == Encoding(enc) {
				s.buffer.Store(r.buffers[enc])
			}
		}
	}
}

// wake wakes every member.
func (r *Room) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakePending = false
	for _, s := range r.members {
		s.member.Wake()
	}
}

// count returns the number of people in the room: senders, however many connections each of them has.
func (r *Room) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.people.present)
}

// head returns the newest number that came through the feed.
func (r *Room) head() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest
}

// hasWatchers reports whether any member is sent the state. Called with mu held.
func (r *Room) hasWatchers() bool {
	for enc, readers := range r.readers {
		if readers > 0 && Encoding(enc).ReceivesState() {
			return true
		}
	}
	return false
}

// scheduleRefresh makes the next tick visit the room. Called with mu held.
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

// rename records the names that senders have now, and schedules a refresh if the presence names one of them.
func (r *Room) rename(names map[senderKey]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	renamed := false
	if len(names) <= len(r.people.present) {
		for by, name := range names {
			renamed = r.people.rename(by, name) || renamed
		}
	} else {
		for by := range r.people.present {
			if name, ok := names[by]; ok {
				renamed = r.people.rename(by, name) || renamed
			}
		}
	}
	if renamed && len(r.people.present) <= wire.MaxNamed {
		r.presenceChanged = true
		r.scheduleRefresh()
	}
}

// refresh updates the state and reports whether it has changed.
func (r *Room) refresh(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scheduled = false
	if !r.hasWatchers() { // a watcher that joins schedules it again
		return false
	}
	old := r.state.Load()
	next := *old
	if r.presenceChanged {
		p := wire.Presence{Room: r.name, Count: len(r.people.present)}
		if p.Count <= wire.MaxNamed {
			p.Names = r.people.names()
		}
		if b := wire.Append(nil, p); r.newWatcher || !bytes.Equal(b, old.Presence) {
			next.Presence = b
			next.PresenceVersion++
		}
		r.presenceChanged, r.newWatcher = false, false
	}
	typing, count := r.typingFrame(now)
	if len(r.typing) > 0 { // until they stop
		r.scheduleRefresh()
	}
	if b := typing; !bytes.Equal(b, old.Typing) && (count > 0 || old.TypingVersion > 0) {
		next.Typing = b
		next.TypingVersion++
	}
	if next.PresenceVersion == old.PresenceVersion && next.TypingVersion == old.TypingVersion {
		return false
	}
	r.state.Store(&next)
	return true
}

// typingFrame removes senders that have stopped typing and returns a frame with the others, and how many they are. Called with mu
// held.
func (r *Room) typingFrame(now time.Time) (frame []byte, count int) {
	t := wire.Typing{Room: r.name, By: []wire.Sender{}}
	for by, until := range r.typing {
		if now.After(until) {
			delete(r.typing, by)
			continue
		}
		t.By = append(t.By, wire.Sender{SenderID: by, DisplayName: r.hub.store.Name(by)})
	}
	r.hub.exchange.typingIn(r.name, func(by senderKey) {
		senderID := string(by[:])
		twice := slices.ContainsFunc(t.By, func(s wire.Sender) bool { return s.SenderID == senderID })
		if !twice && len(t.By) < maxTyping && r.people.present[by].remote {
			t.By = append(t.By, wire.Sender{SenderID: senderID, DisplayName: r.hub.store.Name(senderID)})
		}
	})
	slices.SortFunc(t.By, func(a, b wire.Sender) int { return bytes.Compare([]byte(a.SenderID), []byte(b.SenderID)) })
	return wire.Append(nil, t), len(t.By)
}

// Subscription is one member's membership in one room. Its methods are for that member alone.
type Subscription struct {
	room           *Room
	member         Member
	next           *Subscription                 // of the same sender in this room; guarded by room.mu
	buffer         atomic.Pointer[fanout.Buffer] // written by Join and resetBuffers
	presenceAtJoin uint32                        // presence version when the member joined
	index          int32                         // in room.members; guarded by room.mu
	position       atomic.Uint32                 // lower 32 bits of the member's position, for SampleLag
	access         atomic.Uint32                 // bits, see access.go; set with room.mu held
	enc            Encoding
	passed         uint16 // the newest erasure that the member has passed, see Room.erased; guarded by room.mu
}

// Room returns the room's name.
func (s *Subscription) Room() string { return s.room.name }

// Count returns the number of people in the room.
func (s *Subscription) Count() int { return s.room.count() }

// After returns the frames that follow number n, as [fanout.Buffer.After] does. If it returns false, ask for a
// Backfill.
func (s *Subscription) After(n uint64, limit int) (fanout.Span, bool) {
	return s.buffer.Load().After(n, limit)
}

// PresenceAtJoin returns the presence version that does not count this member yet. The next tick brings a newer one.
func (s *Subscription) PresenceAtJoin() uint32 { return s.presenceAtJoin }

// State returns the current state of the room.
func (s *Subscription) State() *State { return s.room.state.Load() }

// Backfill reads what follows number n from the store and passes it to done, on another goroutine.
func (s *Subscription) Backfill(n uint64, done func(BackfillResult, error)) {
	s.room.hub.backfill(backfillKey{room: s.room.name, enc: s.enc, after: n}, s.member.RemoteAddr().Addr(), done)
}

// SetPosition records that the member has reached number n. It only affects SampleLag.
func (s *Subscription) SetPosition(n uint64) { s.position.Store(uint32(n)) }

// Leave ends the subscription.
func (s *Subscription) Leave() { s.room.hub.leave(s) }
