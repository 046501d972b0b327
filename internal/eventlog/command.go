package eventlog

import (
	"fmt"

	"ramai/wire"
)

// A Command is a request of a sender or of the server to change something: a head that all kinds share, and a body. It is
// data: it has an encoding, see [Batch.Encode], and no reference into the process.
//
// The body of a Say is part of the struct, so that posting allocates nothing. Every other kind has its own type.
type Command struct {
	Kind     Kind
	SenderID string
	Room     string
	ID       string // the sender's; see the kinds for how long it is remembered

	Text        string // of a Say
	Once        bool   // of a Say: see there
	RegisterKey string // of a Say: see there
	Re          uint64 // of a Say: the number of the message that it replies to; 0: none
	Link        bool   // of a Say: the text has a link, see wire.HasLink
	Transient   bool   // of a Say: the sender ends with its connection, and owns no room

	Origin       Origin // hash of the client's address with the newest key, for the kinds of hasOrigin
	FormerOrigin Origin // the same with the key before it; zero: that is not kept any more

	Body Body // nil for a Say that is only a text, and for kinds without one
}

// A Body is the part of a command besides its head, specific to its kind.
type Body interface{ kind() Kind }

// bodyOf returns the body of a command, with the type for its kind.
func bodyOf[B Body](c *Command) (body B, err error) {
	body, ok := c.Body.(B)
	if !ok {
		return body, fmt.Errorf("a %v command has the body %T, want %T", c.Kind, c.Body, body)
	}
	return body, nil
}

// A Batch is applied in one transaction. It carries everything that Decide depends on besides the stored state.
type Batch struct {
	At wire.Time // set by the sequencer; may go backwards, but Decide keeps the times of each room ascending

	// The node that submitted the batch, the node's incarnation (see Start), and the number of the batch in it, from 1. A
	// batch of an incarnation other than the node's current one, or with a number that was applied before, does nothing.
	// Incarnation 0 is for a batch that no other process can have submitted, and for one that begins an incarnation: it is
	// always applied.
	Node        string
	Incarnation uint64
	Seq         uint64

	Commands []Command

	program *Program // defines the kinds of the commands; nil: Current
}

// check returns an error for a batch that no node can have submitted. A Start is alone in its batch, which belongs to the
// starting node and to no incarnation, because it begins one: any other command in it would belong to two incarnations.
// Code that builds or decodes a batch calls check.
func (b *Batch) check() error {
	for i := range b.Commands {
		c := &b.Commands[i]
		if c.Kind != Start {
			continue
		}
		switch body, err := bodyOf[StartBody](c); {
		case err != nil:
			return err
		case len(b.Commands) > 1:
			return fmt.Errorf("a start is in a batch of %d commands, want it alone", len(b.Commands))
		case b.Incarnation != 0:
			return fmt.Errorf("a start is in a batch of the incarnation %d, want none", b.Incarnation)
		case body.Node != b.Node:
			return fmt.Errorf("a start of the node %q is in a batch of the node %q", body.Node, b.Node)
		}
	}
	return nil
}

// LocalNode is the name of the only node of a server that runs alone.
const LocalNode = "local"

// Status is the result of a command.
type Status uint8

// The statuses.
const (
	Saved   Status = iota + 1 // stored now, under N
	Repeat                    // was stored before, under N
	Refused                   // not stored; Err has the reason
	OnHold                    // of a Say: it waits for a moderator, see Held; Err says why
)

// An Outcome is a command and its result.
type Outcome struct {
	Command     *Command // in its batch or submission, not a copy
	Status      Status
	N           uint64     // of a command that added a record: its number in the room; of a Trim or RemoveRoom: the oldest number that is left, or the next one
	At          wire.Time  // of a command that added a record: its time; otherwise that of the batch
	DisplayName string     // of a command that added a record: the sender's name at that time
	Body        string     // of the record that the command added; empty if it added none
	Renamed     []string   // senders whose name changed
	SignedIn    string     // of a SignIn: the sender who is signed in; of a SignOut: whose sessions have ended
	Ended       []string   // of a PruneEntries: senders of which a session has ended
	FormerVote  string     // of a Mark that is a vote: the key of the sender's former vote
	Replaced    []Record   // rows of the room that the command has rewritten, as they are now
	Roles       *Roles     // whose role in the room, or what was imposed on them, may have changed; nil: nobody's
	Rewritten   wire.Range // numbers of the room among which rows are shown differently from now on, too many to be in Replaced; zero: none
	Judged      *Judged    // the decision about a held message that the command brings; nil: none
	Err         *wire.CodedError
}

// Roles are senders whose roles in a room may have changed.
type Roles struct {
	Senders []string
	All     bool // those of all senders, because that of everyone has changed
}

// changesRole notes that the role of a sender may have changed.
func (o *Outcome) changesRole(senderID string) {
	if o.Roles == nil {
		o.Roles = new(Roles)
	}
	o.Roles.Senders = append(o.Roles.Senders, senderID)
}

// HasRecord reports whether the command added a record to its room.
func (o *Outcome) HasRecord() bool { return o.Status == Saved && o.Body != "" }

// Record returns the record that the command added, see HasRecord.
func (o *Outcome) Record() Record {
	kind := o.Command.Kind
	if kind == AppendLog {
		kind = Say
	}
	return Record{Room: o.Command.Room, N: o.N, At: o.At, SenderID: o.Command.SenderID, DisplayName: o.DisplayName, ID: o.Command.ID, Kind: kind, Body: o.Body}
}

func (o *Outcome) refuse(code wire.Code, reason string) {
	o.refuseWith(&wire.CodedError{Code: code, Reason: reason})
}

func (o *Outcome) refuseWith(e *wire.CodedError) { o.Status, o.Err = Refused, e }
