package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/wire"
)

// rendered is an item as lines, kept as long as it would be rendered the same.
type rendered struct {
	renderKey renderKey
	lines     []string
	head      int   // how many of lines stand before the text: the day, the rule of what is new
	from      []int // how many characters of the text stand before each line of it, spaces aside
}

// renderKey is all that the lines of an item depend on, besides the item.
type renderKey struct {
	brush   *style
	grouped bool // the one before is by the same sender, and not long before
	minute  bool // the one before is of the same minute
	day     bool
	rule    bool
	top     int8 // what stands above everything
	aimed   bool
	state   client.State
}

// What can stand above the first item.
const (
	topNothing = iota
	topMore
	topLoading
	topBeginning
	topGone
)

// style is what all lines of the screen depend on. A change of any of it makes a new one.
type style struct {
	*palette
	method  ansi.Method
	width   int
	numbers bool
	me      string
	zone    *time.Location
}

// Widths at which the layout changes, in cells.
const (
	narrow   = 56 // below that a name stands in front of its text
	roomy    = 110
	readable = 110             // a text is not wider, however wide the screen is
	together = 5 * time.Minute // messages of one sender that are further apart are not grouped
)

// column is how wide names are.
func (b *style) column() int {
	if b.width >= roomy {
		return 18
	}
	return 12
}

// indent is how many cells stand before a text.
func (b *style) indent() int {
	if b.width < narrow {
		return 2
	}
	return b.clock() + 1 + b.column() + 3
}

// clock is how wide the time is, or the number that stands in its place.
func (b *style) clock() int {
	if b.numbers {
		return 9
	}
	return 5
}

// count is how many items there are to show.
func (r *room) count() int { return len(r.items) + len(r.outbox) }

func (r *room) at(i int) *item {
	if i < len(r.items) {
		return r.items[i]
	}
	return r.outbox[i-len(r.items)]
}

// index finds an item, from the end, where it mostly is.
func (r *room) index(it *item) int {
	for i := r.count() - 1; i >= 0; i-- {
		if r.at(i) == it {
			return i
		}
	}
	return -1
}

// block returns the lines of the i-th item, with what stands before it.
func (r *room) block(i int, b *style) *rendered {
	it := r.at(i)
	s := renderKey{brush: b, state: it.state, aimed: r.jumpTarget != 0 && it.n == r.jumpTarget && i < len(r.items)}
	said := i - 1 // the last before it that was said at some time, which a note was not
	for said >= 0 && r.at(said).note {
		said--
	}
	s.day = !it.note && (said < 0 || !sameDay(r.at(said).at.In(b.zone), it.at.In(b.zone)))
	if i == 0 {
		s.top = r.top()
	} else {
		before := r.at(i - 1)
		s.minute = !before.note && before.at.Truncate(time.Minute).Equal(it.at.Truncate(time.Minute))
		s.rule = r.unreadDivider && before.n < r.fresh()
		s.grouped = !it.note && !before.note && before.by == it.by && before.from == it.from && it.at.Sub(before.at) < together
	}
	if i < len(r.items) {
		s.rule = r.unreadDivider && it.n >= r.fresh() && (i > 0 && s.rule || i == 0 && it.n == r.fresh())
	} else {
		s.rule = false
	}
	if s.day || s.rule || s.top != topNothing {
		s.grouped, s.minute = false, false
	}
	if it.drawn.renderKey != s || it.drawn.lines == nil {
		it.drawn = r.draw(it, s)
	}
	return &it.drawn
}

func sameDay(a, b time.Time) bool {
	return a.YearDay() == b.YearDay() && a.Year() == b.Year()
}

// top is what stands above everything in the window.
func (r *room) top() int8 {
	switch {
	case !r.joined || r.plain:
		return topNothing
	case r.loading && r.older():
		return topLoading
	case r.older():
		return topMore
	case r.first > 1 && r.lowest() > 1:
		return topGone
	}
	return topBeginning
}

// draw makes the lines of an item.
func (r *room) draw(it *item, s renderKey) rendered {
	b := s.brush
	d := rendered{renderKey: s}
	switch s.top {
	case topMore:
		d.lines = append(d.lines, b.aside("↑ earlier"))
	case topLoading:
		d.lines = append(d.lines, b.aside("loading …"))
	case topBeginning:
		d.lines = append(d.lines, b.aside("the beginning of "+r.name))
	case topGone:
		d.lines = append(d.lines, b.aside("what was before "+thousands(min(r.first, r.lowest()))+" is gone"))
	}
	if s.day {
		d.lines = append(d.lines, b.across(it.at.In(b.zone).Format("Monday, 2 January 2006"), b.looks[dim]))
	}
	if s.rule {
		d.lines = append(d.lines, b.across("new", b.unread))
	}
	d.head = len(d.lines)
	if it.note {
		d.lines = append(d.lines, b.across(oneLine(it.text, b.method), b.looks[dim]))
		return d
	}
	lines, from := b.message(it, s, slices.Concat(r.speakers, r.names))
	d.lines, d.from = append(d.lines, lines...), from
	return d
}

