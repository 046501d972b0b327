package tui

import (
	"ramai/client"
	"ramai/wire"
	"slices"

	"github.com/charmbracelet/x/ansi"
)

// removePosted takes off the outbox what which tells of each, and tells whether there was anything. A view at such a one goes to
// the end.
func (t *timeline) removePosted(which func(*item) bool) bool {
	before := len(t.outbox)
	t.outbox = slices.DeleteFunc(t.outbox, func(it *item) bool {
		taken := which(it)
		if taken && it == t.anchor {
			t.anchor = nil
		}
		return taken
	})
	return len(t.outbox) < before
}

// posted takes away what was heard.
func (t *timeline) removeHeard(id string) { t.removePosted(func(it *item) bool { return it.id == id }) }

// confirmEarlier takes away what was not confirmed an earlier time: the first with that text.
func (t *timeline) confirmEarlier(text string) {
	found := false
	t.removePosted(func(it *item) bool {
		first := !found && it.id == "" && it.text == text
		found = found || first
		return first
	})
}

// dismissFailed takes away what could not be said.
func (t *timeline) dismissFailed() bool {
	return t.removePosted(func(it *item) bool { return it.state == client.Failed })
}

// unsaved are the same of a room, with those of earlier times or without.
func (t *timeline) unsaved(earlier bool) (texts []string) {
	for _, it := range t.outbox {
		if (it.sending() || it.state == client.Failed) && (earlier || it.id != "") {
			texts = append(texts, it.text)
		}
	}
	return texts
}

// sending is how many texts are on their way.
func (t *timeline) sending() (n int) {
	for _, it := range t.outbox {
		if it.sending() {
			n++
		}
	}
	return n
}

// changed takes the new state of a message that was posted here.
func (t *timeline) changed(f client.Sent, method ansi.Method) {
	t.head = max(t.head, f.N)
	it := t.sent(f.ID)
	if it == nil {
		return // it was heard already
	}
	it.state, it.rendered.lines = f.State, nil
	switch f.State {
	case client.Waiting:
		if f.Reason != "" && f.Code != wire.RateLimited { // posting too fast needs no warning
			it.reason = "not yet: " + oneLine(f.Reason, method)
		}
	case client.Saved:
		it.reason, it.at, it.n = "", f.At, f.N
		t.removeMissed()
	case client.Held:
		it.reason = "held for a moderator"
	case client.Failed:
		it.reason = oneLine(f.Reason, method)
	}
}

// sent finds something said here that was not heard yet.
func (t *timeline) sent(id string) *item {
	for _, it := range t.outbox {
		if it.id == id {
			return it
		}
	}
	return nil
}

// removeMissed lets go of what is saved with a number that was removeMissed without being heard: it is not kept any more.
func (t *timeline) removeMissed() {
	t.removePosted(func(it *item) bool { return it.state == client.Saved && it.n > 0 && it.n <= t.received })
}
