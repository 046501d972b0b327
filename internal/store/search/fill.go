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

// How the filling goes on.
const (
	turnRows  = 500                    // messages of a turn, which is one transaction
	turnBytes = 256 << 10              // of their texts
	turnGone  = 100                    // messages of one room that leave the index in a turn
	gather    = 100 * time.Millisecond // between turns and after news, so that what is said meanwhile is one turn
	minFree   = 4 * eventlog.MinFree   // space below which the index takes no more, and leaves it to the journal

	shortest, longest = time.Second, time.Minute // between tries, when something is wrong
)

// A pace tells how long to rest after a turn, so that the filling takes a small share of one processor: a quarter while
// little is said, a thirty-second part while much is.
type pace struct {
	now  func() time.Time
	from time.Time // of the newest turn
	said int64     // events up to then
	busy bool
}

const (
	busyRate           = 500 // events a second
	calmRest, busyRest = 3, 31
	longestRest        = time.Second
)

// begin is told when a turn begins, and how many events there were until then.
func (p *pace) begin(said int64) {
	now := p.now()
	elapsed := now.Sub(p.from).Seconds()
	p.busy = float64(said-p.said) > busyRate*elapsed
	p.from, p.said = now, said
}

// rest returns how long to rest after the turn.
func (p *pace) rest() time.Duration {
	rest := calmRest * p.now().Sub(p.from)
	if p.busy {
		rest = busyRest * p.now().Sub(p.from)
	}
	return min(rest, longestRest)
}

// run fills the index until Close.
func (x *Index) run() {
	defer close(x.done)
	pause := shortest
	for x.ctx.Err() == nil {
		x.pace.begin(x.said.Load())
		worked, err := x.turn()
		switch {
		case err != nil:
			x.logger.Warn("the search index is not filled", "err", err, "retry_in", pause)
			x.sleep(pause)
			pause = min(2*pause, longest)
		case worked:
			pause = shortest
			x.sleep(max(gather, x.pace.rest()))
		default:
			if x.behind {
				x.logger.Info("the search index is complete")
				x.behind = false
			}
			select {
			case <-x.news:
				x.sleep(gather)
			case <-x.ctx.Done():
			}
		}
	}
}

func (x *Index) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-x.ctx.Done():
	}
}

