package eventlog

import (
	"fmt"

	"ramai/wire"
)

// JudgeBody is the body of a Judge: the decision about a message that the room holds back. A moderator approves or rejects it,
// and its author withdraws it. An approved message gets its number now, with the name that its author had.
//
// The command is not remembered by its id: repeating a decision is a Repeat, and another decision is refused.
type JudgeBody struct {
	_        struct{} `cbor:",toarray"`
	SenderID string   // the author
	ID       string   // of the message
	Decision Decision // Approved, Rejected or Withdrawn
}

func (JudgeBody) kind() Kind { return Judge }

type judgeKind struct {
	onDemand
	withBody[JudgeBody]
	noRecords
}

func (judgeKind) name() string { return "judge" }

func (judgeKind) check(c *Command) error {
	body, err := bodyOf[JudgeBody](c)
	if err != nil {
		return err
	}
	if body.Decision < Approved || body.Decision > Withdrawn {
		return fmt.Errorf("a judge command has the decision %d, want %d to %d", body.Decision, Approved, Withdrawn)
	}
	for _, id := range []string{body.SenderID, body.ID} {
		if err := wire.CheckID(id); err != nil {
			return fmt.Errorf("a judge command is about the message %.80q of %.80q: %s", body.ID, body.SenderID, err.Reason)
		}
	}
	return checkHead(c, hasSender|hasRoom|hasID)
}

func (judgeKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[JudgeBody](o.Command)
	if err != nil {
		return err
	}
	if refused := c.refusedJudge(o.Command, &body); refused != nil {
		o.refuseWith(refused)
		return nil
	}
	room, key := o.Command.Room, heldKey(body.SenderID, body.ID)
	h, found, err := c.heldEntryOf(tx, room, key)
	if err != nil {
		return err
	}
	if !found {
		return c.judgedBefore(tx, o, &body)
	}
	held := heldMessage{Delta: c, tx: tx, room: room, senderID: body.SenderID, id: body.ID, heldEntry: h}
	if body.Decision == Withdrawn {
		if refused, err := c.countWithdrawn(tx, o.Command); refused != nil || err != nil {
			o.refuseWith(refused)
			return err
		}
	}
	if body.Decision != Approved {
		var action *wire.Action
		if body.Decision == Rejected {
			action = &wire.Action{Do: wire.DoReject}
		}
		return held.close(o, body.Decision, action)
	}
	return held.approve(o)
}

// refusedJudge returns why the sender of a command must not decide about a message.
func (c *Delta) refusedJudge(cmd *Command, body *JudgeBody) *wire.CodedError {
	if refused := refusedInBase(cmd.Room); refused != nil {
		return refused
	}
	if body.Decision == Withdrawn {
		if body.SenderID == cmd.SenderID && cmd.SenderID != anonymousSender {
			return nil
		}
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "only its author can withdraw a message that waits for a moderator"}
	}
	if cmd.SenderID != OperatorSender {
		rules := c.rulesOf(cmd.Room)
		if refused := rules.refusedPerson(cmd.SenderID, actRule); refused != nil {
			return refused
		}
	}
	rank := c.rankOf(cmd)
	switch {
	case rank < moderatorRank:
		return roleTooLow(wire.RoleModerator, "only moderators of the room decide about messages that wait")
	case rank == operatorRank:
		return nil
	case body.SenderID == cmd.SenderID: // who was a guest when it was held
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "this message that waits is your own; withdraw it and post it again, which needs no moderator now, or leave the decision to another one"}
	case body.Decision == Rejected:
		return c.refusedEqual(cmd, body.SenderID, rank)
	}
	return nil
}

