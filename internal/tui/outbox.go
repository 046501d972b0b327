package tui

import (
	"slices"
	"strings"

	"ramai/client"
	"ramai/wire"
)

// removePosted removes the items of the outbox that which accepts, and reports whether there were any. A view at one of
// them moves to the end.
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

// removeReceived removes a message that has arrived in the room.
func (t *timeline) removeReceived(id string) {
	t.removePosted(func(it *item) bool { return it.id == id })
}

// confirmEarlier removes the first message of an earlier run with that text, which was not confirmed then and has arrived
// now.
func (t *timeline) confirmEarlier(text string) {
	found := false
	t.removePosted(func(it *item) bool {
		first := !found && it.id == "" && it.text == text
		found = found || first
		return first
	})
}

// dismissFailed removes failed messages.
func (t *timeline) dismissFailed() bool {
	return t.removePosted(func(it *item) bool { return it.state == client.Failed })
}

// unsaved returns the texts that are not confirmed, or failed; earlier: also those of earlier runs.
func (t *timeline) unsaved(earlier bool) (texts []string) {
	for _, it := range t.outbox {
		if (it.sending() || it.state == client.Failed) && (earlier || it.id != "") {
			texts = append(texts, it.text)
		}
	}
	return texts
}

// sending returns the number of messages that the server has not confirmed.
func (t *timeline) sending() (n int) {
	for _, it := range t.outbox {
		if it.sending() {
			n++
		}
	}
	return n
}

// changed handles the new state of a message that was posted here.
func (t *timeline) changed(f client.Sent) {
	t.head = max(t.head, f.N)
	if f.Withdrawn() {
		t.removeReceived(f.ID)
	}
	it := t.sent(f.ID)
	if it == nil {
		return // it was received or withdrawn already
	}
	it.state, it.rendered.lines = f.State, nil
	switch f.State {
	case client.Sending:
		it.sentAt = t.now()
	case client.Waiting:
		if f.Reason != "" && f.Code != wire.RateLimited { // posting too fast needs no warning
			it.reason = "not yet: " + oneLine(f.Reason, t.method)
		}
	case client.Saved:
		it.reason, it.at, it.n = "", f.At, f.N
		t.removeMissed()
	case client.Held:
		it.reason = "waits for a moderator; /withdraw takes it back"
	case client.Failed:
		why := refusalOf(f)
		if it.reason = t.refusalWords(why); why.Waits() { // the composer counts down
			what, _, _ := strings.Cut(it.reason, ":")
			it.reason = what + ": not posted; Up brings the text back"
		}
	}
}

// sent finds a message of the outbox, or returns nil.
func (t *timeline) sent(id string) *item {
	for _, it := range t.outbox {
		if it.id == id {
			return it
		}
	}
	return nil
}

// removeMissed removes saved messages whose number has passed without them: the server no longer has them.
func (t *timeline) removeMissed() {
	t.removePosted(func(it *item) bool { return it.state == client.Saved && it.n > 0 && it.n <= t.received })
}
