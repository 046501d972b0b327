package sqlite

import (
	"database/sql/driver"
	"fmt"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// markStmts are the statements about marks.
type markStmts struct {
	selectMarks, insertMark, deleteMark          *stmt
	selectCounts, putCount, deleteCount          *stmt
	selectPending, insertPending, deletePending  *stmt
	putTally, deleteTally                        *stmt
	hasMarks, hasDropped, drop                   *stmt
	selectDropped, pruneMarks, pruneCounts, done *stmt
}

func (m *markStmts) statements() []statement {
	return []statement{
		{&m.selectMarks, "SELECT key FROM marks WHERE record = ? AND by = ? ORDER BY key"},
		{&m.insertMark, "INSERT INTO marks(record, by, key) VALUES(?, ?, ?)"},
		{&m.deleteMark, "DELETE FROM marks WHERE record = ? AND by = ? AND key = ?"},
		{&m.selectCounts, "SELECT key, count FROM counts WHERE record = ?"},
		{&m.putCount, "INSERT INTO counts(record, key, count) VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET count = ?3"},
		{&m.deleteCount, "DELETE FROM counts WHERE record = ? AND key = ?"},
		{&m.selectPending, "SELECT record FROM pending WHERE record > ? AND record <= ? ORDER BY record LIMIT ?"},
		{&m.insertPending, "INSERT INTO pending(record) VALUES(?) ON CONFLICT DO NOTHING"},
		{&m.deletePending, "DELETE FROM pending WHERE record BETWEEN ? AND ?"},
		{&m.putTally, "INSERT INTO tallies(room, at, through) VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = ?2, through = ?3"},
		{&m.deleteTally, "DELETE FROM tallies WHERE room = ?"},
		{&m.hasMarks, "SELECT EXISTS (SELECT 1 FROM marks WHERE record BETWEEN ? AND ?)"},
		{&m.hasDropped, "SELECT EXISTS (SELECT 1 FROM dropped_marks WHERE first BETWEEN ? AND ?)"},
		{&m.drop, "INSERT INTO dropped_marks(first, last) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET last = max(last, ?2)"},
		{&m.selectDropped, "SELECT first, last FROM dropped_marks ORDER BY first LIMIT 1"},
		{&m.pruneMarks, "DELETE FROM marks WHERE (record, by, key) IN (SELECT record, by, key FROM marks WHERE record BETWEEN ? AND ? LIMIT ?)"},
		{&m.pruneCounts, "DELETE FROM counts WHERE (record, key) IN (SELECT record, key FROM counts WHERE record BETWEEN ? AND ? LIMIT ?)"},
		{&m.done, "DELETE FROM dropped_marks WHERE first = ?"},
	}
}

func (t *tx) Marks(room string, n uint64, sender string) (keys []string, err error) {
	err = t.marks.selectMarks.each(func(row []driver.Value) error {
		key, is := row[0].(string)
		if !is {
			return errRowType
		}
		keys = append(keys, key)
		return nil
	}, keyOf(t.roomID(room), n), sender)
	return keys, err
}

func (t *tx) PutMark(room string, n uint64, sender, key string) error {
	_, err := t.marks.insertMark.exec(keyOf(t.roomID(room), n), sender, key)
	return err
}

func (t *tx) DeleteMark(room string, n uint64, sender, key string) error {
	_, err := t.marks.deleteMark.exec(keyOf(t.roomID(room), n), sender, key)
	return err
}

func (t *tx) Counts(room string, n uint64) (wire.Counts, error) {
	counts := wire.Counts{}
	err := t.marks.selectCounts.each(func(row []driver.Value) error {
		key, isKey := row[0].(string)
		count, isCount := row[1].(int64)
		if !isKey || !isCount || count < 1 {
			return fmt.Errorf("room %s: %w: message %d has an invalid count", room, eventlog.ErrDamaged, n)
		}
		counts[key] = uint64(count)
		return nil
	}, keyOf(t.roomID(room), n))
	return counts, err
}

func (t *tx) PutCount(room string, n uint64, key string, count uint64) error {
	record := keyOf(t.roomID(room), n)
	var err error
	if count == 0 {
		_, err = t.marks.deleteCount.exec(record, key)
	} else {
		_, err = t.marks.putCount.exec(record, key, int64(count))
	}
	return err
}

func (t *tx) Pending(room string, after uint64, limit int) (numbers []uint64, err error) {
	id := t.roomID(room)
	err = t.marks.selectPending.each(func(row []driver.Value) error {
		record, is := row[0].(int64)
		if !is {
			return errRowType
		}
		numbers = append(numbers, uint64(record)%endNumber)
		return nil
	}, keyOf(id, after), keyOf(id, endNumber-1), int64(limit))
	return numbers, err
}

func (t *tx) PutPending(room string, n uint64) (bool, error) {
	added, err := t.marks.insertPending.exec(keyOf(t.roomID(room), n))
	return added == 1, err
}

func (t *tx) DeletePending(room string, from, to uint64) (int, error) {
	id := t.roomID(room)
	deleted, err := t.marks.deletePending.exec(keyOf(id, from), keyOf(id, to))
	return int(deleted), err
}

func (t *tx) PutTallyTime(room string, tally eventlog.TallyTime) error {
	_, err := t.marks.putTally.exec(t.roomID(room), int64(tally.At), int64(tally.Through))
	return err
}

func (t *tx) DropMarks(room string, from, to uint64) error {
	id := t.roomID(room)
	_, err := t.dropMarks(keyOf(id, from), keyOf(id, to))
	return err
}

// dropMarks leaves the marks of records to DeleteDroppedMarks, and returns whether there are any.
func (t *tx) dropMarks(first, last int64) (bool, error) {
	found, err := t.marks.hasMarks.ints(first, last)
	if err != nil || found[0] == 0 {
		return false, err
	}
	_, err = t.marks.drop.exec(first, last)
	return true, err
}

// dropRoom drops all marks of a room that is removed, and reports whether there are any left, also from earlier. Then the
// room's id cannot be used again yet: another room's messages would have them.
func (t *tx) dropRoom(id int64) (bool, error) {
	first, last := keyOf(id, 0), keyOf(id, endNumber-1)
	if _, err := t.marks.deletePending.exec(first, last); err != nil {
		return false, err
	}
	if _, err := t.marks.deleteTally.exec(id); err != nil {
		return false, err
	}
	if left, err := t.dropMarks(first, last); left || err != nil {
		return left, err
	}
	left, err := t.marks.hasDropped.ints(first, last)
	return err == nil && left[0] != 0, err
}

func (t *tx) DeleteDroppedMarks() error {
	for left := int64(eventlog.PruneStep); left > 0; {
		dropped, err := t.marks.selectDropped.ints()
		if err != nil || len(dropped) == 0 {
			return err
		}
		for _, s := range []*stmt{t.marks.pruneMarks, t.marks.pruneCounts} {
			deleted, err := s.exec(dropped[0], dropped[1], left)
			if err != nil {
				return err
			}
			if left -= deleted; left == 0 {
				return t.vacuum()
			}
		}
		if _, err := t.marks.done.exec(dropped[0]); err != nil {
			return err
		}
	}
	return nil
}

// HasDroppedMarks implements eventlog.Store.
func (s *Store) HasDroppedMarks() (found bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.reader == nil {
		return false, fmt.Errorf("find marks of deleted messages: %w", s.unavailable())
	}
	err = s.reader.db.QueryRow("SELECT EXISTS (SELECT 1 FROM dropped_marks)").Scan(&found)
	return found, s.recordError("", err)
}

// Marks implements eventlog.Store.
func (s *Store) Marks(room, senderID string, first, last uint64) (wire.Mine, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.reader == nil {
		return nil, fmt.Errorf("read marks in room %s: %w", room, s.unavailable())
	}
	first = max(first, s.state.Bounds(room).First) // what is before it may still have marks
	mine, err := s.reader.readMarks(room, senderID, min(first, endNumber-1), min(last, endNumber-1))
	if err != nil {
		return nil, fmt.Errorf("read marks in room %s: %w", room, s.recordError("", err))
	}
	return mine, nil
}

// marksQuery looks only at messages that have marks: a message can have many of other senders.
const marksQuery = "SELECT record, key FROM marks WHERE by = ?2 AND record IN (SELECT record FROM counts WHERE " +
	"record >= (SELECT id << 40 FROM rooms WHERE name = ?1) + ?3 AND record <= (SELECT id << 40 FROM rooms WHERE name = ?1) + ?4) ORDER BY record, key"

func (r *reader) readMarks(room, senderID string, first, last uint64) (mine wire.Mine, err error) {
	mine = wire.Mine{}
	rows, err := r.marks.Query(room, senderID, int64(first), int64(last))
	if err != nil {
		return nil, err
	}
	defer func() {
		if failed := rows.Close(); err == nil {
			err = failed
		}
	}()
	for rows.Next() {
		var record int64
		var key string
		if err := rows.Scan(&record, &key); err != nil {
			return nil, err
		}
		n := uint64(record) % endNumber
		mine[n] = append(mine[n], key)
	}
	return mine, rows.Err()
}

// addPending loads how many messages of a room are pending.
func (s *saved) addPending(scan func(...any) error) error {
	var room string
	var count int
	err := scan(&room, &count)
	s.Pending[room] = count
	return err
}

// addTally loads the newest tally of a room.
func (s *saved) addTally(scan func(...any) error) error {
	var room string
	var tally eventlog.TallyTime
	err := scan(&room, &tally.At, &tally.Through)
	s.Tallies[room] = tally
	return err
}
