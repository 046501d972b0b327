package eventlog

import (
	"fmt"
	"strings"
	"time"

	"ramai/wire"
)

// A message that the room holds back has no number there until a moderator approves it. Meanwhile its text is a record of the
// room of the moderators, and the table Held has what else is needed. What became of it is in HeldDecisions as long as its id, or
// the decision, may be repeated.

// Limits of held messages.
const (
	MaxHeld       = 1000               // of a room
	MaxHeldBySame = 20                 // of a sender in a room
	HeldLife      = 7 * 24 * time.Hour // after which a message that nobody has decided about is rejected
)

// heldKey returns the key of a sender's message in Held and HeldDecisions.
func heldKey(senderID, id string) string { return senderID + "\x00" + id }

// parseHeldKey returns the message of an entry in Held.
func parseHeldKey(e *Entry) (HeldKey, error) {
	senderID, id, ok := strings.Cut(e.Key, "\x00")
	if !ok {
		return HeldKey{}, fmt.Errorf("%w: the key %q of a held message of the room %s", ErrDamaged, e.Key, e.Room)
	}
	return HeldKey{SenderID: senderID, ID: id}, nil
}

// A heldEntry is the value of an entry in Held.
type heldEntry struct {
	_         struct{} `cbor:",toarray"`
	N         uint64   // number of its record in the room of the moderators; 0 in the batch that adds it
	At        int64
	Sum       int64
	Re        uint64
	As        string
	Once      bool
	Transient bool
	Origin    []byte // of its sender; empty: unknown
}

// A Decision is what became of a held message. Its number is stored.
type Decision uint8

// The decisions.
const (
	Approved Decision = iota + 1
	Rejected
	Withdrawn // by its author
	Expired
)

// A heldDecision is the value of an entry in HeldDecisions. It has no trace of the text.
type heldDecision struct {
	_        struct{} `cbor:",toarray"`
	Decision Decision
	N        uint64 // of an approved message: its number; 0 in the batch that approves it
	At       int64
}

// A Judged is the decision about a held message, for its author.
type Judged struct {
	Room, SenderID, ID string
	N                  uint64 // of an approved message; 0: it is refused
	At                 wire.Time
	Err                *wire.CodedError
}

// heldOver reports whether a held message has waited for too long. A PruneEntries then rejects it.
func heldOver(e *Entry, at wire.Time) (bool, error) {
	h, err := decodeEntry[heldEntry](e)
	return err == nil && wire.Time(h.At)+wire.Time(HeldLife.Milliseconds()) <= at, err
}

func decisionOver(e *Entry, at wire.Time) (bool, error) {
	v, err := decodeEntry[heldDecision](e)
	return err == nil && wire.Time(v.At)+wire.Time(wire.IDLife.Milliseconds()) <= at, err
}

// decodeEntry returns the value of an entry.
func decodeEntry[V any](e *Entry) (v V, err error) {
	if err := decoding.Unmarshal([]byte(e.Value), &v); err != nil {
		return v, fmt.Errorf("%w: an entry of the table %d of the room %s: %w", ErrDamaged, e.Table, e.Room, err)
	}
	return v, nil
}

// A HeldCount is how many entries a room has in Held, and in HeldDecisions.
type HeldCount struct{ Waiting, Decided int }

// of returns the count of a table.
func (n *HeldCount) of(t Table) *int {
	if t == Held {
		return &n.Waiting
	}
	return &n.Decided
}

func (c *Delta) heldCount(room string) HeldCount { return latest(c.held, c.state.held, room) }

// anyHeld reports whether Held or HeldDecisions has entries of a room.
func (c *Delta) anyHeld(room string) bool { return c.heldCount(room) != HeldCount{} }

func (c *Delta) countHeld(t Table, room string, more int) {
	count := c.heldCount(room)
	*count.of(t) += more
	c.held[room] = count
}

func (c *Delta) putHeld(tx Tx, t Table, room, key string, value any) error {
	return tx.PutEntry(&Entry{Table: t, Room: room, Key: key, Value: string(must(encoding.Marshal(value)))})
}

func (c *Delta) addHeld(tx Tx, t Table, room, key string, value any) error {
	c.countHeld(t, room, 1)
	return c.putHeld(tx, t, room, key, value)
}

func (c *Delta) deleteHeld(tx Tx, t Table, room, key string) error {
	c.countHeld(t, room, -1)
	return tx.DeleteEntry(t, room, key)
}

// heldEntryOf returns a message that is held.
func (c *Delta) heldEntryOf(tx Tx, room, key string) (h heldEntry, found bool, err error) {
	if !c.anyHeld(room) {
		return h, false, nil
	}
	value, found, err := tx.Entry(Held, room, key)
	if err != nil || !found {
		return h, false, err
	}
	h, err = decodeEntry[heldEntry](&Entry{Table: Held, Room: room, Key: key, Value: value})
	return h, err == nil, err
}

// decisionOf returns what became of a message that was held.
func (c *Delta) decisionOf(tx Tx, room, key string) (v heldDecision, found bool, err error) {
	if !c.anyHeld(room) {
		return v, false, nil
	}
	value, found, err := tx.Entry(HeldDecisions, room, key)
	if err != nil || !found {
		return v, false, err
	}
	v, err = decodeEntry[heldDecision](&Entry{Table: HeldDecisions, Room: room, Key: key, Value: value})
	return v, err == nil, err
}

