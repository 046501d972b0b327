package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"ramai/internal/journal"
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

// renew brings the keys of names that are owned up to what package names makes of them now, which depends on the Unicode
// tables it was made with. One whose new key is another's stays as it is.
func (w *writer) renew(owned []journal.Owning) ([]journal.Owning, error) {
	taken := make(map[string]bool, len(owned))
	for _, o := range owned {
		taken[o.Key] = true
	}
	for i := range owned {
		o := &owned[i]
		key := names.Key(o.Name)
		if taken[key] {
			continue
		}
		if err := w.exec("UPDATE owners SET key = ? WHERE key = ?", key, o.Key); err != nil {
			return nil, fmt.Errorf("renew what names are compared by: %w", err)
		}
		delete(taken, o.Key)
		taken[key], o.Key = true, key
	}
	return owned, nil
}
