package eventlog

import (
	"errors"
	"fmt"

	"ramai/wire"
)

// EraseBody is the body of an Erase, which erases the messages of some senders in a room. The node that submits it has found
// them: what is stored up to To does not change any more, except by other erasures. The messages are hidden at once; EraseSteps
// erase them. A Restore undoes it, unless Final is set.
//
// Its id is remembered like that of a Say, and shares the same ids.
type EraseBody struct {
	By    []string // the senders, ascending; empty: no message was found
	From  uint64   // number of the first message
	To    uint64   // number of the newest message that the moderator has seen
	Count uint64   // messages that were found
	Asked string   // the selection in the moderator's words, which are the same when the command is repeated
	Final bool     // the operator's: no text is kept

	Of [][2]uint64 // only messages of the senders with these numbers, ascending; empty: all from From to To

	Held []HeldKey // messages that wait for a moderator, ascending; they are rejected, which a Restore does not undo. At most MaxHeld
}

// encodedErase is how an EraseBody without Of and Held is encoded.
type encodedErase struct {
	_        struct{} `cbor:",toarray"`
	By       []string
	From, To uint64
	Count    uint64
	Asked    string
	Final    bool
}

// encodedErase5 is an EraseBody with Of and without Held. Both exist from HoldLevel on.
type encodedErase5 struct {
	_        struct{} `cbor:",toarray"`
	By       []string
	From, To uint64
	Count    uint64
	Asked    string
	Final    bool
	Of       [][2]uint64
}

// encodedHeldErase is an EraseBody with Held.
type encodedHeldErase struct {
	_        struct{} `cbor:",toarray"`
	By       []string
	From, To uint64
	Count    uint64
	Asked    string
	Final    bool
	Of       [][2]uint64
	Held     []HeldKey
}

func (EraseBody) kind() Kind { return Erase }

type eraseKind struct {
	onDemand
	erasedRecords
}

func (eraseKind) encodeBody(c *Command) ([]byte, error) {
	b, err := bodyOf[EraseBody](c)
	if err != nil {
		return nil, err
	}
	if len(b.Held) > 0 {
		return encoding.Marshal(encodedHeldErase{By: b.By, From: b.From, To: b.To, Count: b.Count, Asked: b.Asked, Final: b.Final, Of: b.Of, Held: b.Held})
	}
	if len(b.Of) == 0 {
		return encoding.Marshal(encodedErase{By: b.By, From: b.From, To: b.To, Count: b.Count, Asked: b.Asked, Final: b.Final})
	}
	return encoding.Marshal(encodedErase5{By: b.By, From: b.From, To: b.To, Count: b.Count, Asked: b.Asked, Final: b.Final, Of: b.Of})
}

func (eraseKind) decodeBody(data []byte, c *Command) error {
	var e encodedHeldErase
	var err error
	switch {
	case isArray(data, 8):
		err = decoding.Unmarshal(data, &e)
	case isArray(data, 7):
		var old encodedErase5
		err = decoding.Unmarshal(data, &old)
		e = encodedHeldErase{By: old.By, From: old.From, To: old.To, Count: old.Count, Asked: old.Asked, Final: old.Final, Of: old.Of}
	default:
		var old encodedErase
		err = decoding.Unmarshal(data, &old)
		e = encodedHeldErase{By: old.By, From: old.From, To: old.To, Count: old.Count, Asked: old.Asked, Final: old.Final}
	}
	c.Body = EraseBody{By: e.By, From: e.From, To: e.To, Count: e.Count, Asked: e.Asked, Final: e.Final, Of: e.Of, Held: e.Held}
	return err
}

func (eraseKind) name() string { return "erase" }

// maxAsked is the limit of EraseBody.Asked, in bytes.
const maxAsked = 256

func (eraseKind) check(c *Command) error {
	body, err := bodyOf[EraseBody](c)
	if err != nil {
		return err
	}
	if len(body.By) > MaxErasedSenders {
		return fmt.Errorf("an erase command of the messages of %d senders, at most %d are allowed", len(body.By), MaxErasedSenders)
	}
	for i, by := range body.By {
		if err := wire.CheckID(by); err != nil {
			return fmt.Errorf("an erase command of the sender %.80q: %s", by, err.Reason)
		}
		if i > 0 && body.By[i-1] >= by {
			return errors.New("an erase command has senders that are not in ascending order")
		}
	}
	if body.From == 0 || body.To == 0 || len(body.By) > 0 && body.From > body.To {
		return fmt.Errorf("an erase command of the messages %d to %d; messages are numbered from 1", body.From, body.To)
	}
	if len(body.Of) > MaxErasedRanges {
		return fmt.Errorf("an erase command of %d ranges, at most %d are allowed", len(body.Of), MaxErasedRanges)
	}
	last := body.From - 1
	for _, r := range body.Of {
		if r[0] <= last || r[1] < r[0] || r[1] > body.To {
			return fmt.Errorf("an erase command of the messages %d to %d has the range %d to %d after %d", body.From, body.To, r[0], r[1], last)
		}
		last = r[1]
	}
	if err := checkHeldKeys(body.Held); err != nil {
		return err
	}
	if err := checkString(Erase, "selection", body.Asked, maxAsked, true); err != nil {
		return err
	}
	return checkHead(c, hasSender|hasRoom|hasID)
}

