package tui

import (
	"slices"
	"time"

	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/wire"
)

// What a room keeps in memory; the rest is fetched when somebody looks at it.
const (
	maxItems = 1000    // messages
	maxBytes = 1 << 20 // of their texts
	screens  = 6       // at least so many rows of the view
	pageSize = 100     // messages fetched at once
	around   = 30      // messages before one that is jumped to
	plainly  = 10      // times as much while somebody looks back where nothing can be fetched
)

// item is one thing in a room: a message, or a note where none can be.
type item struct {
	n        uint64 // the number; of the plain door, a count of our own
	at       time.Time
	by, from string
	text     string // as it came
	id       string
	own      bool
	state    client.State // if own
	why      string       // it is in that state
	note     bool         // text is ours

	drawn rendered
}

// room is one room on the screen.
//
// items are the window: everything from its first number to its last, in order. It is attached when what comes is to be
// added to it; otherwise messages between it and the newest are not in memory.
type room struct {
	name      string
	plain     bool // of the plain door: it has no past, and nothing can be fetched
	historyID string
	now       string // the epoch of the newest answer to join
	joined    bool   // there was an answer to join
	first     uint64
	heard     uint64 // what came up to here
	latest    uint64 // the newest message of that; what else has a number may have come after it
	head      uint64 // what there is, as far as is known
	last      int    // old messages that were asked for with it
	rows      int    // of the view
	items     []*item
	bytes     int
	attached  bool
	outbox    []*item // said and not heard yet
	loading   bool
	going     bool   // to another window, which is being fetched
	ending    bool   // that is the end
	over      uint64 // counts windows: a page for an older one is dropped

	people   int
	names    []string
	speakers []string // who spoke, latest first
	typing   []wire.Sender

	read          uint64 // somebody looked at it
	epoch         string // in which they did; empty: it is not known
	kept          bool   // read is remembered from an earlier time, of log
	doubt         bool   // and it is not known yet whether that is a part of the server's history still
	rule          uint64 // new is what comes after this number; ruled
	unreadDivider bool
	since         uint64 // what was there when the room was first joined: old, and rings no bell
	called        int    // messages since read that mention me
	quiet         quiet

	anchor       *item     // the one at the top of the view; nil: the view is at the end
	off          int       // lines from the beginning of its text; negative: of what stands before
	shrunk       scrollPos // where the view was before it could show all up to the end
	jumpTarget   uint64    // the number that was jumped to
	jumpTargetAt uint64    // where the view is to be when the room is there; 0: at the end
	pendingJump  bool      // at a message that was asked for, not one that was looked at the last time
	warned       time.Time // when it was told what would be lost if the room was left

	composer composer
	words    reading // at the top of the view
}

// quiet is how many after a number are not counted as unread.
type quiet struct{ after, n uint64 }

// scrollPos is the top of a view, and what had been heard there.
type scrollPos struct {
	anchor *item
	off    int
	heard  uint64
}

func newRoom(name string) *room {
	return &room{name: name, attached: true, first: 1, last: wire.DefaultJoin}
}

// gone is the number up to which there is nothing to look at: it was read, or the server does not keep it.
func (r *room) gone(read uint64) uint64 { return max(read, r.first-1) }

// unread is how many have come that nobody looked at.
func (r *room) unread() uint64 {
	from := r.gone(r.read)
	n := r.head - min(from, r.head)
	if r.quiet.after == from {
		n -= min(r.quiet.n, n)
	}
	return n
}

// quieten has n, which has just come, not count as unread: it is one's own, or nothing that is shown.
func (r *room) quieten(n uint64) {
	from := r.gone(r.read)
	if n <= from {
		return
	}
	if r.quiet.after != from {
		r.quiet.after, r.quiet.n = from, 0
	}
	r.quiet.n++
}

// below is how many have come below a view that is scrolled back.
func (r *room) below() uint64 {
	if r.anchor == nil {
		return 0
	}
	return r.head - min(r.gone(r.read), r.head)
}

// behind is how many are still to come of what there is.
func (r *room) behind() uint64 { return r.head - min(r.gone(r.heard), r.head) }

// fresh is the number at which what is new begins, if there is a rule of that.
func (r *room) fresh() uint64 { return r.gone(r.rule) + 1 }

