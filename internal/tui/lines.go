package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// linesInFlight is how many lines of a paste may wait for confirmation at once.
const linesInFlight = 8

// lineQueue is a paste that is posted line by line. A line is sent when an earlier one is confirmed, so that a long paste
// can be stopped, and nothing is posted after a line that failed.
type lineQueue struct {
	left     []string // not posted yet
	total    int
	inFlight []string // ids
}

func (q *lineQueue) active() bool { return len(q.left) > 0 }

// progress returns the notice that is shown while lines are left.
func (q *lineQueue) progress() string {
	return fmt.Sprintf("posting line %s of %s · Esc stops", thousands(uint64(q.total-len(q.left))), thousands(uint64(q.total)))
}

// stop returns what was not posted.
func (q *lineQueue) stop() (rest string) {
	rest = strings.Join(q.left, "\n")
	*q = lineQueue{}
	return rest
}

// post posts a message, and returns why that was impossible; nil: it was accepted.
func (r *room) post(m wire.Say) (id string, problem error) {
	t := &r.timeline
	if r.standing.closed != "" {
		return "", errors.New(r.standing.closed)
	}
	if limit := r.self.limits.Text; limit > 0 {
		if err := wire.CheckText(m.Text, limit); err != nil {
			return "", fmt.Errorf("%s", err.Reason)
		}
	}
	switch n := t.sending(); {
	case n >= maxOutbox:
		return "", fmt.Errorf("%s not saved yet; wait a moment", plural(n, "message is", "messages are"))
	case len(t.outbox) >= 2*maxOutbox:
		return "", fmt.Errorf("%s not confirmed; Esc removes them", plural(len(t.outbox)-n, "message is", "messages are"))
	}
	m.Room = r.name
	id, err := r.chat.Post(m)
	if err != nil {
		return "", fmt.Errorf("not sent: %s", reason(err, r.method))
	}
	r.editor.remember(m.Text)
	t.unreadDivider = false
	t.outbox = append(t.outbox, &item{at: r.now(), senderID: r.self.senderID, displayName: r.self.name, text: m.Text, id: id, re: m.Re, own: true,
		marks: marks{as: m.As, options: m.Options}})
	return id, nil
}

// submit posts the draft.
func (r *room) submit(text string) tea.Cmd {
	if r.writing.edits > 0 {
		return r.submitEdit(text)
	}
	if why, blocked := r.blocked(); blocked { // the draft stays
		r.warn("%s", r.refusalWords(why))
		return nil
	}
	if _, err := r.post(wire.Say{Text: text, Re: r.writing.repliesTo}); err != nil {
		r.warn("%v", err)
		return nil
	}
	r.writing = writing{}
	r.editor.clear()
	r.editor.unstash()
	return r.timeline.end()
}

// submitLines posts lines, after those left of an earlier paste.
func (r *room) submitLines(lines []string) tea.Cmd {
	q := &r.lines
	q.left, q.total = append(q.left, lines...), q.total+len(lines)
	r.postMore()
	return r.timeline.end()
}

// postLines handles the new state of a message. If it is a line, another one may follow.
func (r *room) postLines(f client.Sent) tea.Cmd {
	q := &r.lines
	i := slices.Index(q.inFlight, f.ID)
	if i < 0 || !f.State.Final() && f.State != client.Held {
		return nil
	}
	q.inFlight = slices.Delete(q.inFlight, i, i+1)
	if f.State == client.Failed && q.active() {
		r.warn("%s; %s", r.refusalWords(refusalOf(f)), r.stopLines())
		return nil
	}
	r.postMore()
	return nil
}

// postMore posts as many lines as may be in flight.
func (r *room) postMore() {
	q := &r.lines
	for q.active() && len(q.inFlight) < linesInFlight {
		id, err := r.post(wire.Say{Text: q.left[0]})
		if err != nil {
			if len(q.inFlight) == 0 { // nothing else would continue it
				r.warn("%v; %s", err, r.stopLines())
			}
			return
		}
		q.inFlight, q.left = append(q.inFlight, id), q.left[1:]
	}
	if !q.active() {
		q.total = 0
	}
}

// stopLines stops posting lines, and returns a notice about it. The rest is kept for yank.
func (r *room) stopLines() string {
	n := len(r.lines.left)
	r.editor.killed = r.lines.stop()
	return plural(n, "line was", "lines were") + " not posted (Ctrl-Y brings them back)"
}

// pending is how many messages and changes are not saved, with the lines that are not posted yet.
func (r *room) pending() int {
	return r.timeline.sending() + len(r.timeline.unsavedChanges()) + len(r.lines.left)
}

// unsaved returns the texts that are not confirmed, failed, or are not posted yet. earlier: with those of earlier runs, and
// without edits, which are no messages.
func (r *room) unsaved(earlier bool) []string {
	texts := append(r.timeline.unsaved(earlier), r.lines.left...)
	for _, s := range r.timeline.unsavedChanges() {
		if !earlier && s.Text != "" {
			texts = append(texts, s.Text)
		}
	}
	return texts
}
