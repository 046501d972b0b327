package sqlite

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"ramai/internal/eventlog"
)

// entryStmts are the statements of the table of entries.
type entryStmts struct{ entry, entries, put, delete, deleteAll *stmt }

const (
	entryQuery   = "SELECT value FROM entries WHERE tab = ? AND room = ? AND key = ?"
	entriesQuery = "SELECT key, value FROM entries WHERE tab = ?1 AND room = ?2 AND key >= ?3 AND key < ?4 ORDER BY key LIMIT ?5"
)

func (s *entryStmts) statements() []statement {
	return []statement{
		{&s.entry, entryQuery},
		{&s.entries, entriesQuery},
		{&s.put, "INSERT INTO entries(tab, room, key, value) VALUES(?, ?, ?, ?) ON CONFLICT(tab, room, key) DO UPDATE SET value = excluded.value"},
		{&s.delete, "DELETE FROM entries WHERE tab = ? AND room = ? AND key = ?"},
		{&s.deleteAll, "DELETE FROM entries WHERE room = ?"},
	}
}

func (t *tx) Entry(table eventlog.Table, room, key string) (value string, found bool, err error) {
	err = t.entries.entry.each(func(row []driver.Value) error {
		b, is := row[0].([]byte)
		if !is {
			return errRowType
		}
		value, found = string(b), true
		return nil
	}, int64(table), room, []byte(key))
	return value, found, err
}

func (t *tx) Entries(table eventlog.Table, room, prefix, after string, limit int) (some []eventlog.Entry, err error) {
	from, below := eventlog.EntryRange(prefix, after)
	err = t.entries.entries.each(func(row []driver.Value) error {
		key, isKey := row[0].([]byte)
		value, isValue := row[1].([]byte)
		if !isKey || !isValue {
			return errRowType
		}
		some = append(some, eventlog.Entry{Table: table, Room: room, Key: string(key), Value: string(value)})
		return nil
	}, int64(table), room, []byte(from), []byte(below), int64(clampEntries(limit)))
	return some, err
}

func clampEntries(limit int) int { return max(1, min(limit, eventlog.MaxEntries)) }

func (t *tx) PutEntry(e *eventlog.Entry) error {
	_, err := t.entries.put.exec(int64(e.Table), e.Room, []byte(e.Key), []byte(e.Value))
	return err
}

func (t *tx) DeleteEntry(table eventlog.Table, room, key string) error {
	_, err := t.entries.delete.exec(int64(table), room, []byte(key))
	return err
}

// Entry implements eventlog.Store.
func (s *Store) Entry(table eventlog.Table, room, key string) (value string, found bool, err error) {
	err = s.readEntries(room, func(r *reader) error {
		switch err := r.entry.QueryRow(int64(table), room, []byte(key)).Scan(&value); {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return err
		}
		found = true
		return nil
	})
	return value, found, err
}

// Entries implements eventlog.Store.
func (s *Store) Entries(table eventlog.Table, room, prefix, after string, limit int) (some []eventlog.Entry, err error) {
	from, below := eventlog.EntryRange(prefix, after)
	err = s.readEntries(room, func(r *reader) (err error) {
		rows, err := r.entries.Query(int64(table), room, []byte(from), []byte(below), clampEntries(limit))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			one := eventlog.Entry{Table: table, Room: room}
			if err := rows.Scan(&one.Key, &one.Value); err != nil {
				return err
			}
			some = append(some, one)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return some, nil
}

// readEntries calls read while the store is open.
func (s *Store) readEntries(room string, read func(*reader) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.reader == nil {
		return fmt.Errorf("read entries of the room %q: %w", room, s.unavailable())
	}
	if err := read(s.reader); err != nil {
		return fmt.Errorf("read entries of the room %q: %w", room, s.recordError("", err))
	}
	return nil
}
