package tui

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"ramai/internal/commands"
	"ramai/wire"
)

// While a message is selected, keys act on it instead of typing: they select another message, or run one of messageActions.

// messageAction is an action on the selected message. The selection ends before it runs.
type messageAction struct {
	key  string                         // a key that types a character
	hint string                         // its effect, for the hints
	help string                         // its effect, as a sentence
	fits func(s *screen, it *item) bool // nil: applies to every message
	do   func(s *screen, it *item) tea.Cmd
}

// messageActions returns all actions, in the order in which they are offered.
func messageActions() []messageAction {
	return []messageAction{
		{"r", "reply", "reply to the selected message", (*screen).canReply, (*screen).replyToItem},
		{"+", "react", "react to the selected message", (*screen).canMark, (*screen).reactToItem},
		{"u", "upvote", "upvote the selected message, or take that back", (*screen).canMark, (*screen).upvoteItem},
		{"a", "answered", "mark your selected question as answered, or as open", (*screen).ownQuestion, (*screen).toggleAnswered},
		{"x", "close", "close your selected poll, or open it again", (*screen).ownPoll, (*screen).togglePoll},
		{"e", "edit", "edit the selected message, if it is yours", (*screen).canChange, (*screen).editItem},
		{"d", "delete", "delete the selected message, if it is yours or you are a moderator", (*screen).canDelete, (*screen).deleteItem},
		{"c", "copy", "copy the selected message", func(s *screen, it *item) bool { return s.Clipboard && !it.gone }, (*screen).copyItem},
		{"p", "pin", "pin the selected message, or unpin it", (*screen).canMark, (*screen).pinItem},
		{"l", "link", "show the address of the selected message", func(s *screen, _ *item) bool { return !s.chat.Plain() }, func(s *screen, it *item) tea.Cmd { return s.linkTo(it.n) }},
		{"w", "who", "show who has sent the selected message, and what moderators can do", (*screen).hasSender, (*screen).whoIs},
	}
}

func (s *screen) hasSender(it *item) bool { return !s.chat.Plain() && it.senderID != "" && it.n > 0 }

// whoIs shows the card of a message's sender.
func (s *screen) whoIs(it *item) tea.Cmd {
	words := fmt.Sprintf("#%d", it.n)
	return s.withHost(s.room(), "/whois "+words, func(h commands.Host) { commands.Find("whois").Run(h, words) })
}

func (s *screen) ownQuestion(it *item) bool {
	return it.own && it.marks.as == wire.Question && s.canMark(it)
}

func (s *screen) ownPoll(it *item) bool { return it.own && it.marks.as == wire.Poll && s.canMark(it) }

// canReply reports whether a message can have replies.
func (s *screen) canReply(it *item) bool { return !s.chat.Plain() && !it.gone }

// selecting reports whether a message is selected.
func (s *screen) selecting() bool { return s.room().timeline.selectedItem() != nil }

// actionsFor returns the actions that apply to a message.
func (s *screen) actionsFor(it *item) []messageAction {
	return slices.DeleteFunc(messageActions(), func(a messageAction) bool { return a.fits != nil && !a.fits(s, it) })
}

// selectMessage begins the selection.
func (s *screen) selectMessage() tea.Cmd {
	if !s.room().timeline.selectInView() {
		s.inform("no messages here yet")
	}
	return nil
}

// selectionKey handles a key while a message is selected, and reports whether the selection used it. Keys that type a
// character always belong to it, so that nothing is posted by mistake. Any other key ends the selection and has its usual effect.
func (s *screen) selectionKey(key, text string) (tea.Cmd, bool) {
	t := &s.room().timeline
	it := t.selectedItem()
	page := max(s.messageRows()-1, 1)
	if t.reacting > 0 {
		s.reactionKey(it, key)
		return nil, true
	}
	if len(key) == 1 && key >= "1" && key <= "9" && s.canVote(it) {
		return s.vote(it, int(key[0]-'0')), true
	}
	asked := t.confirming
	t.confirming = 0
	switch key {
	case "up", "k", "ctrl+p":
		return t.moveSelection(-1), true
	case "down", "j", "ctrl+n":
		return t.moveSelection(1), true
	case "pgup":
		return t.scrollSelection(-page), true
	case "pgdown":
		return t.scrollSelection(page), true
	case "home", "g":
		return t.moveSelection(-len(t.items)), true
	case "end", "G":
		return t.moveSelection(len(t.items)), true
	case "enter":
		if it.re > 0 {
			t.selected = 0
			return s.goToOriginal(it), true
		}
		it.expanded = it.rendered.folded
		t.showSelected()
		return t.fill(), true
	case "esc", "q", "ctrl+c":
		if asked == 0 || key == "ctrl+c" {
			t.selected = 0
		}
		return nil, true
	}
	for _, a := range s.actionsFor(it) {
		if a.key == key {
			t.selected, t.confirming = 0, asked
			cmd := a.do(s, it)
			if t.selected == 0 {
				t.confirming = 0
			}
			return cmd, true
		}
	}
	if text != "" {
		s.inform("Esc goes back")
		return nil, true
	}
	t.selected = 0
	return nil, false
}

