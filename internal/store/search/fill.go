package search

import (
	"errors"
	"fmt"
	"time"

	"ramai/internal/eventlog"
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
