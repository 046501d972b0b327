package tui

import (
	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// pageKind is the part of a room's history that is fetched.
type pageKind uint8

const (
	older    pageKind = iota // before the window
	newer                    // after it
	around                   // another window
	newest                   // the end
	original                 // a message that another one replies to
	restored                 // messages of the window that are no longer erased
)

// page is the answer to a fetch. It goes to the timeline that asked.
type page struct {
	room       string
	generation uint64 // the window it is for
	kind       pageKind
	target     uint64 // the number to show, of a new window
	placement  placement
	asked      *client.PageRequest
	tries      int // how often a page was asked for that could not be used
	page       wire.Page
	err        error
}

// maxTries is how often a page is asked for that a server sends as it was before what is known here.
const maxTries = 4

// load fetches a part of the history, one page at a time.
func (t *timeline) load(p page, h wire.History) tea.Cmd {
	if t.plain || !t.joined {
		return nil
	}
	switch {
	case p.kind == around || p.kind == newest:
		t.generation++ // pages that are on their way are for the old window
		t.jumping, t.loadingEnd = true, p.kind == newest
	case t.loading:
		return nil
	}
	t.loading = true
	h.Room, p.room, p.generation = t.name, t.name, t.generation
	if h.Limit == 0 {
		h.Limit = pageSize
	}
	return t.ask(p, h)
}

// ask asks for a page.
func (t *timeline) ask(p page, h wire.History) tea.Cmd {
	p.asked = t.replica.Ask(h)
	ctx, chat := t.ctx, t.chat
	return func() tea.Msg {
		p.page, p.err = chat.History(ctx, h)
		return p
	}
}

// loaded takes a page.
func (t *timeline) loaded(p page) tea.Cmd {
	if p.generation != t.generation {
		t.replica.Cancel(p.asked)
		return nil // for a window that is gone
	}
	t.stopLoading()
	if p.err != nil {
		t.replica.Cancel(p.asked)
		if t.ctx.Err() == nil {
			t.warn("cannot read the history: %s", reason(p.err, t.method))
		}
		return nil
	}
	if p.page.HistoryID != t.historyID {
		t.replica.Cancel(p.asked)
		return nil // of another history
	}
	if !t.replica.AddPage(p.asked, p.page) {
		if p.tries++; p.tries < maxTries {
			return t.load(p, p.asked.History)
		}
		t.warn("cannot read the history: the server answers with an old state")
		return nil
	}
	var items []*item
	pending := t.pending()
	for _, m := range p.page.Messages {
		if now, ok := t.replica.ShownMessage(m.N, pending); ok {
			items = append(items, t.itemOf(now))
		}
	}
	if cmd := t.loadFurther(p); cmd != nil && len(items) == 0 {
		return cmd
	}
	switch p.kind {
	case older:
		if len(items) == 0 {
			t.first = t.lowest()
			return nil
		}
		t.prepend(items)
	case newer:
		t.extend(items, p.page.More)
	case newest:
		t.replace(items, false)
		t.extend(nil, false)
		if !t.attached { // more has come meanwhile
			return t.load(page{kind: newer}, after(t.highest()))
		}
	case around:
		if len(items) == 0 {
			t.warn("there is no message %s", thousands(p.target))
			return nil
		}
		t.replace(items, false)
		t.extend(nil, p.page.More)
		t.point(p.target, p.placement)
	}
	return t.fill()
}

// loadFurther fetches what follows a page that has no messages because the server looked at too many other records.
func (t *timeline) loadFurther(p page) tea.Cmd {
	skipped := p.page.Skipped
	if !p.page.More || len(skipped) == 0 {
		return nil
	}
	switch p.kind {
	case older, newest:
		return t.load(page{kind: p.kind}, before(skipped[0].From))
	case newer:
		return t.load(page{kind: p.kind}, after(skipped[len(skipped)-1].To))
	}
	return nil
}

func before(n uint64) wire.History { return wire.History{Before: &n} }
func after(n uint64) wire.History  { return wire.History{After: &wire.Position{N: n}} }

// fill fetches what is about to become visible.
func (t *timeline) fill() tea.Cmd {
	switch {
	case !t.shown || t.loading || t.plain || !t.joined:
	case t.hasOlder() && t.received >= t.head && !(t.anchor == nil && t.full()) && t.nearTop():
		return t.load(page{kind: older}, before(t.lowest()))
	case !t.attached && t.nearEnd():
		return t.load(page{kind: newer}, after(t.highest()))
	}
	return nil
}

// jump shows the message n and its context.
func (t *timeline) jump(n uint64, how placement) tea.Cmd {
	n = min(max(n, t.first), t.head)
	if i, found := t.find(n); found || i > 0 && i < len(t.items) {
		t.point(n, how)
		return t.fill()
	}
	return t.load(page{kind: around, target: n, placement: how}, after(n-min(n, contextSize)))
}

// jumpWhenReady goes to the jump target, once the room has arrived there.
func (t *timeline) jumpWhenReady() tea.Cmd {
	if t.jumpTargetAt == 0 || !t.joined || t.historyID == "" || t.received < t.head {
		return nil
	}
	target, how := t.jumpTargetAt, atTop
	if t.pendingJump {
		how = marked
	}
	t.jumpTargetAt, t.pendingJump = 0, false
	return t.jump(target, how)
}

// point moves the view to n, which is in the window.
func (t *timeline) point(n uint64, how placement) {
	i, _ := t.find(n)
	if i = min(i, len(t.items)-1); i < 0 {
		return
	}
	t.jumpTarget = 0
	if how == marked {
		t.jumpTarget = t.items[i].n
	}
	off := 0
	if how != atTop {
		off = -t.block(i).headLines // the divider, too
	}
	t.moveTo(i, off)
	if t.anchor != nil && how != atTop {
		t.scroll(-t.viewRows / 3)
	}
}

// end shows the newest message.
func (t *timeline) end() tea.Cmd {
	t.jumpTarget, t.jumpTargetAt, t.pendingJump = 0, 0, false
	if t.attached {
		if t.jumping { // no more
			t.stopLoading()
		}
		t.anchor, t.beforeResize = nil, scrollPos{}
		return nil
	}
	if t.loadingEnd {
		return nil
	}
	return t.load(page{kind: newest}, before(t.head+1))
}

// atEnd reports whether the view is at the end and stays there.
func (t *timeline) atEnd() bool { return t.anchor == nil && !t.jumping && t.jumpTargetAt == 0 }

// move scrolls by lines.
func (t *timeline) move(lines int) tea.Cmd {
	t.scroll(lines)
	return t.fill()
}

// toDivider shows the first unread message.
func (t *timeline) toDivider() tea.Cmd {
	if !t.unreadDivider {
		t.inform("no unread messages")
		return nil
	}
	return t.jump(t.firstUnread(), withContext)
}

// reset empties the timeline for another history.
func (t *timeline) reset() {
	t.replace(nil, true)
	t.latest, t.jumpTarget, t.jumpTargetAt, t.pendingJump = 0, 0, 0, false
	for _, it := range t.outbox {
		if it.state == client.Saved { // it is heard again, if it is in this history too
			it.state, it.reason = client.Failed, "this was saved in a history that the server no longer has"
		}
	}
}
