package eventlog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"ramai/wire"
)

// An erasure also rejects what its senders have waiting, as far as the selection has it: the node that submits it has found these
// messages, too. Their texts are deleted, and their authors are told, so undoing the erasure does not bring them back.

// A HeldKey names a held message of a room.
type HeldKey struct {
	_        struct{} `cbor:",toarray"`
	SenderID string
	ID       string
}

// Compare orders keys by senders and ids.
func (k HeldKey) Compare(other HeldKey) int {
	return cmp.Or(cmp.Compare(k.SenderID, other.SenderID), cmp.Compare(k.ID, other.ID))
}

// A HeldInfo describes a held message.
type HeldInfo struct {
	HeldKey
	N      uint64 // number of its record in the room of the moderators
	At     wire.Time
	Origin Origin // zero: unknown
}

// EachHeld calls f with the messages that wait in a room.
func EachHeld(r EntryReader, room string, f func(HeldInfo)) error {
	return eachEntry(r, Held, room, func(e *Entry) error {
		h, err := decodeEntry[heldEntry](e)
		if err != nil {
			return err
		}
		key, err := parseHeldKey(e)
		if err != nil {
			return err
		}
		info := HeldInfo{HeldKey: key, N: h.N, At: wire.Time(h.At)}
		copy(info.Origin[:], h.Origin)
		f(info)
		return nil
	})
}

// checkHeldKeys checks the held messages of an Erase.
func checkHeldKeys(keys []HeldKey) error {
	if len(keys) > MaxHeld {
		return fmt.Errorf("an erase command of %d held messages, at most %d are allowed", len(keys), MaxHeld)
	}
	for i, k := range keys {
		if bad := wire.CheckID(k.SenderID); bad != nil {
			return fmt.Errorf("an erase command of a held message of %.80q: %s", k.SenderID, bad.Reason)
		}
		if bad := wire.CheckID(k.ID); bad != nil {
			return fmt.Errorf("an erase command of the held message %.80q: %s", k.ID, bad.Reason)
		}
		if i > 0 && keys[i-1].Compare(k) >= 0 {
			return errors.New("an erase command has held messages that are not in ascending order")
		}
	}
	return nil
}

// senders returns whose messages are erased or rejected, ascending.
func (b *EraseBody) senders() []string {
	all := slices.Clone(b.By)
	for _, k := range b.Held {
		all = append(all, k.SenderID)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// stillHeld removes held messages that were decided about meanwhile.
func (c *Delta) stillHeld(tx Tx, room string, body *EraseBody) error {
	var held []HeldKey
	for _, k := range body.Held {
		if _, found, err := c.heldEntryOf(tx, room, heldKey(k.SenderID, k.ID)); err != nil {
			return err
		} else if found {
			held = append(held, k)
		}
	}
	body.Held = held
	return nil
}

// rejectHeld rejects the held messages of an erasure, with one record of that.
func (c *Delta) rejectHeld(tx Tx, o *Outcome, body *EraseBody) error {
	room := o.Command.Room
	for _, k := range body.Held {
		h, found, err := c.heldEntryOf(tx, room, heldKey(k.SenderID, k.ID))
		if err != nil || !found {
			return err
		}
		m := heldMessage{Delta: c, tx: tx, room: room, senderID: k.SenderID, id: k.ID, heldEntry: h}
		if err := m.close(o, Rejected, nil); err != nil {
			return err
		}
	}
	if len(body.Held) == 0 {
		return nil
	}
	action := &wire.Action{Do: wire.DoReject, Count: uint64(len(body.Held))}
	if !body.Final {
		action.Reason = body.Asked
		if first := body.Held[0].SenderID; first == body.Held[len(body.Held)-1].SenderID {
			action.SenderID, action.DisplayName = first, c.nameOf(first)
		}
	}
	c.logAction(o, action)
	return nil
}
