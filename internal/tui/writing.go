package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// writing is what the draft of a room is for, if it is no new message.
type writing struct {
	edits     uint64 // the message that it is the new text of; 0: none
	byUp      bool   // Up began that, and leaves it if nothing was changed
	repliesTo uint64 // the message that the next one replies to; 0: none
}

// startEdit begins to write a new text of a message. The draft comes back after that.
func (r *room) startEdit(it *item) {
	r.endEdit()
	r.editor.stashFor(editable(it.text))
	r.writing.edits = it.n
}

// editable is a text as it is typed: one that begins with a slash would be a command.
func editable(text string) string {
	if strings.HasPrefix(text, "/") {
		return "/" + text
	}
	return text
}

// endEdit ends that, and brings the draft back.
func (r *room) endEdit() {
	if r.writing.edits > 0 {
		r.writing.edits, r.writing.byUp = 0, false
		r.editor.clear()
		r.editor.unstash()
	}
}

// editUnchanged reports whether the draft is the text of a message as it was.
func (r *room) editUnchanged() bool {
	i, found := r.timeline.find(r.writing.edits)
	return found && r.editor.String() == editable(r.timeline.items[i].text)
}

// submitEdit saves the draft as the new text of a message.
func (r *room) submitEdit(text string) tea.Cmd {
	if r.editUnchanged() {
		r.endEdit()
		return nil
	}
	if limit := r.self.limits.Text; limit > 0 {
		if err := wire.CheckText(text, limit); err != nil {
			r.warn("%s", err.Reason)
			return nil
		}
	}
	if err := r.change(r.writing.edits, &text); err != nil {
		r.warn("%v", err)
		return nil
	}
	r.endEdit()
	return nil
}

// editByUp edits the last message of this user with Up, if nothing was begun. Once more, if nothing was changed, it leaves
// that for the history. Down leaves it, too. It reports whether the key was for that.
func (r *room) editByUp(key string) bool {
	if r.writing.byUp && r.editUnchanged() && (key == "up" || key == "down") {
		r.endEdit()
		return key == "down"
	}
	if r.writing.edits > 0 { // whose text is not to be replaced by one of the history
		from, to := r.editor.line()
		return key == "up" && from == 0 || key == "down" && to == len(r.editor.text)
	}
	if key != "up" || !r.editor.empty() || r.editor.historyAt != len(r.editor.history) {
		return false
	}
	it := r.lastOwn()
	if it == nil {
		return false
	}
	r.startEdit(it)
	r.writing.byUp = true
	return true
}

// draft is the message that was begun and not posted.
func (r *room) draft() string {
	if r.writing.edits > 0 && r.editor.stash == nil {
		return ""
	}
	return r.editor.draft()
}

// writingWords say what the draft is for; empty: a new message.
func (r *room) writingWords() string {
	words := func(n uint64) string {
		m, ok := r.timeline.replica.ShownMessage(n, client.Pending{})
		if !ok {
			return "message " + thousands(n)
		}
		who := r.timeline.style.senderLabel(&item{senderID: m.SenderID, displayName: m.DisplayName, own: m.SenderID == r.self.senderID, n: n})
		return strings.TrimPrefix(who+": "+oneLine(m.Text, r.method), ": ")
	}
	switch {
	case r.writing.edits > 0:
		return "editing message " + thousands(r.writing.edits)
	case r.writing.repliesTo > 0:
		return "reply to " + words(r.writing.repliesTo)
	}
	return ""
}
