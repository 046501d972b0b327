package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"ramai/wire"
)

// pageKind is the part of a room's history that is fetched.
type pageKind uint8

const (
	older  pageKind = iota // before the window
	newer                  // after it
	around                 // another window
	newest                 // the end
)

// page is the answer to a fetch.
type page struct {
	room       string
	generation uint64 // the window it is for
	kind       pageKind
	target     uint64 // the number to show, of a new window
	placement  placement
	page       wire.Page
	err        error
}

// load fetches a part of the history, one page of a room at a time.
func (s *screen) load(r *room, p page, h wire.History) tea.Cmd {
	if s.chat.Plain() || !r.joined {
		return nil
	}
	switch {
	case p.kind == around || p.kind == newest:
		r.generation++ // pages that are on their way are for the old window
		r.jumping, r.loadingEnd = true, p.kind == newest
	case r.loading:
		return nil
	}
	r.loading = true
	h.Room, p.room, p.generation = r.name, r.name, r.generation
	if h.Limit == 0 {
		h.Limit = pageSize
	}
	ctx := s.ctx
	return func() tea.Msg {
		p.page, p.err = s.chat.History(ctx, h)
		return p
	}
}

// loaded takes a page.
func (s *screen) loaded(p page) tea.Cmd {
	i := s.rooms.index(p.room)
	if i < 0 {
		return nil
	}
	r := s.rooms.all[i]
	if p.generation != r.generation {
		return nil // for a window that is gone
	}
	r.stopLoading()
	if p.err != nil {
		if s.ctx.Err() == nil {
			s.status.warn("the history could not be read: %s", s.reason(p.err))
		}
		return nil
	}
	if p.page.HistoryID != r.historyID {
		return nil // of another history
	}
	var items []*item
	for _, m := range p.page.Messages {
		items = append(items, s.item(m))
	}
	switch p.kind {
	case older:
		if len(items) == 0 {
			r.first = r.lowest()
			return nil
		}
		r.prepend(items)
	case newer:
		r.extend(items, p.page.More)
	case newest:
		r.replace(items, false)
		r.extend(nil, false)
		if !r.attached { // more has come meanwhile
			return s.load(r, page{kind: newer}, after(r.highest()))
		}
	case around:
		if len(items) == 0 {
			s.status.warn("there is no message %s", thousands(p.target))
			return nil
		}
		r.replace(items, false)
		r.extend(nil, p.page.More)
		s.point(r, p.target, p.placement)
	}
	if r == s.room() {
		return s.fill()
	}
	return nil
}

func before(n uint64) wire.History { return wire.History{Before: &n} }
func after(n uint64) wire.History  { return wire.History{After: &wire.Position{N: n}} }

// fill fetches what is about to become visible.
func (s *screen) fill() tea.Cmd {
	r, height := s.room(), s.messageRows()
	switch {
	case r.loading || s.chat.Plain() || !r.joined:
	case r.hasOlder() && r.received >= r.head && !(r.anchor == nil && r.full()) && r.nearTop(height, s.style):
		return s.load(r, page{kind: older}, before(r.lowest()))
	case !r.attached && r.nearEnd(height, s.style):
		return s.load(r, page{kind: newer}, after(r.highest()))
	}
	return nil
}

// jump shows the message n and its context.
func (s *screen) jump(r *room, n uint64, how placement) tea.Cmd {
	n = min(max(n, r.first), r.head)
	if i, found := r.find(n); found || i > 0 && i < len(r.items) {
		s.point(r, n, how)
		return s.fill()
	}
	if s.chat.Plain() {
		return nil
	}
	return s.load(r, page{kind: around, target: n, placement: how}, after(n-min(n, contextSize)))
}

// point moves the view to n, which is in the window.
func (s *screen) point(r *room, n uint64, how placement) {
	i, _ := r.find(n)
	if i = min(i, len(r.items)-1); i < 0 {
		return
	}
	r.jumpTarget = 0
	if how == marked {
		r.jumpTarget = r.items[i].n
	}
	height, off := s.messageRows(), 0
	if how != atTop {
		off = -r.block(i, s.style).headLines // the divider, too
	}
	r.moveTo(i, off, height, s.style)
	if r.anchor != nil && how != atTop {
		r.scroll(-height/3, height, s.style)
	}
}

// end shows the newest message.
func (s *screen) end() tea.Cmd {
	r := s.room()
	r.jumpTarget, r.jumpTargetAt, r.pendingJump = 0, 0, false
	if r.attached {
		if r.jumping { // no more
			r.stopLoading()
		}
		r.anchor, r.beforeResize = nil, scrollPos{}
		return nil
	}
	if r.loadingEnd {
		return nil
	}
	return s.load(r, page{kind: newest}, before(r.head+1))
}

// move scrolls by lines.
func (s *screen) move(lines int) tea.Cmd {
	s.room().scroll(lines, s.messageRows(), s.style)
	return s.fill()
}

// toUnread shows the first unread message.
func (s *screen) toUnread() tea.Cmd {
	r := s.room()
	if !r.unreadDivider {
		s.status.inform("nothing is new")
		return nil
	}
	return s.jump(r, r.firstUnread(), withContext)
}

// who shows who is in the room.
func (s *screen) who(string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	r := s.room()
	return s.ask(func(ctx context.Context) answer {
		who, err := s.chat.Who(ctx, r.name)
		return func(s *screen) tea.Cmd {
			if err != nil {
				s.status.warn("%s", s.reason(err))
				return nil
			}
			s.openLate(whoPanel(who, s))
			return nil
		}
	})
}
