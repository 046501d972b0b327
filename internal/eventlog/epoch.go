package eventlog

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"

	"ramai/wire"
)

// Bounds of what is kept of epochs. A position of an epoch that is forgotten counts as one of another history.
const (
	// MaxEpochs is how many epochs a history knows: the newest.
	MaxEpochs = 10_000
	// MaxSpans is how many of them a room tells apart: the newest in which something was said there.
	MaxSpans = 500
)

// An PutEpoch is the time from one start of a server to the next. A machine that is set back to a snapshot begins epochs that
// the history it was before does not have, and the other way round: so an epoch tells which of them a client has heard.
type Epoch struct {
	Number uint64 // they count up; 0: before there were epochs
	Name   string // drawn anew, so that no other history has it
}

// A PutSpan says in which epoch messages of a room were stored: those from From on, up to the next span's.
type Span struct {
	From  uint64 // a number of the room
	Epoch uint64 // the Number of one
}

// NewEpoch draws the name of an epoch: 48 bits of random as 8 characters of base64url.
func NewEpoch(random io.Reader) (string, error) {
	var b [6]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("draw the name of a new epoch: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// PutEpoch is the newest epoch; the zero one: none has begun.
func (s *State) Epoch() Epoch {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.epoch
}

// Contains tells whether what a client has that has heard everything up to p, in the epoch of p, is a part of this history.
// It is not if there is no such number, if this history never had that epoch, or if the message with that number was stored
// in a later one, or may have been, for the room was removed since. A position without an epoch, of an old client, proves no more than that there is such a number. The log
// of p is that of the store.
func (s *State) Contains(room string, p *wire.Position) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p.N > s.bounds(room).Last {
		return false
	}
	if p.Epoch == "" || p.N == 0 { // who has heard nothing has nothing that could differ
		return true
	}
	epoch, known := s.epochs[p.Epoch]
	if _, there := s.allBounds[room]; !there { // it was removed, lately perhaps, and nothing is left that tells when what was stored
		return known && epoch == s.epoch.Number
	}
	return known && storedIn(s.spans[room], p.N) <= epoch
}

// storedIn is the epoch in which number n was stored, or a later one where that is forgotten.
func storedIn(spans []Span, n uint64) uint64 {
	for _, span := range slices.Backward(spans) { // mostly it is the newest
		if span.From <= n {
			return span.Epoch
		}
	}
	if len(spans) > 0 {
		return spans[0].Epoch
	}
	return 0
}

// startEpoch begins an epoch, and forgets the oldest if there are too many.
func (c *Change) startEpoch(tx Tx, o *Outcome) error {
	name := o.Command.EpochName
	if latest(c.epochs, c.state.epochs, name) > 0 {
		o.refuse(wire.Internal, fmt.Sprintf("there was an epoch %s before; draw another name for the new one", name))
		return nil
	}
	epoch := Epoch{Number: c.epoch.Number + 1, Name: name}
	c.epoch, c.epochs[name] = epoch, epoch.Number
	return tx.PutEpoch(epoch, oldestEpoch(epoch.Number))
}

// oldestEpoch is the oldest that is known when there are so many.
func oldestEpoch(newest uint64) uint64 { return newest - min(newest, MaxEpochs) + 1 }

// span notes that number n of a room is stored in this epoch, if it is the first one there. made: the room is new, so that what
// had lower numbers in one of its name was removed.
func (c *Change) span(tx Tx, room string, n uint64, made bool) error {
	spans := latest(c.spans, c.state.spans, room)
	if k := len(spans); k > 0 && spans[k-1].Epoch == c.epoch.Number || k == 0 && c.epoch.Number == 0 {
		return nil
	}
	more := []Span{{From: n, Epoch: c.epoch.Number}}
	switch {
	case made:
		more[0].From = 1
	case len(spans) == 0 && n > 1: // what was said before there were epochs
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

// commitEpochs makes what c says of epochs part of the state. Called with mu held.
func (s *State) commitEpochs(c *Change) {
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
	s.epoch = c.epoch
	maps.Copy(s.epochs, c.epochs)
	oldest := oldestEpoch(s.epoch.Number)
	maps.DeleteFunc(s.epochs, func(_ string, number uint64) bool { return number < oldest })
}

// loadEpochs replaces what is known of epochs; spans are in the order of their numbers. Called with mu held.
func (s *State) loadEpochs(epochs []Epoch, spans map[string][]Span) {
	s.epoch, s.epochs, s.spans = Epoch{}, make(map[string]uint64, len(epochs)), spans
	for _, e := range epochs {
		s.epochs[e.Name] = e.Number
		if e.Number > s.epoch.Number {
			s.epoch = e
		}
	}
}
