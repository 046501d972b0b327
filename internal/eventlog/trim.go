package eventlog

import "errors"

// TrimStep is the maximum number of messages that one Trim deletes, so that no post waits long for it.
const TrimStep = 500

// TrimBody is the body of a Trim: messages of the room up to To are deleted, at most TrimStep of them. Their ids are kept.
// Repeated, the command deletes the next ones up to the same number.
type TrimBody struct {
	_  struct{} `cbor:",toarray"`
	To uint64
}

func (TrimBody) kind() Kind { return Trim }

type trimKind struct {
	inBackground
	withBody[TrimBody]
	noRecords
}

func (trimKind) name() string { return "trim" }

func (trimKind) check(c *Command) error {
	if _, err := bodyOf[TrimBody](c); err != nil {
		return err
	}
	return checkHead(c, hasRoom)
}

func (trimKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[TrimBody](o.Command)
	if err != nil {
		return err
	}
	room := o.Command.Room
	bounds, known := c.bounds(room)
	o.N = bounds.First
	to := min(body.To, bounds.Last, bounds.First+TrimStep-1)
	if !known || to < bounds.First {
		return nil
	}
	if err := tx.DeleteRecords(room, bounds.First, to); err != nil {
		return err
	}
	if err := errors.Join(c.deleteStatus(tx, room, bounds.First, to), c.dropMarks(tx, room, bounds.First, to), c.dropVault(tx, room, bounds.First, to)); err != nil {
		return err
	}
	bounds.First = to + 1
	c.allBounds[room] = bounds
	o.N = bounds.First
	if bounds.Empty() && counted(room) {
		c.roomCount--
	}
	return nil
}