func (eraseKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[EraseBody](o.Command)
	if err != nil {
		return err
	}
	room := o.Command.Room
	refused, err := c.refusedErase(tx, o.Command, &body)
	if err != nil {
		return err
	}
	if refused == nil {
		refused = c.number(o)
	}
	if done, err := c.repeated(tx, o, TextSum(fmt.Sprintf("\x00erase %s to %d", body.Asked, body.To)), refused); done || err != nil {
		return err
	}
	if _, err := c.useName(tx, o); err != nil {
		return err
	}
	if err := c.rejectHeld(tx, o, &body); err != nil {
		return err
	}
	record := erasedRecord{}
	if len(body.By) == 1 { // one frame is enough for all readers; otherwise the steps say which messages
		record.By, record.Of = body.By[0], [][2]uint64{{body.From, body.To}}
		if len(body.Of) > 0 {
			record.Of = body.Of
		}
	}
	if err := c.appendRecord(tx, o, record.encode()); err != nil {
		return err
	}
	c.addOther(room, o.N)
	if len(body.By) == 0 { // only held messages were rejected
		return nil
	}
	c.logErase(o, &body)
	o.Rewritten = wire.Range{From: body.From, To: o.N}
	return c.putErasure(tx, &Erasure{
		Room: room, N: o.N, SenderID: o.Command.SenderID, At: c.at, By: body.By, From: body.From, To: body.To, Asked: body.Asked, Count: body.Count,
		Final: body.Final, Phase: Erasing, Next: body.From, Of: body.Of,
	})
}

// logErase adds a record of an erasure. One that is final leaves nothing about whose messages it has erased.
func (c *Delta) logErase(o *Outcome, body *EraseBody) {
	action := &wire.Action{Do: wire.DoErase, Count: body.Count, Erasure: o.N}
	if !body.Final {
		action.Reason = body.Asked
		if len(body.By) == 1 {
			action.SenderID, action.DisplayName = body.By[0], c.nameOf(body.By[0])
		}
	}
	if counted(o.Command.Room) {
		c.logAction(o, action)
	}
}

// refusedErase returns why messages must not be erased. It sets From to a number that the room still has.
func (c *Delta) refusedErase(tx Tx, cmd *Command, body *EraseBody) (*wire.CodedError, error) {
	room := cmd.Room
	if refused := refusedInBase(room); refused != nil && !body.Final {
		return refused, nil
	}
	bounds, _ := c.bounds(room)
	body.From = max(body.From, bounds.First)
	oldest := c.at
	if body.From <= min(body.To, bounds.Last) && len(body.By) > 0 {
		row, err := tx.Record(room, body.From)
		if err != nil {
			return nil, err
		}
		oldest = row.At
	}
	if err := c.stillHeld(tx, room, body); err != nil {
		return nil, err
	}
	if refused := c.mayErase(cmd, body.senders(), body.Count, oldest); refused != nil {
		return refused, nil
	}
	hiding := 0
	for _, e := range c.erasuresOf(room) {
		if e.hiding() {
			hiding++
		}
	}
	switch all := len(c.erasuresOf(room)); {
	case body.Final && cmd.SenderID != OperatorSender:
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "only the operator of the server can erase messages for good"}, nil
	case body.To > bounds.Last:
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("there is no message %d in the room %s; the newest number is %d", body.To, room, bounds.Last)}, nil
	case len(body.By) == 0 && len(body.Held) > 0:
		return nil, nil
	case len(body.By) == 0 || body.From > body.To:
		return &wire.CodedError{Code: wire.Gone, Reason: "there are no messages to erase; they may have been erased already"}, nil
	case all >= MaxErasures || hiding >= maxHiding:
		return &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("%d erasures of the room %s are stored, %d of them unfinished, which is the maximum; try again later", all, room, hiding)}, nil
	}
	return nil, nil
}

func (k eraseKind) records() recordKind { return k }

func (eraseKind) frameType() string { return wire.Changed{}.Type() }

func (eraseKind) appendFrame(dst []byte, r *Record) ([]byte, error) { return appendErased(dst, r) }

func appendErased(dst []byte, r *Record) ([]byte, error) {
	record, err := decodeErased(r.Body)
	if err != nil {
		return dst, err
	}
	return wire.Append(dst, wire.Changed{Room: r.Room, N: r.N, At: r.At, Of: record.targets(), SenderID: record.By, Erasure: record.Erasure}), nil
}
