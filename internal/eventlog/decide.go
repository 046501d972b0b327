package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"ramai/wire"
)

// Bounds of letting go.
const (
	// TrimStep is how many messages one Trim lets go, so that saying need not wait for long.
	TrimStep = 500
	// PruneStep is how many ids one Forget lets go.
	PruneStep = 2000
	// MinIDLife is how long an id is kept at least, whether or not its message is. Clients do not send again what is older.
	MinIDLife = wire.IDLife
	// MaxRemove is how many messages a room may have that is removed with them.
	MaxRemove = 500
)

// A RemovedSlot is what is kept of the rooms that were removed, so that no number is given out twice: the highest number that any
// of those rooms had whose names fall into it, see RemovedSlotOf. There are so few graves that they need not be removed again, and
// so many that two rooms seldom share one; then the one only begins with a higher number.
type RemovedSlot uint32

// removedSlots is how many there are.
const removedSlots = 1 << 20

// RemovedSlotOf is where the numbers of a room are kept once it is removed.
func RemovedSlotOf(room string) RemovedSlot {
	h := sha256.Sum256([]byte(room))
	return RemovedSlot(binary.BigEndian.Uint32(h[:4]) % removedSlots)
}

// MaxNumber is the number of the last message that a room can have.
const MaxNumber = 1<<40 - 1

// A IDKey is what an id is kept under: a hash of the room, the sender and the sender's id. Keys of one sender in one room
// begin alike, so that they lie together.
type IDKey [16]byte

// IDKeyOf returns the key of an id.
func IDKeyOf(room, by, id string) IDKey {
	b := make([]byte, 0, wire.MaxRoom+wire.SenderIDLen+wire.MaxID+2) // on the stack, if they have the length that they should
	b = append(append(b, room...), 0)
	b = append(append(b, by...), 0)
	sender := sha256.Sum256(b)
	whole := sha256.Sum256(append(b, id...))
	var k IDKey
	copy(k[:6], sender[:])
	copy(k[6:], whole[:])
	return k
}

// IDGeneration says which ids are kept. Those of two generations are, the newest one and the one before it. A generation lasts for
// MinIDLife, so an id is kept for that long at least, and twice that long at most.
type IDGeneration struct {
	Number uint64    // the newest, from 1
	Since  wire.Time // when it began
}

// An IDEntry is what is kept of an id: the number and time of the message it stands for, and a sum over its text.
type IDEntry struct {
	N   uint64
	At  wire.Time
	Sum int64
}

// Tx is what Decide writes to: the rows of a store, inside one transaction.
type Tx interface {
	// Keep keeps e under k in a generation, unless something is kept there, or in the one before: then it returns that and
	// true.
	PutID(generation uint64, k IDKey, e IDEntry) (IDEntry, bool, error)
	// Message adds one row. It does not keep m.
	PutMessage(m *wire.Message) error
	// Hold writes h over whatever its sender held.
	PutLease(h NameLease) error
	// Drop removes what the sender held.
	DeleteLease(by string) error
	// Own adds o.
	PutRegistration(o NameRegistration) error
	// Disown removes what is owned under key.
	DeleteRegistration(key string) error
	// Cut removes the messages of a room with the numbers from up to to. Their ids stay.
	DeleteMessages(room string, from, to uint64) error
	// Turn writes which ids are kept from now on.
	PutIDGeneration(ids IDGeneration) error
	// Forget removes ids of generations below one: PruneStep at most.
	DeleteIDs(below uint64) error
	// Epoch adds e, and removes those whose numbers are below oldest.
	PutEpoch(e Epoch, oldest uint64) error
	// Span adds s to those of a room, and removes those of epochs below oldest.
	PutSpan(room string, s Span, oldest uint64) error
	// Head writes a room's numbers, and the time of its newest message; the first time it makes the room.
	PutBounds(room string, h Bounds, at wire.Time) error
	// Remove removes a room and its messages, and keeps last in its grave. Ids stay.
	DeleteRoom(room string, g RemovedSlot, last uint64) error
}

// State is what a store knows by heart: small, and all that Decide needs besides the ids. A store fills it when it
// opens, with Load; after that it moves with Commit alone, so never ahead of the disk.
type State struct {
	mu             sync.RWMutex // for all below; written only by the goroutine that applies
	allBounds      map[string]Bounds
	roomCount      int                         // of them that have messages
	removedLast    map[RemovedSlot]uint64      // of rooms that were removed
	leases         map[string]NameLease        // by sender
	leaseKeys      map[string]string           // sender by each part of the key
	registrations  map[string]NameRegistration // by key
	registeredKeys map[string]string           // the key of what is owned, by each part of it
	registeredBy   map[string]int              // keys of each owner
	newestTimes    map[string]wire.Time        // of the newest message of each room
	ids            IDGeneration

	epoch  Epoch             // the newest
	epochs map[string]uint64 // numbers by name, of those that are known
	spans  map[string][]Span // by room, ascending; never changed, only replaced. Older numbers are of the first or before it
}

