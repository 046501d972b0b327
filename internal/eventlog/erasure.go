package eventlog

import (
	"encoding/binary"
	"fmt"
	"slices"

	"ramai/wire"
)

// Limits of erasures.
const (
	// EraseStepSize is how many numbers of a room one step of an erasure looks at, so that no post waits long for it.
	EraseStepSize = 100
	// MaxErasedSenders is how many senders' messages one erasure can erase.
	MaxErasedSenders = 1000
	// MaxErasedRanges is how many ranges of numbers one erasure can name.
	MaxErasedRanges = 1000
	// MaxErasures is how many erasures of a room can be stored at once.
	MaxErasures = 1000
	// maxHiding is how many of them can be hiding messages at once: each read of the room consults all of these.
	maxHiding = 20
)

// An Erasure is a selection of a room's messages that a moderator has erased: those of some senders with numbers from From to
// To. They are hidden as soon as the command is applied. Steps then move their texts from the rows to the vault, or delete
// them if the erasure is final. Undoing it moves them back, in steps.
//
// Stored under its number in the table Erasures.
type Erasure struct {
	Room     string
	N        uint64 // number of its record
	SenderID string // the moderator
	At       wire.Time
	By       []string // the senders, ascending
	From, To uint64
	Asked    string // the selection as the moderator has described it
	Count    uint64 // messages that there were to erase
	Final    bool   // it cannot be undone: no text is kept
	Phase    ErasurePhase
	Next     uint64      // number at which the next step begins
	Of       [][2]uint64 // see EraseBody; never changed
}

// An ErasurePhase is how far an erasure is.
type ErasurePhase uint8

// The phases of an erasure.
const (
	Erasing   ErasurePhase = iota + 1 // messages up to Next are erased, the others are hidden
	Erased                            // all are erased; the erasure can be undone
	Restoring                         // it is being undone: messages up to Next are restored, the others are hidden
	Expiring                          // it cannot be undone any more; the texts are being deleted
)

// stored is an Erasure's value.
type storedErasure struct {
	_        struct{} `cbor:",toarray"`
	SenderID string
	At       int64
	By       []string
	From, To uint64
	Asked    string
	Count    uint64
	Final    bool
	Phase    ErasurePhase
	Next     uint64
}

// storedErasure5 is a storedErasure with Of, which exists from HoldLevel on.
type storedErasure5 struct {
	_        struct{} `cbor:",toarray"`
	SenderID string
	At       int64
	By       []string
	From, To uint64
	Asked    string
	Count    uint64
	Final    bool
	Phase    ErasurePhase
	Next     uint64
	Of       [][2]uint64
}

// numberKey returns the key of an entry that belongs to a number. Keys are in the order of their numbers.
func numberKey(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// keyNumber returns the number of a numberKey.
func keyNumber(key string) (uint64, error) {
	if len(key) != 8 {
		return 0, fmt.Errorf("%w: the key %x of an entry is not a number", ErrDamaged, key)
	}
	return binary.BigEndian.Uint64([]byte(key)), nil
}

// entry returns the entry of an erasure.
func (e *Erasure) entry() *Entry {
	var value any = storedErasure{
		SenderID: e.SenderID, At: int64(e.At), By: e.By, From: e.From, To: e.To, Asked: e.Asked, Count: e.Count, Final: e.Final, Phase: e.Phase, Next: e.Next,
	}
	if len(e.Of) > 0 {
		value = storedErasure5{
			SenderID: e.SenderID, At: int64(e.At), By: e.By, From: e.From, To: e.To, Asked: e.Asked, Count: e.Count, Final: e.Final, Phase: e.Phase, Next: e.Next, Of: e.Of,
		}
	}
	return &Entry{Table: Erasures, Room: e.Room, Key: numberKey(e.N), Value: string(must(encoding.Marshal(value)))}
}

// DecodeErasure returns the erasure of an entry.
func DecodeErasure(e *Entry) (*Erasure, error) {
	n, err := keyNumber(e.Key)
	if err != nil {
		return nil, err
	}
	var s storedErasure5
	if isArray([]byte(e.Value), 11) {
		err = decoding.Unmarshal([]byte(e.Value), &s)
	} else {
		var old storedErasure
		err = decoding.Unmarshal([]byte(e.Value), &old)
		s = storedErasure5{SenderID: old.SenderID, At: old.At, By: old.By, From: old.From, To: old.To, Asked: old.Asked, Count: old.Count, Final: old.Final, Phase: old.Phase, Next: old.Next}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the erasure %d of the room %s: %w", ErrDamaged, n, e.Room, err)
	}
	return &Erasure{
		Room: e.Room, N: n, SenderID: s.SenderID, At: wire.Time(s.At), By: s.By, From: s.From, To: s.To, Asked: s.Asked, Count: s.Count, Final: s.Final, Phase: s.Phase, Next: s.Next, Of: s.Of,
	}, nil
}

// hides reports whether the message of a sender is hidden, though its row may still have a text.
func (e *Erasure) hides(n uint64, senderID string) bool {
	from := e.From
	switch e.Phase {
	case Erasing:
	case Restoring:
		from = max(from, e.Next)
	default:
		return false
	}
	return n >= from && n <= e.To && e.has(n, senderID)
}

// has reports whether the erasure is of a sender's message with a number.
func (e *Erasure) has(n uint64, senderID string) bool {
	_, found := slices.BinarySearch(e.By, senderID)
	if !found || len(e.Of) == 0 {
		return found
	}
	_, found = slices.BinarySearchFunc(e.Of, n, func(r [2]uint64, n uint64) int {
		switch {
		case r[1] < n:
			return -1
		case r[0] > n:
			return 1
		}
		return 0
	})
	return found
}

// hiding reports whether the erasure hides messages.
func (e *Erasure) hiding() bool { return e.Phase == Erasing || e.Phase == Restoring }

// tombstone returns the row of a message that the erasure has erased.
func (e *Erasure) tombstone() string { return (&messageBody{Gone: true, Edited: e.N}).encode() }

// Hiding are the erasures of a room that hide messages.
type Hiding []*Erasure

// Hide replaces the records that are hidden by what is left of them. It changes the slice, which the caller owns.
func (h Hiding) Hide(records []Record) {
	for i := range records {
		for _, e := range h {
			if e.hide(&records[i]) {
				break
			}
		}
	}
}

// hide hides a record if it has the text of a hidden message, and reports whether it did.
func (e *Erasure) hide(r *Record) bool {
	switch r.Kind {
	case Say:
		if !e.hides(r.N, r.SenderID) {
			return false
		}
		if m, err := readMessage(r.Body); err != nil || m.Gone {
			return false
		}
		r.Body = e.tombstone()
		return true
	case Change: // of the author, or of the operator
		change, err := decodeChange(r.Body)
		if err != nil || change.Text == nil || !e.hides(change.Of, r.SenderID) && (r.SenderID != OperatorSender || change.Of < e.From || change.Of > e.To) {
			return false
		}
		r.Body = encodeChange(ChangeBody{})
		return true
	}
	return false
}

// Hiding returns the erasures of a room that hide messages. A store calls it before it reads records, and then Hide: a text
// that an erasure has hidden before the call is in no record after that.
func (s *State) Hiding(room string) (hiding Hiding) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.erasures[room] {
		if e.hiding() {
			hiding = append(hiding, e)
		}
	}
	return hiding
}

