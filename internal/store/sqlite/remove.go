package sqlite

import (
	"database/sql/driver"
	"maps"
	"math"
	"slices"

	"ramai/internal/eventlog"
)

// remove has the statements of removing a room.
type remove struct{ room, bury *stmt }

func (t *tx) DeleteRoom(room string, g eventlog.RemovedSlot, last uint64) error {
	if err := t.flush(); err != nil { // what was said in this batch goes too
		return err
	}
	id := t.room(room)
	for _, step := range []struct {
		stmt *stmt
		args []driver.Value
	}{
		{t.trim.cut, []driver.Value{id << numberBits, id<<numberBits | (endNumber - 1)}},
		{t.oldSpans, []driver.Value{id, int64(math.MaxInt64)}},
		{t.remove.room, []driver.Value{id}},
		{t.remove.bury, []driver.Value{int64(g), int64(last)}},
	} {
		if _, err := step.stmt.exec(step.args...); err != nil {
			return err
		}
	}
	delete(t.made, room)
	t.removed[room] = true
	t.freed = append(t.freed, id)
	return t.shrink()
}

// unused returns the ids up to the highest that are no room's, ascending. They are few, and are used again first: an id has
// 23 bits.
func unused(rooms map[string]int64) (free []int64, newest int64) {
	used := slices.Sorted(maps.Values(rooms))
	for _, id := range used {
		for newest++; newest < id; newest++ {
			free = append(free, newest)
		}
	}
	return free, newest
}

func (r *replay) DeleteRoom(string, eventlog.RemovedSlot, uint64) error { return nil }
