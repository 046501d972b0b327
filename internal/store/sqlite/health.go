package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"

	sqlite3 "modernc.org/sqlite/lib"

	"ramai/internal/eventlog"
)

// health is the damage that reads and writes have found. It stays until another process opens the file: data that was
// damaged once is not reliable.
type health struct {
	mu    sync.Mutex
	whole error            // guarded by mu
	rooms map[string]error // guarded by mu; replaced when it changes
}

// Health implements eventlog.Store.
func (s *Store) Health() eventlog.Health {
	h := &s.health
	h.mu.Lock()
	known := eventlog.Health{Err: h.whole, Rooms: h.rooms}
	h.mu.Unlock()
	if known.Err == nil {
		known.Err = s.checkFiles()
	}
	return known
}

// recordError receives every error of reading a room, or of writing, with an empty room. It records what the error says
// about the data, and returns the error.
func (s *Store) recordError(room string, err error) error {
	if err == nil || isTransient(err) {
		return err
	}
	row := errors.Is(err, eventlog.ErrDamaged)
	if !row {
		err = fmt.Errorf("%w: %w", eventlog.ErrDamaged, err)
	}
	h := &s.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if !row && h.whole == nil {
		h.whole = err
		s.opt.Logger.Error("the database is damaged: all messages are refused. Stop the server, list the damage with ramai check, and restore a backup with ramai restore", "file", s.path(), "err", err)
	}
	if room != "" && h.rooms[room] == nil {
		rooms := maps.Clone(h.rooms)
		if rooms == nil {
			rooms = map[string]error{}
		}
		rooms[room] = err
		h.rooms = rooms
		s.opt.Logger.Error("a room is damaged: new messages in it are refused, and messages after the damage cannot be read. Run ramai check to list the damage", slog.String("room", room), "err", err)
	}
	return err
}

// isTransient reports whether an error says nothing about the data: the next call may succeed.
func isTransient(err error) bool {
	if errors.Is(err, errClosed) || errors.Is(err, errInDoubt) {
		return true
	}
	switch resultCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_FULL:
		return true
	}
	return false
}

// isCorrupt reports whether an error of SQLite means that the file is corrupt.
func isCorrupt(err error) bool {
	switch resultCode(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT:
		return true
	}
	return false
}
