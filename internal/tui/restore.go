package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"ramai/wire"
)

// A frame says which erased messages were restored, without their texts. Those in the window are loaded again, the newest first because
// the view is usually at the end. Those outside of it, such as originals of replies, are dropped: they are fetched where they are shown.

// restored takes messages that are no longer erased, and the settings of restored polls and questions.
func (r *room) restored(f wire.Restored) tea.Cmd {
	t := &r.timeline
	r.skip(f.N)
	for _, s := range f.Of {
		t.replica.Forget(s.From, min(s.To, t.lowest()-1))
		t.replica.Forget(max(s.From, t.highest()+1), s.To)
		for n := range t.originals.asked {
			if s.From <= n && n <= s.To {
				delete(t.originals.asked, n)
			}
		}
	}
	return tea.Batch(r.reloadSettings(), t.loadRestored(0))
}

// loadRestored asks for the newest restored messages of the window that have not been loaded again. tries is how often a page was not
// usable.
func (t *timeline) loadRestored(tries int) tea.Cmd {
	from, to := t.unloaded()
	if t.restoring || !t.joined || to == 0 {
		return nil
	}
	t.restoring = true
	h := before(to + 1)
	h.Room, h.Limit = t.name, int(min(to-from+1, pageSize))
	return t.ask(page{room: t.name, kind: restored, target: to, tries: tries}, h)
}

// unloaded returns the first and the last message of the window that are shown as deleted and were restored; zero: there are none.
func (t *timeline) unloaded() (from, to uint64) {
	missing := t.replica.Missing()
	for _, it := range slices.Backward(t.items) {
		for len(missing) > 0 && missing[len(missing)-1].From > it.n {
			missing = missing[:len(missing)-1]
		}
		if len(missing) == 0 {
			break
		}
		if it.gone && !it.note && it.n <= missing[len(missing)-1].To {
			from, to = it.n, max(to, it.n)
		}
	}
	return from, to
}

// restoredLoaded takes a page with restored messages, and asks for the next one. After an error, the next join asks again.
func (r *room) restoredLoaded(p page) tea.Cmd {
	t := &r.timeline
	t.restoring = false
	if p.err != nil || p.page.HistoryID != t.historyID {
		t.replica.Cancel(p.asked)
		if p.err != nil && t.joined && t.ctx.Err() == nil {
			t.warn("cannot read the history: %s", reason(p.err, t.method))
		}
		return nil
	}
	t.replica.AddPage(p.asked, p.page)
	for _, m := range p.page.Messages {
		it, was := t.refresh(m.N)
		if it == nil || it.own || !was.Gone || it.n <= r.read.upTo {
			continue
		}
		if toMe, _ := r.isToMe(wire.Message{SenderID: it.senderID, Text: it.text, Re: it.re, Gone: it.gone}); toMe {
			r.read.mentions++ // the erasure has subtracted it
		}
	}
	tries := 0
	if _, to := t.unloaded(); to == p.target { // the page is older than what is known here
		tries = p.tries + 1
	}
	if tries == maxTries {
		t.warn("cannot read the history: the server answers with an old state")
		return nil
	}
	return t.loadRestored(tries)
}
