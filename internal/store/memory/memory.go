// Package memory is a journal.Store that forgets everything when the process ends: for tests, and for servers that are
// meant to leave nothing behind. It never fails and never says that it is full.
package memory

import (
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"ramai/internal/journal"
	"ramai/wire"
)

// Store implements journal.Store.
type Store struct {
	log   string
	state journal.State

	mu       sync.RWMutex                             // for all below; written by Apply alone
	rooms    map[string][]wire.Message                // numbers rise by one
	ids      map[uint64]map[journal.Key]journal.Entry // by generation
	position uint64
	outcomes []journal.Outcome // of the batch at position
}

// New returns an empty store. The identity of its log is drawn from random.
func New(random io.Reader) (*Store, error) {
	log, err := journal.NewLog(random)
	if err != nil {
		return nil, err
	}
	s := &Store{log: log, rooms: map[string][]wire.Message{}, ids: map[uint64]map[journal.Key]journal.Entry{}}
	s.state.Load(map[string]journal.Head{}, map[journal.Grave]uint64{}, map[string]wire.Time{}, nil, nil, journal.IDs{Generation: 1}, nil, map[string][]journal.Span{})
	return s, nil
}

// Log implements journal.Store.
func (s *Store) Log() string { return s.log }

// Epoch implements journal.Store.
func (s *Store) Epoch() journal.Epoch { return s.state.Epoch() }

// Knows implements journal.Store.
func (s *Store) Knows(room string, p *wire.Position) bool {
	return p.Log == s.log && s.state.Knows(room, p)
}

// Head implements journal.Store.
func (s *Store) Head(room string) journal.Head { return s.state.Head(room) }

// Heads implements journal.Store.
func (s *Store) Heads() map[string]journal.Head { return s.state.Heads() }

// Owned implements journal.Store.
func (s *Store) Owned() []journal.Owning { return s.state.Owned() }

// Times implements journal.Store.
func (s *Store) Times() map[string]wire.Time { return s.state.Times() }

// IDs implements journal.Store.
func (s *Store) IDs() journal.IDs { return s.state.IDs() }

// RunOut implements journal.Store.
func (s *Store) RunOut(expiry, now wire.Time, limit int) []string {
	return s.state.RunOut(expiry, now, limit)
}

// Stale implements journal.Store.
func (s *Store) Stale() (bool, error) {
	newest := s.state.IDs().Generation
	s.mu.RLock()
	defer s.mu.RUnlock()
	for generation := range s.ids {
		if generation+1 < newest {
			return true, nil
		}
	}
	return false, nil
}

// Name implements journal.Store.
func (s *Store) Name(by string) string { return s.state.Name(by) }

// Gains implements journal.Store.
func (s *Store) Gains(by string) string { return s.state.Gains(by) }

// Position implements journal.Store.
func (s *Store) Position() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.position
}

// Apply implements journal.Store.
func (s *Store) Apply(b *journal.Batch, position uint64) ([]journal.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if position == s.position && position > 0 {
		return s.outcomes, nil
	}
	if position != s.position+1 {
		return nil, fmt.Errorf("apply a batch at position %d: the store is at %d, so the next is %d", position, s.position, s.position+1)
	}
	t := tx{Store: s}
	change, outcomes, err := journal.Decide(&s.state, &t, b)
	if err != nil {
		t.rollBack()
		return nil, fmt.Errorf("apply the batch at position %d: %w: %w", position, journal.ErrRolledBack, err)
	}
	s.state.Commit(change)
	s.position, s.outcomes = position, outcomes
	return outcomes, nil
}

// Health implements journal.Store. Nothing is ever wrong here.
func (s *Store) Health() journal.Health { return journal.Health{} }

// Reopen implements journal.Store. Nothing is ever in doubt here.
func (s *Store) Reopen() error { return nil }

