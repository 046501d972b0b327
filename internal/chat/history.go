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
	readCost     = 2                // events that a read of the history costs
	readRetry    = time.Second      // how long a client is asked to wait after a failed read
	damagedRetry = 10 * time.Second // the same if the stored data is damaged
)

// History reads a page in the background, and calls done on another goroutine. If it returns an error, done is not called.
func (s *Service) History(a *Actor, h wire.History, done func(wire.Page, error)) error {
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), readCost); wait > 0 {
		return rateLimited(wait)
	}
	if err := s.MayRead(a, h.Room); err != nil {
		return err
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

// ReadAgain is History for a page that was already counted.
func (s *Service) ReadAgain(a *Actor, h wire.History, done func(wire.Page, error)) {
	reader := Actor{SenderID: a.SenderID, Addr: a.Addr}
	s.cfg.Hub.Go(a.Addr.Addr(), func() {
		if err := s.MayRead(&reader, h.Room); err != nil { // after the page was read in vain, or the reader has waited
			done(wire.Page{}, err)
			return
		}
		page, err := s.page(h)
		if err == nil {
			page.Mine, err = s.mine(h.Room, reader.SenderID, page.Messages)
		}
		if err != nil {
			s.cfg.Logger.Error("cannot read a page of history", "room", h.Room, "err", err)
			done(page, s.Unreadable(h.Room))
			return
		}
		done(page, nil)
	})
}

// ErasureMark returns a mark to note before a page or hits are read, see room.Hub.Mark.
func (s *Service) ErasureMark() room.Mark { return s.cfg.Hub.Mark() }

// Expose registers records that are about to be sent to an actor, see room.Hub.Expose.
func (s *Service) Expose(since room.Mark, a *Actor, abort func(), ranges ...room.Range) (*room.Exposure, bool) {
	return s.cfg.Hub.Expose(since, a.sender(), a.Addr.Addr(), abort, ranges...)
}

// Bounds returns the numbers of a room's oldest and newest message, for callers that cache what they have read.
func (s *Service) Bounds(room string) eventlog.Bounds { return s.cfg.Store.Bounds(room) }

// Unreadable returns the error for a room that cannot be read now.
func (s *Service) Unreadable(room string) *wire.CodedError {
	err := &wire.CodedError{
		Code: wire.Unavailable, Reason: fmt.Sprintf("the messages of room %s cannot be read now; try again", room), RetryAfter: readRetry,
	}
	if damage := s.cfg.Store.Health().Of(room); damage != nil {
		err.Reason, err.RetryAfter = damage.Error(), damagedRetry
	}
	return err
}

// page reads the messages that h requests, as many as fit into a page. For a position of another history it reads the
// newest.
func (s *Service) page(h wire.History) (wire.Page, error) {
	store := s.cfg.Store
	page := wire.Page{Room: h.Room, HistoryID: store.HistoryID()}
	limit := wire.MaxPage
	if h.Limit > 0 {
		limit = h.Limit
	}
	var err error
	if h.After != nil && !h.After.Bare() && !store.Contains(h.Room, h.After) {
		page.Reset, h.After = true, nil
	}
	before := uint64(math.MaxUint64)
	if h.Before != nil {
		before = *h.Before
	}
	switch {
	case h.As != "":
		err = s.asked(&page, h.As, before, limit)
	case h.At != nil:
		err = s.around(&page, *h.At, limit)
	case h.After != nil:
		err = s.fill(&page, h.After.N, true, limit)
	default:
		err = s.fill(&page, before, false, limit)
	}
	page.Epoch = store.Epoch().Name // read after the messages: none of them is of a later epoch
	return page, err
}

// fill fills a page with messages after or before a number.
func (s *Service) fill(page *wire.Page, from uint64, forward bool, limit int) error {
	p, err := s.readPart(page.Room, from, forward, limit, wire.PageBytes)
	page.First, page.Head, page.Messages, page.More, page.Skipped = p.first, p.head, p.messages, p.more, p.skipped(nil)
	return err
}

// A part is a run of consecutive messages of a page, in ascending order.
type part struct {
	messages    []wire.Message
	low, high   uint64 // the numbers that were read, of messages and other records; high < low: none
	first, head uint64 // the room's oldest number, and its newest one when reading began
	more        bool   // there are records beyond, in the direction of reading
}

// maxSkip is how many records are read for a part that already has a message.
const maxSkip = 4 * eventlog.MaxRead

// readPart reads messages after or before a number: at most limit, and as many as fit into space bytes. It skips records
// that are not messages.
func (s *Service) readPart(room string, from uint64, forward bool, limit, space int) (p part, err error) {
	p.low, p.high = 1, 0
	bytes, count := 0, limit
	for read := 0; len(p.messages) == 0 || len(p.messages) < limit && bytes < space && read < maxSkip; count = eventlog.MaxRead {
		from = s.skipOthers(&p, room, from, forward)
		var records []eventlog.Record
		var bounds eventlog.Bounds
		if forward {
			records, bounds, err = s.cfg.Store.Read(room, from, count)
		} else {
			records, bounds, err = s.cfg.Store.ReadBefore(room, from, count)
		}
		if err != nil {
			return p, err
		}
		if p.first = bounds.First; p.high < p.low {
			p.head = bounds.Last // later reads find this head or a higher one
		}
		p.more = false
		if len(records) == 0 {
			break
		}
		messages, err := messagesOf(records)
		if err != nil {
			return p, err
		}
		oldest, newest := records[0].N, records[len(records)-1].N
		if p.high < p.low {
			p.low, p.high = oldest, newest
		}
		if read += len(records); forward {
			p.messages, p.high, p.more, from = append(p.messages, messages...), newest, newest < bounds.Last, newest
		} else {
			p.messages, p.low, p.more, from = append(messages, p.messages...), oldest, oldest > bounds.First, oldest
		}
		for i := range messages {
			bytes += len(messages[i].Text)
		}
		if !p.more {
			break
		}
	}
	p.cut(forward, limit, space)
	return p, nil
}

// skipOthers extends a part by numbers that are known not to be messages, and returns where to continue reading.
func (s *Service) skipOthers(p *part, room string, from uint64, forward bool) uint64 {
	bounds := s.cfg.Store.Bounds(room)
	next := max(from, bounds.First-1) + 1
	if !forward {
		next = min(from, bounds.Last+1) - 1
	}
	r, known := s.cfg.Store.OthersAt(room, next)
	if !known || from == 0 && !forward {
		return from
	}
	if r.From = max(r.From, bounds.First); r.From > min(next, r.To) {
		return from
	}
	if p.high < p.low {
		p.low, p.high, p.head = next, next, bounds.Last
	}
	if forward {
		p.high = r.To
		return r.To
	}
	p.low = r.From
	return r.From
}

// cut drops messages, from the end or from the beginning, until at most limit are left and they fit into space bytes.
func (p *part) cut(forward bool, limit, space int) {
	all := p.messages
	if kept := min(limit, len(all)); forward {
		p.messages = fit(all[:kept], true, space)
	} else {
		p.messages = fit(all[len(all)-kept:], false, space)
	}
	if kept := len(p.messages); kept == len(all) {
		return
	} else if p.more = true; forward {
		p.high = p.messages[kept-1].N
	} else {
		p.low = p.messages[0].N
	}
}

// skipped appends the numbers of a part that are not messages.
func (p *part) skipped(ranges []wire.Range) []wire.Range {
	next := p.low
	skip := func(to uint64) {
		if k := len(ranges); k > 0 && next <= to && ranges[k-1].To+1 == next {
			ranges[k-1].To = to
		} else if next <= to {
			ranges = append(ranges, wire.Range{From: next, To: to})
		}
	}
	for i := range p.messages {
		skip(p.messages[i].N - 1)
		next = p.messages[i].N + 1
	}
	skip(p.high)
	return ranges
}

// around fills a page with messages around a time: up to half of them are older. If all are older, the page ends with the
// newest.
func (s *Service) around(page *wire.Page, at wire.Time, limit int) error {
	target, err := firstAt(s.cfg.Store, page.Room, at)
	if err != nil {
		return err
	}
	half := limit / 2
	newer, err := s.readPart(page.Room, target-1, true, limit-half, wire.PageBytes/2)
	if err != nil {
		return err
	}
	if len(newer.messages) == 0 {
		err := s.fill(page, math.MaxUint64, false, limit)
		page.More = false // nothing is newer
		return err
	}
	var older part
	older.low, older.first = 1, newer.first
	if half > 0 {
		if older, err = s.readPart(page.Room, newer.low, false, half, wire.PageBytes/2); err != nil {
			return err
		}
	}
	page.Target = newer.messages[0].N // not target, which may not be a message, or may have been deleted meanwhile
	page.First, page.Head, page.More = older.first, newer.head, newer.more
	page.Messages = append(older.messages, newer.messages...)
	page.Skipped = newer.skipped(older.skipped(nil))
	return nil
}

// firstAt returns the number of the oldest message of a room that is not older than at. If all are older, it is a number
// after the newest. Times never decrease within a room, so this takes about log2(messages) reads of one message.
func firstAt(store eventlog.Store, room string, at wire.Time) (uint64, error) {
	bounds := store.Bounds(room)
	low, high := bounds.First, bounds.Last+1
	for low < high {
		middle := low + (high-low)/2
		found, _, err := store.Read(room, middle-1, 1)
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

// fit drops messages, from the end or from the beginning, until the rest fits into space bytes. At least one message stays.
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
