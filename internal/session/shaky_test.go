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
	fine      fault = iota
	rolled          // nothing is stored, and that is known
	lost            // nothing is stored, and that is unknown
	committed       // everything is stored, and that is unknown
)

var errDisk = errors.New("the disk makes noises")

// shaky is a store in memory that fails on demand.
type shaky struct {
	*memory.Store
	faults  []fault // results of the next calls of Apply
	reopens int     // calls of Reopen that fail
	reads   int     // calls of Read and ReadBefore that fail
	behind  func()  // called right after a read

	seed    []byte            // the source of the history id
	applied []*eventlog.Batch // all of them

	doubt bool            // Reopen must succeed first
	batch *eventlog.Batch // on disk, though that is unknown
	at    uint64
}

func newShaky(tb testing.TB, random io.Reader) *shaky {
	seed := make([]byte, 16)
	if _, err := io.ReadFull(random, seed); err != nil {
		tb.Fatal(err)
	}
	m, err := memory.New(bytes.NewReader(seed))
	if err != nil {
		tb.Fatal(err)
	}
	return &shaky{Store: m, behind: func() {}, seed: seed}
}

// apply applies b, and remembers it.
func (s *shaky) apply(b *eventlog.Batch, position uint64) ([]eventlog.Outcome, error) {
	outcomes, err := s.Store.Apply(b, position)
	if err == nil && position == uint64(len(s.applied))+1 {
		s.applied = append(s.applied, b)
	}
	return outcomes, err
}

// setBack resets the store to its first batches.
func (s *shaky) setBack(tb testing.TB, batches int) {
	var err error
	if s.Store, err = memory.New(bytes.NewReader(s.seed)); err != nil {
		tb.Fatal(err)
	}
	old := s.applied[:batches]
	s.applied, s.doubt, s.batch = nil, false, nil
	for i, b := range old {
		if _, err := s.apply(b, uint64(i)+1); err != nil {
			tb.Fatal(err)
		}
	}
}

// Apply implements eventlog.Store.
func (s *shaky) Apply(b *eventlog.Batch, position uint64) ([]eventlog.Outcome, error) {
	if s.doubt {
		panic("Apply after an unknown end, without Reopen")
	}
	f := fine
	if len(s.faults) > 0 {
		f, s.faults = s.faults[0], s.faults[1:]
	}
	if f == rolled && position == s.Position() {
		f = lost // it is stored already, so it must not be reported as rolled back
	}
	switch f {
	case rolled:
		return nil, fmt.Errorf("%w: %w: %w", eventlog.ErrRolledBack, eventlog.ErrFull, errDisk)
	case lost:
		s.doubt = true
		return nil, errDisk
	case committed:
		s.doubt, s.batch, s.at = true, b, position
		return nil, errDisk
	}
	return s.apply(b, position)
}

// Reopen implements eventlog.Store.
func (s *shaky) Reopen() error {
	if s.reopens > 0 {
		s.reopens--
		return errDisk
	}
	if s.batch != nil {
		if _, err := s.apply(s.batch, s.at); err != nil {
			return err
		}
	}
	s.doubt, s.batch = false, nil
	return nil
}

// Read implements eventlog.Store.
func (s *shaky) Read(room string, after uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	if s.fails() {
		return nil, eventlog.Bounds{}, errDisk
	}
	defer s.behind()
	return s.Store.Read(room, after, limit)
}

// ReadBefore implements eventlog.Store.
func (s *shaky) ReadBefore(room string, before uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	if s.fails() {
		return nil, eventlog.Bounds{}, errDisk
	}
	defer s.behind()
	return s.Store.ReadBefore(room, before, limit)
}

func (s *shaky) fails() bool {
	if s.reads > 0 {
		s.reads--
		return true
	}
	return false
}
