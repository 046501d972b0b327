package eventlog

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"ramai/wire"
)

// ChangeBody is the body of a Change, which replaces the text of message Of, or deletes the message if Text is nil. The
// author can change a message within Limits.EditWindow. Moderators can delete those of senders with lower roles, and the
// operator can change all of them.
//
// A change adds a record, whose number clients count like any other, and rewrites the row of the message. The replaced text
// is kept nowhere: an earlier change of the same message loses its text, too, and the checksums of both are removed.
//
// Its id is remembered like that of a Say, and shares the same ids.
type ChangeBody struct {
	Of   uint64
	Text *string
	Link bool // the text has a link, see wire.HasLink. It is not part of the record
}

// encodedChange is how a ChangeBody is encoded, in a record and, unless it has a link, in a command.
type encodedChange struct {
	_    struct{} `cbor:",toarray"`
	Of   uint64
	Text *string
}

// encodedChange4 is a ChangeBody with a link, which exists from RulesLevel on.
type encodedChange4 struct {
	_    struct{} `cbor:",toarray"`
	Of   uint64
	Text *string
	Link bool
}

func (ChangeBody) kind() Kind { return Change }

type changeKind struct{ onDemand }

func (changeKind) name() string { return "change" }

func (changeKind) encodeBody(c *Command) ([]byte, error) {
	body, err := bodyOf[ChangeBody](c)
	if err != nil {
		return nil, err
	}
	if body.Link {
		return encoding.Marshal(encodedChange4{Of: body.Of, Text: body.Text, Link: true})
	}
	return encoding.Marshal(encodedChange{Of: body.Of, Text: body.Text})
}

func (changeKind) decodeBody(data []byte, c *Command) error {
	var body encodedChange4
	var err error
	if isArray(data, 3) {
		err = decoding.Unmarshal(data, &body)
	} else {
		var old encodedChange
		err = decoding.Unmarshal(data, &old)
		body = encodedChange4{Of: old.Of, Text: old.Text}
	}
	c.Body = ChangeBody{Of: body.Of, Text: body.Text, Link: body.Link}
	return err
}

func (changeKind) check(c *Command) error {
	body, err := bodyOf[ChangeBody](c)
	if err != nil {
		return err
	}
	if body.Of == 0 {
		return errors.New("a change command is of the message 0; messages are numbered from 1")
	}
	if body.Text != nil {
		if err := checkString(Change, "text", *body.Text, maxText, false); err != nil {
			return err
		}
	} else if body.Link {
		return errors.New("a change command without a text has a link")
	}
	return checkHead(c, hasSender|hasRoom|hasID)
}

func (changeKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[ChangeBody](o.Command)
	if err != nil {
		return err
	}
	row, message, refused, err := c.changeable(tx, o.Command, &body)
	if err != nil {
		return err
	}
	if refused == nil && body.Text != nil {
		refused, err = c.refusedPollText(tx, o.Command.Room, body.Of, &message)
	}
	if err != nil {
		return err
	}
	if refused == nil {
		refused = c.number(o)
	}
	if done, err := c.repeated(tx, o, changeSum(body), refused); done || err != nil {
		return err
	}
	if _, err := c.useName(tx, o); err != nil {
		return err
	}
	if err := c.appendRecord(tx, o, encodeChange(body)); err != nil {
		return err
	}
	if message.As == wire.ReportMessage {
		c.logIn(o.Command.Room, o, &wire.Action{Do: wire.DoSettle, Of: message.Of, SenderID: row.SenderID, DisplayName: row.DisplayName})
	} else if body.Text == nil && o.Command.SenderID != row.SenderID {
		c.logAction(o, &wire.Action{Do: wire.DoDelete, Of: body.Of, SenderID: row.SenderID, DisplayName: row.DisplayName})
	}
	c.addOther(o.Command.Room, o.N)
	replaced := message.Edited
	if body.Text == nil {
		message = messageBody{Gone: true}
		if err := errors.Join(c.deleteStatus(tx, o.Command.Room, body.Of, body.Of), c.dropMarks(tx, o.Command.Room, body.Of, body.Of), c.dropVault(tx, o.Command.Room, body.Of, body.Of)); err != nil {
			return err
		}
	} else {
		message.Text = *body.Text
		if c.level >= editedAtLevel {
			message.EditedAt = o.At
		}
	}
	message.Edited = o.N
	row.Body = message.encode()
	if err := c.replaceRecord(tx, o, row); err != nil {
		return err
	}
	return c.supersede(tx, o, replaced)
}

