package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"

	sqlite3 "modernc.org/sqlite/lib"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Apply implements eventlog.Store.
func (s *Store) Apply(b *eventlog.Batch, position uint64) ([]eventlog.Outcome, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at := s.position.Load()
	switch {
	case s.writer == nil:
		return nil, fmt.Errorf("apply the batch at position %d: %w", position, s.unavailable())
	case s.inDoubt != nil:
		return nil, fmt.Errorf("apply the batch at position %d: %w", position, errInDoubt)
	case position == at && s.outcomes != nil:
		return s.outcomes, nil
	case position == at:
		return nil, fmt.Errorf("apply the batch at position %d: it was applied before the store was opened, so its outcomes are not known", position)
	case position != at+1:
		return nil, fmt.Errorf("apply a batch at position %d: the store is at %d, so the next is %d", position, at, at+1)
	}
	t := s.newTx()
	d, err := s.transact(t, b, position)
	if isCorrupt(err) {
		err = s.recordError("", err)
	}
	if err != nil {
		return nil, fmt.Errorf("apply the batch at position %d: %w", position, err)
	}
	if err := s.checkFiles(); err != nil {
		s.inDoubt = d // the batch may be in a file that is no longer in place
		return nil, fmt.Errorf("apply the batch at position %d: %w", position, err)
	}
	for room := range t.removed {
		delete(s.roomIDs, room)
	}
	maps.Copy(s.roomIDs, t.added)
	s.freeIDs, s.newestID = slices.Concat(t.freeIDs, t.freedIDs), t.newestID
	slices.Sort(s.freeIDs)
	s.applied(d, position)
	return s.outcomes, nil
}

// decided is what a batch does.
type decided struct {
	delta    *eventlog.Delta // nil: it was rolled back before that was known
	outcomes []eventlog.Outcome
}

func (s *Store) applied(d *decided, position uint64) {
	d.delta.CommitTo(&s.state)
	s.outcomes = d.outcomes
	s.position.Store(position)
}

func (s *Store) transact(t *tx, b *eventlog.Batch, position uint64) (*decided, error) {
	if _, err := s.writer.begin.exec(); err != nil {
		return nil, s.undo(&decided{}, err)
	}
	delta, outcomes, err := eventlog.Decide(&s.state, t, b, position)
	if err == nil {
		err = t.flush()
	}
	if err != nil {
		return nil, s.undo(&decided{}, err)
	}
	if _, err := s.writer.setPosition.exec(int64(position), int64(delta.At())); err != nil {
		return nil, s.undo(&decided{}, err)
	}
	err = s.commit(func() error {
		_, err := s.writer.commit.exec()
		return err
	})
	d := &decided{delta, outcomes}
	switch {
	case err == nil:
		return d, nil
	case isUncommitted(err):
		return nil, s.undo(d, err)
	}
	// The batch may be in the write-ahead log, and only the sync may have failed: after a crash it would count as
	// committed.
	s.inDoubt = d
	return nil, fmt.Errorf("commit: %w", err)
}

// isUncommitted reports whether a failed commit did not write the last frame of its transaction to the write-ahead log.
// That frame is written last, so without space or lock it is not there.
func isUncommitted(err error) bool {
	code := resultCode(err)
	return code == sqlite3.SQLITE_FULL || code == sqlite3.SQLITE_BUSY
}

// undo rolls back a batch, and returns ErrRolledBack if that is certain.
func (s *Store) undo(d *decided, cause error) error {
	// After some errors SQLite has rolled back by itself, and this call fails. What counts is that no transaction is
	// open any more, and the position in the file.
	_, failed := s.writer.rollback.exec()
	at, err := s.writer.committed()
	if err != nil || at != int64(s.position.Load()) {
		s.inDoubt = d
		return fmt.Errorf("%w; and rolling back cannot be confirmed: %w", cause, errors.Join(failed, err))
	}
	if resultCode(cause) == sqlite3.SQLITE_FULL {
		cause = fmt.Errorf("%w: %w", eventlog.ErrFull, cause)
	}
	return fmt.Errorf("%w: %w", eventlog.ErrRolledBack, cause)
}