// Load replaces everything. times has the time of the newest message of each room.
func (s *State) Load(heads map[string]Bounds, last map[RemovedSlot]uint64, times map[string]wire.Time, held []NameLease, owned []NameRegistration, ids IDGeneration, epochs []Epoch, spans map[string][]Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allBounds, s.removedLast, s.newestTimes, s.ids = heads, last, times, ids
	s.roomCount = 0
	for _, h := range heads {
		if !h.Empty() {
			s.roomCount++
		}
	}
	s.loadEpochs(epochs, spans)
	s.leases, s.leaseKeys = make(map[string]NameLease), make(map[string]string)
	for _, h := range held {
		s.leases[h.SenderID] = h
		for _, part := range keyParts(h.Key) {
			s.leaseKeys[part] = h.SenderID
		}
	}
	s.registrations, s.registeredKeys, s.registeredBy = make(map[string]NameRegistration), make(map[string]string), make(map[string]int)
	for _, o := range owned {
		s.registrations[o.Key] = o
		for _, part := range keyParts(o.Key) {
			s.registeredKeys[part] = o.Key
		}
		s.registeredBy[o.SenderID]++
	}
}

// Head implements Store.
func (s *State) Bounds(room string) Bounds {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bounds(room)
}

// bounds is Head for who holds mu.
func (s *State) bounds(room string) Bounds {
	if h, ok := s.allBounds[room]; ok {
		return h
	}
	return boundsAfter(s.removedLast[RemovedSlotOf(room)])
}

// boundsAfter is the head of a room that has no messages, where last is the highest number that may have been given out there.
func boundsAfter(last uint64) Bounds { return Bounds{First: last + 1, Last: last} }

// AllBounds implements Store.
func (s *State) AllBounds() map[string]Bounds {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.allBounds)
}

// NewestTimes implements Store.
func (s *State) NewestTimes() map[string]wire.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.newestTimes)
}

// IDGeneration implements Store.
func (s *State) IDGeneration() IDGeneration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ids
}

// ExpiredNames implements Store.
func (s *State) ExpiredNames(expiry, now wire.Time, limit int) (senders []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for by, h := range s.leases {
		if len(senders) == limit {
			break
		}
		if !h.Bound && (h.Used <= expiry || h.Used > now) {
			senders = append(senders, by)
		}
	}
	return senders
}

// Name implements Store.
func (s *State) Name(by string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.leases[by].Name
}

// RegisteredNames implements Store.
func (s *State) RegisteredNames() []NameRegistration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.registrations), func(a, b NameRegistration) int { return strings.Compare(a.Name, b.Name) })
}

// CanRegister implements Store.
func (s *State) CanRegister(by string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := Change{state: s}
	if h := c.lease(by); h != nil && c.canRegister(h) {
		return h.Key
	}
	return ""
}

// A Change is what one batch does to a State. It is laid over the state until the transaction is committed.
type Change struct {
	state          *State
	at             wire.Time         // of the batch
	expiry         wire.Time         // of the batch
	leaseCount     int               // that are held
	roomCount      int               // that have messages
	allBounds      map[string]Bounds // the zero one: removed
	removedLast    map[RemovedSlot]uint64
	leases         map[string]*NameLease       // nil: dropped
	leaseKeys      map[string]string           // "": free
	registrations  map[string]NameRegistration // the zero one: nobody's
	registeredKeys map[string]string           // "": free
	registeredBy   map[string]int              // as they will be
	newestTimes    map[string]wire.Time        // of the rooms in heads that have new messages
	ids            IDGeneration
	row            wire.Message // what Tx.PutMessage is given, for one event after the other

	epoch  Epoch // the newest
	epochs map[string]uint64
	spans  map[string][]Span
}

// At is the time of the batch.
func (c *Change) At() wire.Time { return c.at }

