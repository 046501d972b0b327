package tui

import (
	"slices"

	"ramai/client"
)

// timeline is the messages of a room and the view of them. It owns the scroll position.
//
// replica has the content of the messages. items are the window: all messages from its first number to its last, in order. It is
// attached if new messages are added to it; otherwise there are messages between its end and the newest that are not in memory.
// Below the items is the outbox.
//
// The view is height lines. It starts at the anchor, or it is at the end.
type timeline struct {
	*shared
	name     string
	plain    bool // the plain protocol has no history: nothing can be fetched
	joined   bool // the server has answered a join
	shown    bool // it is on the screen: what is about to become visible is fetched
	people   *people
	viewRows int // the height of the view

	historyID string // the history of the numbers
	replica   client.Replica
	originals originals // of replies

	first    uint64 // the oldest message that the server still has
	received uint64 // everything up to here has arrived
	latest   uint64 // the newest message among those; other records may have higher numbers
	head     uint64 // the newest number of the room, as far as known

	items      []*item
	bytes      int // of the texts
	attached   bool
	outbox     []*item // posted here, and not received yet
	loading    bool
	jumping    bool   // another window is being fetched
	loadingEnd bool   // the end is being fetched
	restoring  bool   // messages that were restored are being fetched
	generation uint64 // of the window: pages requested for an earlier one are dropped

	dividerAfter  uint64 // the divider is above the messages after this number
	unreadDivider bool

	anchor       *item     // at the top of the view; nil: the view is at the end
	offset       int       // lines from the beginning of its text; negative: into the lines above it
	beforeResize scrollPos // before the view became high enough for everything up to the end
	reading      reading   // at the top of the view
	jumpTarget   uint64    // the message marked as the target of a jump
	selected     uint64    // the message that keys act on; 0: none
	reacting     uint64    // the message for which a reaction is asked; 0: none
	confirming   uint64    // the message whose deletion was asked about; 0: none
	jumpTargetAt uint64    // the view goes there once the room is joined; 0: to the end
	pendingJump  bool      // that message was requested; otherwise it is the position of an earlier run
}

// scrollPos is the top of a view, and the last message received at that time.
type scrollPos struct {
	anchor   *item
	offset   int
	received uint64
}

// count returns the number of items, including those of the outbox.
func (t *timeline) count() int { return len(t.items) + len(t.outbox) }

func (t *timeline) itemAt(i int) *item {
	if i < len(t.items) {
		return t.items[i]
	}
	return t.outbox[i-len(t.items)]
}

// indexOf finds an item. It starts at the end, where most are.
func (t *timeline) indexOf(it *item) int {
	for i := t.count() - 1; i >= 0; i-- {
		if t.itemAt(i) == it {
			return i
		}
	}
	return -1
}

// The view of a room is height lines of its blocks. It begins at the anchor, or ends at the end.

// visible returns the lines to show.
func (t *timeline) visible() []string {
	if t.anchor != nil {
		if i := t.indexOf(t.anchor); i >= 0 {
			d := t.block(i)
			t.offset = min(max(t.offset, -d.headLines), len(d.lines)-d.headLines-1)
			return t.linesFrom(i, t.offset)
		}
		t.anchor = nil
	}
	if t.count() == 0 {
		return nil
	}
	i, off := t.topOf()
	return t.linesFrom(i, off-t.block(i).headLines)
}

// linesFrom returns height lines, starting at a line of the i-th item's text. The first message shows its sender and time
// even if it is grouped.
func (t *timeline) linesFrom(i, off int) []string {
	d := t.block(i)
	if s := d.renderKey; off <= 0 && (s.grouped || s.minute) && t.style.width >= narrow {
		s.grouped, s.minute = false, false
		told := t.render(t.itemAt(i), s)
		d = &told
	}
	lines := append([]string(nil), d.lines[d.headLines+off:]...)
	for i++; i < t.count() && len(lines) < t.viewRows; i++ {
		lines = append(lines, t.block(i).lines...)
	}
	return lines[:min(len(lines), t.viewRows)]
}

// scroll moves the view by lines: up if negative.
func (t *timeline) scroll(lines int) {
	if t.count() == 0 {
		return
	}
	i, off := t.topOf()
	if i < 0 {
		return
	}
	// From here on, positions are counted from the beginning of the block.
	off += lines
	for off < 0 && i > 0 {
		i--
		off += len(t.block(i).lines)
	}
	for i < t.count()-1 && off >= len(t.block(i).lines) {
		off -= len(t.block(i).lines)
		i++
	}
	d := t.block(i)
	off = min(max(off, 0), len(d.lines)-1)
	t.moveTo(i, off-d.headLines)
}

// topOf returns where the view begins: an item, and a line of its block.
func (t *timeline) topOf() (i, off int) {
	if t.anchor != nil {
		if i = t.indexOf(t.anchor); i >= 0 {
			return i, t.offset + t.block(i).headLines
		}
	}
	rest := t.viewRows
	for i = t.count() - 1; i >= 0; i-- {
		n := len(t.block(i).lines)
		if n >= rest {
			return i, n - rest
		}
		rest -= n
	}
	return 0, 0
}

// moveTo moves the top of the view to a line of the i-th item's text. If everything from there to the end fits, the view
// goes to the end.
func (t *timeline) moveTo(i, off int) {
	t.anchor, t.offset, t.beforeResize, t.reading = t.itemAt(i), off, scrollPos{}, reading{}
	t.clampEnd()
}

// clampEnd moves the view to the end if everything from its top on fits.
func (t *timeline) clampEnd() {
	if t.anchor == nil || !t.attached {
		return
	}
	if i := t.indexOf(t.anchor); i < 0 || t.linesBelow(i, t.offset, t.viewRows) <= t.viewRows {
		t.anchor = nil
	}
}

