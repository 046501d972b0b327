package sqlite

import (
	"fmt"

	"ramai/internal/journal"
	"ramai/wire"
)

// trim has the statements of letting go. ids has no index by number: that would cost each message a row, for what
// happens once to it. So a message that goes leaves its id in gone, where ids lie in the order of numbers.
type trim struct {
	outlive *stmt
	cut     *stmt
	oldest  *stmt
	ids     *stmt
	gone    *stmt
}

const (
	outlive = `INSERT INTO gone(key, at, by, id)
SELECT messages.key, messages.at, messages.by, messages.id FROM messages
JOIN ids ON ids.room = ?1 AND ids.by = messages.by AND ids.id = messages.id AND ids.n = messages.key - (?1 << 40)
WHERE messages.key BETWEEN ?2 AND ?3`

	// oldestGone is the newest of the oldest ids of a room that are old enough; null if there are none.
	oldestGone = `SELECT ifnull(max(key), 0) FROM (SELECT key, at FROM gone WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3) WHERE at <= ?4`

	// vacuumPages is how many free pages one trim gives back to the file system: more than it makes free, mostly, and
	// few enough that saying need not wait long.
	vacuumPages = 600
)

func (t *tx) Cut(room string, from, to uint64) error {
	if err := t.flush(); err != nil { // what was said in this batch may go in it
		return err
	}
	id := t.room(room)
	first, last := id<<numberBits|int64(from), id<<numberBits|int64(to)
	if _, err := t.trim.outlive.exec(id, first, last); err != nil {
		return err
	}
	if _, err := t.trim.cut.exec(first, last); err != nil {
		return err
	}
	return t.shrink()
}

func (t *tx) Forget(room string, before wire.Time) error {
	id := t.room(room)
	first, last := id<<numberBits, id<<numberBits|(endNumber-1)
	newest, err := t.trim.oldest.ints(first, last, int64(journal.TrimStep), int64(before))
	if err != nil || len(newest) != 1 || newest[0] == 0 {
		return err
	}
	if _, err := t.trim.ids.exec(id, first, newest[0]); err != nil {
		return err
	}
	if _, err := t.trim.gone.exec(first, newest[0]); err != nil {
		return err
	}
	return t.shrink()
}

// shrink gives back free pages.
func (t *tx) shrink() error { return t.exec(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages)) }

func (r *replay) Cut(string, uint64, uint64) error { return nil }
func (r *replay) Forget(string, wire.Time) error   { return nil }
