package tui

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/wire"
)

// rendered is an item as lines. It is cached while its key stays the same.
type rendered struct {
	renderKey   renderKey
	lines       []string
	folded      bool  // part of the text is hidden
	headLines   int   // lines above the text: the day, the divider
	charsBefore []int // characters of the text before each line of it, except spaces
}

// renderKey is everything besides the item that its lines depend on.
type renderKey struct {
	style    *style
	grouped  bool // the previous item is by the same sender, shortly before
	minute   bool // the previous item is in the same minute
	day      bool
	divider  bool
	heading  int8 // what is above everything
	isTarget bool
	selected bool
	expanded bool
	state    client.State
	quote    quote
}

// What can be above the first item.
const (
	topNothing = iota
	topMore
	topLoading
	topBeginning
	topGone
)

// style is what all lines depend on. A change creates a new one.
type style struct {
	*palette
	method  ansi.Method
	width   int
	numbers bool
	zone    *time.Location
	formats formats
	moreKey string // the key that shows long messages in full

	ownName, ownID string // of this user
}

// Widths at which the layout changes, in cells.
const (
	narrow      = 56 // below that, a name is in front of its text
	roomy       = 110
	readable    = 110             // maximum width of a text, however wide the screen is
	foldLines   = 20              // longer messages are folded
	groupWithin = 5 * time.Minute // messages of one sender that are further apart are not grouped
)

// column returns the width of names.
func (b *style) column() int {
	if b.width >= roomy {
		return 18
	}
	return 12
}

// indent returns the number of cells before a text.
func (b *style) indent() int {
	if b.width < narrow {
		return 2
	}
	return b.clock() + 1 + b.column() + 3
}

// clock returns the width of the time, or of the number in its place.
func (b *style) clock() int {
	if b.numbers {
		return 9
	}
	return len(b.formats.widestClock)
}

// block returns the lines of the i-th item, including those above it.
func (t *timeline) block(i int) *rendered {
	it, b := t.itemAt(i), t.style
	s := renderKey{style: b, state: it.state, quote: t.quoteOf(it), expanded: it.expanded, isTarget: t.jumpTarget != 0 && it.n == t.jumpTarget && i < len(t.items),
		selected: t.selected != 0 && it.n == t.selected && i < len(t.items) && !it.note}
	said := i - 1 // the previous message: a note has no day
	for said >= 0 && t.itemAt(said).note {
		said--
	}
	s.day = !it.note && (said < 0 || !sameDay(t.itemAt(said).at.In(b.zone), it.at.In(b.zone)))
	if i == 0 {
		s.heading = t.heading()
	} else {
		before := t.itemAt(i - 1)
		s.minute = !before.note && before.at.Truncate(time.Minute).Equal(it.at.Truncate(time.Minute))
		s.divider = t.unreadDivider && before.n < t.firstUnread()
		s.grouped = !it.note && !before.note && b.by(before) == b.by(it) && b.senderLabel(before) == b.senderLabel(it) && it.at.Sub(before.at) < groupWithin
	}
	if i < len(t.items) {
		s.divider = t.unreadDivider && it.n >= t.firstUnread() && (i > 0 && s.divider || i == 0 && it.n == t.firstUnread())
	} else {
		s.divider = false
	}
	if s.day || s.divider || s.heading != topNothing {
		s.grouped, s.minute = false, false
	}
	if it.rendered.renderKey != s || it.rendered.lines == nil {
		it.rendered = t.render(it, s)
	}
	return &it.rendered
}

func sameDay(a, b time.Time) bool {
	return a.YearDay() == b.YearDay() && a.Year() == b.Year()
}

// heading returns what is above the first item of the window.
func (t *timeline) heading() int8 {
	switch {
	case !t.joined || t.plain:
		return topNothing
	case t.loading && t.hasOlder():
		return topLoading
	case t.hasOlder():
		return topMore
	case t.first > 1 && t.lowest() > 1:
		return topGone
	}
	return topBeginning
}