// lowest and highest are the ends of the window.
func (r *room) lowest() uint64 {
	if len(r.items) == 0 {
		return r.heard + 1
	}
	return r.items[0].n
}

func (r *room) highest() uint64 {
	if len(r.items) == 0 {
		return r.heard
	}
	return r.items[len(r.items)-1].n
}

// older tells whether there is anything before the window.
func (r *room) older() bool { return r.joined && r.lowest() > max(r.first, 1) && r.head > 0 }

// hear takes something that has just come.
func (r *room) hear(it *item) {
	had := len(r.items) > 0 && it.n <= r.highest() && !it.note // a page brought it, before what comes had come so far
	r.heard, r.latest, r.head = it.n, it.n, max(r.head, it.n)
	held := false // the view, by what this confirms
	if it.own {
		sent := r.sent(it.id)
		held = sent != nil && sent == r.anchor
		r.settle(it.id)
	}
	if r.attached && !had {
		r.items = append(r.items, it)
		r.bytes += len(it.text)
		if held {
			r.anchor = it
		}
		r.trim()
	}
}

// hole notes that something may be missing here, which the plain door cannot tell.
func (r *room) hole(at time.Time) {
	if len(r.items) > 0 && !r.items[len(r.items)-1].note {
		r.hear(&item{n: r.heard, at: at, note: true, text: "the connection broke here: what was said meanwhile is not known"})
	}
}

// trim holds the window within its bounds: from the front if the view is at the end, otherwise what comes below a reader
// is let go of, to be fetched when it is wanted.
func (r *room) trim() {
	for len(r.items) > 1 && r.tooMuch(len(r.items), r.bytes) {
		if r.plain && r.anchor != nil {
			if !r.tooMuch(len(r.items)/plainly, r.bytes/plainly) {
				return
			}
			if r.anchor == r.items[0] { // it has to move now, or the room would have no end
				r.anchor, r.off = r.items[1], 0
			}
		}
		if r.anchor == nil || r.plain {
			r.bytes -= len(r.items[0].text)
			r.items[0] = nil
			r.items = r.items[1:]
			continue
		}
		last := len(r.items) - 1
		if r.items[last] == r.anchor {
			return
		}
		r.bytes -= len(r.items[last].text)
		r.items[last] = nil
		r.items = r.items[:last]
		r.attached = false
	}
}

// tooMuch tells whether the window would be too large with so many messages and bytes of text. It has to be larger than
// what is seen and fetched around that, or one end would be let go of for the other without an end.
func (r *room) tooMuch(messages, bytes int) bool {
	least := screens * r.rows
	return messages > max(maxItems, least) || bytes > maxBytes && messages > least
}

// full tells whether what is added to one end of the window goes at the other.
func (r *room) full() bool { return r.tooMuch(len(r.items)+1, r.bytes+maxDraft) }

// idle notes that nothing is fetched any more: what is still under way is for a window that is gone.
func (r *room) idle() {
	r.over++
	r.loading, r.going, r.ending = false, false, false
}

// replace makes a page the window.
func (r *room) replace(items []*item, attached bool) {
	r.idle()
	r.items, r.bytes, r.attached, r.anchor = items, 0, attached, nil
	for _, it := range items {
		r.bytes += len(it.text)
	}
}

// prepend adds what came before the window, and lets go of its far end if it has become too much.
func (r *room) prepend(items []*item) {
	i := len(items)
	for i > 0 && len(r.items) > 0 && items[i-1].n >= r.items[0].n {
		i--
	}
	r.items = append(items[:i:i], r.items...)
	for _, it := range items[:i] {
		r.bytes += len(it.text)
	}
	r.trim()
}

// extend adds what came after the window. more: there is still more after that.
func (r *room) extend(items []*item, more bool) {
	for _, it := range items {
		if it.n > r.highest() || len(r.items) == 0 {
			r.items = append(r.items, it)
			r.bytes += len(it.text)
		}
	}
	r.attached = !more && (r.highest() >= r.latest || r.latest < r.first)
	over := 0 // the reader looks at the other end
	for at := slices.Index(r.items, r.anchor); over < at && r.tooMuch(len(r.items)-over, r.bytes); over++ {
		r.bytes -= len(r.items[over].text)
	}
	r.items = slices.Delete(r.items, 0, over)
}

