package journal

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
	// ForgetStep is how many ids one Forget lets go.
	ForgetStep = 2000
	// KeepIDs is how long an id is kept at least, whether or not its message is. Clients do not send again what is older.
	KeepIDs = wire.IDLife
	// MaxRemove is how many messages a room may have that is removed with them.
	MaxRemove = 500
)

// A Grave is what is kept of the rooms that were removed, so that no number is given out twice: the highest number that any
// of those rooms had whose names fall into it, see GraveOf. There are so few graves that they need not be removed again, and
// so many that two rooms seldom share one; then the one only begins with a higher number.
type Grave uint32

// graves is how many there are.
const graves = 1 << 20

// GraveOf is where the numbers of a room are kept once it is removed.
func GraveOf(room string) Grave {
	h := sha256.Sum256([]byte(room))
	return Grave(binary.BigEndian.Uint32(h[:4]) % graves)
}

// MaxNumber is the number of the last message that a room can have.
const MaxNumber = 1<<40 - 1

// A Key is what an id is kept under: a hash of the room, the sender and the sender's id. Keys of one sender in one room
// begin alike, so that they lie together.
type Key [16]byte

// KeyOf returns the key of an id.
func KeyOf(room, by, id string) Key {
	b := make([]byte, 0, wire.MaxRoom+wire.ByLen+wire.MaxID+2) // on the stack, if they have the length that they should
	b = append(append(b, room...), 0)
	b = append(append(b, by...), 0)
	sender := sha256.Sum256(b)
	whole := sha256.Sum256(append(b, id...))
	var k Key
	copy(k[:6], sender[:])
	copy(k[6:], whole[:])
	return k
}

// IDs says which ids are kept. Those of two generations are, the newest one and the one before it. A generation lasts for
// KeepIDs, so an id is kept for that long at least, and twice that long at most.
type IDs struct {
	Generation uint64    // the newest, from 1
	Since      wire.Time // when it began
}

// An Entry is what is kept of an id: the number and time of the message it stands for, and a sum over its text.
type Entry struct {
	N   uint64
	At  wire.Time
	Sum int64
}

// Tx is what Decide writes to: the rows of a store, inside one transaction.
type Tx interface {
	// Keep keeps e under k in a generation, unless something is kept there, or in the one before: then it returns that and
	// true.
	Keep(generation uint64, k Key, e Entry) (Entry, bool, error)
	// Message adds one row. It does not keep m.
	Message(m *wire.Message) error
	// Hold writes h over whatever its sender held.
	Hold(h Holding) error
	// Drop removes what the sender held.
	Drop(by string) error
	// Own adds o.
	Own(o Owning) error
	// Disown removes what is owned under key.
	Disown(key string) error
	// Cut removes the messages of a room with the numbers from up to to. Their ids stay.
	Cut(room string, from, to uint64) error
	// Turn writes which ids are kept from now on.
	Turn(ids IDs) error
	// Forget removes ids of generations below one: ForgetStep at most.
	Forget(below uint64) error
	// Epoch adds e, and removes those whose numbers are below oldest.
	Epoch(e Epoch, oldest uint64) error
	// Span adds s to those of a room, and removes those of epochs below oldest.
	Span(room string, s Span, oldest uint64) error
	// Head writes a room's numbers, and the time of its newest message; the first time it makes the room.
	Head(room string, h Head, at wire.Time) error
	// Remove removes a room and its messages, and keeps last in its grave. Ids stay.
	Remove(room string, g Grave, last uint64) error
}

// State is what a store knows by heart: small, and all that Decide needs besides the ids. A store fills it when it
// opens, with Load; after that it moves with Commit alone, so never ahead of the disk.
type State struct {
	mu    sync.RWMutex // for all below; written only by the goroutine that applies
	heads map[string]Head
	rooms int                  // of them that have messages
	last  map[Grave]uint64     // of rooms that were removed
	held  map[string]Holding   // by sender
	keys  map[string]string    // sender by each part of the key
	owned map[string]Owning    // by key
	parts map[string]string    // the key of what is owned, by each part of it
	owns  map[string]int       // keys of each owner
	times map[string]wire.Time // of the newest message of each room
	ids   IDs

	epoch  Epoch             // the newest
	epochs map[string]uint64 // numbers by name, of those that are known
	spans  map[string][]Span // by room, ascending; never changed, only replaced. Older numbers are of the first or before it
}

