package tui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// The screen from top to bottom: a row with the rooms and the connection; the messages, or a panel; a rule with what is
// going on; what one writes; the keys that matter now. On low screens the least needed go first.
const (
	forKeys     = 9 // rows a screen has to have for the row of keys
	forRule     = 5
	forRooms    = 4
	maxComposer = 8
)

// composerRows is how many rows what one writes has.
func (s *screen) composerRows() int {
	c := &s.room().composer
	if c.searching {
		return 1
	}
	rows, _, _ := c.lines(s.writing(), s.method)
	return max(min(len(rows), maxComposer, s.height/3), 1)
}

// writing is how wide a row is that one writes in.
func (s *screen) writing() int { return max(s.width-3, 1) }

// messageRows is how many rows there are for messages.
func (s *screen) messageRows() int {
	n := s.height - s.composerRows()
	for _, from := range []int{forKeys, forRule, forRooms} {
		if s.height >= from {
			n--
		}
	}
	return max(n, 1)
}

// keyboard is what a terminal is to tell of a key, if it can: also what it writes with Shift.
var keyboard = tea.KeyboardEnhancements{ReportAlternateKeys: true}

// View implements tea.Model.
func (s *screen) View() (v tea.View) {
	defer s.broke()
	if s.err != nil {
		return tea.View{AltScreen: true, KeyboardEnhancements: keyboard}
	}
	var rows []string
	if s.height >= forRooms {
		rows = append(rows, s.roomsRow())
	}
	rows = append(rows, s.middle(s.messageRows())...)
	if s.height >= forRule {
		told := s.ruleRows(len(rows) + 1)
		last := len(told) - 1
		rows = append(s.under(rows, told[:last]), told[last])
	}
	composer, cursor := s.composerView(s.composerRows())
	if s.question != nil && s.height < forKeys {
		composer = append([]string{s.hints()}, composer[1:]...) // nothing can be written now
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
	v = tea.NewView(strings.Join(rows, "\n"))
	v.AltScreen, v.ReportFocus, v.KeyboardEnhancements = true, true, keyboard
	if s.question == nil && s.panel == nil {
		v.Cursor = cursor
	}
	return v
}

// middle is what stands between the rooms and the rule.
func (s *screen) middle(height int) []string {
	var rows []string
	if s.panel != nil {
		rows = s.panel.view(height, s.brush)
		return append(rows, make([]string, max(height-len(rows), 0))...)[:height]
	}
	r := s.room()
	rows = r.visible(height, s.brush)
	if r.count() == 0 {
		rows = s.nothing(height)
	}
	if r.anchor != nil { // a view that is scrolled back begins at its top
		rows = append(rows, make([]string, max(height-len(rows), 0))...)
	} else {
		rows = append(make([]string, max(height-len(rows), 0)), rows...)
	}
	if fit := s.palette(); len(fit) > 0 && s.question == nil {
		over := s.paletteView(fit, max(min(len(fit), height-1, 12), 1))
		if r.anchor == nil {
			rows = rows[len(over):] // the end stays in sight
		}
		rows = append(rows[:height-len(over)], over...)
	}
	return rows
}

// nothing is what an empty room says.
func (s *screen) nothing(height int) []string {
	words := "nobody has said anything here yet"
	switch {
	case !s.room().joined:
		words = "waiting for the server"
	case s.room().plain:
		words = "nobody has said anything since you came"
	}
	var rows []string
	for _, line := range s.wrapped(words, max(s.width, 2)) {
		left := strings.Repeat(" ", max((s.width-s.method.StringWidth(line))/2, 0))
		rows = append(rows, left+s.brush.looks[dim].Styled(line))
	}
	rows = append(rows, make([]string, max(height/2+1-len(rows), 0))...)
	return rows[:min(len(rows), height)]
}

// roomsRow has the rooms on the left and the connection on the right.
func (s *screen) roomsRow() string {
	state, w := s.state(s.width / 2)
	space := s.width - w - 1
	// What does not fit is left out, but never the room one is in, nor that one is called in another.
	tabs := make([]string, len(s.rooms))
	widths := make([]int, len(s.rooms))
	draw := func(numbered bool) (all int) {
		for i := range s.rooms {
			tabs[i], widths[i] = s.tabOf(i, numbered, space)
			all += widths[i]
		}
		return all
	}
	if (len(s.rooms) < 3 || draw(true) > space) && draw(false) > space { // two need no numbers
		_, left := s.more(0, 0)
		space -= left
		tabs[s.current], widths[s.current] = s.tabOf(s.current, false, space)
	}
	from, used := s.current, widths[s.current]
	for from > 0 && used+widths[from-1] <= space {
		from--
		used += widths[from]
	}
	to := s.current + 1
	for to < len(s.rooms) && used+widths[to] <= space {
		used += widths[to]
		to++
	}
	more, wide := s.more(from, to)
	return strings.Join(tabs[from:to], "") + more + strings.Repeat(" ", max(s.width-used-wide-w, 0)) + state
}

// more stands for the rooms that are not shown, which are those before from and those from to on.
func (s *screen) more(from, to int) (string, int) {
	words, style := "", s.brush.other
	for i, r := range s.rooms {
		switch {
		case from <= i && i < to || i == s.current:
			continue
		case r.called > 0:
			words, style = "…@", s.brush.calls
		case words != "…@" && r.unread() > 0:
			words, style = "…", s.brush.fresh
		case words == "":
			words = "…"
		}
	}
	return style.Styled(words), s.method.StringWidth(words)
}

// tabOf is a room in the row of rooms, with its number before it if that is wanted, and a key goes there.
func (s *screen) tabOf(i int, numbered bool, space int) (string, int) {
	r := s.rooms[i]
	label, style, number := r.name, s.brush.other, ""
	switch unread := r.unread(); {
	case i == s.current:
		style = s.brush.tab
	case r.called > 0:
		label += " @" + thousands(uint64(r.called))
		style = s.brush.calls
		if n := unread - min(uint64(r.called), unread); n > 0 {
			label += " " + thousands(unread)
		}
	case unread > 0:
		label += " " + thousands(unread)
		style = s.brush.fresh
	}
	if numbered && i < 9 {
		number = fmt.Sprintf(" %d:", i+1)
	} else {
		label = " " + label
	}
	label, w := fit(label+" ", space-len(number), s.method)
	if number != "" && i != s.current {
		return s.brush.other.Styled(number) + style.Styled(label), w + len(number)
	}
	return style.Styled(number + label), w + len(number)
}

// state is how the connection is, and how many are here.
func (s *screen) state(width int) (string, int) {
	r := s.room()
	words, style := "live", s.brush.good
	wait := s.again.Sub(s.Now())
	switch behind := r.behind(); {
	case !s.greeted:
		words, style = "connecting", s.brush.warn
	case !s.live && wait > 0 && s.width < narrow/2:
		words, style = "in "+plural(int((wait+time.Second-1)/time.Second), "s", "s"), s.brush.warn
	case !s.live && wait > 0:
		words, style = "again in "+plural(int((wait+time.Second-1)/time.Second), "s", "s"), s.brush.warn
	case !s.live:
		words, style = "connecting", s.brush.warn
	case behind > 0:
		words, style = thousands(behind)+" behind", s.brush.warn
	case s.chat.Plain():
		words = "live, plain"
	}
	before := ""
	if s.live && r.people > 0 && width >= 20 {
		before = thousands(uint64(r.people)) + " here   "
	}
	if who := s.speaker(); who != "" && s.width >= roomy {
		before = who + "   " + before
	}
	words, w := fit(words, width, s.method)
	return s.brush.looks[dim].Styled(before) + style.Styled(words) + " ", w + s.method.StringWidth(before) + 1
}

// under puts lines over the last rows. What stands at the end of a view goes up for them.
func (s *screen) under(rows, over []string) []string {
	n, middle := len(over), rows[len(rows)-s.messageRows():]
	if s.panel == nil && s.room().anchor == nil && n < len(middle) {
		copy(middle, middle[n:])
	}
	copy(rows[len(rows)-n:], over)
	return rows
}

// ruleRows is a line across with what is going on in it; more lines, at most so many, if that is to be read to its end.
func (s *screen) ruleRows(most int) []string {
	words, style := s.news()
	right := ""
	if n := s.room().below(); n > 0 && s.panel == nil {
		right = " " + thousands(n) + " new ↓ "
	} else if s.room().anchor != nil && s.panel == nil {
		right = " ↓ "
	}
	whole := max(s.width-2, 2) // room for words
	room := whole              // in the last line
	if w := s.method.StringWidth(right); w > 0 {
		room = whole - w - 1
	}
	lines := []string{words}
	if (s.question != nil || words == s.notice && len(s.palette()) == 0) && s.method.StringWidth(words) > room {
		lines = s.wrapped(words, whole)
		if s.method.StringWidth(lines[len(lines)-1]) > room {
			lines = append(lines, "")
		}
		if len(lines) > most {
			lines = append(lines[:most-1], strings.Join(lines[most-1:], " "))
		}
	}
	rule := func(n int) string { return s.brush.rule.Styled(strings.Repeat("─", max(n, 0))) }
	rows := make([]string, len(lines))
	for i, line := range lines {
		last := i == len(lines)-1
		if last {
			whole = room
		}
		line, w := fit(line, whole, s.method)
		if line != "" {
			line, w = style.Styled(" "+line+" "), w+2
		}
		rows[i] = rule(1) + line
		if last && right != "" {
			rows[i] += rule(room+1-w) + s.brush.below.Styled(right) + rule(1)
		} else {
			rows[i] += rule(s.width - 1 - w)
		}
	}
	return rows
}

// wrapped breaks some words into lines.
func (s *screen) wrapped(words string, width int) (lines []string) {
	for _, line := range wrap([]span{{text: words}}, width, 0, s.method) {
		lines = append(lines, flat(line))
	}
	return lines
}

// news is the one thing that is worth telling now.
func (s *screen) news() (string, ansi.Style) {
	r := s.room()
	c := &r.composer
	switch {
	case s.question != nil:
		return s.question.words(), s.brush.warn
	case c.searching && c.words != "" && c.hit < 0:
		return "you did not say that", s.brush.warn
	case s.completed != nil:
		return s.candidatesShown(), s.brush.looks[plain]
	case s.notice != "" && s.wrong:
		return s.notice, s.brush.looks[bad]
	case s.notice != "":
		return s.notice, s.brush.looks[plain]
	}
	if typing := s.typists(r); typing != "" {
		return typing, s.brush.looks[dim]
	}
	if limit := s.limits.Text; limit > 0 {
		if n := len(c.String()); n > limit*4/5 {
			return thousands(uint64(n)) + " of " + thousands(uint64(limit)) + " bytes", s.brush.warn
		}
	}
	return "", s.brush.looks[plain]
}

// candidatesShown are the candidates from the chosen one on.
func (s *screen) candidatesShown() string {
	d := s.completed
	return "[" + d.shown[d.at] + "] " + strings.Join(append(append([]string{}, d.shown[d.at+1:]...), d.shown[:d.at]...), "  ")
}

// typists says who is typing.
func (s *screen) typists(r *room) string {
	var names []string
	for _, t := range r.typing {
		if t.SenderID != s.by {
			names = append(names, s.brush.called(&item{by: t.SenderID, from: t.DisplayName}))
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0] + " is typing"
	case 2, 3:
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " are typing"
	}
	return "several are typing"
}

// composerView is what one writes, height rows of it around the cursor.
func (s *screen) composerView(height int) ([]string, *tea.Cursor) {
	c := &s.room().composer
	prompt, rows, x, y := "› ", []string(nil), 0, 0
	if c.searching {
		prompt = "? "
		shown := c.words
		if c.hit >= 0 {
			shown += "  → " + strings.ReplaceAll(c.said[c.hit], "\n", " ")
		}
		shown, _ = fit(oneLine(shown, s.method), s.writing(), s.method)
		rows, x = []string{shown}, s.method.StringWidth(oneLine(c.words, s.method))
	} else {
		rows, x, y = c.lines(s.writing(), s.method)
	}
	from := max(min(y-height+1, len(rows)-height), 0)
	var out []string
	for i := from; i < len(rows) && len(out) < height; i++ {
		before := "  "
		if i == 0 {
			before = s.brush.prompt.Styled(prompt)
		}
		out = append(out, before+rows[i])
	}
	if c.empty() && !c.searching {
		words, _ := fit(s.invitation(), s.writing(), s.method)
		out[0] += s.brush.looks[dim].Styled(words)
	}
	cursor := tea.NewCursor(min(x+2, s.width-1), y-from)
	// Its shape is the user's. For bubbletea a cursor has one, and a blinking block is not given back at the end; this is none of
	// those there are, and so the one that the terminal has.
	cursor.Shape, cursor.Blink = tea.CursorBlock-1, false
	return out, cursor
}

// invitation stands where nothing is written yet: where one speaks, and as who.
func (s *screen) invitation() string {
	as := s.speaker()
	if s.width < narrow {
		return as
	}
	return strings.TrimSpace("say something in " + s.room().name + " " + as)
}

// speaker is the name under which one speaks, or that there is none; nothing where that is not known, or nobody has one.
func (s *screen) speaker() string {
	switch {
	case !s.greeted || s.chat.Plain():
		return ""
	case s.name == "":
		return "without a name"
	}
	return "as " + oneLine(s.name, s.method)
}

// hints writes the keys that matter now, as many as there is room for.
func (s *screen) hints() string {
	var b strings.Builder
	used := 1
	for _, h := range s.keysNow() {
		w := s.method.StringWidth(h.key + " " + h.does)
		if used+w > s.width {
			break
		}
		used += w + 2
		b.WriteString(s.brush.key.Styled(h.key) + " " + s.brush.looks[dim].Styled(h.does) + "  ")
	}
	return b.String()
}

// hint is a key, and what it does.
type hint struct{ key, does string }

// keysNow are the keys that matter now, those that do most first.
func (s *screen) keysNow() (all []hint) {
	r := s.room()
	add := func(key, does string) {
		if key != "" {
			all = append(all, hint{key, does})
		}
	}
	switch c := &r.composer; {
	case s.question != nil && s.question.sure:
		add("Enter", "say them")
		add("c", "cancel")
	case s.question != nil && s.width < narrow:
		if s.question.one {
			add("o", "one")
		}
		add("l", "each")
		add("c", "no")
	case s.question != nil:
		if s.question.one {
			add("o", "one message")
		}
		add("l", "line by line")
		add("c", "cancel")
	case s.panel != nil && s.panel.pick != nil:
		add("Up Down", "choose")
		add("Enter", "go there")
		add("Esc", "close")
	case s.panel != nil:
		add("PgUp PgDn", "scroll")
		add("Esc", "close")
	case c.searching:
		add("Ctrl-R", "one before")
		add("Enter", "take it")
		add("Esc", "cancel")
	case s.completed != nil:
		add("Tab", "next")
		add("Shift-Tab", "back")
	case len(s.palette()) > 0:
		add("Up Down", "choose")
		add("Enter", "do it")
		add("Esc", "cancel")
	case !c.empty():
		if s.commanding() {
			add("Enter", "do it")
		} else {
			add("Enter", "say")
		}
		add("Alt-Enter", "new line")
		add("Tab", "complete")
		if r.anchor != nil {
			add("End", "newest")
		}
		add("Ctrl-C", "clear")
	default:
		if r.anchor != nil {
			add("End", "newest")
		}
		if r.unreadDivider && r.anchor == nil && s.ruleAbove(r) {
			add(s.keyOf("new"), "what is new")
		}
		add("PgUp", "older")
		if s.activeElsewhere() {
			add(s.keyOf("active"), "next new room")
		} else if len(s.rooms) > 1 {
			add(s.keyOf("next"), "next room")
		}
		add("/", "commands")
		if !r.plain {
			add(s.keyOf("search"), "search")
		}
		add(s.keyOf("help"), "help")
		add("Ctrl-D", "leave")
	}
	return all
}

// ruleAbove tells whether the rule of what is new is above the view.
func (s *screen) ruleAbove(r *room) bool {
	i, off := r.topOf(s.messageRows(), s.brush)
	if i < 0 || i >= len(r.items) {
		return false
	}
	d := r.block(i, s.brush)
	return r.items[i].n > r.fresh() && !d.renderKey.rule || d.renderKey.rule && off >= d.head
}

func (s *screen) keysRow() string { return " " + s.hints() }

// paletteView draws the commands to choose from.
func (s *screen) paletteView(fit []command, height int) []string {
	chosen := min(s.chosen, len(fit)-1)
	from := max(min(chosen-height+1, len(fit)-height), 0)
	rows := []string{s.brush.rule.Styled(strings.Repeat("─", s.width))}
	if height < len(fit) || s.height < forKeys {
		rows = nil
	}
	for i := from; i < len(fit) && i < from+height; i++ {
		c := fit[i]
		name := strings.TrimSpace("/" + c.name + " " + c.words)
		pad, key := " ", ""
		if s.width >= narrow {
			pad = strings.Repeat(" ", max(16-len(name), 1))
			key = fmt.Sprintf("%-7s", s.keyOf(c.name))
		}
		if i == chosen {
			line := " " + name + pad + key + c.help
			rows = append(rows, s.brush.chosen.Styled(line+strings.Repeat(" ", max(s.width-s.method.StringWidth(line), 0))))
			continue
		}
		rows = append(rows, " "+s.brush.strong.Styled(name)+pad+s.brush.looks[dim].Styled(key+c.help))
	}
	return rows
}