// selectionHints adds the keys of the selection.
func (s *screen) selectionHints(all *hints, it *item) {
	if s.room().timeline.confirming == it.n {
		all.add("d", "delete")
		all.add("Esc", "keep it")
		return
	}
	if s.room().timeline.reacting == it.n {
		all.add("1 … 6", "react")
		all.add(":", "by name")
		all.add("Esc", "back")
		return
	}
	all.add("Esc", "back")
	if it.re > 0 {
		all.add("Enter", "original")
	} else if it.rendered.folded {
		all.add("Enter", "show in full")
	} else if it.expanded {
		all.add("Enter", "fold")
	}
	if s.canVote(it) {
		all.add("1 … 9", "vote")
	}
	for _, a := range s.actionsFor(it) {
		all.add(a.key, a.hint)
	}
	all.add("Up Down", "choose")
}

// describe identifies a message.
func (b *style) describe(it *item) string {
	at := it.at.In(b.zone)
	words := fmt.Sprintf("message %s · %s", thousands(it.n), at.Format(b.formats.moment))
	switch {
	case it.gone:
		words += " · deleted"
	case it.edited > 0 && it.editedAt.IsZero():
		words += " · edited"
	case it.edited > 0 && sameDay(at, it.editedAt.In(b.zone)):
		words += " · edited " + it.editedAt.In(b.zone).Format(b.formats.clock)
	case it.edited > 0:
		words += " · edited " + it.editedAt.In(b.zone).Format(b.formats.moment)
	}
	return words
}

// selectedItem returns the selected message; nil: there is no selection.
func (t *timeline) selectedItem() *item {
	if t.selected == 0 {
		return nil
	}
	if i, found := t.find(t.selected); found {
		return t.items[i]
	}
	return nil
}

// selectInView selects the target of the last jump, or the last message that is fully in view. It reports whether there is
// one.
func (t *timeline) selectInView() bool {
	first, last := t.inView()
	if i, found := t.find(t.jumpTarget); found && first <= i && i <= last {
		last = i
	}
	for i := last; i >= 0; i-- {
		if !t.items[i].note {
			t.selected, t.jumpTarget = t.items[i].n, 0
			t.showSelected()
			return true
		}
	}
	return false
}

// inView returns the first and the last message of the window that are fully in view. If there are none, both are the
// message at the top. last is -1 if the window is empty.
func (t *timeline) inView() (first, last int) {
	if len(t.items) == 0 {
		return 0, -1
	}
	i, off := t.topOf()
	if i = min(i, len(t.items)-1); off > t.block(i).headLines && i+1 < len(t.items) && len(t.block(i).lines)-off+len(t.block(i+1).lines) <= t.viewRows {
		off -= len(t.block(i).lines)
		i++
	}
	first = i
	for rest := t.viewRows + off; i < len(t.items); i++ {
		if rest -= len(t.block(i).lines); rest < 0 {
			break
		}
	}
	return first, max(i-1, first)
}

// moveSelection moves the selection by step messages, or to the last one in that direction. At the ends of the window more
// is fetched.
func (t *timeline) moveSelection(step int) tea.Cmd {
	i, found := t.find(t.selected)
	if !found {
		return nil
	}
	direction, chosen := 1, i
	if step < 0 {
		direction, step = -1, -step
	}
	for i += direction; i >= 0 && i < len(t.items) && step > 0; i += direction {
		if !t.items[i].note {
			chosen = i
			step--
		}
	}
	t.selected = t.items[chosen].n
	t.showSelected()
	return t.fill()
}

// scrollSelection scrolls by lines. When the selected message leaves the view, the next one in view is selected. If nothing
// is left to scroll, the last one in that direction is selected.
func (t *timeline) scrollSelection(lines int) tea.Cmd {
	top, off := t.topOf()
	t.scroll(lines)
	if i, o := t.topOf(); i == top && o == off {
		return t.moveSelection(len(t.items) * lines)
	}
	first, last := t.inView()
	i, _ := t.find(t.selected)
	for i = min(max(i, first), last); i < last && t.items[i].note; i++ {
	}
	if !t.items[i].note {
		t.selected = t.items[i].n
	}
	return t.fill()
}

// showSelected scrolls so that the selected message is in view, at least its beginning.
func (t *timeline) showSelected() {
	i, found := t.find(t.selected)
	if !found {
		return
	}
	d := t.block(i)
	top, off := t.topOf()
	if i < top || i == top && off > d.headLines {
		t.moveTo(i, 0)
		return
	}
	text := len(d.lines) - d.headLines
	above := d.headLines - off // lines of the view above the text
	for j := top; j < i && above < t.viewRows; j++ {
		above += len(t.block(j).lines)
	}
	if above+text <= t.viewRows || above <= 0 {
		return
	}
	t.moveTo(i, 0)
	if rest := t.viewRows - text; t.anchor != nil && rest > 0 {
		t.scroll(-rest)
	}
}
