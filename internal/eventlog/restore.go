package eventlog

import (
	"errors"
	"fmt"

	"ramai/wire"
)

// RestoreBody is the body of a Restore, which undoes an erasure: RestoreSteps restore its messages, except those that their
// authors have deleted meanwhile.
//
// Its id is remembered like that of a Say, and shares the same ids.
type RestoreBody struct {
	_       struct{} `cbor:",toarray"`
	Erasure uint64   // number of the erasure
}

func (RestoreBody) kind() Kind { return Restore }

type restoreKind struct {
	onDemand
	withBody[RestoreBody]
	erasedRecords
}

func (restoreKind) name() string { return "restore" }

func (restoreKind) check(c *Command) error {
	body, err := bodyOf[RestoreBody](c)
	if err != nil {
		return err
	}
	if body.Erasure == 0 {
		return errors.New("a restore command of the erasure 0; erasures are numbered from 1")
	}
	return checkHead(c, hasSender|hasRoom|hasID)
}

func (restoreKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[RestoreBody](o.Command)
	if err != nil {
		return err
	}
	e := findErasure(c.erasuresOf(o.Command.Room), body.Erasure)
	refused := c.refusedRestore(o.Command, e, body.Erasure)
	if refused == nil {
		refused = c.number(o)
	}
	if done, err := c.repeated(tx, o, TextSum(fmt.Sprintf("\x00restore %d", body.Erasure)), refused); done || err != nil {
		return err
	}
	if _, err := c.useName(tx, o); err != nil {
		return err
	}
	if err := c.appendRecord(tx, o, (&erasedRecord{Erasure: e.N}).encode()); err != nil {
		return err
	}
	c.addOther(e.Room, o.N)
	c.logAction(o, &wire.Action{Do: wire.DoUndo, Erasure: e.N})
	next := *e
	next.Phase, next.Next = Restoring, e.From
	return c.putErasure(tx, &next)
}

// refusedRestore returns why an erasure cannot be undone.
func (c *Delta) refusedRestore(cmd *Command, e *Erasure, n uint64) *wire.CodedError {
	if e == nil {
		if refused := c.mayErase(cmd, nil, 0, c.at); refused != nil {
			return refused
		}
		return &wire.CodedError{Code: wire.Gone, Reason: fmt.Sprintf("there is no erasure %d in the room %s; an erasure can be undone once, within %s", n, cmd.Room, VaultLife)}
	}
	if refused := c.mayRestore(cmd, e); refused != nil {
		return refused
	}
	switch {
	case e.Final:
		return &wire.CodedError{Code: wire.Gone, Reason: fmt.Sprintf("erasure %d cannot be undone: its texts are not kept", n)}
	case e.Phase == Restoring:
		return &wire.CodedError{Code: wire.Gone, Reason: fmt.Sprintf("erasure %d is being undone already", n)}
	case e.Phase == Expiring || e.expired(c.at):
		return &wire.CodedError{Code: wire.Gone, Reason: fmt.Sprintf("erasure %d is older than %s, and can no longer be undone", n, VaultLife)}
	}
	return nil
}

// RestoreStepBody is the body of a RestoreStep, which continues to undo an erasure at the number Next, as EraseStepBody does.
type RestoreStepBody struct {
	_       struct{} `cbor:",toarray"`
	Erasure uint64
	Next    uint64
}

func (RestoreStepBody) kind() Kind { return RestoreStep }

type restoreStepKind struct {
	inBackground
	withBody[RestoreStepBody]
	erasedRecords
}

func (restoreStepKind) name() string { return "restore_step" }

func (restoreStepKind) check(c *Command) error {
	if _, err := bodyOf[RestoreStepBody](c); err != nil {
		return err
	}
	return checkHead(c, hasRoom)
}

func (restoreStepKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[RestoreStepBody](o.Command)
	if err != nil {
		return err
	}
	e := findErasure(c.erasuresOf(o.Command.Room), body.Erasure)
	if e == nil || e.Phase != Restoring || e.Next != body.Next {
		return nil
	}
	from, to := c.stepRange(e)
	record, err := c.rewriteStep(tx, e, from, to, c.restoreRow)
	if err != nil {
		return err
	}
	if err := c.appendStep(tx, o, &record); err != nil {
		return err
	}
	if to >= from {
		o.Rewritten = wire.Range{From: from, To: max(to, o.N)}
	}
	if to >= e.To || to < from {
		return c.deleteErasure(tx, e)
	}
	next := *e
	next.Next = to + 1
	return c.putErasure(tx, &next)
}

// restoreRow restores a message. It returns false if its author has deleted it, or another erasure has erased it.
func (c *Delta) restoreRow(tx Tx, e *Erasure, row *Record) (bool, error) {
	message, err := decodeMessage(row.Body)
	if err != nil {
		return false, err
	}
	if message.Gone {
		v, found, err := vaulted(tx, e.Room, row.N)
		if err != nil || !found || v.Erasure != e.N {
			return false, err
		}
		row.Body = string(v.Body)
		if err := row.Check(); err != nil {
			return false, fmt.Errorf("%w: message %d in the vault of the room %s: %w", ErrDamaged, row.N, e.Room, err)
		}
		if message, err = decodeMessage(row.Body); err != nil {
			return false, err
		}
		if err := errors.Join(tx.ReplaceRecord(row), tx.DeleteEntry(Vault, e.Room, numberKey(row.N)), c.restoreStatus(tx, e.Room, &message, row.N, v.Status)); err != nil {
			return false, err
		}
	}
	counts, err := tx.Counts(e.Room, row.N)
	if err == nil && len(counts) > 0 { // marks may have changed since its counts were published
		err = c.addPending(tx, e.Room, row.N)
	}
	return err == nil, err
}

// restoreStatus restores the setting of a question or poll, if there is space for it.
func (c *Delta) restoreStatus(tx Tx, room string, m *messageBody, n uint64, status []byte) error {
	if len(status) == 0 || c.settingsFull(room, rank(wire.RoleNone)) != nil {
		return nil
	}
	value, err := DecodeValue(status)
	if err != nil {
		return fmt.Errorf("%w: the status of message %d in the vault of the room %s: %w", ErrDamaged, n, room, err)
	}
	return c.putSetting(tx, room, settingKey{name: m.As + "/", n: n}, value, n)
}

func (k restoreKind) records() recordKind { return k }

func (restoreKind) frameType() string { return wire.Restored{}.Type() }

func (restoreKind) appendFrame(dst []byte, r *Record) ([]byte, error) { return appendRestored(dst, r) }

func (k restoreStepKind) records() recordKind { return k }

func (restoreStepKind) frameType() string { return wire.Restored{}.Type() }

func (restoreStepKind) appendFrame(dst []byte, r *Record) ([]byte, error) {
	return appendRestored(dst, r)
}

func appendRestored(dst []byte, r *Record) ([]byte, error) {
	record, err := decodeErased(r.Body)
	if err != nil {
		return dst, err
	}
	return wire.Append(dst, wire.Restored{Room: r.Room, N: r.N, At: r.At, Of: record.targets(), Erasure: record.Erasure}), nil
}

// changes returns the messages that a step has restored.
func (restoreStepKind) changes(r *Record) []wire.Range { return changedBy(r) }
