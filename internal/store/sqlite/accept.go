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
	// maxRoomID keeps a message's key, which is the room's id above the number, within 63 bits.
	maxRoomID = 1 << (63 - numberBits)
)

// latestTime is later than any clock: restored messages may have been stored while a clock was ahead.
var latestTime = wire.TimeOf(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))

// checkMessage reports whether m is a valid message, at the latest time.
func checkMessage(m *wire.Message, latest wire.Time) error {
	for _, err := range []*wire.CodedError{wire.CheckRoom(m.Room), wire.CheckID(m.ID), wire.CheckText(m.Text, maxText)} {
		if err != nil {
			return errors.New(err.Reason)
		}
	}
	switch {
	case wire.CheckID(m.SenderID) != nil:
		return fmt.Errorf("%.40q is not a sender id", m.SenderID)
	case m.N < 1 || m.N > eventlog.MaxNumber:
		return fmt.Errorf("%d is not a message number", m.N)
	case m.At <= 0:
		return errors.New("its time is not after 1970")
	case m.At > latest:
		return fmt.Errorf("its time is %v, which is in the future", m.At)
	}
	return checkDisplayName(m.DisplayName)
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

// checkImported is checkMessage for imports, which have to satisfy today's rules.
func checkImported(m *wire.Message, now time.Time) error {
	if err := checkMessage(m, wire.TimeOf(now.Add(aheadImported))); err != nil {
		return err
	}
	switch name, err := names.Parse(m.DisplayName); {
	case len(m.SenderID) != wire.SenderIDLen:
		return fmt.Errorf("%.40q is not a sender id (want %d characters)", m.SenderID, wire.SenderIDLen)
	case m.N > maxImported:
		return fmt.Errorf("a message has the number %d, and at most %d can be imported", m.N, uint64(maxImported))
	case m.DisplayName == "":
		return nil
	case err != nil || name != m.DisplayName:
		return fmt.Errorf("%.40q is not a valid name", m.DisplayName)
	case names.Reserved(name):
		return fmt.Errorf("the name %.40q is reserved for the server", name)
	}
	return nil
}

// oldSchema has the tables of versions before 5 that were replaced since. Version 1 had messages1 in place of
// messages4.
const (
	oldSchema = `
CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one = 1), log TEXT NOT NULL, position INTEGER NOT NULL, at INTEGER NOT NULL, unsynced INTEGER NOT NULL) STRICT;
CREATE TABLE rooms(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
CREATE TABLE ids(room INTEGER NOT NULL, by TEXT NOT NULL, id TEXT NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY(room, by, id)) STRICT, WITHOUT ROWID;` + namesTable5
	namesTable5 = `
CREATE TABLE names(by TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, key TEXT NOT NULL UNIQUE, bound INTEGER NOT NULL, used INTEGER NOT NULL) STRICT, WITHOUT ROWID;`
	messages1 = `
CREATE TABLE messages(room INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY(room, n)) STRICT, WITHOUT ROWID;`
	messages4 = `
CREATE TABLE messages(key INTEGER PRIMARY KEY, at INTEGER NOT NULL, by TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL) STRICT;`
)

// schemaOf is the script that creates the tables of a version.
func schemaOf(v int64) string {
	switch v {
	case 1:
		return oldSchema + messages1
	case 2:
		return oldSchema + messages4
	case 3:
		return oldSchema + messages4 + goneTable
	case 4:
		return oldSchema + messages4 + goneTable + registrationsTable
	case 5:
		return metaTable + roomsTable + messagesTable + registrationsTable + idsTable + generationTable + removedTable + namesTable5 + epochTables
	}
	return schema
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
		case kind == "table" && (name == "messages_1" || name == "messages_4" || name == "ids_4"):
			return fmt.Errorf("its upgrade is incomplete (there is a table %s); start the server on its folder once, then make the backup", name)
		case kind == "table" && want[sql]:
			delete(want, sql)
		default:
			return fmt.Errorf("the %s %.40q differs from the schema of version %d", kind, name, v[0])
		}
		return nil
	})
	if err == nil && len(want) > 0 {
		err = fmt.Errorf("it lacks a table of version %d: %.60s", v[0], slices.Min(slices.Collect(maps.Keys(want))))
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

// validatedRoom is a room whose messages are being checked.
type validatedRoom struct {
	name        string
	first, last uint64
	next        uint64 // number of its next message
}

// checkRows checks the rows of all tables that are loaded into memory or sent to clients. Ids need no check: they are
// not shown.
func checkRows(ctx context.Context, c conn) error {
	v, err := c.ints("PRAGMA user_version")
	if err != nil {
		return err
	}
	rooms := map[int64]*validatedRoom{}
	err = c.eachRow(ctx, "SELECT id, name, first, last FROM rooms", func(row []driver.Value) error {
		p, err := parseRoomRow(append(slices.Clone(row), int64(0)))
		if err != nil {
			return err
		}
		r := &validatedRoom{name: p.name, first: p.bounds.First, last: p.bounds.Last, next: p.bounds.First}
		rooms[row[0].(int64)] = r
		return nil
	})
	if err != nil {
		return err
	}
	query := "SELECT key, at, by, name, id, text, sum FROM messages ORDER BY key"
	switch { // earlier versions have no checksums
	case v[0] == 1:
		query = fmt.Sprintf("SELECT room << %d | n, at, by, name, id, text FROM messages ORDER BY room, n", numberBits)
	case v[0] < 5:
		query = "SELECT key, at, by, name, id, text FROM messages ORDER BY key"
	}
	var sum int64
	var scratch []byte
	err = c.eachRow(ctx, query, func(row []driver.Value) error {
		key := row[0].(int64)
		m := wire.Message{N: uint64(key) % endNumber, At: wire.Time(row[1].(int64)), SenderID: row[2].(string), DisplayName: row[3].(string), ID: row[4].(string), Text: row[5].(string)}
		r := rooms[key>>numberBits]
		if r == nil {
			return fmt.Errorf("the message with the key %d does not belong to any room", key)
		}
		m.Room = r.name
		if err := checkMessage(&m, latestTime); err != nil {
			return fmt.Errorf("message %d of the room %s: %w", m.N, r.name, err)
		}
		if m.N != r.next || m.N > r.last {
			return fmt.Errorf("the room %s has message %d instead of number %d of %d to %d", r.name, m.N, r.next, r.first, r.last)
		}
		r.next++
		if sum, scratch = checksum(scratch, &m); len(row) == columns && sum != row[6] {
			return checksumError(m.Room, m.N)
		}
		return nil
	})
	for _, r := range rooms {
		if err == nil && r.next != r.last+1 {
			err = fmt.Errorf("the room %s lacks the messages %d to %d", r.name, r.next, r.last)
		}
	}
	if err != nil {
		return err
	}
	tables := []string{"names"}
	if v[0] >= 4 {
		tables = append(tables, "owners")
	}
	for _, table := range tables {
		err := c.eachRow(ctx, "SELECT by, name, key FROM "+table, func(row []driver.Value) error {
			return checkHolder(row[0], row[1], row[2])
		})
		if err != nil {
			return err
		}
	}
	return nil
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
