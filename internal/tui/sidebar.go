package tui

import (
	"slices"
	"strings"
)

// From this width on, the rooms and the people have a column of their own.
const (
	forSidebar   = 120
	sidebarWidth = 24 // with the line beside it
)

// sideWidth returns the width of the sidebar; 0: there is none.
func (d *display) sideWidth() int { return d.total - d.width }

// setSize sets the size of the terminal. Everything except the sidebar gets the remaining width.
func (d *display) setSize(width, height int) {
	d.total, d.width, d.height = max(width, 1), max(width, 1), max(height, 1)
	if d.total >= forSidebar {
		d.width -= sidebarWidth
	}
}

// sidebarRows draws the rooms from the top, and the people below.
func (s *screen) sidebarRows() []string {
	width := sidebarWidth - 2
	var rows []string
	add := func(row string, w int) {
		rows = append(rows, row+strings.Repeat(" ", max(width-w, 0)))
	}
	text := func(words string, style interface{ Styled(string) string }) {
		words, w := fit(words, width, s.method)
		add(style.Styled(words), w)
	}
	text(" Rooms", s.style.textStyles[dim])
	for i := range s.rooms.all {
		add(s.rooms.roomTab(i, len(s.rooms.all) > 2, width))
	}
	if people := s.room().people.present; people > 0 && s.height-len(rows) > 3 {
		text("", s.style.textStyles[dim])
		text(" "+thousands(uint64(people))+" here", s.style.textStyles[dim])
		names := s.room().people.here()
		for i, name := range names {
			if left := s.height - len(rows); left <= 1 && i < len(names)-1 {
				break
			}
			label := " " + oneLine(name, s.method)
			if name == s.self.name {
				label += " (you)"
			}
			text(label, s.style.textStyles[plain])
		}
		if shown := min(len(names), s.height-len(rows)); people > len(names) && shown >= 0 && len(rows) < s.height {
			text(" and "+thousands(uint64(people-len(names)))+" more", s.style.textStyles[dim])
		}
	}
	for len(rows) < s.height {
		text("", s.style.textStyles[dim])
	}
	rows = rows[:s.height]
	for i := range rows {
		rows[i] += s.style.rule.Styled("│") + " "
	}
	return rows
}

// sidebarRoom returns the room in a row of the sidebar; -1: there is none.
func (s *screen) sidebarRoom(y int) int {
	if i := y - 1; i >= 0 && i < len(s.rooms.all) {
		return i
	}
	return -1
}

// here returns the names of those present, latest speakers first.
func (p *people) here() []string {
	var names []string
	for _, name := range p.speakers {
		if slices.Contains(p.names, name) {
			names = append(names, name)
		}
	}
	for _, name := range p.names {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
