package room

import (
	"net/netip"
	"slices"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// A member may read its room as long as Options.CanRead says so, which was true when it joined. A command can change that, or
// the end of a rule. Before the feed appends what was stored after that command, it marks the subscriptions of the senders
// that can no longer read; a member looks at the mark after it has obtained bytes of the room, and before it hands them over.
// So a member is sent nothing that was stored after the change. Like an erasure, the change interrupts the member, which then
// leaves in its own turn, even while its socket is blocked.

// Bits of Subscription.access.
const (
	accessLost    = 1 << iota // the member may not be sent anything more of the room; never cleared
	accessChanged             // the member has not been told of a change
)

// Lost reports whether the member may no longer read the room. Whatever it has obtained from the subscription before the call
// must not be sent then.
func (s *Subscription) Lost() bool { return s.access.Load()&accessLost != 0 }

// AccessChanged reports whether the role of the member may have changed since the last call, or whether it may no longer read
// the room.
func (s *Subscription) AccessChanged() bool {
	return s.access.Load()&accessChanged != 0 && s.access.And(^uint32(accessChanged))&accessChanged != 0
}

// canRead reports whether a sender may read a room now, from an address.
func (h *Hub) canRead(room, senderID string, addr netip.Addr) bool {
	return h.opt.CanRead == nil || h.opt.CanRead(room, senderID, addr)
}

// rolesChanged handles a command that has changed roles, in its room or, if it has none, in all rooms.
func (h *Hub) rolesChanged(o *eventlog.Outcome) {
	senders := o.Roles.Senders
	if o.Roles.All {
		senders = nil
	}
	if o.Command.Room != "" {
		h.regrant(o.Command.Room, senders)
		return
	}
	for _, r := range h.allRooms() {
		h.regrant(r.name, senders)
	}
}

// regrant makes the members of a room that belong to some senders check their permissions; nil: all members. The rules of the
// room are also those of the rooms of its moderators and owners.
func (h *Hub) regrant(name string, senders []string) {
	h.regrantOne(name, senders)
	if base, _ := wire.BaseRoom(name); base == name {
		h.regrantOne(wire.ModeratorsRoom(name), senders)
		h.regrantOne(wire.OwnersRoom(name), senders)
	}
}

func (h *Hub) regrantOne(name string, senders []string) {
	if r := h.room(name); r != nil {
		h.noteRuleEnd(name) // first: a rule that ends now is over for those who check, or noted
		r.regrant(senders)
	}
	h.erasures.revoke(name)
}

func (r *Room) regrant(senders []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if senders == nil {
		for by := range r.people.present {
			r.regrantSender(by)
		}
		return
	}
	for _, by := range senders {
		r.regrantSender(keyOf(by))
	}
}

// regrantSender marks the subscriptions of a sender, and interrupts them. Called with mu held.
func (r *Room) regrantSender(by senderKey) {
	who, present := r.people.present[by]
	if !present {
		return
	}
	senderID := string(by[:])
	for s := who.first; s != nil; s = s.next {
		change := uint32(accessChanged)
		if !r.hub.canRead(r.name, senderID, s.member.RemoteAddr().Addr()) {
			change |= accessLost
			delete(r.typing, senderID)
			r.hub.exchange.stopTyping(r.name, senderID)
		}
		s.access.Or(change)
		s.member.Interrupt()
	}
}

// noteRuleEnd finds out when the next rule of a room ends. An end that is noted stays until endRules has seen to it: the rule may
// be over by now.
func (h *Hub) noteRuleEnd(name string) {
	if h.opt.RuleEnd == nil {
		return
	}
	end := h.opt.RuleEnd(name)
	h.ruleEnds.Lock()
	defer h.ruleEnds.Unlock()
	if noted, ok := h.ruleEnds.rooms[name]; end.IsZero() || ok && !end.Before(noted) {
		return
	}
	h.ruleEnds.rooms[name] = end
	if next := h.ruleEnds.next.Load(); next == 0 || int64(wire.TimeOf(end)) < next {
		h.ruleEnds.next.Store(int64(wire.TimeOf(end)))
	}
}

// endRules makes the members of rooms in which a rule has ended check their permissions. It is called once a second, and before
// something is appended that was stored after the end.
func (h *Hub) endRules(now time.Time) {
	h.ruleEnds.Lock()
	var ended []string
	var next wire.Time
	for name, end := range h.ruleEnds.rooms {
		if !now.Before(end) {
			ended = append(ended, name)
			delete(h.ruleEnds.rooms, name)
		} else if at := wire.TimeOf(end); next == 0 || at < next {
			next = at
		}
	}
	h.ruleEnds.next.Store(int64(next))
	h.ruleEnds.Unlock()
	for _, name := range ended {
		h.regrant(name, nil)
	}
}

// revoke aborts the exposures of records of a room to senders that may not read it any more.
func (x *erasures) revoke(room string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for e := range x.exposed {
		if e.abort != nil && slices.ContainsFunc(e.ranges, func(r Range) bool { return r.Room == room }) && !e.hub.canRead(room, e.senderID, e.addr) {
			e.abort()
			e.abort = nil
		}
	}
}
