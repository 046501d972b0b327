package eventlog

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"ramai/wire"
)

// ChangeBody is the body of a Change, which replaces the text of message Of, or deletes the message if Text is nil. Only
// the author can change a message, within Limits.EditWindow.
//
// A change adds a record, whose number clients count like any other, and rewrites the row of the message. The replaced text
// is kept nowhere: an earlier change of the same message loses its text, too, and the checksums of both are removed.
//
// Its id is remembered like that of a Say, and shares the same ids.
type ChangeBody struct {
	_    struct{} `cbor:",toarray"`
	Of   uint64
	Text *string
}

func (ChangeBody) kind() Kind { return Change }

type changeKind struct {
	onDemand
	withBody[ChangeBody]
}

func (changeKind) name() string { return "change" }

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
	}
	return checkHead(c, hasSender|hasRoom|hasID)
}

func (changeKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[ChangeBody](o.Command)
	if err != nil {
		return err
	}
	row, message, refused, err := c.changeable(tx, o.Command, body.Of)
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
	c.addOther(o.Command.Room, o.N)
	replaced := message.Edited
	if body.Text == nil {
		message = messageBody{Gone: true}
		if err := errors.Join(c.deleteStatus(tx, o.Command.Room, body.Of, body.Of), c.dropMarks(tx, o.Command.Room, body.Of, body.Of)); err != nil {
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

// changeable returns the row of a message, or the reason why the sender of cmd must not change it.
func (c *Delta) changeable(tx Tx, cmd *Command, of uint64) (row Record, message messageBody, refused *wire.CodedError, err error) {
	row, message, refused, err = c.message(tx, cmd.Room, of)
	if refused != nil || err != nil {
		return row, message, refused, err
	}
	deny := func(code wire.Code, reason string) (Record, messageBody, *wire.CodedError, error) {
		return row, message, &wire.CodedError{Code: code, Reason: reason}, nil
	}
	window := c.limits.EditWindow
	switch {
	case row.N == 0 || message.Gone:
		return deny(wire.Gone, fmt.Sprintf("message %d was deleted", of))
	case cmd.SenderID == anonymousSender:
		return deny(wire.NotAllowed, "without a session nobody is the author of a message; connect with the session that posted it")
	case cmd.SenderID != row.SenderID:
		return deny(wire.NotAllowed, fmt.Sprintf("message %d is somebody else's; only its author can change it", of))
	case window == 0:
		return deny(wire.NotAllowed, "messages cannot be changed on this server")
	case int64(c.at-row.At) > window.Milliseconds():
		return deny(wire.NotAllowed, fmt.Sprintf("message %d is older than %s, and cannot be changed any more", of, window))
	}
	return row, message, nil, nil
}

// message returns the row of a message, zero if it was deleted with all others up to its number. It refuses a number that
// no message ever had.
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
	return string(rune(changeVersion)) + string(must(encoding.Marshal(body)))
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
	err = decoding.Unmarshal([]byte(body[1:]), &change)
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

// changes returns the number of the changed message, so that the index can follow.
func (changeKind) changes(r *Record) uint64 {
	change, err := decodeChange(r.Body)
	if err != nil {
		return 0
	}
	return change.Of
}
