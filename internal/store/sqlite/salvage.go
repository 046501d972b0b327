package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// BackupUndamaged is Backup for damaged data: it leaves out what is damaged, and calls found for each piece of damage
// once the backup is complete. Numbers stay the same. A message that says so takes the number of each damaged record. At the
// beginning of a room, and after more than 10,000 damaged messages in a row, the room begins after them, as if
// retention had deleted them. If anything was left out, the backup gets a new history id from random, so that it is
// never mistaken for the original data.
func BackupUndamaged(ctx context.Context, dir, file string, overwrite bool, random io.Reader, found func(damage string)) (*Summary, error) {
	var damage []string
	s, err := backup(ctx, dir, file, overwrite, func(ctx context.Context, from, to string) error {
		damage = nil // from an earlier try
		return salvage(ctx, from, to, random, func(d string) { damage = append(damage, d) })
	})
	if err != nil {
		return nil, err
	}
	for _, d := range damage {
		found(d)
	}
	return s, nil
}

// salvage creates a database at to from the undamaged content of the one at from.
func salvage(ctx context.Context, from, to string, random io.Reader, found func(damage string)) (err error) {
	historyID, err := eventlog.NewHistoryID(random)
	if err != nil {
		return err
	}
	if err := create(to, historyID); err != nil {
		return err
	}
	source, err := connect(from, "query_only=1")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := connect(to, "synchronous=OFF") // moveIntoPlace syncs
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if err := errors.Join(source.exec("BEGIN"), target.exec("BEGIN")); err != nil { // one snapshot for all reads
		return err
	}
	whole := true
	s := &salvager{conn: target, found: func(d string) { whole = false; found(d) }, stmts: map[string]*stmt{}}
	defer func() { err = errors.Join(err, s.close()) }()
	e := &examiner{conn: source, rowDecoder: rowDecoder{rooms: map[int64]string{}}, found: s.found, sink: s}
	if err := e.all(ctx); err != nil {
		return err
	}
	if err := s.countStray(e); err != nil {
		return err
	}
	for _, table := range []string{"spans", "tallies", "settings"} {
		if err := target.exec("DELETE FROM " + table + " WHERE room NOT IN (SELECT id FROM rooms)"); err != nil {
			return err
		}
	}
	if err := target.exec("DELETE FROM entries WHERE room <> '' AND room NOT IN (SELECT name FROM rooms)"); err != nil {
		return err
	}
	for table, record := range map[string]string{"marks": "record", "counts": "record", "pending": "record", "dropped_marks": "first"} {
		if err := target.exec(fmt.Sprintf("DELETE FROM %s WHERE %s >> %d NOT IN (SELECT id FROM rooms)", table, record, numberBits)); err != nil {
			return err
		}
	}
	if whole {
		if err := target.exec("UPDATE meta SET log = ?", e.summary.HistoryID); err != nil {
			return err
		}
	}
	return target.exec("COMMIT")
}

// countStray compares the number of rows with that of the records that were examined.
func (s *salvager) countStray(e *examiner) error {
	stray := -e.summary.Messages
	for _, t := range e.tables {
		rows, err := e.ints("SELECT count(*) FROM " + t.name)
		if err != nil {
			return e.note("the table "+t.name, err)
		}
		stray += rows[0]
	}
	if stray > 0 {
		s.found(fmt.Sprintf("%d records do not belong to any room, or have numbers outside of its bounds", stray))
	}
	return nil
}

const (
	// maxPlaceholders is the limit of placeholders in a row.
	maxPlaceholders = 10_000

	// The content of a placeholder. No key and no token has this sender.
	placeholderSender = "damaged_message_"
	placeholderText   = "[This message was damaged and could not be recovered.]"
)

// salvager writes what an examiner finds undamaged into a new database.
type salvager struct {
	conn
	found   func(string)
	stmts   map[string]*stmt // by query
	scratch []byte

	current   *roomRow  // the room being copied
	hasRecord bool      // the room has a record already
	at        wire.Time // time of its newest record
}

