package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
)

// Tables of earlier versions that were replaced since.
const (
	metaTable4 = `
CREATE TABLE meta(
	one INTEGER PRIMARY KEY CHECK(one = 1),
	log TEXT NOT NULL,
	position INTEGER NOT NULL,
	at INTEGER NOT NULL,
	unsynced INTEGER NOT NULL
) STRICT;`
	roomsTable4 = `
CREATE TABLE rooms(
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	first INTEGER NOT NULL,
	last INTEGER NOT NULL
) STRICT;`
	idsTable4 = `
CREATE TABLE ids(
	room INTEGER NOT NULL,
	by TEXT NOT NULL,
	id TEXT NOT NULL,
	n INTEGER NOT NULL,
	at INTEGER NOT NULL,
	sum INTEGER NOT NULL,
	PRIMARY KEY(room, by, id)
) STRICT, WITHOUT ROWID;`
	messagesTable1 = `
CREATE TABLE messages(
	room INTEGER NOT NULL,
	n INTEGER NOT NULL,
	at INTEGER NOT NULL,
	by TEXT NOT NULL,
	name TEXT NOT NULL,
	id TEXT NOT NULL,
	text TEXT NOT NULL,
	PRIMARY KEY(room, n)
) STRICT, WITHOUT ROWID;`
	messagesTable4 = `
CREATE TABLE messages(
	key INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	by TEXT NOT NULL,
	name TEXT NOT NULL,
	id TEXT NOT NULL,
	text TEXT NOT NULL
) STRICT;`
	messagesTable6 = `
CREATE TABLE messages(
	key INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	by TEXT NOT NULL,
	name TEXT NOT NULL,
	id TEXT NOT NULL,
	text TEXT NOT NULL,
	sum INTEGER NOT NULL       -- see messageChecksum
) STRICT;`
	goneTable4 = `
CREATE TABLE gone(             -- ids that outlive their messages
	key INTEGER PRIMARY KEY,   -- the message's
	at INTEGER NOT NULL,
	by TEXT NOT NULL,
	id TEXT NOT NULL
) STRICT;`
	removedRoomsTable6 = `
CREATE TABLE graves(
	grave INTEGER PRIMARY KEY,
	last INTEGER NOT NULL
) STRICT;`
	registrationsTable6 = `
CREATE TABLE owners(
	key TEXT NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	by TEXT NOT NULL,
	since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;`
	settingsTable9 = `
CREATE TABLE settings(
	room INTEGER NOT NULL,
	key TEXT NOT NULL,
	value BLOB NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY(room, key)
) STRICT, WITHOUT ROWID;`
	limitsTable7 = `
CREATE TABLE limits(
	one INTEGER PRIMARY KEY CHECK(one = 1),
	max_rooms INTEGER NOT NULL
) STRICT;
INSERT INTO limits(one, max_rooms) VALUES(1, 0);`
	namesTable5 = `
CREATE TABLE names(
	by TEXT NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	key TEXT NOT NULL UNIQUE,
	bound INTEGER NOT NULL,
	used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;`
)

// schemaOf returns the script that creates the tables of a version.
func schemaOf(v int64) string {
	const first = metaTable4 + roomsTable4 + idsTable4 + namesTable5
	const fifth = metaTable + roomsTable + messagesTable6 + registrationsTable6 + idsTable + generationTable + removedRoomsTable6 + epochTables
	switch v {
	case 1:
		return first + messagesTable1
	case 2:
		return first + messagesTable4
	case 3:
		return first + messagesTable4 + goneTable4
	case 4:
		return first + messagesTable4 + goneTable4 + registrationsTable6
	case 5:
		return fifth + namesTable5
	case 6:
		return fifth + namesTable + nodesTable + limitsTable7
	case 7:
		return metaTable + roomsTable + recordsTable + registrationsTable + idsTable + generationTable + removedRoomsTable + namesTable + epochTables + nodesTable + limitsTable7
	case 8:
		return metaTable + roomsTable + recordsTable + othersIndex + registrationsTable + idsTable + generationTable + removedRoomsTable + namesTable + epochTables + nodesTable + limitsTable
	case 9:
		return metaTable + roomsTable + recordsTable + othersIndex + registrationsTable + idsTable + generationTable + removedRoomsTable + namesTable + epochTables + nodesTable + limitsTable + marksTables + settingsTable9
	}
	return schema
}

// registrationsOf is the name of the table of registrations in a version; empty if there was none.
func registrationsOf(v int64) string {
	switch {
	case v < 4:
		return ""
	case v < 7:
		return "owners"
	}
	return "registrations"
}

// recordTable is a table with records, and the version that had it.
type recordTable struct {
	name    string
	version int64
}

// oldRecordTables are the names that an upgrade gives to the tables that it replaces, by the last version that had them.
var oldRecordTables = map[string]int64{"messages_1": 1, "messages_4": 4, "messages_6": 6}

// recordTableOf returns the table of a version.
func recordTableOf(v int64) recordTable {
	if v < 7 {
		return recordTable{"messages", v}
	}
	return recordTable{"records", v}
}

// recordTables returns the tables that have records: that of the database's version and, during an upgrade, old ones.
func (c conn) recordTables() ([]recordTable, error) {
	v, err := c.ints("PRAGMA user_version")
	if err == nil && len(v) != 1 {
		err = errors.New("the version of the database is missing")
	}
	if err != nil {
		return nil, err
	}
	tables := []recordTable{recordTableOf(v[0])}
	err = c.each(oldTables, func(row []driver.Value) error {
		name, _ := row[0].(string)
		if old, ok := oldRecordTables[name]; ok {
			tables = append(tables, recordTable{name, old})
		}
		return nil
	})
	return tables, err
}

// selectRecords returns what selects the rows of all tables with keys from one to another, in their order.
func selectRecords(tables []recordTable, from, to int64) string {
	all := make([]string, len(tables))
	for i, t := range tables {
		all[i] = fmt.Sprintf("%s WHERE key BETWEEN %d AND %d", t.selection(), from, to)
	}
	return strings.Join(all, " UNION ALL ") + " ORDER BY key"
}

// selection is what selects rows with the columns of records. Before version 7 all records were messages: such a row has
// no kind, and a text in place of the body. Before version 5 there was no checksum.
func (t recordTable) selection() string {
	switch {
	case t.version == 1:
		return fmt.Sprintf("SELECT room << %d | n AS key, at, by, name, id, NULL, text, NULL FROM %s", numberBits, t.name)
	case t.version < 5:
		return "SELECT key, at, by, name, id, NULL, text, NULL FROM " + t.name
	case t.version < 7:
		return "SELECT key, at, by, name, id, NULL, text, sum FROM " + t.name
	}
	return "SELECT key, at, by, name, id, kind, body, checksum FROM " + t.name
}
