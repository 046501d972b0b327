package tui

import "strings"

// hints lists the keys that matter now, as many as fit.
func (s *screen) hints() string {
	var b strings.Builder
	used := 1
	for _, h := range s.currentHints() {
		w := s.method.StringWidth(h.key + " " + h.help)
		if used+w > s.width {
			break
		}
		used += w + 2
		b.WriteString(s.style.key.Styled(h.key) + " " + s.style.textStyles[dim].Styled(h.help) + "  ")
	}
	return b.String()
}

// hint is a key and what it does.
type hint struct{ key, help string }

// hints is a list of keys.
type hints []hint

// add adds a key, if there is one.
func (all *hints) add(key, help string) {
	if key != "" {
		*all = append(*all, hint{key, help})
	}
}

// currentHints returns the keys that matter now, the most useful first.
func (s *screen) currentHints() (all hints) {
	c := &s.room().editor
	switch {
	case s.composer.question != nil:
		s.composer.question.hints(&all, s.width < narrow)
	case s.panel != nil && s.panel.pick != nil:
		all.add("Up Down", "choose")
		all.add("Enter", "go")
		all.add("Esc", "close")
	case s.panel != nil && s.panel.confirm != nil:
		all.add("y", s.panel.yes)
		all.add("Esc", "cancel")
	case s.panel != nil:
		all.add("PgUp PgDn", "scroll")
		all.add("Esc", "close")
	case s.selecting():
		s.selectionHints(&all, s.room().timeline.selectedItem())
	case c.searching:
		all.add("Ctrl-R", "one before")
		all.add("Enter", "take it")
		all.add("Esc", "cancel")
	case s.composer.completion != nil:
		all.add("Tab", "next")
		all.add("Shift-Tab", "back")
	case len(s.composer.matches()) > 0:
		all.add("Up Down", "choose")
		all.add("Enter", "run it")
		all.add("Esc", "cancel")
	case !c.empty():
		s.writingHints(&all)
	default:
		s.readingHints(&all)
	}
	return all
}

// hints adds the answers to the question.
func (q *pasteQuestion) hints(all *hints, narrow bool) {
	one, each, no := "one message", "line by line", "cancel"
	if narrow {
		one, each, no = "one", "each", "no"
	}
	if q.confirming {
		all.add("Enter", "post them")
		all.add("c", "cancel")
		return
	}
	if q.fitsOne {
		all.add("o", one)
	}
	all.add("l", each)
	all.add("c", no)
}

// writingHints adds the keys that matter while there is a draft.
func (s *screen) writingHints(all *hints) {
	if s.composer.isCommand() {
		all.add("Enter", "run it")
	} else if s.room().writing.edits > 0 {
		all.add("Enter", "save")
		all.add("Esc", "cancel")
	} else if s.room().writing.repliesTo > 0 {
		all.add("Enter", "reply")
		all.add("Esc", "no reply")
	} else {
		all.add("Enter", "post")
	}
	all.add("Alt-Enter", "new line")
	all.add("Tab", "complete")
	if s.room().timeline.anchor != nil {
		all.add("End", "newest")
	}
	all.add("Ctrl-C", "clear")
}

// readingHints adds the keys that matter while there is no draft.
func (s *screen) readingHints(all *hints) {
	t := &s.room().timeline
	if s.room().writing.repliesTo > 0 {
		all.add("Esc", "no reply")
	}
	if t.anchor != nil {
		all.add("End", "newest")
	}
	if t.anchor == nil && t.dividerAbove() {
		all.add(s.bindings.keyOf("new"), "first unread")
	}
	if s.offline() {
		all.add(s.bindings.keyOf("recall"), "retry now")
	}
	if t.count() > 0 {
		all.add("PgUp", "older")
	}
	if s.rooms.activeElsewhere() {
		all.add(s.bindings.keyOf("active"), "next unread room")
	} else if len(s.rooms.all) > 1 {
		all.add(s.bindings.keyOf("next"), "next room")
	}
	all.add("/", "commands")
	if !t.plain {
		all.add(s.bindings.keyOf("search"), "search")
	}
	all.add(s.bindings.keyOf("help")+" or /help", "keys")
	all.add("Ctrl-D", "leave")
	if t.count() > 0 {
		all.add(s.bindings.keyOf("select"), "select")
	}
}

func (s *screen) keysRow() string { return " " + s.hints() }