// resolveCommitted takes over what was decided about the batch in doubt, which is on disk.
func (s *Store) resolveCommitted(saved *saved) error {
	d := s.inDoubt
	if d.delta == nil || d.delta.At() != saved.at {
		return fmt.Errorf("the last batch in the file, of %v, is not the last one of the server; restart the server", saved.at)
	}
	for room, bounds := range saved.Bounds {
		if decided := d.delta.Bounds(room); decided != bounds {
			return fmt.Errorf("room %s has %v in the file, but %v in the server; restart the server", room, bounds, decided)
		}
	}
	s.applied(d, saved.position)
	s.roomIDs = saved.roomIDs
	s.freeIDs, s.newestID = unusedIDs(s.roomIDs, saved.markedIDs)
	return nil
}

// tx is the transaction of one batch. It implements eventlog.Tx.
type tx struct {
	*writer
	roomIDs  map[string]int64 // committed
	added    map[string]int64 // created by this transaction
	removed  map[string]bool  // committed rooms that this transaction removed
	freeIDs  []int64          // ids without a room, ascending
	freedIDs []int64          // ids freed by this transaction, ascending; used again after it
	newestID int64            // the highest id of a room
}

func (s *Store) newTx() *tx {
	s.writer.rows, s.writer.bodies = s.writer.rows[:0], s.writer.bodies[:0]
	return &tx{writer: s.writer, roomIDs: s.roomIDs, added: map[string]int64{}, removed: map[string]bool{}, freeIDs: s.freeIDs, newestID: s.newestID}
}

// roomID returns a room's id, and assigns one if it has none. Ids count up in the order in which rooms get their first
// message, so they are the same wherever the same batches were applied. Ids of removed rooms are used again first.
func (t *tx) roomID(name string) int64 {
	if id, ok := t.roomIDs[name]; ok && !t.removed[name] {
		return id
	}
	id, ok := t.added[name]
	switch {
	case ok:
		return id
	case len(t.freeIDs) > 0:
		id, t.freeIDs = t.freeIDs[0], t.freeIDs[1:]
	default:
		t.newestID++
		id = t.newestID
	}
	t.added[name] = id
	return id
}

func (t *tx) PutID(generation uint64, k eventlog.IDKey, e eventlog.IDEntry) (eventlog.IDEntry, bool, error) {
	added, err := t.insertID.exec(int64(generation), k[:], int64(e.N), int64(e.At), e.Sum)
	if err != nil || added == 1 {
		return e, false, err
	}
	old, found, err := t.ID(generation, k)
	if err == nil && !found {
		err = fmt.Errorf("the id with the key %x is missing in generation %d", k, generation)
	}
	return old, found, err
}

func (t *tx) ID(generation uint64, k eventlog.IDKey) (eventlog.IDEntry, bool, error) {
	row, err := t.selectID.ints(int64(generation), k[:])
	if err != nil || len(row) != 3 {
		return eventlog.IDEntry{}, false, err
	}
	return eventlog.IDEntry{N: uint64(row[0]), At: wire.Time(row[1]), Sum: row[2]}, true, nil
}

func (t *tx) OldestID(generation uint64, room, senderID string) (at wire.Time, found bool, err error) {
	from, to := eventlog.IDRange(room, senderID)
	row, err := t.oldestID.ints(int64(generation), from[:], to[:])
	if err != nil || len(row) != 1 {
		return 0, false, err
	}
	return wire.Time(row[0]), true, nil
}

func (t *tx) EraseIDSum(generation uint64, k eventlog.IDKey) error {
	_, err := t.eraseIDSum.exec(int64(generation), k[:])
	return err
}

func (t *tx) Record(room string, n uint64) (eventlog.Record, error) {
	if err := t.flush(); err != nil { // it may be a record of this batch
		return eventlog.Record{}, err
	}
	id := t.roomID(room)
	found := eventlog.Record{Room: room, N: n}
	err := fmt.Errorf("room %s: %w: record %d is missing", room, eventlog.ErrDamaged, n)
	failed := t.selectRow.each(func(row []driver.Value) (bad error) {
		decoder := rowDecoder{rooms: map[int64]string{id: room}}
		if found, bad = decoder.decode(row); bad == nil {
			bad = found.Check()
		}
		if err = nil; bad != nil {
			err = fmt.Errorf("room %s: %w: record %d: %w", room, eventlog.ErrDamaged, n, bad)
		}
		return nil
	}, keyOf(id, n))
	return found, errors.Join(failed, err)
}

