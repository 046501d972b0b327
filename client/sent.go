package client

import (
	"fmt"
	"time"

	"ramai/wire"
)

// A State is what has become of a message, a change or a setting of this client.
//
//	waiting ⇄ sending → saved
//	             ↓  ↘
//	           held → failed
//
// Messages are sent in the order in which they were said. A broken connection, and a refusal that says when to try again,
// make those that were sent wait again. Saved and Failed are final.
type State uint8

// The states of a message.
const (
	Waiting State = iota // to be sent, over this connection or a later one
	Sending              // sent; the server has not answered yet
	Saved                // on the server's disk
	Held                 // kept by the server until a moderator decides; Saved or Failed follows
	Failed               // refused for good, or it is unknown whether it was saved
)

// String returns the name of the state.
func (s State) String() string {
	names := [...]string{"waiting", "sending", "saved", "held", "failed"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Final reports whether no other state follows.
func (s State) Final() bool { return s == Saved || s == Failed }

// Sent is a message of this client, a change of one, or a setting of a room, and its state. [Client.Next] returns one, as the frame
// of an event, for each change of state after the first, which is Waiting. [Client.Outbox] returns those that are not final.
type Sent struct {
	Room, ID, Text string
	Re             uint64   // the message that it replies to; 0: none
	As             string   // wire.Question, wire.Poll or wire.Notice; empty: a message like most
	Options        []string // of a poll
	State          State

	// Of a change, which has one of both: the message that it changes, by its number, or by its id if the message was in the
	// outbox. Then Of follows. Text is the new text, unless the change Deletes the message.
	Of      uint64
	OfID    string
	Deletes bool

	Withdraws string // of the withdrawal of a message that is held: the id of that message

	// Of a setting.
	Key   string
	Value wire.Value
	Until wire.Time // the end of a rule; 0: it has none

	// Of what a moderator does.
	Moderate *wire.Moderate

	N  uint64    // Saved: its number; 0 on the plain protocol, which has none
	At time.Time // Saved: the server's time; zero on the plain protocol

	// Failed: why. Waiting: why the server refused it for now; empty if it did not.
	Code       wire.Code
	Reason     string
	RetryAfter time.Duration // Waiting: it is sent again after this
	Unknown    bool          // Failed: it may have been saved, and is not sent again

	// Failed, because a rule of the room refused it: see wire.CodedError.
	Rule      string
	Params    wire.Params
	RuleUntil wire.Time // the rule does not refuse it after that; 0: the rule has no end
}

// IsMessage reports whether it is a message: not a change, a withdrawal, a setting, or what a moderator does.
func (s Sent) IsMessage() bool {
	return !s.Changes() && s.Withdraws == "" && s.Key == "" && s.Moderate == nil
}

// Withdrawn reports whether it is a message that its sender has withdrawn while it was held, here or elsewhere. Its state is Failed.
func (s Sent) Withdrawn() bool { return s.State == Failed && s.IsMessage() && s.Code == wire.Gone }

// Changes reports whether it is a change of a message.
func (s Sent) Changes() bool { return s.Of > 0 || s.OfID != "" }

// changed returns the frame that the room will receive.
func (s Sent) changed() wire.Changed {
	f := wire.Changed{Room: s.Room, N: s.N, Of: wire.Target(s.Of)}
	if !s.At.IsZero() {
		f.At = wire.TimeOf(s.At)
	}
	if !s.Deletes {
		f.Text = &s.Text
	}
	return f
}

// Type implements wire.Frame. A Sent is never sent to a server.
func (Sent) Type() string { return "sent" }

// RoomName implements wire.RoomFrame.
func (s Sent) RoomName() string { return s.Room }
