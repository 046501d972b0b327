package tui

import (
	"slices"
	"time"

	"ramai/wire"
)

// room is one room on the screen: its timeline, who is in it, how far it was read, and the draft that was begun there.
type room struct {
	timeline
	people
	readMark
	editor editor

	historyID   string
	serverEpoch string    // of the newest joined
	last        int       // old messages that were asked for with the first join
	warnedAt    time.Time // when /leave warned of what would be lost
}

// people are those in a room.
type people struct {
	present  int
	names    []string
	speakers []string // those who posted last come first
	typing   []wire.Sender
}

// known are the names that may be mentioned.
func (p *people) known() []string { return slices.Concat(p.speakers, p.names) }

// readMark is how far a room was read.
type readMark struct {
	readTo     uint64
	readEpoch  string // of the history in which that was; empty: unknown
	remembered bool   // readTo is from an earlier run, of historyID
	unproven   bool   // the server has not confirmed yet that it still has that history
	joinedAt   uint64 // the newest message when the room was first joined; up to there nothing rings the bell
	mentions   int    // of this user since readTo
	uncounted  uncounted
}

// uncounted is how many messages after a number do not count as unread.
type uncounted struct{ after, count uint64 }

func newRoom(name string) *room {
	r := &room{last: wire.DefaultJoin}
	r.timeline = timeline{name: name, attached: true, first: 1, people: &r.people}
	return r
}

// unread is how many messages nobody has seen.
func (r *room) unread() uint64 {
	from := r.lastRead(r.readTo)
	n := r.head - min(from, r.head)
	if r.uncounted.after == from {
		n -= min(r.uncounted.count, n)
	}
	return n
}

// skipUnread keeps n, which has just arrived, from counting as unread: it is this user's own, or nothing that is shown.
func (r *room) skipUnread(n uint64) {
	from := r.lastRead(r.readTo)
	if n <= from {
		return
	}
	if r.uncounted.after != from {
		r.uncounted.after, r.uncounted.count = from, 0
	}
	r.uncounted.count++
}

// newBelow is how many messages have arrived below a view that is scrolled back.
func (r *room) newBelow() uint64 {
	if r.anchor == nil {
		return 0
	}
	return r.head - min(r.lastRead(r.readTo), r.head)
}

// spoke moves a name to the front of the speakers.
func (p *people) spoke(from string) {
	if from == "" {
		return
	}
	if i := slices.Index(p.speakers, from); i >= 0 {
		p.speakers = slices.Delete(p.speakers, i, i+1)
	}
	p.speakers = slices.Insert(p.speakers, 0, from)
	if len(p.speakers) > 200 {
		p.speakers = p.speakers[:200]
	}
}

// resetRead makes everything up to n read, and drops the position of an earlier run.
func (r *room) resetRead(n uint64) {
	r.readTo, r.readEpoch, r.mentions = n, r.serverEpoch, 0
	if !r.pendingJump {
		r.jumpTargetAt = 0
	}
}

// markRead notes that somebody saw the end of the room.
func (r *room) markRead() {
	if r.anchor == nil && r.attached && r.jumpTargetAt == 0 && !r.jumping && r.readTo <= r.received {
		if r.readTo < r.received {
			r.readTo, r.readEpoch = r.received, r.serverEpoch
		}
		r.mentions = 0
	}
}

// allRead reports whether somebody saw everything.
func (r *room) allRead() bool { return r.anchor == nil && r.attached && r.readTo >= r.received }
