package eventlog

import (
	"fmt"

	"ramai/wire"
)

// MaxNumber is the highest number in a room.
const MaxNumber = 1<<40 - 1

// Tx is the destination of Decide's changes: the rows of a store, within one transaction.
type Tx interface {
	// PutID stores e under k in a generation, unless there is an entry under k there or in the generation before; then it
	// returns that entry, and true.
	PutID(generation uint64, k IDKey, e IDEntry) (IDEntry, bool, error)
	// ID returns the entry that PutID would return, if there is one.
	ID(generation uint64, k IDKey) (IDEntry, bool, error)
	// OldestID returns the time of the oldest record of a sender in a room whose id PutID or ID would find, if there is one.
	OldestID(generation uint64, room, senderID string) (at wire.Time, found bool, err error)
	// EraseIDSum replaces the checksum that is stored under k, in a generation or an earlier one, by NoSum. There may be none.
	EraseIDSum(generation uint64, k IDKey) error
	// Record returns a row of a room, as it is in this transaction. A missing row is an error.
	Record(room string, n uint64) (Record, error)
	// ReplaceRecord replaces the row with r's room and number, except its time. It does not keep r.
	ReplaceRecord(r *Record) error
	// PutRecord adds a row. It does not keep r.
	PutRecord(r *Record) error
	// DeleteRecords deletes the records of a room with the numbers from to to. Their ids stay.
	DeleteRecords(room string, from, to uint64) error
	// PutBounds stores the bounds of a room, and the time of its newest message. It creates the room if there is none.
	PutBounds(room string, b Bounds, at wire.Time) error
	// DeleteRoom deletes a room, its records, settings and entries, and what is pending in it, drops its marks, and stores last in its
	// slot. The ids stay.
	DeleteRoom(room string, slot RemovedSlot, last uint64) error
	// PutLease stores the name of a sender in place of its previous one.
	PutLease(NameLease) error
	// DeleteLease deletes the name of a sender.
	DeleteLease(senderID string) error
	// PutRegistration adds a registration.
	PutRegistration(NameRegistration) error
	// DeleteRegistration deletes the registration with a key.
	DeleteRegistration(key string) error
	// PutIDGeneration stores the generation of ids that is newest from now on.
	PutIDGeneration(IDGeneration) error
	// DeleteIDs deletes ids of generations below a number, at most PruneStep of them.
	DeleteIDs(below uint64) error
	// PutEpoch adds an epoch, and deletes those with numbers below oldest.
	PutEpoch(e Epoch, oldest uint64) error
	// PutSpan adds a span to a room, and deletes the room's spans of epochs below oldest.
	PutSpan(room string, s Span, oldest uint64) error
	// PutNode stores the state of a node in place of its previous one.
	PutNode(node string, state NodeState) error
	// PutLimits stores the limits in place of the previous ones.
	PutLimits(Limits) error
	// PutSetting stores a setting of a room in place of its previous value.
	PutSetting(room string, s Setting) error
	// DeleteSetting deletes a setting of a room.
	DeleteSetting(room, key string) error
	// Marks returns the keys of a sender's marks on a message, ascending.
	Marks(room string, n uint64, sender string) ([]string, error)
	// PutMark adds a mark, which there is not yet.
	PutMark(room string, n uint64, sender, key string) error
	// DeleteMark deletes a mark.
	DeleteMark(room string, n uint64, sender, key string) error
	// Counts returns how many marks a message has, by key. The caller owns the map.
	Counts(room string, n uint64) (wire.Counts, error)
	// PutCount stores how many marks with a key a message has; 0: none.
	PutCount(room string, n uint64, key string, count uint64) error
	// Pending returns the pending messages of a room with numbers above after, ascending, at most limit.
	Pending(room string, after uint64, limit int) ([]uint64, error)
	// PutPending makes a message pending, and returns whether it was not.
	PutPending(room string, n uint64) (bool, error)
	// DeletePending ends that for messages with the numbers from to to, and returns how many were pending.
	DeletePending(room string, from, to uint64) (int, error)
	// PutTallyTime stores the newest tally of a room in place of the previous one.
	PutTallyTime(room string, t TallyTime) error
	// DropMarks leaves the marks and counts of messages with the numbers from to to to DeleteDroppedMarks. Those messages
	// get no marks any more.
	DropMarks(room string, from, to uint64) error
	// DeleteDroppedMarks deletes what was left to it, at most PruneStep marks and counts.
	DeleteDroppedMarks() error
	EntryReader
	// PutEntry stores an entry in place of the one with the same table, room and key.
	PutEntry(e *Entry) error
	// DeleteEntry deletes an entry, if there is one.
	DeleteEntry(t Table, room, key string) error
	// PutLevel stores the level in place of the previous one; see Program.
	PutLevel(level uint64) error
}

