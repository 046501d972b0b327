package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"ramai/wire"
)

// MaxRemove is the maximum number of messages of a room that is removed together with them.
const MaxRemove = 500

// RemoveRoomBody is the body of a RemoveRoom, which deletes a room with its messages if Last is its newest number. The
// room's last number is kept, so that no number is used twice, and so are the ids.
//
// The command needs no id: repeated, it is refused, because the room does not exist, or has higher numbers.
type RemoveRoomBody struct {
	_    struct{} `cbor:",toarray"`
	Last uint64
}

func (RemoveRoomBody) kind() Kind { return RemoveRoom }

type removeRoomKind struct {
	onDemand
	withBody[RemoveRoomBody]
	noRecords
}

func (removeRoomKind) name() string { return "remove_room" }

func (removeRoomKind) check(c *Command) error {
	if _, err := bodyOf[RemoveRoomBody](c); err != nil {
		return err
	}
	return checkHead(c, hasRoom)
}

func (removeRoomKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[RemoveRoomBody](o.Command)
	if err != nil {
		return err
	}
	room := o.Command.Room
	bounds, known := c.bounds(room)
	var reason string
	switch {
	case room == wire.Lobby:
		reason = "the lobby cannot be removed"
	case !known:
		reason = fmt.Sprintf("there is no room %q", room)
	case bounds.Last != body.Last:
		reason = fmt.Sprintf("the newest message of %q has the number %d, not %d", room, bounds.Last, body.Last)
	case bounds.Last+1-bounds.First > MaxRemove:
		reason = fmt.Sprintf("%q has more than %d messages", room, MaxRemove)
	case c.approves(room):
		reason = fmt.Sprintf("a message of %q has just been approved", room)
	default:
		reason = c.refusedAttached(room)
	}
	if reason != "" {
		o.refuse(wire.NotAllowed, reason)
		return nil
	}
	for _, attached := range attachedRooms(room) {
		if bounds, known := c.bounds(attached); known {
			c.derive(Command{Kind: RemoveRoom, Room: attached, Body: removeAttached{RemoveRoomBody{Last: bounds.Last}}})
		}
	}
	return c.removeRoom(tx, o, bounds)
}

// approves reports whether the batch posts a held message in a room, after its own commands.
func (c *Delta) approves(room string) bool {
	for key := range c.posting {
		if strings.HasPrefix(key, room+"\x00") {
			return true
		}
	}
	return false
}

// removeRoom deletes a room with these bounds.
func (c *Delta) removeRoom(tx Tx, o *Outcome, bounds Bounds) error {
	room := o.Command.Room
	if !bounds.Empty() && counted(room) {
		c.roomCount--
	}
	slot := RemovedSlotOf(room)
	c.removedLast[slot] = max(bounds.Last, c.lastRemoved(slot))
	c.allBounds[room], c.spans[room], c.others[room] = Bounds{}, nil, nil
	c.removeSettings(room)
	c.erasures[room] = nil
	c.pending[room], c.tallies[room], c.held[room] = 0, TallyTime{}, HeldCount{}
	o.N = c.removedLast[slot] + 1
	return tx.DeleteRoom(room, slot, c.removedLast[slot])
}

// attachedRooms returns the rooms of the moderators and of the owners of a room; none for such a room.
func attachedRooms(room string) []string {
	if !counted(room) {
		return nil
	}
	return []string{wire.ModeratorsRoom(room), wire.OwnersRoom(room)}
}

// refusedAttached returns why the rooms of the moderators and owners of a room cannot be removed with it; empty: they can.
func (c *Delta) refusedAttached(room string) string {
	for _, attached := range attachedRooms(room) {
		if bounds, _ := c.bounds(attached); bounds.Last+1-bounds.First > MaxRemove {
			return fmt.Sprintf("%q has more than %d messages", attached, MaxRemove)
		}
	}
	return ""
}

// removeAttached is derived from a RemoveRoom: it removes the room of the moderators or of the owners.
type removeAttached struct{ RemoveRoomBody }

func (removeAttached) decideDerived(c *Delta, tx Tx, o *Outcome) error {
	bounds, _ := c.bounds(o.Command.Room)
	return c.removeRoom(tx, o, bounds)
}

// A RemovedSlot has the highest number of all removed rooms whose names hash to it. There are few enough slots that none
// has to be deleted, and so many that two rooms rarely share one; then the second merely begins with a higher number.
type RemovedSlot uint32

const removedSlots = 1 << 20

// RemovedSlotOf returns the slot of a room.
func RemovedSlotOf(room string) RemovedSlot {
	h := sha256.Sum256([]byte(room))
	return RemovedSlot(binary.BigEndian.Uint32(h[:4]) % removedSlots)
}

// lastRemoved is the highest number in a slot.
func (c *Delta) lastRemoved(slot RemovedSlot) uint64 {
	return latest(c.removedLast, c.state.removedLast, slot)
}
