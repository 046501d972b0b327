package client

import (
	"slices"

	"ramai/wire"
)

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
	for _, m := range page.Messages {
		r.add(row{m, asOf})
		r.setMine(m.N, page.Mine[m.N])
		r.known.add(m.N, m.N)
	}
	if page.As == "" {
		covered := covers(p.History, &page)
		r.known.add(covered.From, covered.To)
		for _, s := range page.Skipped {
			r.known.add(s.From, s.To)
		}
	}
	r.dropBelow(page.First)
	r.repeat(heard)
	return true
}

// covers returns the numbers that a page of all messages contains, or skips because they are not messages.
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
