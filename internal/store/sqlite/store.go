// Package sqlite implements eventlog.Store with one file, ramai.db, in a data folder. SQLite puts its write-ahead log beside
// it, and ramai.lock keeps a second server from using the folder.
//
// One connection writes; each batch is one transaction, synced before Apply returns unless [Normal] was asked for. A few
// others read, and none holds a read transaction open between calls, so the write-ahead log stays short. When a commit
// fails in a way that leaves open whether it reached the disk, [Store.Reopen] closes every connection, lets SQLite
// recover the file, and reads its position.
package sqlite

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Durability is what a commit waits for.
type Durability uint8

const (
	// Full syncs each commit to disk: saved messages survive a power cut.
	Full Durability = iota
	// Normal leaves syncing to the operating system: a power cut may lose the newest commits. How many is unknown, so
	// a store that was not closed properly gets a new history id when it is next opened.
	Normal
)

// Options configures a Store.
type Options struct {
	Durability Durability
	Random     io.Reader    // source of history ids
	Logger     *slog.Logger // receives errors that do not stop the store
	Member     bool         // the caller orders batches together with the other members of the folder's cluster
}

// ErrInUse means that another server uses the data folder.
var ErrInUse = errors.New("another server uses this data folder")

var (
	errClosed  = errors.New("the store is closed")
	errInDoubt = errors.New("it is unknown whether the last batch is stored; Reopen must succeed first")
)

// state is the part of what is stored that is held in memory.
type state = eventlog.State

// Store implements eventlog.Store.
type Store struct {
	state // implements most of the reading methods of eventlog.Store

	dir       string
	opt       Options
	lock      *flock.Flock
	historyID string        // set by Open
	position  atomic.Uint64 // written by the goroutine that applies

	runID  string // set by Open
	health health
	files  atomic.Pointer[identity] // nil: not open

	mu     sync.RWMutex // held shared to use the fields below, exclusively to open and close them
	writer *writer      // nil: closed, or Reopen failed
	reader *reader      // nil with writer
	closed bool

	// Owned by the goroutine that applies.
	roomIDs  map[string]int64                // id by name, as committed
	freeIDs  []int64                         // ids below newestID without a room, ascending
	newestID int64                           // the highest id of a room
	outcomes []eventlog.Outcome              // of the batch at position; nil: an earlier process applied it
	inDoubt  *decided                        // the batch at position+1, if it is unknown whether it is stored
	commit   func(commit func() error) error // calls its argument; tests inject faults
}

// Open opens the data folder dir. It creates a missing folder with mode 0700. It returns ErrInUse (wrapped) if another
// server uses the folder. A folder that is not writable, or whose ramai.db belongs to another program or a newer
// version, is an error and stays unchanged.
func Open(dir string, opt Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the data folder %s: %w", dir, err)
	}
	if err := checkMember(dir); err != nil && !opt.Member {
		return nil, err
	}
	lock, err := prepare(dir, opt.Random)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, opt: opt, lock: lock, commit: func(commit func() error) error { return commit() }}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", s.path(), err), s.disconnect(), lock.Unlock())
	}
	return s, nil
}

func (s *Store) path() string { return filepath.Join(s.dir, FileName) }

// load reads the state that an earlier process left.
func (s *Store) load() error {
	defer announce(s.dir)()
	if err := inspect(s.path(), false); err != nil {
		return err
	}
	if err := s.connect(); err != nil {
		return err
	}
	saved, err := s.reader.load()
	if err != nil {
		return err
	}
	s.historyID = saved.historyID
	if saved.unsynced {
		if s.historyID, err = eventlog.NewHistoryID(s.opt.Random); err != nil {
			return err
		}
		s.opt.Logger.Warn("the server was not stopped properly, so its newest messages may be missing; the history id was replaced", "old_log", saved.historyID, "new_log", s.historyID)
	}
	nonce, err := eventlog.NewHistoryID(s.opt.Random)
	if err != nil {
		return err
	}
	before, _, _ := strings.Cut(saved.run, " ")
	s.runID = nonce + " " + before
	normal := s.opt.Durability == Normal
	if err := errors.Join(s.writer.markOpen(s.historyID, s.runID, normal), s.writer.checkpoint()); err != nil {
		return err
	}
	if err := s.identify(); err != nil {
		return err
	}
	s.position.Store(saved.position)
	s.roomIDs = saved.roomIDs
	s.freeIDs, s.newestID = unusedIDs(s.roomIDs, saved.markedIDs)
	saved.Snapshot.LoadInto(&s.state)
	return s.writer.sync(!normal)
}

// connect opens the connections. The write-ahead log may have content that was never synced, if a sync failed or a
// process was killed between write and sync. That content has to be on disk before anyone reads it. No other process
// may read meanwhile, so a running backup has to yield.
func (s *Store) connect() error {
	var err error
	if s.writer, err = openWriter(s.path(), s.opt.Logger); err != nil {
		return err
	}
	if err := s.writer.checkpoint(); err != nil {
		return err
	}
	s.reader, err = openReader(s.path())
	return err
}

// identify records which files are open, see identity.
func (s *Store) identify() error {
	id, err := identify(s.path(), s.runID, s.writer.conn)
	if id != nil {
		s.files.Store(id)
	}
	return err
}