// changeable returns the row of a message, or the reason why the sender of cmd must not change it. A message that a moderator has
// erased can be deleted by its author: then it stays deleted if the erasure is undone.
func (c *Delta) changeable(tx Tx, cmd *Command, body *ChangeBody) (row Record, message messageBody, refused *wire.CodedError, err error) {
	of := body.Of
	act := actEdit
	if body.Text == nil {
		act = actDelete
	}
	if refused, err = c.permit(tx, cmd, act, body.Link); refused != nil || err != nil {
		return row, message, refused, err
	}
	row, message, refused, err = c.message(tx, cmd.Room, of)
	if refused != nil || err != nil {
		return row, message, refused, err
	}
	if message.Gone && body.Text == nil && cmd.SenderID == row.SenderID {
		if original, erased, err := c.original(tx, &row); err != nil {
			return row, message, nil, err
		} else if erased {
			message = original
		}
	}
	if row.N == 0 || message.Gone {
		return row, message, &wire.CodedError{Code: wire.Gone, Reason: fmt.Sprintf("message %d was deleted", of)}, nil
	}
	if message.isLogged() {
		return row, message, c.refusedLogged(cmd, of, &message, body.Text == nil), nil
	}
	if cmd.SenderID != row.SenderID || cmd.SenderID == anonymousSender {
		return row, message, c.refusedOther(cmd, of, row.SenderID, body.Text == nil), nil
	}
	return row, message, c.refusedOwn(cmd, of, row.At, body.Text == nil), nil
}

// refusedLogged returns why the sender of cmd cannot change a message for which isLogged holds. Anyone who can read a report can
// delete it, also a report by somebody else: then it is settled. Only owners, above whom there is nobody in the room, settle reports about
// themselves: the author of a message may have become a moderator since it was reported.
func (c *Delta) refusedLogged(cmd *Command, of uint64, message *messageBody, deletes bool) *wire.CodedError {
	if message.As == wire.ReportMessage && deletes && c.rankOf(cmd) >= moderatorRank {
		if message.Author == cmd.SenderID && c.rankOf(cmd) < ownerRank {
			return roleTooLow(wire.RoleOwner, fmt.Sprintf("report %d is about a message of yours; another moderator or an owner settles it", of))
		}
		return nil
	}
	return &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("message %d records what happened in the room, and cannot be changed", of)}
}

// refusedOwn returns why a sender must not change the own message with number of and time at.
func (c *Delta) refusedOwn(cmd *Command, of uint64, at wire.Time, deletes bool) *wire.CodedError {
	window, rank := c.limits.EditWindow, c.rankOf(cmd)
	switch {
	case rank == operatorRank, deletes && rank >= moderatorRank:
	case window == 0:
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "messages cannot be changed on this server"}
	case int64(c.at-at) > window.Milliseconds():
		return &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("message %d is older than %s, and can no longer be changed", of, window)}
	}
	return nil
}

// refusedOther returns why a sender must not change the message of an author who is somebody else, or nobody in particular.
func (c *Delta) refusedOther(cmd *Command, of uint64, author string, deletes bool) *wire.CodedError {
	rank := c.rankOf(cmd)
	switch {
	case rank == operatorRank:
	case cmd.SenderID == anonymousSender:
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "without a session nobody is the author of a message; connect with the session that posted it"}
	case rank < moderatorRank:
		return roleTooLow(wire.RoleModerator, fmt.Sprintf("message %d is somebody else's; only its author can change it, and moderators can delete it", of))
	case !deletes:
		return &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("message %d is somebody else's; moderators can delete it, and only its author can edit it", of)}
	case c.rank(cmd.Room, author) >= rank:
		return &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("message %d is of a sender whose role is not lower than yours, and cannot be deleted by you", of), Rule: wire.RuleRole}
	}
	return nil
}

// message returns the row of a message, zero if it was deleted with all others up to its number. It refuses a number that
// no message ever had. A message that is hidden is gone; its row is as stored.
func (c *Delta) message(tx Tx, room string, n uint64) (row Record, message messageBody, refused *wire.CodedError, err error) {
	bounds, _ := c.bounds(room)
	switch {
	case n > bounds.Last:
		return row, message, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("there is no message %d in the room %s; the newest number is %d", n, room, bounds.Last)}, nil
	case n < bounds.First:
		return row, message, nil, nil
	}
	row, err = tx.Record(room, n)
	if err != nil {
		return row, message, nil, err
	}
	if row.Kind != Say {
		return row, message, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("number %d of the room %s is not a message", n, room)}, nil
	}
	message, err = decodeMessage(row.Body)
	if e := c.hiddenBy(&row); e != nil && !message.Gone {
		message = messageBody{Gone: true, Edited: e.N}
	}
	return row, message, nil, err
}

