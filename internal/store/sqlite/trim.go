package sqlite

import (
	"fmt"

	"ramai/internal/eventlog"
)

// trimStmts has the statements of letting go.
type trimStmts struct {
	deleteMessages *stmt
	setGeneration  *stmt
	deleteIDs      *stmt
}

// vacuumPages is how many free pages one trim gives back to the file system: more than it makes free, mostly, and few
// enough that saying need not wait long.
const vacuumPages = 600

// staleIDsQuery asks whether there are ids of a generation below one.
const staleIDsQuery = "SELECT EXISTS (SELECT 1 FROM ids WHERE generation < ?)"

func (t *tx) DeleteMessages(room string, from, to uint64) error {
	if err := t.flush(); err != nil { // what was said in this batch may go in it
		return err
	}
	id := t.roomID(room)
	if _, err := t.trim.deleteMessages.exec(id<<numberBits|int64(from), id<<numberBits|int64(to)); err != nil {
		return err
	}
	return t.vacuum()
}

func (t *tx) DeleteIDs(below uint64) error {
	if _, err := t.trim.deleteIDs.exec(int64(below), int64(eventlog.PruneStep)); err != nil {
		return err
	}
	return t.vacuum()
}

// vacuum gives back free pages.
func (t *tx) vacuum() error { return t.exec(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages)) }

func (r *replay) DeleteMessages(string, uint64, uint64) error { return nil }
func (r *replay) DeleteIDs(uint64) error                      { return nil }
