package sqlite

import (
	"errors"
	"fmt"
	"log/slog"

	"ramai/internal/names"
)

// upgrade brings a database of an earlier version up to this one, in one transaction, or leaves it as it is. From version
// 1, for a while, that takes room for all rows twice, once in the write-ahead log and once in the file: free says how many
// bytes there are, and if they are too few nothing is begun. Afterwards the file is as long as before.
func upgrade(c conn, free func() (uint64, error), log *slog.Logger) error {
	row, err := c.ints("PRAGMA user_version")
	if err == nil && len(row) != 1 {
		err = errors.New("the version of the database is missing")
	}
	if err != nil || row[0] == version {
		return err
	}
	switch row[0] {
	case 1:
		var need uint64
		if need, err = checkRoom(c, free); err == nil {
			log.Info("upgrading the database, which takes a while", "from", row[0], "to", version, "bytes_needed", need)
			err = rewrite(c)
		}
	case 2:
		err = add(c, goneTable+ownersTable)
	default:
		err = add(c, ownersTable)
	}
	if err != nil {
		return fmt.Errorf("upgrade the database from version %d to %d: %w", row[0], version, err)
	}
	log.Info("upgraded the database", "from", row[0], "to", version)
	return nil
}

// checkRoom returns how many bytes an upgrade takes, if there is room for them.
func checkRoom(c conn, free func() (uint64, error)) (need uint64, err error) {
	used, err := c.ints(`SELECT (page_count - freelist_count) * page_size
FROM pragma_page_count, pragma_freelist_count, pragma_page_size`)
	if err == nil && len(used) != 1 {
		err = errors.New("the size of the database is missing")
	}
	if err != nil {
		return 0, err
	}
	need = 2 * uint64(used[0])
	have, err := free()
	if err != nil {
		return 0, fmt.Errorf("ask how much space is free: %w", err)
	}
	if have < need {
		return 0, fmt.Errorf("for a while this takes %d MB of free space, and there are %d MB; make room first, nothing was changed",
			need>>20+1, have>>20)
	}
	return need, nil
}

// add makes the tables that this version has and an earlier one had not. See rewrite for the checkpoint.
func add(c conn, tables string) error {
	if err := c.exec(fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA user_version=%d; COMMIT;", tables, version)); err != nil {
		return err
	}
	w := writer{conn: c}
	return w.checkpoint()
}

// rewrite makes the tables of version 1 those of this one. What is only in the write-ahead log is not in the header
// that checkFile reads, so the log is checkpointed at once, and once more when the space of the old table is given back.
func rewrite(c conn) error {
	w := writer{conn: c}
	err := c.exec(fmt.Sprintf(`
BEGIN IMMEDIATE;
ALTER TABLE messages RENAME TO messages_1;
%s
INSERT INTO messages SELECT room << 40 | n, at, by, name, id, text FROM messages_1 ORDER BY room, n;
DROP TABLE messages_1;
%s
PRAGMA user_version=%d;
COMMIT;`, messagesTable, goneTable+ownersTable, version))
	if err != nil {
		return err
	}
	if err := w.checkpoint(); err != nil {
		return err
	}
	if err := c.exec("PRAGMA incremental_vacuum"); err != nil {
		return fmt.Errorf("give back the space of the old table: %w", err)
	}
	return w.checkpoint()
}

// renewKeys brings what names are compared by up to what package names makes of them now, which depends on its rules and
// on its Unicode tables. A name whose new key is another's stays as it is.
func (w *writer) renewKeys(s *saved) error {
	held, owned := make(map[string]bool, len(s.held)), make(map[string]bool, len(s.owned))
	for i := range s.held {
		held[s.held[i].Key] = true
	}
	for i := range s.owned {
		owned[s.owned[i].Key] = true
	}
	for i := range s.held {
		if err := w.renewKey("names", held, &s.held[i].Key, s.held[i].Name); err != nil {
			return err
		}
	}
	for i := range s.owned {
		if err := w.renewKey("owners", owned, &s.owned[i].Key, s.owned[i].Name); err != nil {
			return err
		}
	}
	return nil
}

// renewKey gives one row of a table its new key. taken has the keys of all of them.
func (w *writer) renewKey(table string, taken map[string]bool, old *string, name string) error {
	key := names.Key(name)
	if taken[key] {
		return nil
	}
	if err := w.exec("UPDATE "+table+" SET key = ? WHERE key = ?", key, *old); err != nil {
		return fmt.Errorf("renew what names are compared by: %w", err)
	}
	delete(taken, *old)
	*old, taken[key] = key, true
	return nil
}