// checkFiles reports whether another process would find the files that are open.
func (s *Store) checkFiles() error {
	if id := s.files.Load(); id != nil {
		return id.check()
	}
	return nil
}

func (s *Store) disconnect() error {
	var err error
	if s.reader != nil {
		err = s.reader.close()
	}
	if s.writer != nil {
		err = errors.Join(err, s.writer.close())
	}
	s.reader, s.writer = nil, nil
	if id := s.files.Swap(nil); id != nil {
		err = errors.Join(err, id.db.Close())
	}
	return err
}

// Reopen implements eventlog.Store. No read succeeds until it has.
func (s *Store) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if err := s.disconnect(); err != nil {
		s.opt.Logger.Warn("cannot close the database before reopening it", "err", err)
	}
	if err := s.reconnect(); err != nil {
		return errors.Join(fmt.Errorf("reopen %s: %w", s.path(), err), s.disconnect())
	}
	return nil
}

func (s *Store) reconnect() error {
	defer announce(s.dir)()
	if err := s.checkIdentity(); err != nil {
		return err
	}
	if err := s.connect(); err != nil {
		return err
	}
	saved, err := s.reader.load()
	if err != nil {
		return err
	}
	at := s.position.Load()
	switch {
	case saved.run != s.runID:
		return errReplaced
	case saved.position == at:
	case saved.position == at+1 && s.inDoubt != nil:
		if err := s.resolveCommitted(saved); err != nil {
			return err
		}
	default:
		return fmt.Errorf("the file is at position %d, the server at %d; stop whatever else writes to the file, then start the server again", saved.position, at)
	}
	if err := s.identify(); err != nil {
		return err
	}
	s.inDoubt = nil
	return s.writer.sync(s.opt.Durability == Full)
}

// Log implements eventlog.Store.
func (s *Store) HistoryID() string { return s.historyID }

// Position implements eventlog.Store.
func (s *Store) Position() uint64 { return s.position.Load() }

// Contains implements eventlog.Store.
func (s *Store) Contains(room string, p *wire.Position) bool {
	return p.HistoryID == s.historyID && s.state.Contains(room, p)
}

// HasStaleIDs implements eventlog.Store.
func (s *Store) HasStaleIDs() (found bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.reader == nil {
		return false, fmt.Errorf("find old ids: %w", s.unavailable())
	}
	err = s.reader.db.QueryRow(staleIDsQuery, int64(s.state.IDGeneration().Number)-1).Scan(&found)
	return found, s.recordError("", err)
}

// Read implements eventlog.Store.
func (s *Store) Read(room string, after uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.reader == nil {
		return nil, eventlog.Bounds{}, fmt.Errorf("read room %s: %w", room, s.unavailable())
	}
	known, hiding := s.state.Bounds(room), s.state.Hiding(room)
	records, head, err := s.reader.read(s.reader.after, room, after, known.Last+1, limit)
	hiding.Hide(records)
	records, err = s.intactPrefix(room, records, err)
	return records, clampBounds(head, known), err
}

// intactPrefix is the result of a Read: the records before any damage. The damage is recorded, and a Read that begins
// there fails.
func (s *Store) intactPrefix(room string, records []eventlog.Record, err error) ([]eventlog.Record, error) {
	if err = s.recordError(room, err); len(records) > 0 {
		return records, nil
	}
	return nil, err
}

// clampBounds limits the bounds in the file to what is known to be on disk, up to known.Last, because other connections
// may see the rows of a batch earlier. If the file has no such room, all is known.
func clampBounds(h, known eventlog.Bounds) eventlog.Bounds {
	if h == (eventlog.Bounds{}) {
		return known
	}
	h.Last = min(h.Last, known.Last)
	h.First = min(h.First, h.Last+1)
	return h
}

// ReadBefore implements eventlog.Store.
func (s *Store) ReadBefore(room string, before uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.reader == nil {
		return nil, eventlog.Bounds{}, fmt.Errorf("read room %s: %w", room, s.unavailable())
	}
	known, hiding := s.state.Bounds(room), s.state.Hiding(room)
	records, head, err := s.reader.read(s.reader.before, room, 0, min(before, known.Last+1), limit)
	hiding.Hide(records)
	slices.Reverse(records)
	records, err = s.intactPrefix(room, records, err)
	return records, clampBounds(head, known), err
}

// unavailable returns why there are no connections.
func (s *Store) unavailable() error {
	if s.closed {
		return errClosed
	}
	return errInDoubt
}

// Free implements eventlog.Store.
func (s *Store) Free() (uint64, error) {
	free, err := free(s.dir)
	if err != nil {
		return 0, fmt.Errorf("get the free space in %s: %w", s.dir, err)
	}
	return free, nil
}

// Close implements eventlog.Store. It waits for calls under way; later calls fail.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	// Damage is examined at the next Open.
	if s.writer != nil && s.inDoubt == nil && s.Health().Err == nil {
		// This also syncs all earlier writes, so nothing is missing from here on.
		if err = s.writer.sync(true); err == nil {
			err = s.writer.markClosed()
		}
	}
	err = errors.Join(err, s.disconnect(), s.lock.Unlock())
	if err != nil {
		return fmt.Errorf("close %s: %w", s.path(), err)
	}
	return nil
}