// aside is some words where texts stand.
func (b *style) aside(words string) string {
	return strings.Repeat(" ", b.indent()) + b.looks[dim].Styled(words)
}

// across is a rule with some words in it, where texts stand.
func (b *style) across(words string, style ansi.Style) string {
	words, w := fit(words, max(b.width-6, 1), b.method)
	left := max(b.indent()-1, 1)
	right := max(b.width-left-w-2, 0)
	return b.rule.Styled(strings.Repeat("─", left)) + " " + style.Styled(words) + " " + b.rule.Styled(strings.Repeat("─", right))
}

// called is who a message is by.
func (b *style) called(it *item) string {
	switch {
	case it.from != "":
		return oneLine(it.from, b.method)
	case it.own:
		return "you"
	case it.by == "":
		return ""
	case len(it.by) < 4 || wire.CheckID(it.by) != nil:
		return "guest"
	}
	return "guest " + it.by[:4]
}

// message draws a message, and tells how many characters of its text stand before each line.
func (b *style) message(it *item, s renderKey, names []string) (lines []string, from []int) {
	text := parse(it.text, b.me, names, b.method)
	who, _ := fit(b.called(it), min(maxName, b.column()), b.method)
	sign, style := " ", b.looks[dim]
	switch {
	case !it.own:
	case it.state == client.Saved:
		sign, style = "✓", b.good
	case it.state == client.Failed:
		sign, style = "✗", b.looks[bad]
	default:
		sign = "…"
	}
	if s.aimed {
		sign, style = "▶", b.aimed
	}
	if it.own && !it.state.Final() {
		for i := range text {
			if text[i].look == plain {
				text[i].look = dim
			}
		}
	}
	if b.width < narrow {
		var before []span
		if !s.grouped && who != "" {
			before = []span{{text: who, look: name}, {text: " "}}
		}
		if it.own || s.aimed {
			before = append(before, span{text: sign + " ", look: dim})
		}
		if b.numbers {
			before = append(before, span{text: fmt.Sprintf("%d ", it.n), look: dim})
		}
		seen := -characters(before)
		for i, line := range wrap(append(before, text...), b.width, min(2, b.width/4), b.method) {
			from = append(from, max(seen, 0))
			seen += characters(line)
			indent := ""
			if i > 0 {
				indent = "  "
			}
			lines = append(lines, indent+b.paint(line, it.by))
		}
		if it.why != "" {
			for _, line := range wrap([]span{{text: it.why, look: bad}}, b.width-2, 0, b.method) {
				from = append(from, seen)
				seen += characters(line)
				lines = append(lines, "  "+b.paint(line, ""))
			}
		}
		return lines, from
	}
	width := min(b.width-b.indent()-1, readable)
	if it.why != "" {
		text = append(text, span{text: "\n" + it.why, look: bad})
	}
	when, label := strings.Repeat(" ", b.clock()), strings.Repeat(" ", b.column())
	if !s.minute {
		when = fmt.Sprintf("%*s", b.clock(), it.at.In(b.zone).Format("15:04"))
	}
	if !s.grouped {
		w := b.method.StringWidth(who)
		label = strings.Repeat(" ", max(b.column()-w, 0)) + b.nameStyle(it.by).Styled(who)
	}
	if b.numbers && it.n > 0 {
		when = fmt.Sprintf("%*d", b.clock(), it.n)
	}
	seen := 0
	for i, line := range wrap(text, width, 0, b.method) {
		from = append(from, seen)
		seen += characters(line)
		if i == 0 {
			lines = append(lines, b.looks[dim].Styled(when)+" "+label+" "+style.Styled(sign)+" "+b.paint(line, it.by))
			continue
		}
		lines = append(lines, strings.Repeat(" ", b.indent())+b.paint(line, it.by))
	}
	return lines, from
}

// characters counts those of a line that are there however it is wrapped: all but spaces.
func characters(line []span) (n int) {
	for _, s := range line {
		n += utf8.RuneCountInString(s.text) - strings.Count(s.text, " ") - strings.Count(s.text, "\n")
	}
	return n
}

// The view of a room is height lines of its blocks. It begins at the anchor, or ends at the end.

// visible returns the lines to show.
func (r *room) visible(height int, b *style) []string {
	if r.anchor != nil {
		if i := r.index(r.anchor); i >= 0 {
			d := r.block(i, b)
			r.off = min(max(r.off, -d.head), len(d.lines)-d.head-1)
			return r.from(i, r.off, height, b)
		}
		r.anchor = nil
	}
	if r.count() == 0 {
		return nil
	}
	i, off := r.topOf(height, b)
	return r.from(i, off-r.block(i, b).head, height, b)
}

