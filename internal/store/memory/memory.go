// Package memory is an eventlog.Store that loses everything when the process ends: for tests, and for servers that store
// nothing on disk. It never fails and is never full.
package memory

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// state is what eventlog.Decide needs, besides ids and rows.
type state = eventlog.State

// Store implements eventlog.Store.
type Store struct {
	state     // implements most of the reading methods of eventlog.Store
	historyID string

	mu       sync.RWMutex                                   // for all below; written by Apply alone
	rooms    map[string][]eventlog.Record                   // numbers rise by one
	ids      map[uint64]map[eventlog.IDKey]eventlog.IDEntry // by generation
	marks    map[string]*marks                              // by room
	entries  map[entriesKey]entries
	position uint64
	outcomes []eventlog.Outcome // of the batch at position
}

// New returns an empty store. Its history id is generated from random.
func New(random io.Reader) (*Store, error) {
	historyID, err := eventlog.NewHistoryID(random)
	if err != nil {
		return nil, err
	}
	s := &Store{historyID: historyID, rooms: map[string][]eventlog.Record{}, ids: map[uint64]map[eventlog.IDKey]eventlog.IDEntry{}, marks: map[string]*marks{}, entries: map[entriesKey]entries{}}
	(&eventlog.Snapshot{IDs: eventlog.IDGeneration{Number: 1}}).LoadInto(&s.state)
	return s, nil
}

// HistoryID implements eventlog.Store.
func (s *Store) HistoryID() string { return s.historyID }

// Contains implements eventlog.Store.
func (s *Store) Contains(room string, p *wire.Position) bool {
	return p.HistoryID == s.historyID && s.state.Contains(room, p)
}

// HasStaleIDs implements eventlog.Store.
func (s *Store) HasStaleIDs() (bool, error) {
	newest := s.state.IDGeneration().Number
	s.mu.RLock()
	defer s.mu.RUnlock()
	for generation := range s.ids {
		if generation+1 < newest {
			return true, nil
		}
	}
	return false, nil
}

// Position implements eventlog.Store.
func (s *Store) Position() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.position
}

// Apply implements eventlog.Store.
func (s *Store) Apply(b *eventlog.Batch, position uint64) ([]eventlog.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if position == s.position && position > 0 {
		return s.outcomes, nil
	}
	if position != s.position+1 {
		return nil, fmt.Errorf("apply a batch at position %d: the store is at %d, so the next is %d", position, s.position, s.position+1)
	}
	t := tx{Store: s}
	delta, outcomes, err := eventlog.Decide(&s.state, &t, b, position)
	if err != nil {
		t.rollBack()
		return nil, fmt.Errorf("apply the batch at position %d: %w: %w", position, eventlog.ErrRolledBack, err)
	}
	delta.CommitTo(&s.state)
	s.position, s.outcomes = position, outcomes
	return outcomes, nil
}

// Health implements eventlog.Store. There is never any damage.
func (s *Store) Health() eventlog.Health { return eventlog.Health{} }

// Reopen implements eventlog.Store. Nothing is ever in doubt here.
func (s *Store) Reopen() error { return nil }

// Read implements eventlog.Store.
func (s *Store) Read(room string, after uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all, bounds := s.rooms[room], s.state.Bounds(room) // Apply holds the lock until both are written
	if len(all) == 0 || after >= all[len(all)-1].N {
		return nil, bounds, nil
	}
	first := all[0].N
	rest := all[max(after+1, first)-first:]
	n, bytes := 0, 0
	for n < min(len(rest), clampLimit(limit)) {
		if bytes += len(rest[n].Body); bytes > eventlog.ReadBytes && n > 0 {
			break
		}
		n++
	}
	records := append([]eventlog.Record(nil), rest[:n]...)
	s.state.Hiding(room).Hide(records)
	return records, bounds, nil
}

// ReadBefore implements eventlog.Store.
func (s *Store) ReadBefore(room string, before uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all, bounds := s.rooms[room], s.state.Bounds(room) // Apply holds the lock until both are written
	if len(all) == 0 || before <= all[0].N {
		return nil, bounds, nil
	}
	rest := all[:min(before-all[0].N, uint64(len(all)))]
	n, bytes := 0, 0
	for n < min(len(rest), clampLimit(limit)) {
		if bytes += len(rest[len(rest)-1-n].Body); bytes > eventlog.ReadBytes && n > 0 {
			break
		}
		n++
	}
	records := append([]eventlog.Record(nil), rest[len(rest)-n:]...)
	s.state.Hiding(room).Hide(records)
	return records, bounds, nil
}

func clampLimit(limit int) int { return max(1, min(limit, eventlog.MaxRead)) }

// Free implements eventlog.Store. There is no disk that could fill.
func (s *Store) Free() (uint64, error) { return math.MaxUint64, nil }

// Close implements eventlog.Store.
func (s *Store) Close() error { return nil }

// tx applies changes at once, under the lock of Apply, and can undo them. Names, epochs and bounds are in the state.
type tx struct {
	*Store
	undo []func()
}

