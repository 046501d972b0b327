package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"ramai/wire"
)

// HoldName is how long a name that is not bound to a connection stays its holder's after its last use.
const HoldName = 24 * time.Hour

// How many names can be owned: by one sender, and in all, for keys cost nothing.
const (
	MaxOwned    = 8
	MaxAllOwned = 100_000
)

// Bounds of letting go.
const (
	// TrimStep is how many messages one Trim lets go, so that saying need not wait for long.
	TrimStep = 500
	// KeepIDs is how long an id is kept at least. Clients do not send again what is older.
	KeepIDs = 30 * 24 * time.Hour
)

// An Entry is what is kept of an id: the number and time of the message it stands for, and a sum over its text.
type Entry struct {
	N   uint64
	At  wire.Time
	Sum int64
}

// A Holding is a name that somebody holds.
type Holding struct {
	By, Name, Key string
	Bound         bool      // ends with its connection
	Used          wire.Time // when it was last claimed or spoken under
}

// An Owning is a name that is somebody's for good: the first sender to speak under it with Event.Own. Nobody else can hold it.
type Owning struct {
	By, Name, Key string
	Since         wire.Time
}

// Tx is what Decide writes to: the rows of a store, inside one transaction.
type Tx interface {
	// Keep keeps e under (room, by, id), unless something is kept there: then it returns that and true.
	Keep(room, by, id string, e Entry) (Entry, bool, error)
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
	// Forget removes ids of messages that were cut and are of before or older: the oldest, TrimStep at most.
	Forget(room string, before wire.Time) error
	// Head writes a room's numbers; the first time it makes the room.
	Head(room string, h Head) error
}

// State is what a store knows by heart: small, and all that Decide needs besides the ids. A store fills it when it
// opens, with Load; after that it moves with Commit alone, so never ahead of the disk.
type State struct {
	mu    sync.RWMutex // for all below; written only by the goroutine that applies
	heads map[string]Head
	held  map[string]Holding // by sender
	keys  map[string]string  // sender by each part of the key
	owned map[string]Owning  // by key
	parts map[string]string  // the key of what is owned, by each part of it
	owns  map[string]int     // keys of each owner
	at    wire.Time
}

// Load replaces everything.
func (s *State) Load(heads map[string]Head, held []Holding, owned []Owning, at wire.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads, s.at = heads, at
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
	if h, ok := s.heads[room]; ok {
		return h
	}
	return Head{First: 1}
}

// Heads implements Store.
func (s *State) Heads() map[string]Head {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.heads)
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
	state *State
	at    wire.Time
	rooms int // with those that this batch makes
	heads map[string]Head
	held  map[string]*Holding // nil: dropped
	keys  map[string]string   // "": free
	owned map[string]Owning   // the zero one: nobody's
	parts map[string]string   // "": free
	owns  map[string]int      // as they will be
	row   wire.Message        // what Tx.Message is given, for one event after the other
}

// At is the time of the batch.
func (c *Change) At() wire.Time { return c.at }

