package tui

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// panel covers the messages until it is closed: who is here, search results, help, a question.
type panel struct {
	title    string
	rows     []row
	empty    string                              // if there are no rows
	chosen   int                                 // index of the chosen row
	top      int                                 // first visible line
	pick     func(i int) tea.Msg                 // the message that choosing a row sends; nil: rows cannot be chosen
	confirm  func() tea.Msg                      // the message that the key y sends; nil: the panel asks nothing
	yes      string                              // what that key does
	below    func(b *style, height int) []string // draws the lines below the rows, at most height; nil: none
	openedAt time.Time                           // when it opened, if the server's answer opened it; zero: a key did

	// The rows as lines, in a style: from has the first line of each, and the end of the last.
	lines [][]span
	from  []int
	style *style
}

// row is an entry of a panel. Its text is wrapped to the right of before.
type row struct {
	before   []span
	text     []span
	senderID string
}

// Times in which a user cannot have noticed a new panel, or not have read the question that it asks.
const (
	panelGrace   = 300 * time.Millisecond
	confirmGrace = time.Second
)

// key handles a key, and reports whether the panel is to be closed and whether the key was for it. typing: a draft is being
// written, so a letter belongs there.
func (p *panel) key(key string, height int, typing bool, now time.Time, st *style) (chosen tea.Msg, closed, handled bool) {
	step := 0
	p.layout(st)
	if since := now.Sub(p.openedAt); since < panelGrace || p.confirm != nil && since < confirmGrace { // the key was meant for what was shown before
		return nil, true, false
	}
	if p.confirm != nil && (key == "y" || key == "n") { // even while a draft is being written: the question is above it
		if key == "y" {
			chosen = p.confirm()
		}
		return chosen, true, true
	}
	switch key {
	case "esc", "q":
		return nil, true, key == "esc" || !typing
	case "up", "ctrl+p", "shift+up", "ctrl+up":
		step = -1
	case "down", "ctrl+n", "shift+down", "ctrl+down":
		step = 1
	case "pgup":
		step = -height
	case "pgdown":
		step = height
	case "home":
		step = -len(p.lines)
	case "end":
		step = len(p.lines)
	case "enter":
		if p.pick != nil && p.chosen < len(p.rows) {
			chosen = p.pick(p.chosen)
		}
		return chosen, true, true
	default:
		return nil, true, false
	}
	p.scroll(step, height)
	return nil, false, true
}

// scroll moves the choice by rows, or by lines if step is more than 1. Without a choice it moves the view.
func (p *panel) scroll(step, height int) {
	switch {
	case p.pick == nil:
		p.top += step
	case len(p.rows) == 0:
	case step == 1 || step == -1:
		p.chosen = max(min(p.chosen+step, len(p.rows)-1), 0)
	default:
		at, found := slices.BinarySearch(p.from, min(max(p.from[p.chosen]+step, 0), len(p.lines)-1))
		if !found {
			at--
		}
		if at == p.chosen && step > 0 { // it is as high as the panel
			at++
		}
		p.chosen = max(min(at, len(p.rows)-1), 0)
	}
	p.fit(height)
}

// fit scrolls so that the chosen row is visible, with as many others as fit.
func (p *panel) fit(height int) {
	if p.pick != nil && len(p.rows) > 0 {
		p.top = min(max(p.top, p.from[p.chosen+1]-height), p.from[p.chosen])
	}
	p.top = max(min(p.top, len(p.lines)-height), 0)
}

// layout wraps the rows into lines.
func (p *panel) layout(b *style) {
	if p.style == b {
		return
	}
	p.style, p.lines, p.from = b, nil, make([]int, 1, len(p.rows)+1)
	for _, r := range p.rows {
		hang := b.method.StringWidth(flat(r.before)) + 1
		if hang > b.width/2 {
			hang = min(2, b.width/4)
		}
		for i, line := range wrap(slices.Concat([]span{{text: " "}}, r.before, r.text), b.width, hang, b.method) {
			if i > 0 {
				line = append([]span{{text: strings.Repeat(" ", hang)}}, line...)
			}
			p.lines = append(p.lines, line)
		}
		p.from = append(p.from, len(p.lines))
	}
}

// view draws the panel.
func (p *panel) view(height int, b *style) []string {
	p.layout(b)
	p.fit(max(height-1, 1)) // it may have become lower
	title, _ := fit(p.title, b.width-2, b.method)
	lines := []string{" " + b.strong.Styled(title)}
	if len(p.rows) == 0 && p.empty != "" {
		lines = append(lines, " "+b.textStyles[dim].Styled(p.empty))
	}
	row, _ := slices.BinarySearch(p.from, p.top+1)
	for i := p.top; i < len(p.lines) && len(lines) < height; i++ {
		for i >= p.from[row] {
			row++
		}
		if p.pick != nil && row-1 == p.chosen {
			lines = append(lines, b.highlighted(flat(p.lines[i])))
		} else {
			lines = append(lines, b.paint(p.lines[i], p.rows[row-1].senderID))
		}
	}
	if p.below != nil && len(lines) < height-1 {
		lines = append(append(lines, ""), p.below(b, height-1-len(lines))...)
	}
	return lines[:min(len(lines), height)]
}

// flat returns the text of a line.
func flat(line []span) string {
	var b strings.Builder
	for _, s := range line {
		b.WriteString(s.text)
	}
	return b.String()
}
