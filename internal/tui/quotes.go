package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
)

// A reply shows a line of the message that it replies to, the original. Originals that are not in the replica are fetched,
// one after the other: for the replies in view, and for those of which it is not known whether they are to this user.

// originals is what is fetched for replies.
type originals struct {
	loading bool
	asked   map[uint64]bool
	waiting []reply
}

// reply is a message and the one that it replies to.
type reply struct{ n, re uint64 }

// maxWaiting is how many replies wait for their originals. Of more, the oldest are dropped.
const maxWaiting = 50

// wait notes that somebody has to know whether a message replies to this user.
func (o *originals) wait(n, re uint64) {
	o.waiting = latest(append(o.waiting, reply{n, re}), maxWaiting, maxWaiting, func(reply) int { return 1 })
}

// loadOriginals fetches the next original, if one is missing.
func (r *room) loadOriginals() tea.Cmd {
	t := &r.timeline
	o := &t.originals
	if o.loading || t.plain || !t.joined {
		return nil
	}
	missing := func(re uint64) bool {
		if re < t.first || o.asked[re] {
			return false
		}
		_, here := t.replica.Message(re, nil)
		return !here
	}
	n := uint64(0)
	for _, w := range o.waiting {
		if missing(w.re) {
			n = w.re
		}
	}
	if n == 0 && t.shown {
		for _, above := range r.settings.shown() {
			if missing(above) {
				n = above
			}
		}
	}
	if n == 0 && t.shown && !t.jumping {
		for first, last := t.inView(); last >= first; last-- {
			if re := t.items[last].re; re > 0 && missing(re) {
				n = re
				break
			}
		}
	}
	if n == 0 {
		return nil
	}
	if o.asked == nil {
		o.asked = make(map[uint64]bool)
	}
	o.loading, o.asked[n] = true, true
	h := before(n + 1)
	h.Room, h.Limit = t.name, 1
	return t.ask(page{room: t.name, kind: original, target: n}, h)
}

// originalLoaded takes the page with an original.
func (r *room) originalLoaded(p page) {
	t := &r.timeline
	o := &t.originals
	o.loading = false
	switch {
	case p.err != nil || p.page.HistoryID != t.historyID:
		t.replica.Cancel(p.asked)
	case !t.replica.AddPage(p.asked, p.page):
		delete(o.asked, p.target)
	}
	o.waiting = slices.DeleteFunc(o.waiting, func(w reply) bool {
		if w.re != p.target {
			return false
		}
		m, ok := t.replica.ShownMessage(w.n, client.Pending{})
		if toMe, _ := r.isToMe(m.Message); ok && toMe {
			r.mentioned(t.itemOf(m), w.n)
		}
		return true
	})
}

// quote is the line of an original.
type quote struct {
	re                    uint64 // 0: the message is no reply
	here, gone, tooOld    bool
	own                   bool
	senderID, displayName string
	text                  string
}

// quoteOf is the line above an item.
func (t *timeline) quoteOf(it *item) quote {
	if it.re == 0 {
		return quote{}
	}
	m, here := t.replica.Message(it.re, nil)
	return quote{re: it.re, here: here, gone: m.Gone, tooOld: it.re < t.first, own: m.SenderID == t.self.senderID,
		senderID: m.SenderID, displayName: m.DisplayName, text: m.Text}
}

// quoteLine renders it in width cells.
func (b *style) quoteLine(q quote, width int) string {
	words := ""
	switch {
	case q.tooOld:
		words = "the original message is no longer on the server"
	case !q.here:
		words = "message " + thousands(q.re)
	case q.gone:
		words = "message deleted"
	default:
		who := b.senderLabel(&item{n: q.re, senderID: q.senderID, displayName: q.displayName, own: q.own})
		words = strings.TrimPrefix(who+": "+oneLine(q.text, b.method), ": ")
	}
	words, _ = fit("↳ "+words, width, b.method)
	return b.textStyles[dim].Styled(words)
}

// forget drops messages outside the window from the replica, except originals of replies in the window.
func (r *room) forget() {
	t := &r.timeline
	if len(t.items) == 0 {
		return
	}
	keep := append(slices.Clone(r.settings.pins), r.settings.stage)
	for _, w := range t.originals.waiting {
		keep = append(keep, w.n, w.re)
	}
	for i := range t.count() {
		if re := t.itemAt(i).re; re > 0 {
			keep = append(keep, re)
		}
	}
	slices.Sort(keep)
	except := func(from, to uint64) {
		for _, n := range keep {
			if n < from {
				continue
			}
			if n > to {
				break
			}
			t.replica.Forget(from, n-1)
			from = n + 1
		}
		t.replica.Forget(from, to)
	}
	except(1, t.lowest()-1)
	if !t.attached {
		except(t.highest()+1, t.received)
	}
}

// goToOriginal shows the message that an item replies to.
func (s *screen) goToOriginal(it *item) tea.Cmd {
	t := &s.room().timeline
	if it.re < t.first {
		s.inform("the original message is no longer on the server")
		return nil
	}
	if m, ok := t.replica.Message(it.re, nil); ok && m.Gone {
		s.inform("the original message was deleted")
	}
	return t.jump(it.re, marked)
}
