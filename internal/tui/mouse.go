package tui

import tea "charm.land/bubbletea/v2"

// wheelRows is how many rows a step of the wheel scrolls.
const wheelRows = 3

// wheelTurned scrolls the part under the pointer.
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

// clicked shows the room that was clicked, does what clickedAt says with a message, or goes to the newest message.
func (s *screen) clicked(m tea.MouseClickMsg) tea.Cmd {
	if m.Button != tea.MouseLeft || s.composer.question != nil {
		return nil
	}
	x, top := m.X-s.sideWidth(), 0
	if s.height >= forRooms {
		top = 1
	}
	rooms := top
	top += s.headerRows()
	switch {
	case x < 0:
		return s.show(s.sidebarRoom(m.Y))
	case m.Y >= rooms && m.Y < top:
		return s.listPins("")
	case m.Y < top:
		return s.show(s.rooms.tabAt(x))
	case s.panel != nil:
	case m.Y < top+s.messageRows():
		if it := s.room().timeline.clickedAt(m.Y - top); it != nil {
			return s.goToOriginal(it)
		}
	case m.Y == top+s.messageRows() && s.height >= forRule && s.room().timeline.anchor != nil:
		return s.room().timeline.end()
	}
	return nil
}

// clickedAt takes a click at a row of the view: on the folded line of a message, which is then shown in full, on the line of an
// original, which is returned to be shown, or elsewhere on a message, which is selected.
func (t *timeline) clickedAt(row int) (original *item) {
	if t.count() == 0 {
		return nil
	}
	i, off := t.topOf()
	lines := 0
	for j := i; j < t.count(); j++ {
		lines += len(t.block(j).lines)
	}
	if t.anchor == nil {
		row -= max(t.viewRows-(lines-off), 0) // empty rows are above
	}
	if row < 0 {
		return nil
	}
	for row += off; i < t.count(); i++ {
		d, it := t.block(i), t.itemAt(i)
		if row >= len(d.lines) {
			row -= len(d.lines)
			continue
		}
		switch {
		case row == len(d.lines)-1 && d.folded:
			it.expanded = true
			t.moveTo(i, 0)
		case row == d.headLines && it.re > 0 && it.n > 0:
			return it
		case row >= d.headLines && i < len(t.items) && !it.note:
			t.selected, t.confirming, t.reacting = it.n, 0, 0
		}
		return nil
	}
	return nil
}