// turn does a part of what there is to do, in one transaction, and returns whether there was anything.
func (x *Index) turn() (bool, error) {
	if x.damaged.Swap(false) {
		if err := x.anew("it is damaged"); err != nil {
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
	free, err := x.journal.Free()
	if err == nil && free < minFree {
		err = fmt.Errorf("there are only %d MiB left on the disk, and the last %d are for what is said; make room", free>>20, minFree>>20)
	}
	if err != nil {
		return false, err
	}
	w, err := x.collect()
	if err != nil || len(w.rooms) == 0 {
		return false, err
	}
	if err = x.write(w); err == nil && len(w.gone) > 0 {
		_, err = x.file.db.Exec("PRAGMA incremental_vacuum(1000)") // pages; what is left waits for the next turn
	}
	if damage(err) {
		x.damaged.Store(true)
	}
	return err == nil, err
}

// open opens the index if it is not open, and makes it anew if need be.
func (x *Index) open() error {
	if x.file != nil { // only this goroutine changes it
		return nil
	}
	f, marks, err := load(x.path, x.journal.HistoryID(), x.connections())
	if room, ok := x.fits(marks); err == nil && !ok {
		err = errors.Join(errUnfit(fmt.Sprintf("it has messages of room %s that the journal has not", room)), f.db.Close())
	}
	if unfit := errUnfit(""); errors.As(err, &unfit) || damage(err) {
		return x.anew(err.Error())
	}
	if err != nil {
		return fmt.Errorf("open it: %w", err)
	}
	x.unverified = true
	x.use(f, marks)
	return nil
}

// verify looks at everything in an index that was there, while queries go on, and makes a damaged one anew: a query does not
// notice each page that is damaged.
func (x *Index) verify() error {
	err := x.file.verify(x.ctx)
	if unfit := errUnfit(""); errors.As(err, &unfit) || damage(err) {
		err = x.anew(err.Error())
	}
	x.unverified = err != nil
	return err
}

// connections is one to write, and one for each query.
func (x *Index) connections() int { return 1 + x.queue.Places() }

// fits tells whether the journal has all that the index says to have, and if not, a room of which it has not: the folder, or
// the machine, may have been set back, and other messages may have the same numbers by now.
func (x *Index) fits(marks map[string]mark) (string, bool) {
	heads := x.journal.AllBounds()
	for room, m := range marks {
		_, there := heads[room] // what is of a room that was removed leaves the index, whatever it is
		if m.to > x.journal.Bounds(room).Last || there && !x.journal.Contains(room, &wire.Position{HistoryID: x.journal.HistoryID(), Epoch: m.epoch, N: m.to}) {
			return room, false
		}
	}
	return "", true
}

// anew begins with an empty index.
func (x *Index) anew(why string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file != nil {
		x.file.db.Close() // whatever it says: it goes
		x.file = nil
	}
	f, err := createFile(x.path, x.journal.HistoryID(), x.connections())
	if err != nil {
		return fmt.Errorf("make it anew: %w", err)
	}
	if len(x.journal.AllBounds()) > 0 {
		x.logger.Info("the search index is made anew, searches find more and more meanwhile", "why", why)
		x.behind = true
	}
	x.set(f, map[string]mark{})
	return nil
}

func (x *Index) use(f *file, marks map[string]mark) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.set(f, marks)
}

// set is called with mu held.
func (x *Index) set(f *file, marks map[string]mark) {
	x.marksMu.Lock()
	defer x.marksMu.Unlock()
	x.file, x.marks = f, marks
}

// work is what one turn writes.
type work struct {
	rooms    map[string]mark   // as they will be
	gone     map[string]uint64 // numbers below this leave the index, by room
	removed  map[string]bool   // rooms that the journal has no more: their marks go with the last of their messages
	messages []wire.Message
}

// collect reads what the index has to catch up with, up to a turn of it. Rooms come in an order that is another each
// time, so that none has to wait for a long one.
func (x *Index) collect() (*work, error) {
	w := &work{rooms: map[string]mark{}, gone: map[string]uint64{}, removed: map[string]bool{}}
	rows, bytes := turnRows, turnBytes
	next := int64(1)
	heads := x.journal.AllBounds()
	for room, m := range x.marks {
		next = max(next, m.id+1)
		if _, there := heads[room]; !there && rows > 0 {
			w.rooms[room], w.gone[room], w.removed[room] = m, x.journal.Bounds(room).First, true
			rows -= turnGone
		}
	}
	for room, h := range heads {
		if rows <= 0 || bytes <= 0 {
			break
		}
		m, known := x.marks[room]
		if !known {
			m = mark{id: next, first: h.First}
		}
		m.to = max(m.to, h.First-1)
		if known && h.First > m.first {
			w.rooms[room], w.gone[room] = m, h.First
			rows -= turnGone
		}
		if m.to >= h.Last {
			continue
		}
		messages, _, err := x.journal.Read(room, m.to, rows)
		if errors.Is(err, eventlog.ErrDamaged) {
			x.leaveOut(room, m.to, err) // the others go on
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(messages) == 0 {
			continue
		}
		if !known {
			next++
		}
		for i := range messages {
			bytes -= len(messages[i].Text)
		}
		rows -= len(messages)
		m.to, m.epoch = messages[len(messages)-1].N, x.journal.Epoch().Name
		w.rooms[room] = m
		w.messages = append(w.messages, messages...)
	}
	return w, nil
}

// leaveOut logs, once for each place, that a room is indexed no further.
func (x *Index) leaveOut(room string, to uint64, err error) {
	if x.leftOut == nil {
		x.leftOut = map[string]uint64{}
	}
	if at, known := x.leftOut[room]; known && at == to {
		return
	}
	x.leftOut[room] = to
	x.logger.Error("a room is damaged, and not indexed from there on", "room", room, "after", to, "err", err)
}

// write brings w into the index, and the marks with it. Only the goroutine that fills writes marks and file, so it reads
// them without their locks.
func (x *Index) write(w *work) error {
	tx, err := x.file.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if err := remove(tx, w); err != nil {
		return err
	}
	if err := add(tx, w); err != nil {
		return err
	}
	put, err := tx.Prepare("INSERT INTO rooms(id, name, first, indexed, epoch) VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(id) DO UPDATE SET first = ?3, indexed = ?4, epoch = ?5")
	if err != nil {
		return err
	}
	for room, m := range w.rooms {
		if w.left(room) {
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
	x.marksMu.Lock()
	defer x.marksMu.Unlock()
	for room, m := range w.rooms {
		if x.marks[room] = m; w.left(room) {
			delete(x.marks, room)
		}
	}
	return nil
}

// left tells whether a room was removed, and nothing of it is in the index any more.
func (w *work) left(room string) bool { return w.removed[room] && w.rooms[room].first == w.gone[room] }

// add puts the words of the messages into the index.
func add(tx *sql.Tx, w *work) error {
	text, err := tx.Prepare("INSERT INTO texts(rowid, words) VALUES(?, ?)")
	if err != nil {
		return err
	}
	message, err := tx.Prepare("INSERT INTO messages(place, room, n) VALUES(?, ?, ?)")
	if err != nil {
		return err
	}
	newest, err := tx.Prepare("SELECT max(place) FROM messages WHERE place < ?")
	if err != nil {
		return err
	}
	for i := range w.messages {
		m := &w.messages[i]
		found := tokenize.Index(m.Text)
		if found == "" {
			continue
		}
		room := w.rooms[m.Room].id
		place, err := free(newest, m.At)
		if err != nil {
			return err
		}
		if _, err := message.Exec(place, room, int64(m.N)); err != nil {
			return err
		}
		if _, err := text.Exec(place, roomWord(room)+" "+found); err != nil {
			return err
		}
	}
	return nil
}

// free returns the next free place of a time. If a time has more messages than places, it takes from those that follow.
func free(newest *sql.Stmt, at wire.Time) (int64, error) {
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

// remove takes out of the index some of what is no longer in the journal, the oldest first.
func remove(tx *sql.Tx, w *work) error {
	for room, first := range w.gone {
		m := w.rooms[room]
		places, err := oldest(tx, m.id, first)
		if err != nil {
			return err
		}
		for _, place := range places {
			if _, err := tx.Exec("DELETE FROM texts WHERE rowid = ?", place); err != nil {
				return err
			}
			if _, err := tx.Exec("DELETE FROM messages WHERE place = ?", place); err != nil {
				return err
			}
		}
		if len(places) < turnGone { // that was all of it
			m.first = first
			w.rooms[room] = m
		}
	}
	return nil
}

// oldest returns the places of a turn's share of the messages below first.
func oldest(tx *sql.Tx, room int64, first uint64) (places []int64, err error) {
	rows, err := tx.Query("SELECT place FROM messages WHERE room = ? AND n < ? ORDER BY n LIMIT ?", room, int64(first), turnGone)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var place int64
		if err := rows.Scan(&place); err != nil {
			return nil, err
		}
		places = append(places, place)
	}
	return places, rows.Err()
}
