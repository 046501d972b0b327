package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/wire"
)

// Files are checked like network input: a file may be malicious.

const (
	// maxText is the largest limit of a message's length, in bytes, that a server can have.
	maxText = 16 << 10
	// maxImported is the highest number of an imported message. As many numbers remain for new messages.
	maxImported = eventlog.MaxNumber / 2
	// aheadImported is how far the time of an imported message may be ahead of the clock.
	aheadImported = 24 * time.Hour
	// maxRoomID keeps a record's key, which is the room's id above the number, within 63 bits.
	maxRoomID = 1 << (63 - numberBits)
)

// latestTime is later than any clock: restored messages may have been stored while a clock was ahead.
var latestTime = wire.TimeOf(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))

// checkRecord returns an error unless r is a valid record with a time up to latest.
func checkRecord(r *eventlog.Record, latest wire.Time) error {
	if err := r.Check(); err != nil {
		return err
	}
	m, _, err := r.Message()
	if err != nil {
		return err
	}
	posted := r.Kind != eventlog.Tally // which is nobody's
	checks := []*wire.CodedError{wire.CheckRoom(r.Room), wire.CheckText(m.Text, maxText)}
	if posted {
		checks = append(checks, wire.CheckID(r.ID))
	}
	for _, err := range checks {
		if err != nil {
			return errors.New(err.Reason)
		}
	}
	switch {
	case !posted && (r.ID != "" || r.SenderID != "" || r.DisplayName != ""):
		return fmt.Errorf("a %v has a sender or an id, want none", r.Kind)
	case posted && wire.CheckID(r.SenderID) != nil:
		return fmt.Errorf("%.40q is not a sender id", r.SenderID)
	case r.N < 1 || r.N > eventlog.MaxNumber:
		return fmt.Errorf("%d is not a message number", r.N)
	case r.At <= 0:
		return errors.New("its time is not after 1970")
	case r.At > latest:
		return fmt.Errorf("its time is %v, which is in the future", r.At)
	}
	return checkDisplayName(r.DisplayName)
}

// checkDisplayName reports whether a name was valid in any version. The rules for names depend on the version that
// reserved the name, and on its Unicode tables, so this checks only what all versions required.
func checkDisplayName(name string) error {
	switch err := wire.CheckText(name, utf8.UTFMax*4*names.MaxRunes); {
	case err != nil:
		return fmt.Errorf("the name %.40q is invalid: %s", name, err.Reason)
	case strings.ContainsAny(name, "\n\t:"):
		return fmt.Errorf("the name %.40q has a character that is not allowed in names", name)
	case names.Reserved(name) && strings.IndexFunc(name, func(r rune) bool { return r >= utf8.RuneSelf || r <= '@' }) < 0:
		return fmt.Errorf("the name %.40q is reserved for the server", name)
	}
	return nil
}

// checkImported is checkRecord for imports, which have to satisfy today's rules.
func checkImported(r *eventlog.Record, now time.Time) error {
	if err := checkRecord(r, wire.TimeOf(now.Add(aheadImported))); err != nil {
		return err
	}
	switch name, err := names.Parse(r.DisplayName); {
	case len(r.SenderID) != wire.SenderIDLen:
		return fmt.Errorf("%.40q is not a sender id (want %d characters)", r.SenderID, wire.SenderIDLen)
	case r.N > maxImported:
		return fmt.Errorf("a message has the number %d, and at most %d can be imported", r.N, uint64(maxImported))
	case r.DisplayName == "":
		return nil
	case err != nil || name != r.DisplayName:
		return fmt.Errorf("%.40q is not a valid name", r.DisplayName)
	case names.Reserved(name):
		return fmt.Errorf("the name %.40q is reserved for the server", name)
	}
	return nil
}

var (
	comments = regexp.MustCompile(`--[^\n]*`)
	spaces   = regexp.MustCompile(`\s+`)
)

// plainSQL removes comments from a statement, and spaces except between words. Our schema has no strings and no quoted
// names, so different statements stay different.
func plainSQL(s string) string {
	s = spaces.ReplaceAllString(comments.ReplaceAllString(s, " "), " ")
	for _, sign := range []string{"(", ")", ","} {
		s = strings.ReplaceAll(strings.ReplaceAll(s, " "+sign, sign), sign+" ", sign)
	}
	return strings.TrimSpace(s)
}

// checkSchema compares everything that a database declares with the schema of its version: a foreign trigger, view or
// constraint would run within the server.
func checkSchema(c conn) error {
	v, err := c.ints("PRAGMA user_version")
	if err != nil || len(v) != 1 {
		return errors.Join(err, errors.New("its version is missing"))
	}
	want := map[string]bool{}
	for _, statement := range strings.Split(schemaOf(v[0]), ";") {
		if plain := plainSQL(statement); strings.HasPrefix(plain, "CREATE ") {
			want[plain] = true
		}
	}
	err = c.each("SELECT type, name, ifnull(sql, '') FROM sqlite_schema", func(row []driver.Value) error {
		kind, name, sql := row[0].(string), row[1].(string), plainSQL(row[2].(string))
		switch {
		case kind == "index" && strings.HasPrefix(name, "sqlite_autoindex_") && sql == "": // for a UNIQUE constraint
		case kind == "table" && (oldRecordTables[name] != 0 || name == "ids_4"):
			return fmt.Errorf("its upgrade is incomplete (there is a table %s); start the server on its folder once, then make the backup", name)
		case want[sql]:
			delete(want, sql)
		default:
			return fmt.Errorf("the %s %.40q differs from the schema of version %d", kind, name, v[0])
		}
		return nil
	})
	if err == nil && len(want) > 0 {
		err = fmt.Errorf("it lacks a table or an index of version %d: %.60s", v[0], slices.Min(slices.Collect(maps.Keys(want))))
	}
	return err
}