// judgedBefore sets the outcome of a decision about a message that does not wait.
func (c *Delta) judgedBefore(tx Tx, o *Outcome, body *JudgeBody) error {
	v, found, err := c.decisionOf(tx, o.Command.Room, heldKey(body.SenderID, body.ID))
	switch {
	case err != nil:
		return err
	case found && v.Decision == Approved && body.Decision == Approved && v.N == 0: // in this batch: it has no number yet
		o.Status, o.At = Repeat, wire.Time(v.At)
		if p := c.posting[o.Command.Room+"\x00"+heldKey(body.SenderID, body.ID)]; p != nil {
			p.repeats = append(p.repeats, o)
			return nil
		}
		o.refuse(wire.Gone, "the message was approved when the room had no number left for it; use another room")
		return nil
	case found && v.Decision == body.Decision:
		o.Status, o.N, o.At = Repeat, v.N, wire.Time(v.At)
		return nil
	case !found:
		o.refuse(wire.Gone, "no such message waits for a moderator in this room")
		return nil
	}
	what := map[Decision]string{Approved: "was approved", Rejected: "was rejected", Withdrawn: "was withdrawn by its author", Expired: "has expired"}[v.Decision]
	o.refuse(wire.Gone, "the message does not wait any more: it "+what)
	return nil
}

// A heldMessage is a message that waits, and what is decided about it.
type heldMessage struct {
	*Delta
	tx                 Tx
	room, senderID, id string
	heldEntry
}

func (m *heldMessage) key() string { return heldKey(m.senderID, m.id) }

// content returns the message as it is in the room of the moderators, and the name of its author; false: it is gone.
func (m *heldMessage) content() (message messageBody, name string, ok bool, err error) {
	if m.N == 0 { // it was held in the same batch
		body := m.holding[m.room+"\x00"+m.key()]
		return body.message, body.name, true, nil
	}
	row, message, refused, err := m.message(m.tx, wire.ModeratorsRoom(m.room), m.N)
	if refused != nil || err != nil {
		return message, "", false, err
	}
	return message, row.DisplayName, row.N != 0 && !message.Gone && message.As == wire.HeldMessage, nil
}

// approve posts the message.
func (m *heldMessage) approve(o *Outcome) error {
	message, name, ok, err := m.content()
	if err != nil {
		return err
	}
	if !ok { // retention has deleted it
		o.refuse(wire.Gone, "the text of the message is not kept any more")
		return m.close(nil, Expired, nil)
	}
	action := &wire.Action{Do: wire.DoApprove}
	as := SayAs{As: m.As, Options: message.Options}
	posting := &approvedSay{as: as, name: name, sum: m.Sum, at: wire.Time(m.heldEntry.At), judge: o, action: action}
	say := Command{
		Kind: Say, SenderID: m.senderID, Room: m.room, ID: m.id, Text: message.Text, Re: m.Re, Once: m.Once, Transient: m.Transient, Body: posting,
	}
	copy(say.Origin[:], m.Origin)
	rules := m.rulesOf(m.room)
	refused := rules.refusedPerson(m.senderID, actPost)
	if refused == nil {
		role, given := rules.role(m.senderID)
		refused = rules.refusedRole(role, given, actPost)
	}
	if refused == nil && as.hasStatus() {
		refused = m.settingsFull(m.room, m.rank(m.room, m.senderID))
	}
	if refused == nil {
		refused = m.number(&Outcome{Command: &say})
	}
	if refused != nil {
		why := *refused
		why.Reason = "its author could not post it now, so it waits on: " + refused.Reason
		o.refuseWith(&why)
		return nil
	}
	m.derive(say)
	m.posting[m.room+"\x00"+m.key()] = posting
	return m.close(o, Approved, action)
}

// close ends the wait of the message. o is the outcome of the command; nil: that is maintenance. action is recorded in the room
// of the moderators; nil: nothing is.
func (m *heldMessage) close(o *Outcome, v Decision, action *wire.Action) error {
	if err := m.deleteHeld(m.tx, Held, m.room, m.key()); err != nil {
		return err
	}
	if err := m.addHeld(m.tx, HeldDecisions, m.room, m.key(), heldDecision{Decision: v, At: int64(m.at)}); err != nil {
		return err
	}
	by := m.senderID
	if o != nil && v != Withdrawn {
		by = o.Command.SenderID
	} else if o == nil {
		by = OperatorSender
	}
	closing := &closeHeld{n: m.N, body: m.holding[m.room+"\x00"+m.key()]}
	if v != Approved {
		closing.judged = &Judged{Room: m.room, SenderID: m.senderID, ID: m.id, At: m.at, Err: v.refusal()}
	}
	_, name, _, err := m.content()
	if err != nil {
		return err
	}
	m.derive(Command{Kind: Change, SenderID: by, Room: wire.ModeratorsRoom(m.room), ID: m.derivedID(), Body: closing})
	if action != nil {
		action.SenderID, action.DisplayName = m.senderID, name
		m.logAction(o, action)
	}
	return nil
}

