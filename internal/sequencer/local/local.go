// Package local orders the batches of one server: first come, first served.
package local

import (
	"errors"

	"ramai/internal/eventlog"
)

// Sequencer implements eventlog.Sequencer. A batch that is submitted is the next.
type Sequencer struct {
	next *eventlog.Batch
}

// New returns a sequencer without batches.
func New() *Sequencer { return new(Sequencer) }

// Exclusive implements eventlog.Sequencer.
func (s *Sequencer) Exclusive() bool { return true }

// Submit implements eventlog.Sequencer.
func (s *Sequencer) Submit(b *eventlog.Batch) error {
	if s.next != nil && s.next != b {
		return errors.New("submit a batch: the one before it has not been applied")
	}
	s.next = b
	return nil
}

// Next implements eventlog.Sequencer.
func (s *Sequencer) Next(after uint64) (*eventlog.Batch, uint64, error) {
	b := s.next
	s.next = nil
	return b, after + 1, nil
}

// Notify implements eventlog.Sequencer. Next has a batch right after Submit and at no other time.
func (s *Sequencer) Notify(func()) {}

// Close implements eventlog.Sequencer.
func (s *Sequencer) Close() error { return nil }
