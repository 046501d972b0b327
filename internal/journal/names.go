package journal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ramai/wire"
)

// HoldName is how long a name that is not bound to a connection stays its holder's after its last use, at least: it runs
// out by Batch.Expiry.
const HoldName = 24 * time.Hour

// How many names can be owned: by one sender, and in all, for keys cost nothing.
const (
	MaxOwned    = 8
	MaxAllOwned = 100_000
)

// MaxHeld is how many names can be held in all: each costs memory, and sessions cost nothing.
const MaxHeld = 100_000

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

// use notes that a name was spoken under. Once an hour is often enough, and spares a row a message.
func (c *Change) use(tx Tx, h *Holding) error {
	if since := c.at - h.Used; since >= 0 && since < wire.Time(time.Hour/time.Millisecond) {
		return nil // below 0 the clock was ahead when it was noted
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
		if h := c.holding(by); by != e.By && (h.Bound || h.Used > c.expiry) {
			o.refuse(wire.NameTaken, fmt.Sprintf("the name %q, or one that looks like it, is held by somebody else; choose another", e.Name))
			return nil
		}
	}
	before := c.holding(e.By)
	if before == nil && len(holders) == 0 && c.names >= MaxHeld {
		o.refuse(wire.NotAllowed, fmt.Sprintf("%d names are held already, and no more can be; go on without one, or try again when some have run out", MaxHeld))
		return nil
	}
	for _, by := range holders {
		if by == e.By {
			continue
		}
		if err := c.drop(tx, o, by); err != nil {
			return err
		}
	}
	if err := c.drop(tx, o, e.By); err != nil {
		return err
	}
	switch {
	case before == nil:
		o.Renamed = append(o.Renamed, e.By)
	case before.Name == e.Name:
		o.Renamed = o.Renamed[:len(o.Renamed)-1]
	}
	c.names++
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
	c.names--
	c.held[by] = nil
	for _, part := range parts(h.Key) {
		c.keys[part] = ""
	}
	o.Renamed = append(o.Renamed, by)
	return tx.Drop(by)
}

// expire frees a name that has run out. One that was used at a time to come was noted while the clock was ahead: it runs
// out as if it was used now.
func (c *Change) expire(tx Tx, o *Outcome) error {
	h := c.holding(o.Event.By)
	switch {
	case h == nil || h.Bound:
	case h.Used <= c.expiry:
		return c.drop(tx, o, h.By)
	case h.Used > c.at:
		used := *h
		used.Used = c.at
		c.held[h.By] = &used
		return tx.Hold(used)
	}
	return nil
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
