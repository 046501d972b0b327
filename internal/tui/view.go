package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// The screen from top to bottom: the rooms and the connection; the messages, or a panel; a rule with the status; the
// composer; the keys that matter now. On low screens the least useful rows are dropped first.
const (
	forKeys     = 9 // minimum height of a screen for the row of keys
	forRule     = 5
	forRooms    = 4
	forHeader   = 12 // and for the topic
	maxComposer = 8
)

// messageRows returns the number of rows for messages.
func (s *screen) messageRows() int {
	n := s.height - s.composer.rows()
	for _, from := range []int{forKeys, forRule, forRooms} {
		if s.height >= from {
			n--
		}
	}
	return max(n-s.headerRows(), 1)
}

// keyboard asks a terminal to report what a key types with Shift, too.
var keyboard = tea.KeyboardEnhancements{ReportAlternateKeys: true}

// View implements tea.Model.
func (s *screen) View() (v tea.View) {
	defer s.recoverPanic()
	if s.err != nil {
		return tea.View{AltScreen: true, KeyboardEnhancements: keyboard}
	}
	var rows []string
	if s.height >= forRooms {
		rows = append(rows, s.roomsRow())
	}
	if s.headerRows() > 0 {
		rows = append(rows, " "+s.style.textStyles[dim].Styled(s.header()))
	}
	rows = append(rows, s.middle(s.messageRows())...)
	if s.height >= forRule {
		told := s.ruleRows(len(rows) + 1)
		last := len(told) - 1
		rows = append(s.overlay(rows, told[:last]), told[last])
	}
	composer, cursor := s.composer.view(s.composer.rows())
	if s.composer.question != nil && s.height < forKeys {
		composer = append([]string{s.hints()}, composer[1:]...) // typing is not possible now
	}
	cursor.Y += len(rows)
	rows = append(rows, composer...)
	if s.height >= forKeys {
		rows = append(rows, s.keysRow())
	}
	if over := len(rows) - s.height; over > 0 {
		rows = rows[over:]
		cursor.Y -= over
	}
	for i := range rows {
		rows[i] = cut(rows[i], s.width, s.method)
	}
	if s.sideWidth() > 0 {
		cursor.X += s.sideWidth()
		for i, sidebarRow := range s.sidebarRows()[:len(rows)] {
			rows[i] = sidebarRow + rows[i]
		}
	}
	v = tea.NewView(strings.Join(rows, "\n"))
	v.AltScreen, v.ReportFocus, v.KeyboardEnhancements = true, true, keyboard
	if s.Mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	if s.Title {
		v.WindowTitle = s.rooms.title()
	}
	if s.composer.question == nil && s.panel == nil && !s.selecting() {
		v.Cursor = cursor
	}
	return v
}

// middle draws the part between the rooms and the rule.
func (s *screen) middle(height int) []string {
	var rows []string
	if s.panel != nil {
		rows = s.panel.view(height, s.style)
		return append(rows, make([]string, max(height-len(rows), 0))...)[:height]
	}
	r := s.room()
	rows = r.timeline.visible()
	if r.timeline.count() == 0 {
		rows = s.emptyView(height)
	}
	if r.timeline.anchor != nil { // a view that is scrolled back begins at its top
		rows = append(rows, make([]string, max(height-len(rows), 0))...)
	} else {
		rows = append(make([]string, max(height-len(rows), 0)), rows...)
	}
	if fit := s.composer.matches(); len(fit) > 0 && s.composer.question == nil && !s.selecting() {
		over := s.composer.paletteView(fit, max(min(len(fit), height-1, 12), 1))
		if r.timeline.anchor == nil {
			rows = rows[len(over):] // the end stays visible
		}
		rows = append(rows[:height-len(over)], over...)
	}
	return rows
}

// emptyView draws an empty room: what it is, and how others can join.
func (s *screen) emptyView(height int) []string {
	words := func(words string) span { return span{text: words, kind: dim} }
	paragraphs := []span{words("No messages yet")}
	switch t := &s.room().timeline; {
	case s.room().standing.closed != "":
		paragraphs = []span{words("This room is closed for you"), words(""), words(s.room().standing.closed), words(""), words("/join " + s.room().name + " tries again, /leave removes it from the screen")}
	case !t.joined:
		paragraphs = []span{words("Waiting for the server")}
	case t.plain:
		paragraphs = []span{words("No messages since you joined")}
	case height >= 8:
		address := s.address(s.room().name)
		paragraphs = append(paragraphs, words(""), words("This is the room "+s.room().name+". Everyone who can open this address can read it and post, without an account:"),
			words(""), span{text: address.String(), kind: link, href: address.String()})
		switch {
		case onlyHere(address):
			paragraphs = append(paragraphs, words("(on this machine only)"))
		case height >= 12:
			paragraphs = append(paragraphs, words(""), words("/link shows its QR code"))
		}
	}
	var rows []string
	for _, p := range paragraphs {
		for _, line := range wrap([]span{p}, max(min(s.width-2, 60), 2), 0, s.method) {
			left := strings.Repeat(" ", max((s.width-s.method.StringWidth(flat(line)))/2, 0))
			rows = append(rows, left+s.style.paint(line, ""))
		}
	}
	rows = append(rows, make([]string, max((height-len(rows))/2+1, 0))...)
	return rows[:min(len(rows), height)]
}