func (t *tx) ReplaceRecord(r *eventlog.Record) error {
	if err := t.flush(); err != nil { // it may be a record of this batch
		return err
	}
	var sum int64
	sum, t.scratch = checksum(t.scratch, r)
	changed, err := t.replaceRow.exec(r.SenderID, r.DisplayName, r.ID, int64(r.Kind), []byte(r.Body), sum, keyOf(t.roomID(r.Room), r.N))
	if err == nil && changed != 1 {
		err = fmt.Errorf("room %s: %w: record %d is missing", r.Room, eventlog.ErrDamaged, r.N)
	}
	return err
}

func (t *tx) PutRecord(r *eventlog.Record) error {
	var sum int64
	sum, t.scratch = checksum(t.scratch, r)
	begin := len(t.bodies)
	t.bodies = append(t.bodies, r.Body...)
	t.rows = appendRow(t.rows, keyOf(t.roomID(r.Room), r.N), r, t.bodies[begin:len(t.bodies):len(t.bodies)], sum)
	if len(t.rows) < rowsAtOnce*columns {
		return nil
	}
	_, err := t.insertRows.exec(t.rows...)
	t.rows, t.bodies = t.rows[:0], t.bodies[:0]
	return err
}

// flush writes the rows that are not written yet.
func (t *tx) flush() error {
	for row := range slices.Chunk(t.rows, columns) {
		if _, err := t.insertRow.exec(row...); err != nil {
			return err
		}
	}
	t.rows, t.bodies = t.rows[:0], t.bodies[:0]
	return nil
}

func (t *tx) PutLease(h eventlog.NameLease) error {
	var bound int64
	if h.Bound {
		bound = 1
	}
	_, err := t.putLease.exec(h.SenderID, h.Name, h.Key, bound, int64(h.Used), h.Node)
	return err
}

func (t *tx) DeleteLease(by string) error {
	_, err := t.deleteLease.exec(by)
	return err
}

func (t *tx) PutRegistration(o eventlog.NameRegistration) error {
	_, err := t.putRegistration.exec(o.Key, o.Name, o.SenderID, int64(o.Since))
	return err
}

func (t *tx) DeleteRegistration(key string) error {
	_, err := t.deleteRegistration.exec(key)
	return err
}

func (t *tx) PutEpoch(e eventlog.Epoch, oldest uint64) error {
	if _, err := t.insertEpoch.exec(int64(e.Number), e.Name); err != nil {
		return err
	}
	_, err := t.deleteEpochs.exec(int64(oldest))
	return err
}

func (t *tx) PutSpan(room string, s eventlog.Span, oldest uint64) error {
	id := t.roomID(room)
	if _, err := t.putSpan.exec(id, int64(s.Epoch), int64(s.From)); err != nil {
		return err
	}
	_, err := t.deleteSpans.exec(id, int64(oldest))
	return err
}

func (t *tx) PutNode(node string, state eventlog.NodeState) error {
	_, err := t.setNode.exec(node, int64(state.Incarnation), int64(state.Seq))
	return err
}

func (t *tx) PutLimits(l eventlog.Limits) error {
	_, err := t.setLimits.exec(int64(l.MaxRooms), int64(l.EditWindow))
	return err
}

// levelNode is the row of the table nodes that has the level as its incarnation. No node has this name.
const levelNode = ""

func (t *tx) PutLevel(level uint64) error {
	return t.PutNode(levelNode, eventlog.NodeState{Incarnation: level})
}

func (t *tx) PutIDGeneration(ids eventlog.IDGeneration) error {
	_, err := t.trim.setGeneration.exec(int64(ids.Number), int64(ids.Since))
	return err
}

func (t *tx) PutBounds(room string, h eventlog.Bounds, at wire.Time) error {
	_, err := t.putBounds.exec(t.roomID(room), room, int64(h.First), int64(h.Last), int64(at))
	return err
}
