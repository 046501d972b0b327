package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"
)

// writer is the writing connection, with its statements.
type writer struct {
	conn
	begin, commit, rollback                  *stmt
	insertID, selectID, oldestID, eraseIDSum *stmt
	insertRow, insertRows                    *stmt // one row, and rowsAtOnce
	selectRow, replaceRow                    *stmt
	putBounds                                *stmt
	putLease, deleteLease                    *stmt
	putRegistration, deleteRegistration      *stmt
	insertEpoch, deleteEpochs                *stmt
	putSpan, deleteSpans                     *stmt
	setPosition                              *stmt
	setNode, setLimits                       *stmt
	trim                                     trimStmts
	remove                                   removeStmts
	settings                                 settingStmts
	marks                                    markStmts
	entries                                  entryStmts

	scratch []byte         // of checksum
	rows    []driver.Value // columns of records that are not written yet
	bodies  []byte         // their bodies
}

// openWriter opens the database, and upgrades it if it is of an earlier version.
func openWriter(path string, logger *slog.Logger) (*writer, error) {
	c, err := connect(path, synchronous("FULL"), "journal_mode=WAL", fmt.Sprintf("journal_size_limit=%d", walSizeLimit))
	if err != nil {
		return nil, err
	}
	if err := upgrade(c, logger); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	w := &writer{conn: c}
	for _, s := range w.statements() {
		if *s.stmt, err = c.prepare(s.query); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

// walSizeLimit is the size in bytes to which the write-ahead log is truncated when it starts over.
const walSizeLimit = 16 << 20

const (
	insert = "INSERT INTO records(key, at, by, name, id, kind, body, checksum) VALUES "
	row    = "(?, ?, ?, ?, ?, ?, ?, ?)"

	// insertID stores an id, unless its generation or the previous one has it.
	insertID = "INSERT INTO ids(generation, key, n, at, sum) SELECT ?1, ?2, ?3, ?4, ?5 " +
		"WHERE NOT EXISTS (SELECT 1 FROM ids WHERE generation = ?1 - 1 AND key = ?2) ON CONFLICT DO NOTHING"

	rowsAtOnce = 16 // the fixed cost of a statement is most of the cost of one row
)

type statement struct {
	stmt  **stmt
	query string
}

func (w *writer) statements() []statement {
	return append([]statement{
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.commit, "COMMIT"},
		{&w.rollback, "ROLLBACK"},
		{&w.insertID, insertID},
		{&w.selectID, "SELECT n, at, sum FROM ids WHERE generation IN (?1, ?1 - 1) AND key = ?2"},
		{&w.oldestID, "SELECT at FROM ids WHERE generation IN (?1, ?1 - 1) AND key BETWEEN ?2 AND ?3 ORDER BY at LIMIT 1"},
		{&w.eraseIDSum, "UPDATE ids SET sum = 0 WHERE generation IN (?1, ?1 - 1, ?1 - 2) AND key = ?2"},
		{&w.insertRow, insert + row},
		{&w.selectRow, "SELECT key, at, by, name, id, kind, body, checksum FROM records WHERE key = ?"},
		{&w.replaceRow, "UPDATE records SET by = ?, name = ?, id = ?, kind = ?, body = ?, checksum = ? WHERE key = ?"},
		{&w.insertRows, insert + row + strings.Repeat(", "+row, rowsAtOnce-1)},
		{&w.putBounds, "INSERT INTO rooms(id, name, first, last, at) VALUES(?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET first = excluded.first, last = excluded.last, at = excluded.at"},
		{&w.putLease, "INSERT INTO names(by, name, key, bound, used, node) VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(by) DO UPDATE SET name = excluded.name, key = excluded.key, bound = excluded.bound, used = excluded.used, node = excluded.node"},
		{&w.deleteLease, "DELETE FROM names WHERE by = ?"},
		{&w.putRegistration, "INSERT INTO registrations(key, name, by, since) VALUES(?, ?, ?, ?)"},
		{&w.deleteRegistration, "DELETE FROM registrations WHERE key = ?"},
		{&w.insertEpoch, "INSERT INTO epochs(number, name) VALUES(?, ?)"},
		{&w.deleteEpochs, "DELETE FROM epochs WHERE number < ?"},
		{&w.putSpan, "INSERT INTO spans(room, epoch, first) VALUES(?, ?, ?)"},
		{&w.deleteSpans, "DELETE FROM spans WHERE room = ? AND epoch < ?"},
		{&w.setNode, "INSERT INTO nodes(node, incarnation, seq) VALUES(?, ?, ?) ON CONFLICT(node) DO UPDATE SET incarnation = excluded.incarnation, seq = excluded.seq"},
		{&w.setLimits, "UPDATE limits SET max_rooms = ?, edit_window = ?"},
		{&w.setPosition, "UPDATE meta SET position = ?, at = ?"},
		{&w.remove.deleteRoom, "DELETE FROM rooms WHERE id = ?"},
		{&w.remove.putRemoved, "INSERT INTO removed_rooms(slot, last) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET last = max(last, ?2)"},
		{&w.trim.deleteRecords, "DELETE FROM records WHERE key BETWEEN ? AND ?"},
		{&w.trim.setGeneration, "UPDATE generation SET newest = ?, since = ?"},
		{&w.settings.put, "INSERT INTO settings(room, key, value, n, until) VALUES(?, ?, ?, ?, ?) ON CONFLICT(room, key) DO UPDATE SET value = excluded.value, n = excluded.n, until = excluded.until"},
		{&w.settings.delete, "DELETE FROM settings WHERE room = ? AND key = ?"},
		{&w.settings.deleteAll, "DELETE FROM settings WHERE room = ?"},
		{&w.trim.deleteIDs, "DELETE FROM ids WHERE (generation, key) IN (SELECT generation, key FROM ids WHERE generation < ? LIMIT ?)"},
	}, slices.Concat(w.marks.statements(), w.entries.statements())...)
}

// close closes the statements first: an open one would keep SQLite's connection, and its locks.
func (w *writer) close() error {
	var err error
	for _, s := range w.statements() {
		if *s.stmt != nil {
			err = errors.Join(err, (*s.stmt).Close())
		}
	}
	return errors.Join(err, w.Close())
}

// errInUseElsewhere means that another program reads or writes the database.
var errInUseElsewhere = errors.New("another program uses the file; stop it first")

// checkpoint moves the whole write-ahead log into the file, syncs both, and empties the log. SQLite's automatic
// checkpoints after commits need no such care: if one fails, the log remains and the next one repeats it.
func (w *writer) checkpoint() error {
	row, err := w.ints("PRAGMA wal_checkpoint(TRUNCATE)")
	switch {
	case resultCode(err) == sqlite3.SQLITE_FULL:
		return fmt.Errorf("checkpoint the write-ahead log: %w; free some disk space first", err)
	case err != nil:
		return fmt.Errorf("checkpoint the write-ahead log: %w", err)
	case len(row) != 3:
		return fmt.Errorf("checkpoint the write-ahead log: the answer has %d columns, not 3", len(row))
	case row[0] != 0:
		return fmt.Errorf("checkpoint the write-ahead log: %w", errInUseElsewhere)
	case row[1] < 0:
		return errors.New("there is no write-ahead log; the data folder must be on a file system with shared memory, such as a local disk")
	}
	return nil
}

// sync sets whether each commit is synced.
func (w *writer) sync(full bool) error {
	level := "NORMAL"
	if full {
		level = "FULL"
	}
	return w.exec("PRAGMA " + synchronous(level))
}

// markOpen records the history id, the new run, and whether its commits are synced.
func (w *writer) markOpen(historyID, run string, unsynced bool) error {
	var flag int64
	if unsynced {
		flag = 1
	}
	return w.exec("UPDATE meta SET log = ?, run = ?, unsynced = ?, open = 1", historyID, run, flag)
}

// markClosed records that the database is complete and not in use.
func (w *writer) markClosed() error { return w.exec("UPDATE meta SET unsynced = 0, open = 0") }

// committed reads the position of the last commit. It fails if a transaction is open.
func (w *writer) committed() (int64, error) {
	if _, err := w.begin.exec(); err != nil {
		return 0, err
	}
	row, err := w.ints("SELECT position FROM meta")
	if _, end := w.rollback.exec(); err != nil || end != nil {
		return 0, errors.Join(err, end)
	}
	if len(row) != 1 {
		return 0, errors.New("the position is missing")
	}
	return row[0], nil
}
