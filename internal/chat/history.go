package chat

import (
	"fmt"
	"math"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

const (
	readCost     = 2                // events that a read of the past, or of who is in a room, counts
	readRetry    = time.Second      // what a client is asked to wait after a failed read
	damagedRetry = 10 * time.Second // the same if the stored data is damaged
)

// History reads a page beside everything else, and calls done on another goroutine. If it returns an error, done is not
// called.
func (s *Service) History(a *Actor, h wire.History, done func(wire.Page, error)) error {
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), readCost); wait > 0 {
		return tooFast(wait)
	}
	s.cfg.Hub.Go(a.Addr.Addr(), func() {
		page, err := s.page(h)
		if err != nil {
			s.cfg.Logger.Error("cannot read a page of history", "room", h.Room, "err", err)
			done(page, s.Unreadable(h.Room))
			return
		}
		done(page, nil)
	})
	return nil
}

// Unreadable is the error for a room that cannot be read now.
func (s *Service) Unreadable(room string) *wire.CodedError {
	err := &wire.CodedError{
		Code: wire.Unavailable, Reason: fmt.Sprintf("the messages of room %s cannot be read now; try again", room), RetryAfter: readRetry,
	}
	if damage := s.cfg.Store.Health().Of(room); damage != nil {
		err.Reason, err.RetryAfter = damage.Error(), damagedRetry
	}
	return err
}

// page reads the messages that h asks for, no more than fit into a page. After a position of another history it reads the
// newest.
func (s *Service) page(h wire.History) (wire.Page, error) {
	store := s.cfg.Store
	page := wire.Page{Room: h.Room, HistoryID: store.HistoryID(), Epoch: store.Epoch().Name}
	limit := wire.MaxPage
	if h.Limit > 0 {
		limit = h.Limit
	}
	var messages []wire.Message
	var bounds eventlog.Bounds
	var err error
	if h.After != nil && !h.After.Bare() && !store.Contains(h.Room, h.After) {
		page.Reset, h.After = true, nil
	}
	if h.After != nil {
		messages, bounds, err = store.Read(h.Room, h.After.N, limit)
	} else {
		before := uint64(math.MaxUint64)
		if h.Before != nil {
			before = *h.Before
		}
		messages, bounds, err = store.ReadBefore(h.Room, before, limit)
	}
	if err != nil {
		return page, err
	}
	page.First, page.Messages = bounds.First, fit(messages, h.After != nil)
	if k := len(page.Messages); k > 0 && h.After != nil {
		page.More = page.Messages[k-1].N < bounds.Last
	} else if k > 0 {
		page.More = page.Messages[0].N > bounds.First
	}
	return page, nil
}

// fit drops messages, from the end or from the beginning, until the rest fits into a page.
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
