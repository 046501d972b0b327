package eventlog

import (
	"errors"
	"fmt"
	"slices"

	"ramai/wire"
)

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

func (k eraseStepKind) records() recordKind { return k }

func (eraseStepKind) frameType() string { return wire.Changed{}.Type() }

func (eraseStepKind) appendFrame(dst []byte, r *Record) ([]byte, error) { return appendErased(dst, r) }

// changes returns the messages that a step has erased. The record of the erasure itself names none: they are erased later.
func (eraseStepKind) changes(r *Record) []wire.Range { return changedBy(r) }

func changedBy(r *Record) []wire.Range {
	record, err := decodeErased(r.Body)
	if err != nil {
		return nil
	}
	return slices.Clone(record.targets())
}
