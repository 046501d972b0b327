package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// moveStep is how many rows one step of a move copies.
const moveStep = 2000

// A move copies the rows of an old table to the table that replaces it.
type move struct {
	conn
	rooms   map[int64]string                        // names by id
	read    string                                  // selects the first rows of the old table
	key     int                                     // the number of columns in the key, which come first
	remove  string                                  // deletes all rows up to a key
	add     string                                  // inserts one row
	convert func(row []driver.Value) []driver.Value // converts a row of the old table
	scratch []byte
}

// newMove returns the move of all rows of an old table, whose name ends with the last version that had it.
func newMove(c conn, old string) *move {
	m := &move{
		conn: c, rooms: map[int64]string{}, key: 1, add: insert + row,
		read:   fmt.Sprintf("SELECT key, at, by, name, id, text FROM %s ORDER BY key LIMIT %d", old, moveStep),
		remove: fmt.Sprintf("DELETE FROM %s WHERE key <= ?", old),
	}
	m.convert = m.message
	switch old {
	case "messages_1":
		m.read = fmt.Sprintf("SELECT room << %d | n, at, by, name, id, text FROM messages_1 ORDER BY room, n LIMIT %d", numberBits, moveStep)
		m.remove = fmt.Sprintf("DELETE FROM messages_1 WHERE (room, n) <= (?1 >> %d, ?1 & %d)", numberBits, endNumber-1)
	case "ids_4":
		m.key, m.add, m.convert = 3, insertID, m.id
		m.read = fmt.Sprintf("SELECT room, by, id, n, at, sum FROM ids_4 ORDER BY room, by, id LIMIT %d", moveStep)
		m.remove = "DELETE FROM ids_4 WHERE (room, by, id) <= (?, ?, ?)"
	}
	return m
}

// message adds the checksum of a message.
func (m *move) message(row []driver.Value) []driver.Value {
	key, at := row[0].(int64), row[1].(int64)
	says := wire.Message{Room: m.rooms[key>>numberBits], N: uint64(key) % endNumber, At: wire.Time(at)}
	for i, s := range []*string{&says.SenderID, &says.DisplayName, &says.ID, &says.Text} {
		*s = row[i+2].(string)
	}
	var sum int64
	sum, m.scratch = checksum(m.scratch, &says)
	return []driver.Value{key, at, says.SenderID, says.DisplayName, says.ID, says.Text, sum}
}

// id assigns an id to the first generation.
func (m *move) id(row []driver.Value) []driver.Value {
	key := eventlog.IDKeyOf(m.rooms[row[0].(int64)], row[1].(string), row[2].(string))
	return []driver.Value{int64(1), key[:], row[3], row[4], row[5]}
}

// load reads the names of the rooms.
func (m *move) load() error {
	return m.each("SELECT id, name FROM rooms", func(row []driver.Value) error {
		m.rooms[row[0].(int64)] = row[1].(string)
		return nil
	})
}

// oldTables are the tables that an upgrade moves.
const oldTables = "SELECT name FROM sqlite_schema WHERE name IN ('messages_1', 'messages_4', 'ids_4') ORDER BY name"

// moveRows moves all rows of the old tables, and drops them.
func moveRows(c conn) error {
	for {
		old, err := c.text(oldTables)
		if err == nil && old != "" {
			err = moveTable(c, old)
		}
		if err != nil || old == "" {
			return err
		}
	}
}

func moveTable(c conn, old string) error {
	m := newMove(c, old)
	err := m.load()
	for more := true; more && err == nil; {
		more, err = m.step()
	}
	if err != nil {
		return err
	}
	w := writer{conn: c}
	if err := errors.Join(c.exec("DROP TABLE "+old), w.checkpoint()); err != nil {
		return err
	}
	if err := c.exec("PRAGMA incremental_vacuum"); err != nil {
		return fmt.Errorf("free the space of the old table: %w", err)
	}
	return w.checkpoint()
}

// step moves the next rows in one transaction. It reports whether there were any.
func (m *move) step() (bool, error) {
	var rows [][]driver.Value
	last := make([]driver.Value, m.key)
	err := m.each(m.read, func(row []driver.Value) error {
		copy(last, row)
		rows = append(rows, m.convert(row))
		return nil
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	if err := m.exec("BEGIN IMMEDIATE"); err != nil {
		return false, err
	}
	if err := m.write(rows, last); err != nil {
		return false, errors.Join(err, m.exec("ROLLBACK"))
	}
	return true, m.exec("COMMIT")
}

// write adds rows to the new table, and deletes all rows up to last from the old one.
func (m *move) write(rows [][]driver.Value, last []driver.Value) (err error) {
	add, err := m.prepare(m.add)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, add.Close()) }()
	for _, row := range rows {
		if _, err := add.exec(row...); err != nil {
			return err
		}
	}
	return m.exec(m.remove, last...)
}
