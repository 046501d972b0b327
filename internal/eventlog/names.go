package eventlog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ramai/wire"
)

// NameLeaseTime is how long a name that is not bound to a connection stays its holder's after its last use, at least: it runs
// out by Batch.Expiry.
const NameLeaseTime = 24 * time.Hour

// How many names can be owned: by one sender, and in all, for keys cost nothing.
const (
	MaxRegisteredNames    = 8
	MaxAllRegisteredNames = 100_000
)

// MaxNameLeases is how many names can be held in all: each costs memory, and sessions cost nothing.
const MaxNameLeases = 100_000

// A NameLease is a name that somebody holds.
type NameLease struct {
	SenderID, Name, Key string
	Bound               bool      // ends with its connection
	Used                wire.Time // when it was last claimed or spoken under
}

// An NameRegistration is a name that is somebody's for good: the first sender to speak under it with Command.Own. Nobody else can hold it.
type NameRegistration struct {
	SenderID, Name, Key string
	Since               wire.Time
}

// touchLease notes that a name was spoken under. Once an hour is often enough, and spares a row a message.
func (c *Change) touchLease(tx Tx, h *NameLease) error {
	if since := c.at - h.Used; since >= 0 && since < wire.Time(time.Hour/time.Millisecond) {
		return nil // below 0 the clock was ahead when it was noted
	}
	used := *h
	used.Used = c.at
	c.leases[h.SenderID] = &used
	return tx.PutLease(used)
}

// parts returns what two keys clash by if they have it in common: what is before the NUL of a key, and the NUL with what
// follows it. So the first part of one never equals the second of another. A key without a NUL has one part.
func keyParts(key string) []string {
	if i := strings.IndexByte(key, 0); i >= 0 {
		return []string{key[:i], key[i:]}
	}
	return []string{key}
}

// registrationsOf returns the names that are somebody's for good and clash with key: at most one for each part of it.
func (c *Change) registrationsOf(key string) (found []NameRegistration) {
	for _, part := range keyParts(key) {
		if k := latest(c.registeredKeys, c.state.registeredKeys, part); k != "" {
			found = append(found, latest(c.registrations, c.state.registrations, k))
		}
	}
	return found
}

// canRegister tells whether a name can become its holder's for good: it is nobody's, and there are not too many.
func (c *Change) canRegister(h *NameLease) bool {
	return len(c.registrationsOf(h.Key)) == 0 && latest(c.registeredBy, c.state.registeredBy, h.SenderID) < MaxRegisteredNames &&
		len(c.state.registrations)+len(c.registrations) < MaxAllRegisteredNames
}

// registerName makes a name its holder's for good who speaks under it, if e is to do that and it can be. That e says which name
// keeps what was allowed for one from being had for another, which was claimed meanwhile.
func (c *Change) registerName(tx Tx, e *Command, h *NameLease) error {
	if e.RegisterKey != h.Key || !c.canRegister(h) {
		return nil
	}
	o := NameRegistration{SenderID: h.SenderID, Name: h.Name, Key: h.Key, Since: c.at}
	c.registrations[o.Key], c.registeredBy[o.SenderID] = o, latest(c.registeredBy, c.state.registeredBy, o.SenderID)+1
	for _, part := range keyParts(o.Key) {
		c.registeredKeys[part] = o.Key
	}
	return tx.PutRegistration(o)
}

func (c *Change) unregisterName(tx Tx, o *Outcome) error {
	e := &o.Command
	owners := c.registrationsOf(e.Key)
	if len(owners) == 0 {
		o.refuse(wire.BadRequest, fmt.Sprintf("the name %q is nobody's own", e.Name))
		return nil
	}
	was := owners[0] // the same name in other letters comes before one that only looks like it
	c.registrations[was.Key], c.registeredBy[was.SenderID] = NameRegistration{}, latest(c.registeredBy, c.state.registeredBy, was.SenderID)-1
	for _, part := range keyParts(was.Key) {
		c.registeredKeys[part] = ""
	}
	if err := tx.DeleteRegistration(was.Key); err != nil {
		return err
	}
	if h := c.lease(was.SenderID); h != nil && h.Key == was.Key {
		return c.releaseName(tx, o, was.SenderID)
	}
	return nil
}

func (c *Change) reserveName(tx Tx, o *Outcome) error {
	e := &o.Command
	for _, owner := range c.registrationsOf(e.Key) {
		if owner.SenderID != e.SenderID {
			o.refuse(wire.NameTaken, fmt.Sprintf("the name %q, or one that looks like it, belongs to a key of SSH: come over SSH with that key, "+
				"have the server's operator free it (ramai name release), or choose another", e.Name))
			return nil
		}
	}
	holders := c.leaseholders(e.Key)
	for _, by := range holders {
		if h := c.lease(by); by != e.SenderID && (h.Bound || h.Used > c.expiry) {
			o.refuse(wire.NameTaken, fmt.Sprintf("the name %q, or one that looks like it, is held by somebody else; choose another", e.Name))
			return nil
		}
	}
	before := c.lease(e.SenderID)
	if before == nil && len(holders) == 0 && c.leaseCount >= MaxNameLeases {
		o.refuse(wire.NotAllowed, fmt.Sprintf("%d names are held already, and no more can be; go on without one, or try again when some have run out", MaxNameLeases))
		return nil
	}
	for _, by := range holders {
		if by == e.SenderID {
			continue
		}
		if err := c.releaseName(tx, o, by); err != nil {
			return err
		}
	}
	if err := c.releaseName(tx, o, e.SenderID); err != nil {
		return err
	}
	switch {
	case before == nil:
		o.Renamed = append(o.Renamed, e.SenderID)
	case before.Name == e.Name:
		o.Renamed = o.Renamed[:len(o.Renamed)-1]
	}
	c.leaseCount++
	h := NameLease{SenderID: e.SenderID, Name: e.Name, Key: e.Key, Bound: e.Bound, Used: c.at}
	c.leases[e.SenderID] = &h
	for _, part := range keyParts(e.Key) {
		c.leaseKeys[part] = e.SenderID
	}
	return tx.PutLease(h)
}

// releaseName takes the name that a sender holds, if it holds one.
func (c *Change) releaseName(tx Tx, o *Outcome, by string) error {
	h := c.lease(by)
	if h == nil {
		return nil
	}
	c.leaseCount--
	c.leases[by] = nil
	for _, part := range keyParts(h.Key) {
		c.leaseKeys[part] = ""
	}
	o.Renamed = append(o.Renamed, by)
	return tx.DeleteLease(by)
}

// expireName frees a name that has run out. One that was used at a time to come was noted while the clock was ahead: it runs
// out as if it was used now.
func (c *Change) expireName(tx Tx, o *Outcome) error {
	h := c.lease(o.Command.SenderID)
	switch {
	case h == nil || h.Bound:
	case h.Used <= c.expiry:
		return c.releaseName(tx, o, h.SenderID)
	case h.Used > c.at:
		used := *h
		used.Used = c.at
		c.leases[h.SenderID] = &used
		return tx.PutLease(used)
	}
	return nil
}

func (c *Change) lease(by string) *NameLease {
	if h, ok := c.leases[by]; ok {
		return h
	}
	if h, ok := c.state.leases[by]; ok {
		return &h
	}
	return nil
}

// leaseholders returns who holds a name that clashes with key: at most one sender for each part of it.
func (c *Change) leaseholders(key string) (found []string) {
	for _, part := range keyParts(key) {
		if by := latest(c.leaseKeys, c.state.leaseKeys, part); by != "" && !slices.Contains(found, by) {
			found = append(found, by)
		}
	}
	return found
}