// heldBefore sets the outcome of a message that was held before, and reports whether it was. Its id is not among those of the
// room until it is approved.
func (c *Delta) heldBefore(tx Tx, o *Outcome) (bool, error) {
	say := o.Command
	if say.Once || !c.anyHeld(say.Room) {
		return false, nil
	}
	key := heldKey(say.SenderID, say.ID)
	if h, found, err := c.heldEntryOf(tx, say.Room, key); err != nil {
		return false, err
	} else if found {
		if h.Sum != saySum(say) {
			o.refuse(wire.IDReused, "this id was used for another text in this room, which waits for a moderator; use a new id")
			return true, nil
		}
		o.hold(wire.Time(h.At), isHeld)
		return true, nil
	}
	if p := c.posting[say.Room+"\x00"+key]; p != nil { // approved in this batch: it has no number yet, and its id is not stored
		if p.sum != saySum(say) {
			o.refuse(wire.IDReused, "this id was used for another text in this room; use a new id")
			return true, nil
		}
		o.Status, o.At = Repeat, c.at
		p.repeats = append(p.repeats, o)
		return true, nil
	}
	v, found, err := c.decisionOf(tx, say.Room, key)
	if err != nil || !found || v.Decision == Approved { // its id is stored
		return false, err
	}
	o.refuseWith(v.Decision.refusal())
	return true, nil
}

// isHeld is why a message has no number yet.
var isHeld = &wire.CodedError{Code: wire.Held, Rule: wire.HoldKey, Reason: "the message waits for a moderator of the room, who decides whether it is posted"}

// hold makes a message wait.
func (o *Outcome) hold(at wire.Time, why *wire.CodedError) {
	o.Status, o.N, o.At, o.Err = OnHold, 0, at, why
}

// refusal returns the refusal of a message with a decision.
func (v Decision) refusal() *wire.CodedError {
	why := wire.HeldRejected
	e := &wire.CodedError{Code: wire.Held, Rule: wire.HoldKey}
	switch v {
	case Withdrawn:
		return &wire.CodedError{Code: wire.Gone, Reason: "you have withdrawn the message"}
	case Expired:
		why, e.Reason = wire.HeldExpired, "no moderator has decided about the message within 7 days; it was not posted"
	default:
		e.Reason = "a moderator rejected the message; it was not posted"
	}
	e.Params = wire.Params{wire.ParamWhy: wire.TextValue(why)}
	return e
}

// holdSay holds the message of a Say, because of a rule.
func (c *Delta) holdSay(tx Tx, o *Outcome, because *wire.CodedError) error {
	say := o.Command
	if refused, err := c.refusedHeld(tx, say); refused != nil || err != nil {
		o.refuseWith(refused)
		return err
	}
	as, _ := say.Body.(SayAs)
	key := heldKey(say.SenderID, say.ID)
	h := &heldEntry{At: int64(c.at), Sum: saySum(say), Re: say.Re, As: as.As, Once: say.Once, Transient: say.Transient}
	if !say.Origin.IsZero() {
		h.Origin = say.Origin[:]
	}
	if err := c.addHeld(tx, Held, say.Room, key, h); err != nil {
		return err
	}
	body := &logBody{
		message: messageBody{Text: say.Text, As: wire.HeldMessage, Options: as.Options, Of: say.Re}, name: c.nameOf(say.SenderID),
		room: say.Room, key: key,
	}
	c.holding[say.Room+"\x00"+key] = body
	c.derive(Command{Kind: AppendLog, SenderID: say.SenderID, Room: wire.ModeratorsRoom(say.Room), ID: say.ID, Body: body})
	o.hold(c.at, because)
	return nil
}

// refusedHeld refuses a message for which there is no space among those that are held.
func (c *Delta) refusedHeld(tx Tx, say *Command) (*wire.CodedError, error) {
	full := func(reason string) *wire.CodedError {
		return &wire.CodedError{Code: wire.NotAllowed, Rule: wire.HoldKey, Reason: reason}
	}
	own, err := tx.Entries(Held, say.Room, heldKey(say.SenderID, ""), "", MaxHeldBySame)
	if err != nil {
		return nil, err
	}
	if len(own) >= MaxHeldBySame {
		return full(fmt.Sprintf("%d of your messages wait for a moderator of this room already, which is the maximum; wait, or withdraw one", MaxHeldBySame)), nil
	}
	if c.heldCount(say.Room).Waiting >= MaxHeld {
		return full(fmt.Sprintf("%d messages wait for a moderator of this room, which is the maximum; try again later", MaxHeld)), nil
	}
	return nil, nil
}

// eachEntry calls f with the entries of a table and room.
func eachEntry(r EntryReader, t Table, room string, f func(*Entry) error) error {
	for after := ""; ; {
		entries, err := r.Entries(t, room, "", after, MaxEntries)
		if err != nil {
			return err
		}
		for i := range entries {
			after = entries[i].Key
			if err := f(&entries[i]); err != nil {
				return err
			}
		}
		if len(entries) < MaxEntries {
			return nil
		}
	}
}

// recorded notes the number of a held message in the room of the moderators, unless it was decided about in the same batch.
func (b *logBody) recorded(c *Delta, tx Tx) error {
	if b.key == "" {
		return nil
	}
	h, found, err := c.heldEntryOf(tx, b.room, b.key)
	if err != nil || !found {
		return err
	}
	h.N = b.n
	return c.putHeld(tx, Held, b.room, b.key, &h)
}
