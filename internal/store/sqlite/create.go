package sqlite

import (
	"errors"
	"fmt"
	"os"
)

// A record's key has its number in the lower bits: 2^40 numbers last 3,000 years at ten messages a second.
const (
	numberBits = 40
	endNumber  = 1 << numberBits
)

// The tables. upgrade creates them, too.
const (
	recordsTable = `
CREATE TABLE records(
	key INTEGER PRIMARY KEY,   -- the room's id and, in the lower 40 bits, the number
	at INTEGER NOT NULL,
	by TEXT NOT NULL,
	name TEXT NOT NULL,
	id TEXT NOT NULL,
	kind INTEGER NOT NULL,     -- see eventlog.Kind
	body BLOB NOT NULL,        -- in the encoding of the kind
	checksum INTEGER NOT NULL  -- over all of it, see checksum
) STRICT;`
	// The index of records that are not messages. It costs nothing to add a message.
	othersIndex = `
CREATE INDEX others ON records(key) WHERE kind <> 1;`
	metaTable = `
CREATE TABLE meta(
	one INTEGER PRIMARY KEY CHECK(one = 1),
	log TEXT NOT NULL,
	position INTEGER NOT NULL,
	at INTEGER NOT NULL,       -- of the newest batch
	unsynced INTEGER NOT NULL, -- 1 while commits are not synced
	open INTEGER NOT NULL,     -- 1 while a server uses it
	run TEXT NOT NULL          -- drawn by each server that opens it, see newRun
) STRICT;`
	roomsTable = `
CREATE TABLE rooms(
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	first INTEGER NOT NULL,
	last INTEGER NOT NULL,
	at INTEGER NOT NULL        -- of the newest record
) STRICT;`
	idsTable = `
CREATE TABLE ids(
	generation INTEGER NOT NULL,
	key BLOB NOT NULL,         -- see eventlog.IDKeyOf
	n INTEGER NOT NULL,
	at INTEGER NOT NULL,
	sum INTEGER NOT NULL,      -- over the text, see eventlog.TextSum
	PRIMARY KEY(generation, key)
) STRICT, WITHOUT ROWID;`
	generationTable = `
CREATE TABLE generation(
	one INTEGER PRIMARY KEY CHECK(one = 1),
	newest INTEGER NOT NULL,   -- of ids
	since INTEGER NOT NULL
) STRICT;
INSERT INTO generation(one, newest, since) VALUES(1, 1, 0);`
	namesTable = `
CREATE TABLE names(
	by TEXT NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	key TEXT NOT NULL UNIQUE,
	bound INTEGER NOT NULL,
	used INTEGER NOT NULL,
	node TEXT NOT NULL         -- whose connection a bound name ends with
) STRICT, WITHOUT ROWID;`
	nodesTable = `
CREATE TABLE nodes(            -- see eventlog.NodeState
	node TEXT NOT NULL PRIMARY KEY,
	incarnation INTEGER NOT NULL,
	seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;`
	limitsTable = `
CREATE TABLE limits(           -- see eventlog.Limits
	one INTEGER PRIMARY KEY CHECK(one = 1),
	max_rooms INTEGER NOT NULL,
	edit_window INTEGER NOT NULL -- in nanoseconds
) STRICT;
INSERT INTO limits(one, max_rooms, edit_window) VALUES(1, 0, 0);`
	epochTables = `
CREATE TABLE epochs(
	number INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE spans(            -- in which epoch records of a room were stored
	room INTEGER NOT NULL,
	epoch INTEGER NOT NULL,
	first INTEGER NOT NULL,    -- the first number stored in it
	PRIMARY KEY(room, epoch)
) STRICT, WITHOUT ROWID;`
	removedRoomsTable = `
CREATE TABLE removed_rooms(    -- see eventlog.RemovedSlot
	slot INTEGER PRIMARY KEY,
	last INTEGER NOT NULL
) STRICT;`
	marksTables = `
CREATE TABLE marks(            -- of senders on messages
	record INTEGER NOT NULL,   -- the message's key
	by TEXT NOT NULL,
	key TEXT NOT NULL,
	PRIMARY KEY(record, by, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE counts(           -- of marks, so that nothing has to count rows
	record INTEGER NOT NULL,
	key TEXT NOT NULL,
	count INTEGER NOT NULL,
	PRIMARY KEY(record, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE pending(          -- messages whose counts have changed since their newest tally
	record INTEGER PRIMARY KEY
) STRICT;
CREATE TABLE tallies(          -- see eventlog.TallyTime
	room INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	through INTEGER NOT NULL
) STRICT;
CREATE TABLE dropped_marks(    -- ranges of records whose marks are still to be deleted
	first INTEGER PRIMARY KEY,
	last INTEGER NOT NULL
) STRICT;`
	settingsTable = `
CREATE TABLE settings(         -- of rooms
	room INTEGER NOT NULL,
	key TEXT NOT NULL,
	value BLOB NOT NULL,       -- in CBOR
	n INTEGER NOT NULL,        -- number of the record that has set it
	until INTEGER NOT NULL,    -- when it ends, or 0
	PRIMARY KEY(room, key)
) STRICT, WITHOUT ROWID;`
	entriesTable = `
CREATE TABLE entries(          -- see eventlog.Entry
	tab INTEGER NOT NULL,      -- see eventlog.Table
	room TEXT NOT NULL,
	key BLOB NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY(tab, room, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_entries ON entries(room);`
	registrationsTable = `
CREATE TABLE registrations(    -- of names
	key TEXT NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	by TEXT NOT NULL,
	since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;`
)

// schema creates the tables. Records are stored in the order of an integer key, to which appending is cheapest. Tables
// are STRICT, so that values have the declared types.
const schema = metaTable + roomsTable + recordsTable + othersIndex + registrationsTable + idsTable + generationTable + removedRoomsTable + namesTable + epochTables + nodesTable + limitsTable + marksTables + settingsTable + entriesTable

// newRun generates, in SQL, the run id of a file that no server has opened yet. No two files have the same id, so the
// write-ahead log of one is not mistaken for that of another; see checkWAL.
const newRun = "lower(hex(randomblob(9)))"

// create creates an empty database. It appears under its name once it is complete.
func create(path, historyID string) error {
	unfinished := path + ".new"
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} { // from an earlier try
		if err := os.Remove(unfinished + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(unfinished, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // SQLite's other files inherit its mode
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	c, err := connect(unfinished, "auto_vacuum=INCREMENTAL", synchronous("FULL"))
	if err != nil {
		return err
	}
	script := fmt.Sprintf(`
BEGIN;
PRAGMA application_id=%d;
PRAGMA user_version=%d;
%s
INSERT INTO meta(one, log, position, at, unsynced, open, run) VALUES(1, '%s', 0, 0, 0, 0, %s);
COMMIT;`, owner, version, schema, historyID, newRun)
	if err := errors.Join(c.exec(script), c.Close()); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}