// Commit makes c part of the state. Called when it is on disk.
func (s *State) Commit(c *Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids, s.roomCount = c.ids, c.roomCount
	maps.Copy(s.removedLast, c.removedLast)
	maps.Copy(s.newestTimes, c.newestTimes)
	apply(s.allBounds, c.allBounds)
	for room, h := range c.allBounds {
		if h == (Bounds{}) {
			delete(s.newestTimes, room)
		}
	}
	for by, h := range c.leases {
		if h == nil {
			delete(s.leases, by)
		} else {
			s.leases[by] = *h
		}
	}
	apply(s.leaseKeys, c.leaseKeys)
	apply(s.registrations, c.registrations)
	apply(s.registeredKeys, c.registeredKeys)
	apply(s.registeredBy, c.registeredBy)
	s.commitEpochs(c)
}

// apply lays what has changed over a map. The zero value stands for nothing.
func apply[V comparable](over, changed map[string]V) {
	var nothing V
	for key, v := range changed {
		if v == nothing {
			delete(over, key)
		} else {
			over[key] = v
		}
	}
}

// Decide says what becomes of each event of b, given s, and writes it to tx. It leaves s as it is: the caller commits
// the change when the transaction is committed. It depends on nothing but s, tx and b.
func Decide(s *State, tx Tx, b *Batch) (*Change, []Outcome, error) {
	c := &Change{
		state: s, at: b.At, expiry: b.Expiry, leaseCount: len(s.leases), ids: s.ids, newestTimes: map[string]wire.Time{}, roomCount: s.roomCount, allBounds: map[string]Bounds{}, removedLast: map[RemovedSlot]uint64{},
		leases: map[string]*NameLease{}, leaseKeys: map[string]string{}, registrations: map[string]NameRegistration{}, registeredKeys: map[string]string{}, registeredBy: map[string]int{},
		epoch: s.epoch, epochs: map[string]uint64{}, spans: map[string][]Span{},
	}
	outcomes := make([]Outcome, len(b.Commands))
	for i := range b.Commands {
		o := &outcomes[i]
		o.Command, o.At, o.Status = b.Commands[i], c.at, Saved
		var err error
		switch o.Command.Kind {
		case Say:
			err = c.say(tx, o, b.MaxRooms)
		case ReserveName:
			err = c.reserveName(tx, o)
		case ReleaseName:
			err = c.releaseName(tx, o, o.Command.SenderID)
		case Restart:
			err = c.restart(tx, o)
		case Trim:
			err = c.trim(tx, o)
		case UnregisterName:
			err = c.unregisterName(tx, o)
		case ExpireName:
			err = c.expireName(tx, o)
		case RotateIDs:
			err = c.rotateIDs(tx, o.Command.To)
		case PruneIDs:
			err = c.pruneIDs(tx)
		case RemoveRoom:
			err = c.removeRoom(tx, o)
		default:
			err = fmt.Errorf("an event of the unknown kind %d", o.Command.Kind)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for room, h := range c.allBounds {
		if h == (Bounds{}) {
			continue
		}
		if err := tx.PutBounds(room, h, c.newestTime(room)); err != nil {
			return nil, nil, err
		}
	}
	return c, outcomes, nil
}

func (o *Outcome) refuse(code wire.Code, reason string) {
	o.Status, o.Err = Refused, &wire.CodedError{Code: code, Reason: reason}
}

func (c *Change) say(tx Tx, o *Outcome, maxRooms int) error {
	e := &o.Command
	head, known := c.bounds(e.Room)
	if head.Empty() && c.roomCount >= maxRooms && e.Room != wire.Lobby {
		o.refuse(wire.NotAllowed, fmt.Sprintf("there are %d rooms already, and no more may be made; say it in one of those", maxRooms))
		return nil
	}
	if head.Last >= MaxNumber {
		o.refuse(wire.NotAllowed, fmt.Sprintf("the room %s has had its last number, %d; say it in another room", e.Room, head.Last))
		return nil
	}
	o.N = head.Last + 1
	o.At = max(c.at, c.newestTime(e.Room)) // times never go backwards in a room
	if !e.Once {
		entry := IDEntry{N: o.N, At: o.At, Sum: TextSum(e.Text)}
		old, seen, err := tx.PutID(c.ids.Number, IDKeyOf(e.Room, e.SenderID, e.ID), entry)
		if err != nil {
			return err
		}
		if seen && old.Sum != entry.Sum {
			o.N = 0
			o.refuse(wire.IDReused, "this id was used for another text in this room; a new text needs a new id")
			return nil
		}
		// A row with the number that is to be given next is this very event's: the batch is told once more.
		if seen && old.N != o.N {
			o.Status, o.N, o.At = Repeat, old.N, old.At
			return nil
		}
	}
	if h := c.lease(e.SenderID); h != nil {
		o.DisplayName = h.Name
		if err := c.touchLease(tx, h); err != nil {
			return err
		}
		if err := c.registerName(tx, e, h); err != nil {
			return err
		}
	}
	if head.Empty() {
		c.roomCount++
	}
	if err := c.span(tx, e.Room, o.N, !known); err != nil {
		return err
	}
	head.Last = o.N
	c.allBounds[e.Room], c.newestTimes[e.Room] = head, o.At
	c.row = o.Message()
	return tx.PutMessage(&c.row)
}

// restart begins an epoch, and frees the names that are bound to connections. Which of them comes first makes no difference.
func (c *Change) restart(tx Tx, o *Outcome) error {
	if o.Command.EpochName != "" {
		if err := c.startEpoch(tx, o); err != nil || o.Status == Refused {
			return err
		}
	}
	senders := slices.AppendSeq(slices.Collect(maps.Keys(c.state.leases)), maps.Keys(c.leases))
	slices.Sort(senders)
	for _, by := range senders {
		if h := c.lease(by); h != nil && h.Bound {
			if err := c.releaseName(tx, o, by); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Change) trim(tx Tx, o *Outcome) error {
	e := &o.Command
	head, known := c.bounds(e.Room)
	o.N = head.First
	if !known {
		return nil
	}
	if to := min(e.To, head.Last, head.First+TrimStep-1); to >= head.First {
		if err := tx.DeleteMessages(e.Room, head.First, to); err != nil {
			return err
		}
		head.First = to + 1
		c.allBounds[e.Room] = head
		o.N = head.First
		if head.Empty() {
			c.roomCount--
		}
	}
	return nil
}

// removeRoom removes a room with what was said in it lately, if that is not too much. What is kept of it is its last number.
func (c *Change) removeRoom(tx Tx, o *Outcome) error {
	e := &o.Command
	head, known := c.bounds(e.Room)
	var why string
	switch {
	case e.Room == wire.Lobby:
		why = "the lobby is always there"
	case !known:
		why = fmt.Sprintf("there is no room %q", e.Room)
	case head.Last != e.To:
		why = fmt.Sprintf("the newest message of %q has the number %d, not %d", e.Room, head.Last, e.To)
	case head.Last+1-head.First > MaxRemove:
		why = fmt.Sprintf("%q has more than %d messages", e.Room, MaxRemove)
	}
	if why != "" {
		o.refuse(wire.NotAllowed, why)
		return nil
	}
	if !head.Empty() {
		c.roomCount--
	}
	g := RemovedSlotOf(e.Room)
	c.removedLast[g] = max(head.Last, c.lastRemoved(g))
	c.allBounds[e.Room], c.spans[e.Room] = Bounds{}, nil
	o.N = c.removedLast[g] + 1
	return tx.DeleteRoom(e.Room, g, c.removedLast[g])
}

// lastRemoved is the highest number of the rooms in a grave.
func (c *Change) lastRemoved(g RemovedSlot) uint64 {
	return latest(c.removedLast, c.state.removedLast, g)
}

// rotateIDs begins the generation of ids that follows the newest one, or dates the newest one anew.
func (c *Change) rotateIDs(tx Tx, to uint64) error {
	if to != c.ids.Number && to != c.ids.Number+1 {
		return nil
	}
	c.ids = IDGeneration{Number: to, Since: c.at}
	return tx.PutIDGeneration(c.ids)
}

// pruneIDs lets go of ids that no event looks for, neither of this batch nor of a later one: who decides the batch once
// more, over what it has written, still finds every id that the batch met.
func (c *Change) pruneIDs(tx Tx) error {
	if c.state.ids.Number < 2 {
		return nil
	}
	return tx.DeleteIDs(c.state.ids.Number - 1)
}

// newestTime is the time of the newestTime message of a room.
func (c *Change) newestTime(room string) wire.Time {
	return latest(c.newestTimes, c.state.newestTimes, room)
}

// bounds returns a room's numbers, and whether there is such a room.
func (c *Change) bounds(room string) (Bounds, bool) {
	if h := latest(c.allBounds, c.state.allBounds, room); h != (Bounds{}) {
		return h, true
	}
	return boundsAfter(c.lastRemoved(RemovedSlotOf(room))), false
}

// latest is what a map has under key once what has changed is laid over it.
func latest[K comparable, V any](changed, before map[K]V, key K) V {
	if v, ok := changed[key]; ok {
		return v
	}
	return before[key]
}

// TextSum tells texts apart: 64 bits of SHA-256.
func TextSum(text string) int64 {
	h := sha256.Sum256([]byte(text))
	return int64(binary.BigEndian.Uint64(h[:8]))
}