// from returns height lines from a line of the i-th item's text on. Who the first of them is by, and when, is told even
// if it need not be told where it stands.
func (r *room) from(i, off, height int, b *style) []string {
	d := r.block(i, b)
	if s := d.renderKey; off <= 0 && (s.grouped || s.minute) && b.width >= narrow {
		s.grouped, s.minute = false, false
		told := r.draw(r.at(i), s)
		d = &told
	}
	lines := append([]string(nil), d.lines[d.head+off:]...)
	for i++; i < r.count() && len(lines) < height; i++ {
		lines = append(lines, r.block(i, b).lines...)
	}
	return lines[:min(len(lines), height)]
}

// scroll moves the view by lines: up if negative. At the end it stays there.
func (r *room) scroll(lines, height int, b *style) {
	if r.count() == 0 {
		return
	}
	i, off := r.topOf(height, b)
	if i < 0 {
		return
	}
	// Positions are counted from the beginning of the block here.
	off += lines
	for off < 0 && i > 0 {
		i--
		off += len(r.block(i, b).lines)
	}
	for i < r.count()-1 && off >= len(r.block(i, b).lines) {
		off -= len(r.block(i, b).lines)
		i++
	}
	d := r.block(i, b)
	off = min(max(off, 0), len(d.lines)-1)
	r.moveTo(i, off-d.head, height, b)
}

// topOf returns where the view begins: an item, and a line of its block.
func (r *room) topOf(height int, b *style) (i, off int) {
	if r.anchor != nil {
		if i = r.index(r.anchor); i >= 0 {
			return i, r.off + r.block(i, b).head
		}
	}
	rest := height
	for i = r.count() - 1; i >= 0; i-- {
		n := len(r.block(i, b).lines)
		if n >= rest {
			return i, n - rest
		}
		rest -= n
	}
	return 0, 0
}

// moveTo makes a line of the i-th item's text the top of the view, unless the end would be above its bottom.
func (r *room) moveTo(i, off, height int, b *style) {
	r.anchor, r.off, r.shrunk, r.words = r.at(i), off, scrollPos{}, reading{}
	r.settleEnd(height, b)
}

// settleEnd puts a view at the end if all from its top to the end can be seen.
func (r *room) settleEnd(height int, b *style) {
	if r.anchor == nil || !r.attached {
		return
	}
	if i := r.index(r.anchor); i < 0 || r.rest(i, r.off, height, b) <= height {
		r.anchor = nil
	}
}

// resize fits a view into another height. One that was only at the end because there was room for all of it goes back to
// where it was, unless something came meanwhile.
func (r *room) resize(height int, b *style) {
	if p := r.shrunk; r.anchor == nil && p.anchor != nil && p.heard == r.heard && r.index(p.anchor) >= 0 {
		r.anchor, r.off = p.anchor, p.off
		r.keep(b)
	}
	before := scrollPos{r.anchor, r.off, r.heard}
	if r.settleEnd(height, b); r.anchor == nil {
		r.shrunk = before
	}
}

// rest counts the lines from a place to the end, but not much further than enough.
func (r *room) rest(i, off, enough int, b *style) int {
	d := r.block(i, b)
	n := len(d.lines) - d.head - off
	for i++; i < r.count() && n <= enough; i++ {
		n += len(r.block(i, b).lines)
	}
	return n
}

// nearTop and nearEnd tell whether what is not in memory is about to be seen.
func (r *room) nearTop(height int, b *style) bool {
	if r.count() == 0 {
		return true
	}
	i, off := r.topOf(height, b)
	for i--; i >= 0 && off < height; i-- {
		off += len(r.block(i, b).lines)
	}
	return off < height
}

func (r *room) nearEnd(height int, b *style) bool {
	if r.count() == 0 {
		return true
	}
	i, off := r.topOf(height, b)
	return r.rest(i, off-r.block(i, b).head, 2*height, b) <= 2*height
}

// reading is what stands at the top of a view, however the text is wrapped: who drags a window comes by many widths, and back.
type reading struct {
	anchor *item
	off    int // where that was when it was last looked for; elsewhere the user has scrolled
	from   int // the characters before it
	empty  int // and the lines between it and those: empty ones
}

// reflow keeps the place of a view when lines become longer or shorter.
func (r *room) reflow(before, after *style) {
	if r.anchor == nil || r.index(r.anchor) < 0 {
		return
	}
	if p := r.words; p.anchor != r.anchor || p.off != r.off {
		d := &r.anchor.drawn
		if r.words = (reading{}); d.renderKey.brush != before || r.off <= 0 || r.off >= len(d.from) {
			return
		}
		first, _ := slices.BinarySearch(d.from, d.from[r.off])
		r.words = reading{anchor: r.anchor, from: d.from[r.off], empty: r.off - first}
	}
	r.words.off = r.off
	r.keep(after)
}

// keep puts what was read, if it is known, at the top.
func (r *room) keep(b *style) {
	p := &r.words
	if p.anchor != r.anchor || p.off != r.off {
		return
	}
	from := r.block(r.index(r.anchor), b).from
	first, found := slices.BinarySearch(from, p.from)
	last, _ := slices.BinarySearch(from, p.from+1)
	if r.off = last - 1; found {
		r.off = min(first+p.empty, last-1)
	}
	p.off = r.off
}