// setRows changes the height of the view as the composer grows and shrinks.
func (t *timeline) setRows(rows int) {
	t.viewRows = rows
	t.clampEnd()
}

// resize fits the view into another height. A view that was at the end only because everything fitted returns to its former
// position, unless something has arrived since.
func (t *timeline) resize(rows int) {
	t.viewRows = rows
	if p := t.beforeResize; t.anchor == nil && p.anchor != nil && p.received == t.received && t.indexOf(p.anchor) >= 0 {
		t.anchor, t.offset = p.anchor, p.offset
		t.restoreReading()
	}
	before := scrollPos{t.anchor, t.offset, t.received}
	if t.clampEnd(); t.anchor == nil {
		t.beforeResize = before
	}
}

// linesBelow counts the lines from a line of an item to the end. It stops soon after enough.
func (t *timeline) linesBelow(i, off, enough int) int {
	d := t.block(i)
	n := len(d.lines) - d.headLines - off
	for i++; i < t.count() && n <= enough; i++ {
		n += len(t.block(i).lines)
	}
	return n
}

// nearTop and nearEnd report whether the view is close to messages that are not in memory.
func (t *timeline) nearTop() bool {
	if t.count() == 0 {
		return true
	}
	i, off := t.topOf()
	for i--; i >= 0 && off < t.viewRows; i-- {
		off += len(t.block(i).lines)
	}
	return off < t.viewRows
}

func (t *timeline) nearEnd() bool {
	if t.count() == 0 {
		return true
	}
	i, off := t.topOf()
	return t.linesBelow(i, off-t.block(i).headLines, 2*t.viewRows) <= 2*t.viewRows
}

// reading is the text at the top of the view, however it is wrapped: dragging a window passes through many widths.
type reading struct {
	anchor *item
	offset int // its line when it was last recorded; if it is elsewhere, the user has scrolled
	before int // the characters before it
	empty  int // empty lines between it and those
}

// reflow keeps the text at the top of the view when lines become longer or shorter.
func (t *timeline) reflow(before *style) {
	if t.anchor == nil || t.indexOf(t.anchor) < 0 {
		return
	}
	if p := t.reading; p.anchor != t.anchor || p.offset != t.offset {
		d := &t.anchor.rendered
		if t.reading = (reading{}); d.renderKey.style != before || t.offset <= 0 || t.offset >= len(d.charsBefore) {
			return
		}
		first, _ := slices.BinarySearch(d.charsBefore, d.charsBefore[t.offset])
		t.anchor.expanded = true // it is being read: it must not fold when lines become narrower
		t.reading = reading{anchor: t.anchor, before: d.charsBefore[t.offset], empty: t.offset - first}
	}
	t.reading.offset = t.offset
	t.restoreReading()
}

// restoreReading scrolls to the text that was at the top.
func (t *timeline) restoreReading() {
	p := &t.reading
	if p.anchor != t.anchor || p.offset != t.offset {
		return
	}
	from := t.block(t.indexOf(t.anchor)).charsBefore
	first, found := slices.BinarySearch(from, p.before)
	last, _ := slices.BinarySearch(from, p.before+1)
	if t.offset = last - 1; found {
		t.offset = min(first+p.empty, last-1)
	}
	p.offset = t.offset
}

// setDivider sets where the divider of unread messages is, and whether there is one.
func (t *timeline) setDivider(after uint64, on bool) { t.dividerAfter, t.unreadDivider = after, on }

// dividerAbove reports whether the divider of unread messages is above the view.
func (t *timeline) dividerAbove() bool {
	i, off := t.topOf()
	if !t.unreadDivider || i < 0 || i >= len(t.items) {
		return false
	}
	d := t.block(i)
	return t.items[i].n > t.firstUnread() && !d.renderKey.divider || d.renderKey.divider && off >= d.headLines
}

// lastInView returns the number up to which messages are in view or above it.
func (t *timeline) lastInView() uint64 {
	if t.anchor == nil && t.attached {
		return t.received
	}
	if len(t.items) == 0 {
		return 0
	}
	last := uint64(0)
	i, off := t.topOf()
	for rest := t.viewRows + off; i >= 0 && i < len(t.items); i++ {
		if rest -= len(t.block(i).lines); rest < 0 {
			break
		}
		last = t.items[i].n
	}
	return last
}

// toggleFolds shows the long messages in view in full, or folds them if none is folded.
func (t *timeline) toggleFolds() {
	var long []*item
	folded := false
	i, off := t.topOf()
	for rest := t.viewRows + off; i >= 0 && i < t.count() && rest > 0; i++ {
		it, d := t.itemAt(i), t.block(i)
		if rest -= len(d.lines); d.folded || it.expanded {
			long = append(long, it)
			folded = folded || d.folded
		}
	}
	for _, it := range long {
		it.expanded = folded
	}
	if len(long) == 0 {
		t.inform("no long message is in view")
	} else if folded && t.anchor == nil { // its beginning stays in view
		t.moveTo(t.indexOf(long[0]), 0)
	}
}

// othersBetween returns how many messages by others the window has between two numbers.
func (t *timeline) othersBetween(after, before uint64) (n uint64) {
	for _, it := range slices.Backward(t.items) {
		if it.n <= after {
			break
		}
		if it.n < before && !it.own && !it.note {
			n++
		}
	}
	return n
}

// firstUnread returns the number of the first message below the divider.
func (t *timeline) firstUnread() uint64 { return t.lastRead(t.dividerAfter) + 1 }
