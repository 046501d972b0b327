package client

import (
	"time"

	"ramai/wire"
)

// An Event is something that happened.
//
// Frame is what the server sent: [wire.Welcome], [wire.Joined], [wire.Message], [wire.Changed], [wire.Restored], [wire.Tally], [wire.State],
// [wire.Gap], [wire.Marked], [wire.Saved], [wire.Refused], [wire.Presence], [wire.Typing], [wire.Name], [wire.Epoch],
// [wire.Restarting], [wire.Left], [wire.OwnRole], or [wire.Unknown] from a newer server; or one of this package's own: [Sent], [Disconnected],
// [RequestFailed], [Line]. A wire.Marked is about this sender, also if another connection of the sender has marked the message.
//
// After a wire.Left the client is no longer in the room, and does not join it again by itself. The same holds after a
// RequestFailed of a Join that a rule of the room has refused.
//
// A Sent follows the frame that changes the state of what was sent.
type Event struct {
	Frame wire.Frame
	Raw   []byte // the frame or line as received; nil if there was none
}

// Disconnected reports that the connection broke, or that an attempt to connect failed.
type Disconnected struct {
	Err  error
	Wait time.Duration // until the next attempt
}

// RequestFailed reports that the server refused a request. Request is the Join, Name or Mark that failed, or nil if the server's
// error does not say which frame it is about. History and Who return their errors instead.
type RequestFailed struct {
	Request wire.Frame
	wire.Error
}

// Line is a line of the plain protocol, except the first one, which becomes a wire.Welcome with only its Text.
type Line struct {
	Text string
	ID   string // of the message that it echoes, or empty
}

// Type implements wire.Frame. These types are never sent.
func (Disconnected) Type() string { return "disconnected" }
func (Line) Type() string         { return "line" }
