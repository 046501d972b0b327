package sqlite

import (
	"database/sql/driver"
	"maps"
	"math"
	"slices"

	"ramai/internal/eventlog"
)

// removeStmts are the statements that delete a room.
type removeStmts struct{ deleteRoom, putRemoved *stmt }

func (t *tx) DeleteRoom(room string, g eventlog.RemovedSlot, last uint64) error {
	if err := t.flush(); err != nil { // records of this batch are deleted, too
		return err
	}
	id := t.roomID(room)
	marked, err := t.dropRoom(id)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		stmt *stmt
		args []driver.Value
	}{
		{t.trim.deleteRecords, []driver.Value{id << numberBits, id<<numberBits | (endNumber - 1)}},
		{t.deleteSpans, []driver.Value{id, int64(math.MaxInt64)}},
		{t.settings.deleteAll, []driver.Value{id}},
		{t.entries.deleteAll, []driver.Value{room}},
		{t.remove.deleteRoom, []driver.Value{id}},
		{t.remove.putRemoved, []driver.Value{int64(g), int64(last)}},
	} {
		if _, err := step.stmt.exec(step.args...); err != nil {
			return err
		}
	}
	delete(t.added, room)
	t.removed[room] = true
	if !marked { // else it is free after the start at which no marks are left
		t.freedIDs = append(t.freedIDs, id)
	}
	return t.vacuum()
}

// unusedIDs returns the ids below the highest that no room has, and of which no marks are left, ascending. There are few,
// and they are used again first, because an id has only 23 bits.
func unusedIDs(rooms map[string]int64, marked []int64) (free []int64, newest int64) {
	used := slices.Sorted(maps.Values(rooms))
	used = append(used, marked...)
	slices.Sort(used)
	used = slices.Compact(used)
	for _, id := range used {
		for newest++; newest < id; newest++ {
			free = append(free, newest)
		}
	}
	return free, newest
}
