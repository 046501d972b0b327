package eventlog

import (
	"fmt"

	"ramai/wire"
)

// The table Senders has, by room and sender, when the sender first tried to post and when it last did. Senders are noted only
// while the room has a rule that needs it: newcomer, slow or hold. Of others, the remembered ids say when they posted.

// senderTimes is the value of an entry in Senders.
type senderTimes struct {
	_     struct{} `cbor:",toarray"`
	First int64    // when it first tried to post, as far as that is known
	Last  int64    // when it last posted; 0: it did not
}

// senderLife is how long the entry of a sender that does not post is needed: the longest that a newcomer waits, and that slow
// mode makes anyone wait.
const senderLife = wire.Time(max(wire.MaxSlow, wire.MaxNewcomer) * 1000)

// senderHistory is what is known about a sender in a room. It is read when it is needed.
type senderHistory struct {
	c            *Delta
	tx           Tx
	room, sender string

	read  bool
	found bool
	times senderTimes
}

func (h *senderHistory) load() error {
	if h.read {
		return nil
	}
	value, found, err := h.tx.Entry(Senders, h.room, h.sender)
	if err == nil && found {
		if bad := decoding.Unmarshal([]byte(value), &h.times); bad != nil {
			err = fmt.Errorf("%w: the entry of the sender %q in the room %s: %w", ErrDamaged, h.sender, h.room, bad)
		}
	}
	h.read, h.found = true, found
	return err
}

func (h *senderHistory) put() error {
	h.found = true
	return h.tx.PutEntry(&Entry{Table: Senders, Room: h.room, Key: h.sender, Value: string(must(encoding.Marshal(h.times)))})
}

// oldestID returns the time of the oldest record of the sender whose id is remembered.
func (h *senderHistory) oldestID() (wire.Time, bool, error) {
	return h.tx.OldestID(h.c.ids.Number, h.room, h.sender)
}

// first returns when the sender first tried to post, and remembers it.
func (h *senderHistory) first() (wire.Time, error) {
	if err := h.load(); err != nil || h.found {
		return wire.Time(h.times.First), err
	}
	oldest, posted, err := h.oldestID()
	if err != nil {
		return 0, err
	}
	h.times.First = int64(h.c.at)
	if posted {
		h.times.First = min(h.times.First, int64(oldest))
	}
	return wire.Time(h.times.First), h.put()
}

// last returns when the sender last posted while that was noted; 0: it did not.
func (h *senderHistory) last() (wire.Time, error) {
	err := h.load()
	return wire.Time(h.times.Last), err
}

// hasPosted reports whether the sender has posted in the room, as far as that is remembered.
func (h *senderHistory) hasPosted() (bool, error) {
	if err := h.load(); err != nil || h.times.Last != 0 {
		return err == nil, err
	}
	_, posted, err := h.oldestID()
	return posted, err
}

// posted notes that the sender of a command has posted a message.
func (c *Delta) posted(tx Tx, o *Outcome) error {
	room, sender := o.Command.Room, o.Command.SenderID
	if !counted(room) {
		return nil
	}
	if err := c.settleClaim(tx, o); err != nil {
		return err
	}
	r := c.rulesOf(room)
	if r.set&(newcomerRule|slowRule|holdRule) == 0 || sender == OperatorSender {
		return nil
	}
	h := senderHistory{c: c, tx: tx, room: room, sender: sender}
	if _, err := h.first(); err != nil {
		return err
	}
	h.times.Last = int64(c.at)
	return h.put()
}

// senderOver reports whether an entry of Senders has no effect any more.
func senderOver(e *Entry, at wire.Time) (bool, error) {
	var times senderTimes
	if err := decoding.Unmarshal([]byte(e.Value), &times); err != nil {
		return false, fmt.Errorf("%w: the entry of the sender %q in the room %s: %w", ErrDamaged, e.Key, e.Room, err)
	}
	newest := wire.Time(max(times.First, times.Last))
	return newest+senderLife <= at, nil
}
