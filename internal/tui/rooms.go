package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// roomList is the list of rooms on the screen, one of which is shown.
type roomList struct {
	*shared
	all         []*room
	current     int
	first       string    // the room that the client has joined by itself
	joined      bool      // the others were joined, too
	leftUnsaved []string  // messages not confirmed in rooms that were left
	tabs        []tabSpan // as last drawn
}

func (l *roomList) shown() *room { return l.all[l.current] }

// names returns the names of the rooms, in their order.
func (l *roomList) names() []string {
	names := make([]string, len(l.all))
	for i, r := range l.all {
		names[i] = r.name
	}
	return names
}

// update handles a frame, and passes it on to its room.
func (l *roomList) update(frame wire.Frame) tea.Cmd {
	switch f := frame.(type) {
	case wire.Welcome:
		l.join()
	case client.Line:
		return l.all[0].update(f)
	case wire.Epoch, client.Disconnected:
		for _, r := range l.all {
			r.update(f)
		}
	case wire.RoomFrame:
		if r := l.find(f.RoomName()); r != nil {
			cmd := r.update(frame)
			l.openModerators(r)
			return cmd
		}
	}
	return nil
}

// openModerators opens the room of the moderators beside a room that this user moderates, so that its tab shows when something waits
// there. That happens once: the user may leave it.
func (l *roomList) openModerators(r *room) {
	base, _ := wire.BaseRoom(r.name)
	if limit := l.self.limits.Rooms; r.openedModerators || !r.moderates() || base != r.name || limit > 0 && len(l.all) >= limit {
		return
	}
	r.openedModerators = true
	name := wire.ModeratorsRoom(r.name)
	if l.find(name) != nil || l.chat.Join(name, wire.DefaultJoin) != nil { // without a connection, it can still be joined by hand
		return
	}
	l.add(name)
}

// join joins the rooms at the first welcome. The client resumes them by itself after that.
func (l *roomList) join() {
	if l.joined {
		return
	}
	l.joined = true
	if l.chat.Plain() {
		l.all[0].timeline.joined = true
		return
	}
	for _, r := range l.all {
		if r.name != l.first {
			if err := l.chat.Join(r.name, wire.DefaultJoin); err != nil {
				l.warn("%s: %s", r.name, reason(err, l.method))
			}
		}
	}
}

// behind reports whether messages of the shown room are still to arrive.
func (l *roomList) behind() bool {
	t := &l.shown().timeline
	return t.behind() > 0 || !t.joined
}

// arrived is called after a batch of frames was handled; wasBehind is the result of behind before that.
func (l *roomList) arrived(wasBehind bool) tea.Cmd {
	var cmds []tea.Cmd
	for _, r := range l.all {
		r.forget()
		cmds = append(cmds, r.jumpWhenReady())
	}
	if t := &l.shown().timeline; wasBehind && t.behind() == 0 { // the messages may not fill the view
		cmds = append(cmds, t.fill())
	}
	return tea.Batch(cmds...)
}

// tabSpan is the position of a room's tab in the top row.
type tabSpan struct{ room, from, to int }

// tabAt returns the room whose tab is at a column; -1: there is none.
func (l *roomList) tabAt(x int) int {
	for _, t := range l.tabs {
		if t.from <= x && x < t.to {
			return t.room
		}
	}
	return -1
}

// switchTo shows a room.
func (l *roomList) switchTo(i int) {
	l.current = i
	for j, r := range l.all {
		r.timeline.shown = j == i
	}
}

// find returns a room by its name; nil: it is not on the screen.
func (l *roomList) find(name string) *room {
	if i := l.index(name); i >= 0 {
		return l.all[i]
	}
	return nil
}

// add adds a room, unless it is there or the name is invalid.
func (l *roomList) add(name string) *room {
	if r := l.find(name); r != nil {
		return r
	}
	if wire.CheckRoom(name) != nil {
		return nil
	}
	r := newRoom(l.shared, name)
	l.all = append(l.all, r)
	return r
}

// restyle renders everything again.
func (l *roomList) restyle() {
	before := l.style
	l.shared.restyle()
	for _, r := range l.all {
		r.timeline.reflow(before)
	}
}

// remove removes a room from the screen.
func (l *roomList) remove(i int) {
	l.leftUnsaved = append(l.leftUnsaved, l.all[i].unsaved(false)...)
	l.all = append(l.all[:i:i], l.all[i+1:]...)
	if l.current > i || l.current == len(l.all) {
		l.current--
	}
	l.switchTo(l.current)
}

// nextActive returns the next room with a mention, or else the next with unread messages; -1: there is none.
func (l *roomList) nextActive() int {
	for _, busy := range []func(*room) bool{func(r *room) bool { return r.read.mentions > 0 }, func(r *room) bool { return r.unread() > 0 }} {
		for step := 1; step < len(l.all); step++ {
			if i := (l.current + step) % len(l.all); busy(l.all[i]) {
				return i
			}
		}
	}
	return -1
}