// Load replaces everything. times has the time of the newest message of each room.
func (s *State) Load(heads map[string]Head, last map[Grave]uint64, times map[string]wire.Time, held []Holding, owned []Owning, ids IDs, epochs []Epoch, spans map[string][]Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads, s.last, s.times, s.ids = heads, last, times, ids
	s.rooms = 0
	for _, h := range heads {
		if !h.Empty() {
			s.rooms++
		}
	}
	s.loadEpochs(epochs, spans)
	s.held, s.keys = make(map[string]Holding), make(map[string]string)
	for _, h := range held {
		s.held[h.By] = h
		for _, part := range parts(h.Key) {
			s.keys[part] = h.By
		}
	}
	s.owned, s.parts, s.owns = make(map[string]Owning), make(map[string]string), make(map[string]int)
	for _, o := range owned {
		s.owned[o.Key] = o
		for _, part := range parts(o.Key) {
			s.parts[part] = o.Key
		}
		s.owns[o.By]++
	}
}

// Head implements Store.
func (s *State) Head(room string) Head {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head(room)
}

// head is Head for who holds mu.
func (s *State) head(room string) Head {
	if h, ok := s.heads[room]; ok {
		return h
	}
	return headAfter(s.last[GraveOf(room)])
}

// headAfter is the head of a room that has no messages, where last is the highest number that may have been given out there.
func headAfter(last uint64) Head { return Head{First: last + 1, Last: last} }

// Heads implements Store.
func (s *State) Heads() map[string]Head {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.heads)
}

// Times implements Store.
func (s *State) Times() map[string]wire.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.times)
}

// IDs implements Store.
func (s *State) IDs() IDs {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ids
}

// RunOut implements Store.
func (s *State) RunOut(expiry, now wire.Time, limit int) (senders []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for by, h := range s.held {
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
	return s.held[by].Name
}

// Owned implements Store.
func (s *State) Owned() []Owning {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.owned), func(a, b Owning) int { return strings.Compare(a.Name, b.Name) })
}

// Gains implements Store.
func (s *State) Gains(by string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := Change{state: s}
	if h := c.holding(by); h != nil && c.gains(h) {
		return h.Key
	}
	return ""
}

// A Change is what one batch does to a State. It is laid over the state until the transaction is committed.
type Change struct {
	state  *State
	at     wire.Time       // of the batch
	expiry wire.Time       // of the batch
	names  int             // that are held
	rooms  int             // that have messages
	heads  map[string]Head // the zero one: removed
	last   map[Grave]uint64
	held   map[string]*Holding  // nil: dropped
	keys   map[string]string    // "": free
	owned  map[string]Owning    // the zero one: nobody's
	parts  map[string]string    // "": free
	owns   map[string]int       // as they will be
	times  map[string]wire.Time // of the rooms in heads that have new messages
	ids    IDs
	row    wire.Message // what Tx.Message is given, for one event after the other

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
	s.ids, s.rooms = c.ids, c.rooms
	maps.Copy(s.last, c.last)
	maps.Copy(s.times, c.times)
	lay(s.heads, c.heads)
	for room, h := range c.heads {
		if h == (Head{}) {
			delete(s.times, room)
		}
	}
	for by, h := range c.held {
		if h == nil {
			delete(s.held, by)
		} else {
			s.held[by] = *h
		}
	}
	lay(s.keys, c.keys)
	lay(s.owned, c.owned)
	lay(s.parts, c.parts)
	lay(s.owns, c.owns)
	s.commitEpochs(c)
}

// lay lays what has changed over a map. The zero value stands for nothing.
func lay[V comparable](over, changed map[string]V) {
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
		state: s, at: b.At, expiry: b.Expiry, names: len(s.held), ids: s.ids, times: map[string]wire.Time{}, rooms: s.rooms, heads: map[string]Head{}, last: map[Grave]uint64{},
		held: map[string]*Holding{}, keys: map[string]string{}, owned: map[string]Owning{}, parts: map[string]string{}, owns: map[string]int{},
		epoch: s.epoch, epochs: map[string]uint64{}, spans: map[string][]Span{},
	}
	outcomes := make([]Outcome, len(b.Events))
	for i := range b.Events {
		o := &outcomes[i]
		o.Event, o.At, o.Verdict = b.Events[i], c.at, Saved
		var err error
		switch o.Event.Kind {
		case Say:
			err = c.say(tx, o, b.MaxRooms)
		case Claim:
			err = c.claim(tx, o)
		case Release:
			err = c.drop(tx, o, o.Event.By)
		case Restart:
			err = c.restart(tx, o)
		case Trim:
			err = c.trim(tx, o)
		case Disown:
			err = c.disown(tx, o)
		case Expire:
			err = c.expire(tx, o)
		case Turn:
			err = c.turn(tx, o.Event.To)
		case Forget:
			err = c.forget(tx)
		case Remove:
			err = c.remove(tx, o)
		default:
			err = fmt.Errorf("an event of the unknown kind %d", o.Event.Kind)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for room, h := range c.heads {
		if h == (Head{}) {
			continue
		}
		if err := tx.Head(room, h, c.newest(room)); err != nil {
			return nil, nil, err
		}
	}
	return c, outcomes, nil
}

func (o *Outcome) refuse(code wire.Code, reason string) {
	o.Verdict, o.Err = Refused, &wire.Error{Code: code, Reason: reason}
}

func (c *Change) say(tx Tx, o *Outcome, maxRooms int) error {
	e := &o.Event
	head, known := c.head(e.Room)
	if head.Empty() && c.rooms >= maxRooms && e.Room != wire.Lobby {
		o.refuse(wire.NotAllowed, fmt.Sprintf("there are %d rooms already, and no more may be made; say it in one of those", maxRooms))
		return nil
	}
	if head.Last >= MaxNumber {
		o.refuse(wire.NotAllowed, fmt.Sprintf("the room %s has had its last number, %d; say it in another room", e.Room, head.Last))
		return nil
	}
	o.N = head.Last + 1
	o.At = max(c.at, c.newest(e.Room)) // times never go backwards in a room
	if !e.Once {
		entry := Entry{N: o.N, At: o.At, Sum: Sum(e.Text)}
		old, seen, err := tx.Keep(c.ids.Generation, KeyOf(e.Room, e.By, e.ID), entry)
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
			o.Verdict, o.N, o.At = Repeat, old.N, old.At
			return nil
		}
	}
	if h := c.holding(e.By); h != nil {
		o.From = h.Name
		if err := c.use(tx, h); err != nil {
			return err
		}
		if err := c.own(tx, e, h); err != nil {
			return err
		}
	}
	if head.Empty() {
		c.rooms++
	}
	if err := c.span(tx, e.Room, o.N, !known); err != nil {
		return err
	}
	head.Last = o.N
	c.heads[e.Room], c.times[e.Room] = head, o.At
	c.row = o.Message()
	return tx.Message(&c.row)
}

