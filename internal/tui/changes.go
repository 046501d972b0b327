package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/wire"
)

// Edits, deletions and replies. The replica of a room says what a message is now; this file passes on what this user
// changes, and takes over what has changed.

// itemOf makes the item of a message.
func (t *timeline) itemOf(m client.ShownMessage) *item {
	t.people.senders.Saw(m.Message)
	it := &item{n: m.N, at: m.At.Std(), senderID: m.SenderID, displayName: m.DisplayName, id: m.ID, own: m.SenderID == t.self.senderID}
	if it.own {
		it.state = client.Saved
	}
	t.setForm(it, m)
	return it
}

// setForm gives an item the present form of its message. What a room of moderators says of an action is put into words.
func (t *timeline) setForm(it *item, m client.ShownMessage) {
	m.Text = commands.Logged(&m.Message, t.when)
	it.text, it.re, it.edited, it.gone = m.Text, m.Re, m.Edited, m.Gone
	it.editedAt = time.Time{}
	if m.EditedAt != 0 {
		it.editedAt = m.EditedAt.Std()
	}
	it.marks = marksOf(&m)
	it.rendered.lines = nil
}

// pending returns the unsaved messages and changes of the room.
func (t *timeline) pending() client.Pending { return t.chat.PendingIn(t.name) }

// unsavedChanges returns the changes and the settings of this user that are not saved.
func (t *timeline) unsavedChanges() []client.Sent {
	return slices.DeleteFunc(t.pending().Sent, client.Sent.IsMessage)
}

// refresh gives the item of message n its present form, and returns it with the message as it was; nil: it is not in the window.
func (t *timeline) refresh(n uint64) (it *item, was wire.Message) {
	i, found := t.find(n)
	if !found || t.items[i].note {
		return nil, was
	}
	it = t.items[i]
	was = wire.Message{N: it.n, SenderID: it.senderID, Text: it.text, Re: it.re, Gone: it.gone}
	pending := t.pending()
	m, ok := t.replica.ShownMessage(n, pending)
	if !ok {
		return nil, was
	}
	before := len(it.text)
	t.setForm(it, m)
	t.bytes += len(it.text) - before
	it.changing = slices.ContainsFunc(pending.Sent, func(s client.Sent) bool { return s.Of == n })
	return it, was
}

// changed takes edits and deletions. An edit that newly mentions this user counts as a mention.
func (r *room) changed(f wire.Changed) {
	t := &r.timeline
	r.skip(f.N)
	for _, s := range f.Of {
		for i, _ := t.find(s.From); i < len(t.items) && t.items[i].n <= s.To; i++ {
			it, was := t.refresh(t.items[i].n)
			if it == nil || it.own {
				continue
			}
			before, _ := r.isToMe(was)
			now, _ := r.isToMe(wire.Message{SenderID: it.senderID, Text: it.text, Re: it.re, Gone: it.gone})
			switch {
			case now && !before:
				r.mentioned(it, f.N)
			case before && !now && it.n > r.read.upTo:
				r.read.mentions = max(r.read.mentions-1, 0)
			}
		}
	}
}

// isToMe reports whether a message mentions this user or replies to this user, and whether that is known.
func (r *room) isToMe(m wire.Message) (toMe, known bool) {
	switch {
	case m.Gone || m.SenderID == r.self.senderID:
		return false, true
	case mentionsMe(m.Text, r.self.name):
		return true, true
	case m.Re < r.timeline.first:
		return false, true
	}
	original, known := r.timeline.replica.Message(m.Re, nil)
	return known && original.SenderID == r.self.senderID, known
}

// change queues a change of message n: a new text, or its deletion if text is nil.
func (r *room) change(n uint64, text *string) error {
	if _, err := r.chat.Change(client.Change{Room: r.name, Of: n, Text: text}); err != nil {
		return fmt.Errorf("not changed: %s", reason(err, r.method))
	}
	r.timeline.refresh(n)
	return nil
}

// changeSent takes the new state of a change of this user.
func (r *room) changeSent(f client.Sent) {
	t := &r.timeline
	t.refresh(f.Of)
	switch f.State {
	case client.Saved:
		t.head = max(t.head, f.N)
	case client.Failed:
		what := "edited"
		if f.Deletes {
			what = "deleted"
		}
		r.editor.remember(f.Text)
		r.warn("message %s was not %s: %s", thousands(f.Of), what, r.refusalWords(refusalOf(f)))
	}
}

