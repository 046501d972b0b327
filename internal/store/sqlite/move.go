package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"ramai/wire"
)

// moveStep is how many rows one step of a move takes.
const moveStep = 2000

// A move brings the rows of an old table of messages into the new one, with their checksums.
type move struct {
	conn
	rooms        map[int64]string // names by id
	read, remove string           // the oldest rows of the old table; all rows up to a key
	scratch      []byte
}

// newMove returns the move of all rows of the table old, which is messages_1 or messages_4 after the version that it is of.
func newMove(c conn, old string) *move {
	m := &move{
		conn: c, rooms: map[int64]string{},
		read:   fmt.Sprintf("SELECT key, at, by, name, id, text FROM %s ORDER BY key LIMIT %d", old, moveStep),
		remove: fmt.Sprintf("DELETE FROM %s WHERE key <= ?", old),
	}
	if old == "messages_1" {
		m.read = fmt.Sprintf("SELECT room << %d | n, at, by, name, id, text FROM messages_1 ORDER BY room, n LIMIT %d", numberBits, moveStep)
		m.remove = fmt.Sprintf("DELETE FROM messages_1 WHERE (room, n) <= (?1 >> %d, ?1 & %d)", numberBits, endNumber-1)
	}
	return m
}

// load reads the names of the rooms.
func (m *move) load() error {
	return m.each("SELECT id, name FROM rooms", func(row []driver.Value) error {
		m.rooms[row[0].(int64)] = row[1].(string)
		return nil
	})
}

// moveRows moves all rows of an old table, and drops it.
func moveRows(c conn, old string) error {
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
		return fmt.Errorf("give back the space of the old table: %w", err)
	}
	return w.checkpoint()
}

// step moves the next rows in one transaction. It returns whether there were any.
func (m *move) step() (bool, error) {
	var rows []driver.Value
	err := m.each(m.read, func(row []driver.Value) error {
		key, at := row[0].(int64), row[1].(int64)
		says := wire.Message{Room: m.rooms[key>>numberBits], N: uint64(key) % endNumber, At: wire.Time(at)}
		for i, s := range []*string{&says.By, &says.From, &says.ID, &says.Text} {
			*s = row[i+2].(string)
		}
		var sum int64
		sum, m.scratch = checksum(m.scratch, &says)
		rows = append(rows, key, at, says.By, says.From, says.ID, says.Text, sum)
		return nil
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	if err := m.exec("BEGIN IMMEDIATE"); err != nil {
		return false, err
	}
	if err := m.write(rows); err != nil {
		return false, errors.Join(err, m.exec("ROLLBACK"))
	}
	return true, m.exec("COMMIT")
}

// write adds rows to the new table, and takes all up to the last of them out of the old one.
func (m *move) write(rows []driver.Value) (err error) {
	add, err := m.prepare(insert + row)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, add.Close()) }()
	for row := range slices.Chunk(rows, columns) {
		if _, err := add.exec(row...); err != nil {
			return err
		}
	}
	return m.exec(m.remove, rows[len(rows)-columns])
}