// roomsRow draws the rooms on the left and the connection on the right.
func (s *screen) roomsRow() string {
	state, w := s.status.connection(s.room(), s.ownLabel(), s.width/2)
	tabs, used := "", 0
	if s.sideWidth() > 0 {
		tabs, used = s.style.strong.Styled(" "+s.room().name), 1+len(s.room().name)
	} else {
		tabs, used = s.rooms.view(s.width - w - 1)
	}
	return tabs + strings.Repeat(" ", max(s.width-used-w, 0)) + state
}

// overlay draws lines over the last rows. Messages at the end of a view move up for them.
func (s *screen) overlay(rows, over []string) []string {
	n, middle := len(over), rows[len(rows)-s.messageRows():]
	if s.panel == nil && s.room().timeline.anchor == nil && n < len(middle) {
		copy(middle, middle[n:])
	}
	copy(rows[len(rows)-n:], over)
	return rows
}

// ruleRows draws the rule between the messages and the composer. It takes at most most rows.
func (s *screen) ruleRows(most int) []string {
	words, style := s.ruleText()
	right := ""
	if n := s.room().newBelow(); n > 0 && s.panel == nil {
		right = " " + thousands(n) + " new ↓ "
	} else if s.room().timeline.anchor != nil && s.panel == nil {
		right = " ↓ "
	}
	readable := s.composer.question != nil || words == s.status.notice && len(s.composer.matches()) == 0
	return s.status.rule(words, style, right, readable, most)
}

// ruleText returns the one thing worth showing now.
func (s *screen) ruleText() (string, ansi.Style) {
	r := s.room()
	c := &r.editor
	if s.selecting() && r.timeline.reacting > 0 {
		return s.reactionWords(), s.style.textStyles[plain]
	}
	if s.selecting() && r.timeline.confirming > 0 {
		return "delete this message for everyone?", s.style.warn
	}
	switch {
	case s.composer.question != nil:
		return s.composer.question.words(), s.style.warn
	case c.searching && c.searchWords != "" && c.searchHit < 0:
		return "no match", s.style.warn
	case s.composer.completion != nil:
		return s.composer.completionLine(), s.style.textStyles[plain]
	case s.status.notice != "" && s.status.isError:
		return s.status.notice, s.style.textStyles[bad]
	case s.status.notice != "":
		return s.status.notice, s.style.textStyles[plain]
	}
	if s.selecting() {
		return s.style.describe(r.timeline.selectedItem()), s.style.textStyles[plain]
	}
	if why, blocked := r.blocked(); blocked && !c.empty() && !s.composer.isCommand() {
		return s.refusalWords(why), s.style.warn
	}
	if words := r.writingWords(); words != "" {
		return words, s.style.textStyles[plain]
	}
	if r.lines.active() {
		return r.lines.progress(), s.style.textStyles[plain]
	}
	if typing := s.typists(r); typing != "" {
		return typing, s.style.textStyles[dim]
	}
	if limit := s.self.limits.Text; limit > 0 {
		if n := len(c.String()); n > limit*4/5 {
			return thousands(uint64(n)) + " of " + thousands(uint64(limit)) + " bytes", s.style.warn
		}
	}
	return "", s.style.textStyles[plain]
}

// typists says who is typing.
func (s *screen) typists(r *room) string {
	var names []string
	for _, t := range r.people.typing {
		if t.SenderID != s.self.senderID {
			names = append(names, s.style.senderLabel(&item{senderID: t.SenderID, displayName: t.DisplayName}))
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0] + " is typing"
	case 2:
		return names[0] + " and " + names[1] + " are typing"
	}
	return fmt.Sprintf("%d people are typing", len(names))
}

// ownLabel returns the name under which this client posts, or that it has none. It is empty while that is unknown, and with
// a server without names.
func (h *shared) ownLabel() string {
	switch {
	case h.self.senderID == "":
		return ""
	case h.self.name == "":
		return "without a name"
	}
	return "as " + oneLine(h.self.name, h.method)
}
