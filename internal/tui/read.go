package tui

import (
	tea "charm.land/bubbletea/v2"

	"ramai/wire"
)

// readMark says how far a room was read: up to the newest message that was in view while the user looked.
type readMark struct {
	upTo       uint64
	epoch      string // in which upTo was seen; empty: unknown
	remembered bool   // upTo is from an earlier run, in the timeline's history
	unproven   bool   // the server has not confirmed yet that it still has that history
	joinedAt   uint64 // the newest message when the room was first joined; messages up to there do not ring the bell
	mentions   int    // of this user since upTo
	uncounted  uncounted
}

// uncounted is how many messages after a number do not count as unread.
type uncounted struct{ after, count uint64 }

// unread returns the number of messages that nobody has seen.
func (r *room) unread() uint64 {
	from := r.timeline.lastRead(r.read.upTo)
	n := r.timeline.head - min(from, r.timeline.head)
	if r.read.uncounted.after == from {
		n -= min(r.read.uncounted.count, n)
	}
	return n
}

// skipUnread keeps n, which has just arrived, from counting as unread: it is this user's own, or is not shown.
func (r *room) skipUnread(n uint64) {
	from := r.timeline.lastRead(r.read.upTo)
	if n <= from {
		return
	}
	if r.read.uncounted.after != from {
		r.read.uncounted.after, r.read.uncounted.count = from, 0
	}
	r.read.uncounted.count++
}

// skip counts number n of the room, which is not a message.
func (r *room) skip(n uint64) {
	if n > r.timeline.received {
		r.skipUnread(n)
	}
	r.timeline.received, r.timeline.head = max(r.timeline.received, n), max(r.timeline.head, n)
}

// newBelow returns the number of unread messages below a view that is scrolled back.
func (r *room) newBelow() uint64 {
	if r.timeline.anchor == nil {
		return 0
	}
	return r.unread()
}

// resetRead marks everything up to n as read, and drops the position of an earlier run.
func (r *room) resetRead(n uint64) {
	r.read.upTo, r.read.epoch, r.read.mentions = n, r.serverEpoch, 0
	if !r.timeline.pendingJump {
		r.timeline.jumpTargetAt = 0
	}
}

// markRead notes that the user looks at the room.
func (r *room) markRead() {
	t := &r.timeline
	if t.jumping || t.jumpTargetAt != 0 {
		return
	}
	if n := t.lastInView(); n > r.read.upTo {
		own := r.read.uncounted
		r.read.upTo, r.read.epoch = n, r.serverEpoch
		if own.count > 0 && n < t.received { // some own messages are still below
			r.read.uncounted = uncounted{after: t.lastRead(n), count: t.received - n - min(t.othersBetween(n, t.received+1), t.received-n)}
		}
	}
	if r.read.upTo >= t.received {
		r.read.mentions = 0
	}
}

// allRead reports whether the user has seen everything.
func (r *room) allRead() bool {
	return r.timeline.anchor == nil && r.timeline.attached && r.read.upTo >= r.timeline.received
}

// updateRead marks the room read if the user saw the item. Otherwise the divider is placed above the first unseen item of
// others.
func (r *room) updateRead(it *item) {
	t := &r.timeline
	if it.own && t.unreadDivider && t.dividerAfter+1 == it.n { // own messages are not new
		t.setDivider(it.n, it.n < t.head)
	}
	missed := r.resumed && !it.own
	r.resumed = r.resumed && !missed
	switch {
	case r.watched && !missed && t.anchor == nil:
		r.markRead()
	case !it.own && it.n > r.read.upTo && !(t.unreadDivider && (t.dividerAfter >= r.read.upTo || t.othersBetween(r.read.upTo, it.n) > 0)):
		t.setDivider(it.n-1, true)
	}
}

const anotherHistory = "the server's history was replaced"

// proof is the answer to prove.
type proof struct {
	room  string
	at    wire.Position
	reset bool // the server has no such position
	err   error
}

// prove asks the server whether the read position is part of its history. If the server was rolled back, other messages may
// have those numbers, and nobody has seen them. The position keeps its epoch: the older the epoch, the more of the states
// to which a server can be rolled back contain it.
func (r *room) prove() tea.Cmd {
	p := proof{room: r.name, at: wire.Position{HistoryID: r.timeline.historyID, Epoch: r.read.epoch, N: r.read.upTo}}
	ctx, chat := r.ctx, r.chat
	return func() tea.Msg {
		page, err := chat.History(ctx, wire.History{Room: p.room, After: &p.at, Limit: 1})
		p.reset, p.err = page.Reset, err
		return p
	}
}

// proven handles the answer. After an error the position is proven the next time.
func (r *room) proven(p proof) tea.Cmd {
	if !r.read.unproven {
		return nil // a reset has reported the same
	}
	r.read.unproven = false
	if p.err == nil && p.reset {
		r.inform(anotherHistory)
		if r.read.upTo == p.at.N && r.read.epoch == p.at.Epoch {
			r.resetRead(r.read.joinedAt)
		}
		if t := &r.timeline; t.unreadDivider && t.dividerAfter == p.at.N {
			t.setDivider(r.read.upTo, r.read.upTo < t.received)
		}
	}
	return r.jumpWhenReady()
}
