package search

import (
	"database/sql"
	"errors"

	"ramai/internal/eventlog"
	"ramai/internal/tokenize"
	"ramai/wire"
)

// batch is what one turn writes.
type batch struct {
	rooms   map[string]roomProgress // progress after the turn
	trimmed map[string]uint64       // by room: numbers below are deleted from the index
	removed map[string]bool         // rooms that no longer exist; their progress is deleted with their last message
	records []eventlog.Record
	changed map[messageRef]*eventlog.Record // messages that records say were changed, as they are now; nil: deleted
}

// collect reads what is to be indexed next, at most one turn. The order of rooms is random, so that none waits for a
// long one.
func (x *Index) collect() (*batch, error) {
	w := &batch{rooms: map[string]roomProgress{}, trimmed: map[string]uint64{}, removed: map[string]bool{}, changed: map[messageRef]*eventlog.Record{}}
	rows, bytes := turnRows, turnBytes
	next := int64(1)
	bounds := x.source.AllBounds()
	for room, m := range x.progress {
		next = max(next, m.id+1)
		if _, there := bounds[room]; !there && rows > 0 {
			w.rooms[room], w.trimmed[room], w.removed[room] = m, x.source.Bounds(room).First, true
			rows -= turnDeletes
		}
	}
	for room, h := range bounds {
		if rows <= 0 || bytes <= 0 {
			break
		}
		m, known := x.progress[room]
		if !known {
			m = roomProgress{id: next, first: h.First}
		}
		m.to = max(m.to, h.First-1)
		if known && h.First > m.first {
			w.rooms[room], w.trimmed[room] = m, h.First
			rows -= turnDeletes
		}
		if m.to >= h.Last {
			continue
		}
		records, _, err := x.source.Read(room, m.to, rows)
		if errors.Is(err, eventlog.ErrDamaged) {
			x.logStopped(room, m.to, err) // other rooms continue
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(records) == 0 {
			continue
		}
		if !known {
			next++
		}
		for i := range records {
			bytes -= len(records[i].Body)
		}
		rows -= len(records)
		changes, err := x.readChanged(w, records)
		if err != nil {
			return nil, err
		}
		rows -= changes
		m.to, m.epoch = records[len(records)-1].N, x.source.Epoch().Name
		w.rooms[room] = m
		w.records = append(w.records, records...)
	}
	return w, nil
}

// readChanged reads the messages that records say were changed, and returns how many it has read.
func (x *Index) readChanged(w *batch, records []eventlog.Record) (read int, err error) {
	for i := range records {
		room := records[i].Room
		for _, r := range records[i].Changes() {
			for n := r.From; n <= r.To; n++ {
				read++
				now, _, err := x.source.Read(room, n-1, 1)
				if err != nil && !errors.Is(err, eventlog.ErrDamaged) {
					return read, err
				}
				w.changed[messageRef{room, n}] = nil
				if len(now) > 0 && now[0].N == n {
					w.changed[messageRef{room, n}] = &now[0]
				}
			}
		}
	}
	return read, nil
}

// logStopped logs once for each number that a room is not indexed any further.
func (x *Index) logStopped(room string, to uint64, err error) {
	if x.stoppedAt == nil {
		x.stoppedAt = map[string]uint64{}
	}
	if at, known := x.stoppedAt[room]; known && at == to {
		return
	}
	x.stoppedAt[room] = to
	x.logger.Error("room damaged; it is not indexed any further", "room", room, "after", to, "err", err)
}

// write applies w to the index, and to the progress. Only this goroutine writes progress and file, so it reads them
// without locks.
func (x *Index) write(w *batch) error {
	tx, err := x.file.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if err := deleteTrimmed(tx, w); err != nil {
		return err
	}
	if err := insertRecords(tx, w); err != nil {
		return err
	}
	if err := reindex(tx, w, x.pace.now()); err != nil {
		return err
	}
	put, err := tx.Prepare("INSERT INTO rooms(id, name, first, indexed, epoch) VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(id) DO UPDATE SET first = ?3, indexed = ?4, epoch = ?5")
	if err != nil {
		return err
	}
	for room, m := range w.rooms {
		if w.isEmptied(room) {
			_, err = tx.Exec("DELETE FROM rooms WHERE id = ?", m.id)
		} else {
			_, err = put.Exec(m.id, room, int64(m.first), int64(m.to), m.epoch)
		}
		if err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	x.mayNeedClean = x.mayNeedClean || len(w.changed) > 0
	x.progressMu.Lock()
	defer x.progressMu.Unlock()
	for room, m := range w.rooms {
		if x.progress[room] = m; w.isEmptied(room) {
			delete(x.progress, room)
		}
	}
	return nil
}

// isEmptied reports whether a room was removed and nothing of it is left in the index.
func (w *batch) isEmptied(room string) bool {
	return w.removed[room] && w.rooms[room].first == w.trimmed[room]
}

// insertRecords adds the words of the records to the index.
func insertRecords(tx *sql.Tx, w *batch) error {
	text, err := tx.Prepare("INSERT INTO texts(rowid, words) VALUES(?, ?)")
	if err != nil {
		return err
	}
	message, err := tx.Prepare("INSERT INTO messages(sort_key, room, n) VALUES(?, ?, ?)")
	if err != nil {
		return err
	}
	newest, err := tx.Prepare("SELECT max(sort_key) FROM messages WHERE sort_key < ?")
	if err != nil {
		return err
	}
	for i := range w.records {
		r := &w.records[i]
		searched, err := r.SearchText()
		if err != nil {
			return err
		}
		found := tokenize.Index(searched)
		if found == "" {
			continue
		}
		room := w.rooms[r.Room].id
		key, err := nextSortKey(newest, r.At)
		if err != nil {
			return err
		}
		if _, err := message.Exec(key, room, int64(r.N)); err != nil {
			return err
		}
		if _, err := text.Exec(key, roomWord(room)+" "+found); err != nil {
			return err
		}
	}
	return nil
}

// nextSortKey returns the next unused key of a time. If a millisecond has more messages than keys, the keys of the next
// one are used.
func nextSortKey(newest *sql.Stmt, at wire.Time) (int64, error) {
	for ms := min(max(int64(at), -maxTime), maxTime); ; ms++ {
		from, to := ms<<countBits, (ms+1)<<countBits
		var last sql.NullInt64
		if err := newest.QueryRow(to).Scan(&last); err != nil {
			return 0, err
		}
		if !last.Valid || last.Int64 < from {
			return from, nil
		}
		if last.Int64+1 < to {
			return last.Int64 + 1, nil
		}
	}
}

// deleteTrimmed deletes some of the messages that are no longer in the event log, the oldest first.
func deleteTrimmed(tx *sql.Tx, w *batch) error {
	for room, first := range w.trimmed {
		m := w.rooms[room]
		keys, err := oldestKeys(tx, m.id, first)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if _, err := tx.Exec("DELETE FROM texts WHERE rowid = ?", key); err != nil {
				return err
			}
			if _, err := tx.Exec("DELETE FROM messages WHERE sort_key = ?", key); err != nil {
				return err
			}
		}
		if len(keys) < turnDeletes { // that was all
			m.first = first
			w.rooms[room] = m
		}
	}
	return nil
}

// oldestKeys returns the keys of the oldest messages below first, at most turnDeletes.
func oldestKeys(tx *sql.Tx, room int64, first uint64) (keys []int64, err error) {
	rows, err := tx.Query("SELECT sort_key FROM messages WHERE room = ? AND n < ? ORDER BY n LIMIT ?", room, int64(first), turnDeletes)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var key int64
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}