// write executes a statement, which is prepared once.
func (s *salvager) write(query string, values ...driver.Value) error {
	st := s.stmts[query]
	if st == nil {
		var err error
		if st, err = s.prepare(query); err != nil {
			return fmt.Errorf("%w: %w", errCopy, err)
		}
		s.stmts[query] = st
	}
	if _, err := st.exec(values...); err != nil {
		return fmt.Errorf("%w: %w", errCopy, err)
	}
	return nil
}

func (s *salvager) close() (err error) {
	for _, st := range s.stmts {
		err = errors.Join(err, st.Close())
	}
	return err
}

func (s *salvager) beginRoom(r *roomRow) error {
	s.current, s.hasRecord, s.at = r, false, 0
	return nil
}

func (s *salvager) record(r *eventlog.Record) error {
	var sum int64
	sum, s.scratch = checksum(s.scratch, r)
	s.hasRecord, s.at = true, r.At
	return s.write(insert+row, appendRow(nil, keyOf(s.current.id, r.N), r, []byte(r.Body), sum)...)
}

func (s *salvager) damaged(from, to uint64) error {
	if s.hasRecord && to-from < maxPlaceholders {
		for n := from; n <= to; n++ {
			placeholder := eventlog.MessageRecord(&wire.Message{Room: s.current.name, N: n, At: s.at, SenderID: placeholderSender, ID: fmt.Sprint("damaged-", n), Text: placeholderText})
			if err := s.record(&placeholder); err != nil {
				return err
			}
		}
		return nil
	}
	if s.hasRecord {
		s.found(fmt.Sprintf("room %s: records %d to %d are left out, since too many are lost after them", s.current.name, s.current.bounds.First, from-1))
		if err := s.deleteFromRoom(); err != nil {
			return err
		}
	}
	s.current.bounds.First, s.hasRecord = to+1, false
	return nil
}

// deleteFromRoom deletes the records of the current room. Rooms are copied in the order of their ids, so no later room has records yet.
func (s *salvager) deleteFromRoom() error {
	return s.write("DELETE FROM records WHERE key >= ?", keyOf(s.current.id, 0))
}

func (s *salvager) endRoom() error {
	r := s.current
	err := s.write("INSERT INTO rooms(id, name, first, last, at) VALUES(?, ?, ?, ?, ?)", r.id, r.name, int64(r.bounds.First), int64(r.bounds.Last), r.at)
	if isConstraint(err) { // another room has this name
		s.found(fmt.Sprintf("room %s: %v", r.name, err))
		err = s.deleteFromRoom()
	}
	return err
}

// row copies a row of a table with columns as in schema.
func (s *salvager) row(table string, row []driver.Value) error {
	var err error
	switch table {
	case "meta":
		return s.insertRow("UPDATE meta SET position = ?, at = ?", "the table meta", row[2], row[3])
	case "generation":
		return s.insertRow("UPDATE generation SET newest = ?, since = ?", "the table generation", row[1:]...)
	case "limits":
		return s.insertRow("UPDATE limits SET max_rooms = ?, edit_window = ?", "the table limits", row[1:]...)
	case "names":
		err = checkHolder(row[0], row[1], row[2])
	case "registrations":
		err = checkHolder(row[2], row[1], row[0])
	case "settings":
		err = checkSetting(row[1], row[2])
	}
	if err != nil {
		s.found(fmt.Sprintf("the table %s: %v", table, err))
		return nil
	}
	return s.insertRow("INSERT INTO "+table+" VALUES(?"+strings.Repeat(", ?", len(row)-1)+")", "the table "+table, row...)
}

// insertRow executes a statement with values that may be damaged. Rows that violate a constraint are left out.
func (s *salvager) insertRow(query, what string, values ...driver.Value) error {
	err := s.write(query, values...)
	if isConstraint(err) {
		s.found(fmt.Sprintf("%s: a row is invalid: %v", what, err))
		return nil
	}
	return err
}

// isConstraint reports whether a row violates a constraint of the schema.
func isConstraint(err error) bool {
	code := resultCode(err)
	return code == sqlite3.SQLITE_CONSTRAINT || code == sqlite3.SQLITE_MISMATCH
}
