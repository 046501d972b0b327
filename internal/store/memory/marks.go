package memory

import (
	"maps"
	"slices"
	"strings"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// marks are the marks of one room. A room uses no number twice, not even after it was removed.
type marks struct {
	keys    map[markKey]bool
	counts  map[uint64]wire.Counts // by message; none is empty
	pending map[uint64]bool
	dropped [][2]uint64 // numbers whose marks are still to be deleted
}

type markKey struct {
	n   uint64
	by  string
	key string
}

// marksOf returns the marks of a room, to be changed.
func (t *tx) marksOf(room string) *marks {
	m := t.marks[room]
	if m == nil {
		m = &marks{keys: map[markKey]bool{}, counts: map[uint64]wire.Counts{}, pending: map[uint64]bool{}}
		t.marks[room] = m
	}
	return m
}

// set changes a map, and can undo that. A zero value deletes the key.
func set[K comparable, V comparable](t *tx, m map[K]V, key K, v V) {
	old, had := m[key]
	var zero V
	if v == zero {
		delete(m, key)
	} else {
		m[key] = v
	}
	t.undo = append(t.undo, func() {
		if had {
			m[key] = old
		} else {
			delete(m, key)
		}
	})
}

func (t *tx) Marks(room string, n uint64, sender string) ([]string, error) {
	return t.marksOf(room).of(n, sender), nil
}

// of returns the keys of a sender's marks on a message. A key of the message's counts is enough to find each.
func (m *marks) of(n uint64, sender string) (keys []string) {
	for key := range m.counts[n] {
		if m.keys[markKey{n, sender, key}] {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}

func (t *tx) PutMark(room string, n uint64, sender, key string) error {
	set(t, t.marksOf(room).keys, markKey{n, sender, key}, true)
	return nil
}

func (t *tx) DeleteMark(room string, n uint64, sender, key string) error {
	set(t, t.marksOf(room).keys, markKey{n, sender, key}, false)
	return nil
}

func (t *tx) Counts(room string, n uint64) (wire.Counts, error) {
	counts := maps.Clone(t.marksOf(room).counts[n])
	if counts == nil {
		counts = wire.Counts{}
	}
	return counts, nil
}

func (t *tx) PutCount(room string, n uint64, key string, count uint64) error {
	all := t.marksOf(room).counts
	counts := all[n]
	if counts == nil {
		counts = wire.Counts{}
		all[n] = counts
		t.undo = append(t.undo, func() { delete(all, n) })
	}
	set(t, counts, key, count)
	return nil
}

func (t *tx) Pending(room string, after uint64, limit int) (numbers []uint64, err error) {
	for n := range t.marksOf(room).pending {
		if n > after {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers[:min(limit, len(numbers))], nil
}

func (t *tx) PutPending(room string, n uint64) (bool, error) {
	pending := t.marksOf(room).pending
	if pending[n] {
		return false, nil
	}
	set(t, pending, n, true)
	return true, nil
}

func (t *tx) DeletePending(room string, from, to uint64) (deleted int, err error) {
	pending := t.marksOf(room).pending
	for n := range maps.Clone(pending) {
		if n >= from && n <= to {
			set(t, pending, n, false)
			deleted++
		}
	}
	return deleted, nil
}

func (t *tx) PutTallyTime(string, eventlog.TallyTime) error { return nil }

func (t *tx) DropMarks(room string, from, to uint64) error {
	m := t.marksOf(room)
	for n, counts := range m.counts {
		if n >= from && n <= to && len(counts) > 0 {
			old := m.dropped
			m.dropped = append(slices.Clip(old), [2]uint64{from, to})
			t.undo = append(t.undo, func() { m.dropped = old })
			break
		}
	}
	return nil
}

func (t *tx) DeleteDroppedMarks() error {
	left := eventlog.PruneStep
	for _, room := range slices.Sorted(maps.Keys(t.marks)) {
		m := t.marks[room]
		if len(m.dropped) == 0 {
			continue
		}
		if left = m.prune(t, left); left == 0 {
			return nil
		}
	}
	return nil
}

// prune deletes dropped marks and counts, and returns how many more could have been deleted.
func (m *marks) prune(t *tx, left int) int {
	isDropped := func(n uint64) bool {
		return slices.ContainsFunc(m.dropped, func(r [2]uint64) bool { return n >= r[0] && n <= r[1] })
	}
	for key := range maps.Clone(m.keys) {
		if left == 0 {
			return 0
		}
		if isDropped(key.n) {
			set(t, m.keys, key, false)
			left--
		}
	}
	for n, counts := range maps.Clone(m.counts) {
		if !isDropped(n) {
			continue
		}
		if left < len(counts) {
			return 0
		}
		left -= len(counts)
		delete(m.counts, n)
		t.undo = append(t.undo, func() { m.counts[n] = counts })
	}
	old := m.dropped
	m.dropped = nil
	t.undo = append(t.undo, func() { m.dropped = old })
	return left
}

// dropRoom drops all marks of a room that is removed.
func (t *tx) dropRoom(room string, last uint64) error {
	if t.marks[room] == nil {
		return nil
	}
	if _, err := t.DeletePending(room, 0, last); err != nil {
		return err
	}
	return t.DropMarks(room, 0, last)
}

// HasDroppedMarks implements eventlog.Store.
func (s *Store) HasDroppedMarks() (bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, m := range s.marks {
		if len(m.dropped) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// Marks implements eventlog.Store.
func (s *Store) Marks(room, senderID string, first, last uint64) (wire.Mine, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	mine := wire.Mine{}
	first = max(first, s.state.Bounds(room).First)
	if m := s.marks[room]; m != nil {
		for n := range m.counts {
			if n < first || n > last {
				continue
			}
			if keys := m.of(n, senderID); len(keys) > 0 {
				mine[n] = keys
			}
		}
	}
	return mine, nil
}
