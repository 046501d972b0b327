package eventlog

import (
	"encoding/binary"
	"fmt"
	"time"

	"ramai/wire"
)

// AddressKeyLife is how long the key is used with which addresses are hashed. Its former one is kept as long again, so that what
// was hashed with it can be recognized; then nothing links an address to a message any more.
const AddressKeyLife = 7 * 24 * time.Hour

// OriginLife is how long a hash of an address is kept at most.
const OriginLife = 2 * AddressKeyLife

const (
	addressKeyLife = wire.Time(AddressKeyLife / time.Millisecond)
	originLife     = wire.Time(OriginLife / time.Millisecond)
)

// An Origin is where a command came from: the beginning of a keyed hash of the client's address. Zero: the address is unknown,
// or says nothing about the client.
type Origin [8]byte

// IsZero reports whether the origin is unknown.
func (o Origin) IsZero() bool { return o == Origin{} }

// subject returns the origin as a part of the key of a rule.
func (o Origin) subject() string { return fmt.Sprintf("%x", o[:]) }

// originsOf returns the encoding of a command's origins; empty: they are unknown.
func originsOf(c *Command) []byte {
	switch {
	case c.Origin.IsZero():
		return nil
	case c.FormerOrigin.IsZero():
		return c.Origin[:]
	}
	return append(c.Origin[:len(c.Origin):len(c.Origin)], c.FormerOrigin[:]...)
}

// setOrigins sets the origins of a command to those of an encoding.
func setOrigins(c *Command, b []byte) error {
	if len(b) != len(c.Origin) && len(b) != len(c.Origin)+len(c.FormerOrigin) {
		return fmt.Errorf("the origin of a command has %d bytes", len(b))
	}
	copy(c.FormerOrigin[:], b[copy(c.Origin[:], b):])
	return nil
}

// checkOrigins returns an error unless the kind of a command can have its origins.
func checkOrigins(c *Command) error {
	switch {
	case c.Origin.IsZero() && !c.FormerOrigin.IsZero():
		return fmt.Errorf("a %v command has a former origin and no present one", c.Kind)
	case !c.Origin.IsZero() && !c.Kind.hasOrigin():
		return fmt.Errorf("a %v command has an origin, want none", c.Kind)
	}
	return nil
}

// hasOrigin reports whether a kind of command has an origin: rules about addresses apply to it, or an address has a share of what it does.
func (k Kind) hasOrigin() bool {
	return k == Say || k == Change || k == Mark || k == Set || k == Report || k == Judge
}

// The table Origins has, by room and number, the origin of a message, and the time since which its key is used.

// originBytes is the length of a value of the table Origins: a time and an origin. It has no other encoding, because there is
// one for each message.
const originBytes = 8 + len(Origin{})

// noteOrigin stores the origin of a message, if it is known.
func (c *Delta) noteOrigin(tx Tx, o *Outcome) error {
	origin, keys := o.Command.Origin, c.addressKeys
	if held, is := o.Command.Body.(*approvedSay); is && !origin.IsZero() { // hashed when it was held; that key may be destroyed
		for len(keys) > 0 && keys[len(keys)-1].Since > held.at {
			keys = keys[:len(keys)-1]
		}
	}
	if origin.IsZero() || len(keys) == 0 {
		return nil
	}
	value := binary.BigEndian.AppendUint64(make([]byte, 0, originBytes), uint64(keys[len(keys)-1].Since))
	return tx.PutEntry(&Entry{Table: Origins, Room: o.Command.Room, Key: numberKey(o.N), Value: string(append(value, origin[:]...))})
}

// A StoredOrigin is the origin of a message, as it is stored.
type StoredOrigin struct {
	N      uint64
	Origin Origin
	Since  wire.Time // of the key
}

// DecodeOrigin returns the origin of an entry.
func DecodeOrigin(e *Entry) (o StoredOrigin, err error) {
	if o.N, err = keyNumber(e.Key); err != nil {
		return o, err
	}
	if len(e.Value) != originBytes {
		return o, fmt.Errorf("%w: the origin of message %d of the room %s has %d bytes", ErrDamaged, o.N, e.Room, len(e.Value))
	}
	o.Since = wire.Time(binary.BigEndian.Uint64([]byte(e.Value)))
	copy(o.Origin[:], e.Value[8:])
	return o, nil
}

// OriginOf returns the origin of a message, if it is known.
func OriginOf(r EntryReader, room string, n uint64) (o StoredOrigin, found bool, err error) {
	value, found, err := r.Entry(Origins, room, numberKey(n))
	if err != nil || !found {
		return o, false, err
	}
	o, err = DecodeOrigin(&Entry{Table: Origins, Room: room, Key: numberKey(n), Value: value})
	return o, err == nil, err
}

// EachOrigin calls f with the known origins of a room's messages with numbers from from to to, ascending.
func EachOrigin(r EntryReader, room string, from, to uint64, f func(StoredOrigin)) error {
	after := ""
	if from > 0 {
		after = numberKey(from - 1)
	}
	for {
		entries, err := r.Entries(Origins, room, "", after, MaxEntries)
		if err != nil || len(entries) == 0 {
			return err
		}
		for i := range entries {
			o, err := DecodeOrigin(&entries[i])
			if err != nil || o.N > to {
				return err
			}
			f(o)
			after = entries[i].Key
		}
	}
}

// originOver reports whether the key of an origin is not kept any more.
func originOver(e *Entry, at wire.Time) (bool, error) {
	o, err := DecodeOrigin(e)
	return err == nil && keyOver(o.Since, at), err
}

// keyOver reports whether a key that is used since a time is not kept any more. One of the future was made while the clock was
// ahead.
func keyOver(since, at wire.Time) bool { return since+originLife <= at || since-addressKeyLife > at }
