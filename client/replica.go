package client

import (
	"slices"
	"sort"

	"ramai/wire"
)

// maxHeard is how many changes a Replica keeps for pages that have not arrived. Beyond that the pages are requested again.
const maxHeard = 4096

// A Replica is a copy of the messages of one room. Whatever order frames and pages of history arrive in, it ends with the
// messages that the server has. It is plain data: a program passes what [Client.Next] returns to Apply, and pages to
// AddPage. Its methods are not safe for concurrent use.
//
// A message is replaced only by a newer form of it. The number of the change that made a form decides which is newer; a form
// from a page is as new as the page's head. Changes that arrive between the request for a page and the page are applied to
// the page, too.
type Replica struct {
	historyID string
	first     uint64 // the oldest number that the server still has; older messages are dropped
	n         uint64 // the newest number received
	head      uint64 // the newest number known

	rows  []row  // ascending
	known ranges // numbers that need not be loaded: messages that are here, and numbers that are not messages

	asked []*PageRequest // pages that have not arrived
	heard []wire.Changed // changes that may be newer than a page or a frame that has not arrived
}

// row is a message. asOf is the head of the page that it was last read from, or 0: its content is at least as new as that.
type row struct {
	wire.Message
	asOf uint64
}

// version returns the number up to which changes are included.
func (r *row) version() uint64 { return max(r.N, r.Edited, r.asOf) }

// A PageRequest is a request for a page of history that has not arrived.
type PageRequest struct {
	History wire.History
	n       uint64 // the position of the replica at the request
}

// Ask registers the request for a page. It must be followed by AddPage or Cancel.
func (r *Replica) Ask(h wire.History) *PageRequest {
	p := &PageRequest{History: h, n: r.n}
	r.asked = append(r.asked, p)
	return p
}

// Cancel withdraws a request.
func (r *Replica) Cancel(p *PageRequest) {
	r.asked = slices.DeleteFunc(r.asked, func(q *PageRequest) bool { return q == p })
	r.dropHeard()
}

// dropHeard drops the changes that no outstanding page or frame can be older than: those received as frames, once no page
// is outstanding.
func (r *Replica) dropHeard() {
	if len(r.asked) == 0 {
		r.heard = slices.DeleteFunc(r.heard, func(f wire.Changed) bool { return f.N <= r.n })
	}
}

// AddPage adds a requested page. It returns false if the page is unusable because it belongs to another history, or is
// older than the position at the request: request it again.
func (r *Replica) AddPage(p *PageRequest, page wire.Page) bool {
	asked := slices.Contains(r.asked, p)
	heard := slices.Clone(r.heard)
	r.Cancel(p)
	if !asked || page.Reset || r.historyID != "" && page.HistoryID != r.historyID || page.Head > 0 && page.Head < p.n {
		return false
	}
	r.historyID = page.HistoryID
	asOf := page.Head // an older server states none; its messages never change
	if n := len(page.Messages); n > 0 {
		r.head = max(r.head, page.Messages[n-1].N)
	}
	r.head = max(r.head, page.Head)
	covered := covers(p.History, &page)
	for _, m := range page.Messages {
		r.add(row{m, asOf})
	}
	r.known.add(covered.From, covered.To)
	for _, s := range page.Skipped {
		r.known.add(s.From, s.To)
	}
	r.dropBelow(page.First)
	r.change(heard)
	return true
}

// covers returns the numbers that a page contains, or skips because they are not messages.
func covers(h wire.History, page *wire.Page) wire.Range {
	oldest, newest := uint64(1), uint64(0)
	if n := len(page.Messages); n > 0 {
		oldest, newest = page.Messages[0].N, page.Messages[n-1].N
	} else if page.More {
		return wire.Range{From: 1, To: 0} // empty: only the skipped numbers are known
	}
	switch {
	case h.At != nil:
	case h.After != nil:
		oldest = h.After.N + 1
		if !page.More {
			newest = max(newest, page.Head)
		}
	default:
		if !page.More {
			oldest = page.First
		}
		newest = max(newest, page.Head)
		if h.Before != nil {
			newest = min(newest, max(*h.Before, 1)-1)
		}
	}
	return wire.Range{From: oldest, To: newest}
}

// Apply applies a frame of the room, or a [Sent]: the result of a change is known before its frame arrives. Frames that
// change no message are ignored.
func (r *Replica) Apply(f wire.Frame) {
	switch f := f.(type) {
	case wire.Joined:
		r.joined(f)
	case wire.Reset:
		f.Reset = true
		r.joined(wire.Joined(f))
	case wire.Message:
		r.add(row{f, 0})
		r.change(r.heard)
		r.received(f.N)
	case wire.Gap:
		r.n, r.head = max(r.n, f.To), max(r.head, f.To)
		r.dropBelow(f.To + 1)
	case wire.Changed:
		r.received(f.N)
		r.hear(f)
	case Sent:
		if f.State == Saved && f.Changes() {
			r.hear(f.changed())
		}
	case wire.Tally:
		r.received(f.N)
	case wire.State:
		r.received(f.N)
	case wire.Unknown:
		if f.N > 0 {
			r.received(f.N)
		}
	}
}