// Read implements journal.Store.
func (s *Store) Read(room string, after uint64, limit int) ([]wire.Message, journal.Head, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all, head := s.rooms[room], s.state.Head(room) // Apply holds the lock until both are written
	if len(all) == 0 || after >= all[len(all)-1].N {
		return nil, head, nil
	}
	first := all[0].N
	rest := all[max(after+1, first)-first:]
	n, bytes := 0, 0
	for n < min(len(rest), bound(limit)) {
		if bytes += len(rest[n].Text); bytes > journal.ReadBytes && n > 0 {
			break
		}
		n++
	}
	return append([]wire.Message(nil), rest[:n]...), head, nil
}

// ReadBefore implements journal.Store.
func (s *Store) ReadBefore(room string, before uint64, limit int) ([]wire.Message, journal.Head, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all, head := s.rooms[room], s.state.Head(room) // Apply holds the lock until both are written
	if len(all) == 0 || before <= all[0].N {
		return nil, head, nil
	}
	rest := all[:min(before-all[0].N, uint64(len(all)))]
	n, bytes := 0, 0
	for n < min(len(rest), bound(limit)) {
		if bytes += len(rest[len(rest)-1-n].Text); bytes > journal.ReadBytes && n > 0 {
			break
		}
		n++
	}
	return append([]wire.Message(nil), rest[len(rest)-n:]...), head, nil
}

func bound(limit int) int { return max(1, min(limit, journal.MaxRead)) }

// Free implements journal.Store. There is no disk that could fill.
func (s *Store) Free() (uint64, error) { return math.MaxUint64, nil }

// Close implements journal.Store.
func (s *Store) Close() error { return nil }

// tx writes at once what a batch does, under the lock of Apply, and knows how to take it back. Names, epochs and heads are in
// the state already.
type tx struct {
	*Store
	undo []func()
}

func (t *tx) rollBack() {
	for _, undo := range slices.Backward(t.undo) {
		undo()
	}
}

func (t *tx) Keep(generation uint64, k journal.Key, e journal.Entry) (journal.Entry, bool, error) {
	for _, g := range []uint64{generation, generation - 1} {
		if old, ok := t.ids[g][k]; ok {
			return old, true, nil
		}
	}
	ids := t.ids[generation]
	if ids == nil {
		ids = map[journal.Key]journal.Entry{}
		t.ids[generation] = ids
	}
	ids[k] = e
	t.undo = append(t.undo, func() { delete(ids, k) })
	return e, false, nil
}

func (t *tx) Message(m *wire.Message) error {
	room, all := m.Room, t.rooms[m.Room]
	t.rooms[room] = append(all, *m)
	t.undo = append(t.undo, func() { t.rooms[room] = all })
	return nil
}

// Cut makes a slice of its own for what stays: the old one would keep what goes.
func (t *tx) Cut(room string, _, to uint64) error {
	all := t.rooms[room]
	k := 0
	for k < len(all) && all[k].N <= to {
		k++
	}
	t.rooms[room] = append([]wire.Message(nil), all[k:]...)
	t.undo = append(t.undo, func() { t.rooms[room] = all })
	return nil
}

// Forget lets go of whole generations: here that takes no time.
func (t *tx) Forget(below uint64) error {
	for generation, ids := range t.ids {
		if generation < below {
			delete(t.ids, generation)
			t.undo = append(t.undo, func() { t.ids[generation] = ids })
		}
	}
	return nil
}

func (t *tx) Hold(journal.Holding) error                 { return nil }
func (t *tx) Drop(string) error                          { return nil }
func (t *tx) Own(journal.Owning) error                   { return nil }
func (t *tx) Disown(string) error                        { return nil }
func (t *tx) Turn(journal.IDs) error                     { return nil }
func (t *tx) Head(string, journal.Head, wire.Time) error { return nil }
func (t *tx) Epoch(journal.Epoch, uint64) error          { return nil }
func (t *tx) Span(string, journal.Span, uint64) error    { return nil }

func (t *tx) Remove(room string, _ journal.Grave, _ uint64) error {
	all := t.rooms[room]
	delete(t.rooms, room)
	t.undo = append(t.undo, func() { t.rooms[room] = all })
	return nil
}
