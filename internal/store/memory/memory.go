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

	mu       sync.RWMutex              // for all below; written by Apply alone
	rooms    map[string][]wire.Message // numbers rise by one
	ids      map[key]journal.Entry
	gone     map[string][]wire.Message // cut, ascending, whose ids are kept
	position uint64
	outcomes []journal.Outcome // of the batch at position
}

// key is what an id is kept under.
type key struct{ room, by, id string }

// New returns an empty store. The identity of its log is drawn from random.
func New(random io.Reader) (*Store, error) {
	log, err := journal.NewLog(random)
	if err != nil {
		return nil, err
	}
	s := &Store{log: log, rooms: map[string][]wire.Message{}, ids: map[key]journal.Entry{}, gone: map[string][]wire.Message{}}
	s.state.Load(map[string]journal.Head{}, nil, nil, 0)
	return s, nil
}

// Log implements journal.Store.
func (s *Store) Log() string { return s.log }

// Head implements journal.Store.
func (s *Store) Head(room string) journal.Head { return s.state.Head(room) }

// Heads implements journal.Store.
func (s *Store) Heads() map[string]journal.Head { return s.state.Heads() }

// Owned implements journal.Store.
func (s *Store) Owned() []journal.Owning { return s.state.Owned() }

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

// tx writes at once what a batch does, under the lock of Apply, and knows how to take it back. Names and heads are in the
// state already.
type tx struct {
	*Store
	undo []func()
}

func (t *tx) rollBack() {
	for _, undo := range slices.Backward(t.undo) {
		undo()
	}
}

func (t *tx) Keep(room, by, id string, e journal.Entry) (journal.Entry, bool, error) {
	k := key{room, by, id}
	if old, ok := t.ids[k]; ok {
		return old, true, nil
	}
	t.ids[k] = e
	t.undo = append(t.undo, func() { delete(t.ids, k) })
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
	all, gone := t.rooms[room], t.gone[room]
	k := 0
	for ; k < len(all) && all[k].N <= to; k++ {
		m := all[k]
		if e, kept := t.ids[key{room, m.By, m.ID}]; kept && e.N == m.N {
			m.Text = ""
			t.gone[room] = append(t.gone[room], m)
		}
	}
	t.rooms[room] = append([]wire.Message(nil), all[k:]...)
	t.undo = append(t.undo, func() { t.rooms[room], t.gone[room] = all, gone })
	return nil
}

func (t *tx) Forget(room string, before wire.Time) error {
	gone := t.gone[room]
	k := 0
	for ; k < min(len(gone), journal.TrimStep) && gone[k].At <= before; k++ {
		id := key{room, gone[k].By, gone[k].ID}
		e := t.ids[id]
		delete(t.ids, id)
		t.undo = append(t.undo, func() { t.ids[id] = e })
	}
	t.gone[room] = gone[k:]
	t.undo = append(t.undo, func() { t.gone[room] = gone })
	return nil
}

func (t *tx) Hold(journal.Holding) error      { return nil }
func (t *tx) Drop(string) error               { return nil }
func (t *tx) Own(journal.Owning) error        { return nil }
func (t *tx) Disown(string) error             { return nil }
func (t *tx) Head(string, journal.Head) error { return nil }