func (t *tx) rollBack() {
	for _, undo := range slices.Backward(t.undo) {
		undo()
	}
}

func (t *tx) PutID(generation uint64, k eventlog.IDKey, e eventlog.IDEntry) (eventlog.IDEntry, bool, error) {
	if old, ok, _ := t.ID(generation, k); ok {
		return old, true, nil
	}
	ids := t.ids[generation]
	if ids == nil {
		ids = map[eventlog.IDKey]eventlog.IDEntry{}
		t.ids[generation] = ids
	}
	ids[k] = e
	t.undo = append(t.undo, func() { delete(ids, k) })
	return e, false, nil
}

func (t *tx) ID(generation uint64, k eventlog.IDKey) (eventlog.IDEntry, bool, error) {
	for _, g := range []uint64{generation, generation - 1} {
		if e, ok := t.ids[g][k]; ok {
			return e, true, nil
		}
	}
	return eventlog.IDEntry{}, false, nil
}

func (t *tx) OldestID(generation uint64, room, senderID string) (at wire.Time, found bool, err error) {
	from, to := eventlog.IDRange(room, senderID)
	for _, g := range []uint64{generation, generation - 1} {
		for k, e := range t.ids[g] {
			if bytes.Compare(k[:], from[:]) >= 0 && bytes.Compare(k[:], to[:]) <= 0 && (!found || e.At < at) {
				at, found = e.At, true
			}
		}
	}
	return at, found, nil
}

func (t *tx) EraseIDSum(generation uint64, k eventlog.IDKey) error {
	for g, ids := range t.ids {
		if old, ok := ids[k]; ok && g <= generation {
			erased := old
			erased.Sum = eventlog.NoSum
			ids[k] = erased
			t.undo = append(t.undo, func() { ids[k] = old })
		}
	}
	return nil
}

func (t *tx) Record(room string, n uint64) (eventlog.Record, error) {
	if r := t.row(room, n); r != nil {
		return *r, nil
	}
	return eventlog.Record{}, fmt.Errorf("room %s: %w: record %d is missing", room, eventlog.ErrDamaged, n)
}

func (t *tx) ReplaceRecord(r *eventlog.Record) error {
	row := t.row(r.Room, r.N)
	if row == nil {
		return fmt.Errorf("room %s: %w: record %d is missing", r.Room, eventlog.ErrDamaged, r.N)
	}
	old := *row
	*row = *r
	row.At = old.At
	t.undo = append(t.undo, func() { *row = old })
	return nil
}

// row returns a row of a room, or nil.
func (t *tx) row(room string, n uint64) *eventlog.Record {
	all := t.rooms[room]
	if len(all) == 0 || n < all[0].N || n-all[0].N >= uint64(len(all)) {
		return nil
	}
	return &all[n-all[0].N]
}

func (t *tx) PutRecord(r *eventlog.Record) error {
	room, all := r.Room, t.rooms[r.Room]
	t.rooms[room] = append(all, *r)
	t.undo = append(t.undo, func() { t.rooms[room] = all })
	return nil
}

// DeleteRecords copies the rest: the old slice would keep the deleted texts in memory.
func (t *tx) DeleteRecords(room string, _, to uint64) error {
	all := t.rooms[room]
	k := 0
	for k < len(all) && all[k].N <= to {
		k++
	}
	t.rooms[room] = append([]eventlog.Record(nil), all[k:]...)
	t.undo = append(t.undo, func() { t.rooms[room] = all })
	return nil
}

// DeleteIDs deletes whole generations, which takes no time here.
func (t *tx) DeleteIDs(below uint64) error {
	for generation, ids := range t.ids {
		if generation < below {
			delete(t.ids, generation)
			t.undo = append(t.undo, func() { t.ids[generation] = ids })
		}
	}
	return nil
}

func (t *tx) PutLease(eventlog.NameLease) error                  { return nil }
func (t *tx) DeleteLease(string) error                           { return nil }
func (t *tx) PutRegistration(eventlog.NameRegistration) error    { return nil }
func (t *tx) DeleteRegistration(string) error                    { return nil }
func (t *tx) PutIDGeneration(eventlog.IDGeneration) error        { return nil }
func (t *tx) PutBounds(string, eventlog.Bounds, wire.Time) error { return nil }
func (t *tx) PutEpoch(eventlog.Epoch, uint64) error              { return nil }
func (t *tx) PutSpan(string, eventlog.Span, uint64) error        { return nil }
func (t *tx) PutNode(string, eventlog.NodeState) error           { return nil }
func (t *tx) PutLimits(eventlog.Limits) error                    { return nil }
func (t *tx) PutLevel(uint64) error                              { return nil }
func (t *tx) PutSetting(string, eventlog.Setting) error          { return nil }
func (t *tx) DeleteSetting(string, string) error                 { return nil }

func (t *tx) DeleteRoom(room string, _ eventlog.RemovedSlot, last uint64) error {
	all := t.rooms[room]
	delete(t.rooms, room)
	t.undo = append(t.undo, func() { t.rooms[room] = all })
	t.deleteEntries(room)
	return t.dropRoom(room, last)
}
