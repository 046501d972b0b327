package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"ramai/internal/eventlog"
	"ramai/internal/store/memory"
)

// fault is how one Apply fails.
type fault int

const (
	success          fault = iota
	rolledBack             // nothing is stored, and that is known
	lostInDoubt            // nothing is stored, and that is unknown
	committedInDoubt       // everything is stored, and that is unknown
)

var errDisk = errors.New("disk failure")

// faultyStore is a store in memory that fails on demand.
type faultyStore struct {
	*memory.Store
	faults    []fault // results of the next calls of Apply
	reopens   int     // calls of Reopen that fail
	reads     int     // calls of Read and ReadBefore that fail
	afterRead func()  // called right after a read

	seed    []byte            // the source of the history id
	applied []*eventlog.Batch // in order

	inDoubt bool            // Reopen must succeed first
	batch   *eventlog.Batch // on disk, though that is unknown
	at      uint64
}

func newFaultyStore(tb testing.TB, random io.Reader) *faultyStore {
	seed := make([]byte, 16)
	if _, err := io.ReadFull(random, seed); err != nil {
		tb.Fatal(err)
	}
	m, err := memory.New(bytes.NewReader(seed))
	if err != nil {
		tb.Fatal(err)
	}
	return &faultyStore{Store: m, afterRead: func() {}, seed: seed}
}

// apply applies b, and records it.
func (s *faultyStore) apply(b *eventlog.Batch, position uint64) ([]eventlog.Outcome, error) {
	outcomes, err := s.Store.Apply(b, position)
	if err == nil && position == uint64(len(s.applied))+1 {
		s.applied = append(s.applied, b)
	}
	return outcomes, err
}

// rewind resets the store to its first batches.
func (s *faultyStore) rewind(tb testing.TB, batches int) {
	var err error
	if s.Store, err = memory.New(bytes.NewReader(s.seed)); err != nil {
		tb.Fatal(err)
	}
	old := s.applied[:batches]
	s.applied, s.inDoubt, s.batch = nil, false, nil
	for i, b := range old {
		if _, err := s.apply(b, uint64(i)+1); err != nil {
			tb.Fatal(err)
		}
	}
}

// Apply implements eventlog.Store.
func (s *faultyStore) Apply(b *eventlog.Batch, position uint64) ([]eventlog.Outcome, error) {
	if s.inDoubt {
		panic("Apply after an error in doubt, without Reopen")
	}
	f := success
	if len(s.faults) > 0 {
		f, s.faults = s.faults[0], s.faults[1:]
	}
	if f == rolledBack && position == s.Position() {
		f = lostInDoubt // it is already stored, so it must not be reported as rolled back
	}
	switch f {
	case rolledBack:
		return nil, fmt.Errorf("%w: %w: %w", eventlog.ErrRolledBack, eventlog.ErrFull, errDisk)
	case lostInDoubt:
		s.inDoubt = true
		return nil, errDisk
	case committedInDoubt:
		s.inDoubt, s.batch, s.at = true, b, position
		return nil, errDisk
	}
	return s.apply(b, position)
}

// Reopen implements eventlog.Store.
func (s *faultyStore) Reopen() error {
	if s.reopens > 0 {
		s.reopens--
		return errDisk
	}
	if s.batch != nil {
		if _, err := s.apply(s.batch, s.at); err != nil {
			return err
		}
	}
	s.inDoubt, s.batch = false, nil
	return nil
}

// Read implements eventlog.Store.
func (s *faultyStore) Read(room string, after uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	if s.fails() {
		return nil, eventlog.Bounds{}, errDisk
	}
	defer s.afterRead()
	return s.Store.Read(room, after, limit)
}

// ReadBefore implements eventlog.Store.
func (s *faultyStore) ReadBefore(room string, before uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	if s.fails() {
		return nil, eventlog.Bounds{}, errDisk
	}
	defer s.afterRead()
	return s.Store.ReadBefore(room, before, limit)
}

func (s *faultyStore) fails() bool {
	if s.reads > 0 {
		s.reads--
		return true
	}
	return false
}
