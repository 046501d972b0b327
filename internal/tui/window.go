package tui

import (
	"fmt"
	"slices"
	"time"

	"ramai/client"
	"ramai/wire"
)

// Limits of what a room keeps in memory. The rest is fetched when the user scrolls to it.
const (
	maxItems    = 1000    // messages
	maxBytes    = 1 << 20 // of their texts
	screens     = 6       // the window has at least this many heights of the view
	pageSize    = 100     // messages fetched at once
	contextSize = 30      // messages before a jump target
	plainFactor = 10      // how much more is kept while the user looks back and nothing can be fetched
)

// item is one entry of a timeline: a message, or a note of the client's own.
type item struct {
	n                     uint64 // the number; with the plain protocol, a count of our own
	at                    time.Time
	senderID, displayName string
	text                  string // as received
	id                    string
	re                    uint64    // number of the message that it replies to; 0: none
	edited                uint64    // number of its newest change; 0: none
	editedAt              time.Time // when that was; zero: not known
	marks                 marks
	gone                  bool // it was deleted
	changing              bool // a change of it is not saved
	own                   bool
	state                 client.State // if own
	sentAt                time.Time    // when the state became Sending
	reason                string       // why it is in that state
	note                  bool         // text is ours
	expanded              bool         // it is shown in full, however long

	rendered rendered
}

// lastRead is the number up to which nothing is unread: it was read, or the server no longer has it.
func (t *timeline) lastRead(read uint64) uint64 { return max(read, t.first-1) }

// behind returns how many messages of the room are still to arrive.
func (t *timeline) behind() uint64 { return t.head - min(t.lastRead(t.received), t.head) }

// lowest and highest are the ends of the window.
func (t *timeline) lowest() uint64 {
	if len(t.items) == 0 {
		return t.received + 1
	}
	return t.items[0].n
}

func (t *timeline) highest() uint64 {
	if len(t.items) == 0 {
		return t.received
	}
	return t.items[len(t.items)-1].n
}

// hasOlder reports whether there are messages before the window.
func (t *timeline) hasOlder() bool { return t.joined && t.lowest() > max(t.first, 1) && t.head > 0 }

// receive adds an item that has just arrived.
func (t *timeline) receive(it *item) {
	had := len(t.items) > 0 && it.n <= t.highest() && !it.note // a page was ahead of the frames
	t.received, t.latest, t.head = it.n, it.n, max(t.head, it.n)
	held := false // the top of the view is a pending message that this one confirms
	if it.own {
		sent := t.sent(it.id)
		held = sent != nil && sent == t.anchor
		t.removeReceived(it.id)
	}
	if t.attached && !had {
		t.items = append(t.items, it)
		t.bytes += len(it.text)
		if held {
			t.anchor = it
		}
		if t.anchor == nil {
			t.showSelected()
		}
		t.trim()
	}
}

// noteOutage notes that messages may be missing here. The plain protocol cannot tell.
func (t *timeline) noteOutage(at time.Time) {
	if len(t.items) > 0 && !t.items[len(t.items)-1].note {
		t.receive(&item{n: t.received, at: at, note: true, text: "the connection broke here; messages may be missing"})
	}
}

// gap notes that the server no longer has some messages.
func (t *timeline) gap(f wire.Gap, at time.Time) {
	defer t.removeMissed()
	if t.received == 0 || len(t.items) == 0 {
		t.first = max(t.first, f.To+1)
		t.received = f.To
		return
	}
	t.receive(&item{n: f.To, at: at, note: true, text: fmt.Sprintf("messages %s to %s are no longer on the server", thousands(f.From), thousands(f.To))})
}

// trim keeps the window within its limits. If the view is at the end, the oldest items are dropped. Otherwise those below
// the reader are dropped, and fetched again when needed.
func (t *timeline) trim() {
	for len(t.items) > 1 && t.overLimit(len(t.items), t.bytes) {
		if t.plain && t.anchor != nil {
			if !t.overLimit(len(t.items)/plainFactor, t.bytes/plainFactor) {
				return
			}
			if t.anchor == t.items[0] { // the view has to move now, or the room would never end
				t.anchor, t.offset = t.items[1], 0
			}
		}
		if t.anchor == nil || t.plain {
			t.bytes -= len(t.items[0].text)
			t.items[0] = nil
			t.items = t.items[1:]
			continue
		}
		last := len(t.items) - 1
		if t.items[last] == t.anchor {
			return
		}
		t.bytes -= len(t.items[last].text)
		t.items[last] = nil
		t.items = t.items[:last]
		t.attached = false
	}
}

// overLimit reports whether the window would be too large with so many messages and bytes of text. It must be larger than
// what is visible and fetched around that: otherwise fetching at one end would drop the other, over and over.
func (t *timeline) overLimit(messages, bytes int) bool {
	least := screens * t.display.height
	return messages > max(maxItems, least) || bytes > maxBytes && messages > least
}

// full reports whether adding to one end of the window drops items at the other.
func (t *timeline) full() bool { return t.overLimit(len(t.items)+1, t.bytes+maxDraft) }

// stopLoading ends all fetching. Pages in transit are for a window that no longer exists.
func (t *timeline) stopLoading() {
	t.generation++
	t.loading, t.jumping, t.loadingEnd = false, false, false
}

// replace replaces the window with items.
func (t *timeline) replace(items []*item, attached bool) {
	t.stopLoading()
	t.items, t.bytes, t.attached, t.anchor, t.selected = items, 0, attached, nil, 0
	for _, it := range items {
		t.bytes += len(it.text)
	}
}

// prepend adds items before the window.
func (t *timeline) prepend(items []*item) {
	i := len(items)
	for i > 0 && len(t.items) > 0 && items[i-1].n >= t.items[0].n {
		i--
	}
	t.items = append(items[:i:i], t.items...)
	for _, it := range items[:i] {
		t.bytes += len(it.text)
	}
	t.trim()
}

// extend adds items after the window. more: the server has more after those.
func (t *timeline) extend(items []*item, more bool) {
	for _, it := range items {
		if it.n > t.highest() || len(t.items) == 0 {
			t.items = append(t.items, it)
			t.bytes += len(it.text)
		}
	}
	t.attached = !more && (t.highest() >= t.latest || t.latest < t.first)
	over := 0 // the reader is at the other end
	for at := slices.Index(t.items, t.anchor); over < at && t.overLimit(len(t.items)-over, t.bytes); over++ {
		t.bytes -= len(t.items[over].text)
	}
	t.items = slices.Delete(t.items, 0, over)
}

// sending reports whether the server has not confirmed the message yet.
func (it *item) sending() bool { return it.state == client.Waiting || it.state == client.Sending }

// find returns the position of a number in the window, or of the next number that is there.
func (t *timeline) find(n uint64) (int, bool) {
	i, found := slices.BinarySearchFunc(t.items, n, func(it *item, n uint64) int {
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

// placement is where in the view the target of a jump is shown.
type placement uint8

const (
	withContext placement = iota // with some context above it
	marked                       // likewise, and marked
	atTop
)