// An approvedSay is the body of a Say that is derived from a Judge.
type approvedSay struct {
	as     SayAs
	name   string
	sum    int64
	at     wire.Time    // when it was held
	judge  *Outcome     // gets the number
	action *wire.Action // gets it, too

	repeats []*Outcome // of the message or the decision, later in the same batch: they get it, too
}

func (*approvedSay) kind() Kind { return Say }

func (b *approvedSay) decideDerived(c *Delta, tx Tx, o *Outcome) error {
	say := o.Command
	if refused := c.number(o); refused != nil { // the commands of the batch have used the last number
		for _, one := range append(b.repeats, o, b.judge) {
			one.refuseWith(refused)
		}
		o.Judged = &Judged{Room: say.Room, SenderID: say.SenderID, ID: say.ID, At: c.at, Err: refused}
		return nil
	}
	o.DisplayName = b.name
	key := heldKey(say.SenderID, say.ID)
	if !say.Once {
		if _, _, err := tx.PutID(c.ids.Number, IDKeyOf(say.Room, say.SenderID, say.ID), IDEntry{N: o.N, At: o.At, Sum: b.sum}); err != nil {
			return err
		}
	}
	// Unless the entry was deleted in the same batch, with the room or with what is stored of the sender.
	if _, found, err := c.decisionOf(tx, say.Room, key); err != nil {
		return err
	} else if found {
		if err := c.putHeld(tx, HeldDecisions, say.Room, key, heldDecision{Decision: Approved, N: o.N, At: int64(c.at)}); err != nil {
			return err
		}
	}
	b.judge.N, b.judge.At, b.action.Of = o.N, o.At, o.N
	for _, repeat := range b.repeats {
		repeat.N, repeat.At = o.N, o.At
	}
	o.Judged = &Judged{Room: say.Room, SenderID: say.SenderID, ID: say.ID, N: o.N, At: o.At}
	return c.addMessage(tx, o, b.as)
}

// closeHeld is the body of a Change that is derived when a held message does not wait any more: its text is deleted from the room
// of the moderators.
type closeHeld struct {
	n      uint64   // number of the held message; 0: that of body
	body   *logBody // of a message that was held in the same batch
	judged *Judged
}

func (*closeHeld) kind() Kind { return Change }

func (b *closeHeld) decideDerived(c *Delta, tx Tx, o *Outcome) error {
	o.Judged = b.judged
	if b.n == 0 {
		b.n = b.body.n
	}
	room := o.Command.Room
	row, message, refused, err := c.message(tx, room, b.n)
	if err != nil {
		return err
	}
	if refused != nil || row.N == 0 || message.Gone || c.number(o) != nil { // its text is gone already, or the room has no number left
		o.N = 0
		return nil
	}
	if err := c.appendRecord(tx, o, encodeChange(ChangeBody{Of: b.n})); err != nil {
		return err
	}
	c.addOther(room, o.N)
	if err := c.dropMarks(tx, room, b.n, b.n); err != nil {
		return err
	}
	row.Body = (&messageBody{As: wire.HeldMessage, Gone: true, Edited: o.N}).encode()
	return c.replaceRecord(tx, o, row)
}

// expireHeld rejects a held message that has waited for too long.
func (c *Delta) expireHeld(tx Tx, e *Entry) error {
	h, err := decodeEntry[heldEntry](e)
	if err != nil {
		return err
	}
	key, err := parseHeldKey(e)
	if err != nil {
		return err
	}
	m := heldMessage{Delta: c, tx: tx, room: e.Room, senderID: key.SenderID, id: key.ID, heldEntry: h}
	return m.close(nil, Expired, nil)
}
