package search

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/tokenize"
	"ramai/wire"
)

// Limits of a turn, and pauses.
const (
	turnRows    = 500                    // records of a turn, which is one transaction
	turnBytes   = 256 << 10              // bytes of their bodies
	turnDeletes = 100                    // messages of one room deleted from the index in a turn
	batchDelay  = 100 * time.Millisecond // between turns, and after Note, so that messages gather
	minFree     = 4 * eventlog.MinFree   // free space below which nothing is indexed, so that the event log has it

	minRetry, maxRetry = time.Second, time.Minute // between attempts after an error
)

// pace determines how long to rest after a turn, so that indexing uses a small part of one processor: a quarter while
// little is published, a thirty-second part otherwise.
type pace struct {
	now       func() time.Time
	turnStart time.Time // of the latest turn
	noted     int64     // events up to then
	busy      bool
}

const (
	busyRate             = 500 // events a second
	calmPause, busyPause = 3, 31
	maxPause             = time.Second
)

// begin is called when a turn begins, with the number of events so far.
func (p *pace) begin(noted int64) {
	now := p.now()
	elapsed := now.Sub(p.turnStart).Seconds()
	p.busy = float64(noted-p.noted) > busyRate*elapsed
	p.turnStart, p.noted = now, noted
}

// pause returns how long to pause after the turn.
func (p *pace) pause() time.Duration {
	pause := calmPause * p.now().Sub(p.turnStart)
	if p.busy {
		pause = busyPause * p.now().Sub(p.turnStart)
	}
	return min(pause, maxPause)
}

// run fills the index until Close.
func (x *Index) run() {
	defer close(x.done)
	pause := minRetry
	for x.ctx.Err() == nil {
		x.pace.begin(x.noted.Load())
		worked, err := x.turn()
		switch {
		case err != nil:
			x.logger.Warn("search indexing failed", "err", err, "retry_in", pause)
			x.sleep(pause)
			pause = min(2*pause, maxRetry)
		case worked:
			pause = minRetry
			x.sleep(max(batchDelay, x.pace.pause()))
		default:
			if x.rebuilding {
				x.logger.Info("search index complete")
				x.rebuilding = false
			}
			select {
			case <-x.wake:
				x.sleep(batchDelay)
			case <-x.untilClean():
			case <-x.ctx.Done():
			}
		}
	}
}

// untilClean returns a channel that receives when clean is due; nil: it is not.
func (x *Index) untilClean() <-chan time.Time {
	due, err := x.cleanDue()
	if err != nil || due.IsZero() {
		return nil
	}
	return time.After(due.Sub(x.pace.now()))
}

func (x *Index) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-x.ctx.Done():
	}
}

// turn does a part of the work in one transaction, and reports whether there was any.
func (x *Index) turn() (bool, error) {
	if x.damaged.Swap(false) {
		if err := x.rebuild("it is damaged"); err != nil {
			return false, err
		}
	}
	if err := x.open(); err != nil {
		return false, err
	}
	if x.unverified {
		if err := x.verify(); err != nil {
			return false, err
		}
	}
	free, err := x.source.Free()
	if err == nil && free < minFree {
		err = fmt.Errorf("the disk has only %d MiB free, and the last %d MiB are reserved for messages; free some space", free>>20, minFree>>20)
	}
	if err != nil {
		return false, err
	}
	if due, err := x.cleanDue(); err != nil || !due.IsZero() && !due.After(x.pace.now()) {
		if err == nil {
			err = x.clean()
		}
		if isBusy(err) {
			x.cleanAgain, err = x.pace.now().Add(cleanRetry), nil
		}
		if isDamage(err) {
			x.damaged.Store(true)
		}
		return err == nil, err
	}
	w, err := x.collect()
	if err != nil || len(w.rooms) == 0 {
		return false, err
	}
	if err = x.write(w); err == nil && len(w.trimmed) > 0 {
		_, err = x.file.db.Exec("PRAGMA incremental_vacuum(1000)") // pages; the rest waits for the next turn
	}
	if isDamage(err) {
		x.damaged.Store(true)
	}
	return err == nil, err
}

// open opens the index unless it is open, and rebuilds it if necessary.
func (x *Index) open() error {
	if x.file != nil { // only this goroutine changes it
		return nil
	}
	f, marks, err := openFile(x.path, x.source.HistoryID(), x.connections())
	if room, ok := x.matchesSource(marks); err == nil && !ok {
		err = errors.Join(unusable(fmt.Sprintf("it has messages of room %s that the event log does not have", room)), f.db.Close())
	}
	if reason := unusable(""); errors.As(err, &reason) || isDamage(err) {
		return x.rebuild(err.Error())
	}
	if err != nil {
		return fmt.Errorf("open the search index: %w", err)
	}
	x.unverified = true
	x.install(f, marks)
	return nil
}

// verify checks an index that existed before the start, while queries run, and rebuilds a damaged one. A query alone
// does not notice every damaged page.
func (x *Index) verify() error {
	err := x.file.verify(x.ctx)
	if reason := unusable(""); errors.As(err, &reason) || isDamage(err) {
		err = x.rebuild(err.Error())
	}
	x.unverified = err != nil
	return err
}

// connections returns one connection for writing and one for each query.
func (x *Index) connections() int { return 1 + x.queue.Slots() }

// matchesSource reports whether the event log has everything that the index claims to have, and if not, a room where it
// does not. The folder or the machine may have been restored from a backup, so that other messages have the same
// numbers.
func (x *Index) matchesSource(marks map[string]roomProgress) (string, bool) {
	bounds := x.source.AllBounds()
	for room, m := range marks {
		_, there := bounds[room] // messages of a removed room are deleted from the index in any case
		if m.to > x.source.Bounds(room).Last || there && !x.source.Contains(room, &wire.Position{HistoryID: x.source.HistoryID(), Epoch: m.epoch, N: m.to}) {
			return room, false
		}
	}
	return "", true
}

// rebuild starts with an empty index.
func (x *Index) rebuild(why string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file != nil {
		x.file.db.Close() // the error does not matter: the file is deleted
		x.file = nil
	}
	f, err := createFile(x.path, x.source.HistoryID(), x.connections())
	if err != nil {
		return fmt.Errorf("rebuild the search index: %w", err)
	}
	if len(x.source.AllBounds()) > 0 {
		x.logger.Info("rebuilding the search index; searches are incomplete until it is done", "reason", why)
		x.rebuilding = true
	}
	x.installLocked(f, map[string]roomProgress{})
	return nil
}

func (x *Index) install(f *file, marks map[string]roomProgress) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.installLocked(f, marks)
}

// installLocked sets file and progress. Called with mu held.
func (x *Index) installLocked(f *file, marks map[string]roomProgress) {
	x.progressMu.Lock()
	defer x.progressMu.Unlock()
	x.file, x.progress, x.mayNeedClean = f, marks, true
}

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
		room, n := records[i].Room, records[i].Changes()
		if n == 0 {
			continue
		}
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
