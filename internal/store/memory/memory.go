// Package memory is a journal.Store that forgets everything when the process ends: for tests, and for servers that are
// meant to leave nothing behind. It never fails and never says that it is full.
package memory

import (
	"fmt"
	"io"
	"maps"
	"math"
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
	s := &Store{log: log, rooms: map[string][]wire.Message{}, ids: map[key]journal.Entry{}}
	s.state.Load(map[string]journal.Head{}, nil, 0)
	return s, nil
}

// Log implements journal.Store.
func (s *Store) Log() string { return s.log }

// Head implements journal.Store.
func (s *Store) Head(room string) journal.Head { return s.state.Head(room) }

// Heads implements journal.Store.
func (s *Store) Heads() map[string]journal.Head { return s.state.Heads() }

// Name implements journal.Store.
func (s *Store) Name(by string) string { return s.state.Name(by) }

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
	t := tx{store: s, ids: map[key]journal.Entry{}}
	change, outcomes, err := journal.Decide(&s.state, &t, b)
	if err != nil {
		return nil, fmt.Errorf("apply the batch at position %d: %w: %w", position, journal.ErrRolledBack, err)
	}
	for i := range t.messages {
		m := &t.messages[i]
		s.rooms[m.Room] = append(s.rooms[m.Room], *m)
	}
	maps.Copy(s.ids, t.ids)
	s.state.Commit(change)
	s.position, s.outcomes = position, outcomes
	return outcomes, nil
}

// Reopen implements journal.Store. Nothing is ever in doubt here.
func (s *Store) Reopen() error { return nil }

// Read implements journal.Store.
func (s *Store) Read(room string, after uint64, limit int) ([]wire.Message, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := s.rooms[room]
	if len(all) == 0 || after >= all[len(all)-1].N {
		return nil, nil
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
	return append([]wire.Message(nil), rest[:n]...), nil
}

// ReadBefore implements journal.Store.
func (s *Store) ReadBefore(room string, before uint64, limit int) ([]wire.Message, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := s.rooms[room]
	if len(all) == 0 || before <= all[0].N {
		return nil, nil
	}
	rest := all[:min(before-all[0].N, uint64(len(all)))]
	n, bytes := 0, 0
	for n < min(len(rest), bound(limit)) {
		if bytes += len(rest[len(rest)-1-n].Text); bytes > journal.ReadBytes && n > 0 {
			break
		}
		n++
	}
	return append([]wire.Message(nil), rest[len(rest)-n:]...), nil
}

func bound(limit int) int { return max(1, min(limit, journal.MaxRead)) }

// Free implements journal.Store. There is no disk that could fill.
func (s *Store) Free() (uint64, error) { return math.MaxUint64, nil }

// Close implements journal.Store.
func (s *Store) Close() error { return nil }

// tx collects what a batch writes, until all of it is decided. Names and heads are in the state already.
type tx struct {
	store    *Store
	ids      map[key]journal.Entry
	messages []wire.Message
}

func (t *tx) Keep(room, by, id string, e journal.Entry) (journal.Entry, bool, error) {
	k := key{room, by, id}
	if old, ok := t.store.ids[k]; ok {
		return old, true, nil
	}
	if old, ok := t.ids[k]; ok {
		return old, true, nil
	}
	t.ids[k] = e
	return e, false, nil
}

func (t *tx) Message(m *wire.Message) error {
	t.messages = append(t.messages, *m)
	return nil
}

func (t *tx) Hold(journal.Holding) error      { return nil }
func (t *tx) Drop(string) error               { return nil }
func (t *tx) Head(string, journal.Head) error { return nil }
