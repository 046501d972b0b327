package sqlite

import (
	"database/sql/driver"

	"ramai/internal/journal"
)

// remove has the statements of removing a room.
type remove struct{ kept, ids, room, bury *stmt }

// keepsIDs tells whether an id is kept for a room.
func (w *writer) keepsIDs(room int64) (bool, error) {
	row, err := w.remove.kept.ints(room)
	return len(row) == 1 && row[0] != 0, err
}

func (t *tx) Kept(room string) (bool, error) { return t.writer.keepsIDs(t.room(room)) }

func (t *tx) Remove(room string, g journal.Grave, last uint64) error {
	if err := t.flush(); err != nil { // what was said in this batch goes too
		return err
	}
	id := t.room(room)
	first, end := id<<numberBits, id<<numberBits|(endNumber-1)
	for _, step := range []struct {
		stmt *stmt
		args []driver.Value
	}{
		{t.trim.cut, []driver.Value{first, end}}, {t.trim.gone, []driver.Value{first, end}}, {t.remove.ids, []driver.Value{id}}, {t.remove.room, []driver.Value{id}},
		{t.remove.bury, []driver.Value{int64(g), int64(last)}}, {t.remove.bury, []driver.Value{int64(-1), id}},
	} {
		if _, err := step.stmt.exec(step.args...); err != nil {
			return err
		}
	}
	delete(t.made, room)
	t.removed[room] = true
	return t.shrink()
}

// Kept looks at what the room was before the batch, which may have made another of the same name.
func (r *replay) Kept(room string) (bool, error) {
	id, known := r.before[room]
	if !known {
		id = r.rooms[room]
	}
	return r.writer.keepsIDs(id)
}

func (r *replay) Remove(string, journal.Grave, uint64) error { return nil }
