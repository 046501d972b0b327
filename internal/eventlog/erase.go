package eventlog

import (
	"errors"
	"fmt"
	"slices"

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

// EraseStepBody is the body of an EraseStep, which continues an erasure at the number Next: it erases messages, or deletes the
// texts of an expired erasure, at most EraseStepSize. It does nothing unless the erasure is to continue there, so it can be
// submitted by several nodes.
type EraseStepBody struct {
	_       struct{} `cbor:",toarray"`
	Erasure uint64
	Next    uint64
}

func (EraseStepBody) kind() Kind { return EraseStep }

type eraseStepKind struct {
	inBackground
	withBody[EraseStepBody]
	erasedRecords
}

func (eraseStepKind) name() string { return "erase_step" }

func (eraseStepKind) check(c *Command) error {
	if _, err := bodyOf[EraseStepBody](c); err != nil {
		return err
	}
	return checkHead(c, hasRoom)
}

func (eraseStepKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[EraseStepBody](o.Command)
	if err != nil {
		return err
	}
	e := findErasure(c.erasuresOf(o.Command.Room), body.Erasure)
	if e == nil || e.Next != body.Next {
		return nil
	}
	switch {
	case e.Phase == Erasing:
		return c.eraseStep(tx, o, e)
	case e.Phase == Expiring || e.expired(c.at):
		return c.expireStep(tx, e)
	}
	return nil
}

// stepRange returns the numbers that a step looks at; to is below from if there are none.
func (c *Delta) stepRange(e *Erasure) (from, to uint64) {
	bounds, _ := c.bounds(e.Room)
	from = max(e.Next, bounds.First)
	return from, min(e.To, from+EraseStepSize-1)
}

// rewriteStep calls rewrite with each message of an erasure from number from to number to, and returns a record of those for which it
// returned true.
func (c *Delta) rewriteStep(tx Tx, e *Erasure, from, to uint64, rewrite func(Tx, *Erasure, *Record) (bool, error)) (erasedRecord, error) {
	record := erasedRecord{Erasure: e.N}
	for n := from; n <= to; n++ {
		row, err := tx.Record(e.Room, n)
		if err != nil {
			return record, err
		}
		if row.Kind != Say || !e.has(n, row.SenderID) {
			continue
		}
		rewritten, err := rewrite(tx, e, &row)
		if err != nil {
			return record, err
		}
		if rewritten {
			record.add(n)
		}
	}
	return record, nil
}

// eraseStep erases the next messages of an erasure. Those that are erased already, or were deleted, stay as they are.
func (c *Delta) eraseStep(tx Tx, o *Outcome, e *Erasure) error {
	from, to := c.stepRange(e)
	record, err := c.rewriteStep(tx, e, from, to, c.eraseRow)
	if err != nil {
		return err
	}
	next := *e
	next.Next = to + 1
	if to >= e.To || to < from {
		next.Phase, next.Next = Erased, e.From
	}
	if err := c.appendStep(tx, o, &record); err != nil {
		return err
	}
	if next.Phase == Erased && e.Final {
		return c.deleteErasure(tx, e)
	}
	return c.putErasure(tx, &next)
}

// appendStep adds the record of a step that has changed messages.
func (c *Delta) appendStep(tx Tx, o *Outcome, record *erasedRecord) error {
	if len(record.Of) == 0 || c.number(o) != nil { // without a number, readers learn it from pages
		o.N = 0
		return nil
	}
	if err := c.appendRecord(tx, o, record.encode()); err != nil {
		return err
	}
	c.addOther(o.Command.Room, o.N)
	return nil
}

// eraseRow erases a message, and keeps its text in the vault unless the erasure is final. It returns false if there was
// nothing to erase.
func (c *Delta) eraseRow(tx Tx, e *Erasure, row *Record) (bool, error) {
	message, err := decodeMessage(row.Body)
	if err != nil {
		return false, err
	}
	if message.Gone {
		if e.Final { // another erasure may have put it in the vault
			err = tx.DeleteEntry(Vault, e.Room, numberKey(row.N))
		}
		return false, err
	}
	if err := c.supersedeText(tx, e.Room, message.Edited); err != nil {
		return false, err
	}
	if e.Final {
		err = c.dropMarks(tx, e.Room, row.N, row.N)
	} else {
		v := vaultEntry{Erasure: e.N, Body: []byte(row.Body), Status: c.statusOf(e.Room, &message, row.N)}
		err = tx.PutEntry(&Entry{Table: Vault, Room: e.Room, Key: numberKey(row.N), Value: string(must(encoding.Marshal(v)))})
		if err == nil {
			err = c.deletePending(tx, e.Room, row.N)
		}
	}
	if err != nil {
		return false, err
	}
	row.Body = e.tombstone()
	return true, errors.Join(c.deleteStatus(tx, e.Room, row.N, row.N), c.rewrite(tx, *row))
}

// rewrite stores a row whose text is not shown to anyone any more, and removes the checksum of the former one.
func (c *Delta) rewrite(tx Tx, row Record) error {
	if err := tx.ReplaceRecord(&row); err != nil {
		return err
	}
	return tx.EraseIDSum(c.ids.Number, IDKeyOf(row.Room, row.SenderID, row.ID))
}

// supersedeText removes the text of the record of a change; 0: there is none.
func (c *Delta) supersedeText(tx Tx, room string, n uint64) error {
	if bounds, _ := c.bounds(room); n < bounds.First { // also 0
		return nil
	}
	row, err := tx.Record(room, n)
	if err != nil || row.Kind != Change {
		return err
	}
	row.Body = encodeChange(ChangeBody{})
	return c.rewrite(tx, row)
}

// statusOf returns the encoded setting of a question or poll; nil: it has none.
func (c *Delta) statusOf(room string, m *messageBody, n uint64) []byte {
	if as := (SayAs{As: m.As}); as.hasStatus() {
		if s := c.setting(room, settingKey{name: m.As + "/", n: n}); s != nil {
			return EncodeValue(s.value)
		}
	}
	return nil
}

// deletePending ends that the counts of a message are pending.
func (c *Delta) deletePending(tx Tx, room string, n uint64) error {
	if c.pendingIn(room) == 0 {
		return nil
	}
	deleted, err := tx.DeletePending(room, n, n)
	c.pending[room] = c.pendingIn(room) - deleted
	return err
}

// expireStep deletes texts of an erasure that can no longer be undone, and the marks of their messages.
func (c *Delta) expireStep(tx Tx, e *Erasure) error {
	next := *e
	next.Phase = Expiring
	entries, err := tx.Entries(Vault, e.Room, "", numberKey(max(e.Next, 1)-1), EraseStepSize)
	if err != nil {
		return err
	}
	done := len(entries) < EraseStepSize
	for i := range entries {
		n, err := keyNumber(entries[i].Key)
		if err != nil {
			return err
		}
		if n > e.To {
			done = true
			break
		}
		next.Next = n + 1
		var v vaultEntry
		if err := decoding.Unmarshal([]byte(entries[i].Value), &v); err != nil {
			return fmt.Errorf("%w: message %d in the vault of the room %s: %w", ErrDamaged, n, e.Room, err)
		}
		if v.Erasure != e.N {
			continue
		}
		if err := errors.Join(tx.DeleteEntry(Vault, e.Room, entries[i].Key), c.dropMarks(tx, e.Room, n, n)); err != nil {
			return err
		}
	}
	if done {
		return c.deleteErasure(tx, e)
	}
	return c.putErasure(tx, &next)
}

func (k eraseKind) records() recordKind { return k }

func (eraseKind) frameType() string { return wire.Changed{}.Type() }

func (eraseKind) appendFrame(dst []byte, r *Record) ([]byte, error) { return appendErased(dst, r) }

func (k eraseStepKind) records() recordKind { return k }

func (eraseStepKind) frameType() string { return wire.Changed{}.Type() }

func (eraseStepKind) appendFrame(dst []byte, r *Record) ([]byte, error) { return appendErased(dst, r) }

func appendErased(dst []byte, r *Record) ([]byte, error) {
	record, err := decodeErased(r.Body)
	if err != nil {
		return dst, err
	}
	return wire.Append(dst, wire.Changed{Room: r.Room, N: r.N, At: r.At, Of: record.targets(), SenderID: record.By, Erasure: record.Erasure}), nil
}

// changes returns the messages that a step has erased. The record of the erasure itself names none: they are erased later.
func (eraseStepKind) changes(r *Record) []wire.Range { return changedBy(r) }

func changedBy(r *Record) []wire.Range {
	record, err := decodeErased(r.Body)
	if err != nil {
		return nil
	}
	return slices.Clone(record.targets())
}
