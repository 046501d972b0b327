package sqlite

import (
	"errors"
	"fmt"
	"log/slog"

	"ramai/internal/eventlog"
)

// An upgrader converts a database of an earlier version to this one, before anything else uses it, so that every reader
// sees all rows. New tables are created in one transaction; then rows move in steps, each of them a transaction. An
// interrupted upgrade continues where it stopped. A step frees about as much of the file as it uses, so the file does not
// grow.
type upgrader struct {
	conn
	logger    *slog.Logger
	step      int    // rows of a step
	committed func() // called after each transaction; for tests
}

// moveStep is how many rows one step of an upgrade moves.
const moveStep = 2000

func upgrade(c conn, logger *slog.Logger) error {
	u := upgrader{conn: c, logger: logger, step: moveStep, committed: func() {}}
	return u.run()
}

func (u *upgrader) run() error {
	row, err := u.ints("PRAGMA user_version")
	if err == nil && len(row) != 1 {
		err = errors.New("the version of the database is missing")
	}
	if err != nil {
		return err
	}
	from := row[0]
	if from != version {
		err = u.begin(from)
	}
	old := ""
	if err == nil {
		old, err = u.text(oldTables)
	}
	if err == nil && old != "" {
		u.logger.Info("upgrading the database, which can take some minutes", "from_version", from, "to_version", version)
		err = u.moveRows()
	}
	if isCorrupt(err) {
		err = fmt.Errorf("%w. Restore a backup, or save what can be read with \"ramai backup --skip-damaged\"", err)
	}
	if err != nil {
		return fmt.Errorf("upgrade the database from version %d to %d: %w", from, version, err)
	}
	if from != version || old != "" {
		u.logger.Info("upgraded the database", "from_version", from, "to_version", version)
	}
	return nil
}

// added is the script that each version adds to the previous one. It leaves the table of messages to replaceMessages.
var added = map[int64]string{
	3: goneTable4,
	4: registrationsTable6,
	5: `ALTER TABLE meta RENAME TO meta_4;` + metaTable + `
INSERT INTO meta(one, log, position, at, unsynced, open, run) SELECT one, log, position, at, unsynced, 0, ` + newRun + ` FROM meta_4;
DROP TABLE meta_4;
ALTER TABLE rooms RENAME TO rooms_4;` + roomsTable + `
INSERT INTO rooms(id, name, first, last, at) SELECT id, name, first, last, 0 FROM rooms_4;
DROP TABLE rooms_4;
DROP TABLE gone;
ALTER TABLE ids RENAME TO ids_4;` + idsTable + generationTable + removedRoomsTable6 + epochTables,
	6: `ALTER TABLE names RENAME TO names_5;` + namesTable + `
INSERT INTO names(by, name, key, bound, used, node) SELECT by, name, key, bound, used, '` + eventlog.LocalNode + `' FROM names_5;
DROP TABLE names_5;` + nodesTable + limitsTable7,
	7: registrationsTable + `
INSERT INTO registrations(key, name, by, since) SELECT key, name, by, since FROM owners;
DROP TABLE owners;` + removedRoomsTable + `
INSERT INTO removed_rooms(slot, last) SELECT grave, last FROM graves;
DROP TABLE graves;`,
	8: `ALTER TABLE limits RENAME TO limits_7;` + limitsTable + `
UPDATE limits SET max_rooms = (SELECT max_rooms FROM limits_7);
DROP TABLE limits_7;`,
	9: marksTables + settingsTable9,
	10: `ALTER TABLE settings RENAME TO settings_9;` + settingsTable + `
INSERT INTO settings(room, key, value, n, until) SELECT room, key, value, n, 0 FROM settings_9;
DROP TABLE settings_9;` + entriesTable,
}

// begin creates the tables of this version. The old table of messages stays beside the new one until moveRows has emptied it.
// The log is checkpointed at once, because checkFile reads the version from the file alone.
func (u *upgrader) begin(from int64) error {
	script := "BEGIN IMMEDIATE;\n"
	for v := from + 1; v <= version; v++ {
		script += added[v]
	}
	if from < 7 {
		script += replaceMessages(from)
	}
	if from < 8 {
		script += othersIndex
	}
	script += fmt.Sprintf("\nPRAGMA user_version=%d;\nCOMMIT;", version)
	if err := u.exec(script); err != nil {
		return err
	}
	u.committed()
	w := writer{conn: u.conn}
	return w.checkpoint()
}

// replaceMessages returns the script that creates an empty table of records beside the old one of messages. Before version
// 5, a room had no time, which is that of its newest message.
func replaceMessages(from int64) string {
	old, newest := "messages_6", ""
	switch {
	case from == 1:
		old, newest = "messages_1", "room = rooms.id AND n = rooms.last"
	case from < 5:
		old, newest = "messages_4", fmt.Sprintf("key = rooms.id << %d | rooms.last", numberBits)
	}
	script := ""
	if newest != "" {
		script = fmt.Sprintf("\nUPDATE rooms SET at = ifnull((SELECT at FROM messages WHERE %s), 0);", newest)
	}
	return script + fmt.Sprintf("\nALTER TABLE messages RENAME TO %s;", old) + recordsTable
}