// A Delta is the effect of one batch on a State, until the transaction is committed.
type Delta struct {
	state          *State
	position       uint64
	at             wire.Time         // of the batch
	node           string            // that submitted the batch
	leaseCount     int               // names that are reserved
	roomCount      int               // rooms that have messages
	allBounds      map[string]Bounds // zero: removed
	removedLast    map[RemovedSlot]uint64
	newestTimes    map[string]wire.Time        // of the rooms in allBounds that have new messages
	leases         map[string]*NameLease       // nil: released
	leaseKeys      map[string]string           // "": free
	registrations  map[string]NameRegistration // zero: deleted
	registeredKeys map[string]string           // "": free
	registeredBy   map[string]int              // the new count
	ids            IDGeneration
	limits         Limits
	level          uint64
	addressKeys    []AddressKey // replaced, never changed
	link           Link         // zero: the batch adds none
	nodes          map[string]NodeState
	row            Record // passed to Tx.PutRecord, one record after the other

	epoch  Epoch // the newest
	epochs map[string]uint64
	spans  map[string][]Span
	others map[string][]wire.Range // by room, whole

	settings map[string]*settingsDelta // by room
	owned    map[string]int            // rooms that a sender owns
	erasures map[string][]*Erasure     // by room, whole
	pending  map[string]int            // messages of a room that are pending; 0: none
	tallies  map[string]TallyTime      // the newest of each room; zero: none

	held    map[string]HeldCount    // entries of a room in Held and HeldDecisions; 0: none
	holding map[string]*logBody     // messages that the batch holds, by room and key
	posting map[string]*approvedSay // held messages that the batch approves, by room and key
	derived []*Command              // see derive.go
}

// At returns the time of the batch.
func (c *Delta) At() wire.Time { return c.at }

// Decide determines the outcome of each command of b, which is at position, and writes its rows to tx. The outcomes of derived
// commands follow, see derive.go. A batch that is
// fenced, see Batch, or has a command above the stored level, see Program, does nothing and has no outcomes. A program below
// the stored level decides nothing; the error is an ErrLevel. Decide depends on nothing but its arguments, and does not change s: the caller commits
// the change when the transaction is committed.
func Decide(s *State, tx Tx, b *Batch, position uint64) (*Delta, []Outcome, error) {
	c := &Delta{
		state: s, position: position, at: b.At, node: b.Node, leaseCount: len(s.leases), roomCount: s.roomCount, ids: s.ids, limits: s.limits, level: s.level, epoch: s.epoch, addressKeys: s.addressKeys,
		allBounds: map[string]Bounds{}, removedLast: map[RemovedSlot]uint64{}, newestTimes: map[string]wire.Time{},
		leases: map[string]*NameLease{}, leaseKeys: map[string]string{},
		registrations: map[string]NameRegistration{}, registeredKeys: map[string]string{}, registeredBy: map[string]int{},
		nodes: map[string]NodeState{}, epochs: map[string]uint64{}, spans: map[string][]Span{}, others: map[string][]wire.Range{},
		settings: map[string]*settingsDelta{}, owned: map[string]int{}, erasures: map[string][]*Erasure{},
		pending: map[string]int{}, tallies: map[string]TallyTime{}, held: map[string]HeldCount{}, holding: map[string]*logBody{}, posting: map[string]*approvedSay{},
	}
	if err := b.check(); err != nil { // a batch that was not decoded
		return nil, nil, err
	}
	if err := b.of().CheckLevel(s.level); err != nil {
		return nil, nil, err
	}
	if s.fenced(b) || b.above(s.level) {
		return c, []Outcome{}, nil
	}
	chain, err := s.chained(tx)
	if err != nil {
		return nil, nil, err
	}
	if chain != nil {
		tx = chain
	}
	if b.Incarnation != 0 {
		c.nodes[b.Node] = NodeState{Incarnation: b.Incarnation, Seq: b.Seq}
	}
	outcomes := make([]Outcome, len(b.Commands))
	for i := range b.Commands {
		o := &outcomes[i]
		o.Command, o.At, o.Status = &b.Commands[i], c.at, Saved
		d, err := b.of().kind(o.Command.Kind)
		if err == nil {
			err = d.decide(c, tx, o)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("command %d: %w", i+1, err)
		}
	}
	if outcomes, err = c.decideDerived(tx, outcomes); err != nil {
		return nil, nil, err
	}
	for node, state := range c.nodes {
		if err := tx.PutNode(node, state); err != nil {
			return nil, nil, err
		}
	}
	for room, bounds := range c.allBounds {
		if bounds == (Bounds{}) {
			continue
		}
		if err := tx.PutBounds(room, bounds, c.newestTime(room)); err != nil {
			return nil, nil, err
		}
	}
	if chain != nil {
		if c.link, err = chain.link(position, outcomes); err != nil {
			return nil, nil, err
		}
	}
	return c, outcomes, nil
}

// Bounds returns the bounds of a room after the batch.
func (c *Delta) Bounds(room string) Bounds {
	b, _ := c.bounds(room)
	return b
}

// newestTime returns the time of the newest message of a room.
func (c *Delta) newestTime(room string) wire.Time {
	return latest(c.newestTimes, c.state.newestTimes, room)
}

// bounds returns the bounds of a room, and whether the room exists.
func (c *Delta) bounds(room string) (Bounds, bool) {
	if b := latest(c.allBounds, c.state.allBounds, room); b != (Bounds{}) {
		return b, true
	}
	return boundsAfter(c.lastRemoved(RemovedSlotOf(room))), false
}

// latest returns the value of key in changed, or else in before.
func latest[K comparable, V any](changed, before map[K]V, key K) V {
	if v, ok := changed[key]; ok {
		return v
	}
	return before[key]
}
