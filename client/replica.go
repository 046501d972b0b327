package client

import (
	"cmp"
	"maps"
	"slices"
	"sort"

	"ramai/wire"
)

// maxHeard is how many frames a Replica keeps for pages that have not arrived. Beyond that the pages are requested again.
const maxHeard = 4096

// A Replica is a copy of one room: its messages, this sender's marks of them, and its settings. Whatever order frames and pages of
// history arrive in, it ends up equal to the server's room. It is plain data: a program passes the results of [Client.Next] to
// Apply, and pages to AddPage and AddSettings. [Replica.Shown] returns the room as a screen shows it. The methods are not safe for
// concurrent use.
//
// A message is replaced only by a newer form of it. The number of the change that made a form decides which is newer; a form
// from a page is as new as the page's head. The same holds for the counts of its marks, and for settings. Frames that arrive between the
// request for a page and the page are applied to the page too.
//
// Marks of the sender have no numbers. The replica has those that are in pages and replays, and those that arrive while the client
// is connected. Marks made on the sender's other devices in between are known once a page contains the message.
type Replica struct {
	historyID string
	first     uint64 // the oldest number that the server still has; older messages are dropped
	n         uint64 // the newest number received
	head      uint64 // the newest number known

	rows  []row  // ascending
	known ranges // numbers that need not be loaded: messages that are here, and numbers that are not messages

	mine     wire.Mine // keys of this sender's marks, also of messages that are still to be received
	settings settings

	asked []*PageRequest // pages that have not arrived
	heard []wire.Frame   // changes of messages and marks that may be newer than an outstanding page or frame
}

// row is a message. asOf is the head of the page that it was last read from, or 0: its content is at least as new as that.
type row struct {
	wire.Message
	asOf uint64
}

// version returns the number up to which changes are included.
func (r *row) version() uint64 { return max(r.N, r.Edited, r.asOf) }

// talliedAt is the number as of which the counts are known.
func (r *row) talliedAt() uint64 { return max(r.N, r.Tallied, r.asOf) }

// dropHeard drops frames that are no longer needed: an outstanding page or frame may be older than those that are kept.
func (r *Replica) dropHeard() {
	if len(r.asked) == 0 && len(r.heard) > 0 {
		r.heard = slices.DeleteFunc(r.heard, func(f wire.Frame) bool {
			return changeNumber(f) <= r.n
		})
	}
}

// Apply applies a frame of the room, or a [Sent]: the result of a change is known before its frame arrives. Frames that
// change nothing here are ignored.
func (r *Replica) Apply(f wire.Frame) {
	switch f := f.(type) {
	case wire.Joined:
		r.joined(f)
	case wire.Reset:
		f.Reset = true
		r.joined(wire.Joined(f))
	case wire.Message:
		r.add(row{f, 0})
		r.repeat(r.heard)
		r.received(f.N)
	case wire.Gap:
		r.n, r.head = max(r.n, f.To), max(r.head, f.To)
		r.dropBelow(f.To + 1)
		r.settings.stale = r.settings.stale || f.To > r.settings.joinedAt
	case wire.Changed:
		r.received(f.N)
		r.hear(f)
	case wire.Restored:
		r.received(f.N)
		r.hear(f)
	case wire.Tally:
		r.received(f.N)
		r.hear(f)
	case wire.Marked:
		r.hear(f)
	case wire.State:
		r.received(f.N)
		if _, hidden := wire.HiddenKey(f.Key); !hidden { // else the frame has no value
			r.settings.set(f.Key, f.Value, f.Until, f.N)
		}
		r.settings.stale = r.settings.stale || f.Key == wire.PresetKey // it has changed other settings, too
	case wire.Unknown:
		if f.N > 0 {
			r.received(f.N)
		}
	case Sent:
		r.sent(f)
	}
}

// sent applies a change or message of this client that was saved.
func (r *Replica) sent(f Sent) {
	switch {
	case f.State != Saved:
	case f.Key != "":
		r.settings.set(f.Key, f.Value, f.Until, f.N)
	case f.Changes():
		r.hear(f.changed())
	}
}

// received notes that the frame with number n has arrived.
func (r *Replica) received(n uint64) {
	r.n, r.head = max(r.n, n), max(r.head, n)
	r.known.add(max(n, r.first), n)
	r.dropHeard()
}