// canChange reports whether this user can edit and delete a message now, as far as is known.
func (h *shared) canChange(it *item) bool {
	window := time.Duration(h.self.limits.EditWindow) * time.Millisecond
	return it.own && it.n > 0 && !it.gone && !it.note && h.now().Add(-h.self.clockAhead).Sub(it.at) < window
}

// sawTime takes the server's time of a message that has just arrived. The clock here may be ahead of the server's.
func (s *self) sawTime(at, now time.Time) {
	if ahead := now.Sub(at); !s.clockKnown || ahead < s.clockAhead {
		s.clockAhead, s.clockKnown = ahead, true
	}
}

// lastOwn is this user's newest message, if it can be changed; nil otherwise.
func (r *room) lastOwn() *item {
	if len(r.timeline.outbox) > 0 {
		return nil
	}
	for _, it := range slices.Backward(r.timeline.items) {
		if it.own && !it.note && !it.gone {
			if r.canChange(it) {
				return it
			}
			break
		}
	}
	return nil
}

// What is done with a selected message.

func (s *screen) editItem(it *item) tea.Cmd {
	s.room().startEdit(it)
	return nil
}

func (s *screen) replyToItem(it *item) tea.Cmd {
	r := s.room()
	r.endEdit()
	r.writing.repliesTo = it.n
	return nil
}

// deleteItem deletes a message, after it has asked once.
func (s *screen) deleteItem(it *item) tea.Cmd {
	r := s.room()
	if t := &r.timeline; t.confirming != it.n {
		t.selected, t.confirming = it.n, it.n
		t.showSelected()
		return nil
	}
	r.timeline.confirming = 0
	if r.writing.edits == it.n {
		r.endEdit()
	}
	if err := r.change(it.n, nil); err != nil {
		s.warn("%v", err)
	}
	return nil
}

// Commands for the same.

// target parses the message that a command is about: its number or "last", and what follows. own: "last", which is the default
// then, is this user's last message.
func (s *screen) target(words string, own bool) (it *item, rest string, ok bool) {
	word, rest, _ := strings.Cut(words, " ")
	t := &s.room().timeline
	switch {
	case own && (word == "" || word == "last"):
		if it = s.room().lastOwn(); it == nil {
			s.warn("your last message cannot be changed any more")
			return nil, "", false
		}
		return it, strings.TrimSpace(rest), true
	case word == "" || word == "last":
		for _, it := range slices.Backward(t.items) {
			if !it.note && !it.gone {
				return it, strings.TrimSpace(rest), true
			}
		}
		s.inform("no messages here yet")
		return nil, "", false
	}
	n, ok := s.number(word)
	if !ok {
		return nil, "", false
	}
	i, found := t.find(n)
	if !found || t.items[i].note {
		s.warn("message %s is not in memory; /history %d goes there", thousands(n), n)
		return nil, "", false
	}
	return t.items[i], strings.TrimSpace(rest), true
}

// changeable warns and reports false if a message cannot be changed.
func (s *screen) changeable(it *item) bool {
	switch {
	case s.canChange(it):
		return true
	case it.gone:
		s.warn("message %s was deleted", thousands(it.n))
	case !it.own:
		s.warn("message %s is somebody else's", thousands(it.n))
	case s.self.limits.EditWindow == 0:
		s.warn("messages cannot be changed on this server")
	default:
		s.warn("message %s cannot be changed any more: it is older than %v", thousands(it.n), minutes(s.self.limits.EditWindow))
	}
	return false
}

// minutes is a number of milliseconds as words.
func minutes(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d < time.Minute || d%time.Minute != 0 {
		return d.String()
	}
	return strconv.Itoa(int(d/time.Minute)) + " minutes"
}

func (s *screen) edit(words string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	it, text, ok := s.target(words, true)
	if !ok || !s.changeable(it) {
		return nil
	}
	if text == "" {
		return s.editItem(it)
	}
	if err := s.room().change(it.n, &text); err != nil {
		s.warn("%v", err)
	}
	return nil
}

func (s *screen) delete(words string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	if it, _, ok := s.target(words, true); ok && (s.canDelete(it) || s.changeable(it)) {
		return s.deleteItem(it)
	}
	return nil
}

func (s *screen) reply(words string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	it, text, ok := s.target(words, false)
	if !ok {
		return nil
	}
	if text == "" {
		return s.replyToItem(it)
	}
	r := s.room()
	if _, err := r.post(wire.Say{Text: text, Re: it.n}); err != nil {
		s.warn("%v", err)
		return nil
	}
	return r.timeline.end()
}