// take takes off the outbox what which tells of each, and tells whether there was anything. A view at such a one goes to
// the end.
func (r *room) take(which func(*item) bool) bool {
	before := len(r.outbox)
	r.outbox = slices.DeleteFunc(r.outbox, func(it *item) bool {
		taken := which(it)
		if taken && it == r.anchor {
			r.anchor = nil
		}
		return taken
	})
	return len(r.outbox) < before
}

// settle takes away what was heard.
func (r *room) settle(id string) { r.take(func(it *item) bool { return it.id == id }) }

// heardAfterAll takes away what was not confirmed an earlier time: the first with that text.
func (r *room) heardAfterAll(text string) {
	found := false
	r.take(func(it *item) bool {
		first := !found && it.id == "" && it.text == text
		found = found || first
		return first
	})
}

// dismiss takes away what could not be said.
func (r *room) dismiss() bool {
	return r.take(func(it *item) bool { return it.state == client.Failed })
}

// unsaved are the same of a room, with those of earlier times or without.
func (r *room) unsaved(earlier bool) (texts []string) {
	for _, it := range r.outbox {
		if (it.sending() || it.state == client.Failed) && (earlier || it.id != "") {
			texts = append(texts, it.text)
		}
	}
	return texts
}

// sending is how many texts are on their way.
func (r *room) sending() (n int) {
	for _, it := range r.outbox {
		if it.sending() {
			n++
		}
	}
	return n
}

// sending reports whether the server has not confirmed a message yet.
func (it *item) sending() bool { return it.state == client.Waiting || it.state == client.Sending }

// changed takes the new state of a message that was posted here.
func (r *room) changed(f client.Sent, method ansi.Method) {
	r.head = max(r.head, f.N)
	it := r.sent(f.ID)
	if it == nil {
		return // it was heard already
	}
	it.state, it.drawn.lines = f.State, nil
	switch f.State {
	case client.Waiting:
		if f.Reason != "" && f.Code != wire.RateLimited { // posting too fast needs no warning
			it.why = "not yet: " + oneLine(f.Reason, method)
		}
	case client.Saved:
		it.why, it.at, it.n = "", f.At, f.N
		r.passed()
	case client.Held:
		it.why = "held for a moderator"
	case client.Failed:
		it.why = oneLine(f.Reason, method)
	}
}

// sent finds something said here that was not heard yet.
func (r *room) sent(id string) *item {
	for _, it := range r.outbox {
		if it.id == id {
			return it
		}
	}
	return nil
}

// passed lets go of what is saved with a number that was passed without being heard: it is not kept any more.
func (r *room) passed() {
	r.take(func(it *item) bool { return it.state == client.Saved && it.n > 0 && it.n <= r.heard })
}

// find returns where in the window a number is, or the next one that there is.
func (r *room) find(n uint64) (int, bool) {
	i, found := slices.BinarySearchFunc(r.items, n, func(it *item, n uint64) int {
		switch {
		case it.n < n:
			return -1
		case it.n > n:
			return 1
		}
		return 0
	})
	return i, found
}

// speaks notes who spoke last.
func (r *room) speaks(from string) {
	if from == "" {
		return
	}
	if i := slices.Index(r.speakers, from); i >= 0 {
		r.speakers = slices.Delete(r.speakers, i, i+1)
	}
	r.speakers = slices.Insert(r.speakers, 0, from)
	if len(r.speakers) > 200 {
		r.speakers = r.speakers[:200]
	}
}

// forget lets go of what is remembered of an earlier time: everything up to n counts as read.
func (r *room) forget(n uint64) {
	r.read, r.epoch, r.called = n, r.now, 0
	if !r.pendingJump {
		r.jumpTargetAt = 0
	}
}

// look notes that somebody saw the room's end.
func (r *room) look() {
	if r.anchor == nil && r.attached && r.jumpTargetAt == 0 && !r.going && r.read <= r.heard {
		if r.read < r.heard {
			r.read, r.epoch = r.heard, r.now
		}
		r.called = 0
	}
}

// seen tells whether somebody saw everything.
func (r *room) seen() bool { return r.anchor == nil && r.attached && r.read >= r.heard }