// view draws the rooms as tabs, in at most space cells, and returns their width. Rooms that do not fit are left out, but
// never the current one; a sign shows whether one of them has a mention.
func (l *roomList) view(space int) (string, int) {
	tabs := make([]string, len(l.all))
	widths := make([]int, len(l.all))
	draw := func(numbered bool) (total int) {
		for i := range l.all {
			tabs[i], widths[i] = l.roomTab(i, numbered, space)
			total += widths[i]
		}
		return total
	}
	if (len(l.all) < 3 || draw(true) > space) && draw(false) > space { // two rooms need no numbers
		_, w := l.hiddenRooms(0, 0)
		space -= w
		tabs[l.current], widths[l.current] = l.roomTab(l.current, false, space)
	}
	from, used := l.current, widths[l.current]
	for from > 0 && used+widths[from-1] <= space {
		from--
		used += widths[from]
	}
	to := l.current + 1
	for to < len(l.all) && used+widths[to] <= space {
		used += widths[to]
		to++
	}
	l.tabs = l.tabs[:0]
	for i, x := from, 0; i < to; i++ {
		l.tabs = append(l.tabs, tabSpan{i, x, x + widths[i]})
		x += widths[i]
	}
	hidden, w := l.hiddenRooms(from, to)
	return strings.Join(tabs[from:to], "") + hidden, used + w
}

// hiddenRooms returns the sign for the rooms that do not fit: those before from, and those from to on.
func (l *roomList) hiddenRooms(from, to int) (string, int) {
	words, style := "", l.style.other
	for i, r := range l.all {
		switch {
		case from <= i && i < to || i == l.current:
			continue
		case r.read.mentions > 0:
			words, style = "…@", l.style.calls
		case words != "…@" && r.unread() > 0:
			words, style = "…", l.style.fresh
		case words == "":
			words = "…"
		}
	}
	return style.Styled(words), l.method.StringWidth(words)
}

// roomTab returns the tab of a room, with the number of its key if numbered.
func (l *roomList) roomTab(i int, numbered bool, space int) (string, int) {
	r := l.all[i]
	label, style, number := r.name+r.sign(), l.style.other, ""
	switch unread := r.unread(); {
	case i == l.current:
		style = l.style.tab
	case r.read.mentions > 0:
		label += " @" + thousands(uint64(r.read.mentions))
		style = l.style.calls
		if n := unread - min(uint64(r.read.mentions), unread); n > 0 {
			label += " " + thousands(unread)
		}
	case unread > 0:
		label += " " + thousands(unread)
		style = l.style.fresh
	}
	if numbered && i < 9 {
		number = fmt.Sprintf(" %d:", i+1)
	} else {
		label = " " + label
	}
	label, w := fit(label+" ", space-len(number), l.method)
	if number != "" && i != l.current {
		return l.style.other.Styled(number) + style.Styled(label), w + len(number)
	}
	return style.Styled(number + label), w + len(number)
}

// activeElsewhere reports whether a room that is not shown has unread messages.
func (l *roomList) activeElsewhere() bool {
	return slices.ContainsFunc(l.all, func(r *room) bool { return r != l.shown() && r.unread() > 0 })
}

func (l *roomList) index(name string) int {
	return slices.IndexFunc(l.all, func(r *room) bool { return r.name == name })
}

// unsaved returns the texts of this run that are not confirmed, or failed.
func (l *roomList) unsaved() []string {
	texts := slices.Clone(l.leftUnsaved)
	for _, r := range l.all {
		texts = append(texts, r.unsaved(false)...)
	}
	return texts
}

// sending returns the number of messages that the server has not confirmed.
func (l *roomList) sending() (n int) {
	for _, r := range l.all {
		n += r.pending()
	}
	return n
}

// sendingSince returns when the oldest message without an answer was sent; zero: there is none.
func (l *roomList) sendingSince() (since time.Time) {
	for _, r := range l.all {
		for _, it := range r.timeline.outbox {
			if it.state == client.Sending && (since.IsZero() || it.sentAt.Before(since)) {
				since = it.sentAt
			}
		}
	}
	return since
}

// title returns the room that is shown, and what is unread in all rooms.
func (l *roomList) title() string {
	unread, mentions := uint64(0), 0
	for _, r := range l.all {
		unread, mentions = unread+r.unread(), mentions+r.read.mentions
	}
	before := ""
	switch {
	case mentions > 0:
		before = "(@" + thousands(uint64(mentions)) + ") "
	case unread > 0:
		before = "(" + thousands(unread) + ") "
	}
	return before + l.shown().name + " - ramai"
}