// validate checks a database from elsewhere before it is used: its schema, and then each row.
func validate(ctx context.Context, path string) error {
	found, err := checkFile(path)
	if err == nil && !found {
		err = fmt.Errorf("there is no file %s", path)
	}
	if err != nil {
		return err
	}
	c, err := connect(path, "query_only=1")
	if err != nil {
		return err
	}
	err = checkSchema(c)
	if err == nil {
		err = checkRows(ctx, c)
	}
	return errors.Join(err, c.Close())
}

// validatedRoom is a room whose records are being checked.
type validatedRoom struct {
	*roomRow
	next uint64 // number of its next record
}

// checkRows checks the rows of all tables that are loaded into memory or sent to clients. Ids need no check: they are
// not shown.
func checkRows(ctx context.Context, c conn) error {
	v, err := c.ints("PRAGMA user_version")
	if err != nil {
		return err
	}
	rooms, err := checkRooms(ctx, c)
	if err != nil {
		return err
	}
	if err := checkRecords(ctx, c, recordTableOf(v[0]), rooms); err != nil {
		return err
	}
	for _, table := range []string{"names", registrationsOf(v[0])} {
		if table == "" {
			continue
		}
		err := c.eachRow(ctx, "SELECT by, name, key FROM "+table, func(row []driver.Value) error {
			return checkHolder(row[0], row[1], row[2])
		})
		if err != nil {
			return err
		}
	}
	if v[0] < 9 {
		return nil
	}
	return errors.Join(checkSettings(ctx, c), checkMarks(ctx, c))
}

// checkMarks checks the tables of marks and counts, whose keys are sent to clients.
func checkMarks(ctx context.Context, c conn) error {
	checkKey := func(record, key driver.Value) error {
		if k, is := key.(string); !is || wire.CheckMarkKey(k) != nil {
			return fmt.Errorf("the record %v has a mark with the invalid key %.70q", record, key)
		}
		return nil
	}
	err := c.eachRow(ctx, "SELECT record, by, key FROM marks", func(row []driver.Value) error {
		if by, is := row[1].(string); !is || wire.CheckID(by) != nil {
			return fmt.Errorf("the record %v has a mark of %.70q, which is not a sender id", row[0], row[1])
		}
		return checkKey(row[0], row[2])
	})
	if err != nil {
		return err
	}
	return c.eachRow(ctx, "SELECT record, key, count FROM counts", func(row []driver.Value) error {
		if count, is := row[2].(int64); !is || count < 1 {
			return fmt.Errorf("the record %v has the count %v of marks", row[0], row[2])
		}
		return checkKey(row[0], row[1])
	})
}

// checkRooms checks the table of rooms, and returns them by id.
func checkRooms(ctx context.Context, c conn) (map[int64]*validatedRoom, error) {
	rooms := map[int64]*validatedRoom{}
	err := c.eachRow(ctx, "SELECT id, name, first, last, 0 FROM rooms", func(row []driver.Value) error {
		r, err := parseRoomRow(row)
		if err != nil {
			return err
		}
		rooms[r.id] = &validatedRoom{roomRow: r, next: r.bounds.First}
		return nil
	})
	return rooms, err
}

// checkRecords checks that a table has the records of the rooms, and nothing else.
func checkRecords(ctx context.Context, c conn, table recordTable, rooms map[int64]*validatedRoom) error {
	d := rowDecoder{rooms: make(map[int64]string, len(rooms))}
	for id, r := range rooms {
		d.rooms[id] = r.name
	}
	err := c.eachRow(ctx, table.selection()+" ORDER BY key", func(row []driver.Value) error {
		record, damage := d.decode(row)
		key, _ := row[0].(int64)
		r := rooms[key>>numberBits]
		if r == nil {
			return damage
		}
		if err := checkRecord(&record, latestTime); err != nil {
			return fmt.Errorf("record %d of the room %s: %w", record.N, r.name, err)
		}
		if record.N != r.next || record.N > r.bounds.Last {
			return fmt.Errorf("the room %s has record %d instead of number %d of %d to %d", r.name, record.N, r.next, r.bounds.First, r.bounds.Last)
		}
		r.next++
		return damage
	})
	for _, r := range rooms {
		if err == nil && r.next != r.bounds.Last+1 {
			err = fmt.Errorf("the room %s lacks the records %d to %d", r.name, r.next, r.bounds.Last)
		}
	}
	return err
}

// checkHolder reports whether a sender can have a name.
func checkHolder(by, name, key driver.Value) error {
	b, isBy := by.(string)
	n, isName := name.(string)
	k, isKey := key.(string)
	if err := checkDisplayName(n); err != nil || !isBy || !isName || !isKey || wire.CheckID(b) != nil || n == "" || len(k) > eventlog.MaxNameKey {
		return errors.Join(fmt.Errorf("the name %.40q of %.70q is invalid", n, b), err)
	}
	return nil
}