// received notes that the frame with number n has arrived.
func (r *Replica) received(n uint64) {
	r.n, r.head = max(r.n, n), max(r.head, n)
	r.known.add(max(n, r.first), n)
	r.dropHeard()
}

// joined notes the bounds of the room. After a reset everything is of another history.
func (r *Replica) joined(f wire.Joined) {
	if f.Reset || r.historyID != "" && f.HistoryID != r.historyID {
		*r = Replica{}
	}
	r.historyID, r.head = f.HistoryID, max(r.head, f.N)
	r.dropBelow(f.First)
}

// dropBelow drops the messages that the server has deleted.
func (r *Replica) dropBelow(first uint64) {
	if first <= r.first {
		return
	}
	r.first = first
	r.rows = slices.Delete(r.rows, 0, r.find(first))
	r.known.remove(0, first-1)
}

// Forget drops messages to save memory. They can be loaded again. Messages newer than the position stay, because a frame or
// a page in transit may be older.
func (r *Replica) Forget(from, to uint64) {
	if from > to {
		return
	}
	i, j := r.within(wire.Range{From: from, To: to})
	stay := slices.DeleteFunc(slices.Clone(r.rows[i:j]), func(m row) bool { return m.version() <= r.n })
	r.rows = slices.Replace(r.rows, i, j, stay...)
	r.known.remove(from, to)
	for _, m := range stay {
		r.known.add(m.N, m.N)
	}
}

// find returns the index of the first message with a number of at least n.
func (r *Replica) find(n uint64) int {
	if len(r.rows) == 0 || r.rows[len(r.rows)-1].N < n { // most messages are new
		return len(r.rows)
	}
	return sort.Search(len(r.rows), func(i int) bool { return r.rows[i].N >= n })
}

// within returns the indices of the messages in a range, the second one exclusive.
func (r *Replica) within(s wire.Range) (i, j int) {
	i = r.find(s.From)
	for j = i; j < len(r.rows) && r.rows[j].N <= s.To; j++ {
	}
	return i, j
}

// add adds a version of a message, unless a newer one is there.
func (r *Replica) add(m row) {
	if m.N < r.first {
		return
	}
	i := r.find(m.N)
	if i == len(r.rows) || r.rows[i].N != m.N {
		r.rows = slices.Insert(r.rows, i, m)
		return
	}
	if old := r.rows[i]; old.version() >= m.version() {
		m.Message = old.Message
	}
	m.asOf = max(m.asOf, r.rows[i].asOf)
	r.rows[i] = m
}

// hear applies a change, and keeps it for pages and frames that have not arrived.
func (r *Replica) hear(f wire.Changed) {
	if len(r.asked) > 0 || f.N > r.n {
		r.heard = append(r.heard, f)
	}
	if len(r.heard) > maxHeard {
		r.asked, r.heard = nil, nil
	}
	r.change([]wire.Changed{f})
}

// change applies edits and deletions to the stored messages. Deleted messages stay deleted.
func (r *Replica) change(changes []wire.Changed) {
	for _, f := range changes {
		for _, s := range f.Of {
			for i, end := r.within(s); i < end; i++ {
				m := &r.rows[i]
				if m.version() < f.N && !m.Gone && (f.SenderID == "" || f.SenderID == m.SenderID) {
					m.Message = after(&m.Message, f)
				}
			}
		}
	}
}

// after returns a message with a change applied.
func after(m *wire.Message, f wire.Changed) wire.Message {
	if f.Text == nil {
		return wire.Message{Room: m.Room, N: m.N, At: m.At, SenderID: m.SenderID, DisplayName: m.DisplayName, ID: m.ID, Edited: f.N, Gone: true}
	}
	changed := *m
	changed.Text, changed.Edited = *f.Text, max(m.Edited, f.N)
	return changed
}

// Message returns message n, if it is here, as [Replica.Messages] does.
func (r *Replica) Message(n uint64, pending []Sent) (m wire.Message, ok bool) {
	i := r.find(n)
	if i == len(r.rows) || r.rows[i].N != n {
		return wire.Message{}, false
	}
	m = r.rows[i].Message
	for _, s := range pending {
		if s.Of == n && n > 0 && !m.Gone {
			m = after(&m, s.changed())
		}
	}
	return m, true
}

// Messages returns the messages in ascending order, as they will be once the changes in pending are saved. Deleted messages
// are Gone. pending is the room's part of [Client.Outbox].
func (r *Replica) Messages(pending []Sent) []wire.Message {
	messages := make([]wire.Message, 0, len(r.rows))
	for i := range r.rows {
		messages = append(messages, r.rows[i].Message)
	}
	for _, s := range pending {
		if i := r.find(s.Of); s.Of > 0 && i < len(r.rows) && r.rows[i].N == s.Of && !messages[i].Gone {
			messages[i] = after(&messages[i], s.changed())
		}
	}
	return messages
}

// Missing returns the numbers that the server has, as far as is known, but the replica does not. They may include numbers
// that are not messages.
func (r *Replica) Missing() []wire.Range {
	return r.known.missing(max(r.first, 1), r.head)
}