// Erasure returns an erasure of a room, or nil.
func (s *State) Erasure(room string, n uint64) *Erasure {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return findErasure(s.erasures[room], n)
}

func findErasure(all []*Erasure, n uint64) *Erasure {
	for _, e := range all {
		if e.N == n {
			return e
		}
	}
	return nil
}

// ErasureSteps returns a step for each erasure that has one to do at a time: it is not finished, or its texts have to be
// deleted. Expired erasures are left out unless expire is set.
func (s *State) ErasureSteps(at wire.Time, expire bool) (steps []Command) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, all := range s.erasures {
		for _, e := range all {
			switch {
			case e.Phase == Restoring:
				steps = append(steps, Command{Kind: RestoreStep, Room: e.Room, Body: RestoreStepBody{Erasure: e.N, Next: e.Next}})
			case e.Phase == Erasing || e.Phase == Expiring || expire && e.expired(at):
				steps = append(steps, Command{Kind: EraseStep, Room: e.Room, Body: EraseStepBody{Erasure: e.N, Next: e.Next}})
			}
		}
	}
	return steps
}

// expired reports whether an erasure can no longer be undone.
func (e *Erasure) expired(at wire.Time) bool {
	return e.Phase == Erased && int64(at-e.At) >= VaultLife.Milliseconds()
}

// loadErasures replaces all erasures. mu is held.
func (s *State) loadErasures(all []*Erasure) {
	s.erasures = map[string][]*Erasure{}
	for _, e := range all {
		s.erasures[e.Room] = append(s.erasures[e.Room], e)
	}
	for _, list := range s.erasures {
		slices.SortFunc(list, func(a, b *Erasure) int { return int(int64(a.N) - int64(b.N)) })
	}
}

// commitErasures makes the erasures of c part of the state. mu is held.
func (s *State) commitErasures(c *Delta) {
	for room, all := range c.erasures {
		if len(all) == 0 {
			delete(s.erasures, room)
		} else {
			s.erasures[room] = all
		}
	}
}

// erasuresOf returns the erasures of a room, ascending. The slice must not be changed.
func (c *Delta) erasuresOf(room string) []*Erasure { return latest(c.erasures, c.state.erasures, room) }

// putErasure stores an erasure, in place of its former state.
func (c *Delta) putErasure(tx Tx, e *Erasure) error {
	all := slices.Clone(c.erasuresOf(e.Room))
	if i := slices.IndexFunc(all, func(old *Erasure) bool { return old.N == e.N }); i >= 0 {
		all[i] = e
	} else {
		all = append(all, e)
	}
	c.erasures[e.Room] = all
	return tx.PutEntry(e.entry())
}

// deleteErasure deletes an erasure. Nothing of it is in the vault any more.
func (c *Delta) deleteErasure(tx Tx, e *Erasure) error {
	c.erasures[e.Room] = slices.DeleteFunc(slices.Clone(c.erasuresOf(e.Room)), func(old *Erasure) bool { return old.N == e.N })
	return tx.DeleteEntry(Erasures, e.Room, numberKey(e.N))
}

// hiddenBy returns the erasure that hides a message, or nil.
func (c *Delta) hiddenBy(r *Record) *Erasure {
	for _, e := range c.erasuresOf(r.Room) {
		if e.hides(r.N, r.SenderID) {
			return e
		}
	}
	return nil
}
