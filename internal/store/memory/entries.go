package memory

import (
	"slices"
	"strings"

	"ramai/internal/eventlog"
)

// entries are the entries of one table and room, in the order of their keys.
type entries []eventlog.Entry

type entriesKey struct {
	table eventlog.Table
	room  string
}

// find returns where a key is, or would be.
func (e entries) find(key string) (int, bool) {
	return slices.BinarySearchFunc(e, key, func(one eventlog.Entry, key string) int { return strings.Compare(one.Key, key) })
}

// Entry implements eventlog.Store.
func (s *Store) Entry(t eventlog.Table, room, key string) (string, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	value, found := s.entry(t, room, key)
	return value, found, nil
}

// Entries implements eventlog.Store.
func (s *Store) Entries(t eventlog.Table, room, prefix, after string, limit int) ([]eventlog.Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.someEntries(t, room, prefix, after, limit), nil
}

// entry is Entry for a caller that holds mu.
func (s *Store) entry(t eventlog.Table, room, key string) (string, bool) {
	all := s.entries[entriesKey{t, room}]
	if i, found := all.find(key); found {
		return all[i].Value, true
	}
	return "", false
}

// someEntries is Entries for a caller that holds mu.
func (s *Store) someEntries(t eventlog.Table, room, prefix, after string, limit int) (some []eventlog.Entry) {
	all := s.entries[entriesKey{t, room}]
	from, below := eventlog.EntryRange(prefix, after)
	begin, _ := all.find(from)
	for _, one := range all[begin:] {
		if len(some) == max(1, min(limit, eventlog.MaxEntries)) || one.Key >= below {
			break
		}
		some = append(some, one)
	}
	return some
}

func (t *tx) Entry(table eventlog.Table, room, key string) (string, bool, error) {
	value, found := t.entry(table, room, key)
	return value, found, nil
}

func (t *tx) Entries(table eventlog.Table, room, prefix, after string, limit int) ([]eventlog.Entry, error) {
	return t.someEntries(table, room, prefix, after, limit), nil
}

func (t *tx) PutEntry(e *eventlog.Entry) error {
	t.replaceEntry(entriesKey{e.Table, e.Room}, e.Key, e)
	return nil
}

func (t *tx) DeleteEntry(table eventlog.Table, room, key string) error {
	t.replaceEntry(entriesKey{table, room}, key, nil)
	return nil
}

// replaceEntry stores an entry instead of the one with the same key; nil deletes that.
func (t *tx) replaceEntry(at entriesKey, key string, e *eventlog.Entry) {
	if old, had := t.putEntry(at, key, e); had {
		t.undo = append(t.undo, func() { t.putEntry(at, key, &old) })
	} else if e != nil {
		t.undo = append(t.undo, func() { t.putEntry(at, key, nil) })
	}
}

// putEntry is replaceEntry without undo. It returns the former entry.
func (t *tx) putEntry(at entriesKey, key string, e *eventlog.Entry) (old eventlog.Entry, had bool) {
	all := t.Store.entries[at]
	i, had := all.find(key)
	if had {
		old = all[i]
	}
	switch {
	case had && e != nil:
		all[i] = *e
	case had:
		all = slices.Delete(all, i, i+1)
	case e != nil:
		all = slices.Insert(all, i, *e)
	}
	if len(all) == 0 {
		delete(t.Store.entries, at)
	} else {
		t.Store.entries[at] = all
	}
	return old, had
}

// deleteEntries deletes all entries of a room.
func (t *tx) deleteEntries(room string) {
	for at, all := range t.Store.entries {
		if at.room == room {
			delete(t.Store.entries, at)
			t.undo = append(t.undo, func() { t.Store.entries[at] = all })
		}
	}
}
