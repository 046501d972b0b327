package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Examine reads everything in the database of a data folder that no server uses, and calls found for each piece of
// damage: pages, missing, unreadable or changed messages, and other tables. It changes nothing. An error means that the
// examination failed.
func Examine(ctx context.Context, dir string, found func(damage string)) (*Summary, error) {
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	header, size, err := readHeader(path)
	if err == nil && header == nil {
		err = fmt.Errorf("there is no database in %s; set --data to the data folder of the server", dir)
	}
	if err != nil {
		return nil, err
	}
	stray := checkWAL(path)
	if stray != nil {
		found(stray.Error())
	}
	info, err := os.Stat(path + "-wal")
	c, err := openReadOnly(path, err != nil || info.Size() == 0 || stray != nil) // ignore a write-ahead log of another database
	if err != nil {
		return nil, err
	}
	defer c.Close()
	e := &examiner{conn: c, rowDecoder: rowDecoder{rooms: map[int64]string{}}, found: found, sink: discardSink{}, summary: Summary{Bytes: size}}
	return &e.summary, e.all(ctx)
}

// examiner examines one database.
type examiner struct {
	conn
	rowDecoder
	found   func(string)
	sink    examineSink
	summary Summary
	tables  []recordTable
}

// An examineSink receives what is undamaged. Its errors are wrapped in errCopy and end the examination.
type examineSink interface {
	beginRoom(r *roomRow) error                 // the following calls are for this room, in the order of numbers
	record(r *eventlog.Record) error            // a record of the room
	damaged(from, to uint64) error              // damaged records of the room
	endRoom() error                             // the room is complete
	row(table string, row []driver.Value) error // a row of another table
}

// errCopy means that undamaged data could not be written.
var errCopy = errors.New("write the copy")

// discardSink discards everything.
type discardSink struct{}

func (discardSink) beginRoom(*roomRow) error         { return nil }
func (discardSink) record(*eventlog.Record) error    { return nil }
func (discardSink) damaged(uint64, uint64) error     { return nil }
func (discardSink) endRoom() error                   { return nil }
func (discardSink) row(string, []driver.Value) error { return nil }

// roomRow is a row of the table rooms.
type roomRow struct {
	id     int64
	name   string
	bounds eventlog.Bounds
	at     int64
}

// parseRoomRow parses the columns id, name, first, last and at, and reports whether they are valid.
func parseRoomRow(row []driver.Value) (*roomRow, error) {
	id, isID := row[0].(int64)
	name, isName := row[1].(string)
	first, isFirst := row[2].(int64)
	last, isLast := row[3].(int64)
	at, isAt := row[4].(int64)
	r := &roomRow{id, name, eventlog.Bounds{First: uint64(first), Last: uint64(last)}, at}
	if !isID || !isName || !isFirst || !isLast || !isAt || id < 1 || id >= maxRoomID || wire.CheckRoom(name) != nil ||
		r.bounds.First < 1 || r.bounds.Last > eventlog.MaxNumber || r.bounds.First > r.bounds.Last+1 {
		return nil, fmt.Errorf("the room %d, %.70q, with the numbers %d to %d, is invalid", id, name, first, last)
	}
	return r, nil
}

func (e *examiner) all(ctx context.Context) error {
	pages := e.eachRow(ctx, "PRAGMA quick_check(100)", func(row []driver.Value) error {
		if line, _ := row[0].(string); line != "ok" {
			e.found("the database: " + line)
		}
		return nil
	})
	if err := e.note("the database", pages); err != nil {
		return err
	}
	got, err := e.ints("PRAGMA user_version")
	if err := e.note("the database", err); err != nil || len(got) != 1 {
		return err
	}
	if got[0] != version {
		return fmt.Errorf("the database is of version %d; start the server once to upgrade it", got[0])
	}
	if old, err := e.text(oldTables); err != nil || old == "ids_4" {
		return errors.Join(err, errors.New("the upgrade of the database is incomplete; start the server once to complete it"))
	}
	if e.tables, err = e.recordTables(); err != nil {
		return e.note("the database", err)
	}
	if e.summary.HistoryID, err = e.text("SELECT log FROM meta"); err != nil {
		e.found("the table meta: " + err.Error())
	}
	var rooms []*roomRow
	err = e.eachRow(ctx, "SELECT id, name, first, last, at FROM rooms ORDER BY id", func(row []driver.Value) error {
		r, err := parseRoomRow(row)
		if err != nil {
			e.found(err.Error())
			return nil
		}
		rooms = append(rooms, r)
		e.rooms[r.id] = r.name
		return nil
	})
	if err := e.note("the table rooms", err); err != nil {
		return err
	}
	for _, r := range rooms {
		e.summary.Rooms++
		if err := e.sink.beginRoom(r); err != nil {
			return err
		}
		if err := e.room(ctx, r.id, r.name, r.bounds); err != nil {
			return err
		}
		if err := e.sink.endRoom(); err != nil {
			return err
		}
	}
	for _, table := range []string{"meta", "generation", "ids", "names", "registrations", "epochs", "spans", "removed_rooms", "nodes", "limits", "marks", "counts", "pending", "tallies", "dropped_marks", "settings", "entries"} {
		err := e.eachRow(ctx, "SELECT * FROM "+table, func(row []driver.Value) error { return e.sink.row(table, row) })
		if err := e.note("the table "+table, err); err != nil {
			return err
		}
	}
	return nil
}

// note reports an error as damage, unless the error means that the examination failed.
func (e *examiner) note(what string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, errCopy) || isTransient(err) {
		return err
	}
	e.found(what + ": " + err.Error())
	return nil
}

// room reads the records of a room. After unreadable records it continues at the next readable one.
func (e *examiner) room(ctx context.Context, id int64, name string, head eventlog.Bounds) error {
	next, skip := head.First, uint64(1)
	for next <= head.Last {
		from := next
		query := selectRecords(e.tables, keyOf(id, from+skip-1), keyOf(id, head.Last))
		err := e.eachRow(ctx, query, func(row []driver.Value) error {
			n := uint64(row[0].(int64)) % endNumber
			if n < next { // its page is out of order, which was reported before
				return nil
			}
			if n > next {
				if err := e.missing(name, next, n-1); err != nil {
					return err
				}
			}
			skip = 1
			next = n + 1
			return e.record(row)
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch {
		case err == nil && next <= head.Last:
			return e.missing(name, next, head.Last)
		case err != nil && (isTransient(err) || errors.Is(err, errCopy)):
			return err
		case err != nil && next == from: // no record could be read
			skip *= 2
			if from+skip-1 > head.Last {
				return e.missing(name, next, head.Last)
			}
		}
	}
	return nil
}

func (e *examiner) missing(room string, from, to uint64) error {
	e.found(fmt.Sprintf("room %s: records %d to %d are missing or cannot be read", room, from, to))
	return e.sink.damaged(from, to)
}

// record checks a row.
func (e *examiner) record(row []driver.Value) error {
	e.summary.Messages++
	r, err := e.decode(row)
	if err == nil {
		if err = checkRecord(&r, latestTime); err == nil {
			return e.sink.record(&r)
		}
		err = fmt.Errorf("room %s: record %d is invalid: %w", r.Room, r.N, err)
	}
	e.found(err.Error())
	return e.sink.damaged(r.N, r.N)
}
