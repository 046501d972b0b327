package chat

import (
	"fmt"
	"math"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/room"
	"ramai/wire"
)

const (
	readCost     = 2                // events that a read of the past counts
	readRetry    = time.Second      // what a client is asked to wait after a failed read
	damagedRetry = 10 * time.Second // the same if the stored data is damaged
)

// History reads a page beside everything else, and calls done on another goroutine. If it returns an error, done is not
// called.
func (s *Service) History(a *Actor, h wire.History, done func(wire.Page, error)) error {
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), readCost); wait > 0 {
		return rateLimited(wait)
	}
	if h.After == nil || h.After.Bare() || !s.behind(h.Room, h.After) {
		s.ReadAgain(a, h, done)
		return nil
	}
	s.CatchUp(func(err error) {
		if err != nil {
			done(wire.Page{}, err)
			return
		}
		s.ReadAgain(a, h, done)
	})
	return nil
}

// ReadAgain is History for a page that has been counted already.
func (s *Service) ReadAgain(a *Actor, h wire.History, done func(wire.Page, error)) {
	s.cfg.Hub.Go(a.Addr.Addr(), func() {
		page, err := s.page(h)
		if err != nil {
			s.cfg.Logger.Error("cannot read a page of history", "room", h.Room, "err", err)
			done(page, s.Unreadable(h.Room))
			return
		}
		done(page, nil)
	})
}

// Mark is noted before a page or hits are read, see room.Hub.Mark.
func (s *Service) Mark() room.Mark { return s.cfg.Hub.Mark() }

// Expose registers what is about to be sent of records, see room.Hub.Expose.
func (s *Service) Expose(since room.Mark, abort func(), ranges ...room.Range) (*room.Exposure, bool) {
	return s.cfg.Hub.Expose(since, abort, ranges...)
}

// Bounds returns the numbers of a room's oldest and newest message, for callers that keep what they have read of it.
func (s *Service) Bounds(room string) eventlog.Bounds { return s.cfg.Store.Bounds(room) }

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
	page := wire.Page{Room: h.Room, HistoryID: store.HistoryID()}
	limit := wire.MaxPage
	if h.Limit > 0 {
		limit = h.Limit
	}
	var records []eventlog.Record
	var bounds eventlog.Bounds
	var err error
	if h.After != nil && !h.After.Bare() && !store.Contains(h.Room, h.After) {
		page.Reset, h.After = true, nil
	}
	switch {
	case h.At != nil:
		err = s.around(&page, *h.At, limit)
		page.Epoch = store.Epoch().Name
		return page, err
	case h.After != nil:
		records, bounds, err = store.Read(h.Room, h.After.N, limit)
	default:
		before := uint64(math.MaxUint64)
		if h.Before != nil {
			before = *h.Before
		}
		records, bounds, err = store.ReadBefore(h.Room, before, limit)
	}
	page.Epoch = store.Epoch().Name // after the messages: none of them is of a later epoch
	if err != nil {
		return page, err
	}
	messages, err := messagesOf(records)
	if err != nil {
		return page, err
	}
	page.First, page.Head, page.Messages = bounds.First, bounds.Last, fit(messages, h.After != nil, wire.PageBytes)
	switch left, k := len(page.Messages) < len(messages), len(records); {
	case k == 0:
	case h.After != nil:
		page.More = left || records[k-1].N < bounds.Last
	default:
		page.More = left || records[0].N > bounds.First
	}
	return page, nil
}

// around fills a page with messages around a time: up to half of them are older. If all are older, it is the newest.
func (s *Service) around(page *wire.Page, at wire.Time, limit int) error {
	store := s.cfg.Store
	target, err := s.firstAt(page.Room, at)
	if err != nil {
		return err
	}
	half := limit / 2
	records, bounds, err := store.Read(page.Room, target-1, limit-half)
	if err != nil {
		return err
	}
	page.Head = bounds.Last // of the first read: what the second one reads is as new, or newer
	last := target - 1
	if len(records) > 0 {
		last = records[len(records)-1].N
	}
	newer, err := messagesOf(records)
	if err != nil {
		return err
	}
	if len(newer) == 0 {
		target, half = math.MaxUint64, limit
	} else {
		page.Target = newer[0].N // not target, if messages were deleted meanwhile
		target = page.Target
	}
	var older []wire.Message
	if half > 0 {
		if records, bounds, err = store.ReadBefore(page.Room, target, half); err != nil {
			return err
		}
		if older, err = messagesOf(records); err != nil {
			return err
		}
	}
	space := wire.PageBytes
	if len(newer) > 0 {
		space /= 2
	}
	older = fit(older, false, space)
	fitting := fit(newer, true, space)
	page.First, page.Messages = bounds.First, append(older, fitting...)
	page.More = len(newer) > 0 && (len(fitting) < len(newer) || last < bounds.Last)
	return nil
}

// firstAt returns the number of the oldest message of a room that is not older than at. If all are older, it is a number
// after the newest. Times never decrease within a room, so this takes about log2(messages) reads of one message.
func (s *Service) firstAt(room string, at wire.Time) (uint64, error) {
	bounds := s.cfg.Store.Bounds(room)
	low, high := bounds.First, bounds.Last+1
	for low < high {
		middle := low + (high-low)/2
		found, _, err := s.cfg.Store.Read(room, middle-1, 1)
		if err != nil {
			return 0, err
		}
		if len(found) > 0 && found[0].At < at {
			low = found[0].N + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// messagesOf returns the messages among records.
func messagesOf(records []eventlog.Record) ([]wire.Message, error) {
	messages := make([]wire.Message, 0, len(records))
	for i := range records {
		m, is, err := records[i].Message()
		if err != nil {
			return nil, err
		}
		if is {
			messages = append(messages, m)
		}
	}
	return messages, nil
}

// fit drops messages, from the end or from the beginning, until the rest fits into a page that has space for them, in
// bytes. At least one message stays.
func fit(messages []wire.Message, fromEnd bool, space int) []wire.Message {
	const around = 256 // of the page itself
	size, kept := around, 0
	var scratch []byte
	for kept < len(messages) {
		m := &messages[kept]
		if !fromEnd {
			m = &messages[len(messages)-1-kept]
		}
		scratch = wire.AppendMessage(scratch[:0], m)
		if size += len(scratch); size > space && kept > 0 {
			break
		}
		kept++
	}
	if fromEnd {
		return messages[:kept]
	}
	return messages[len(messages)-kept:]
}
