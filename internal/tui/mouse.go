package tui

import tea "charm.land/bubbletea/v2"

// wheelRows is how far a step of the wheel scrolls.
const wheelRows = 3

// wheelTurned scrolls what is under the pointer.
func (s *screen) wheelTurned(m tea.MouseWheelMsg) tea.Cmd {
	step := wheelRows
	switch m.Button {
	case tea.MouseWheelUp:
		step = -step
	case tea.MouseWheelDown:
	default:
		return nil
	}
	if s.panel != nil {
		s.panel.layout(s.style)
		s.panel.scroll(step, max(s.messageRows()-1, 1))
		return nil
	}
	return s.room().timeline.move(step)
}

// clicked shows the room that was clicked, shows a folded message in full, or goes to the newest message.
func (s *screen) clicked(m tea.MouseClickMsg) tea.Cmd {
	if m.Button != tea.MouseLeft || s.composer.question != nil {
		return nil
	}
	x, top := m.X-s.sideWidth(), 0
	if s.height >= forRooms {
		top = 1
	}
	switch {
	case x < 0:
		return s.show(s.sidebarRoom(m.Y))
	case m.Y < top:
		return s.show(s.rooms.tabAt(x))
	case s.panel != nil:
	case m.Y < top+s.messageRows():
		s.room().timeline.unfoldAt(m.Y - top)
	case m.Y == top+s.messageRows() && s.height >= forRule && s.room().timeline.anchor != nil:
		return s.room().timeline.end()
	}
	return nil
}

// unfoldAt shows the message at a row of the view in full, if that is its folded line.
func (t *timeline) unfoldAt(row int) {
	if t.count() == 0 {
		return
	}
	i, off := t.topOf()
	lines := 0
	for j := i; j < t.count(); j++ {
		lines += len(t.block(j).lines)
	}
	if t.anchor == nil {
		row -= max(t.viewRows-(lines-off), 0) // empty rows stand above
	}
	for row += off; i < t.count() && row >= 0; i++ {
		d := t.block(i)
		if row == len(d.lines)-1 && d.folded {
			it := t.itemAt(i)
			it.expanded = true
			t.moveTo(i, 0)
			return
		}
		row -= len(d.lines)
	}
}