// Commit makes c part of the state. Called when it is on disk.
func (s *State) Commit(c *Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = c.at
	maps.Copy(s.heads, c.heads)
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
		state: s, at: max(s.at, b.At), rooms: len(s.heads), heads: map[string]Head{},
		held: map[string]*Holding{}, keys: map[string]string{}, owned: map[string]Owning{}, parts: map[string]string{}, owns: map[string]int{},
	}
	if err := c.forget(tx, b); err != nil {
		return nil, nil, err
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
		default:
			err = fmt.Errorf("an event of the unknown kind %d", o.Event.Kind)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for room, h := range c.heads {
		if err := tx.Head(room, h); err != nil {
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
	if !known && c.rooms >= maxRooms {
		o.refuse(wire.NotAllowed, fmt.Sprintf("there are %d rooms already, and no more may be made; say it in one of those", maxRooms))
		return nil
	}
	o.N = head.Last + 1
	if !e.Once {
		entry := Entry{N: o.N, At: c.at, Sum: Sum(e.Text)}
		old, seen, err := tx.Keep(e.Room, e.By, e.ID, entry)
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
	if !known {
		c.rooms++
	}
	head.Last = o.N
	c.heads[e.Room] = head
	c.row = o.Message()
	return tx.Message(&c.row)
}

// use notes that a name was spoken under. Once an hour is often enough, and spares a row a message.
func (c *Change) use(tx Tx, h *Holding) error {
	if c.at < h.Used+wire.Time(time.Hour/time.Millisecond) {
		return nil
	}
	used := *h
	used.Used = c.at
	c.held[h.By] = &used
	return tx.Hold(used)
}

// parts returns what two keys clash by if they have it in common: what is before the NUL of a key, and the NUL with what
// follows it. So the first part of one never equals the second of another. A key without a NUL has one part.
func parts(key string) []string {
	if i := strings.IndexByte(key, 0); i >= 0 {
		return []string{key[:i], key[i:]}
	}
	return []string{key}
}

// owners returns the names that are somebody's for good and clash with key: at most one for each part of it.
func (c *Change) owners(key string) (found []Owning) {
	for _, part := range parts(key) {
		if k := latest(c.parts, c.state.parts, part); k != "" {
			found = append(found, latest(c.owned, c.state.owned, k))
		}
	}
	return found
}

// gains tells whether a name can become its holder's for good: it is nobody's, and there are not too many.
func (c *Change) gains(h *Holding) bool {
	return len(c.owners(h.Key)) == 0 && latest(c.owns, c.state.owns, h.By) < MaxOwned &&
		len(c.state.owned)+len(c.owned) < MaxAllOwned
}

// own makes a name its holder's for good who speaks under it, if e is to do that and it can be. That e says which name
// keeps what was allowed for one from being had for another, which was claimed meanwhile.
func (c *Change) own(tx Tx, e *Event, h *Holding) error {
	if e.Own != h.Key || !c.gains(h) {
		return nil
	}
	o := Owning{By: h.By, Name: h.Name, Key: h.Key, Since: c.at}
	c.owned[o.Key], c.owns[o.By] = o, latest(c.owns, c.state.owns, o.By)+1
	for _, part := range parts(o.Key) {
		c.parts[part] = o.Key
	}
	return tx.Own(o)
}

func (c *Change) disown(tx Tx, o *Outcome) error {
	e := &o.Event
	owners := c.owners(e.Key)
	if len(owners) == 0 {
		o.refuse(wire.BadRequest, fmt.Sprintf("the name %q is nobody's own", e.Name))
		return nil
	}
	was := owners[0] // the same name in other letters comes before one that only looks like it
	c.owned[was.Key], c.owns[was.By] = Owning{}, latest(c.owns, c.state.owns, was.By)-1
	for _, part := range parts(was.Key) {
		c.parts[part] = ""
	}
	if err := tx.Disown(was.Key); err != nil {
		return err
	}
	if h := c.holding(was.By); h != nil && h.Key == was.Key {
		return c.drop(tx, o, was.By)
	}
	return nil
}

func (c *Change) claim(tx Tx, o *Outcome) error {
	e := &o.Event
	for _, owner := range c.owners(e.Key) {
		if owner.By != e.By {
			o.refuse(wire.NameTaken, fmt.Sprintf("the name %q, or one that looks like it, belongs to a key of SSH: come over SSH with that key, "+
				"have the server's operator free it (ramai name release), or choose another", e.Name))
			return nil
		}
	}
	holders := c.holders(e.Key)
	for _, by := range holders {
		if h := c.holding(by); by != e.By && (h.Bound || c.at < h.Used+wire.Time(HoldName/time.Millisecond)) {
			o.refuse(wire.NameTaken, fmt.Sprintf("the name %q, or one that looks like it, is held by somebody else; choose another", e.Name))
			return nil
		}
	}
	for _, by := range holders {
		if by == e.By {
			continue
		}
		if err := c.drop(tx, o, by); err != nil {
			return err
		}
	}
	before := c.holding(e.By)
	if err := c.drop(tx, o, e.By); err != nil {
		return err
	}
	switch {
	case before == nil:
		o.Renamed = append(o.Renamed, e.By)
	case before.Name == e.Name:
		o.Renamed = o.Renamed[:len(o.Renamed)-1]
	}
	h := Holding{By: e.By, Name: e.Name, Key: e.Key, Bound: e.Bound, Used: c.at}
	c.held[e.By] = &h
	for _, part := range parts(e.Key) {
		c.keys[part] = e.By
	}
	return tx.Hold(h)
}

// drop takes the name that a sender holds, if it holds one.
func (c *Change) drop(tx Tx, o *Outcome, by string) error {
	h := c.holding(by)
	if h == nil {
		return nil
	}
	c.held[by] = nil
	for _, part := range parts(h.Key) {
		c.keys[part] = ""
	}
	o.Renamed = append(o.Renamed, by)
	return tx.Drop(by)
}

// restart frees the names that are bound to connections. Which of them comes first makes no difference.
func (c *Change) restart(tx Tx, o *Outcome) error {
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
	}
	return nil
}

// forget lets go of ids, before anything else: who decides the batch once more, over what it has written, still finds
// every id that the batch met.
func (c *Change) forget(tx Tx, b *Batch) error {
	for i := range b.Events {
		e := &b.Events[i]
		if _, known := c.state.heads[e.Room]; e.Kind != Trim || !known {
			continue
		}
		if err := tx.Forget(e.Room, c.at-wire.Time(KeepIDs/time.Millisecond)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Change) head(room string) (Head, bool) {
	if h, ok := c.heads[room]; ok {
		return h, true
	}
	if h, ok := c.state.heads[room]; ok {
		return h, true
	}
	return Head{First: 1}, false
}

func (c *Change) holding(by string) *Holding {
	if h, ok := c.held[by]; ok {
		return h
	}
	if h, ok := c.state.held[by]; ok {
		return &h
	}
	return nil
}

// holders returns who holds a name that clashes with key: at most one sender for each part of it.
func (c *Change) holders(key string) (found []string) {
	for _, part := range parts(key) {
		if by := latest(c.keys, c.state.keys, part); by != "" && !slices.Contains(found, by) {
			found = append(found, by)
		}
	}
	return found
}

// latest is what a map has under key once what has changed is laid over it.
func latest[V any](changed, before map[string]V, key string) V {
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
