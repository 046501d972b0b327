package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"

	"ramai/wire"
)

// repeated remembers the id of a command that adds a record, unless it is refused. If the id is known already, or the
// command is refused, it sets the outcome, and reports true. Repeating a command that was applied is not an error.
func (c *Delta) repeated(tx Tx, o *Outcome, sum int64, refused *wire.CodedError) (bool, error) {
	key := IDKeyOf(o.Command.Room, o.Command.SenderID, o.Command.ID)
	var old IDEntry
	var seen bool
	var err error
	if refused == nil {
		old, seen, err = tx.PutID(c.ids.Number, key, IDEntry{N: o.N, At: o.At, Sum: sum})
	} else {
		old, seen, err = tx.ID(c.ids.Number, key)
	}
	switch {
	case err != nil:
		return false, err
	case seen && old.Sum != sum && old.Sum != NoSum:
		refused = &wire.CodedError{Code: wire.IDReused, Reason: "this id was used for another text or setting in this room; use a new id"}
		fallthrough
	case !seen && refused != nil:
		o.N, o.At = 0, c.at
		o.refuseWith(refused)
		return true, nil
	case seen:
		o.Status, o.N, o.At = Repeat, old.N, old.At
		return true, nil
	}
	return false, nil
}

// saySum is the checksum of a say.
func saySum(say *Command) int64 {
	content := say.Text
	if say.Re != 0 {
		content = "\x00re " + strconv.FormatUint(say.Re, 10) + " " + content // no text of a client has a NUL
	}
	if as, ok := say.Body.(SayAs); ok {
		content = "\x00as " + as.As + "\x00" + strings.Join(as.Options, "\x00") + "\x00 " + content
	}
	return TextSum(content)
}

// An IDKey is the key of a stored id: a hash of the room, the sender and the sender's id. The keys of one sender in one room have a
// common prefix, so that they are stored close together.
type IDKey [16]byte

// IDKeyOf returns the key of an id.
func IDKeyOf(room, senderID, id string) IDKey {
	b := make([]byte, 0, wire.MaxRoom+wire.SenderIDLen+wire.MaxID+2) // on the stack, unless a value is too long
	b = append(append(b, room...), 0)
	b = append(append(b, senderID...), 0)
	sender := sha256.Sum256(b)
	whole := sha256.Sum256(append(b, id...))
	var k IDKey
	copy(k[:senderBytes], sender[:])
	copy(k[senderBytes:], whole[:])
	return k
}

// IDRange returns the range, with both ends, that has the keys of all ids of a sender in a room. Keys of others in it are as
// rare as equal hashes of 48 bits.
func IDRange(room, senderID string) (from, to IDKey) {
	from = IDKeyOf(room, senderID, "")
	to = from
	for i := senderBytes; i < len(from); i++ {
		from[i], to[i] = 0, 0xff
	}
	return from, to
}

// senderBytes is the length of the prefix that the keys of a sender in a room have in common.
const senderBytes = 6

// An IDEntry is the stored data of an id: the number and time of its record, and a checksum of the content.
type IDEntry struct {
	N   uint64
	At  wire.Time
	Sum int64
}

// NoSum is the checksum of erased content. It matches any content, because a short text could be guessed from its checksum.
const NoSum = 0

// TextSum returns the checksum of a text: 64 bits of SHA-256.
func TextSum(text string) int64 {
	h := sha256.Sum256([]byte(text))
	return int64(binary.BigEndian.Uint64(h[:8]))
}