// restart begins an epoch, and frees the names that are bound to connections. Which of them comes first makes no difference.
func (c *Change) restart(tx Tx, o *Outcome) error {
	if o.Event.EpochName != "" {
		if err := c.begin(tx, o); err != nil || o.Verdict == Refused {
			return err
		}
	}
	senders := slices.AppendSeq(slices.Collect(maps.Keys(c.state.held)), maps.Keys(c.held))
	slices.Sort(senders)
	for _, by := range senders {
		if h := c.holding(by); h != nil && h.Bound {
			if err := c.drop(tx, o, by); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Change) trim(tx Tx, o *Outcome) error {
	e := &o.Event
	head, known := c.head(e.Room)
	o.N = head.First
	if !known {
		return nil
	}
	if to := min(e.To, head.Last, head.First+TrimStep-1); to >= head.First {
		if err := tx.Cut(e.Room, head.First, to); err != nil {
			return err
		}
		head.First = to + 1
		c.heads[e.Room] = head
		o.N = head.First
		if head.Empty() {
			c.rooms--
		}
	}
	return nil
}

// remove removes a room with what was said in it lately, if that is not too much. What is kept of it is its last number.
func (c *Change) remove(tx Tx, o *Outcome) error {
	e := &o.Event
	head, known := c.head(e.Room)
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
		c.rooms--
	}
	g := GraveOf(e.Room)
	c.last[g] = max(head.Last, c.buried(g))
	c.heads[e.Room], c.spans[e.Room] = Head{}, nil
	o.N = c.last[g] + 1
	return tx.Remove(e.Room, g, c.last[g])
}

// buried is the highest number of the rooms in a grave.
func (c *Change) buried(g Grave) uint64 { return latest(c.last, c.state.last, g) }

// turn begins the generation of ids that follows the newest one, or dates the newest one anew.
func (c *Change) turn(tx Tx, to uint64) error {
	if to != c.ids.Generation && to != c.ids.Generation+1 {
		return nil
	}
	c.ids = IDs{Generation: to, Since: c.at}
	return tx.Turn(c.ids)
}

// forget lets go of ids that no event looks for, neither of this batch nor of a later one: who decides the batch once
// more, over what it has written, still finds every id that the batch met.
func (c *Change) forget(tx Tx) error {
	if c.state.ids.Generation < 2 {
		return nil
	}
	return tx.Forget(c.state.ids.Generation - 1)
}

// newest is the time of the newest message of a room.
func (c *Change) newest(room string) wire.Time { return latest(c.times, c.state.times, room) }

// head returns a room's numbers, and whether there is such a room.
func (c *Change) head(room string) (Head, bool) {
	if h := latest(c.heads, c.state.heads, room); h != (Head{}) {
		return h, true
	}
	return headAfter(c.buried(GraveOf(room))), false
}

// latest is what a map has under key once what has changed is laid over it.
func latest[K comparable, V any](changed, before map[K]V, key K) V {
	if v, ok := changed[key]; ok {
		return v
	}
	return before[key]
}

// Sum tells texts apart: 64 bits of SHA-256.
func Sum(text string) int64 {
	h := sha256.Sum256([]byte(text))
	return int64(binary.BigEndian.Uint64(h[:8]))
}
