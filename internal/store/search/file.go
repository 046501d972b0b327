package search

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// version is the version of the schema and of the tokenizer. An index of another version is rebuilt.
const version = 5

// The rowid of texts and the key "sort_key" have the time in the upper bits and a counter in the lower ones, so that the
// newest hits come first without sorting. The first word of a text is its room. It begins with "_", which no word of a
// query can contain. FTS5's tokenizer takes words as they are, since package tokenize has made them.
const schema = `
CREATE TABLE meta(
	one INTEGER PRIMARY KEY CHECK(one = 1),
	log TEXT NOT NULL,         -- identity of the history
	erased INTEGER NOT NULL    -- since when the file may have words of erased texts, in ms since 1970; 0: it has none
) STRICT;
CREATE TABLE rooms(
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	first INTEGER NOT NULL,    -- numbers below are no longer here
	indexed INTEGER NOT NULL,  -- numbers up to this are here
	epoch TEXT NOT NULL        -- in which the last of them was read
) STRICT;
CREATE TABLE messages(
	sort_key INTEGER PRIMARY KEY, -- the time in ms and, in the lower 20 bits, which one of those
	room INTEGER NOT NULL,
	n INTEGER NOT NULL,
	UNIQUE(room, n)
) STRICT;
CREATE VIRTUAL TABLE texts USING fts5(words, content='', contentless_delete=1, tokenize="ascii tokenchars '_'");
`

const (
	countBits = 20
	maxTime   = 1 << 42 // ms before and after 1970; times outside are cut to it
	maxNumber = math.MaxInt64
)

// roomWord returns the word that stands for a room.
func roomWord(id int64) string { return "_" + strconv.FormatInt(id, 10) }

// file is an open index.
type file struct {
	db     *sql.DB
	memory bool
}

// unusable is the reason why an existing index cannot be used.
type unusable string

func (e unusable) Error() string { return string(e) }

func connect(path string, connections int) (*file, error) {
	source, memory := "file::memory:?_pragma=temp_store(MEMORY)", path == ""
	if memory {
		connections = 1 // each connection would have a memory of its own
	} else {
		source = onDisk(path, url.Values{"mode": {"rwc"}, "_pragma": {"busy_timeout=5000", "auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=NORMAL", "secure_delete=1",
			"fullfsync=1", "checkpoint_fullfsync=1"}}) // for macOS, where fsync alone does not reach the disk
	}
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return &file{db: db, memory: memory}, nil
}

// onDisk returns the driver's name for the file at path.
func onDisk(path string, query url.Values) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// readSource returns the driver's name for an index that no process uses, opened read-only.
func readSource(path string) string {
	query := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout=5000"}}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		query.Set("immutable", "1") // with a write-ahead log, SQLite needs a -shm file beside it and creates it
	}
	return onDisk(path, query)
}

// openFile opens the index at path. It returns an unusable error if there is none, or none that can be used.
func openFile(path, historyID string, connections int) (*file, map[string]roomProgress, error) {
	if path == "" {
		return nil, nil, unusable("it was in memory")
	}
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = unusable("no index exists")
		}
		return nil, nil, err
	}
	f, err := connect(path, connections)
	if err != nil {
		return nil, nil, err
	}
	marks, err := f.readProgress(historyID)
	if err != nil {
		return nil, nil, errors.Join(err, f.db.Close())
	}
	return f, marks, nil
}

// readProgress returns the progress of each room, if the index is of this history and version.
func (f *file) readProgress(historyID string) (map[string]roomProgress, error) {
	var was int
	if err := f.db.QueryRow("PRAGMA user_version").Scan(&was); err != nil {
		return nil, err
	}
	if was != version {
		return nil, unusable("it has another version")
	}
	var of string
	if err := f.db.QueryRow("SELECT log FROM meta").Scan(&of); err != nil {
		return nil, err
	}
	if of != historyID {
		return nil, unusable("it belongs to another history")
	}
	marks := map[string]roomProgress{}
	rows, err := f.db.Query("SELECT name, id, first, indexed, epoch FROM rooms")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var m roomProgress
		if err := rows.Scan(&name, &m.id, &m.first, &m.to, &m.epoch); err != nil {
			return nil, err
		}
		marks[name] = m
	}
	return marks, rows.Err()
}

// createFile creates an empty index at path and deletes any other one.
func createFile(path, historyID string, connections int) (*file, error) {
	if path != "" {
		for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
			if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		// SQLite's other files get the same mode.
		empty, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		if err := empty.Close(); err != nil {
			return nil, err
		}
	}
	f, err := connect(path, connections)
	if err != nil {
		return nil, err
	}
	_, err = f.db.Exec("BEGIN;"+schema+fmt.Sprintf("PRAGMA user_version=%d; INSERT INTO meta VALUES(1, ?, 0); COMMIT", version), historyID)
	if err != nil {
		return nil, errors.Join(err, f.db.Close())
	}
	return f, nil
}

// close closes the index. The last connection checkpoints the write-ahead log.
func (f *file) close() error { return f.db.Close() }

// verify checks the whole index: its pages, and the consistency of its tables.
func (f *file) verify(ctx context.Context) error {
	var found string
	if err := f.db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return unusable(fmt.Sprintf("it is damaged: %.200s", found))
	}
	return nil
}

// Check verifies the index at path, which no server may be using, and returns an error that says what is damaged. A
// missing index is not an error. Check changes nothing.
func Check(ctx context.Context, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	db, err := sql.Open("sqlite", readSource(path))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	return errors.Join((&file{db: db}).verify(ctx), db.Close())
}

// endKey returns the key at which a search ends: it finds messages with smaller keys.
func (f *file) endKey(ctx context.Context, p messageRef, known func(room string) (int64, bool)) (int64, error) {
	id, ok := known(p.room)
	if !ok {
		return math.MaxInt64, nil
	}
	var end sql.NullInt64
	// The message may be deleted or have no words: use the next one of its room.
	err := f.db.QueryRowContext(ctx, "SELECT sort_key FROM messages WHERE room = ? AND n >= ? ORDER BY n LIMIT 1", id, int64(p.n)).Scan(&end)
	if errors.Is(err, sql.ErrNoRows) {
		return math.MaxInt64, nil
	}
	return end.Int64, err
}

// match calls hit for each matching message with a key below end, newest first, until hit returns false.
func (f *file) match(ctx context.Context, match string, end int64, hit func(room string, n uint64) (bool, error)) (err error) {
	rows, err := f.db.QueryContext(ctx, `SELECT rooms.name, messages.n
		FROM texts CROSS JOIN messages ON messages.sort_key = texts.rowid CROSS JOIN rooms ON rooms.id = messages.room
		WHERE texts MATCH ? AND texts.rowid < ? ORDER BY texts.rowid DESC`, match, end)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := ctx.Err(); err != nil { // the rows notice a moment later
			return err
		}
		var room string
		var n int64
		if err := rows.Scan(&room, &n); err != nil {
			return err
		}
		if more, err := hit(room, uint64(n)); !more || err != nil {
			return err
		}
	}
	return rows.Err()
}

// isDamage reports whether err means that the index itself is damaged. Other errors may go away by themselves.
func isDamage(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH,
		sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_INTERNAL:
		return true
	}
	return false
}
