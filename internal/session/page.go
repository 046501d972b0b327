package session

import (
	"math"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// ReadPage reads the messages that f asks for, no more than fit into a page. Those after a position of another history are
// the newest.
func ReadPage(store eventlog.Store, f wire.History) (wire.Page, error) {
	page := wire.Page{Room: f.Room, HistoryID: store.HistoryID(), Epoch: store.Epoch().Name}
	limit := wire.MaxPage
	if f.Limit > 0 {
		limit = f.Limit
	}
	var messages []wire.Message
	var head eventlog.Bounds
	var err error
	if f.After != nil && !f.After.Bare() && !store.Contains(f.Room, f.After) {
		page.Reset, f.After = true, nil
	}
	if f.After != nil {
		messages, head, err = store.Read(f.Room, f.After.N, limit)
	} else {
		before := uint64(math.MaxUint64)
		if f.Before != nil {
			before = *f.Before
		}
		messages, head, err = store.ReadBefore(f.Room, before, limit)
	}
	if err != nil {
		return page, err
	}
	page.First, page.Messages = head.First, fit(messages, f.After != nil)
	if k := len(page.Messages); k > 0 && f.After != nil {
		page.More = page.Messages[k-1].N < head.Last
	} else if k > 0 {
		page.More = page.Messages[0].N > head.First
	}
	return page, nil
}

// fit drops messages, from the end or from the beginning, until the rest is a page.
func fit(messages []wire.Message, fromEnd bool) []wire.Message {
	const around = 256 // of the page itself
	size, kept := around, 0
	var scratch []byte
	for kept < len(messages) {
		m := &messages[kept]
		if !fromEnd {
			m = &messages[len(messages)-1-kept]
		}
		scratch = wire.AppendMessage(scratch[:0], m)
		if size += len(scratch); size > wire.PageBytes && kept > 0 {
			break
		}
		kept++
	}
	if fromEnd {
		return messages[:kept]
	}
	return messages[len(messages)-kept:]
}
