package sqlite

import (
	"fmt"

	"ramai/internal/eventlog"
)

// trimStmts are the statements that delete old messages and ids.
type trimStmts struct {
	deleteRecords *stmt
	setGeneration *stmt
	deleteIDs     *stmt
}

// vacuumPages is how many free pages one trim returns to the file system: usually more than it frees, and few enough
// that no message waits long.
const vacuumPages = 600

// staleIDsQuery reports whether there are ids of generations below a number.
const staleIDsQuery = "SELECT EXISTS (SELECT 1 FROM ids WHERE generation < ?)"

func (t *tx) DeleteRecords(room string, from, to uint64) error {
	if err := t.flush(); err != nil { // it may delete records of this batch
		return err
	}
	id := t.roomID(room)
	if _, err := t.trim.deleteRecords.exec(id<<numberBits|int64(from), id<<numberBits|int64(to)); err != nil {
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

// vacuum returns free pages to the file system.
func (t *tx) vacuum() error { return t.exec(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages)) }
