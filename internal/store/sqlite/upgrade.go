package sqlite

import (
	"errors"
	"fmt"
	"log/slog"

	"ramai/internal/eventlog"
	"ramai/internal/names"
)

// upgrade converts a database of an earlier version to this one. New tables are created in one transaction; then rows move in
// steps, each of them a transaction. An interrupted upgrade continues where it stopped. A step frees about as much of the file
// as it uses, so the file does not grow.
func upgrade(c conn, logger *slog.Logger) error {
	row, err := c.ints("PRAGMA user_version")
	if err == nil && len(row) != 1 {
		err = errors.New("the version of the database is missing")
	}
	if err != nil {
		return err
	}
	from := row[0]
	if from != version {
		err = begin(c, from)
	}
	old := ""
	if err == nil {
		old, err = c.text(oldTables)
	}
	if err == nil && old != "" {
		logger.Info("upgrading the database, which can take some minutes", "from_version", from, "to_version", version)
		err = moveRows(c)
	}
	if err != nil {
		return fmt.Errorf("upgrade the database from version %d to %d: %w", from, version, err)
	}
	if from != version || old != "" {
		logger.Info("upgraded the database", "from_version", from, "to_version", version)
	}
	return nil
}

// added is the script that each version adds to the previous one.
var added = map[int64]string{
	3: goneTable,
	4: registrationsTable,
	5: `ALTER TABLE meta RENAME TO meta_4;` + metaTable + `
INSERT INTO meta(one, log, position, at, unsynced, open, run) SELECT one, log, position, at, unsynced, 0, ` + newRun + ` FROM meta_4;
DROP TABLE meta_4;
ALTER TABLE rooms RENAME TO rooms_4;` + roomsTable + `
INSERT INTO rooms(id, name, first, last, at) SELECT id, name, first, last, 0 FROM rooms_4;
DROP TABLE rooms_4;
DROP TABLE gone;
ALTER TABLE ids RENAME TO ids_4;` + idsTable + generationTable + removedTable + epochTables,
	6: `ALTER TABLE names RENAME TO names_5;` + namesTable + `
INSERT INTO names(by, name, key, bound, used, node) SELECT by, name, key, bound, used, '` + eventlog.LocalNode + `' FROM names_5;
DROP TABLE names_5;` + nodesTable + limitsTable,
}

// begin creates the tables of this version. The old table of messages stays beside the new one until moveRows has emptied it.
// The log is checkpointed at once, because checkFile reads the version from the file alone.
func begin(c conn, from int64) error {
	script := "BEGIN IMMEDIATE;\n"
	for v := from + 1; v <= version; v++ {
		script += added[v]
	}
	if from < 5 {
		script += moveMessages(from)
	}
	script += fmt.Sprintf("\nPRAGMA user_version=%d;\nCOMMIT;", version)
	if err := c.exec(script); err != nil {
		return err
	}
	w := writer{conn: c}
	return w.checkpoint()
}

// moveMessages returns the script that creates an empty table of messages beside the old one, and adds the newest
// message's data to each room.
func moveMessages(from int64) string {
	old, where := "messages_4", fmt.Sprintf("key = rooms.id << %d | rooms.last", numberBits)
	if from == 1 {
		old, where = "messages_1", "room = rooms.id AND n = rooms.last"
	}
	return fmt.Sprintf("UPDATE rooms SET at = ifnull((SELECT at FROM messages WHERE %s), 0);\n", where) +
		fmt.Sprintf("ALTER TABLE messages RENAME TO %s;%s", old, messagesTable)
}

// renewKeys replaces the keys of names by those that package names computes now, which depend on its rules and Unicode
// tables. A name keeps its key if another name has the new one.
func (w *writer) renewKeys(s *saved) error {
	leases, registrations := make(map[string]bool, len(s.Leases)), make(map[string]bool, len(s.Registrations))
	for i := range s.Leases {
		leases[s.Leases[i].Key] = true
	}
	for i := range s.Registrations {
		registrations[s.Registrations[i].Key] = true
	}
	for i := range s.Leases {
		if err := w.renewKey("names", leases, &s.Leases[i].Key, s.Leases[i].Name); err != nil {
			return err
		}
	}
	for i := range s.Registrations {
		if err := w.renewKey("owners", registrations, &s.Registrations[i].Key, s.Registrations[i].Name); err != nil {
			return err
		}
	}
	return nil
}

// renewKey replaces the key of one row of a table. used contains the keys of all rows.
func (w *writer) renewKey(table string, used map[string]bool, old *string, name string) error {
	key := names.Key(name)
	if used[key] {
		return nil
	}
	if err := w.exec("UPDATE "+table+" SET key = ? WHERE key = ?", key, *old); err != nil {
		return fmt.Errorf("renew the keys of names: %w", err)
	}
	delete(used, *old)
	*old, used[key] = key, true
	return nil
}
