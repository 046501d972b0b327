package eventlog

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"ramai/wire"
)

// MarkBody is the body of a Mark, which adds or removes a mark of the sender on message Of: a reaction, an upvote, or a
// vote for an option. A mark has no number. It changes a count, and the message is pending until a Tally has published it.
//
// The command needs no id: when repeated it changes nothing, and its outcome is a Repeat.
type MarkBody struct {
	_   struct{} `cbor:",toarray"`
	Of  uint64
	Key string // see wire.CheckMarkKey, which is not called here: it depends on tables
	On  bool
}

func (MarkBody) kind() Kind { return Mark }

type markKind struct {
	onDemand
	withBody[MarkBody]
	noRecords
}

func (markKind) name() string { return "mark" }

func (markKind) check(c *Command) error {
	body, err := bodyOf[MarkBody](c)
	if err != nil {
		return err
	}
	if body.Of == 0 {
		return errors.New("a mark command for message 0; messages are numbered from 1")
	}
	if err := checkString(Mark, "key", body.Key, wire.MaxMarkKey, true); err != nil {
		return err
	}
	return checkHead(c, hasSender|hasRoom)
}

func (markKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[MarkBody](o.Command)
	if err != nil {
		return err
	}
	m := marking{Delta: c, tx: tx, room: o.Command.Room, of: body.Of, sender: o.Command.SenderID}
	refused, err := c.permit(tx, o.Command, actMark, false)
	var row Record
	var message messageBody
	if refused == nil && err == nil {
		row, message, refused, err = c.message(tx, m.room, m.of)
	}
	switch {
	case refused != nil || err != nil:
	case m.sender == anonymousSender:
		refused = &wire.CodedError{Code: wire.NotAllowed, Reason: "messages can only be marked with a session; connect with one"}
	case row.N == 0 || message.Gone:
		refused = &wire.CodedError{Code: wire.Gone, Reason: fmt.Sprintf("message %d was deleted", m.of)}
	default:
		refused = m.refusedKey(&message, body.Key)
	}
	if err != nil {
		return err
	}
	if refused != nil {
		o.refuseWith(refused)
		return nil
	}
	changed := false
	if changed, refused, err = m.set(body.Key, body.On); err != nil {
		return err
	}
	o.FormerVote = m.replaced
	switch {
	case refused != nil:
		o.refuseWith(refused)
	case !changed:
		o.Status = Repeat
	}
	return nil
}

// A marking is what a sender does to the marks of a message.
type marking struct {
	*Delta
	tx     Tx
	room   string
	of     uint64
	sender string

	replaced string // key of the vote that this one replaces
}

// refusedKey returns why a message cannot have marks with a key.
func (m *marking) refusedKey(message *messageBody, key string) *wire.CodedError {
	switch option, ok := wire.OptionOf(key); {
	case !ok:
	case message.As != wire.Poll:
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("message %d is not a poll and has no option %d", m.of, option)}
	case option >= len(message.Options):
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("poll %d has options 0 to %d, not %d", m.of, len(message.Options)-1, option)}
	}
	return nil
}

// set adds or removes a mark. It returns whether that changed anything, or why it is refused.
func (m *marking) set(key string, on bool) (changed bool, refused *wire.CodedError, err error) {
	own, err := m.tx.Marks(m.room, m.of, m.sender)
	if err != nil || slices.Contains(own, key) == on {
		return false, nil, err
	}
	counts, err := m.tx.Counts(m.room, m.of)
	if err != nil {
		return false, nil, err
	}
	vote := isOption(key)
	switch {
	case vote && m.pollStatus(m.room, m.of) == wire.PollOver:
		return false, &wire.CodedError{Code: wire.Closed, Reason: fmt.Sprintf("poll %d is closed", m.of)}, nil
	case on && !vote && reactionKeys(slices.Values(own)) >= wire.MaxOwnKeys:
		return false, &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("one sender can have %d marks on a message; remove one first", wire.MaxOwnKeys)}, nil
	case on && !vote && counts[key] == 0 && reactionKeys(maps.Keys(counts)) >= wire.MaxKeys:
		return false, &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("a message can have marks with %d different keys; use one of those", wire.MaxKeys)}, nil
	case on:
		if other := otherVote(own, key); other != "" {
			m.replaced, err = other, m.remove(other, counts)
		}
		err = errors.Join(err, m.tx.PutMark(m.room, m.of, m.sender, key), m.tx.PutCount(m.room, m.of, key, counts[key]+1))
	default:
		err = m.remove(key, counts)
	}
	if err != nil || vote && m.pollStatus(m.room, m.of) == wire.Hidden {
		return err == nil, nil, err
	}
	return true, nil, m.addPending(m.tx, m.room, m.of)
}

// remove removes a mark of the sender.
func (m *marking) remove(key string, counts wire.Counts) error {
	if counts[key] == 0 {
		return fmt.Errorf("%w: message %d of the room %s has a mark that is not counted", ErrDamaged, m.of, m.room)
	}
	return errors.Join(m.tx.DeleteMark(m.room, m.of, m.sender, key), m.tx.PutCount(m.room, m.of, key, counts[key]-1))
}

// addPending notes that the next Tally must include the counts of a message.
func (c *Delta) addPending(tx Tx, room string, n uint64) error {
	added, err := tx.PutPending(room, n)
	if added {
		c.pending[room] = c.pendingIn(room) + 1
	}
	return err
}

// pendingIn returns how many messages of a room are pending.
func (c *Delta) pendingIn(room string) int { return latest(c.pending, c.state.pending, room) }

// dropMarks drops the marks of deleted messages. There may be many rows, so they are deleted later, in steps;
// see PruneMarks.
func (c *Delta) dropMarks(tx Tx, room string, from, to uint64) error {
	deleted, err := tx.DeletePending(room, from, to)
	if deleted > 0 {
		c.pending[room] = c.pendingIn(room) - deleted
	}
	if err != nil {
		return err
	}
	return tx.DropMarks(room, from, to)
}

// A PruneMarks deletes marks of deleted messages, at most PruneStep rows.
type pruneMarksKind struct {
	inBackground
	noBody
	noRecords
}

func (pruneMarksKind) name() string { return "prune_marks" }

func (pruneMarksKind) check(c *Command) error { return checkHead(c, 0) }

func (pruneMarksKind) decide(_ *Delta, tx Tx, _ *Outcome) error { return tx.DeleteDroppedMarks() }