// render renders an item to lines.
func (t *timeline) render(it *item, s renderKey) rendered {
	b := s.style
	d := rendered{renderKey: s}
	switch s.heading {
	case topMore:
		d.lines = append(d.lines, b.indented("↑ earlier")...)
	case topLoading:
		d.lines = append(d.lines, b.indented("loading …")...)
	case topBeginning:
		d.lines = append(d.lines, b.indented("the beginning of "+t.name)...)
	case topGone:
		d.lines = append(d.lines, b.indented("messages before "+thousands(min(t.first, t.lowest()))+" are no longer on the server")...)
	}
	if s.day {
		d.lines = append(d.lines, b.rulerWith(it.at.In(b.zone).Format(b.formats.day), b.textStyles[dim]))
	}
	if s.divider {
		d.lines = append(d.lines, b.rulerWith("new", b.unread))
	}
	d.headLines = len(d.lines)
	if it.note {
		for _, line := range b.wrapped(oneLine(it.text, b.method), max(b.width-max(b.indent()-1, 1)-3, 2)) {
			d.lines = append(d.lines, b.rulerWith(line, b.textStyles[dim]))
		}
		return d
	}
	lines, from := b.message(it, s, t.people.known())
	if over := len(lines) - foldLines; over > 1 && !it.expanded {
		lines, from = append(lines[:foldLines:foldLines], b.foldLine(over)), from[:foldLines+1]
		d.folded = true
	}
	if !it.gone {
		left := b.indent()
		for _, line := range b.markLines(&it.marks, max(min(b.width-left-1, readable), 2)) {
			lines, from = append(lines, strings.Repeat(" ", left)+line), append(from, from[len(from)-1]+1)
		}
	}
	if s.selected {
		for i, line := range lines {
			lines[i] = b.highlighted(ansi.Strip(line))
		}
	}
	d.lines, d.charsBefore = append(d.lines, lines...), from
	return d
}

// highlighted renders a selected line across the whole width.
func (b *style) highlighted(line string) string {
	line, w := fit(line, b.width, b.method)
	return b.chosen.Styled(line + strings.Repeat(" ", b.width-w))
}

// foldLine is the line below the visible part of a folded message.
func (b *style) foldLine(over int) string {
	words := "… " + plural(over, "more line", "more lines")
	if b.moreKey != "" {
		words += " · " + b.moreKey + " shows them"
	}
	words, _ = fit(words, max(b.width-b.indent(), 1), b.method)
	return strings.Repeat(" ", b.indent()) + b.textStyles[dim].Styled(words)
}

// indented renders words in the column of texts.
func (b *style) indented(words string) (lines []string) {
	for _, line := range b.wrapped(words, max(b.width-b.indent(), 2)) {
		lines = append(lines, strings.Repeat(" ", b.indent())+b.textStyles[dim].Styled(line))
	}
	return lines
}

// dimmed renders less important words as lines with a margin.
func (b *style) dimmed(words string) (lines []string) {
	for _, line := range b.wrapped(words, max(b.width-2, 2)) {
		lines = append(lines, " "+b.textStyles[dim].Styled(line))
	}
	return lines
}

// wrapped wraps words into lines.
func (b *style) wrapped(words string, width int) (lines []string) {
	for _, line := range wrap([]span{{text: words}}, width, 0, b.method) {
		lines = append(lines, flat(line))
	}
	return lines
}

// rulerWith returns a horizontal rule with words in it, in the column of texts.
func (b *style) rulerWith(words string, style ansi.Style) string {
	words, w := fit(words, max(b.width-6, 1), b.method)
	left := max(b.indent()-1, 1)
	right := max(b.width-left-w-2, 0)
	return b.rule.Styled(strings.Repeat("─", left)) + " " + style.Styled(words) + " " + b.rule.Styled(strings.Repeat("─", right))
}

// by returns the sender of a message, as far as known.
func (b *style) by(it *item) string {
	if it.own {
		return b.ownID
	}
	return it.senderID
}

// senderLabel returns the name shown for the sender of a message. A message that is not saved will have this user's name.
func (b *style) senderLabel(it *item) string {
	switch {
	case it.own && it.n == 0 && b.ownName != "":
		return oneLine(b.ownName, b.method)
	case it.displayName != "":
		return oneLine(it.displayName, b.method)
	case it.own:
		return "you"
	case it.senderID == "":
		return ""
	case len(it.senderID) < 4 || wire.CheckID(it.senderID) != nil:
		return "guest"
	}
	return "guest " + it.senderID[:4]
}

// message renders a message. charsBefore counts the characters of its text before each line.
func (b *style) message(it *item, s renderKey, names []string) (lines []string, charsBefore []int) {
	text := parse(it.text, b.ownName, names, b.method)
	switch {
	case it.gone && it.changing:
		text = []span{{text: "deleting …", kind: dim}}
	case it.gone:
		text = []span{{text: "message deleted", kind: dim}}
	case it.edited > 0 && !it.changing:
		text = append(text, span{text: " (edited)", kind: dim})
	}
	if prefix := b.kindOf(it); prefix != nil && !it.gone {
		text = append(prefix, text...)
	}
	if it.own && !it.state.Final() || it.changing {
		for i := range text {
			if text[i].kind == plain {
				text[i].kind = dim
			}
		}
	}
	if b.width < narrow {
		return b.narrowMessage(it, s, text)
	}
	return b.wideMessage(it, s, text)
}

