package room

import (
	"net/netip"
	"time"

	"ramai/wire"
)

// Who is in which room, and who is typing.

// Tick refreshes presence and typing in the rooms where they may have changed. It is called once a second and is the
// only place where they change, which limits them to one change a second.
func (h *Hub) Tick(now time.Time) {
	h.applyRenames()
	h.endRules(now)
	if h.exchange != nil {
		h.exchangeDigests(now)
	}
	c := &h.changed
	c.Lock()
	rooms := c.rooms
	c.rooms = nil
	c.Unlock()
	for _, r := range rooms {
		if r.refresh(now) {
			r.wake()
		}
	}
}

// applyRenames records new names in all rooms. There is no index from senders to rooms, because names seldom change.
func (h *Hub) applyRenames() {
	c := &h.changed
	c.Lock()
	renamed := c.renamed
	c.renamed = nil
	c.Unlock()
	if len(renamed) == 0 {
		return
	}
	names := make(map[senderKey]string, len(renamed))
	for by := range renamed {
		names[keyOf(by)] = h.store.Name(by)
	}
	for _, r := range h.allRooms() {
		r.rename(names)
	}
}

// noteRenamed records senders whose name has changed.
func (h *Hub) noteRenamed(senders []string) {
	c := &h.changed
	c.Lock()
	defer c.Unlock()
	if c.renamed == nil {
		c.renamed = make(map[string]struct{})
	}
	for _, by := range senders {
		c.renamed[by] = struct{}{}
	}
}

// Who returns the number of people in a room, and those of their names that begin with ask.Prefix: how many there are,
// and at most ask.Limit of them (0: wire.MaxWho), the latest speakers first.
func (h *Hub) Who(ask wire.Who) wire.Who {
	w := wire.Who{Room: ask.Room, Prefix: ask.Prefix, Names: []string{}}
	limit := ask.Limit
	if limit == 0 {
		limit = wire.MaxWho
	}
	h.applyRenames()
	if r := h.room(ask.Room); r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		w.Count = len(r.people.present)
		w.Matching, w.Names = r.people.search(ask.Prefix, limit)
	}
	return w
}

// An Address is one from which a sender is in a room.
type Address struct {
	SenderID string
	Addr     netip.Addr
}

// Addresses returns the addresses of the connections in a room.
func (h *Hub) Addresses(name string) (all []Address) {
	r := h.room(name)
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for by, who := range r.people.present {
		for s := who.first; s != nil; s = s.next {
			all = append(all, Address{string(by[:]), s.member.RemoteAddr().Addr()})
		}
	}
	return all
}

// Count returns the number of people in a room.
func (h *Hub) Count(name string) int {
	if r := h.room(name); r != nil {
		return r.count()
	}
	return 0
}

// Occupied reports whether a room has members, here or on another member of the cluster.
func (h *Hub) Occupied(name string) bool { return h.room(name) != nil }

// Typing records that a sender is typing, for the next few seconds.
func (h *Hub) Typing(name, by string, now time.Time) {
	if r := h.room(name); r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if _, shown := r.typing[by]; shown || len(r.typing) < maxTyping {
			r.typing[by] = now.Add(typingLasts)
			r.scheduleRefresh()
			h.exchange.noteTyping(r.name)
		}
	}
}