// joined notes the bounds and the settings of the room. After a reset everything is of another history.
func (r *Replica) joined(f wire.Joined) {
	if f.Reset || r.historyID != "" && f.HistoryID != r.historyID {
		*r = Replica{}
	}
	r.historyID, r.head = f.HistoryID, max(r.head, f.N)
	r.settings.joined(f.State, f.N)
	r.hear(f)
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
	maps.DeleteFunc(r.mine, func(n uint64, _ []string) bool { return n < first })
	r.settings.dropBelow(first)
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
	maps.DeleteFunc(r.mine, func(n uint64, _ []string) bool {
		return n >= from && n <= to && n <= r.n && !slices.ContainsFunc(stay, func(m row) bool { return m.N == n })
	})
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

// row returns a message, or nil if it is not here.
func (r *Replica) row(n uint64) *row {
	if i := r.find(n); i < len(r.rows) && r.rows[i].N == n {
		return &r.rows[i]
	}
	return nil
}

// within returns the indices of the messages in a range, the second one exclusive.
func (r *Replica) within(s wire.Range) (i, j int) {
	i = r.find(s.From)
	for j = i; j < len(r.rows) && r.rows[j].N <= s.To; j++ {
	}
	return i, j
}

// add adds a version of a message. The newer text and the newer counts are kept.
func (r *Replica) add(m row) {
	if m.N < r.first {
		return
	}
	i := r.find(m.N)
	if i == len(r.rows) || r.rows[i].N != m.N {
		r.rows = slices.Insert(r.rows, i, m)
		return
	}
	old := r.rows[i]
	text, counts := &m.Message, &m.Message
	if old.version() >= m.version() {
		text = &old.Message
	}
	if old.talliedAt() >= m.talliedAt() {
		counts = &old.Message
	}
	newest := row{*text, max(m.asOf, old.asOf)}
	if !newest.Gone {
		newest.Tally, newest.Tallied = counts.Tally, counts.Tallied
	}
	r.rows[i] = newest
}

// hear applies a frame that changes messages or marks, and keeps it for pages and frames that have not arrived.
func (r *Replica) hear(f wire.Frame) {
	if len(r.asked) > 0 || changeNumber(f) > r.n {
		r.heard = append(r.heard, f)
	}
	if len(r.heard) > maxHeard {
		r.asked, r.heard = nil, nil
	}
	r.repeat([]wire.Frame{f})
}

// repeat applies frames to what is here. Those that are older than it change nothing.
func (r *Replica) repeat(frames []wire.Frame) {
	for _, f := range frames {
		switch f := f.(type) {
		case wire.Changed:
			r.change(f)
		case wire.Restored:
			r.restore(f)
		case wire.Tally:
			r.tally(f)
		case wire.Marked:
			r.marked(f)
		case wire.Joined:
			r.replayed(f)
		}
	}
}

// changeNumber returns the number of a frame that changes messages; otherwise 0.
func changeNumber(f wire.Frame) uint64 {
	switch f := f.(type) {
	case wire.Changed:
		return f.N
	case wire.Restored:
		return f.N
	}
	return 0
}

// change applies an edit, a deletion or an erasure. Deleted messages stay deleted, and one that a moderator has erased can be
// deleted by its author.
func (r *Replica) change(f wire.Changed) {
	for _, s := range f.Of {
		for i, end := r.within(s); i < end; i++ {
			m := &r.rows[i]
			if m.version() < f.N && (!m.Gone || f.Text == nil && f.Of.One() > 0) && (f.SenderID == "" || f.SenderID == m.SenderID) {
				m.Message = after(&m.Message, f)
			}
		}
	}
}

// restore makes messages missing that were restored, unless they are here as they were after that. The settings of restored polls and
// questions are those of before.
func (r *Replica) restore(f wire.Restored) {
	r.settings.stale = r.settings.stale || len(f.Of) > 0 && f.N > r.settings.joinedAt
	for _, s := range f.Of {
		for i, end := r.within(s); i < end; i++ {
			if m := &r.rows[i]; m.version() < f.N {
				r.known.remove(m.N, m.N)
			}
		}
	}
}

// tally replaces all counts of some messages.
func (r *Replica) tally(f wire.Tally) {
	for n, counts := range f.Of {
		if m := r.row(n); m != nil && !m.Gone && m.talliedAt() < f.N {
			if len(counts) == 0 {
				counts = nil
			}
			m.Tally, m.Tallied = counts, f.N
		}
	}
}

// marked adds or removes a mark of this sender. A message that was received before and is not here has none: its page will.
func (r *Replica) marked(f wire.Marked) {
	if f.Of <= r.n && r.row(f.Of) == nil {
		return
	}
	keys := slices.DeleteFunc(slices.Clone(r.mine[f.Of]), func(key string) bool { return key == f.Key })
	if f.On {
		keys = append(keys, f.Key)
	}
	r.setMine(f.Of, keys)
}

// replayed notes this sender's marks of the messages that follow a joined.
func (r *Replica) replayed(f wire.Joined) {
	for n, keys := range f.Mine {
		r.setMine(n, keys)
	}
}

// setMine replaces this sender's marks of a message.
func (r *Replica) setMine(n uint64, keys []string) {
	if len(keys) == 0 || n < r.first {
		delete(r.mine, n)
		return
	}
	if r.mine == nil {
		r.mine = wire.Mine{}
	}
	r.mine[n] = slices.Sorted(slices.Values(keys))
}

// after returns a message with a change applied.
func after(m *wire.Message, f wire.Changed) wire.Message {
	if f.Text == nil {
		return wire.Message{Room: m.Room, N: m.N, At: m.At, SenderID: m.SenderID, DisplayName: m.DisplayName, ID: m.ID, Edited: cmp.Or(f.Erasure, f.N), Gone: true}
	}
	changed := *m
	changed.Text = *f.Text
	if f.N > m.Edited {
		changed.Edited, changed.EditedAt = f.N, f.At
	}
	return changed
}

// Missing returns the numbers that the server has, as far as is known, but the replica does not. They may include numbers
// that are not messages.
func (r *Replica) Missing() []wire.Range {
	return r.known.missing(max(r.first, 1), r.head)
}