// replaceRecord stores the new form of a row, and removes the checksum of the old one.
func (c *Delta) replaceRecord(tx Tx, o *Outcome, row Record) error {
	if err := tx.ReplaceRecord(&row); err != nil {
		return err
	}
	o.Replaced = append(o.Replaced, row)
	return tx.EraseIDSum(c.ids.Number, IDKeyOf(row.Room, row.SenderID, row.ID))
}

// supersede removes the text of an earlier change; 0: there is none.
func (c *Delta) supersede(tx Tx, o *Outcome, n uint64) error {
	room := o.Command.Room
	if bounds, _ := c.bounds(room); n < bounds.First { // also 0
		return nil
	}
	row, err := tx.Record(room, n)
	if err != nil {
		return err
	}
	if row.Kind != Change {
		return fmt.Errorf("%w: record %d of the room %s is not the change that a message names", ErrDamaged, n, room)
	}
	row.Body = encodeChange(ChangeBody{})
	return c.replaceRecord(tx, o, row)
}

// changeSum returns the checksum of a change. It begins with a NUL, which no text of a client contains.
func changeSum(body ChangeBody) int64 {
	content := "\x00change " + strconv.FormatUint(body.Of, 10)
	if body.Text != nil {
		content += " " + *body.Text
	}
	return TextSum(content)
}

// changeVersion is the version of the body of a change's record; a ChangeBody follows it. The body of a superseded change
// has message 0 and no text.
const changeVersion = 1

func encodeChange(body ChangeBody) string {
	return string(rune(changeVersion)) + string(must(encoding.Marshal(encodedChange{Of: body.Of, Text: body.Text})))
}

// PlaceholderRecord returns a record for a number that is not a message's, and of which nothing else is known: that of a
// superseded change.
func PlaceholderRecord(room string, n uint64, at wire.Time) Record {
	return Record{Room: room, N: n, At: at, SenderID: OperatorSender, ID: "placeholder-" + strconv.FormatUint(n, 10), Kind: Change, Body: encodeChange(ChangeBody{})}
}

func decodeChange(body string) (change ChangeBody, err error) {
	if err := checkRecordVersion(body, changeVersion); err != nil {
		return change, err
	}
	var e encodedChange
	err = decoding.Unmarshal([]byte(body[1:]), &e)
	change = ChangeBody{Of: e.Of, Text: e.Text}
	switch {
	case err != nil:
		return ChangeBody{}, err
	case encodeChange(change) != body:
		return ChangeBody{}, errNotDeterministic
	case change.Of == 0 && change.Text != nil:
		return ChangeBody{}, errors.New("a superseded change has a text, want none")
	case change.Text != nil:
		if err := checkString(Change, "text", *change.Text, maxText, false); err != nil {
			return ChangeBody{}, err
		}
	}
	return change, nil
}

func (k changeKind) records() recordKind { return k }

func (changeKind) checkBody(body string) error {
	_, err := decodeChange(body)
	return err
}

func (changeKind) frameType() string { return wire.Changed{}.Type() }

func (changeKind) appendFrame(dst []byte, r *Record) ([]byte, error) {
	change, err := decodeChange(r.Body)
	if err != nil {
		return dst, err
	}
	f := wire.Changed{Room: r.Room, N: r.N, At: r.At, Of: wire.Targets{}, SenderID: r.SenderID, DisplayName: r.DisplayName, ID: r.ID, Text: change.Text}
	if change.Of > 0 {
		f.Of = wire.Target(change.Of)
	}
	return wire.Append(dst, f), nil
}

// appendLine shows an edit as a separate message, because a line that was sent cannot change.
func (changeKind) appendLine(dst []byte, r *Record) ([]byte, bool, error) {
	change, err := decodeChange(r.Body)
	if err != nil || change.Text == nil {
		return dst, false, err
	}
	return append(wire.AppendLine(dst, &wire.Message{DisplayName: r.DisplayName, Text: *change.Text}), " (edited)"...), true, nil
}

func (changeKind) message(r *Record) (wire.Message, bool, error) {
	_, err := decodeChange(r.Body)
	return wire.Message{}, false, err
}

func (changeKind) searchText(r *Record) (string, error) {
	_, err := decodeChange(r.Body)
	return "", err
}

// MaxEditWindow is the highest value of Limits.EditWindow.
const MaxEditWindow time.Duration = 100 * 365 * 24 * time.Hour

// anonymousSender is the sender that all clients without a session share.
var anonymousSender = wire.SenderIDOf("")

// changes returns the number of the message, so that the index can follow.
func (changeKind) changes(r *Record) []wire.Range {
	change, err := decodeChange(r.Body)
	if err != nil || change.Of == 0 {
		return nil
	}
	return wire.Target(change.Of)
}