// kindOf returns what stands before the text of a question, a poll or a notice.
func (b *style) kindOf(it *item) []span {
	switch it.marks.as {
	case wire.Question:
		return []span{{text: "Question: ", kind: dim}}
	case wire.Poll:
		return []span{{text: "Poll: ", kind: dim}}
	case wire.Notice:
		return []span{{text: "Notice: ", kind: alert}}
	}
	return nil
}

// stateSign returns the sign beside a message, and its style.
func (b *style) stateSign(it *item, target bool) (string, ansi.Style) {
	switch {
	case target:
		return "▶", b.target
	case it.changing:
		return "…", b.textStyles[dim]
	case !it.own || it.gone:
		return " ", b.textStyles[dim]
	case it.state == client.Saved:
		return "✓", b.good
	case it.state == client.Failed:
		return "✗", b.textStyles[bad]
	}
	return "…", b.textStyles[dim]
}

// narrowMessage renders a message on a narrow screen, where the name stands in front of the text.
func (b *style) narrowMessage(it *item, s renderKey, text []span) (lines []string, charsBefore []int) {
	var before []span
	if who, _ := fit(b.senderLabel(it), min(maxName, b.column()), b.method); !s.grouped && who != "" {
		before = []span{{text: who, kind: name}, {text: " "}}
	}
	if sign, _ := b.stateSign(it, s.isTarget); it.own || s.isTarget {
		before = append(before, span{text: sign + " ", kind: dim})
	}
	if b.numbers {
		before = append(before, span{text: fmt.Sprintf("%d ", it.n), kind: dim})
	}
	if s.quote.re > 0 {
		head := b.paint(before, b.by(it))
		lines, charsBefore = append(lines, head+b.quoteLine(s.quote, max(b.width-b.method.StringWidth(flat(before)), 2))), append(charsBefore, 0)
		before = []span{{text: "  "}}
	}
	seen := -characters(before)
	for i, line := range wrap(append(before, text...), b.width, min(2, b.width/4), b.method) {
		charsBefore = append(charsBefore, max(seen, 0))
		seen += characters(line)
		indent := ""
		if i > 0 {
			indent = "  "
		}
		lines = append(lines, indent+b.paint(line, b.by(it)))
	}
	if it.reason != "" {
		for _, line := range wrap([]span{{text: it.reason, kind: bad}}, b.width-2, 0, b.method) {
			charsBefore = append(charsBefore, seen)
			seen += characters(line)
			lines = append(lines, "  "+b.paint(line, ""))
		}
	}
	return lines, charsBefore
}

// wideMessage renders a message with columns for the time, the name and the sign.
func (b *style) wideMessage(it *item, s renderKey, text []span) (lines []string, charsBefore []int) {
	if it.reason != "" {
		text = append(text, span{text: "\n" + it.reason, kind: bad})
	}
	sign, signStyle := b.stateSign(it, s.isTarget)
	when, label := strings.Repeat(" ", b.clock()), strings.Repeat(" ", b.column())
	if !s.minute {
		when = fmt.Sprintf("%*s", b.clock(), it.at.In(b.zone).Format(b.formats.clock))
	}
	if !s.grouped {
		who, w := fit(b.senderLabel(it), min(maxName, b.column()), b.method)
		label = strings.Repeat(" ", max(b.column()-w, 0)) + b.nameStyle(b.by(it)).Styled(who)
	}
	if b.numbers && it.n > 0 {
		when = fmt.Sprintf("%*d", b.clock(), it.n)
	}
	columns := b.textStyles[dim].Styled(when) + " " + label + " " + signStyle.Styled(sign) + " "
	if s.quote.re > 0 {
		lines, charsBefore = append(lines, columns+b.quoteLine(s.quote, min(b.width-b.indent()-1, readable))), append(charsBefore, 0)
		columns = strings.Repeat(" ", b.indent())
	}
	seen := 0
	for i, line := range wrap(text, min(b.width-b.indent()-1, readable), 0, b.method) {
		charsBefore = append(charsBefore, seen)
		seen += characters(line)
		if i == 0 {
			lines = append(lines, columns+b.paint(line, b.by(it)))
			continue
		}
		lines = append(lines, strings.Repeat(" ", b.indent())+b.paint(line, b.by(it)))
	}
	return lines, charsBefore
}

// characters counts the characters of a line except spaces, which wrapping adds and drops.
func characters(line []span) (n int) {
	for _, s := range line {
		n += utf8.RuneCountInString(s.text) - strings.Count(s.text, " ") - strings.Count(s.text, "\n")
	}
	return n
}
