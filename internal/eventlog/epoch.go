package eventlog

import (
	"maps"
	"slices"

	"ramai/wire"
)

// Limits of the stored epochs. A position with a forgotten epoch counts as one of another history.
const (
	// MaxEpochs is the number of epochs that a history stores, the newest ones.
	MaxEpochs = 10_000
	// MaxSpans is the number of epochs that a room distinguishes: the newest in which a message was stored there.
	MaxSpans = 500
)

// An Epoch begins with a Start. A machine that is reset to a snapshot begins epochs that the abandoned history does not
// have, and vice versa, so an epoch shows which of the two a client has received.
type Epoch struct {
	Number uint64 // they count up; 0: before there were epochs
	Name   string // the nonce of the Start, unique to this history
}

// A Span says in which epoch messages of a room were stored: those from From on, up to the start of the next span.
type Span struct {
	From  uint64 // the number of a message
	Epoch uint64 // the Number of an epoch
}

// Epoch returns the newest epoch; the zero Epoch: none has begun. Called after a message was read, it returns the epoch of
// that message or a later one. It takes no lock.
func (s *State) Epoch() Epoch {
	if e := s.newest.Load(); e != nil {
		return *e
	}
	return Epoch{}
}

// setEpoch sets the newest epoch. The caller holds mu.
func (s *State) setEpoch(e Epoch) {
	s.epoch = e
	s.newest.Store(&e)
}

// Contains reports whether a client that received everything up to p, in the epoch of p, received a part of this history.
// It did not if the number does not exist, if this history never had that epoch, or if the message with that number was, or
// may have been, stored in a later epoch. It may have been if the room was removed since. A position of an old client has
// no epoch, and only its number is checked. The caller compares the history's id.
func (s *State) Contains(room string, p *wire.Position) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p.N > s.bounds(room).Last {
		return false
	}
	if p.Epoch == "" || p.N == 0 { // a client that has received nothing has nothing that could differ
		return true
	}
	epoch, known := s.epochs[p.Epoch]
	if _, exists := s.allBounds[room]; !exists { // it may have been removed just now, and its spans are gone
		return known && epoch == s.epoch.Number
	}
	return known && storedIn(s.spans[room], p.N) <= epoch
}

// storedIn returns the epoch in which number n was stored, or a later one if that is forgotten.
func storedIn(spans []Span, n uint64) uint64 {
	for _, span := range slices.Backward(spans) { // usually it is the newest
		if span.From <= n {
			return span.Epoch
		}
	}
	if len(spans) > 0 {
		return spans[0].Epoch
	}
	return 0
}

// oldestEpoch returns the number of the oldest epoch that is stored besides the newest.
func oldestEpoch(newest uint64) uint64 { return newest - min(newest, MaxEpochs) + 1 }

// span records that number n of a room is stored in this epoch, if it is the first one there. created: the room is new, so
// lower numbers belonged to a removed room of that name.
func (c *Delta) span(tx Tx, room string, n uint64, created bool) error {
	spans := latest(c.spans, c.state.spans, room)
	if k := len(spans); k > 0 && spans[k-1].Epoch == c.epoch.Number || k == 0 && c.epoch.Number == 0 {
		return nil
	}
	more := []Span{{From: n, Epoch: c.epoch.Number}}
	switch {
	case created:
		more[0].From = 1
	case len(spans) == 0 && n > 1: // messages from before there were epochs
		more = []Span{{From: 1}, more[0]}
	}
	spans = slices.Concat(spans, more)
	spans = spans[max(0, len(spans)-MaxSpans):]
	c.spans[room] = spans
	for _, span := range more {
		if err := tx.PutSpan(room, span, spans[0].Epoch); err != nil {
			return err
		}
	}
	return nil
}

// commitEpochs adds c's epochs and spans to the state. The caller holds mu.
func (s *State) commitEpochs(c *Delta) {
	for room, spans := range c.spans {
		if len(spans) == 0 { // the room was removed
			delete(s.spans, room)
		} else {
			s.spans[room] = spans
		}
	}
	if len(c.epochs) == 0 {
		return
	}
	s.setEpoch(c.epoch)
	maps.Copy(s.epochs, c.epochs)
	oldest := oldestEpoch(s.epoch.Number)
	maps.DeleteFunc(s.epochs, func(_ string, number uint64) bool { return number < oldest })
}

// loadEpochs replaces all epochs and spans. The caller holds mu.
func (s *State) loadEpochs(epochs []Epoch, spans map[string][]Span) {
	s.epochs, s.spans = make(map[string]uint64, len(epochs)), orEmpty(spans)
	var newest Epoch
	for _, e := range epochs {
		s.epochs[e.Name] = e.Number
		if e.Number > newest.Number {
			newest = e
		}
	}
	s.setEpoch(newest)
}
