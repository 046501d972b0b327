package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"

	"ramai/internal/eventlog"
)

// A move moves the rows of an old table to the table that replaces it.
type move struct {
	rowDecoder
	read    string                                  // selects the first rows of the old table
	key     int                                     // the number of columns in the key, which come first
	remove  string                                  // deletes all rows up to a key
	add     string                                  // inserts one row
	convert func(row []driver.Value) []driver.Value // converts a row of the old table
}

// newMove returns the move of all rows of an old table, whose name ends with the last version that had it.
func newMove(old string, rooms map[int64]string, step int) *move {
	m := &move{rowDecoder: rowDecoder{rooms: rooms}, key: 1, add: insert + row, remove: fmt.Sprintf("DELETE FROM %s WHERE key <= ?", old)}
	m.convert = m.record
	m.read = fmt.Sprintf("%s ORDER BY key LIMIT %d", recordTable{old, oldRecordTables[old]}.selection(), step)
	switch old {
	case "messages_1":
		m.read = fmt.Sprintf("%s ORDER BY room, n LIMIT %d", recordTable{old, 1}.selection(), step)
		m.remove = fmt.Sprintf("DELETE FROM messages_1 WHERE (room, n) <= (?1 >> %d, ?1 & %d)", numberBits, endNumber-1)
	case "ids_4":
		m.key, m.add, m.convert = 3, insertID, m.id
		m.read = fmt.Sprintf("SELECT room, by, id, n, at, sum FROM ids_4 ORDER BY room, by, id LIMIT %d", step)
		m.remove = "DELETE FROM ids_4 WHERE (room, by, id) <= (?, ?, ?)"
	}
	return m
}

// record converts a message to a record. A row that is damaged stays so: only a row that was verified gets a checksum.
func (m *move) record(row []driver.Value) []driver.Value {
	r, err := m.decode(row)
	sum := int64(noChecksum)
	if err == nil {
		sum, m.scratch = checksum(m.scratch, &r)
	}
	return appendRow(nil, row[0].(int64), &r, []byte(r.Body), sum)
}

// id assigns an id to the first generation.
func (m *move) id(row []driver.Value) []driver.Value {
	key := eventlog.IDKeyOf(m.rooms[row[0].(int64)], row[1].(string), row[2].(string))
	return []driver.Value{int64(1), key[:], row[3], row[4], row[5]}
}

// roomNames reads the names of the rooms, by id.
func (c conn) roomNames() (map[int64]string, error) {
	rooms := map[int64]string{}
	return rooms, c.each("SELECT id, name FROM rooms", func(row []driver.Value) error {
		rooms[row[0].(int64)] = row[1].(string)
		return nil
	})
}

// oldTables are the tables that an upgrade moves.
const oldTables = "SELECT name FROM sqlite_schema WHERE name IN ('ids_4', 'messages_1', 'messages_4', 'messages_6') ORDER BY name"

// moveRows moves all rows of the old tables, and drops them.
func (u *upgrader) moveRows() error {
	rooms, err := u.roomNames()
	for err == nil {
		var old string
		if old, err = u.text(oldTables); err != nil || old == "" {
			return err
		}
		err = u.moveTable(old, newMove(old, rooms, u.step))
	}
	return err
}

func (u *upgrader) moveTable(old string, m *move) error {
	for more := true; more; {
		var err error
		if more, err = u.moveSome(m); err != nil {
			return fmt.Errorf("move the rows of the table %s: %w", old, err)
		}
		u.committed()
	}
	w := writer{conn: u.conn}
	if err := u.exec("DROP TABLE " + old); err != nil {
		return err
	}
	u.committed()
	if err := w.checkpoint(); err != nil {
		return err
	}
	if err := u.exec("PRAGMA incremental_vacuum"); err != nil {
		return fmt.Errorf("free the space of the old table: %w", err)
	}
	u.committed()
	return w.checkpoint()
}

// moveSome moves the next rows in one transaction. It reports whether there were any.
func (u *upgrader) moveSome(m *move) (bool, error) {
	var rows [][]driver.Value
	last := make([]driver.Value, m.key)
	err := u.each(m.read, func(row []driver.Value) error {
		copy(last, row)
		rows = append(rows, m.convert(row))
		return nil
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	if err := u.exec("BEGIN IMMEDIATE"); err != nil {
		return false, err
	}
	if err := u.write(m, rows, last); err != nil {
		return false, errors.Join(err, u.exec("ROLLBACK"))
	}
	return true, u.exec("COMMIT")
}

// write adds rows to the new table, and deletes all rows up to last from the old one.
func (u *upgrader) write(m *move, rows [][]driver.Value, last []driver.Value) (err error) {
	add, err := u.prepare(m.add)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, add.Close()) }()
	for _, row := range rows {
		if _, err := add.exec(row...); err != nil {
			return err
		}
	}
	return u.exec(m.remove, last...)
}
